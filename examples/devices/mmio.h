/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest's access to a device's registers, as plain numbers: the same on the host and on the
 * kernel.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sel4/sel4.h>
#include <sel4vm/guest_vm.h>

struct mmio_access {
    size_t offset; /* in the device */
    size_t size;   /* bytes: 1, 2, 4 or 8 */
    bool write;
    uint64_t value; /* what is written; of a read: what the guest gets, 0 until it is set */
};

/* Which register, and how much of it: for `case`. */
#define MMIO_AT(offset, size) ((offset) << 4 | (size))

/* What the vcpu waits for, at `offset` of the device. */
struct mmio_access mmio_begin(vm_vcpu_t *vcpu, size_t offset, size_t size);

/* Give it what it waits for, and let it go on. The result is the callback's. */
memory_fault_result_t mmio_end(vm_vcpu_t *vcpu, const struct mmio_access *access);

/* What guards a device's state where several vcpus run at once. Not to be held while memory is
 * freed, nor taken inside a read section. Made of the compiler's own atomics: the C library of a
 * seL4 tree has no <stdatomic.h>. */
typedef bool device_lock;

static inline void device_lock_take(device_lock *lock)
{
    /* acquire: what the one before did is seen */
    while (__atomic_test_and_set(lock, __ATOMIC_ACQUIRE)) {
        seL4_Yield();
    }
}

static inline void device_lock_give(device_lock *lock)
{
    __atomic_clear(lock, __ATOMIC_RELEASE);
}

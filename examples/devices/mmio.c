/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "mmio.h"

#include <sel4vm/guest_vcpu_fault.h>

/* The kernel's VM library gives the whole register that is stored, the host only the bytes. */
static uint64_t low_bytes(uint64_t value, size_t size)
{
    return size >= sizeof(value) ? value : value & ((UINT64_C(1) << size * 8) - 1);
}

struct mmio_access mmio_begin(vm_vcpu_t *vcpu, size_t offset, size_t size)
{
    struct mmio_access access = {.offset = offset, .size = size};

    access.write = !is_vcpu_read_fault(vcpu);
    if (access.write) {
        access.value = low_bytes(get_vcpu_fault_data(vcpu), size);
    }
    return access;
}

memory_fault_result_t mmio_end(vm_vcpu_t *vcpu, const struct mmio_access *access)
{
    /* A read's bytes are expected where they stand in an aligned word. */
    unsigned lane = (get_vcpu_fault_address(vcpu) & 3) * 8;

    if (!access->write) {
        set_vcpu_fault_data(vcpu, low_bytes(access->value, access->size) << lane);
    }
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

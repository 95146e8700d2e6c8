/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A VM on the host's model of the kernel, for the parts of src/ that need seL4. Each test gets a
 * fresh one; at its end the VM is destroyed, and all must be as it was: caps, slots, untypeds,
 * tables, bytes.
 *
 *      static void a_sentence(void **state)
 *      {
 *          struct unit *u = *state;
 *          ...
 *      }
 *      UNIT_TEST(a_sentence)
 */
#pragma once

#include "unit.h"

#include <guestmem/guestmem.h>
#include <guestmem/host.h>
#include <guestmem/runtime.h>
#include <sel4vm/arch/guest_memory_arch.h>
#include <sel4vm/guest_iospace.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vm/guest_ram.h>
#include <sel4vm/guest_vm.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

#include "backing.h"
#include "failure.h"
#include "reservation.h"
#include "space.h"

#define PAGE ((size_t)4096)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* What lies where in a test's physical memory. */
#define UNIT_RAM_BASE ((uintptr_t)0x80000000)
#define UNIT_RAM_BYTES (64 * MIB)
#define UNIT_DEVICE ((uintptr_t)0x10000000) /* 4 MiB */
#define UNIT_DEVICE_BYTES (4 * MIB)
#define UNIT_DEVICE_RAM ((uintptr_t)0x60000000) /* 8 MiB, where the test wants it */
#define UNIT_DEVICE_RAM_BYTES (8 * MIB)

#define UNIT_FRAMES_MAX 1024

struct unit {
    struct guestmem_host *host;
    struct guestmem_host_snapshot *before;
    vka_t *vka;
    vm_t vm;
    vka_object_t root; /* the VM's; kept, since a test may take the VM down */
    struct gm_space *space;
    vka_object_t frames[UNIT_FRAMES_MAX]; /* of the test's own, freed at its end */
    size_t frame_count;
    /* the iterator unit_give(): */
    size_t give_bits;
    size_t give_fail_at; /* the call, from 1, that gives nothing; 0: none */
    size_t give_calls;
    void (*give_hook)(struct unit *u, uintptr_t addr); /* called first */
    size_t released;
};

/* Bring-up with normal memory and a device; with device RAM too; with an allocator that has no
 * devices. */
int unit_setup(void **state);
int unit_setup_device_ram(void **state);
int unit_setup_boot_frames(void **state);
int unit_teardown(void **state);

#define UNIT_TEST(function) cmocka_unit_test_setup_teardown(function, unit_setup, unit_teardown)
#define UNIT_TEST_DEVICE_RAM(function) \
    cmocka_unit_test_setup_teardown(function, unit_setup_device_ram, unit_teardown)
#define UNIT_TEST_BOOT_FRAMES(function) \
    cmocka_unit_test_setup_teardown(function, unit_setup_boot_frames, unit_teardown)

/* The unit that a VM belongs to. */
struct unit *unit_of(vm_t *vm);

/* A fault callback that answers FAULT_HANDLED. */
memory_fault_result_t unit_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                 void *cookie);

/* A reservation with that callback; never NULL. */
vm_memory_reservation_t *unit_reserve(struct unit *u, uintptr_t base, size_t size);

/* A policy for all that is reserved from now on. */
void unit_policy(struct unit *u, unsigned frame_bits_max, enum guestmem_populate populate);

/* A frame of the test's own. */
seL4_CPtr unit_frame(struct unit *u, size_t bits);

/* An iterator that gives the test's own frames (u->give_*); the cookie is the unit. */
vm_frame_t unit_give(uintptr_t addr, void *cookie);

/* Counts; the frame stays the test's. */
void unit_release(vm_t *vm, seL4_CPtr frame, size_t size_bits, void *cookie);

/* Whether the guest sees a leaf of this size at gpa. */
bool unit_leaf(struct unit *u, uintptr_t gpa, struct guestmem_host_leaf *leaf);
void unit_check_leaf(struct unit *u, uintptr_t gpa, unsigned size_bits);
void unit_check_no_leaf(struct unit *u, uintptr_t gpa);

/* The whole state, to be compared later. */
struct guestmem_host_snapshot *unit_snapshot(struct unit *u);
void unit_check_same(struct unit *u, struct guestmem_host_snapshot *before); /* and frees it */

/* That the last failure of the VM is this error. */
void unit_check_failure(struct unit *u, int error);

/*
 * Call `call` with the 1st, 2nd, 3rd ... request failing, until none is left to fail and it
 * succeeds (answers 0). After each failure everything is as before; where it found another way,
 * `undo` takes back what it did. Returns how many requests failed.
 */
size_t unit_fail_each(struct unit *u, int (*call)(struct unit *u), void (*undo)(struct unit *u));

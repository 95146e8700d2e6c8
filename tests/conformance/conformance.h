/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The cases of the compatible interface, a suite a subject, and what they share. They include the
 * public headers that VMMs include, and no other.
 */
#pragma once

/* Before the others: a tree's own headers lean on it. */
#include <sel4vm/guest_vm.h>

#include <sel4vm/arch/guest_memory_arch.h>
#include <sel4vm/guest_memory.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vm/guest_ram.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

#include "gm_test.h"

extern const struct gm_suite reserve_suite;
extern const struct gm_suite anonymous_suite;
extern const struct gm_suite fault_suite;
extern const struct gm_suite iterator_suite;
extern const struct gm_suite array_suite;
extern const struct gm_suite create_suite;
extern const struct gm_suite by_address_suite;
extern const struct gm_suite memory_suite;
extern const struct gm_suite ram_suite;
extern const struct gm_suite ram_marks_suite;
extern const struct gm_suite touch_suite;
extern const struct gm_suite access_suite;
extern const struct gm_suite access_views_suite;
extern const struct gm_suite translate_suite;
extern const struct gm_suite vspace_suite;
extern const struct gm_suite vspace_share_suite;
extern const struct gm_suite vms_suite;
extern const struct gm_suite shortage_suite;
extern const struct gm_suite threads_suite;

/* Where cases put things: aligned to 1 GiB, and far from anything special. */
#define BASE ((uintptr_t)0x40000000)

/* Reserve with a callback that stops the guest; the case fails if that fails. */
static inline vm_memory_reservation_t *reserve(vm_t *vm, uintptr_t addr, size_t size)
{
    vm_memory_reservation_t *res =
        vm_reserve_memory_at(vm, addr, size, default_error_fault_callback, NULL);

    GM_CHECK_NOT_NULL(res);
    return res;
}

/* Whether [addr, addr + size) is refused. */
static inline bool refused(vm_t *vm, uintptr_t addr, size_t size)
{
    return vm_reserve_memory_at(vm, addr, size, default_error_fault_callback, NULL) == NULL;
}

/* Run a statement that fails, and check that caps, slots, memory, tables and bytes are as before.
 */
#define CHANGES_NOTHING(env, ...)                               \
    do {                                                        \
        struct gm_env_snapshot *before_ = gm_env_snapshot(env); \
        __VA_ARGS__;                                            \
        gm_env_check_same(env, before_);                        \
    } while (0)

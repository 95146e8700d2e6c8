/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What went wrong in the reference implementation, by number: a case or more for each defect, named
 * after it, each of which would fail on an implementation that has it. The comment above a case says
 * how the defect would show.
 */
#pragma once

#include <guestmem/guestmem.h>
#include <guestmem/runtime.h>
#include <sel4vm/arch/guest_memory_arch.h>
#include <sel4vm/guest_memory.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vm/guest_ram.h>
#include <sel4vm/guest_vm.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

#include "gm_test.h"

extern const struct gm_suite reservation_defects;
extern const struct gm_suite mapping_defects;
extern const struct gm_suite scale_defects;
extern const struct gm_suite ram_defects;
extern const struct gm_suite helper_defects;
extern const struct gm_suite bad_range_suite;
extern const struct gm_suite bad_frame_suite;
extern const struct gm_suite bad_vspace_suite;
extern const struct gm_suite rights_suite;
extern const struct gm_suite frees_suite;

/* Where cases put things: aligned to 1 GiB, and far from anything special. */
#define BASE ((uintptr_t)0x40000000)

/* Reserve with a callback that stops the guest; the case fails if that fails. */
static inline vm_memory_reservation_t *reserve(vm_t *vm, uintptr_t addr, size_t size)
{
    vm_memory_reservation_t *res = vm_reserve_memory_at(vm, addr, size, default_error_fault_callback, NULL);

    GM_CHECK_NOT_NULL(res);
    return res;
}

/* Let what is reserved from now on be backed with frames of at most 2^bits bytes. */
static inline void limit_frames(vm_t *vm, unsigned bits)
{
    struct guestmem_policy policy;

    GM_CHECK_EQ(guestmem_get_policy(vm, &policy), GUESTMEM_OK);
    policy.frame_bits_max = bits;
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
}

static inline void set_populate(vm_t *vm, enum guestmem_populate populate)
{
    struct guestmem_policy policy;

    GM_CHECK_EQ(guestmem_get_policy(vm, &policy), GUESTMEM_OK);
    policy.populate = populate;
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
}

/* Run statements, and check that caps, slots, memory, tables and bytes are as before. */
#define CHANGES_NOTHING(env, ...)                                                                  \
    do {                                                                                           \
        struct gm_env_snapshot *before_ = gm_env_snapshot(env);                                    \
        __VA_ARGS__;                                                                               \
        gm_env_check_same(env, before_);                                                           \
    } while (0)

/* That the VM's last failure is this one. */
#define CHECK_FAILURE(vm, code, name)                                                              \
    do {                                                                                           \
        const struct guestmem_failure *failure_ = guestmem_last_failure(vm);                       \
        GM_CHECK_NOT_NULL(failure_);                                                               \
        GM_CHECK_EQ(failure_->error, code);                                                        \
        GM_CHECK(failure_->operation != NULL && strcmp(failure_->operation, name) == 0);           \
        GM_CHECK(failure_->step != NULL && failure_->step[0] != '\0');                             \
    } while (0)

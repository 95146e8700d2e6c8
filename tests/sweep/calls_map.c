/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Backing: sel4vm/guest_memory.h, guestmem/runtime.h, sel4vmmplatsupport/guest_memory_util.h.
 */
#include "sweep.h"

static void reserve_mixed(struct sweep *sweep)
{
    sweep->res = sweep_reserve(sweep->vm, sweep_mixed_base(sweep), sweep_mixed_size(sweep));
}

static void reserve_few(struct sweep *sweep)
{
    sweep->res = sweep_reserve(sweep->vm, CALL_AT + 0x500, 5 * GM_PAGE);
}

static void bring_few(struct sweep *sweep)
{
    reserve_few(sweep);
    sweep_bring_frames(sweep, CALL_AT, GM_BITS_4K, 6);
}

static void bring_large(struct sweep *sweep)
{
    if (sweep->state->scarce) {
        bring_few(sweep);
        return;
    }
    sweep->res = sweep_reserve(sweep->vm, CALL_AT, 4 * GM_MIB);
    sweep_bring_frames(sweep, CALL_AT, GM_BITS_2M, 2);
}

static bool map_iterator(struct sweep *sweep)
{
    return vm_map_reservation(sweep->vm, sweep->res, sweep_give, sweep) == 0;
}

static bool map_iterator_now(struct sweep *sweep)
{
    return map_vm_memory_reservation(sweep->vm, sweep->res, sweep_give, sweep) == 0;
}

static bool map_array(struct sweep *sweep)
{
    return vm_map_reservation_frames(sweep->vm, sweep->res, sweep->caps, sweep->cap_count, sweep->cap_bits) == 0;
}

static bool map_memory(struct sweep *sweep)
{
    return map_frame_alloc_reservation(sweep->vm, sweep->res) == 0;
}

static bool map_maybe_device(struct sweep *sweep)
{
    return map_maybe_device_reservation(sweep->vm, sweep->res) == 0;
}

static void reserve_at_paddr(struct sweep *sweep)
{
    sweep->res = sweep_reserve(sweep->vm, sweep->env->device_base + 0x800, 4 * GM_PAGE);
}

static bool map_identity(struct sweep *sweep)
{
    return map_ut_alloc_reservation(sweep->vm, sweep->res) == 0;
}

static void reserve_for_device(struct sweep *sweep)
{
    sweep->res = sweep_reserve(sweep->vm, CALL_AT, 2 * GM_MIB + 3 * GM_PAGE);
}

static bool map_device(struct sweep *sweep)
{
    return map_ut_alloc_reservation_with_base_paddr(sweep->vm, sweep->env->device_base, sweep->res) == 0;
}

static void reserve_for_paddr(struct sweep *sweep)
{
    sweep->size = gm_env_free_paddr(sweep->env, 14);
    sweep->res = sweep_reserve(sweep->vm, CALL_AT, 4 * GM_PAGE);
}

static bool map_paddr(struct sweep *sweep)
{
    return map_ut_alloc_reservation_with_base_paddr(sweep->vm, sweep->size, sweep->res) == 0;
}

static bool create_allocated(struct sweep *sweep)
{
    return create_allocated_reservation_frame(sweep->vm, CALL_AT, seL4_CanRead, default_error_fault_callback,
                                              NULL) != NULL;
}

static bool create_device(struct sweep *sweep)
{
    return create_device_reservation_frame(sweep->vm, sweep->env->device_base, seL4_AllRights,
                                           default_error_fault_callback, NULL) != NULL;
}

static const struct sweep_call calls[] = {
    {"vm_map_reservation", "small frames", bring_few, map_iterator, 0},
    {"vm_map_reservation", "large frames", bring_large, map_iterator, 0},
    {"map_vm_memory_reservation", "small frames", bring_few, map_iterator_now, 0},
    {"vm_map_reservation_frames", "small frames", bring_few, map_array, 0},
    {"vm_map_reservation_frames", "large frames", bring_large, map_array, 0},
    {"map_frame_alloc_reservation", "unaligned", reserve_few, map_memory, 0},
    {"map_frame_alloc_reservation", "mixed sizes", reserve_mixed, map_memory, 0},
    {"map_maybe_device_reservation", "mixed sizes", reserve_mixed, map_maybe_device, 0},
    {"map_ut_alloc_reservation", "of a device", reserve_at_paddr, map_identity, 0},
    {"map_ut_alloc_reservation_with_base_paddr", "of a device", reserve_for_device, map_device, 0},
    {"map_ut_alloc_reservation_with_base_paddr", "of memory", reserve_for_paddr, map_paddr, 0},
    {"create_allocated_reservation_frame", "first", NULL, create_allocated, 0},
    {"create_device_reservation_frame", "first", NULL, create_device, 0},
};
const struct sweep_table sweep_map_calls = SWEEP_TABLE(calls);

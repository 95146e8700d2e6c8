/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * sel4vm/guest_memory.h and guestmem/runtime.h: claiming, giving back, bring-up, faults.
 */
#include "sweep.h"

static bool reserve_at(struct sweep *sweep)
{
    return vm_reserve_memory_at(sweep->vm, CALL_AT + 0x10, 0x20, default_error_fault_callback, NULL) != NULL;
}

/* As many as it takes to let the index split a full chunk. */
static void reserve_many(struct sweep *sweep)
{
    for (unsigned i = 0; i < 64; i++) {
        sweep_reserve(sweep->vm, CALL_AT + i * 0x40, 0x10);
    }
}

static void make_pool(struct sweep *sweep)
{
    GM_CHECK_EQ(vm_memory_make_anon(sweep->vm, CALL_AT + GM_PAGE, 64 * GM_PAGE), 0);
}

static bool reserve_anon(struct sweep *sweep)
{
    uintptr_t addr;

    return vm_reserve_anon_memory(sweep->vm, 0x1800, 1, default_error_fault_callback, NULL, &addr) != NULL;
}

/* The middle of a free range, so that what is left is two. */
static bool reserve_anon_aligned(struct sweep *sweep)
{
    uintptr_t addr;

    return vm_reserve_anon_memory(sweep->vm, 0x3000, 0x10000, default_error_fault_callback, NULL, &addr) != NULL;
}

static bool donate(struct sweep *sweep)
{
    return vm_memory_make_anon(sweep->vm, CALL_AT, 16 * GM_PAGE) == 0;
}

static void map_mixed(struct sweep *sweep)
{
    sweep->res = sweep_reserve(sweep->vm, sweep_mixed_base(sweep), sweep_mixed_size(sweep));
    GM_CHECK_EQ(map_frame_alloc_reservation(sweep->vm, sweep->res), 0);
}

static void map_lent(struct sweep *sweep)
{
    sweep->res = sweep_reserve(sweep->vm, CALL_AT, 5 * GM_PAGE);
    sweep_bring_frames(sweep, CALL_AT, GM_BITS_4K, 5);
    GM_CHECK_EQ(guestmem_map_iterator(sweep->vm, sweep->res, sweep_lend, sweep_release, sweep), GUESTMEM_OK);
}

static void map_from_pool(struct sweep *sweep)
{
    uintptr_t addr;

    make_pool(sweep);
    sweep->res = vm_reserve_anon_memory(sweep->vm, 0x3000, 0x10000, default_error_fault_callback, NULL, &addr);
    GM_CHECK_NOT_NULL(sweep->res);
    GM_CHECK_EQ(map_frame_alloc_reservation(sweep->vm, sweep->res), 0);
}

static void register_and_touch(struct sweep *sweep)
{
    uint8_t bytes[64];

    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT, 4 * GM_PAGE, false), 0);
    vm_ram_mark_allocated(sweep->vm, CALL_AT + GM_PAGE, GM_PAGE);
    GM_CHECK_EQ(vm_ram_touch(sweep->vm, CALL_AT + GM_PAGE - 8, 64, vm_guest_ram_read_callback, bytes), 0);
    sweep->res = guestmem_reservation_at(sweep->vm, CALL_AT);
}

static bool free_reservation(struct sweep *sweep)
{
    return vm_free_reserved_memory(sweep->vm, sweep->res) == 0;
}

static bool initialise(struct sweep *sweep)
{
    return vm_memory_init(sweep->vm) == 0;
}

static bool init_vspace(struct sweep *sweep)
{
    struct vm_mem *mem = &sweep->vm->mem;

    return vm_init_guest_vspace(&mem->vmm_vspace, &mem->vmm_vspace, &mem->vm_vspace, sweep->vm->vka,
                                mem->vm_vspace_root.cptr) == 0;
}

static void map_lazily(struct sweep *sweep)
{
    sweep_set_policy(sweep->vm, GUESTMEM_POPULATE_LAZY, GM_BITS_4K);
    sweep->res = sweep_reserve(sweep->vm, CALL_AT + 0x800, 6 * GM_PAGE);
    GM_CHECK_EQ(map_frame_alloc_reservation(sweep->vm, sweep->res), 0);
    GM_CHECK_EQ(gm_env_fault(sweep->vm, CALL_AT + 5 * GM_PAGE, 4), FAULT_RESTART);
}

/* The pages beside the access come with it: what they lack is no failure. */
static void map_lazily_with_neighbours(struct sweep *sweep)
{
    struct guestmem_policy policy;

    sweep_set_policy(sweep->vm, GUESTMEM_POPULATE_LAZY, GM_BITS_4K);
    GM_CHECK_EQ(guestmem_get_policy(sweep->vm, &policy), GUESTMEM_OK);
    policy.populate_around_bits = GM_BITS_4K + 3;
    GM_CHECK_EQ(guestmem_set_policy(sweep->vm, &policy), GUESTMEM_OK);
    sweep->res = sweep_reserve(sweep->vm, CALL_AT + 0x800, 7 * GM_PAGE);
    GM_CHECK_EQ(map_frame_alloc_reservation(sweep->vm, sweep->res), 0);
    GM_CHECK_EQ(guestmem_populate(sweep->vm, CALL_AT + 5 * GM_PAGE, GM_PAGE), GUESTMEM_OK);
}

static void lend_lazily(struct sweep *sweep)
{
    sweep_set_policy(sweep->vm, GUESTMEM_POPULATE_LAZY, GM_BITS_4K);
    sweep->res = sweep_reserve(sweep->vm, CALL_AT, 6 * GM_PAGE);
    sweep_bring_frames(sweep, CALL_AT, GM_BITS_4K, 6);
    GM_CHECK_EQ(guestmem_map_iterator(sweep->vm, sweep->res, sweep_lend, sweep_release, sweep), GUESTMEM_OK);
}

static void bring_array_lazily(struct sweep *sweep)
{
    sweep_set_policy(sweep->vm, GUESTMEM_POPULATE_LAZY, GM_BITS_4K);
    sweep->res = sweep_reserve(sweep->vm, CALL_AT, 6 * GM_PAGE);
    sweep_bring_frames(sweep, CALL_AT, GM_BITS_4K, 6);
    GM_CHECK_EQ(vm_map_reservation_frames(sweep->vm, sweep->res, sweep->caps, 6, GM_BITS_4K), 0);
}

static void discard(struct sweep *sweep)
{
    sweep_set_policy(sweep->vm, GUESTMEM_POPULATE_EAGER, GM_BITS_4K);
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT, 8 * GM_PAGE, false), 0);
    GM_CHECK_EQ(guestmem_ram_discard(sweep->vm, CALL_AT, 6 * GM_PAGE), GUESTMEM_OK);
}

/* An access over the border of two pages, neither of which is there. */
static bool fault(struct sweep *sweep)
{
    return gm_env_fault(sweep->vm, CALL_AT + 3 * GM_PAGE - 4, 8) == FAULT_RESTART;
}

static const struct sweep_call calls[] = {
    {"vm_reserve_memory_at", "first", NULL, reserve_at, 0},
    {"vm_reserve_memory_at", "among many", reserve_many, reserve_at, 0},
    {"vm_reserve_anon_memory", "first", make_pool, reserve_anon, 0},
    {"vm_reserve_anon_memory", "aligned", make_pool, reserve_anon_aligned, 0},
    {"vm_memory_make_anon", "new", NULL, donate, 0},
    {"vm_free_reserved_memory", "of all frame sizes", map_mixed, free_reservation, SWEEP_ASKS_NOTHING},
    {"vm_free_reserved_memory", "of frames lent", map_lent, free_reservation, SWEEP_ASKS_NOTHING},
    {"vm_free_reserved_memory", "anonymous", map_from_pool, free_reservation, SWEEP_ASKS_NOTHING},
    {"vm_free_reserved_memory", "RAM with views", register_and_touch, free_reservation, SWEEP_ASKS_NOTHING},
    {"vm_free_reserved_memory", "lazy", map_lazily, free_reservation, SWEEP_ASKS_NOTHING},
    {"vm_memory_init", "new", NULL, initialise, SWEEP_NO_VM | SWEEP_BLANK_VM},
    {"vm_init_guest_vspace", "new", NULL, init_vspace, SWEEP_NO_VM | SWEEP_BLANK_VM},
    {"vm_memory_handle_fault", "lazy", map_lazily, fault, 0},
    {"vm_memory_handle_fault", "lazy, with neighbours", map_lazily_with_neighbours, fault, 0},
    {"vm_memory_handle_fault", "lazy, from an iterator", lend_lazily, fault, 0},
    {"vm_memory_handle_fault", "lazy, from an array", bring_array_lazily, fault, 0},
    {"vm_memory_handle_fault", "discarded RAM", discard, fault, 0},
};
const struct sweep_table sweep_reserve_calls = SWEEP_TABLE(calls);

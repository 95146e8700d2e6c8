/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * guestmem/guestmem.h.
 */
#include "sweep.h"

static bool set_policy(struct sweep *sweep)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.frame_bits_max = GM_BITS_4K;
    return guestmem_set_policy(sweep->vm, &policy) == GUESTMEM_OK;
}

static bool get_policy(struct sweep *sweep)
{
    struct guestmem_policy policy;

    return guestmem_get_policy(sweep->vm, &policy) == GUESTMEM_OK;
}

static void reserve_some(struct sweep *sweep)
{
    sweep->res = sweep_reserve(sweep->vm, CALL_AT, 6 * GM_PAGE);
}

static bool set_policy_of_one(struct sweep *sweep)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    return guestmem_reservation_set_policy(sweep->vm, sweep->res, &policy) == GUESTMEM_OK;
}

static bool get_policy_of_one(struct sweep *sweep)
{
    struct guestmem_policy policy;

    return guestmem_reservation_get_policy(sweep->vm, sweep->res, &policy) == GUESTMEM_OK;
}

static void bring_few(struct sweep *sweep)
{
    reserve_some(sweep);
    sweep_bring_frames(sweep, CALL_AT, GM_BITS_4K, 6);
}

static bool map_lent(struct sweep *sweep)
{
    return guestmem_map_iterator(sweep->vm, sweep->res, sweep_lend, sweep_release, sweep) == GUESTMEM_OK;
}

/* Two reservations, one of which has a page already. */
static void map_lazily(struct sweep *sweep)
{
    sweep_set_policy(sweep->vm, GUESTMEM_POPULATE_LAZY, GM_BITS_4K);
    GM_CHECK_EQ(map_frame_alloc_reservation(sweep->vm, sweep_reserve(sweep->vm, CALL_AT, 3 * GM_PAGE)), 0);
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT + 3 * GM_PAGE, 4 * GM_PAGE, false), 0);
    GM_CHECK_EQ(gm_env_fault(sweep->vm, CALL_AT + GM_PAGE, 4), FAULT_RESTART);
}

static bool populate(struct sweep *sweep)
{
    return guestmem_populate(sweep->vm, CALL_AT + 0x800, 6 * GM_PAGE) == GUESTMEM_OK;
}

static void have_ram(struct sweep *sweep)
{
    uint8_t bytes[16];

    sweep_set_policy(sweep->vm, GUESTMEM_POPULATE_EAGER, GM_BITS_4K);
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT, 8 * GM_PAGE, false), 0);
    GM_CHECK_EQ(vm_ram_touch(sweep->vm, CALL_AT + 4 * GM_PAGE - 8, 16, vm_guest_ram_read_callback, bytes), 0);
}

static bool set_rights(struct sweep *sweep)
{
    return guestmem_set_rights(sweep->vm, CALL_AT + GM_PAGE, 4 * GM_PAGE, seL4_CanRead) == GUESTMEM_OK;
}

/* Some of the pages have other rights already. */
static void have_mixed_rights(struct sweep *sweep)
{
    have_ram(sweep);
    GM_CHECK_EQ(guestmem_set_rights(sweep->vm, CALL_AT + 2 * GM_PAGE, GM_PAGE, seL4_NoRights), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_set_rights(sweep->vm, CALL_AT + 4 * GM_PAGE, 3 * GM_PAGE, seL4_CanRead), GUESTMEM_OK);
}

static void create(struct sweep *sweep)
{
    GM_CHECK_NOT_NULL(create_allocated_reservation_frame(sweep->vm, CALL_AT, seL4_CanRead,
                                                         default_error_fault_callback, NULL));
}

static bool destroy_created(struct sweep *sweep)
{
    return guestmem_created_destroy(sweep->vm, CALL_AT) == GUESTMEM_OK;
}

static bool mark(struct sweep *sweep)
{
    return guestmem_ram_mark(sweep->vm, CALL_AT + 0x100, 0x100, true) == GUESTMEM_OK;
}

static bool discard(struct sweep *sweep)
{
    return guestmem_ram_discard(sweep->vm, CALL_AT + 2 * GM_PAGE, 4 * GM_PAGE) == GUESTMEM_OK;
}

/* RAM in two reservations, each of which loses a part. */
static void have_ram_in_two(struct sweep *sweep)
{
    sweep_set_policy(sweep->vm, GUESTMEM_POPULATE_EAGER, GM_BITS_4K);
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT, 4 * GM_PAGE, false), 0);
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT + 4 * GM_PAGE, 4 * GM_PAGE, false), 0);
}

static bool get_stats(struct sweep *sweep)
{
    struct guestmem_stats stats;

    return guestmem_get_stats(sweep->vm, &stats) == GUESTMEM_OK;
}

static int go_on(const struct guestmem_map_entry *entry, void *count)
{
    (void)entry;
    ++*(size_t *)count;
    return 0;
}

static bool walk(struct sweep *sweep)
{
    size_t count = 0;

    return guestmem_walk(sweep->vm, go_on, &count) == 0 && count > 0;
}

/* Lent frames, lazy ones, views, a pool. */
static void build(struct sweep *sweep)
{
    bring_few(sweep);
    GM_CHECK(map_lent(sweep));
    sweep_set_policy(sweep->vm, GUESTMEM_POPULATE_EAGER, GM_BITS_4K);
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT + GM_MIB, 4 * GM_PAGE, false), 0);
    GM_CHECK(vm_memory_make_anon(sweep->vm, CALL_AT + 2 * GM_MIB, GM_MIB) == 0);
    GM_CHECK_NE(vm_ram_register(sweep->vm, 2 * GM_PAGE), 0);
    GM_CHECK_EQ(guestmem_ram_discard(sweep->vm, CALL_AT + GM_MIB, GM_PAGE), GUESTMEM_OK);
}

static bool destroy(struct sweep *sweep)
{
    return guestmem_destroy(sweep->vm) == GUESTMEM_OK && sweep->given == 0;
}

static const struct sweep_call calls[] = {
    {"guestmem_set_policy", "of a VM", NULL, set_policy, SWEEP_ASKS_NOTHING},
    {"guestmem_get_policy", "of a VM", NULL, get_policy, SWEEP_ASKS_NOTHING},
    {"guestmem_reservation_set_policy", "of one", reserve_some, set_policy_of_one, SWEEP_ASKS_NOTHING},
    {"guestmem_reservation_get_policy", "of one", reserve_some, get_policy_of_one, SWEEP_ASKS_NOTHING},
    {"guestmem_map_iterator", "small frames", bring_few, map_lent, 0},
    {"guestmem_populate", "two reservations", map_lazily, populate, 0},
    {"guestmem_set_rights", "of some frames", have_ram, set_rights, 0},
    {"guestmem_set_rights", "of frames with several", have_mixed_rights, set_rights, 0},
    {"guestmem_created_destroy", "of one", create, destroy_created, SWEEP_ASKS_NOTHING},
    {"guestmem_ram_mark", "in the middle", have_ram, mark, 0},
    {"guestmem_ram_discard", "in the middle", have_ram, discard, 0},
    {"guestmem_ram_discard", "of two reservations", have_ram_in_two, discard, 0},
    {"guestmem_get_stats", "of a VM", NULL, get_stats, SWEEP_ASKS_NOTHING},
    {"guestmem_walk", "of a VM", reserve_some, walk, SWEEP_ASKS_NOTHING},
    {"guestmem_destroy", "of all sorts", build, destroy, SWEEP_ASKS_NOTHING},
};
const struct sweep_table sweep_guestmem_calls = SWEEP_TABLE(calls);

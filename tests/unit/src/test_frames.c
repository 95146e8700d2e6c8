/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Where frames come from: sizes, fallbacks, physical addresses, boot information, bounded kernel
 * calls; and what callers bring.
 */
#include "unit_vm.h"

#include <vka/object.h>

#define BASE ((uintptr_t)0x40000000)

static vm_memory_reservation_t *map(struct unit *u, uintptr_t base, size_t size)
{
    vm_memory_reservation_t *res = unit_reserve(u, base, size);

    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
    return res;
}

static void check_frames(struct unit *u, size_t small, size_t large, size_t huge)
{
    assert_int_equal(u->space->stats.frames[0], small);
    assert_int_equal(u->space->stats.frames[1], large);
    assert_int_equal(u->space->stats.frames[2], huge);
}

static void unaligned_edges_alone_cost_small_frames(void **state)
{
    struct unit *u = *state;

    map(u, BASE - 0x500, 4 * MIB + 0x700);
    check_frames(u, 2, 2, 0);
    unit_check_leaf(u, BASE - PAGE, 12);
    unit_check_leaf(u, BASE + 2 * MIB, 21);
    unit_check_leaf(u, BASE + 4 * MIB, 12);
    assert_int_equal(u->space->stats.tables, 4); /* two of each level */
}

static void the_policy_bounds_the_frames(void **state)
{
    struct unit *u = *state;

    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    map(u, BASE, 2 * MIB);
    check_frames(u, 512, 0, 0);
    assert_int_equal(u->space->stats.untypeds, 1); /* all of one untyped */
    assert_int_equal(u->space->stats.slots, 512 + 1 + 2);
}

/* A page is one object, not an untyped with one frame in it. */
static void single_frames_are_objects_of_their_own(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = map(u, BASE, 3 * PAGE);

    assert_int_equal(res->backing->memory.untypeds.count, 1); /* two pages */
    assert_int_equal(res->backing->memory.singles.count, 1);  /* and one */
    assert_int_equal(u->space->stats.untypeds, 2);
}

static void untypeds_are_no_larger_than_the_policy_allows(void **state)
{
    struct unit *u = *state;
    struct guestmem_policy policy;
    struct guestmem_host_counts before;
    struct guestmem_host_counts after;

    guestmem_policy_default(&policy);
    policy.untyped_bits_max = 22;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 16 * MIB, false), 0);
    assert_int_equal(u->space->stats.untypeds, 4);
    guestmem_host_count(u->host, &before);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + 4 * MIB, 4 * MIB), GUESTMEM_OK);
    guestmem_host_count(u->host, &after);
    assert_int_equal(after.free_bytes - before.free_bytes, 4 * MIB);
}

/* One kernel call makes a bounded number of bytes, since it can't be preempted. */
static void a_retype_makes_no_more_bytes_than_the_policy_allows(void **state)
{
    static const struct {
        unsigned frame_bits;
        size_t call_bytes;
        size_t calls;
    } rows[] = {
        {21, 4 * MIB, 4}, {21, 16 * MIB, 1}, {21, 1, 8}, {12, 64 * PAGE, 64}, {12, 256 * MIB, 16}};
    struct unit *u = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct guestmem_policy policy;
        struct guestmem_host_counts before;
        struct guestmem_host_counts after;
        vm_memory_reservation_t *res;

        guestmem_policy_default(&policy);
        policy.frame_bits_max = rows[i].frame_bits;
        policy.call_bytes_max = rows[i].call_bytes;
        assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
        res = unit_reserve(u, BASE, 16 * MIB);
        guestmem_host_count(u->host, &before);
        assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
        guestmem_host_count(u->host, &after);
        /* the rest: splitting the untyped, and a retype a table */
        assert_in_range(after.retypes - before.retypes, rows[i].calls, rows[i].calls + 24);
        assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    }
}

static vka_object_t hoard[256];

/*
 * Take all in pieces of 1 MiB and give every second back: no 2 MiB stand together.
 *
 *      |taken|    |taken|    |taken|    ...
 */
static size_t fragment(struct unit *u)
{
    size_t count = 0;

    while (count < 256 && vka_alloc_untyped(u->vka, 20, &hoard[count]) == 0) {
        count++;
    }
    assert_in_range(count, 8, 255);
    for (size_t i = 0; i < count; i += 2) {
        vka_free_object(u->vka, &hoard[i]);
    }
    return count;
}

static void fragmented_memory_is_used_in_smaller_frames(void **state)
{
    struct unit *u = *state;
    size_t count = fragment(u);
    vm_memory_reservation_t *res = map(u, BASE, 4 * MIB);

    check_frames(u, 1024, 0, 0);
    assert_int_equal(u->space->stats.fallbacks[1], 1);
    assert_true(res->backing->memory.untypeds.count >= 4);
    assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    for (size_t i = 1; i < count; i += 2) {
        vka_free_object(u->vka, &hoard[i]);
    }
    map(u, BASE, 4 * MIB);
    check_frames(u, 0, 2, 0);
}

static void a_lazy_page_falls_back_too(void **state)
{
    struct unit *u = *state;
    size_t count = fragment(u);

    unit_policy(u, 21, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 4 * MIB, false), 0);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + MIB, 4), FAULT_RESTART);
    check_frames(u, 1, 0, 0);
    for (size_t i = 1; i < count; i += 2) {
        vka_free_object(u->vka, &hoard[i]);
    }
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + 3 * MIB, 4), FAULT_RESTART);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + MIB + PAGE, 4), FAULT_RESTART);
    check_frames(u, 2, 1, 0); /* no large frame over the small one */
}

static void check_identity(struct unit *u, uintptr_t gpa, uintptr_t paddr, size_t size)
{
    for (size_t at = 0; at < size; at += PAGE) {
        struct guestmem_host_leaf leaf;

        assert_true(unit_leaf(u, gpa + at, &leaf));
        assert_true(leaf.paddr + ((gpa + at) & (((uintptr_t)1 << leaf.size_bits) - 1)) ==
                    paddr + at);
    }
}

/* Every page at its own physical address, whatever sizes that takes (the reference's D34, D35). */
static void frames_by_address_lie_where_they_should(void **state)
{
    static const struct {
        uintptr_t gpa;
        uintptr_t paddr;
        size_t size;
        size_t large;
    } rows[] = {
        {BASE, UNIT_RAM_BASE + 32 * MIB, 4 * MIB, 2},
        {BASE + PAGE, UNIT_RAM_BASE + 32 * MIB + PAGE, 4 * MIB, 1},
        {BASE + PAGE, UNIT_RAM_BASE + 32 * MIB, 4 * MIB, 0},
        {BASE + 0x234, UNIT_RAM_BASE + 34 * MIB - PAGE + 0x234, 0x1000, 0},
        {BASE, UNIT_DEVICE, UNIT_DEVICE_BYTES, 2},
        {BASE - 3 * PAGE, UNIT_DEVICE + 2 * MIB - 3 * PAGE, 2 * MIB + 3 * PAGE, 1},
    };
    struct unit *u = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        vm_memory_reservation_t *res = unit_reserve(u, rows[i].gpa, rows[i].size);
        struct guestmem_host_snapshot *before = unit_snapshot(u);

        assert_int_equal(map_ut_alloc_reservation_with_base_paddr(&u->vm, rows[i].paddr, res), 0);
        assert_int_equal(u->space->stats.frames[1], rows[i].large);
        check_identity(u, gm_page_base(res), rows[i].paddr & ~(PAGE - 1),
                       gm_page_count(res) * PAGE);
        assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
        unit_reserve(u, rows[i].gpa, rows[i].size);
        unit_check_same(u, before);
        assert_int_equal(
            vm_free_reserved_memory(&u->vm, guestmem_reservation_at(&u->vm, rows[i].gpa)), 0);
    }
}

static void physical_ranges_that_are_none_are_refused(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, BASE, 2 * PAGE);
    struct guestmem_host_snapshot *before = unit_snapshot(u);

    assert_int_equal(map_ut_alloc_reservation_with_base_paddr(&u->vm, UNIT_DEVICE + 1, res), -1);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(map_ut_alloc_reservation_with_base_paddr(&u->vm, UINTPTR_MAX - PAGE + 1, res),
                     -1);
    unit_check_failure(u, GUESTMEM_ERANGE);
    assert_int_equal(map_ut_alloc_reservation_with_base_paddr(
                         &u->vm, UNIT_DEVICE + UNIT_DEVICE_BYTES - PAGE, res),
                     -1);
    unit_check_failure(u, GUESTMEM_ENOFRAME);
    assert_int_equal(map_ut_alloc_reservation_with_base_paddr(&u->vm, 0, res), -1);
    unit_check_failure(u, GUESTMEM_ENOFRAME);
    unit_check_same(u, before);
}

/* The first page of an untouched device untyped, and then its neighbours (the reference's D33). */
static void the_pages_of_a_device_can_be_had_one_by_one(void **state)
{
    struct unit *u = *state;

    for (size_t round = 0; round < 2; round++) {
        for (uintptr_t page = 0; page < 8; page++) {
            vm_memory_reservation_t *res = unit_reserve(u, UNIT_DEVICE + page * PAGE, PAGE);

            assert_int_equal(map_ut_alloc_reservation(&u->vm, res), 0);
            check_identity(u, UNIT_DEVICE + page * PAGE, UNIT_DEVICE + page * PAGE, PAGE);
        }
        for (uintptr_t page = 0; page < 8; page++) {
            vm_memory_reservation_t *res =
                guestmem_reservation_at(&u->vm, UNIT_DEVICE + page * PAGE);

            assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
        }
    }
}

static void a_page_that_somebody_has_is_refused(void **state)
{
    struct unit *u = *state;
    vka_object_t frame;
    vm_memory_reservation_t *res = unit_reserve(u, BASE, 4 * PAGE);
    struct guestmem_host_snapshot *before;

    assert_int_equal(vka_alloc_frame_at(u->vka, 12, UNIT_RAM_BASE + 32 * MIB + 2 * PAGE, &frame),
                     0);
    before = unit_snapshot(u);
    assert_int_equal(
        map_ut_alloc_reservation_with_base_paddr(&u->vm, UNIT_RAM_BASE + 32 * MIB, res), -1);
    unit_check_failure(u, GUESTMEM_ENOFRAME);
    unit_check_same(u, before);
    vka_free_object(u->vka, &frame);
    assert_int_equal(
        map_ut_alloc_reservation_with_base_paddr(&u->vm, UNIT_RAM_BASE + 32 * MIB, res), 0);
}

/* ---- what callers bring ---- */

static void an_array_must_cover_the_reservation_exactly(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, BASE, 2 * MIB);
    seL4_CPtr large = unit_frame(u, 21);

    assert_int_equal(vm_map_reservation_frames(&u->vm, res, &large, 1, 12), -1);
    unit_check_failure(u, GUESTMEM_EFRAME);
    assert_int_equal(vm_map_reservation_frames(&u->vm, res, &large, 2, 21), -1);
    unit_check_failure(u, GUESTMEM_EFRAME);
    assert_int_equal(vm_map_reservation_frames(&u->vm, res, &large, 0, 21), -1);
    unit_check_failure(u, GUESTMEM_EFRAME);
    assert_int_equal(vm_map_reservation_frames(&u->vm, res, NULL, 1, 21), -1);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(vm_map_reservation_frames(&u->vm, res, &large, 1, 20), -1);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(vm_map_reservation_frames(&u->vm, res, &large, 1, 21), 0);
    unit_check_leaf(u, BASE + MIB, 21);
}

static vm_frame_t bad_frame;

static vm_frame_t give_bad(uintptr_t addr, void *cookie)
{
    (void)addr;
    (void)cookie;
    return bad_frame;
}

/* An iterator's answers, each with an error and nothing changed. */
static void frames_that_do_not_fit_are_refused(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, BASE + PAGE, 4 * PAGE);
    seL4_CPtr cap = unit_frame(u, 12);
    const vm_frame_t bad[] = {
        {0, seL4_AllRights, BASE + PAGE, 12},       {cap, seL4_AllRights, BASE, 12},
        {cap, seL4_AllRights, BASE + 2 * PAGE, 12}, {cap, seL4_AllRights, BASE + 5 * PAGE, 12},
        {cap, seL4_AllRights, BASE + PAGE, 21},     {cap, seL4_AllRights, BASE + PAGE, 13},
        {cap, seL4_AllRights, BASE + PAGE, 0},      {cap, seL4_AllRights, BASE + PAGE, 64},
        {cap, seL4_AllRights, UINTPTR_MAX, 12},     {u->root.cptr, seL4_AllRights, BASE + PAGE, 12},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct guestmem_host_snapshot *before = unit_snapshot(u);

        bad_frame = bad[i];
        assert_int_equal(vm_map_reservation(&u->vm, res, give_bad, NULL), -1);
        unit_check_failure(u, GUESTMEM_EFRAME);
        unit_check_same(u, before);
    }
}

static vm_frame_t give_around(uintptr_t addr, void *cookie)
{
    struct unit *u = cookie;

    return (vm_frame_t){unit_frame(u, 21), seL4_AllRights, addr, 21};
}

/* While population is lazy the iterator is asked for the page of the access. */
static void a_large_frame_may_cover_the_page_asked_for(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res;

    unit_policy(u, 21, GUESTMEM_POPULATE_LAZY);
    res = unit_reserve(u, BASE, 4 * MIB);
    assert_int_equal(vm_map_reservation(&u->vm, res, give_around, u), 0);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + 3 * MIB, 8), FAULT_RESTART);
    unit_check_leaf(u, BASE + 2 * MIB, 21);
    unit_check_no_leaf(u, BASE);
    assert_int_equal(guestmem_populate(&u->vm, BASE, 4 * MIB), GUESTMEM_OK);
    unit_check_leaf(u, BASE, 21);
    assert_int_equal(u->frame_count, 2);
}

/* The caller's array need not outlive the call, though its frames are mapped later. */
static void a_lazy_array_is_remembered(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res;
    seL4_CPtr *caps = calloc(3, sizeof(*caps));
    struct guestmem_host_leaf leaf;
    seL4_CPtr last;

    for (size_t i = 0; i < 3; i++) {
        caps[i] = unit_frame(u, 12);
    }
    last = caps[2];
    unit_policy(u, 12, GUESTMEM_POPULATE_LAZY);
    res = unit_reserve(u, BASE, 3 * PAGE);
    assert_int_equal(vm_map_reservation_frames(&u->vm, res, caps, 3, 12), 0);
    memset(caps, 0xff, 3 * sizeof(*caps));
    free(caps);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + 2 * PAGE, 8), FAULT_RESTART);
    assert_true(unit_leaf(u, BASE + 2 * PAGE, &leaf));
    assert_true(leaf.paddr == seL4_ARM_Page_GetAddress(last).paddr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(unaligned_edges_alone_cost_small_frames),
        UNIT_TEST(the_policy_bounds_the_frames),
        UNIT_TEST(single_frames_are_objects_of_their_own),
        UNIT_TEST(untypeds_are_no_larger_than_the_policy_allows),
        UNIT_TEST(a_retype_makes_no_more_bytes_than_the_policy_allows),
        UNIT_TEST(fragmented_memory_is_used_in_smaller_frames),
        UNIT_TEST(a_lazy_page_falls_back_too),
        UNIT_TEST(frames_by_address_lie_where_they_should),
        UNIT_TEST(physical_ranges_that_are_none_are_refused),
        UNIT_TEST(the_pages_of_a_device_can_be_had_one_by_one),
        UNIT_TEST_BOOT_FRAMES(the_pages_of_a_device_can_be_had_one_by_one),
        UNIT_TEST(a_page_that_somebody_has_is_refused),
        UNIT_TEST(an_array_must_cover_the_reservation_exactly),
        UNIT_TEST(frames_that_do_not_fit_are_refused),
        UNIT_TEST(a_large_frame_may_cover_the_page_asked_for),
        UNIT_TEST(a_lazy_array_is_remembered),
    };

    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}

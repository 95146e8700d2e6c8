/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Memory that comes as it is used: how much at a time, what comes with it, and what happens when
 * there is none.
 */
#include "unit_vm.h"

#define BASE ((uintptr_t)0x40000000)

static void around(struct unit *u, unsigned frame_bits_max, unsigned around_bits)
{
    struct guestmem_policy policy;

    unit_policy(u, frame_bits_max, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    policy.populate_around_bits = around_bits;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
}

static void fault_at(struct unit *u, uintptr_t addr, size_t size)
{
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, addr, size), FAULT_RESTART);
}

/* That the guest sees leaves of 4 KiB at [base + from pages, base + to pages), and none before and
 * behind. */
static void check_pages(struct unit *u, uintptr_t base, unsigned from, unsigned to)
{
    for (unsigned page = from; page < to; page++) {
        unit_check_leaf(u, base + page * PAGE, 12);
    }
    unit_check_no_leaf(u, base + from * PAGE - 1);
    unit_check_no_leaf(u, base + to * PAGE);
}

/* ------------------------------------------------------------------------- how much at a time */

/* The defect: the first fault maps all of it. */
static void D10_the_first_fault_of_a_gibibyte_populates_one_frame(void **state)
{
    static const unsigned bits[] = {12, 21};
    struct unit *u = *state;
    struct guestmem_host_counts before;
    struct guestmem_host_counts after;
    struct guestmem_stats stats;

    for (unsigned size = 0; size < 2; size++) {
        uintptr_t base = BASE + size * GIB;

        unit_policy(u, bits[size], GUESTMEM_POPULATE_LAZY);
        guestmem_host_count(u->host, &before);
        assert_int_equal(vm_ram_register_at(&u->vm, base, GIB, false), 0);
        guestmem_host_count(u->host, &after);
        assert_int_equal(after.free_bytes, before.free_bytes);
        assert_int_equal(after.slots_used, before.slots_used);
        fault_at(u, base + GIB / 2 + 0x123458, 8);
        unit_check_leaf(u, base + GIB / 2 + 0x123458, bits[size]);
        assert_int_equal(guestmem_get_stats(&u->vm, &stats), GUESTMEM_OK);
        assert_int_equal(stats.frames[size], 1);
        assert_int_equal(stats.frames[0] + stats.frames[1] + stats.frames[2], 1 + size);
        assert_int_equal(stats.untypeds, 1 + size);
        assert_int_equal(stats.faults_populated, 1 + size);
        assert_int_equal(stats.frames_around, 0);
    }
}

/* 1 GiB at once would be a frame too, but there is none: the next smaller one, and one of it. */
static void a_frame_that_is_not_to_be_had_is_a_smaller_one_and_one_only(void **state)
{
    struct unit *u = *state;
    struct guestmem_stats stats;

    unit_policy(u, 30, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, GIB, false), 0);
    fault_at(u, BASE + 5 * MIB, 4);
    unit_check_leaf(u, BASE + 5 * MIB, 21);
    unit_check_no_leaf(u, BASE + 6 * MIB);
    assert_int_equal(guestmem_get_stats(&u->vm, &stats), GUESTMEM_OK);
    assert_int_equal(stats.frames[1], 1);
    assert_int_equal(stats.fallbacks[2], 1);
}

/* A reservation's own policy counts, whatever the VM's is. */
static void each_reservation_is_lazy_or_not_by_its_own_policy(void **state)
{
    struct unit *u = *state;

    for (unsigned lazy = 0; lazy < 2; lazy++) {
        uintptr_t base = BASE + lazy * 16 * MIB;
        vm_memory_reservation_t *same = unit_reserve(u, base, 4 * PAGE);
        vm_memory_reservation_t *other = unit_reserve(u, base + 4 * MIB, 4 * PAGE);
        struct guestmem_policy policy;

        assert_int_equal(guestmem_reservation_get_policy(&u->vm, other, &policy), GUESTMEM_OK);
        assert_int_equal(policy.populate, lazy ? GUESTMEM_POPULATE_LAZY : GUESTMEM_POPULATE_EAGER);
        policy.populate = lazy ? GUESTMEM_POPULATE_EAGER : GUESTMEM_POPULATE_LAZY;
        assert_int_equal(guestmem_reservation_set_policy(&u->vm, other, &policy), GUESTMEM_OK);
        assert_int_equal(map_frame_alloc_reservation(&u->vm, same), 0);
        assert_int_equal(map_frame_alloc_reservation(&u->vm, other), 0);
        unit_check_no_leaf(u, lazy ? same->base : other->base);
        unit_check_leaf(u, lazy ? other->base : same->base, 12);
        fault_at(u, (lazy ? same->base : other->base) + PAGE, 8);
        unit_check_leaf(u, (lazy ? same->base : other->base) + PAGE, 12);
        unit_check_no_leaf(u, lazy ? same->base : other->base);
        unit_policy(u, 21, GUESTMEM_POPULATE_LAZY);
    }
}

/* ------------------------------------------------------------------------- what comes with it */

/*
 *      BASE      16        32        48 pages
 *      |         |    *    |         |        * the access, with 2^16 bytes around it
 *                [=========)
 */
static void neighbours_come_in_aligned_pieces(void **state)
{
    struct unit *u = *state;
    struct guestmem_stats stats;

    around(u, 12, 16);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 4 * MIB, false), 0);
    fault_at(u, BASE + 21 * PAGE, 4);
    check_pages(u, BASE, 16, 32);
    assert_int_equal(guestmem_get_stats(&u->vm, &stats), GUESTMEM_OK);
    assert_int_equal(stats.frames[0], 16);
    assert_int_equal(stats.frames_around, 15);
    assert_int_equal(stats.faults_populated, 1);
    fault_at(u, BASE + MIB - 4, 8); /* over a border: both pieces */
    check_pages(u, BASE, 240, 272);
    assert_int_equal(guestmem_get_stats(&u->vm, &stats), GUESTMEM_OK);
    assert_int_equal(stats.frames[0], 48);
    assert_int_equal(stats.frames_around, 45);
}

/*
 *      5              13        16      20 pages
 *      |  lazy        | other   | lazy  |           none beyond a reservation's ends
 */
static void neighbours_are_the_same_reservations(void **state)
{
    struct unit *u = *state;

    around(u, 12, 16);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 5 * PAGE, 8 * PAGE, false), 0);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 13 * PAGE, 3 * PAGE, false), 0);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 16 * PAGE, 4 * PAGE, false), 0);
    fault_at(u, BASE + 9 * PAGE, 8);
    check_pages(u, BASE, 5, 13);
    fault_at(u, BASE + 17 * PAGE, 8);
    check_pages(u, BASE, 16, 20);
}

/* Alignment is the guest's, whatever the reservation begins with; and a reservation may end inside
 * a page. */
static void neighbours_of_unaligned_reservations_are_aligned_even_so(void **state)
{
    struct unit *u = *state;

    around(u, 12, 14);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 2 * PAGE + 0x345, 9 * PAGE, false), 0);
    fault_at(u, BASE + 5 * PAGE, 1);
    check_pages(u, BASE, 4, 8);
    fault_at(u, BASE + 11 * PAGE, 1); /* the last page, of which 0x345 bytes are RAM */
    check_pages(u, BASE, 4, 12);
    fault_at(u, BASE + 2 * PAGE + 0x345, 1);
    check_pages(u, BASE, 2, 12);
}

static void what_is_there_or_refused_is_no_neighbour(void **state)
{
    struct unit *u = *state;
    struct guestmem_policy policy;
    struct guestmem_host_leaf before;
    struct guestmem_host_leaf after;

    around(u, 12, 15);
    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    policy.discarded = GUESTMEM_DISCARDED_REFUSES;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 8 * PAGE, false), 0);
    assert_int_equal(guestmem_populate(&u->vm, BASE + 6 * PAGE, PAGE), GUESTMEM_OK);
    assert_true(unit_leaf(u, BASE + 6 * PAGE, &before));
    unit_check_no_leaf(u, BASE + 5 * PAGE); /* whoever asks for a range gets that range */
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + 2 * PAGE, 2 * PAGE), GUESTMEM_OK);
    fault_at(u, BASE, 8);
    check_pages(u, BASE, 0, 2);
    check_pages(u, BASE, 4, 8);
    unit_check_no_leaf(u, BASE + 3 * PAGE);
    assert_true(unit_leaf(u, BASE + 6 * PAGE, &after));
    assert_int_equal(before.paddr, after.paddr);
    assert_int_equal(u->space->stats.frames_around, 4);
}

static void neighbours_come_in_frames_as_large_as_the_policy_has_them(void **state)
{
    struct unit *u = *state;

    around(u, 21, 22);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 7 * MIB, false), 0);
    fault_at(u, BASE + MIB, 4);
    unit_check_leaf(u, BASE, 21);
    unit_check_leaf(u, BASE + 2 * MIB, 21);
    unit_check_no_leaf(u, BASE + 4 * MIB);
    assert_int_equal(u->space->stats.frames_around, 1);
    fault_at(u, BASE + 7 * MIB - 4, 4); /* 2 MiB, and 1 MiB in small ones */
    unit_check_leaf(u, BASE + 4 * MIB, 21);
    unit_check_leaf(u, BASE + 6 * MIB, 12);
    assert_int_equal(u->space->stats.frames[1], 3);
    assert_int_equal(u->space->stats.frames[0], 256);
}

/* Less than a frame around it is the frame. */
static void less_around_than_a_frame_changes_nothing(void **state)
{
    struct unit *u = *state;

    around(u, 21, 16);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 8 * MIB, false), 0);
    fault_at(u, BASE + 3 * MIB, 4);
    unit_check_leaf(u, BASE + 2 * MIB, 21);
    assert_int_equal(u->space->stats.frames[1], 1);
    assert_int_equal(u->space->stats.frames[0], 0);
    assert_int_equal(u->space->stats.frames_around, 0);
}

/* The caller's frames: an array's are known, an iterator's must be asked for. */
static void an_array_gives_neighbours_and_an_iterator_does_not(void **state)
{
    struct unit *u = *state;
    seL4_CPtr caps[8];
    struct guestmem_host_leaf leaf;

    around(u, 12, 14);
    for (size_t i = 0; i < 8; i++) {
        caps[i] = unit_frame(u, 12);
    }
    assert_int_equal(
        vm_map_reservation_frames(&u->vm, unit_reserve(u, BASE, 8 * PAGE), caps, 8, 12), 0);
    fault_at(u, BASE + 5 * PAGE, 4);
    check_pages(u, BASE, 4, 8);
    assert_true(unit_leaf(u, BASE + 6 * PAGE, &leaf));
    assert_true(leaf.paddr == seL4_ARM_Page_GetAddress(caps[6]).paddr);

    u->give_bits = 12;
    assert_int_equal(
        vm_map_reservation(&u->vm, unit_reserve(u, BASE + MIB, 8 * PAGE), unit_give, u), 0);
    fault_at(u, BASE + MIB + 5 * PAGE, 4);
    assert_int_equal(u->give_calls, 1);
    check_pages(u, BASE + MIB, 5, 6);
}

/* ------------------------------------------------------------------------- when there is none */

enum { AROUND_PAGES = 16 };

static int fault_in_the_middle(struct unit *u)
{
    int result = vm_memory_handle_fault(&u->vm, NULL, BASE + 5 * PAGE + 8, 8);

    if (result == FAULT_RESTART) {
        unit_check_leaf(u, BASE + 5 * PAGE, 12);
    }
    return result != FAULT_RESTART;
}

static void discard(struct unit *u)
{
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE, 2 * AROUND_PAGES * PAGE), GUESTMEM_OK);
}

static void register_ram(struct unit *u, unsigned around_bits)
{
    around(u, 12, around_bits);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 2 * AROUND_PAGES * PAGE, false), 0);
}

/* One page is there already: what a second one takes isn't lent, and neighbours take more of it. */
static void register_ram_with_a_page(struct unit *u, unsigned around_bits)
{
    register_ram(u, around_bits);
    assert_int_equal(guestmem_populate(&u->vm, BASE + (2 * AROUND_PAGES - 1) * PAGE, PAGE),
                     GUESTMEM_OK);
}

static void free_ram(struct unit *u)
{
    assert_int_equal(vm_free_reserved_memory(&u->vm, guestmem_reservation_at(&u->vm, BASE)), 0);
}

/*
 * A fault without neighbours makes `needed` requests. With them it makes more, of which each fails
 * in turn, alone or with all that follow: the fault's answer stays, and where no neighbour came,
 * all is as it is without them.
 */
static void a_neighbour_that_can_not_be_had_is_no_failure(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_snapshot *alone;
    unsigned without = 0;
    unsigned some = 0;
    size_t needed;

    register_ram_with_a_page(u, 0);
    needed = unit_fail_each(u, fault_in_the_middle, discard);
    assert_true(needed > 4);
    alone = unit_snapshot(u);
    free_ram(u);
    register_ram_with_a_page(u, 16);
    for (unsigned sticky = 0; sticky < 2; sticky++) {
        bool struck = true;

        for (uint64_t k = needed + 1; struck; k++) {
            uint64_t before = u->space->stats.frames_around;
            uint64_t came;

            guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_ANY, k, sticky != 0);
            fault_at(u, BASE + 5 * PAGE + 8, 8);
            struck = guestmem_host_failed(u->host, NULL);
            guestmem_host_fail(u->host, 0, 0, false);
            unit_check_leaf(u, BASE + 5 * PAGE, 12);
            came = u->space->stats.frames_around - before;
            assert_true(came <= AROUND_PAGES - 1);
            assert_int_equal(u->space->stats.frames[0], came + 2);
            without += came == 0;
            some += came > 0 && came < AROUND_PAGES - 1;
            if (came == 0) {
                struct guestmem_host_snapshot *now = unit_snapshot(u);

                assert_true(guestmem_host_snapshot_same(alone, now, stderr));
                guestmem_host_snapshot_free(now);
            }
            free_ram(u);
            register_ram_with_a_page(u, 16);
        }
    }
    guestmem_host_snapshot_free(alone);
    assert_true(without > AROUND_PAGES && some > AROUND_PAGES);
}

/* The fault's own requests, each failing: an error, and nothing has changed. */
static void the_frame_of_the_access_must_come_or_nothing_does(void **state)
{
    struct unit *u = *state;

    register_ram(u, 16);
    assert_true(unit_fail_each(u, fault_in_the_middle, discard) > 3 * AROUND_PAGES);
    check_pages(u, BASE, 0, AROUND_PAGES);
}

/* Take all memory; the last objects are of 4 KiB. */
static size_t take_all_memory(struct unit *u, vka_object_t *taken, size_t most)
{
    size_t count = 0;

    for (unsigned bits = 26; bits >= 12; bits--) {
        while (count < most && vka_alloc_untyped(u->vka, bits, &taken[count]) == 0) {
            count++;
        }
    }
    assert_true(count > 0);
    vka_free_object(u->vka, &taken[--count]);
    while (count < most && vka_alloc_untyped(u->vka, 12, &taken[count]) == 0) {
        count++;
    }
    assert_true(count < most);
    return count;
}

/*
 * No memory: the guest's access is an error, with what was asked and why; nothing has changed. With
 * memory again, the same access populates. The table is there already, so a frame is all it takes.
 */
static void without_memory_a_fault_says_why_and_works_later(void **state)
{
    struct unit *u = *state;
    vka_object_t taken[64];
    struct guestmem_host_snapshot *before;
    const struct guestmem_failure *failure;
    size_t count;

    register_ram(u, 16);
    fault_at(u, BASE + AROUND_PAGES * PAGE, 8);
    count = take_all_memory(u, taken, 64);
    before = unit_snapshot(u);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + 5 * PAGE + 8, 8), FAULT_ERROR);
    unit_check_same(u, before);
    failure = guestmem_last_failure(&u->vm);
    assert_int_equal(failure->error, GUESTMEM_ENOFRAME);
    assert_int_equal(failure->base, BASE + 5 * PAGE + 8);
    assert_int_equal(failure->size, 8);
    assert_int_equal(u->space->stats.faults_failed, 1);
    assert_int_equal(u->space->stats.faults_populated, 1);

    vka_free_object(u->vka, &taken[--count]); /* one frame: the access has it, no neighbour does */
    fault_at(u, BASE + 5 * PAGE + 8, 8);
    check_pages(u, BASE, 5, 6);
    assert_int_equal(u->space->stats.frames_around, AROUND_PAGES - 1);
    while (count > 0) {
        vka_free_object(u->vka, &taken[--count]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(D10_the_first_fault_of_a_gibibyte_populates_one_frame),
        UNIT_TEST(a_frame_that_is_not_to_be_had_is_a_smaller_one_and_one_only),
        UNIT_TEST(each_reservation_is_lazy_or_not_by_its_own_policy),
        UNIT_TEST(neighbours_come_in_aligned_pieces),
        UNIT_TEST(neighbours_are_the_same_reservations),
        UNIT_TEST(neighbours_of_unaligned_reservations_are_aligned_even_so),
        UNIT_TEST(what_is_there_or_refused_is_no_neighbour),
        UNIT_TEST(neighbours_come_in_frames_as_large_as_the_policy_has_them),
        UNIT_TEST_DEVICE_RAM(neighbours_come_in_frames_as_large_as_the_policy_has_them),
        UNIT_TEST(less_around_than_a_frame_changes_nothing),
        UNIT_TEST(an_array_gives_neighbours_and_an_iterator_does_not),
        UNIT_TEST(a_neighbour_that_can_not_be_had_is_no_failure),
        UNIT_TEST_DEVICE_RAM(a_neighbour_that_can_not_be_had_is_no_failure),
        UNIT_TEST(the_frame_of_the_access_must_come_or_nothing_does),
        UNIT_TEST(without_memory_a_fault_says_why_and_works_later),
    };

    return cmocka_run_group_tests_name("lazy backing", tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Tables come with the first leaf that needs them and go with the last.
 */
#include "unit_vm.h"

#include "stage2.h"

static size_t tables(struct unit *u, unsigned level)
{
    return u->space->tables[level].count;
}

static vm_memory_reservation_t *map(struct unit *u, uintptr_t base, size_t size)
{
    vm_memory_reservation_t *res = unit_reserve(u, base, size);

    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
    return res;
}

static void unmap(struct unit *u, uintptr_t gpa)
{
    assert_int_equal(vm_free_reserved_memory(&u->vm, guestmem_reservation_at(&u->vm, gpa)), 0);
}

/*
 *      level 1   [      0 .. 1 GiB       ]
 *      level 0   [ 0 .. 2 MiB][2 .. 4 MiB]
 *                      |A|   |B|   |C|
 */
static void neighbours_share_tables_and_the_last_takes_them_along(void **state)
{
    struct unit *u = *state;

    map(u, MIB, PAGE);
    map(u, 2 * MIB - PAGE, PAGE);
    assert_int_equal(tables(u, 0), 1);
    map(u, 2 * MIB, PAGE);
    assert_int_equal(tables(u, 0), 2);
    assert_int_equal(tables(u, 1), 1);
    unmap(u, MIB);
    assert_int_equal(tables(u, 0), 2);
    unmap(u, 2 * MIB - PAGE);
    assert_int_equal(tables(u, 0), 1);
    unit_check_leaf(u, 2 * MIB, 12);
    unmap(u, 2 * MIB);
    assert_int_equal(tables(u, 0) + tables(u, 1), 0);
    assert_int_equal(u->space->stats.tables, 0);
    assert_null(u->space->tables[0].at);
}

static void a_large_leaf_needs_no_small_table(void **state)
{
    struct unit *u = *state;

    map(u, 2 * MIB, 4 * MIB);
    assert_int_equal(tables(u, 0), 0);
    assert_int_equal(tables(u, 1), 1);
    map(u, GIB - 2 * MIB, 4 * MIB); /* over the border of two */
    assert_int_equal(tables(u, 1), 2);
}

/* Where small leaves were, their table must be gone before a large leaf takes the place. */
static void a_large_leaf_follows_small_ones(void **state)
{
    struct unit *u = *state;

    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    map(u, 2 * MIB, 2 * MIB);
    unmap(u, 2 * MIB);
    unit_policy(u, 21, GUESTMEM_POPULATE_EAGER);
    map(u, 2 * MIB, 2 * MIB);
    unit_check_leaf(u, 3 * MIB, 21);
    unmap(u, 2 * MIB);
    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    map(u, 2 * MIB, 2 * MIB);
    unit_check_leaf(u, 3 * MIB, 12);
}

static void the_first_and_the_last_page_of_the_space_are_mapped(void **state)
{
    struct unit *u = *state;
    uintptr_t last_page = u->space->last - (PAGE - 1);

    assert_true(u->space->last == ((uintptr_t)1 << 40) - 1);
    map(u, 0, PAGE);
    map(u, last_page, PAGE);
    unit_check_leaf(u, 0, 12);
    unit_check_leaf(u, last_page, 12);
    unmap(u, last_page);
    map(u, u->space->last - (2 * MIB - 1), 2 * MIB);
    unit_check_leaf(u, last_page, 21);
    assert_null(vm_reserve_memory_at(&u->vm, u->space->last + 1, 1, unit_fault, NULL));
    unit_check_failure(u, GUESTMEM_ERANGE);
    assert_null(vm_reserve_memory_at(&u->vm, last_page - PAGE, 3 * PAGE, unit_fault, NULL));
    unit_check_failure(u, GUESTMEM_ERANGE);
    assert_null(vm_reserve_memory_at(&u->vm, 0x1000, SIZE_MAX - 0xfff, unit_fault, NULL));
    unit_check_failure(u, GUESTMEM_ERANGE);
}

static void each_table_counts_what_hangs_below_it(void **state)
{
    struct unit *u = *state;

    map(u, 2 * MIB - 3 * PAGE, 3 * PAGE + 2 * MIB + 5 * PAGE);
    assert_int_equal(u->space->tables[0].at[0].used, 3);
    assert_int_equal(u->space->tables[0].at[1].used, 5);
    assert_int_equal(u->space->tables[1].at[0].used, 3); /* a leaf and two tables */
    assert_int_equal(vm_ram_register_at(&u->vm, 512 * MIB, 4 * PAGE, false), 0);
    assert_int_equal(u->space->tables[1].at[0].used, 4);
    assert_int_equal(guestmem_ram_discard(&u->vm, 512 * MIB + PAGE, PAGE), GUESTMEM_OK);
    assert_int_equal(u->space->tables[0].at[2].used, 3);
    assert_int_equal(guestmem_ram_discard(&u->vm, 512 * MIB, 4 * PAGE), GUESTMEM_OK);
    assert_int_equal(tables(u, 0), 2);
    assert_int_equal(u->space->tables[1].at[0].used, 3);
}

/* Preparing for what isn't mapped afterwards leaves nothing; abandoning spares what is used. */
static void abandoned_tables_go_and_used_ones_stay(void **state)
{
    struct unit *u = *state;
    struct gm_extent extent = {.cptr = 1, .page = 0, .count = 1024, .size = 0};
    struct gm_extents frames = {.at = &extent, .count = 1};

    map(u, MIB, PAGE);
    assert_int_equal(gm_stage2_prepare(u->space, 0, &frames), GUESTMEM_OK);
    assert_int_equal(tables(u, 0), 2);
    gm_stage2_abandon(u->space, 0, &frames);
    assert_int_equal(tables(u, 0), 1);
    unit_check_leaf(u, MIB, 12);
    assert_int_equal(gm_stage2_prepare(u->space, 0, &frames), GUESTMEM_OK);
    assert_int_equal(gm_stage2_commit(u->space, 0, &frames),
                     GUESTMEM_EFRAME); /* cap 1 is no frame */
    assert_int_equal(tables(u, 0), 1);
    gm_room_settle(u->space);
}

/* The k-th leaf is refused: those in front of it go again, and all tables. */
static void a_leaf_that_is_refused_takes_the_others_along(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, 2 * MIB - 2 * PAGE, 4 * PAGE);
    seL4_CPtr caps[4];

    for (size_t bad = 0; bad < 4; bad++) {
        struct guestmem_host_snapshot *before;

        for (size_t i = 0; i < 4; i++) {
            caps[i] = i == bad ? u->root.cptr : unit_frame(u, 12);
        }
        before = unit_snapshot(u);
        assert_int_equal(vm_map_reservation_frames(&u->vm, res, caps, 4, 12), -1);
        unit_check_failure(u, GUESTMEM_EFRAME);
        unit_check_same(u, before);
    }
    caps[3] = unit_frame(u, 12);
    assert_int_equal(vm_map_reservation_frames(&u->vm, res, caps, 4, 12), 0);
}

/* Gigabytes apart: a table of each level for every page, in any order. */
static void scattered_pages_have_tables_of_their_own(void **state)
{
    struct unit *u = *state;

    for (uintptr_t i = 0; i < 16; i++) {
        map(u, (i * 7 % 16) * 3 * GIB + i * PAGE, PAGE);
    }
    assert_int_equal(tables(u, 0), 16);
    assert_int_equal(tables(u, 1), 16);
    for (uintptr_t i = 0; i < 16; i++) {
        unmap(u, (i * 7 % 16) * 3 * GIB + i * PAGE);
        assert_int_equal(tables(u, 1), 15 - i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(neighbours_share_tables_and_the_last_takes_them_along),
        UNIT_TEST(a_large_leaf_needs_no_small_table),
        UNIT_TEST(a_large_leaf_follows_small_ones),
        UNIT_TEST(the_first_and_the_last_page_of_the_space_are_mapped),
        UNIT_TEST(each_table_counts_what_hangs_below_it),
        UNIT_TEST(abandoned_tables_go_and_used_ones_stay),
        UNIT_TEST(a_leaf_that_is_refused_takes_the_others_along),
        UNIT_TEST(scattered_pages_have_tables_of_their_own),
    };

    return cmocka_run_group_tests_name("stage2", tests, NULL, NULL);
}

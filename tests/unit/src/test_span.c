/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Ranges over several reservations, populated all or not at all.
 */
#include "unit_vm.h"

#include "span.h"

#define BASE ((uintptr_t)0x40000000)

/*
 *      BASE          +0x1800       +0x3000             +0x5000
 *      |      A      |      B      |     (nothing)     |    C
 */
static void a_range_is_told_part_by_part_up_to_the_first_hole(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *a = unit_reserve(u, BASE, 0x1800);
    vm_memory_reservation_t *b = unit_reserve(u, BASE + 0x1800, 0x1800);
    struct gm_span span = gm_span_start(u->space, BASE + 0x1000, BASE + 0x5fff);

    unit_reserve(u, BASE + 0x5000, PAGE);
    assert_true(gm_span_next(&span));
    assert_ptr_equal(span.res, a);
    assert_int_equal(span.from, 1);
    assert_int_equal(span.to, 2);
    assert_true(span.whole_pages);
    assert_true(gm_span_next(&span));
    assert_ptr_equal(span.res, b);
    assert_int_equal(span.from, 0);
    assert_int_equal(span.to, 2);
    assert_true(gm_span_next(&span));
    assert_null(span.res);
    assert_false(gm_span_next(&span));
}

static void a_part_that_cuts_a_page_says_so(void **state)
{
    struct unit *u = *state;
    struct gm_span span;

    unit_reserve(u, BASE + 0x500, 0x3000);
    span = gm_span_start(u->space, BASE + 0x500, BASE + 0x34ff);
    assert_true(gm_span_next(&span));
    assert_true(span.whole_pages); /* all that the reservation has of its edge pages */
    span = gm_span_start(u->space, BASE + 0x501, BASE + 0x34ff);
    assert_true(gm_span_next(&span));
    assert_false(span.whole_pages);
    span = gm_span_start(u->space, BASE + 0x1000, BASE + 0x1ffe);
    assert_true(gm_span_next(&span));
    assert_false(span.whole_pages);
}

/* The last page of the address space: the part behind it would start at an address that isn't one.
 */
static void a_range_may_end_where_the_address_space_does(void **state)
{
    struct unit *u = *state;
    uintptr_t last = u->space->last;
    struct gm_span span;

    unit_reserve(u, last - 0x1fff, 0x2000);
    span = gm_span_start(u->space, last - 0xfff, last);
    assert_true(gm_span_next(&span));
    assert_int_equal(span.from, 1);
    assert_int_equal(span.to, 2);
    assert_false(gm_span_next(&span));
}

static vm_memory_reservation_t *lazy(struct unit *u, uintptr_t base, size_t size)
{
    vm_memory_reservation_t *res;

    unit_policy(u, 12, GUESTMEM_POPULATE_LAZY);
    res = unit_reserve(u, base, size);
    assert_int_equal(vm_map_reservation(&u->vm, res, unit_give, u), 0);
    return res;
}

static void free_the_one_below(struct unit *u, uintptr_t addr)
{
    vm_memory_reservation_t *below = guestmem_reservation_at(&u->vm, addr - PAGE);

    if (below != NULL) {
        assert_int_equal(vm_free_reserved_memory(&u->vm, below), -1);
        unit_check_failure(u, GUESTMEM_EBUSY);
    }
}

/*
 *      |  A  |  B  |  C  |      the iterator of B frees A, that of C frees B
 */
static void an_iterator_cannot_free_what_the_same_call_populated(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res[3];

    for (size_t i = 0; i < 3; i++) {
        res[i] = lazy(u, BASE + i * PAGE, PAGE);
    }
    u->give_hook = free_the_one_below;
    assert_int_equal(guestmem_populate(&u->vm, BASE, 3 * PAGE), GUESTMEM_OK);
    for (size_t i = 0; i < 3; i++) {
        unit_check_leaf(u, BASE + i * PAGE, 12);
        assert_int_equal(res[i]->backing->memory.frames.at[0].fresh, 0);
        assert_int_equal(vm_free_reserved_memory(&u->vm, res[i]), 0);
    }
}

static void populating_up_to_a_hole_populates_nothing(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = lazy(u, BASE, 2 * PAGE);

    assert_int_equal(guestmem_populate(&u->vm, BASE, 3 * PAGE), GUESTMEM_EUNMAPPED);
    unit_check_no_leaf(u, BASE);
    assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    assert_int_equal(u->space->stats.tables, 0);
}

static int count_piece(vm_t *vm, uintptr_t addr, void *view, size_t size, size_t offset,
                       void *cookie)
{
    (void)vm;
    (void)addr;
    (void)view;
    (void)offset;
    *(size_t *)cookie += size;
    return 0;
}

static int touch_three(struct unit *u)
{
    size_t bytes = 0;
    int result = vm_ram_touch(&u->vm, BASE + MIB, 3 * MIB + 2 * PAGE, count_piece, &bytes);

    assert_int_equal(bytes, result == 0 ? 3 * MIB + 2 * PAGE : 0);
    return result;
}

static void discard_all(struct unit *u)
{
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE, 4 * MIB + 5 * PAGE), GUESTMEM_OK);
}

/* Frames, tables, views: whichever request fails, all three reservations are as before. */
static void a_touch_over_lazy_reservations_is_all_or_nothing(void **state)
{
    struct unit *u = *state;

    unit_policy(u, 21, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 2 * MIB, false), 0);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 2 * MIB, 2 * MIB, false), 0);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 4 * MIB, 5 * PAGE, false), 0);
    assert_true(unit_fail_each(u, touch_three, discard_all) > 20);
    unit_check_leaf(u, BASE, 21);
    unit_check_leaf(u, BASE + 2 * MIB, 21);
    unit_check_leaf(u, BASE + 4 * MIB, 12);
    unit_check_no_leaf(u, BASE + 4 * MIB + 2 * PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_range_is_told_part_by_part_up_to_the_first_hole),
        UNIT_TEST(a_part_that_cuts_a_page_says_so),
        UNIT_TEST(a_range_may_end_where_the_address_space_does),
        UNIT_TEST(an_iterator_cannot_free_what_the_same_call_populated),
        UNIT_TEST(populating_up_to_a_hole_populates_nothing),
        UNIT_TEST(a_touch_over_lazy_reservations_is_all_or_nothing),
    };

    return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}

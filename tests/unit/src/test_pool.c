/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Anonymous memory: what is donated, handed out, given back and rejoined.
 */
#include "unit_vm.h"

#include "pool.h"

#define POOL ((uintptr_t)0x40000000)

static vm_memory_reservation_t *reserve(struct unit *u, size_t size, size_t align, uintptr_t *addr)
{
    return vm_reserve_anon_memory(&u->vm, size, align, unit_fault, NULL, addr);
}

/* 0x..800                    0x..3800
 *    [  |  page 1  |  page 2  |  ]        only what is whole is handed out */
static void only_whole_pages_are_handed_out(void **state)
{
    struct unit *u = *state;
    uintptr_t addr = 7;

    assert_int_equal(vm_memory_make_anon(&u->vm, POOL + 0x800, 0x3000), 0);
    assert_null(reserve(u, 2 * PAGE + 1, 1, &addr));
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_int_equal(addr, 7);
    assert_non_null(reserve(u, 1, 1, &addr));
    assert_int_equal(addr, POOL + PAGE);
    assert_non_null(reserve(u, PAGE, 1, &addr));
    assert_int_equal(addr, POOL + 2 * PAGE);
    assert_null(reserve(u, 1, 1, &addr));
}

static void ranges_without_a_whole_page_are_refused(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_snapshot *before = unit_snapshot(u);

    assert_int_equal(vm_memory_make_anon(&u->vm, POOL + 1, PAGE), -1);
    assert_int_equal(vm_memory_make_anon(&u->vm, POOL + 0x800, PAGE), -1);
    assert_int_equal(vm_memory_make_anon(&u->vm, POOL, PAGE - 1), -1);
    assert_int_equal(vm_memory_make_anon(&u->vm, POOL, 0), -1);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(vm_memory_make_anon(&u->vm, u->space->last, 2), -1);
    assert_int_equal(vm_memory_make_anon(&u->vm, 0x1000, SIZE_MAX), -1);
    unit_check_failure(u, GUESTMEM_ERANGE);
    unit_check_same(u, before);
}

static void the_last_page_of_the_space_can_be_donated(void **state)
{
    struct unit *u = *state;
    uintptr_t addr;

    assert_int_equal(vm_memory_make_anon(&u->vm, u->space->last - (PAGE - 1), PAGE), 0);
    assert_non_null(reserve(u, PAGE, PAGE, &addr));
    assert_int_equal(addr, u->space->last - (PAGE - 1));
}

static void a_pool_meets_no_reservation_and_no_pool(void **state)
{
    struct unit *u = *state;
    const struct guestmem_failure *failure = guestmem_last_failure(&u->vm);

    unit_reserve(u, POOL + 4 * PAGE, 0x10);
    assert_int_equal(vm_memory_make_anon(&u->vm, POOL, 5 * PAGE), -1);
    assert_int_equal(failure->other_base, POOL + 4 * PAGE);
    assert_int_equal(vm_memory_make_anon(&u->vm, POOL, 4 * PAGE), 0);
    assert_int_equal(vm_memory_make_anon(&u->vm, POOL + 4 * PAGE - 1, 1), -1);
    assert_int_equal(failure->other_base, POOL);
    assert_null(vm_reserve_memory_at(&u->vm, POOL + PAGE, 1, unit_fault, NULL));
    unit_check_failure(u, GUESTMEM_ETAKEN);
    assert_ptr_equal(gm_pool_meets(&u->space->pools, POOL, POOL), u->space->pools.at);
    assert_null(gm_pool_meets(&u->space->pools, 0, POOL - 1));
    assert_null(gm_pool_meets(&u->space->pools, POOL + 4 * PAGE, UINTPTR_MAX));
}

static void pools_are_found_whatever_the_order_they_came_in(void **state)
{
    struct unit *u = *state;
    const struct gm_pools *pools = &u->space->pools;

    for (uintptr_t i = 0; i < 8; i++) {
        assert_int_equal(vm_memory_make_anon(&u->vm, POOL + (i * 5 % 8) * MIB, PAGE), 0);
    }
    for (uintptr_t i = 0; i < 8; i++) {
        const struct gm_pool *pool = gm_pool_meets(pools, POOL + i * MIB, POOL + i * MIB);

        assert_ptr_equal(pool, &pools->at[i]);
        assert_int_equal(pool->base, POOL + i * MIB);
        assert_null(gm_pool_meets(pools, POOL + i * MIB + PAGE, POOL + (i + 1) * MIB - 1));
    }
}

/* The reference handed out an address outside the region (D06). */
static void alignments_are_kept_or_refused(void **state)
{
    struct unit *u = *state;
    uintptr_t addr;

    assert_int_equal(vm_memory_make_anon(&u->vm, POOL + PAGE, 4 * MIB), 0);
    assert_non_null(reserve(u, PAGE, 2 * MIB, &addr));
    assert_int_equal(addr, POOL + 2 * MIB);
    assert_null(reserve(u, PAGE, 8 * MIB, &addr));
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_null(reserve(u, PAGE, (size_t)1 << 63, &addr));
    assert_null(reserve(u, PAGE, 0, &addr));
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_null(reserve(u, PAGE, 3 * PAGE, &addr));
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_null(reserve(u, 0, 1, &addr));
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_null(reserve(u, SIZE_MAX, 1, &addr));
    unit_check_failure(u, GUESTMEM_ERANGE);
    assert_null(reserve(u, SIZE_MAX - 100, 1, &addr));
    unit_check_failure(u, GUESTMEM_ERANGE);
}

static void what_is_freed_is_rejoined(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res[16];
    uintptr_t addr;

    assert_int_equal(vm_memory_make_anon(&u->vm, POOL, 16 * PAGE), 0);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 16; i++) {
            res[i] = reserve(u, 1 + i * 100, 1, &addr);
            assert_int_equal(addr, POOL + i * PAGE);
        }
        for (size_t i = 0; i < 16; i++) {
            assert_int_equal(vm_free_reserved_memory(&u->vm, res[(i * 5) % 16]), 0);
        }
        assert_int_equal(u->space->pools.free.count, 1);
    }
    assert_non_null(reserve(u, 16 * PAGE, 1, &addr));
}

static int make_anon(struct unit *u)
{
    return vm_memory_make_anon(&u->vm, POOL + 64 * MIB, MIB);
}

static int reserve_anon(struct unit *u)
{
    uintptr_t addr;

    return reserve(u, 3 * PAGE, 1, &addr) == NULL ? -1 : 0;
}

static void undo_nothing(struct unit *u)
{
    (void)u;
}

static void donating_and_reserving_are_all_or_nothing(void **state)
{
    struct unit *u = *state;

    for (uintptr_t i = 0; i < 4; i++) {
        assert_int_equal(vm_memory_make_anon(&u->vm, POOL + 2 * i * MIB, MIB), 0);
    }
    assert_true(unit_fail_each(u, make_anon, undo_nothing) >= 1); /* the list is full */
    assert_true(unit_fail_each(u, reserve_anon, undo_nothing) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(only_whole_pages_are_handed_out),
        UNIT_TEST(ranges_without_a_whole_page_are_refused),
        UNIT_TEST(the_last_page_of_the_space_can_be_donated),
        UNIT_TEST(a_pool_meets_no_reservation_and_no_pool),
        UNIT_TEST(pools_are_found_whatever_the_order_they_came_in),
        UNIT_TEST(alignments_are_kept_or_refused),
        UNIT_TEST(what_is_freed_is_rejoined),
        UNIT_TEST(donating_and_reserving_are_all_or_nothing),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}

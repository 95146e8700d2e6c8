/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Arrays that grow and go back; calls within calls.
 */
#include "unit_vm.h"

struct array {
    uint64_t *at;
    size_t count;
    struct gm_room room;
};

static int grow(struct unit *u, struct array *array, size_t wanted)
{
    return gm_room_reserve(u->space, &array->room, &array->at, &array->count, sizeof(array->at[0]),
                           wanted, 4);
}

static void push(struct unit *u, struct array *array, uint64_t value)
{
    assert_int_equal(grow(u, array, array->count + 1), GUESTMEM_OK);
    array->at[array->count++] = value;
}

static void check_counts_up(const struct array *array)
{
    for (size_t i = 0; i < array->count; i++) {
        assert_int_equal(array->at[i], i);
    }
}

static void an_array_keeps_its_elements_as_it_grows(void **state)
{
    struct unit *u = *state;
    struct array array = {0};

    for (uint64_t i = 0; i < 1000; i++) {
        push(u, &array, i);
        if (i % 7 == 0) {
            gm_room_settle(u->space);
        }
    }
    gm_room_settle(u->space);
    check_counts_up(&array);
    gm_room_drop(u->space, &array.room, &array.at, sizeof(array.at[0]));
    assert_null(array.at);
    assert_int_equal(array.room.capacity, 0);
}

/* By half as many again, so that a thousand elements take a dozen blocks and no more than half is
 * spare. */
static void an_array_grows_by_half(void **state)
{
    static const size_t capacities[] = {4, 6, 9, 13, 19, 28, 42};
    struct unit *u = *state;
    struct array array = {0};

    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(grow(u, &array, array.room.capacity + 1), GUESTMEM_OK);
        assert_int_equal(array.room.capacity, capacities[i]);
        assert_int_equal(grow(u, &array, capacities[i]), GUESTMEM_OK);
        assert_int_equal(array.room.capacity, capacities[i]);
    }
    assert_int_equal(grow(u, &array, 1000), GUESTMEM_OK);
    assert_int_equal(array.room.capacity, 1000);
    gm_room_drop(u->space, &array.room, &array.at, sizeof(array.at[0]));
}

static void going_back_gives_the_old_block_and_its_bytes(void **state)
{
    struct unit *u = *state;
    struct array array = {0};
    uint64_t *before;
    size_t bytes;

    for (uint64_t i = 0; i < 4; i++) {
        push(u, &array, i);
    }
    gm_room_settle(u->space);
    before = array.at;
    bytes = u->space->stats.bytes;
    for (uint64_t i = 4; i < 40; i++) {
        push(u, &array, i); /* grows several times in one call */
    }
    array.count = 4;
    gm_room_revert(u->space);
    assert_ptr_equal(array.at, before);
    assert_int_equal(array.room.capacity, 4);
    assert_int_equal(u->space->stats.bytes, bytes);
    check_counts_up(&array);
    gm_room_drop(u->space, &array.room, &array.at, sizeof(array.at[0]));
}

static void going_back_keeps_what_changed_in_place(void **state)
{
    struct unit *u = *state;
    struct array array = {0};

    push(u, &array, 1);
    gm_room_settle(u->space);
    assert_int_equal(grow(u, &array, 100), GUESTMEM_OK);
    array.at[0] = 2;
    gm_room_revert(u->space);
    assert_int_equal(array.at[0], 2);
    gm_room_drop(u->space, &array.room, &array.at, sizeof(array.at[0]));
}

static void an_empty_array_goes_back_to_none(void **state)
{
    struct unit *u = *state;
    struct array array = {0};

    assert_int_equal(grow(u, &array, 1), GUESTMEM_OK);
    gm_room_revert(u->space);
    assert_null(array.at);
    assert_int_equal(array.room.capacity, 0);
}

static void an_array_that_got_fuller_than_before_is_kept(void **state)
{
    struct unit *u = *state;
    struct array array = {0};

    push(u, &array, 0);
    push(u, &array, 1);
    gm_room_revert(u->space);
    assert_int_equal(array.count, 2);
    check_counts_up(&array);
    gm_room_drop(u->space, &array.room, &array.at, sizeof(array.at[0]));
}

static void no_memory_leaves_the_array_as_it_was(void **state)
{
    struct unit *u = *state;
    struct array array = {0};
    uint64_t *before;

    push(u, &array, 0);
    before = array.at;
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, 1, true);
    assert_int_equal(grow(u, &array, 100), GUESTMEM_ENOMEM);
    assert_ptr_equal(array.at, before);
    assert_int_equal(array.room.capacity, 4);
    gm_room_revert(u->space); /* needs none either, and keeps the element */
    check_counts_up(&array);
    gm_room_drop(u->space, &array.room, &array.at, sizeof(array.at[0]));
}

static void several_arrays_go_back_together_but_for_those_dropped(void **state)
{
    struct unit *u = *state;
    struct array arrays[4] = {0};
    size_t bytes = u->space->stats.bytes;

    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(grow(u, &arrays[i], 10), GUESTMEM_OK);
    }
    gm_room_drop(u->space, &arrays[1].room, &arrays[1].at, sizeof(uint64_t));
    gm_room_revert(u->space);
    assert_null(arrays[0].at);
    assert_null(arrays[1].at);
    assert_null(arrays[2].at);
    assert_null(arrays[3].at);
    assert_int_equal(u->space->stats.bytes, bytes);
}

/* ---- calls inside an iterator, that is, inside another call ---- */

static void reserve_what_is_taken(struct unit *u, uintptr_t addr)
{
    assert_null(vm_reserve_memory_at(&u->vm, addr, PAGE, unit_fault, NULL));
    unit_check_failure(u, GUESTMEM_ETAKEN);
}

/* The inner failure must not take back the arrays that the outer call has filled. */
static void a_call_that_fails_inside_an_iterator_does_no_harm_to_the_outer_one(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, 0x1000, 40 * PAGE);

    u->give_hook = reserve_what_is_taken;
    assert_int_equal(vm_map_reservation(&u->vm, res, unit_give, u), 0);
    assert_int_equal(u->give_calls, 40);
    for (size_t i = 0; i < 40; i++) {
        unit_check_leaf(u, 0x1000 + i * PAGE, 12);
    }
}

#define FAR ((uintptr_t)0x40000000)

static void reserve_elsewhere(struct unit *u, uintptr_t addr)
{
    unit_reserve(u, FAR + addr, PAGE);
}

/* The inner call's reservations are good, whatever becomes of the outer call. */
static void calls_that_succeed_inside_an_iterator_last_when_the_outer_one_fails(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, 0x1000, 100 * PAGE);

    u->give_hook = reserve_elsewhere;
    u->give_fail_at = 100;
    assert_int_equal(vm_map_reservation(&u->vm, res, unit_give, u), -1);
    unit_check_failure(u, GUESTMEM_EFRAME);
    for (size_t i = 0; i < 100; i++) {
        unit_check_no_leaf(u, 0x1000 + i * PAGE);
        assert_non_null(guestmem_reservation_at(&u->vm, FAR + 0x1000 + i * PAGE));
    }
    u->give_hook = NULL;
    u->give_calls = 0;
    u->give_fail_at = 0;
    assert_int_equal(vm_map_reservation(&u->vm, res, unit_give, u), 0);
}

static void map_elsewhere(struct unit *u, uintptr_t addr)
{
    vm_memory_reservation_t *res = unit_reserve(u, FAR + addr * 512, 3 * PAGE);

    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
}

/* Each inner mapping takes tables, records and frames of its own, and the outer one goes on. */
static void mapping_inside_an_iterator_works(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, 0x1000, 20 * PAGE);

    u->give_hook = map_elsewhere;
    assert_int_equal(vm_map_reservation(&u->vm, res, unit_give, u), 0);
    for (size_t i = 0; i < 20; i++) {
        unit_check_leaf(u, 0x1000 + i * PAGE, 12);
        unit_check_leaf(u, FAR + (0x1000 + i * PAGE) * 512, 12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(an_array_keeps_its_elements_as_it_grows),
        UNIT_TEST(an_array_grows_by_half),
        UNIT_TEST(going_back_gives_the_old_block_and_its_bytes),
        UNIT_TEST(going_back_keeps_what_changed_in_place),
        UNIT_TEST(an_empty_array_goes_back_to_none),
        UNIT_TEST(an_array_that_got_fuller_than_before_is_kept),
        UNIT_TEST(no_memory_leaves_the_array_as_it_was),
        UNIT_TEST(several_arrays_go_back_together_but_for_those_dropped),
        UNIT_TEST(a_call_that_fails_inside_an_iterator_does_no_harm_to_the_outer_one),
        UNIT_TEST(calls_that_succeed_inside_an_iterator_last_when_the_outer_one_fails),
        UNIT_TEST(mapping_inside_an_iterator_works),
    };

    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}

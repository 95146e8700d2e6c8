/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames that callers bring where others are already, and what an iterator may ask of the library.
 */
#include "unit_vm.h"

#define BASE ((uintptr_t)0x40000000)
#define RAM ((uintptr_t)0x50000000)

/* Release what is refused, and give what u->give_bits says. */
static vm_memory_reservation_t *map_lazy(struct unit *u, size_t size)
{
    vm_memory_reservation_t *res;

    unit_policy(u, 21, GUESTMEM_POPULATE_LAZY);
    res = unit_reserve(u, BASE, size);
    assert_int_equal(guestmem_map_iterator(&u->vm, res, unit_give, unit_release, u), GUESTMEM_OK);
    return res;
}

static void set_discarded(struct unit *u, enum guestmem_discarded discarded)
{
    struct guestmem_policy policy;

    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    policy.discarded = discarded;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
}

static vm_frame_t give_whole(uintptr_t addr, void *cookie)
{
    struct unit *u = cookie;
    vm_frame_t frame = unit_give(addr & ~(2 * MIB - 1), u);

    u->give_bits = 21; /* from the second call on */
    return frame;
}

/* The refused frame is the caller's again, and nothing of what is there changes. */
static void check_refused(struct unit *u, uintptr_t gpa, size_t size, size_t released)
{
    struct guestmem_host_leaf leaf;
    seL4_CPtr last;

    assert_int_equal(guestmem_populate(&u->vm, gpa, size), GUESTMEM_EFRAME);
    unit_check_failure(u, GUESTMEM_EFRAME);
    assert_non_null(strstr(guestmem_last_failure(&u->vm)->step, "covers another"));
    assert_int_equal(u->released, released);
    last = u->frames[u->frame_count - 1].cptr;
    assert_false(unit_leaf(u, BASE + MIB, &leaf));
    assert_int_equal(seL4_ARM_Page_Unmap(last), seL4_NoError);
}

static void a_frame_over_one_that_is_mapped_is_refused(void **state)
{
    struct unit *u = *state;

    map_lazy(u, 2 * MIB);
    assert_int_equal(guestmem_populate(&u->vm, BASE + 5 * PAGE, PAGE), GUESTMEM_OK);
    unit_check_leaf(u, BASE + 5 * PAGE, 12);
    u->give_bits = 21;
    check_refused(u, BASE, PAGE, 1);
    unit_check_leaf(u, BASE + 5 * PAGE, 12);
}

static void a_frame_over_one_of_the_same_call_is_refused(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res;

    unit_policy(u, 21, GUESTMEM_POPULATE_LAZY);
    res = unit_reserve(u, BASE, 2 * MIB);
    assert_int_equal(guestmem_map_iterator(&u->vm, res, give_whole, unit_release, u), GUESTMEM_OK);
    check_refused(u, BASE, 2 * PAGE, 2); /* both */
    unit_check_no_leaf(u, BASE);
}

static void a_frame_over_what_was_discarded_for_good_is_refused(void **state)
{
    struct unit *u = *state;

    set_discarded(u, GUESTMEM_DISCARDED_REFUSES);
    map_lazy(u, 2 * MIB);
    gm_extents_reserve(u->space,
                       &guestmem_reservation_at(&u->vm, BASE)->backing->refused, 2);
    gm_extents_note_pages(&guestmem_reservation_at(&u->vm, BASE)->backing->refused, 7, 8);
    gm_room_settle(u->space);
    u->give_bits = 21;
    check_refused(u, BASE, PAGE, 1);
}

/* What the policy says of the memory's type needs no question where the frame lies. */
static void the_policy_says_how_callers_frames_are_mapped(void **state)
{
    static const enum guestmem_memory_type types[] = {
        GUESTMEM_MEMORY_DEVICE, GUESTMEM_MEMORY_NORMAL, GUESTMEM_MEMORY_AUTO};
    struct unit *u = *state;

    for (unsigned i = 0; i < 3; i++) {
        vm_memory_reservation_t *res = unit_reserve(u, BASE + i * PAGE, PAGE);
        struct guestmem_policy policy;
        struct guestmem_host_leaf leaf;

        assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
        policy.memory_type = types[i];
        assert_int_equal(guestmem_reservation_set_policy(&u->vm, res, &policy), GUESTMEM_OK);
        assert_int_equal(vm_map_reservation(&u->vm, res, unit_give, u), 0);
        assert_true(unit_leaf(u, BASE + i * PAGE, &leaf));
        assert_int_equal(leaf.device, types[i] == GUESTMEM_MEMORY_DEVICE);
    }
}

/* ---------------------------------------------------------------- from inside an iterator */

static int answer;

static void change_policy(struct unit *u, uintptr_t addr)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    answer = guestmem_reservation_set_policy(&u->vm, guestmem_reservation_at(&u->vm, addr), &policy);
}

static void the_policy_stands_once_frames_are_asked_for(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, BASE, PAGE);

    u->give_hook = change_policy;
    assert_int_equal(vm_map_reservation(&u->vm, res, unit_give, u), 0);
    assert_int_equal(answer, GUESTMEM_EMAPPED);
    unit_check_leaf(u, BASE, 12);
}

/* A guest's access elsewhere, which populates what is around it, while frames are being taken. */
static void fault_elsewhere(struct unit *u, uintptr_t addr)
{
    (void)addr;
    answer = (int)vm_memory_handle_fault(&u->vm, NULL, RAM + 9 * PAGE, 4);
}

static void around(struct unit *u)
{
    struct guestmem_policy policy;

    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.frame_bits_max = 12;
    policy.populate_around_bits = 14;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
    assert_int_equal(vm_ram_register_at(&u->vm, RAM, 64 * PAGE, false), 0);
    policy.populate = GUESTMEM_POPULATE_EAGER;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
}

static void neighbours_are_populated_inside_an_iterator_too(void **state)
{
    struct unit *u = *state;

    around(u);
    u->give_hook = fault_elsewhere;
    assert_int_equal(vm_map_reservation(&u->vm, unit_reserve(u, BASE, PAGE), unit_give, u), 0);
    assert_int_equal(answer, FAULT_RESTART);
    unit_check_no_leaf(u, RAM + 7 * PAGE);
    for (unsigned i = 8; i < 12; i++) {
        unit_check_leaf(u, RAM + i * PAGE, 12);
    }
    unit_check_no_leaf(u, RAM + 12 * PAGE);
}

static uint64_t fails_at;
static bool struck;

static void fault_elsewhere_failing(struct unit *u, uintptr_t addr)
{
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_ANY, fails_at, false);
    fault_elsewhere(u, addr);
    struck = guestmem_host_failed(u->host, NULL);
    guestmem_host_fail(u->host, 0, 0, false);
}

/* Where there is nothing for neighbours, the access itself is answered all the same. */
static void an_iterator_goes_on_where_neighbours_find_no_memory(void **state)
{
    struct unit *u = *state;
    unsigned failed = 0;
    unsigned lacking = 0;

    around(u);
    u->give_hook = fault_elsewhere_failing;
    do {
        vm_memory_reservation_t *res = unit_reserve(u, BASE, PAGE);
        struct guestmem_host_leaf leaf;

        fails_at++;
        assert_int_equal(vm_map_reservation(&u->vm, res, unit_give, u), 0);
        unit_check_leaf(u, BASE, 12);
        assert_int_equal(unit_leaf(u, RAM + 9 * PAGE, &leaf), answer == FAULT_RESTART);
        failed += answer == FAULT_ERROR;
        lacking += answer == FAULT_RESTART && !unit_leaf(u, RAM + 10 * PAGE, &leaf);
        assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
        assert_int_equal(guestmem_ram_discard(&u->vm, RAM, 64 * PAGE), GUESTMEM_OK);
        unit_check_no_leaf(u, RAM + 9 * PAGE);
    } while (struck);
    assert_true(failed > 0);
    assert_true(lacking > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_frame_over_one_that_is_mapped_is_refused),
        UNIT_TEST(a_frame_over_one_of_the_same_call_is_refused),
        UNIT_TEST(a_frame_over_what_was_discarded_for_good_is_refused),
        UNIT_TEST(the_policy_says_how_callers_frames_are_mapped),
        UNIT_TEST(the_policy_stands_once_frames_are_asked_for),
        UNIT_TEST(neighbours_are_populated_inside_an_iterator_too),
        UNIT_TEST(an_iterator_goes_on_where_neighbours_find_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

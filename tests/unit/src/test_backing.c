/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Backing a reservation, part of it, or nothing of it: whatever fails.
 */
#include "unit_vm.h"

#define BASE ((uintptr_t)0x40000000)

/*
 * Enough reservations to fill chunks of the index and blocks of handles, with holes between them:
 * what fails then has all kinds of arrays and records to leave as they were.
 */
static void crowd(struct unit *u)
{
    for (uintptr_t i = 0; i < 96; i++) {
        unit_reserve(u, BASE - 64 * MIB + i * 2 * MIB, PAGE);
    }
}

static void free_at(struct unit *u, uintptr_t base)
{
    assert_int_equal(vm_free_reserved_memory(&u->vm, guestmem_reservation_at(&u->vm, base)), 0);
}

static void free_base(struct unit *u)
{
    free_at(u, BASE + 2 * MIB - 5 * PAGE);
}

/* 5 small frames, 2 large ones, 3 small ones. */
static int map_mixed(struct unit *u)
{
    static const size_t size = 5 * PAGE + 4 * MIB + 3 * PAGE;
    vm_memory_reservation_t *res = guestmem_reservation_at(&u->vm, BASE + 2 * MIB - 5 * PAGE);

    if (res == NULL) {
        res = vm_reserve_memory_at(&u->vm, BASE + 2 * MIB - 5 * PAGE, size, unit_fault, NULL);
    }
    if (res == NULL) {
        return -1;
    }
    if (map_frame_alloc_reservation(&u->vm, res) != 0) {
        assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
        return -1;
    }
    return 0;
}

static void mixed_sizes_are_mapped_all_or_not_at_all(void **state)
{
    struct unit *u = *state;

    assert_true(unit_fail_each(u, map_mixed, free_base) > 20);
    unit_check_leaf(u, BASE + 2 * MIB - PAGE, 12);
    unit_check_leaf(u, BASE + 2 * MIB, 21);
    unit_check_leaf(u, BASE + 4 * MIB, 21);
    unit_check_leaf(u, BASE + 6 * MIB, 12);
    unit_check_no_leaf(u, BASE + 2 * MIB - 6 * PAGE);
    unit_check_no_leaf(u, BASE + 6 * MIB + 3 * PAGE);
}

static int register_ram(struct unit *u)
{
    return vm_ram_register_at(&u->vm, BASE + PAGE, 30 * PAGE + 5, false);
}

static void free_ram(struct unit *u)
{
    free_at(u, BASE + PAGE);
}

static void ram_among_many_is_registered_or_leaves_no_byte(void **state)
{
    struct unit *u = *state;

    crowd(u);
    assert_true(unit_fail_each(u, register_ram, free_ram) > 10);
}

static int register_device_ram(struct unit *u)
{
    return vm_ram_register_at(&u->vm, BASE + 2 * MIB - 2 * PAGE, 2 * MIB + 4 * PAGE, false);
}

static void free_device_ram(struct unit *u)
{
    free_at(u, BASE + 2 * MIB - 2 * PAGE);
}

static void device_ram_is_registered_or_left(void **state)
{
    struct unit *u = *state;

    assert_true(unit_fail_each(u, register_device_ram, free_device_ram) > 10);
}

static int register_by_address(struct unit *u)
{
    return vm_ram_register_at(&u->vm, UNIT_RAM_BASE + 34 * MIB - PAGE, 2 * MIB + 3 * PAGE, true);
}

static void free_by_address(struct unit *u)
{
    free_at(u, UNIT_RAM_BASE + 34 * MIB - PAGE);
}

static void ram_by_address_is_registered_or_left(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_leaf leaf;

    assert_true(unit_fail_each(u, register_by_address, free_by_address) > 10);
    assert_true(unit_leaf(u, UNIT_RAM_BASE + 35 * MIB, &leaf));
    assert_true(leaf.size_bits == 21 && leaf.paddr == UNIT_RAM_BASE + 34 * MIB);
}

static int register_anonymous(struct unit *u)
{
    return vm_ram_register(&u->vm, 2 * MIB + PAGE) != 0 ? 0 : -1;
}

static void free_anonymous(struct unit *u)
{
    free_at(u, u->vm.mem.ram_regions[0].start);
}

static void anonymous_ram_is_registered_or_left(void **state)
{
    struct unit *u = *state;

    assert_int_equal(vm_memory_make_anon(&u->vm, 0, 16 * MIB), 0);
    assert_true(unit_fail_each(u, register_anonymous, free_anonymous) > 10);
    assert_true(u->vm.mem.ram_regions[0].start != 0); /* which would mean failure */
}

static int create_shared(struct unit *u)
{
    return create_allocated_reservation_frame(&u->vm, BASE + PAGE, seL4_CanRead, unit_fault,
                                              NULL) == NULL;
}

static void destroy_shared(struct unit *u)
{
    assert_int_equal(guestmem_created_destroy(&u->vm, BASE + PAGE), GUESTMEM_OK);
}

static void a_shared_page_is_created_or_left(void **state)
{
    struct unit *u = *state;

    crowd(u);
    assert_true(unit_fail_each(u, create_shared, destroy_shared) > 8);
    destroy_shared(u);
    assert_int_equal(guestmem_created_destroy(&u->vm, BASE + PAGE), GUESTMEM_EUNMAPPED);
}

static int create_device(struct unit *u)
{
    return create_device_reservation_frame(&u->vm, UNIT_DEVICE, seL4_AllRights, unit_fault, NULL) ==
           NULL;
}

static void destroy_device(struct unit *u)
{
    assert_int_equal(guestmem_created_destroy(&u->vm, UNIT_DEVICE), GUESTMEM_OK);
}

static void a_device_page_is_created_or_left(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_leaf leaf;

    assert_true(unit_fail_each(u, create_device, destroy_device) > 8);
    assert_true(unit_leaf(u, UNIT_DEVICE, &leaf));
    assert_true(leaf.device && leaf.paddr == UNIT_DEVICE);
}

static int map_given(struct unit *u)
{
    vm_memory_reservation_t *res = guestmem_reservation_at(&u->vm, BASE);
    size_t frames = u->frame_count;
    int error;

    u->give_calls = 0;
    u->released = 0;
    error = guestmem_map_iterator(&u->vm, res, unit_give, unit_release, u);
    if (error != GUESTMEM_OK) {
        assert_int_equal(u->released, u->frame_count - frames);
        while (u->frame_count > frames) {
            vka_free_object(u->vka, &u->frames[--u->frame_count]);
        }
    }
    return error;
}

/* Each frame that the iterator gave is released once; none is freed, none stays mapped. */
static void frames_from_an_iterator_are_released_when_the_call_fails(void **state)
{
    struct unit *u = *state;

    unit_reserve(u, BASE, 9 * PAGE);
    for (u->give_fail_at = 1; u->give_fail_at < 10; u->give_fail_at++) {
        struct guestmem_host_snapshot *before = unit_snapshot(u);

        assert_int_equal(map_given(u), GUESTMEM_EFRAME);
        unit_check_same(u, before);
    }
    u->give_fail_at = 0;
    assert_int_equal(map_given(u), GUESTMEM_OK);
    free_at(u, BASE);
    assert_int_equal(u->released, 9);
}

#define SMALL_FRAMES 9

static seL4_CPtr small[SMALL_FRAMES];

static int map_array(struct unit *u)
{
    vm_memory_reservation_t *res = guestmem_reservation_at(&u->vm, BASE);

    return vm_map_reservation_frames(&u->vm, res, small, SMALL_FRAMES, 12);
}

static void remake(struct unit *u)
{
    free_at(u, BASE);
    unit_reserve(u, BASE, SMALL_FRAMES * PAGE);
}

static void an_array_of_frames_is_mapped_all_or_not_at_all(void **state)
{
    struct unit *u = *state;

    for (size_t i = 0; i < SMALL_FRAMES; i++) {
        small[i] = unit_frame(u, 12);
    }
    unit_reserve(u, BASE, SMALL_FRAMES * PAGE);
    assert_true(unit_fail_each(u, map_array, remake) > SMALL_FRAMES);
    remake(u);
    assert_int_equal(map_array(u), 0); /* the same frames again */
}

/* The ninth is the first again: one cap has one mapping. */
static void a_cap_given_twice_is_refused_and_nothing_stays_mapped(void **state)
{
    struct unit *u = *state;

    for (size_t i = 0; i < SMALL_FRAMES; i++) {
        small[i] = i == 8 ? small[0] : unit_frame(u, 12);
    }
    unit_reserve(u, BASE, SMALL_FRAMES * PAGE);
    assert_int_equal(map_array(u), -1);
    unit_check_failure(u, GUESTMEM_EFRAME);
    unit_check_no_leaf(u, BASE);
    assert_int_equal(u->space->stats.tables, 0);
    small[8] = unit_frame(u, 12);
    assert_int_equal(map_array(u), 0);
}

static int make_read_only(struct unit *u)
{
    return guestmem_set_rights(&u->vm, BASE + 2 * MIB, 2 * MIB + 2 * PAGE, seL4_CanRead);
}

static void make_writable(struct unit *u)
{
    assert_int_equal(
        guestmem_set_rights(&u->vm, BASE + 2 * MIB, 2 * MIB + 2 * PAGE, seL4_AllRights), 0);
}

static bool can_write(struct unit *u, uintptr_t gpa)
{
    struct guestmem_host_leaf leaf;

    assert_true(unit_leaf(u, gpa, &leaf));
    return leaf.write;
}

/*
 *      BASE + 2 MiB      + 4 MiB
 *      |   2 MiB         |4K|4K|4K|4K|
 *      |   read-only           |  rw |
 */
static void rights_change_for_all_frames_or_for_none(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, BASE + 2 * MIB, 2 * MIB + 4 * PAGE);

    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
    assert_true(unit_fail_each(u, make_read_only, make_writable) >= 3);
    assert_false(can_write(u, BASE + 2 * MIB));
    assert_false(can_write(u, BASE + 4 * MIB + PAGE));
    assert_true(can_write(u, BASE + 4 * MIB + 2 * PAGE));
    assert_int_equal(guestmem_set_rights(&u->vm, BASE + 2 * MIB, MIB, seL4_AllRights),
                     GUESTMEM_EGRAIN);
    make_writable(u);
    assert_true(can_write(u, BASE + 2 * MIB));
    assert_int_equal(res->backing->memory.frames.count, 2);
}

static int populate_lazy(struct unit *u)
{
    return guestmem_populate(&u->vm, BASE + MIB, 4 * MIB);
}

static void discard_lazy(struct unit *u)
{
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE, 5 * MIB + PAGE), GUESTMEM_OK);
}

static void populating_is_all_or_nothing(void **state)
{
    struct unit *u = *state;

    unit_policy(u, 21, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 5 * MIB + PAGE, false), 0);
    unit_check_no_leaf(u, BASE);
    assert_true(unit_fail_each(u, populate_lazy, discard_lazy) > 10);
    unit_check_leaf(u, BASE, 21);
    unit_check_leaf(u, BASE + 4 * MIB, 12);
    unit_check_no_leaf(u, BASE + 5 * MIB);
}

static int fault_at_lazy(struct unit *u)
{
    return vm_memory_handle_fault(&u->vm, NULL, BASE + 2 * MIB - 4, 8) != FAULT_RESTART;
}

/* An access over the border of two frames populates both or none. */
static void a_fault_over_a_border_populates_both_frames_or_none(void **state)
{
    struct unit *u = *state;

    unit_policy(u, 12, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 5 * MIB + PAGE, false), 0);
    assert_true(unit_fail_each(u, fault_at_lazy, discard_lazy) > 8);
    unit_check_leaf(u, BASE + 2 * MIB - PAGE, 12);
    unit_check_leaf(u, BASE + 2 * MIB, 12);
    assert_int_equal(u->space->stats.frames[0], 2);
}

/* Discarding takes bytes of book-keeping at most, and back; frames go back when a whole untyped is.
 */
static void discarded_ram_is_empty_and_comes_back_cleared(void **state)
{
    struct unit *u = *state;
    char bytes[16];

    memset(bytes, 7, sizeof(bytes));
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 8 * MIB, false), 0);
    for (uintptr_t at = BASE; at < BASE + 8 * MIB; at += MIB) {
        assert_int_equal(vm_ram_touch(&u->vm, at, 16, vm_guest_ram_write_callback, bytes), 0);
    }
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + 2 * MIB, 2 * MIB), GUESTMEM_OK);
    unit_check_no_leaf(u, BASE + 2 * MIB);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + 2 * MIB, 4 * MIB), GUESTMEM_OK);
    unit_check_no_leaf(u, BASE + 4 * MIB);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + 3 * MIB, 8), FAULT_RESTART);
    unit_check_leaf(u, BASE + 3 * MIB, 21);
    assert_int_equal(vm_ram_touch(&u->vm, BASE + 5 * MIB, 16, vm_guest_ram_read_callback, bytes),
                     0);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        assert_int_equal(bytes[i], 0);
    }
    assert_int_equal(vm_ram_touch(&u->vm, BASE + 7 * MIB, 16, vm_guest_ram_read_callback, bytes),
                     0);
    assert_int_equal(bytes[0], 7);
}

static void refuse_what_is_discarded(struct unit *u)
{
    struct guestmem_policy policy;

    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    policy.discarded = GUESTMEM_DISCARDED_REFUSES;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
}

/*
 *      |4K|  |4K|           |      lazy; populated, the second one discarded for good
 *       0     2    5
 */
static void only_what_was_discarded_is_refused(void **state)
{
    struct unit *u = *state;
    char byte = 1;

    unit_policy(u, 12, GUESTMEM_POPULATE_LAZY);
    refuse_what_is_discarded(u);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 8 * PAGE, false), 0);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, 1, vm_guest_ram_write_callback, &byte), 0);
    assert_int_equal(vm_ram_touch(&u->vm, BASE + 2 * PAGE, 1, vm_guest_ram_write_callback, &byte),
                     0);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + 2 * PAGE, PAGE), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + PAGE, 2 * PAGE), GUESTMEM_OK);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + 5 * PAGE, 8), FAULT_RESTART);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + 2 * PAGE, 8), FAULT_ERROR);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + PAGE, 8), FAULT_ERROR);
    assert_int_equal(vm_ram_touch(&u->vm, BASE + 2 * PAGE, 1, vm_guest_ram_read_callback, &byte),
                     -1);
    assert_int_equal(guestmem_populate(&u->vm, BASE, 8 * PAGE), GUESTMEM_EUNMAPPED);
    unit_check_no_leaf(u, BASE + 3 * PAGE);
    assert_int_equal(guestmem_populate(&u->vm, BASE + 3 * PAGE, 5 * PAGE), GUESTMEM_OK);
}

/* A frame that would show a refused page is too large. */
static void no_large_frame_covers_what_is_refused(void **state)
{
    struct unit *u = *state;

    unit_policy(u, 21, GUESTMEM_POPULATE_LAZY);
    refuse_what_is_discarded(u);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 2 * MIB, false), 0);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + 7 * PAGE, PAGE), GUESTMEM_OK);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + PAGE, 8), FAULT_RESTART);
    unit_check_leaf(u, BASE + PAGE, 12);
    unit_check_no_leaf(u, BASE + 7 * PAGE);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + 7 * PAGE, 8), FAULT_ERROR);
}

static int discard_some(struct unit *u)
{
    return guestmem_ram_discard(&u->vm, BASE + 2 * PAGE, 3 * PAGE);
}

static void undo_nothing(struct unit *u)
{
    (void)u;
}

static void discarding_needs_bytes_at_most_and_is_all_or_nothing(void **state)
{
    struct unit *u = *state;

    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    refuse_what_is_discarded(u);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 8 * PAGE, false), 0);
    assert_true(unit_fail_each(u, discard_some, undo_nothing) >= 1);
    unit_check_no_leaf(u, BASE + 2 * PAGE);
    unit_check_leaf(u, BASE + 5 * PAGE, 12);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + 3 * PAGE, 8), FAULT_ERROR);
}

static void all_that_was_taken_goes_back_when_all_is_discarded(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_counts before;
    struct guestmem_host_counts after;

    guestmem_host_count(u->host, &before);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + PAGE, 8 * MIB, false), 0);
    for (uintptr_t at = 0; at < 8 * MIB; at += 2 * MIB) {
        uintptr_t from = BASE + at + (at == 0 ? PAGE : 0);

        assert_int_equal(guestmem_ram_discard(&u->vm, from, BASE + at + 2 * MIB - from),
                         GUESTMEM_OK);
    }
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + 8 * MIB, PAGE), GUESTMEM_OK);
    guestmem_host_count(u->host, &after);
    assert_int_equal(before.free_bytes, after.free_bytes);
    assert_int_equal(before.slots_used, after.slots_used);
    assert_int_equal(u->space->stats.untypeds, 0);
    assert_int_equal(u->space->stats.slots, 0);
    assert_int_equal(u->space->stats.tables, 0);
}

/* A frame's memory goes back only with all copies of its cap, or another guest's next frame is
 * seen. */
static void copies_of_a_frame_go_when_its_memory_goes_back(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, BASE, PAGE);
    struct guestmem_host_snapshot *before = unit_snapshot(u);
    cspacepath_t from;
    cspacepath_t to;

    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
    assert_int_equal(vka_cspace_alloc_path(u->vka, &to), 0);
    vka_cspace_make_path(u->vka, vspace_get_cap(&u->vm.mem.vm_vspace, (void *)BASE), &from);
    assert_int_equal(vka_cnode_copy(&to, &from, seL4_AllRights), seL4_NoError);
    free_at(u, BASE);
    assert_int_not_equal(seL4_ARM_Page_GetAddress(to.capPtr).error, seL4_NoError);
    vka_cspace_free_path(u->vka, to);
    unit_reserve(u, BASE, PAGE);
    unit_check_same(u, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(mixed_sizes_are_mapped_all_or_not_at_all),
        UNIT_TEST(ram_among_many_is_registered_or_leaves_no_byte),
        UNIT_TEST_DEVICE_RAM(device_ram_is_registered_or_left),
        UNIT_TEST(ram_by_address_is_registered_or_left),
        UNIT_TEST(anonymous_ram_is_registered_or_left),
        UNIT_TEST(a_shared_page_is_created_or_left),
        UNIT_TEST(a_device_page_is_created_or_left),
        UNIT_TEST_BOOT_FRAMES(a_device_page_is_created_or_left),
        UNIT_TEST(frames_from_an_iterator_are_released_when_the_call_fails),
        UNIT_TEST(an_array_of_frames_is_mapped_all_or_not_at_all),
        UNIT_TEST(a_cap_given_twice_is_refused_and_nothing_stays_mapped),
        UNIT_TEST(rights_change_for_all_frames_or_for_none),
        UNIT_TEST(populating_is_all_or_nothing),
        UNIT_TEST(a_fault_over_a_border_populates_both_frames_or_none),
        UNIT_TEST(discarded_ram_is_empty_and_comes_back_cleared),
        UNIT_TEST_DEVICE_RAM(discarded_ram_is_empty_and_comes_back_cleared),
        UNIT_TEST(only_what_was_discarded_is_refused),
        UNIT_TEST(no_large_frame_covers_what_is_refused),
        UNIT_TEST(discarding_needs_bytes_at_most_and_is_all_or_nothing),
        UNIT_TEST(all_that_was_taken_goes_back_when_all_is_discarded),
        UNIT_TEST(copies_of_a_frame_go_when_its_memory_goes_back),
    };

    return cmocka_run_group_tests_name("backing", tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Registering, allocating and freeing RAM, and what is said of it.
 */
#include "unit_vm.h"

#define BASE ((uintptr_t)0x40000000)

static void register_ram(struct unit *u, uintptr_t base, size_t size)
{
    assert_int_equal(vm_ram_register_at(&u->vm, base, size, false), 0);
}

static void allocations_come_from_the_first_region_with_room(void **state)
{
    struct unit *u = *state;

    register_ram(u, BASE, 4 * PAGE);
    register_ram(u, BASE + MIB, 8 * PAGE);
    assert_int_equal(vm_ram_allocate(&u->vm, 6 * PAGE), BASE + MIB);
    assert_int_equal(vm_ram_allocate(&u->vm, 0x123), BASE);
    assert_int_equal(vm_ram_allocate(&u->vm, 4 * PAGE), 0);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_int_equal(vm_ram_allocate(&u->vm, 0), 0);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(vm_ram_allocate(&u->vm, SIZE_MAX), 0);
    assert_int_equal(vm_ram_allocate(&u->vm, PAGE), BASE + 0x123);
}

/* 0 says that there is none: RAM at address 0 is allocated from its second page on. */
static void address_0_is_never_allocated(void **state)
{
    struct unit *u = *state;

    register_ram(u, 0, 2 * PAGE);
    assert_int_equal(vm_ram_allocate(&u->vm, 2 * PAGE), 0);
    assert_int_equal(u->vm.mem.num_ram_regions, 1);
    assert_int_equal(vm_ram_allocate(&u->vm, PAGE), PAGE);
    assert_int_equal(vm_ram_allocate(&u->vm, 1), 0);
    assert_int_equal(u->vm.mem.ram_regions[0].allocated, 0);
}

static void the_largest_free_region_is_the_lowest_of_equals(void **state)
{
    struct unit *u = *state;
    uintptr_t addr = 0;
    size_t size = 0;

    assert_int_equal(vm_ram_find_largest_free_region(&u->vm, &addr, &size), -1);
    register_ram(u, BASE + 4 * MIB, 8 * PAGE);
    register_ram(u, BASE, 8 * PAGE);
    register_ram(u, BASE + 8 * MIB, 9 * PAGE);
    vm_ram_mark_allocated(&u->vm, BASE + 8 * MIB, 2 * PAGE);
    assert_int_equal(vm_ram_find_largest_free_region(&u->vm, &addr, &size), 0);
    assert_int_equal(addr, BASE);
    assert_int_equal(size, 8 * PAGE);
    assert_int_equal(vm_ram_find_largest_free_region(&u->vm, NULL, &size), -1);
}

static void only_what_is_free_is_marked_and_only_what_is_marked_is_freed(void **state)
{
    struct unit *u = *state;

    register_ram(u, BASE, 8 * PAGE);
    vm_ram_mark_allocated(&u->vm, BASE + 0x100, PAGE);
    assert_int_equal(u->vm.mem.num_ram_regions, 3);
    vm_ram_mark_allocated(&u->vm, BASE, PAGE);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_int_equal(u->vm.mem.num_ram_regions, 3);
    vm_ram_mark_allocated(&u->vm, BASE + 7 * PAGE, PAGE + 1);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    vm_ram_free(&u->vm, BASE + 0x200, PAGE);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    vm_ram_free(&u->vm, BASE + 0x180, 0x10);
    assert_int_equal(u->vm.mem.num_ram_regions, 5);
    vm_ram_free(&u->vm, BASE + 0x100, 0x80);
    vm_ram_free(&u->vm, BASE + 0x190, PAGE - 0x90);
    assert_int_equal(u->vm.mem.num_ram_regions, 1);
    assert_int_equal(guestmem_ram_mark(&u->vm, BASE, SIZE_MAX, true), GUESTMEM_ERANGE);
    assert_int_equal(guestmem_ram_mark(&u->vm, BASE, 0, true), GUESTMEM_EINVAL);
}

static int mark_middle(struct unit *u)
{
    return guestmem_ram_mark(&u->vm, BASE + 0x100, 0x100, true);
}

static void unmark_middle(struct unit *u)
{
    vm_ram_free(&u->vm, BASE + 0x100, 0x100);
}

/* With an array that is full, so that marking has to make room. */
static void marking_is_all_or_nothing(void **state)
{
    struct unit *u = *state;

    register_ram(u, BASE, PAGE);
    for (uintptr_t at = 0x300;
         u->space->ram_room.capacity >= u->space->ram_count + u->space->ram_reservations + 2;
         at += 0x20) {
        vm_ram_mark_allocated(&u->vm, BASE + at, 0x10);
    }
    assert_true(unit_fail_each(u, mark_middle, unmark_middle) >= 1);
    assert_true(u->vm.mem.num_ram_regions > 3);
}

/* The habit that bites: RAM at 0x500. */
static void ram_may_start_and_end_anywhere(void **state)
{
    struct unit *u = *state;
    char bytes[0x40] = "mark";

    register_ram(u, 0x500, 2 * MIB + 0x123);
    assert_int_equal(vm_ram_touch(&u->vm, 0x500, 1, vm_guest_ram_write_callback, bytes), 0);
    assert_int_equal(
        vm_ram_touch(&u->vm, 0x500 + 2 * MIB + 0x122, 1, vm_guest_ram_write_callback, bytes), 0);
    assert_int_equal(vm_ram_touch(&u->vm, 0x4ff, 1, vm_guest_ram_write_callback, bytes), -1);
    assert_int_equal(
        vm_ram_touch(&u->vm, 0x500 + 2 * MIB + 0x123, 1, vm_guest_ram_write_callback, bytes), -1);
    unit_check_leaf(u, 0, 21);       /* its pages are all that 2 MiB have, */
    unit_check_leaf(u, 2 * MIB, 12); /* and one more */
    assert_int_equal(u->vm.mem.ram_regions[0].start, 0x500);
    assert_int_equal(u->vm.mem.ram_regions[0].size, 2 * MIB + 0x123);
    assert_int_equal(vm_free_reserved_memory(&u->vm, guestmem_reservation_at(&u->vm, 0x500)), 0);
    assert_int_equal(u->vm.mem.num_ram_regions, 0);
}

static void a_custom_iterator_gives_ram_frame_by_frame(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_snapshot *before = unit_snapshot(u);
    struct guestmem_host_leaf leaf;

    assert_int_equal(vm_ram_register_at_custom_iterator(&u->vm, BASE, PAGE, NULL, u), -1);
    unit_check_failure(u, GUESTMEM_EINVAL);
    unit_check_same(u, before);
    unit_policy(u, 12, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(
        vm_ram_register_at_custom_iterator(&u->vm, BASE + 0x10, 3 * PAGE, unit_give, u), 0);
    assert_int_equal(u->give_calls, 4);
    assert_true(unit_leaf(u, BASE, &leaf));
    assert_false(leaf.device);
    u->give_calls = 0;
    u->give_fail_at = 2;
    assert_int_equal(vm_ram_register_at_custom_iterator(&u->vm, BASE + MIB, 3 * PAGE, unit_give, u),
                     -1);
    assert_int_equal(u->vm.mem.num_ram_regions, 1);
    assert_null(guestmem_reservation_at(&u->vm, BASE + MIB));
}

static void anonymous_ram_is_aligned_to_its_frames(void **state)
{
    struct unit *u = *state;
    uintptr_t first;
    uintptr_t second;

    assert_int_equal(vm_ram_register(&u->vm, PAGE), 0);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_int_equal(vm_memory_make_anon(&u->vm, BASE + PAGE, 16 * MIB), 0);
    first = vm_ram_register(&u->vm, 3 * PAGE);
    assert_int_equal(first, BASE + PAGE);
    second = vm_ram_register(&u->vm, 4 * MIB);
    assert_int_equal(second, BASE + 2 * MIB);
    unit_check_leaf(u, second, 21);
    assert_int_equal(vm_ram_register(&u->vm, 14 * MIB), 0);
    assert_int_equal(vm_free_reserved_memory(&u->vm, guestmem_reservation_at(&u->vm, second)), 0);
    assert_int_equal(vm_ram_register(&u->vm, 4 * MIB), second);
    assert_int_equal(vm_ram_register(&u->vm, 0), 0);
    unit_check_failure(u, GUESTMEM_EINVAL);
}

/* Where only small places are left, RAM takes one of those. */
static void anonymous_ram_falls_back_to_a_smaller_alignment(void **state)
{
    struct unit *u = *state;

    assert_int_equal(vm_memory_make_anon(&u->vm, BASE + PAGE, 3 * MIB), 0);
    assert_int_equal(vm_ram_register(&u->vm, 2 * MIB), BASE + PAGE);
    unit_check_leaf(u, BASE + PAGE, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(allocations_come_from_the_first_region_with_room),
        UNIT_TEST(address_0_is_never_allocated),
        UNIT_TEST(the_largest_free_region_is_the_lowest_of_equals),
        UNIT_TEST(only_what_is_free_is_marked_and_only_what_is_marked_is_freed),
        UNIT_TEST(marking_is_all_or_nothing),
        UNIT_TEST(ram_may_start_and_end_anywhere),
        UNIT_TEST(a_custom_iterator_gives_ram_frame_by_frame),
        UNIT_TEST(anonymous_ram_is_aligned_to_its_frames),
        UNIT_TEST(anonymous_ram_falls_back_to_a_smaller_alignment),
    };

    return cmocka_run_group_tests_name("guest_ram", tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * vm_ram_mark_allocated(), vm_ram_allocate(), vm_ram_free(), vm_ram_find_largest_free_region(): RAM
 * is handed out by marking. Each case has 16 pages of RAM at BASE.
 */
#include "conformance.h"

#define RAM_PAGES ((size_t)16)

static void make_ram(vm_t *vm)
{
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, RAM_PAGES * GM_PAGE, false), 0);
}

static bool allocated_at(vm_t *vm, uintptr_t addr)
{
    for (int i = 0; i < vm->mem.num_ram_regions; i++) {
        const struct vm_ram_region *region = &vm->mem.ram_regions[i];

        if (addr >= region->start && addr - region->start < region->size) {
            return region->allocated != 0;
        }
    }
    GM_FAIL("address %#zx is no RAM", (size_t)addr);
}

/* Check that the regions spell `map`: a letter a page, a = allocated, f = free. */
static void check_map(vm_t *vm, const char *map)
{
    int regions = 1;

    for (unsigned i = 0; i < RAM_PAGES; i++) {
        GM_CHECK_EQ(allocated_at(vm, BASE + i * GM_PAGE), map[i] == 'a');
        regions += i > 0 && map[i] != map[i - 1];
    }
    GM_CHECK_EQ(vm->mem.num_ram_regions, regions);
}

static void mark(vm_t *vm, unsigned page, unsigned count)
{
    vm_ram_mark_allocated(vm, BASE + page * GM_PAGE, count * GM_PAGE);
}

static void release(vm_t *vm, unsigned page, unsigned count)
{
    vm_ram_free(vm, BASE + page * GM_PAGE, count * GM_PAGE);
}

static void ram_starts_free(struct gm_env *env, vm_t *vm)
{
    (void)env;
    make_ram(vm);
    check_map(vm, "ffffffffffffffff");
}

static void marking_splits_a_region(struct gm_env *env, vm_t *vm)
{
    (void)env;
    make_ram(vm);
    mark(vm, 4, 3);
    check_map(vm, "ffffaaafffffffff");
    mark(vm, 0, 1);
    check_map(vm, "afffaaafffffffff");
    mark(vm, 15, 1);
    check_map(vm, "afffaaaffffffffa");
}

static void marking_up_to_an_allocated_neighbour_joins_it(struct gm_env *env, vm_t *vm)
{
    (void)env;
    make_ram(vm);
    mark(vm, 4, 2);
    mark(vm, 8, 2);
    mark(vm, 6, 2);
    check_map(vm, "ffffaaaaaaffffff");
    mark(vm, 0, 4);
    mark(vm, 10, 6);
    check_map(vm, "aaaaaaaaaaaaaaaa");
}

static void marking_what_is_not_all_free_changes_nothing(struct gm_env *env, vm_t *vm)
{
    make_ram(vm);
    mark(vm, 4, 4);
    CHANGES_NOTHING(env, {
        mark(vm, 4, 4);
        mark(vm, 5, 1);
        mark(vm, 2, 4);
        mark(vm, 7, 2);
        mark(vm, 0, 16);
    });
    check_map(vm, "ffffaaaaffffffff");
}

static void marking_what_is_no_ram_changes_nothing(struct gm_env *env, vm_t *vm)
{
    make_ram(vm);
    reserve(vm, BASE + GM_MIB, GM_PAGE);
    CHANGES_NOTHING(env, {
        mark(vm, 14, 3);
        vm_ram_mark_allocated(vm, BASE - GM_PAGE, 2 * GM_PAGE);
        vm_ram_mark_allocated(vm, BASE + GM_MIB, GM_PAGE);
        vm_ram_mark_allocated(vm, BASE, 0);
        vm_ram_mark_allocated(vm, BASE, SIZE_MAX);
        vm_ram_mark_allocated(NULL, BASE, GM_PAGE);
    });
    check_map(vm, "ffffffffffffffff");
}

static void marking_works_by_the_byte(struct gm_env *env, vm_t *vm)
{
    (void)env;
    make_ram(vm);
    vm_ram_mark_allocated(vm, BASE + 0x123, 1);
    GM_CHECK(!allocated_at(vm, BASE + 0x122));
    GM_CHECK(allocated_at(vm, BASE + 0x123));
    GM_CHECK(!allocated_at(vm, BASE + 0x124));
}

static void allocation_is_first_fit(struct gm_env *env, vm_t *vm)
{
    (void)env;
    make_ram(vm);
    mark(vm, 2, 2);
    GM_CHECK_EQ(vm_ram_allocate(vm, 4 * GM_PAGE), BASE + 4 * GM_PAGE);
    GM_CHECK_EQ(vm_ram_allocate(vm, GM_PAGE), BASE);
    GM_CHECK_EQ(vm_ram_allocate(vm, GM_PAGE), BASE + GM_PAGE);
    check_map(vm, "aaaaaaaaffffffff");
}

static void allocations_do_not_overlap_and_fill_the_ram(struct gm_env *env, vm_t *vm)
{
    (void)env;
    make_ram(vm);
    for (unsigned i = 0; i < RAM_PAGES; i++) {
        GM_CHECK_EQ(vm_ram_allocate(vm, GM_PAGE), BASE + i * GM_PAGE);
    }
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_ram_allocate(vm, 1), 0));
    check_map(vm, "aaaaaaaaaaaaaaaa");
}

static void more_than_the_largest_region_is_not_allocated(struct gm_env *env, vm_t *vm)
{
    make_ram(vm);
    mark(vm, 8, 1);
    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(vm_ram_allocate(vm, 8 * GM_PAGE + 1), 0);
        GM_CHECK_EQ(vm_ram_allocate(vm, SIZE_MAX), 0);
        GM_CHECK_EQ(vm_ram_allocate(vm, 0), 0);
        GM_CHECK_EQ(vm_ram_allocate(NULL, GM_PAGE), 0);
    });
    check_map(vm, "ffffffffafffffff");
}

/* 0 means failure: then nothing may have been taken. */
static void ram_at_address_zero_is_not_lost_by_allocating(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr;
    size_t free_bytes = 0;
    uintptr_t at;

    (void)env;
    GM_CHECK_EQ(vm_ram_register_at(vm, 0, 4 * GM_PAGE, false), 0);
    addr = vm_ram_allocate(vm, GM_PAGE);
    GM_CHECK_EQ(vm_ram_find_largest_free_region(vm, &at, &free_bytes), 0);
    if (addr == 0) {
        GM_CHECK_EQ(free_bytes, 4 * GM_PAGE);
    } else {
        GM_CHECK(allocated_at(vm, addr) && free_bytes < 4 * GM_PAGE);
    }
}

static void what_is_freed_can_be_allocated_again(struct gm_env *env, vm_t *vm)
{
    (void)env;
    make_ram(vm);
    mark(vm, 0, 16);
    release(vm, 5, 3);
    check_map(vm, "aaaaafffaaaaaaaa");
    GM_CHECK_EQ(vm_ram_allocate(vm, 3 * GM_PAGE), BASE + 5 * GM_PAGE);
    release(vm, 0, 16);
    check_map(vm, "ffffffffffffffff");
}

static void a_part_of_an_allocation_can_be_freed(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr;

    (void)env;
    make_ram(vm);
    addr = vm_ram_allocate(vm, 6 * GM_PAGE);
    vm_ram_free(vm, addr + 2 * GM_PAGE, 2 * GM_PAGE);
    check_map(vm, "aaffaaffffffffff");
}

static void freeing_does_not_unmap(struct gm_env *env, vm_t *vm)
{
    make_ram(vm);
    mark(vm, 0, 16);
    if (gm_test_guest_write(env, vm, BASE, "x", 1)) {
        release(vm, 0, 16);
        GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
        GM_CHECK_GUEST_FILLED(env, vm, BASE, 'x', 1);
    }
}

static void freeing_what_is_not_all_allocated_changes_nothing(struct gm_env *env, vm_t *vm)
{
    make_ram(vm);
    mark(vm, 4, 4);
    CHANGES_NOTHING(env, {
        release(vm, 0, 4);
        release(vm, 3, 2);
        release(vm, 7, 2);
        release(vm, 14, 4);
        vm_ram_free(vm, BASE + 4 * GM_PAGE, 0);
        vm_ram_free(vm, BASE + 4 * GM_PAGE, SIZE_MAX);
        vm_ram_free(NULL, BASE + 4 * GM_PAGE, GM_PAGE);
    });
    check_map(vm, "ffffaaaaffffffff");
}

static void the_largest_free_region_is_found(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = 0;
    size_t size = 0;

    (void)env;
    make_ram(vm);
    mark(vm, 3, 2);
    mark(vm, 14, 1);
    GM_CHECK_EQ(vm_ram_find_largest_free_region(vm, &addr, &size), 0);
    GM_CHECK_EQ(addr, BASE + 5 * GM_PAGE);
    GM_CHECK_EQ(size, 9 * GM_PAGE);
}

static void of_two_equal_regions_the_lower_is_found(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = 0;
    size_t size = 0;

    (void)env;
    make_ram(vm);
    mark(vm, 7, 2);
    GM_CHECK_EQ(vm_ram_find_largest_free_region(vm, &addr, &size), 0);
    GM_CHECK_EQ(addr, BASE);
    GM_CHECK_EQ(size, 7 * GM_PAGE);
}

static void without_free_ram_no_region_is_found(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = 0x77;
    size_t size = 0x88;

    make_ram(vm);
    mark(vm, 0, 16);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_ram_find_largest_free_region(vm, &addr, &size), -1));
    GM_CHECK(addr == 0x77 && size == 0x88);
}

static void a_region_over_two_registrations_is_one(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr;

    (void)env;
    make_ram(vm);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE + RAM_PAGES * GM_PAGE, RAM_PAGES * GM_PAGE, false), 0);
    addr = vm_ram_allocate(vm, 20 * GM_PAGE);
    GM_CHECK_EQ(addr, BASE);
    vm_ram_free(vm, BASE + 15 * GM_PAGE, 2 * GM_PAGE);
    GM_CHECK(allocated_at(vm, BASE + 14 * GM_PAGE) && !allocated_at(vm, BASE + 16 * GM_PAGE));
    GM_CHECK_EQ(vm->mem.num_ram_regions, 4);
}

static void ram_registered_beside_an_allocation_stays_free(struct gm_env *env, vm_t *vm)
{
    (void)env;
    make_ram(vm);
    mark(vm, 0, 16);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE + RAM_PAGES * GM_PAGE, GM_PAGE, false), 0);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 2);
    GM_CHECK_EQ(vm_ram_allocate(vm, GM_PAGE), BASE + RAM_PAGES * GM_PAGE);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 1);
}

static const struct gm_case cases[] = {
    GM_CASE(ram_starts_free),
    GM_CASE(marking_splits_a_region),
    GM_CASE(marking_up_to_an_allocated_neighbour_joins_it),
    GM_CASE(marking_what_is_not_all_free_changes_nothing),
    GM_CASE(marking_what_is_no_ram_changes_nothing),
    GM_CASE(marking_works_by_the_byte),
    GM_CASE(allocation_is_first_fit),
    GM_CASE(allocations_do_not_overlap_and_fill_the_ram),
    GM_CASE(more_than_the_largest_region_is_not_allocated),
    GM_CASE(ram_at_address_zero_is_not_lost_by_allocating),
    GM_CASE(what_is_freed_can_be_allocated_again),
    GM_CASE(a_part_of_an_allocation_can_be_freed),
    GM_CASE(freeing_does_not_unmap),
    GM_CASE(freeing_what_is_not_all_allocated_changes_nothing),
    GM_CASE(the_largest_free_region_is_found),
    GM_CASE(of_two_equal_regions_the_lower_is_found),
    GM_CASE(without_free_ram_no_region_is_found),
    GM_CASE(a_region_over_two_registrations_is_one),
    GM_CASE(ram_registered_beside_an_allocation_stays_free),
};

const struct gm_suite ram_marks_suite = GM_SUITE("ram_marks", cases);

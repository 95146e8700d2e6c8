/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Edges of small functions: nothing there, nothing to do, no place for the answer, an allocator or boot
 * information that is odd.
 */
#include "unit_vm.h"

#include <guestmem/access.h>
#include <vka/object.h>

#include "alias.h"
#include "memory_kind.h"
#include "range.h"
#include "stage2.h"
#include "window.h"

#define BASE ((uintptr_t)0x40000000)

/* ------------------------------------------------------------------------- nothing there */

static void an_empty_range_is_inside_of_nothing(void **state)
{
    (void)state;
    assert_false(gm_range_is_inside(0, 0, UINTPTR_MAX));
    assert_false(gm_range_is_inside(BASE, 0, UINTPTR_MAX));
    assert_true(gm_range_is_inside(0, SIZE_MAX, UINTPTR_MAX));
    assert_false(gm_range_is_inside(2, SIZE_MAX, UINTPTR_MAX));
    assert_false(gm_range_is_inside(BASE, 1, BASE - 1));
}

static void what_is_not_backed_is_not_seen_and_not_lazy(void **state)
{
    struct unit *u = *state;
    const vm_memory_reservation_t *res = unit_reserve(u, BASE, PAGE);
    struct gm_seen_part part = {.base = 1};
    bool device;

    assert_null(gm_alias_at(res, 0));
    assert_false(gm_alias_part(u->space, res, BASE, &part, &device));
    assert_int_equal(part.base, 1);
    assert_false(gm_backing_is_lazy_at(res, 0));
}

static void no_leaves_have_no_tables(void **state)
{
    struct unit *u = *state;
    struct gm_extents none = {0};
    struct guestmem_host_snapshot *before;

    assert_int_equal(map_frame_alloc_reservation(&u->vm, unit_reserve(u, BASE, PAGE)), 0);
    before = unit_snapshot(u);
    gm_stage2_abandon(u->space, BASE, &none);
    gm_stage2_prune(u->space, BASE, 3, 3);
    unit_check_same(u, before);
}

static void a_pool_within_a_page_is_none(void **state)
{
    struct unit *u = *state;

    assert_int_equal(vm_memory_make_anon(&u->vm, 0, 100), -1); /* the page would end below 0 */
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(vm_memory_make_anon(&u->vm, 1, PAGE - 2), -1);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(vm_memory_make_anon(&u->vm, BASE + 1, PAGE), -1);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(vm_memory_make_anon(&u->vm, 0, PAGE), 0);
}

static void only_pages_that_were_created_are_destroyed(void **state)
{
    struct unit *u = *state;

    unit_reserve(u, BASE, PAGE);
    assert_int_equal(guestmem_created_destroy(&u->vm, BASE), GUESTMEM_EUNMAPPED);
    assert_non_null(guestmem_reservation_at(&u->vm, BASE));
}

/* ------------------------------------------------------------------------------- answers */

static void a_failure_that_is_none_is_a_text_as_well(void **state)
{
    struct guestmem_failure failure = {.operation = "an operation", .step = "a step"};
    char text[200];
    char empty[200];

    (void)state;
    assert_true(guestmem_failure_text(&failure, text, sizeof(text)) > 0);
    assert_true(guestmem_failure_text(NULL, empty, sizeof(empty)) > 0);
    assert_string_equal(text, empty);
    assert_string_equal(text, guestmem_strerror(GUESTMEM_OK));
}

static void a_failure_says_what_is_in_the_way_or_where_it_was(void **state)
{
    struct guestmem_failure failure = {.error = GUESTMEM_ETAKEN,
                                       .operation = "an operation",
                                       .step = "a step",
                                       .base = 0x1000,
                                       .size = 0x2000,
                                       .other_base = 0x3000,
                                       .other_size = 0x4000};
    char text[300];

    (void)state;
    guestmem_failure_text(&failure, text, sizeof(text));
    assert_non_null(strstr(text, " by [0x3000, +0x4000)"));
    failure.error = GUESTMEM_ENOSUP;
    guestmem_failure_text(&failure, text, sizeof(text));
    assert_non_null(strstr(text, " at [0x3000, +0x4000)"));
    assert_null(strstr(text, " by "));
}

static void the_largest_free_region_needs_two_places(void **state)
{
    struct unit *u = *state;
    uintptr_t addr = 5;
    size_t size = 6;

    assert_int_equal(vm_ram_register_at(&u->vm, BASE, PAGE, false), 0);
    assert_int_equal(vm_ram_find_largest_free_region(&u->vm, &addr, NULL), -1);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(vm_ram_find_largest_free_region(&u->vm, NULL, &size), -1);
    assert_int_equal(addr, 5);
    assert_int_equal(size, 6);
}

/* -------------------------------------------------------------------- odd surroundings */

/* A VM library's vm_init() may start with an array that has no elements. */
static void the_block_that_ram_regions_start_with_is_freed(void **state)
{
    struct unit *u = *state;
    void *block = malloc(16);

    u->vm.mem.ram_regions = block;
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, PAGE, false), 0);
    assert_ptr_not_equal(u->vm.mem.ram_regions, block);
    assert_int_equal(u->vm.mem.num_ram_regions, 1);
    assert_int_equal(u->vm.mem.ram_regions[0].start, BASE);
}

static void a_window_has_as_many_places_as_can_be_told_apart(void **state)
{
    struct unit *u = *state;
    struct guestmem_policy policy;

    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    policy.views = GUESTMEM_VIEWS_WINDOW;
    policy.view_bytes_max = 1024 * GIB;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
    assert_int_equal(u->space->window->count, GM_SEEN_SLOTS);
}

static int answer_null(void *cookie, size_t size, void **block)
{
    (void)size;
    (*(unsigned *)cookie)++;
    *block = NULL;
    return 0;
}

static int answer_calloc_null(void *cookie, size_t count, size_t size, void **block)
{
    (void)count;
    return answer_null(cookie, size, block);
}

/* An allocator may say that all went well, and give nothing. */
static void an_allocator_that_gives_nothing_is_out_of_memory(void **state)
{
    struct unit *u = *state;
    ps_malloc_ops_t own = u->space->ops;
    unsigned calls = 0;
    vm_t blank = {.vka = u->vka};
    ps_io_ops_t io_ops = *u->vm.io_ops;

    u->space->ops.malloc = answer_null;
    u->space->ops.calloc = answer_calloc_null;
    u->space->ops.cookie = &calls;
    io_ops.malloc_ops = u->space->ops;
    assert_null(vm_reserve_memory_at(&u->vm, BASE, PAGE, unit_fault, NULL));
    u->space->ops = own;
    unit_check_failure(u, GUESTMEM_ENOMEM);
    assert_true(calls > 0);
    calls = 0;
    blank.io_ops = &io_ops;
    assert_int_equal(vm_memory_init(&blank), -1);
    assert_null(blank.mem.reservation_cookie);
    assert_int_equal(calls, 1);
}

static int map_device(struct unit *u)
{
    vm_memory_reservation_t *res = unit_reserve(u, BASE, PAGE);
    int result = map_ut_alloc_reservation_with_base_paddr(&u->vm, UNIT_DEVICE, res);

    if (result != 0) {
        assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    }
    return result;
}

/* Frames by address that the allocator doesn't have come from boot information, if there is any. */
static void without_boot_information_there_are_no_boot_frames(void **state)
{
    struct unit *u = *state;
    simple_t *own = u->space->simple;
    simple_t simple = *own;

    simple.frame_cap = NULL;
    u->space->simple = &simple;
    assert_int_equal(map_device(u), -1);
    unit_check_failure(u, GUESTMEM_ENOFRAME);
    u->space->simple = NULL;
    assert_int_equal(map_device(u), -1);
    unit_check_failure(u, GUESTMEM_ENOFRAME);
    u->space->simple = own;
    assert_int_equal(map_device(u), 0);
}

/* Boot information without a list of untypeds: what comes from it by address is a device's. */
static void a_boot_frame_of_unknown_kind_is_a_devices(void **state)
{
    struct unit *u = *state;
    simple_t *own = u->space->simple;
    simple_t simple = *own;
    struct guestmem_host_leaf leaf;

    simple.nth_untyped = NULL;
    u->space->simple = &simple;
    assert_false(gm_memory_kind_at(u->space, UNIT_DEVICE)->listed);
    assert_int_equal(map_device(u), 0);
    assert_true(unit_leaf(u, BASE, &leaf));
    assert_true(leaf.device);
    assert_int_equal(leaf.paddr, UNIT_DEVICE);
    u->space->simple = own;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_range_is_inside_of_nothing),
        UNIT_TEST(what_is_not_backed_is_not_seen_and_not_lazy),
        UNIT_TEST(no_leaves_have_no_tables),
        UNIT_TEST(a_pool_within_a_page_is_none),
        UNIT_TEST(only_pages_that_were_created_are_destroyed),
        cmocka_unit_test(a_failure_that_is_none_is_a_text_as_well),
        cmocka_unit_test(a_failure_says_what_is_in_the_way_or_where_it_was),
        UNIT_TEST(the_largest_free_region_needs_two_places),
        UNIT_TEST(the_block_that_ram_regions_start_with_is_freed),
        UNIT_TEST(a_window_has_as_many_places_as_can_be_told_apart),
        UNIT_TEST(an_allocator_that_gives_nothing_is_out_of_memory),
        UNIT_TEST_BOOT_FRAMES(without_boot_information_there_are_no_boot_frames),
        UNIT_TEST_BOOT_FRAMES(a_boot_frame_of_unknown_kind_is_a_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

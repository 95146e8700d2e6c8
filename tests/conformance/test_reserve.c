/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * vm_reserve_memory_at(), vm_free_reserved_memory(), vm_get_reservation_memory_region().
 */
#include "conformance.h"

static void a_reservation_has_the_range_that_was_asked_for(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE + 0x123, 0x4567);
    uintptr_t addr = 0;
    size_t size = 0;

    (void)env;
    vm_get_reservation_memory_region(res, &addr, &size);
    GM_CHECK_EQ(addr, BASE + 0x123);
    GM_CHECK_EQ(size, 0x4567);
}

static void each_half_of_the_range_can_be_asked_for_alone(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);
    uintptr_t addr = 0;
    size_t size = 0;

    (void)env;
    vm_get_reservation_memory_region(res, &addr, NULL);
    vm_get_reservation_memory_region(res, NULL, &size);
    GM_CHECK_EQ(addr, BASE);
    GM_CHECK_EQ(size, GM_PAGE);
}

static void reserving_maps_nothing(struct gm_env *env, vm_t *vm)
{
    struct gm_env_counts before;
    struct gm_env_counts after;

    gm_env_count(env, &before);
    reserve(vm, BASE, 4 * GM_MIB);
    gm_env_count(env, &after);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_EQ(after.slots, before.slots);
    GM_CHECK_EQ(after.objects, before.objects);
}

static void a_size_of_zero_is_refused(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, BASE, 0)));
}

static void a_reservation_without_a_callback_is_refused(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, GM_CHECK_NULL(vm_reserve_memory_at(vm, BASE, GM_PAGE, NULL, NULL)));
}

static void a_reservation_without_a_vm_is_refused(struct gm_env *env, vm_t *vm)
{
    (void)vm;
    CHANGES_NOTHING(env, GM_CHECK(refused(NULL, BASE, GM_PAGE)));
}

static void the_first_page_of_the_space_can_be_reserved(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, 0, GM_PAGE);
    uintptr_t addr = 1;

    (void)env;
    vm_get_reservation_memory_region(res, &addr, NULL);
    GM_CHECK_EQ(addr, 0);
    GM_CHECK(refused(vm, 0, 1));
}

static void the_last_byte_of_the_space_can_be_reserved(struct gm_env *env, vm_t *vm)
{
    reserve(vm, env->guest_end - 1, 1);
    GM_CHECK(refused(vm, env->guest_end - 1, 1));
}

static void the_whole_space_can_be_one_reservation(struct gm_env *env, vm_t *vm)
{
    reserve(vm, 0, env->guest_end);
    GM_CHECK(refused(vm, BASE, 1));
}

static void a_range_over_the_spaces_end_is_refused(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, env->guest_end - GM_PAGE, GM_PAGE + 1)));
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, env->guest_end, GM_PAGE)));
}

static void a_range_that_wraps_is_refused(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, UINTPTR_MAX - GM_PAGE + 1, 2 * GM_PAGE)));
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, BASE, SIZE_MAX)));
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, 1, SIZE_MAX)));
}

static void ranges_that_overlap_by_a_byte_are_refused(struct gm_env *env, vm_t *vm)
{
    reserve(vm, BASE + 0x1000, 0x1000);
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, BASE + 0x1000, 0x1000)));
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, BASE, 0x1001)));
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, BASE + 0x1fff, 0x1000)));
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, BASE + 0x1800, 1)));
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, BASE, 0x3000)));
}

static void neighbours_that_touch_are_both_accepted(struct gm_env *env, vm_t *vm)
{
    (void)env;
    reserve(vm, BASE + 0x1000, 0x1000);
    reserve(vm, BASE, 0x1000);
    reserve(vm, BASE + 0x2000, 0x1000);
}

static void emulated_devices_may_share_a_page(struct gm_env *env, vm_t *vm)
{
    (void)env;
    reserve(vm, BASE + 0x200, 0x100);
    reserve(vm, BASE + 0x400, 0x20);
    reserve(vm, BASE, 0x200);
    reserve(vm, BASE + 0x300, 0x100);
    GM_CHECK(refused(vm, BASE + 0x410, 1));
}

static void a_page_that_two_share_cannot_be_backed(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *first = reserve(vm, BASE, 0x200);
    vm_memory_reservation_t *second = reserve(vm, BASE + 0x200, 0x100);

    CHANGES_NOTHING(env, GM_CHECK_EQ(map_frame_alloc_reservation(vm, first), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(map_frame_alloc_reservation(vm, second), -1));
}

static void a_page_that_is_no_longer_shared_can_be_backed(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *first = reserve(vm, BASE, 0x200);
    vm_memory_reservation_t *second = reserve(vm, BASE + 0x200, 0x100);

    GM_CHECK_EQ(vm_free_reserved_memory(vm, first), 0);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, second), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
}

static void a_shared_page_at_the_end_of_a_long_range_cannot_be_backed(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 8 * GM_PAGE + 0x10);

    reserve(vm, BASE + 8 * GM_PAGE + 0x800, 8);
    CHANGES_NOTHING(env, GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), -1));
}

static void reserving_into_a_backed_page_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE + 0x100, 0x100);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, BASE + 0x800, 0x10)));
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, BASE - 0x10, 0x20)));
    reserve(vm, BASE - 0x10, 0x10);
    reserve(vm, BASE + GM_PAGE, 0x10);
}

static void a_freed_range_can_be_reserved_again(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_EQ(vm_free_reserved_memory(vm, reserve(vm, BASE, GM_PAGE)), 0); /* its room is kept */
    CHANGES_NOTHING(env, {
        for (int i = 0; i < 3; i++) {
            vm_memory_reservation_t *res = reserve(vm, BASE + 0x500, 4 * GM_MIB);

            GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
        }
    });
}

static void a_freed_backed_range_can_be_reserved_and_backed_again(struct gm_env *env, vm_t *vm)
{
    for (int i = 0; i < 3; i++) {
        vm_memory_reservation_t *res = reserve(vm, BASE + GM_PAGE, 4 * GM_MIB);

        GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
        GM_CHECK_NO_LEAF(env, vm, BASE + GM_PAGE);
    }
}

static void freeing_leaves_the_neighbours_as_they_are(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *low = reserve(vm, BASE, GM_PAGE);
    vm_memory_reservation_t *middle = reserve(vm, BASE + GM_PAGE, GM_PAGE);
    vm_memory_reservation_t *high = reserve(vm, BASE + 2 * GM_PAGE, GM_PAGE);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, low), 0);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, middle), 0);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, high), 0);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, middle), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
    GM_CHECK_NO_LEAF(env, vm, BASE + GM_PAGE);
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_PAGE, GM_BITS_4K, "rw", false);
}

static void freeing_no_reservation_fails(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_free_reserved_memory(vm, NULL), -1));
}

static void freeing_twice_fails(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);

    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_free_reserved_memory(vm, res), -1));
}

static void a_stale_handle_backs_nothing(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);
    seL4_CPtr frame = gm_env_frame(env, GM_BITS_4K);
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights};

    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), -1);
        GM_CHECK_EQ(map_maybe_device_reservation(vm, res), -1);
        GM_CHECK_EQ(map_ut_alloc_reservation(vm, res), -1);
        GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, res), -1);
        GM_CHECK_EQ(vm_map_reservation_frames(vm, res, &frame, 1, GM_BITS_4K), -1);
        GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), -1);
    });
    GM_CHECK_EQ(giver.calls, 0);
}

static void a_handle_of_another_vm_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_t *other = gm_env_new_vm(env);
    vm_memory_reservation_t *res = reserve(other, BASE, GM_PAGE);

    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_free_reserved_memory(vm, res), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), -1));
    GM_CHECK_EQ(map_frame_alloc_reservation(other, res), 0);
}

static void what_is_no_handle_at_all_is_refused(struct gm_env *env, vm_t *vm)
{
    char block[256] = {0};
    vm_memory_reservation_t *none = (vm_memory_reservation_t *)(void *)block;

    reserve(vm, BASE, GM_PAGE);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_free_reserved_memory(vm, none), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(map_frame_alloc_reservation(vm, none), -1));
}

/* Descending, ascending and out of order; each is found at its own address. */
static void a_thousand_reservations_in_any_order_are_kept_apart(struct gm_env *env, vm_t *vm)
{
    enum { COUNT = 1000, STEP = 7 };
    static vm_memory_reservation_t *all[COUNT];

    (void)env;
    for (unsigned i = 0; i < COUNT; i++) {
        unsigned at = i * STEP % COUNT;

        all[at] = reserve(vm, BASE + at * (uintptr_t)0x100, 0x80);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        uintptr_t addr = 0;

        vm_get_reservation_memory_region(all[i], &addr, NULL);
        GM_CHECK_EQ(addr, BASE + i * (uintptr_t)0x100);
        GM_CHECK(refused(vm, addr + 0x7f, 1));
    }
    for (unsigned i = COUNT; i-- > 0;) {
        GM_CHECK_EQ(vm_free_reserved_memory(vm, all[i * 3 % COUNT]), 0);
    }
    GM_CHECK(!refused(vm, BASE, COUNT * (size_t)0x100));
}

static const struct gm_case cases[] = {
    GM_CASE(a_reservation_has_the_range_that_was_asked_for),
    GM_CASE(each_half_of_the_range_can_be_asked_for_alone),
    GM_CASE(reserving_maps_nothing),
    GM_CASE(a_size_of_zero_is_refused),
    GM_CASE(a_reservation_without_a_callback_is_refused),
    GM_CASE(a_reservation_without_a_vm_is_refused),
    GM_CASE(the_first_page_of_the_space_can_be_reserved),
    GM_CASE(the_last_byte_of_the_space_can_be_reserved),
    GM_CASE(the_whole_space_can_be_one_reservation),
    GM_CASE(a_range_over_the_spaces_end_is_refused),
    GM_CASE(a_range_that_wraps_is_refused),
    GM_CASE(ranges_that_overlap_by_a_byte_are_refused),
    GM_CASE(neighbours_that_touch_are_both_accepted),
    GM_CASE(emulated_devices_may_share_a_page),
    GM_CASE(a_page_that_two_share_cannot_be_backed),
    GM_CASE(a_page_that_is_no_longer_shared_can_be_backed),
    GM_CASE(a_shared_page_at_the_end_of_a_long_range_cannot_be_backed),
    GM_CASE(reserving_into_a_backed_page_is_refused),
    GM_CASE(a_freed_range_can_be_reserved_again),
    GM_CASE(a_freed_backed_range_can_be_reserved_and_backed_again),
    GM_CASE(freeing_leaves_the_neighbours_as_they_are),
    GM_CASE(freeing_no_reservation_fails),
    GM_CASE(freeing_twice_fails),
    GM_CASE(a_stale_handle_backs_nothing),
    GM_CASE(a_handle_of_another_vm_is_refused),
    GM_CASE(what_is_no_handle_at_all_is_refused),
    GM_CASE(a_thousand_reservations_in_any_order_are_kept_apart),
};

const struct gm_suite reserve_suite = GM_SUITE("reserve", cases);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * map_frame_alloc_reservation(), map_maybe_device_reservation().
 */
#include <string.h>

#include "conformance.h"

typedef int (*map_fn)(vm_t *vm, vm_memory_reservation_t *reservation);

static void check_plain_page(struct gm_env *env, vm_t *vm, map_fn map)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);

    GM_CHECK_EQ(map(vm, res), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0, GM_PAGE);
}

static void memory_has_all_rights_and_is_cleared(struct gm_env *env, vm_t *vm)
{
    check_plain_page(env, vm, map_frame_alloc_reservation);
}

static void any_memory_has_all_rights_and_is_cleared(struct gm_env *env, vm_t *vm)
{
    check_plain_page(env, vm, map_maybe_device_reservation);
}

static void a_large_range_takes_large_frames(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 64 * GM_MIB);
    struct gm_env_counts before;
    struct gm_env_counts after;

    gm_env_count(env, &before);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    gm_env_count(env, &after);
    for (unsigned i = 0; i < 32; i++) {
        GM_CHECK_LEAF(env, vm, BASE + i * 2 * GM_MIB, GM_BITS_2M, "rw", false);
    }
    if (after.complete) {
        GM_CHECK_EQ(after.frames[1] - before.frames[1], 32);
        GM_CHECK_EQ(after.frames[0], before.frames[0]);
    }
}

static void edges_take_small_frames_and_no_more(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE - GM_PAGE, 4 * GM_MIB + 3 * GM_PAGE);
    struct gm_env_counts before;
    struct gm_env_counts after;

    gm_env_count(env, &before);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    gm_env_count(env, &after);
    GM_CHECK_LEAF(env, vm, BASE - 1, GM_BITS_4K, "rw", false);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_MIB, GM_BITS_2M, "rw", false);
    GM_CHECK_LEAF(env, vm, BASE + 4 * GM_MIB + GM_PAGE, GM_BITS_4K, "rw", false);
    if (after.complete) {
        GM_CHECK_EQ(after.frames[1] - before.frames[1], 2);
        GM_CHECK_EQ(after.frames[0] - before.frames[0], 3);
    }
}

static void a_huge_frame_is_never_chosen_unasked(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_GIB);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    GM_CHECK_LEAF(env, vm, BASE + GM_GIB - 1, GM_BITS_2M, "rw", false);
}

static void an_unaligned_range_backs_each_page_it_touches(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE + 0xfff, 2);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "rw", false);
    GM_CHECK_NO_LEAF(env, vm, BASE + 2 * GM_PAGE);
}

static void memory_works_at_both_ends_of_the_space(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *low = reserve(vm, 0, 2 * GM_MIB);
    vm_memory_reservation_t *high =
        reserve(vm, env->guest_end - 2 * GM_MIB - GM_PAGE, 2 * GM_MIB + GM_PAGE);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, low), 0);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, high), 0);
    GM_CHECK_LEAF(env, vm, 0, GM_BITS_2M, "rw", false);
    GM_CHECK_LEAF(env, vm, env->guest_end - 1, GM_BITS_2M, "rw", false);
    GM_CHECK_LEAF(env, vm, env->guest_end - 2 * GM_MIB - 1, GM_BITS_4K, "rw", false);
}

static void backing_memory_twice_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_PAGE);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), -1);
        GM_CHECK_EQ(map_maybe_device_reservation(vm, res), -1);
    });
}

static void null_arguments_are_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);

    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(map_frame_alloc_reservation(NULL, res), -1);
        GM_CHECK_EQ(map_frame_alloc_reservation(vm, NULL), -1);
        GM_CHECK_EQ(map_maybe_device_reservation(NULL, res), -1);
        GM_CHECK_EQ(map_maybe_device_reservation(vm, NULL), -1);
    });
}

static void check_more_than_there_is(struct gm_env *env, vm_t *vm, map_fn map)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_GIB);

    CHANGES_NOTHING(env, GM_CHECK_EQ(map(vm, res), -1));
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_NO_LEAF(env, vm, BASE + GM_GIB - 1);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    res = reserve(vm, BASE, 4 * GM_MIB);
    GM_CHECK_EQ(map(vm, res), 0);
}

static void more_memory_than_there_is_maps_nothing(struct gm_env *env, vm_t *vm)
{
    check_more_than_there_is(env, vm, map_frame_alloc_reservation);
}

static void more_of_any_memory_than_there_is_maps_nothing(struct gm_env *env, vm_t *vm)
{
    check_more_than_there_is(env, vm, map_maybe_device_reservation);
}

static void mapping_and_freeing_never_runs_out(struct gm_env *env, vm_t *vm)
{
    for (int i = 0; i < 40; i++) {
        vm_memory_reservation_t *res = reserve(vm, BASE, 24 * GM_MIB);

        GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    }
    GM_CHECK_NO_LEAF(env, vm, BASE);
}

static void memory_that_was_given_back_comes_cleared(struct gm_env *env, vm_t *vm)
{
    static uint8_t secret[GM_PAGE];

    memset(secret, 0xa5, sizeof(secret));
    for (int i = 0; i < 4; i++) {
        vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_MIB + GM_PAGE);

        GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
        GM_CHECK_GUEST_FILLED(env, vm, BASE, 0, 2 * GM_MIB + GM_PAGE);
        gm_test_guest_write(env, vm, BASE + GM_MIB, secret, sizeof(secret));
        gm_test_guest_write(env, vm, BASE + 2 * GM_MIB, secret, sizeof(secret));
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    }
}

/* Take every untyped of this size; the number of them. */
static size_t take_all(struct gm_env *env, size_t bits, vka_object_t *taken, size_t most)
{
    size_t count = 0;

    while (count < most && vka_alloc_untyped(env->vka, (uint32_t)bits, &taken[count]) == 0) {
        count++;
    }
    GM_CHECK(count < most);
    return count;
}

static void give_all(struct gm_env *env, vka_object_t *taken, size_t count)
{
    while (count > 0) {
        vka_free_object(env->vka, &taken[--count]);
    }
}

/* Leave no 2 MiB in one piece, but three halves of different ones. */
static void fragmented_memory_is_used_in_smaller_frames(struct gm_env *env, vm_t *vm)
{
    enum { MOST = 64, HALVES = 3 };
    vka_object_t large[MOST];
    vka_object_t small[MOST];
    vka_object_t half[2 * HALVES];
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_MIB);
    size_t large_count = take_all(env, GM_BITS_2M, large, MOST);
    size_t small_count = take_all(env, GM_BITS_2M - 1, small, MOST);

    GM_CHECK(large_count > HALVES);
    for (unsigned i = 0; i < HALVES; i++) {
        vka_free_object(env->vka, &large[--large_count]);
        GM_CHECK_EQ(vka_alloc_untyped(env->vka, GM_BITS_2M - 1, &half[i]), 0);
        GM_CHECK_EQ(vka_alloc_untyped(env->vka, GM_BITS_2M - 1, &half[HALVES + i]), 0);
    }
    give_all(env, half, HALVES);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_MIB - 1, GM_BITS_4K, "rw", false);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0, 2 * GM_MIB);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    give_all(env, half + HALVES, HALVES);
    give_all(env, small, small_count);
    give_all(env, large, large_count);
}

static void device_ram_is_cleared_before_the_guest_sees_it(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_MIB + GM_PAGE);

    if (!gm_env_fill_device_ram(env, 0xee)) {
        GM_SKIP("memory can't be dirtied from outside here");
    }
    GM_CHECK_EQ(map_maybe_device_reservation(vm, res), 0);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0, 2 * GM_MIB + GM_PAGE);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
}

static void the_allocators_preference_for_device_ram_is_kept(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *any = reserve(vm, BASE, GM_PAGE);
    vm_memory_reservation_t *normal = reserve(vm, BASE + GM_PAGE, GM_PAGE);
    struct gm_env_leaf leaf;
    uintptr_t offset;

    GM_CHECK_EQ(map_maybe_device_reservation(vm, any), 0);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, normal), 0);
    if (gm_env_guest_view(env, vm, BASE, &leaf) == GM_VIEW_BLIND) {
        GM_SKIP("what the guest sees can't be told here");
    }
    offset = leaf.paddr - env->device_ram_base;
    GM_CHECK(offset < env->device_ram_bytes);
    GM_CHECK_EQ(gm_env_guest_view(env, vm, BASE + GM_PAGE, &leaf), GM_VIEW_LEAF);
    offset = leaf.paddr - env->device_ram_base;
    GM_CHECK(offset >= env->device_ram_bytes);
}

static void device_ram_and_normal_memory_together_fill_a_large_range(struct gm_env *env, vm_t *vm)
{
    size_t size = env->device_ram_bytes + 8 * GM_MIB;
    vm_memory_reservation_t *res = reserve(vm, BASE, size);

    GM_CHECK_EQ(map_maybe_device_reservation(vm, res), 0);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0, size);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    GM_CHECK_NO_LEAF(env, vm, BASE + size - 1);
}

static const struct gm_case cases[] = {
    GM_CASE(memory_has_all_rights_and_is_cleared),
    GM_CASE(any_memory_has_all_rights_and_is_cleared),
    GM_CASE(a_large_range_takes_large_frames),
    GM_CASE(edges_take_small_frames_and_no_more),
    GM_CASE_WITH(a_huge_frame_is_never_chosen_unasked, .ram_bytes = 2 * GM_GIB),
    GM_CASE(an_unaligned_range_backs_each_page_it_touches),
    GM_CASE(memory_works_at_both_ends_of_the_space),
    GM_CASE(backing_memory_twice_is_refused),
    GM_CASE(null_arguments_are_refused),
    GM_CASE(more_memory_than_there_is_maps_nothing),
    GM_CASE(more_of_any_memory_than_there_is_maps_nothing),
    GM_CASE_WITH(mapping_and_freeing_never_runs_out, .ram_bytes = 64 * GM_MIB),
    GM_CASE(memory_that_was_given_back_comes_cleared),
    GM_CASE_WITH(fragmented_memory_is_used_in_smaller_frames, .ram_bytes = 32 * GM_MIB),
    GM_CASE_WITH(device_ram_is_cleared_before_the_guest_sees_it, .device_ram = true),
    GM_CASE_WITH(the_allocators_preference_for_device_ram_is_kept, .device_ram = true),
    GM_CASE_WITH(device_ram_and_normal_memory_together_fill_a_large_range, .device_ram = true),
};

const struct gm_suite memory_suite = GM_SUITE("memory", cases);

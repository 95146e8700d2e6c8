/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * vm_map_reservation_frames(): an array of the caller's frames, all of one size.
 */
#include <vka/capops.h>

#include "conformance.h"

static void an_array_is_mapped_in_its_order_with_all_rights(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr caps[4];
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_PAGE);

    gm_env_frames(env, GM_BITS_4K, 4, caps);
    GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 4, GM_BITS_4K), 0);
    for (unsigned i = 0; i < 4; i++) {
        GM_CHECK_LEAF(env, vm, BASE + i * GM_PAGE, GM_BITS_4K, "rw", false);
        GM_CHECK_PADDR(env, vm, BASE + i * GM_PAGE, gm_env_frame_paddr(caps[i]));
    }
}

static void the_array_is_not_needed_after_the_call(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr caps[2];
    seL4_CPtr kept[2];
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_PAGE);

    gm_env_frames(env, GM_BITS_4K, 2, caps);
    kept[0] = caps[0];
    kept[1] = caps[1];
    GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 2, GM_BITS_4K), 0);
    caps[0] = caps[1] = seL4_CapNull;
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    gm_env_check_frame(env, kept[0]);
    gm_env_check_frame(env, kept[1]);
}

static void large_frames_come_in_arrays_too(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr caps[3];
    vm_memory_reservation_t *res = reserve(vm, BASE, 6 * GM_MIB);

    gm_env_frames(env, GM_BITS_2M, 3, caps);
    GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 3, GM_BITS_2M), 0);
    GM_CHECK_LEAF(env, vm, BASE + 5 * GM_MIB, GM_BITS_2M, "rw", false);
    GM_CHECK_PADDR(env, vm, BASE + 2 * GM_MIB, gm_env_frame_paddr(caps[1]));
}

static void an_unaligned_reservation_takes_a_frame_for_each_page(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr caps[3];
    vm_memory_reservation_t *res = reserve(vm, BASE + 0xf00, GM_PAGE + 0x200);

    gm_env_frames(env, GM_BITS_4K, 3, caps);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 2, GM_BITS_4K), -1));
    GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 3, GM_BITS_4K), 0);
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_PAGE, GM_BITS_4K, "rw", false);
}

static void a_number_of_frames_that_does_not_cover_it_exactly_is_refused(struct gm_env *env,
                                                                         vm_t *vm)
{
    seL4_CPtr caps[5];
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_PAGE);

    gm_env_frames(env, GM_BITS_4K, 5, caps);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 0, GM_BITS_4K), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 3, GM_BITS_4K), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 5, GM_BITS_4K), -1));
    CHANGES_NOTHING(
        env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, SIZE_MAX, GM_BITS_4K), -1));
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 4, GM_BITS_4K), 0);
}

static void a_size_of_no_frame_is_refused(struct gm_env *env, vm_t *vm)
{
    static const size_t wrong[] = {0, 11, 13, 22, 64};
    seL4_CPtr cap = gm_env_frame(env, GM_BITS_4K);
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHANGES_NOTHING(env,
                        GM_CHECK_EQ(vm_map_reservation_frames(vm, res, &cap, 1, wrong[i]), -1));
    }
}

static void large_frames_at_a_small_alignment_are_refused(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr cap = gm_env_frame(env, GM_BITS_2M);
    vm_memory_reservation_t *res = reserve(vm, BASE + GM_PAGE, 2 * GM_MIB);

    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, &cap, 1, GM_BITS_2M), -1));
    gm_env_check_frame(env, cap);
}

static void a_null_cap_in_the_array_maps_nothing(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr caps[4];
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_PAGE);

    gm_env_frames(env, GM_BITS_4K, 3, caps);
    caps[3] = seL4_CapNull;
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 4, GM_BITS_4K), -1));
    GM_CHECK_NO_LEAF(env, vm, BASE);
    gm_env_check_frame(env, caps[0]);
}

static void a_mapped_frame_in_the_array_maps_nothing(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr caps[3];
    vm_memory_reservation_t *first = reserve(vm, BASE, GM_PAGE);
    vm_memory_reservation_t *second = reserve(vm, BASE + GM_MIB, 3 * GM_PAGE);

    gm_env_frames(env, GM_BITS_4K, 3, caps);
    GM_CHECK_EQ(vm_map_reservation_frames(vm, first, &caps[2], 1, GM_BITS_4K), 0);
    CHANGES_NOTHING(env,
                    GM_CHECK_EQ(vm_map_reservation_frames(vm, second, caps, 3, GM_BITS_4K), -1));
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
    GM_CHECK_NO_LEAF(env, vm, BASE + GM_MIB);
}

static void null_arguments_are_refused(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr cap = gm_env_frame(env, GM_BITS_4K);
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);

    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, NULL, 1, GM_BITS_4K), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, NULL, &cap, 1, GM_BITS_4K), -1));
    CHANGES_NOTHING(env,
                    GM_CHECK_EQ(vm_map_reservation_frames(NULL, res, &cap, 1, GM_BITS_4K), -1));
}

static void mapping_an_array_twice_is_refused(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr caps[2];
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);

    gm_env_frames(env, GM_BITS_4K, 2, caps);
    GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 1, GM_BITS_4K), 0);
    CHANGES_NOTHING(env,
                    GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps + 1, 1, GM_BITS_4K), -1));
    GM_CHECK_PADDR(env, vm, BASE, gm_env_frame_paddr(caps[0]));
}

static void copies_of_one_frame_show_it_in_two_vms(struct gm_env *env, vm_t *vm)
{
    vm_t *other = gm_env_new_vm(env);
    seL4_CPtr cap = gm_env_frame(env, GM_BITS_4K);
    vm_memory_reservation_t *here = reserve(vm, BASE, GM_PAGE);
    vm_memory_reservation_t *there = reserve(other, BASE + GM_MIB, GM_PAGE);
    cspacepath_t from;
    cspacepath_t copy;

    vka_cspace_make_path(env->vka, cap, &from);
    GM_CHECK_EQ(vka_cspace_alloc_path(env->vka, &copy), 0);
    GM_CHECK_EQ(vka_cnode_copy(&copy, &from, seL4_AllRights), seL4_NoError);
    GM_CHECK_EQ(vm_map_reservation_frames(vm, here, &cap, 1, GM_BITS_4K), 0);
    GM_CHECK_EQ(vm_map_reservation_frames(other, there, &copy.capPtr, 1, GM_BITS_4K), 0);
    if (gm_test_guest_write(env, vm, BASE + 8, "shared", 6)) {
        char seen[6];

        GM_CHECK(gm_test_guest_read(env, other, BASE + GM_MIB + 8, seen, 6));
        GM_CHECK_BYTES(seen, "shared", 6);
    }
    GM_CHECK_EQ(vm_free_reserved_memory(other, there), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
    GM_CHECK_EQ(vka_cnode_delete(&copy), seL4_NoError);
    vka_cspace_free_path(env->vka, copy);
}

static const struct gm_case cases[] = {
    GM_CASE(an_array_is_mapped_in_its_order_with_all_rights),
    GM_CASE(the_array_is_not_needed_after_the_call),
    GM_CASE(large_frames_come_in_arrays_too),
    GM_CASE(an_unaligned_reservation_takes_a_frame_for_each_page),
    GM_CASE(a_number_of_frames_that_does_not_cover_it_exactly_is_refused),
    GM_CASE(a_size_of_no_frame_is_refused),
    GM_CASE(large_frames_at_a_small_alignment_are_refused),
    GM_CASE(a_null_cap_in_the_array_maps_nothing),
    GM_CASE(a_mapped_frame_in_the_array_maps_nothing),
    GM_CASE(null_arguments_are_refused),
    GM_CASE(mapping_an_array_twice_is_refused),
    GM_CASE(copies_of_one_frame_show_it_in_two_vms),
};

const struct gm_suite array_suite = GM_SUITE("array", cases);

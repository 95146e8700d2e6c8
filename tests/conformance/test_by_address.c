/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * map_ut_alloc_reservation_with_base_paddr(), map_ut_alloc_reservation().
 */
#include "conformance.h"

static void check_device_range(struct gm_env *env, vm_t *vm)
{
    uintptr_t paddr = env->device_base + 5 * GM_PAGE;
    vm_memory_reservation_t *res = reserve(vm, BASE, 3 * GM_PAGE);

    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, paddr, res), 0);
    for (unsigned i = 0; i < 3; i++) {
        GM_CHECK_PADDR(env, vm, BASE + i * GM_PAGE, paddr + i * GM_PAGE);
        GM_CHECK_LEAF(env, vm, BASE + i * GM_PAGE, GM_BITS_4K, "rw", true);
    }
    GM_CHECK_NO_LEAF(env, vm, BASE + 3 * GM_PAGE);
}

static void a_device_appears_where_it_is_wanted(struct gm_env *env, vm_t *vm)
{
    check_device_range(env, vm);
}

static void a_device_from_boot_information_appears_too(struct gm_env *env, vm_t *vm)
{
    check_device_range(env, vm);
}

static void large_frames_are_used_where_both_addresses_allow(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_MIB);

    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, res), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", true);
    GM_CHECK_PADDR(env, vm, BASE + 3 * GM_MIB + 5, env->device_base + 3 * GM_MIB + 5);
}

static void a_physical_address_out_of_step_takes_small_frames(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_MIB);

    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base + GM_PAGE, res), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", true);
    GM_CHECK_PADDR(env, vm, BASE + 2 * GM_MIB - 1, env->device_base + 2 * GM_MIB + GM_PAGE - 1);
}

static void an_unaligned_reservation_keeps_its_offset(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE + 0x120, 0x1000);

    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base + 0x120, res), 0);
    GM_CHECK_PADDR(env, vm, BASE + 0x120, env->device_base + 0x120);
    GM_CHECK_PADDR(env, vm, BASE + 0x111f, env->device_base + 0x111f);
}

static void a_physical_address_with_another_offset_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);

    CHANGES_NOTHING(
        env, GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base + 0x10, res),
                         -1));
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, res), 0);
}

static void memory_that_does_not_exist_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_PAGE);

    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->nowhere, res), -1);
        GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, UINTPTR_MAX - GM_PAGE + 1, res),
                    -1);
    });
    GM_CHECK_NO_LEAF(env, vm, BASE);
}

static void a_range_that_is_partly_taken_is_refused_whole(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *page = reserve(vm, BASE, GM_PAGE);
    vm_memory_reservation_t *range = reserve(vm, BASE + GM_MIB, 4 * GM_PAGE);
    uintptr_t third = env->device_base + 2 * GM_PAGE;

    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, third, page), 0);
    CHANGES_NOTHING(
        env,
        GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, range), -1));
    GM_CHECK_NO_LEAF(env, vm, BASE + GM_MIB);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, page), 0);
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, range), 0);
}

static void check_again_after_free(struct gm_env *env, vm_t *vm, uintptr_t paddr, size_t size)
{
    for (int i = 0; i < 3; i++) {
        vm_memory_reservation_t *res = reserve(vm, BASE, size);

        GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, paddr, res), 0);
        GM_CHECK_PADDR(env, vm, BASE + size - 1, paddr + size - 1);
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    }
}

static void a_freed_device_can_be_mapped_again(struct gm_env *env, vm_t *vm)
{
    check_again_after_free(env, vm, env->device_base, 2 * GM_MIB + 3 * GM_PAGE);
}

static void a_freed_device_from_boot_information_can_be_mapped_again(struct gm_env *env, vm_t *vm)
{
    check_again_after_free(env, vm, env->device_base, 4 * GM_PAGE);
}

static void freed_ram_can_be_mapped_by_address_again(struct gm_env *env, vm_t *vm)
{
    check_again_after_free(env, vm, gm_env_free_paddr(env, 22), 4 * GM_MIB);
}

static void ram_by_address_is_cacheable_and_cleared(struct gm_env *env, vm_t *vm)
{
    uintptr_t paddr = gm_env_free_paddr(env, 16);
    vm_memory_reservation_t *res = reserve(vm, BASE, 16 * GM_PAGE);

    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, paddr, res), 0);
    for (unsigned i = 0; i < 16; i++) {
        GM_CHECK_LEAF(env, vm, BASE + i * GM_PAGE, GM_BITS_4K, "rw", false);
        GM_CHECK_PADDR(env, vm, BASE + i * GM_PAGE, paddr + i * GM_PAGE);
    }
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0, 16 * GM_PAGE);
}

static void a_bar_in_anonymous_memory_shows_its_device(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res;
    uintptr_t bar = 0;

    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE + GM_PAGE, GM_MIB), 0);
    res = vm_reserve_anon_memory(vm, 0x4000, 0x4000, default_error_fault_callback, NULL, &bar);
    GM_CHECK_NOT_NULL(res);
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base + 0x8000, res), 0);
    GM_CHECK_EQ(bar % 0x4000, 0);
    GM_CHECK_PADDR(env, vm, bar + 0x3004, env->device_base + 0xb004);
}

static void backing_by_address_twice_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);

    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, res), 0);
    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base + GM_PAGE, res),
                    -1);
        GM_CHECK_EQ(map_ut_alloc_reservation(vm, res), -1);
    });
    GM_CHECK_PADDR(env, vm, BASE, env->device_base);
}

static void null_arguments_are_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, env->device_base, GM_PAGE);

    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(NULL, env->device_base, res), -1);
        GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, NULL), -1);
        GM_CHECK_EQ(map_ut_alloc_reservation(NULL, res), -1);
        GM_CHECK_EQ(map_ut_alloc_reservation(vm, NULL), -1);
    });
}

static void check_identity(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = env->device_base + 7 * GM_PAGE;
    vm_memory_reservation_t *res = reserve(vm, addr, 2 * GM_PAGE);

    GM_CHECK_EQ(map_ut_alloc_reservation(vm, res), 0);
    GM_CHECK_PADDR(env, vm, addr, addr);
    GM_CHECK_PADDR(env, vm, addr + 2 * GM_PAGE - 1, addr + 2 * GM_PAGE - 1);
    GM_CHECK_LEAF(env, vm, addr, GM_BITS_4K, "rw", true);
}

static void a_device_passes_through_at_its_own_address(struct gm_env *env, vm_t *vm)
{
    check_identity(env, vm);
}

static void a_boot_frame_passes_through_at_its_own_address(struct gm_env *env, vm_t *vm)
{
    check_identity(env, vm);
}

static void pages_of_a_device_pass_through_one_by_one(struct gm_env *env, vm_t *vm)
{
    for (unsigned i = 0; i < 16; i++) {
        uintptr_t addr = env->device_base + i * GM_PAGE;
        vm_memory_reservation_t *res = reserve(vm, addr, GM_PAGE);

        GM_CHECK_EQ(map_ut_alloc_reservation(vm, res), 0);
        GM_CHECK_PADDR(env, vm, addr, addr);
    }
}

static void a_small_device_takes_its_page(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, env->device_base + 0x200, 0x80);

    GM_CHECK_EQ(map_ut_alloc_reservation(vm, res), 0);
    GM_CHECK_PADDR(env, vm, env->device_base, env->device_base);
    GM_CHECK_PADDR(env, vm, env->device_base + 0x200, env->device_base + 0x200);
}

static void identity_without_memory_there_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, env->nowhere, GM_PAGE);

    CHANGES_NOTHING(env, GM_CHECK_EQ(map_ut_alloc_reservation(vm, res), -1));
}

static void identity_works_in_the_middle_of_ram(struct gm_env *env, vm_t *vm)
{
    uintptr_t paddr = gm_env_free_paddr(env, 20) + 17 * GM_PAGE;
    vm_memory_reservation_t *res = reserve(vm, paddr, 40 * GM_PAGE);

    GM_CHECK_EQ(map_ut_alloc_reservation(vm, res), 0);
    GM_CHECK_PADDR(env, vm, paddr, paddr);
    GM_CHECK_PADDR(env, vm, paddr + 39 * GM_PAGE, paddr + 39 * GM_PAGE);
}

static void large_ranges_come_from_boot_information_too(struct gm_env *env, vm_t *vm)
{
    check_again_after_free(env, vm, env->device_base, 4 * GM_MIB);
}

static void the_allocators_memory_comes_by_address_beside_boot_frames(struct gm_env *env, vm_t *vm)
{
    check_again_after_free(env, vm, gm_env_free_paddr(env, 21), 2 * GM_MIB);
}

static const struct gm_case cases[] = {
    GM_CASE(a_device_appears_where_it_is_wanted),
    GM_CASE_WITH(a_device_from_boot_information_appears_too, .boot_frames = true),
    GM_CASE(large_frames_are_used_where_both_addresses_allow),
    GM_CASE(a_physical_address_out_of_step_takes_small_frames),
    GM_CASE(an_unaligned_reservation_keeps_its_offset),
    GM_CASE(a_physical_address_with_another_offset_is_refused),
    GM_CASE(memory_that_does_not_exist_is_refused),
    GM_CASE(a_range_that_is_partly_taken_is_refused_whole),
    GM_CASE(a_freed_device_can_be_mapped_again),
    GM_CASE_WITH(a_freed_device_from_boot_information_can_be_mapped_again, .boot_frames = true),
    GM_CASE(freed_ram_can_be_mapped_by_address_again),
    GM_CASE(ram_by_address_is_cacheable_and_cleared),
    GM_CASE(a_bar_in_anonymous_memory_shows_its_device),
    GM_CASE(backing_by_address_twice_is_refused),
    GM_CASE(null_arguments_are_refused),
    GM_CASE(a_device_passes_through_at_its_own_address),
    GM_CASE_WITH(a_boot_frame_passes_through_at_its_own_address, .boot_frames = true),
    GM_CASE(pages_of_a_device_pass_through_one_by_one),
    GM_CASE(a_small_device_takes_its_page),
    GM_CASE(identity_without_memory_there_is_refused),
    GM_CASE(identity_works_in_the_middle_of_ram),
    GM_CASE_WITH(large_ranges_come_from_boot_information_too, .boot_frames = true),
    GM_CASE_WITH(the_allocators_memory_comes_by_address_beside_boot_frames, .boot_frames = true),
};

const struct gm_suite by_address_suite = GM_SUITE("by_address", cases);

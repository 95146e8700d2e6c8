/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * vm_arm_ipa_to_pa().
 */
#include "conformance.h"

static void a_mapped_address_has_its_physical_one(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_PAGE);

    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, res), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, 4 * GM_PAGE), env->device_base);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE + 0x1234, 1), env->device_base + 0x1234);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE + 0x1234, 0x2000), env->device_base + 0x1234);
}

static void the_caps_address_is_the_answer(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr cap = gm_env_frame(env, GM_BITS_2M);
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_MIB);

    GM_CHECK_EQ(vm_map_reservation_frames(vm, res, &cap, 1, GM_BITS_2M), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE + 0x12345, 0x10000), gm_env_frame_paddr(cap) + 0x12345);
}

static void what_is_not_all_mapped_has_none(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_PAGE);

    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, GM_PAGE), 0);
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, res), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, 4 * GM_PAGE + 1), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE - 1, 2), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE + 4 * GM_PAGE, 1), 0);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, GM_PAGE), 0);
}

static void bad_ranges_have_none(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, 0), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, SIZE_MAX), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, env->guest_end, GM_PAGE), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, UINTPTR_MAX, 2), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(NULL, BASE, GM_PAGE), 0);
}

/* Two neighbouring pages of a device, mapped the wrong way round. */
static void what_is_not_contiguous_has_none(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *low = reserve(vm, BASE, GM_PAGE);
    vm_memory_reservation_t *high = reserve(vm, BASE + GM_PAGE, GM_PAGE);

    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base + GM_PAGE, low), 0);
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, high), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, 2 * GM_PAGE), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE + GM_PAGE - 1, 2), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, GM_PAGE), env->device_base + GM_PAGE);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE + GM_PAGE, GM_PAGE), env->device_base);
}

static void contiguity_may_go_over_reservations_and_frame_sizes(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *low = reserve(vm, BASE - 2 * GM_PAGE, 2 * GM_PAGE);
    vm_memory_reservation_t *high = reserve(vm, BASE, 2 * GM_MIB + GM_PAGE);
    uintptr_t paddr = env->device_base + 2 * GM_MIB;

    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, paddr - 2 * GM_PAGE, low), 0);
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, paddr, high), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE - 2 * GM_PAGE, 2 * GM_MIB + 3 * GM_PAGE),
                paddr - 2 * GM_PAGE);
}

static void ram_can_be_translated_for_a_devices_sake(struct gm_env *env, vm_t *vm)
{
    uintptr_t paddr = gm_env_free_paddr(env, 22);

    GM_CHECK_EQ(vm_ram_register_at(vm, paddr, 4 * GM_MIB, true), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, paddr + 5, 3 * GM_MIB), paddr + 5);
}

static void a_page_without_rights_is_mapped_all_the_same(struct gm_env *env, vm_t *vm)
{
    void *page = create_allocated_reservation_frame(vm, BASE, seL4_NoRights,
                                                    default_error_fault_callback, NULL);
    seL4_CPtr cap;

    GM_CHECK_NOT_NULL(page);
    cap = vspace_get_cap(env->vmm, page);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE + 8, 8), gm_env_frame_paddr(cap) + 8);
}

static const struct gm_case cases[] = {
    GM_CASE(a_mapped_address_has_its_physical_one),
    GM_CASE(the_caps_address_is_the_answer),
    GM_CASE(what_is_not_all_mapped_has_none),
    GM_CASE(bad_ranges_have_none),
    GM_CASE(what_is_not_contiguous_has_none),
    GM_CASE(contiguity_may_go_over_reservations_and_frame_sizes),
    GM_CASE(ram_can_be_translated_for_a_devices_sake),
    GM_CASE(a_page_without_rights_is_mapped_all_the_same),
};

const struct gm_suite translate_suite = GM_SUITE("translate", cases);

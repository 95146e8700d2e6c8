/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * D03 to D05, D08 to D10, D15, D38, D39: backing ranges with frames.
 */
#include <string.h>

#include "defects.h"

/* With the defect memory runs out after a few rounds. */
static void D03_memory_that_was_freed_is_there_again(struct gm_env *env, vm_t *vm)
{
    for (unsigned i = 0; i < 20; i++) {
        vm_memory_reservation_t *res = reserve(vm, BASE, 64 * GM_MIB);

        GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    }
    GM_CHECK_NO_LEAF(env, vm, BASE);
}

static void D03_small_frames_that_were_freed_are_there_again(struct gm_env *env, vm_t *vm)
{
    limit_frames(vm, GM_BITS_4K);
    CHANGES_NOTHING(env, for (unsigned i = 0; i < 5; i++) {
        vm_memory_reservation_t *res = reserve(vm, BASE + 0x500, 8 * GM_MIB);

        GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    });
}

/* With the defect the second round finds nothing at the address. */
static void check_same_paddr_again(struct gm_env *env, vm_t *vm, uintptr_t paddr, bool device)
{
    CHANGES_NOTHING(env, for (unsigned i = 0; i < 3; i++) {
        vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_MIB);

        GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, paddr, res), 0);
        GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", device);
        GM_CHECK_PADDR(env, vm, BASE, paddr);
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    });
}

static void D03_the_same_physical_address_can_be_mapped_again(struct gm_env *env, vm_t *vm)
{
    check_same_paddr_again(env, vm, gm_env_free_paddr(env, GM_BITS_2M), false);
    check_same_paddr_again(env, vm, env->device_base, true);
}

/* With the defect the first four pages stay mapped, and the range is lost for ever. */
static void D04_a_map_that_fails_half_way_leaves_nothing(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights, .fail_at = 5};
    vm_memory_reservation_t *res = reserve(vm, BASE, 8 * GM_PAGE);

    GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), -1);
    CHECK_FAILURE(vm, GUESTMEM_EFRAME, "vm_map_reservation");
    GM_CHECK_EQ(giver.calls, 5);
    for (unsigned page = 0; page < 8; page++) {
        GM_CHECK_NO_LEAF(env, vm, BASE + page * GM_PAGE);
    }
    for (unsigned i = 0; i < 4; i++) {
        gm_env_check_frame(env, giver.caps[i]);
    }
    giver = (struct gm_giver){.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights};
    GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), 0);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, BASE, 8 * GM_PAGE)), 0);
}

/* The same where memory, slots or the kernel's patience run out, at each step of it. */
static void D04_a_map_that_runs_out_half_way_leaves_nothing(struct gm_env *env, vm_t *vm)
{
    const unsigned kinds = gm_env_fail_kinds(env);
    vm_memory_reservation_t *res;
    unsigned failures = 0;

    limit_frames(vm, GM_BITS_4K);
    res = reserve(vm, BASE, 8 * GM_PAGE);
    for (uint64_t k = 1;; k++) {
        struct gm_env_snapshot *before = gm_env_snapshot(env);
        int result;

        gm_env_fail(env, kinds, k, true);
        result = map_frame_alloc_reservation(vm, res);
        gm_env_fail(env, 0, 0, false);
        if (result == 0) {
            gm_env_snapshot_free(before);
            break;
        }
        failures++;
        gm_env_check_same(env, before);
        for (unsigned page = 0; page < 8; page++) {
            GM_CHECK_NO_LEAF(env, vm, BASE + page * GM_PAGE);
        }
    }
    GM_CHECK(failures > 4);
    GM_CHECK_LEAF(env, vm, BASE + 7 * GM_PAGE, GM_BITS_4K, "rw", false);
}

/* With the defect 512 slots are freed for each frame, most of them other people's, and the caps stay mapped. */
static void D05_freeing_2_mib_frames_frees_each_once(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_MIB);
    seL4_CPtr caps[2];

    gm_env_frames(env, GM_BITS_2M, 2, caps);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 2, GM_BITS_2M), 0);
                    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_MIB, GM_BITS_2M, "rw", false);
                    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0); res = reserve(vm, BASE, 4 * GM_MIB));
    gm_env_check_frame(env, caps[0]);
    gm_env_check_frame(env, caps[1]);
    CHANGES_NOTHING(env, GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
                    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
                    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0); res = reserve(vm, BASE, 4 * GM_MIB));
}

/* With the defect only the first page is mapped. */
static void D08_an_unaligned_reservation_is_mapped_to_its_last_byte(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights};

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, BASE + 0x500, 3 * GM_PAGE)), 0);
    for (unsigned page = 0; page < 4; page++) {
        GM_CHECK_LEAF(env, vm, BASE + page * GM_PAGE, GM_BITS_4K, "rw", false);
    }
    GM_CHECK_NO_LEAF(env, vm, BASE - GM_PAGE);
    GM_CHECK_NO_LEAF(env, vm, BASE + 4 * GM_PAGE);
    GM_CHECK_EQ(vm_map_reservation(vm, reserve(vm, BASE + GM_MIB + 0xfff, 2), gm_giver_next, &giver), 0);
    GM_CHECK_EQ(giver.calls, 2);
    GM_CHECK_EQ(giver.addresses[0], BASE + GM_MIB + 0xfff);
    GM_CHECK_EQ(giver.addresses[1], BASE + GM_MIB + 0x1000);
    GM_CHECK_LEAF(env, vm, BASE + GM_MIB + 0x1000, GM_BITS_4K, "rw", false);
}

/* With the defect the caps are gone after the free. */
static void D09_the_callers_frames_outlive_the_reservation(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_CanRead};
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_PAGE);
    seL4_CPtr caps[4];

    gm_env_frames(env, GM_BITS_4K, 4, caps);
    for (unsigned round = 0; round < 3; round++) {
        GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 4, GM_BITS_4K), 0);
        GM_CHECK_PADDR(env, vm, BASE + 3 * GM_PAGE, gm_env_frame_paddr(caps[3]));
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
        for (unsigned i = 0; i < 4; i++) {
            gm_env_check_frame(env, caps[i]);
        }
        res = reserve(vm, BASE, 4 * GM_PAGE);
    }
    GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), 0);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    for (unsigned i = 0; i < 4; i++) {
        gm_env_check_frame(env, giver.caps[i]);
    }
}

static __attribute__((noinline)) void map_from_the_stack(vm_t *vm, vm_memory_reservation_t *res,
                                                         const seL4_CPtr *caps, size_t count)
{
    seL4_CPtr array[8];

    memcpy(array, caps, count * sizeof(caps[0]));
    GM_CHECK_EQ(vm_map_reservation_frames(vm, res, array, count, GM_BITS_4K), 0);
    memset(array, 0xff, sizeof(array));
    __asm__ volatile("" ::"r"(array) : "memory");
}

/* With the defect the first fault reads an array that is gone, and maps all of it. */
static void D10_deferred_frames_come_one_by_one_from_a_copy_of_the_array(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res;
    seL4_CPtr caps[8];

    gm_env_frames(env, GM_BITS_4K, 8, caps);
    set_populate(vm, GUESTMEM_POPULATE_LAZY);
    res = reserve(vm, BASE, 8 * GM_PAGE);
    map_from_the_stack(vm, res, caps, 8);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 5 * GM_PAGE + 8, 4), FAULT_RESTART);
    GM_CHECK_PADDR(env, vm, BASE + 5 * GM_PAGE, gm_env_frame_paddr(caps[5]));
    for (unsigned page = 0; page < 8; page++) {
        if (page != 5) {
            GM_CHECK_NO_LEAF(env, vm, BASE + page * GM_PAGE);
        }
    }
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_RESTART);
    GM_CHECK_PADDR(env, vm, BASE, gm_env_frame_paddr(caps[0]));
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    gm_env_check_frame(env, caps[5]);
}

static void D10_a_deferred_iterator_is_asked_for_the_page_of_the_access(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights};

    set_populate(vm, GUESTMEM_POPULATE_LAZY);
    GM_CHECK_EQ(vm_map_reservation(vm, reserve(vm, BASE + 0x500, 64 * GM_PAGE), gm_giver_next, &giver), 0);
    GM_CHECK_EQ(giver.calls, 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 9 * GM_PAGE + 0x18, 8), FAULT_RESTART);
    GM_CHECK_EQ(giver.calls, 1);
    GM_CHECK_EQ(giver.addresses[0], BASE + 9 * GM_PAGE);
    GM_CHECK_LEAF(env, vm, BASE + 9 * GM_PAGE, GM_BITS_4K, "rw", false);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x600, 1), FAULT_RESTART);
    GM_CHECK_EQ(giver.addresses[1], BASE + 0x500);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 12 * GM_PAGE - 2, 4), FAULT_RESTART); /* two pages at once */
    GM_CHECK_EQ(giver.calls, 4);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x600, 1), FAULT_RESTART); /* another vcpu's, that came too late */
    GM_CHECK_EQ(giver.calls, 4);
}

/* Large frames: an access in the middle of one is answered with the frame that covers it. */
static void D10_a_deferred_large_frame_covers_the_access(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_2M, .rights = seL4_AllRights};

    set_populate(vm, GUESTMEM_POPULATE_LAZY);
    GM_CHECK_EQ(vm_map_reservation(vm, reserve(vm, BASE, 4 * GM_MIB), gm_giver_next, &giver), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 3 * GM_MIB, 4), FAULT_RESTART);
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_MIB, GM_BITS_2M, "rw", false);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_EQ(giver.calls, 1);
}

static void set_lazy(vm_t *vm, unsigned frame_bits_max, unsigned around_bits)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.frame_bits_max = frame_bits_max;
    policy.populate_around_bits = around_bits;
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
}

/* With the defect it maps all of it, or fails for want of memory. */
static void D10_the_first_access_to_a_deferred_gibibyte_takes_one_frame(struct gm_env *env, vm_t *vm)
{
    static const unsigned bits[] = {GM_BITS_4K, GM_BITS_2M};
    struct guestmem_stats stats;

    for (unsigned i = 0; i < 2; i++) {
        uintptr_t at = (1 + 2 * i) * BASE + GM_GIB / 2;

        set_lazy(vm, bits[i], 0);
        GM_CHECK_EQ(vm_ram_register_at(vm, (1 + 2 * i) * BASE, GM_GIB, false), 0);
        GM_CHECK_EQ(gm_env_fault(vm, at + 0x128, 8), FAULT_RESTART);
        GM_CHECK_LEAF(env, vm, at, bits[i], "rw", false);
        GM_CHECK_NO_LEAF(env, vm, at + ((uintptr_t)1 << bits[i]));
        GM_CHECK_NO_LEAF(env, vm, at - GM_PAGE);
        GM_CHECK_EQ(guestmem_get_stats(vm, &stats), GUESTMEM_OK);
        GM_CHECK_EQ(stats.frames[0] + stats.frames[1] + stats.frames[2], 1 + i);
    }
}

static void what_surrounds_an_access_comes_if_the_policy_says_so(struct gm_env *env, vm_t *vm)
{
    struct guestmem_stats stats;

    set_lazy(vm, GM_BITS_4K, 14);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE + GM_PAGE, 10 * GM_PAGE, false), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 6 * GM_PAGE, 4), FAULT_RESTART);
    GM_CHECK_NO_LEAF(env, vm, BASE + 3 * GM_PAGE);
    for (unsigned page = 4; page < 8; page++) {
        GM_CHECK_LEAF(env, vm, BASE + page * GM_PAGE, GM_BITS_4K, "rw", false);
    }
    GM_CHECK_NO_LEAF(env, vm, BASE + 8 * GM_PAGE);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 3 * GM_PAGE, 4), FAULT_RESTART);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "rw", false);
    GM_CHECK_EQ(guestmem_get_stats(vm, &stats), GUESTMEM_OK);
    GM_CHECK_EQ(stats.frames[0], 7);
    GM_CHECK_EQ(stats.frames_around, 5);
    GM_CHECK_EQ(stats.faults_populated, 2);
}

/* Nothing has changed, and the same access succeeds later. */
static void an_access_that_lacks_memory_is_an_error_that_says_so(struct gm_env *env, vm_t *vm)
{
    const struct guestmem_failure *failure;
    struct guestmem_stats stats;

    set_lazy(vm, GM_BITS_4K, 16);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 10 * GM_PAGE, false), 0);
    CHANGES_NOTHING(env, gm_env_fail(env, GM_FAIL_OBJECT, 1, true);
                    GM_CHECK_EQ(gm_env_fault(vm, BASE + 6 * GM_PAGE + 4, 4), FAULT_ERROR);
                    gm_env_fail(env, 0, 0, false));
    failure = guestmem_last_failure(vm);
    GM_CHECK_EQ(failure->error, GUESTMEM_ENOFRAME);
    GM_CHECK_EQ(failure->base, BASE + 6 * GM_PAGE + 4);
    GM_CHECK_EQ(failure->size, 4);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 6 * GM_PAGE + 4, 4), FAULT_RESTART);
    GM_CHECK_EQ(guestmem_get_stats(vm, &stats), GUESTMEM_OK);
    GM_CHECK_EQ(stats.faults_failed, 1);
    GM_CHECK_EQ(stats.faults_populated, 1);
}

/* With the defect all of these are mapped cacheable. */
static void D15_devices_are_mapped_as_device_memory(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_EQ(map_ut_alloc_reservation(vm, reserve(vm, env->device_base, GM_PAGE)), 0);
    GM_CHECK_LEAF(env, vm, env->device_base, GM_BITS_4K, "rw", true);
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base + GM_PAGE, reserve(vm, BASE, GM_PAGE)),
                0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", true);
    GM_CHECK_NOT_NULL(create_device_reservation_frame(vm, env->device_base + 2 * GM_PAGE, seL4_CanRead,
                                                      default_error_fault_callback, NULL));
    GM_CHECK_LEAF(env, vm, env->device_base + 2 * GM_PAGE, GM_BITS_4K, "r", true);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, BASE + GM_MIB, GM_PAGE)), 0);
    GM_CHECK_LEAF(env, vm, BASE + GM_MIB, GM_BITS_4K, "rw", false);
    GM_CHECK_NOT_NULL(create_allocated_reservation_frame(vm, BASE + 2 * GM_MIB, seL4_AllRights,
                                                         default_error_fault_callback, NULL));
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_MIB, GM_BITS_4K, "rw", false);
}

/* A framebuffer is a device that is not to be mapped so. */
static void D15_a_reservation_can_say_otherwise(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, env->device_base, 2 * GM_MIB);
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.memory_type = GUESTMEM_MEMORY_NORMAL;
    GM_CHECK_EQ(guestmem_reservation_set_policy(vm, res, &policy), GUESTMEM_OK);
    GM_CHECK_EQ(map_ut_alloc_reservation(vm, res), 0);
    GM_CHECK_LEAF(env, vm, env->device_base, GM_BITS_2M, "rw", false);
    res = reserve(vm, BASE, GM_PAGE);
    policy.memory_type = GUESTMEM_MEMORY_DEVICE;
    GM_CHECK_EQ(guestmem_reservation_set_policy(vm, res, &policy), GUESTMEM_OK);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", true);
}

static void fill_ram(struct gm_env *env, vm_t *vm, uintptr_t base, size_t size, int value)
{
    uint8_t page[GM_PAGE];

    memset(page, value, sizeof(page));
    for (size_t at = 0; at < size; at += sizeof(page)) {
        if (!gm_test_guest_write(env, vm, base + at, page, sizeof(page))) {
            GM_CHECK_EQ(vm_ram_touch(vm, base + at, sizeof(page), vm_guest_ram_write_callback, page), 0);
        }
    }
}

/* With the defect the second VM reads the first one's bytes: device untypeds are never cleared by the kernel. */
static void D38_device_ram_is_clear_when_another_vm_gets_it(struct gm_env *env, vm_t *vm)
{
    const size_t size = 4 * GM_MIB;
    struct gm_env_leaf leaf;
    vm_t *other;

    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, size, false), 0);
    if (gm_env_guest_view(env, vm, BASE, &leaf) == GM_VIEW_LEAF) {
        GM_CHECK(leaf.paddr - env->device_ram_base < env->device_ram_bytes); /* or the case shows nothing */
        GM_CHECK(!leaf.device);
    }
    fill_ram(env, vm, BASE, size, 0xa5);
    gm_env_drop_vm(env, vm);
    other = gm_env_new_vm(env);
    GM_CHECK_EQ(vm_ram_register_at(other, BASE, size, false), 0);
    GM_CHECK_GUEST_FILLED(env, other, BASE, 0, size);
    fill_ram(env, other, BASE, size, 0x5a);
    GM_CHECK_EQ(guestmem_ram_discard(other, BASE, size), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_populate(other, BASE, size), GUESTMEM_OK);
    GM_CHECK_GUEST_FILLED(env, other, BASE, 0, size);
}

/* The same by the other ways to memory that may be device RAM. */
static void D38_device_ram_is_clear_by_every_way_to_it(struct gm_env *env, vm_t *vm)
{
    const uintptr_t at = env->device_ram_base;
    vm_memory_reservation_t *res;

    GM_CHECK_EQ(vm_ram_register_at(vm, at, 2 * GM_MIB, true), 0);
    GM_CHECK_PADDR(env, vm, at, at);
    fill_ram(env, vm, at, 2 * GM_MIB, 0xa5);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, at)), 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, at, 2 * GM_MIB, true), 0);
    GM_CHECK_GUEST_FILLED(env, vm, at, 0, 2 * GM_MIB);
    fill_ram(env, vm, at, 2 * GM_MIB, 0xa5);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, at)), 0);
    res = reserve(vm, BASE, env->device_ram_bytes);
    GM_CHECK_EQ(map_maybe_device_reservation(vm, res), 0);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0, env->device_ram_bytes);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, 4 * GM_MIB), 0);
    GM_CHECK_NE(vm_ram_register(vm, 4 * GM_MIB), 0);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0, 4 * GM_MIB);
}

/* With the defect any call stops the VMM. */
static void D39_a_guest_address_is_told_as_a_physical_one(struct gm_env *env, vm_t *vm)
{
    uintptr_t paddr = gm_env_free_paddr(env, GM_BITS_2M);

    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, 1), 0);
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, paddr, reserve(vm, BASE, 2 * GM_MIB)), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, 1), paddr);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE + 0x12345, 0x1000), paddr + 0x12345);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, 2 * GM_MIB), paddr);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, 2 * GM_MIB + 1), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE - 1, 2), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, 0), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, SIZE_MAX), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(NULL, BASE, 1), 0);
}

static const struct gm_case cases[] = {
    GM_CASE(D03_memory_that_was_freed_is_there_again),
    GM_CASE(D03_small_frames_that_were_freed_are_there_again),
    GM_CASE(D03_the_same_physical_address_can_be_mapped_again),
    GM_CASE(D04_a_map_that_fails_half_way_leaves_nothing),
    GM_CASE(D04_a_map_that_runs_out_half_way_leaves_nothing),
    GM_CASE(D05_freeing_2_mib_frames_frees_each_once),
    GM_CASE(D08_an_unaligned_reservation_is_mapped_to_its_last_byte),
    GM_CASE(D09_the_callers_frames_outlive_the_reservation),
    GM_CASE(D10_deferred_frames_come_one_by_one_from_a_copy_of_the_array),
    GM_CASE(D10_a_deferred_iterator_is_asked_for_the_page_of_the_access),
    GM_CASE(D10_a_deferred_large_frame_covers_the_access),
    GM_CASE(D10_the_first_access_to_a_deferred_gibibyte_takes_one_frame),
    GM_CASE(what_surrounds_an_access_comes_if_the_policy_says_so),
    GM_CASE(an_access_that_lacks_memory_is_an_error_that_says_so),
    GM_CASE(D15_devices_are_mapped_as_device_memory),
    GM_CASE_WITH(D15_devices_are_mapped_as_device_memory, .boot_frames = true),
    GM_CASE(D15_a_reservation_can_say_otherwise),
    GM_CASE_WITH(D38_device_ram_is_clear_when_another_vm_gets_it, .device_ram = true),
    GM_CASE_WITH(D38_device_ram_is_clear_by_every_way_to_it, .device_ram = true),
    GM_CASE(D39_a_guest_address_is_told_as_a_physical_one),
};
const struct gm_suite mapping_defects = GM_SUITE("mapping", cases);

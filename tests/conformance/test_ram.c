/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * vm_ram_register(), vm_ram_register_at(), vm_ram_register_at_custom_iterator().
 */
#include <string.h>

#include "conformance.h"

static void check_region(vm_t *vm, int index, uintptr_t start, size_t size, bool allocated)
{
    GM_CHECK(index < vm->mem.num_ram_regions);
    GM_CHECK_EQ(vm->mem.ram_regions[index].start, start);
    GM_CHECK_EQ(vm->mem.ram_regions[index].size, size);
    GM_CHECK_EQ(vm->mem.ram_regions[index].allocated != 0, allocated);
}

static void a_new_vm_has_no_ram(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr;
    size_t size;

    (void)env;
    GM_CHECK_EQ(vm->mem.num_ram_regions, 0);
    GM_CHECK_EQ(vm_ram_find_largest_free_region(vm, &addr, &size), -1);
    GM_CHECK_EQ(vm_ram_allocate(vm, 1), 0);
}

static void registered_ram_is_free_mapped_and_cleared(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 4 * GM_MIB, false), 0);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 1);
    check_region(vm, 0, BASE, 4 * GM_MIB, false);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    GM_CHECK_LEAF(env, vm, BASE + 4 * GM_MIB - 1, GM_BITS_2M, "rw", false);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0, 4 * GM_MIB);
}

static void no_view_of_ram_is_made_before_it_is_touched(struct gm_env *env, vm_t *vm)
{
    struct gm_env_counts before;
    struct gm_env_counts after;

    gm_env_count(env, &before);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 4 * GM_MIB, false), 0);
    gm_env_count(env, &after);
    GM_CHECK_EQ(after.vmm_mappings, before.vmm_mappings);
}

static void ram_at_any_byte_address_works(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_EQ(vm_ram_register_at(vm, 0x500, 0x9fc00 - 0x500, false), 0);
    check_region(vm, 0, 0x500, 0x9fc00 - 0x500, false);
    GM_CHECK_LEAF(env, vm, 0, GM_BITS_4K, "rw", false);
    GM_CHECK_LEAF(env, vm, 0x9fbff, GM_BITS_4K, "rw", false);
    GM_CHECK_NO_LEAF(env, vm, 0xa0000);
}

static void ram_works_at_both_ends_of_the_space(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_EQ(vm_ram_register_at(vm, 0, 2 * GM_MIB, false), 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, env->guest_end - GM_PAGE, GM_PAGE, false), 0);
    GM_CHECK_LEAF(env, vm, 0, GM_BITS_2M, "rw", false);
    GM_CHECK_LEAF(env, vm, env->guest_end - 1, GM_BITS_4K, "rw", false);
    CHANGES_NOTHING(
        env,
        GM_CHECK_EQ(vm_ram_register_at(vm, env->guest_end - 2 * GM_PAGE, 3 * GM_PAGE, false), -1));
}

static void bad_ranges_are_refused(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 0, false), -1);
        GM_CHECK_EQ(vm_ram_register_at(vm, BASE, SIZE_MAX, false), -1);
        GM_CHECK_EQ(vm_ram_register_at(vm, env->guest_end, GM_PAGE, false), -1);
        GM_CHECK_EQ(vm_ram_register_at(NULL, BASE, GM_PAGE, false), -1);
        GM_CHECK_EQ(vm_ram_register(vm, 0), 0);
        GM_CHECK_EQ(vm_ram_register(NULL, GM_PAGE), 0);
    });
    GM_CHECK_EQ(vm->mem.num_ram_regions, 0);
}

static void ram_where_something_is_reserved_is_refused(struct gm_env *env, vm_t *vm)
{
    reserve(vm, BASE + 0x10800, 4);
    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 0x20000, false), -1);
        GM_CHECK_EQ(vm_ram_register_at(vm, BASE + 0x10000, 0x100, false), -1);
    });
    GM_CHECK_EQ(vm->mem.num_ram_regions, 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 0x10000, false), 0);
}

static void registering_ram_twice_is_refused(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 16 * GM_PAGE, false), 0);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_ram_register_at(vm, BASE + GM_PAGE, GM_PAGE, false), -1));
    check_region(vm, 0, BASE, 16 * GM_PAGE, false);
}

static void neighbouring_regions_are_one(struct gm_env *env, vm_t *vm)
{
    (void)env;
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE + 2 * GM_PAGE, GM_PAGE, false), 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_PAGE, false), 0);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 2);
    check_region(vm, 0, BASE, GM_PAGE, false);
    check_region(vm, 1, BASE + 2 * GM_PAGE, GM_PAGE, false);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE + GM_PAGE, GM_PAGE, false), 0);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 1);
    check_region(vm, 0, BASE, 3 * GM_PAGE, false);
}

static void regions_are_sorted_whatever_the_order(struct gm_env *env, vm_t *vm)
{
    enum { COUNT = 50, STEP = 7 };

    (void)env;
    for (unsigned i = 0; i < COUNT; i++) {
        GM_CHECK_EQ(vm_ram_register_at(vm, BASE + (i * STEP % COUNT) * 2 * GM_PAGE, GM_PAGE, false),
                    0);
    }
    GM_CHECK_EQ(vm->mem.num_ram_regions, COUNT);
    for (int i = 0; i < COUNT; i++) {
        check_region(vm, i, BASE + (unsigned)i * 2 * GM_PAGE, GM_PAGE, false);
    }
}

static void check_identity_ram(struct gm_env *env, vm_t *vm, uintptr_t paddr, size_t size)
{
    GM_CHECK_EQ(vm_ram_register_at(vm, paddr, size, true), 0);
    GM_CHECK_PADDR(env, vm, paddr, paddr);
    GM_CHECK_PADDR(env, vm, paddr + size - 1, paddr + size - 1);
    GM_CHECK_GUEST_FILLED(env, vm, paddr, 0, size);
}

static void untyped_ram_lies_at_its_own_address(struct gm_env *env, vm_t *vm)
{
    uintptr_t paddr = gm_env_free_paddr(env, 23);

    check_identity_ram(env, vm, paddr, 8 * GM_MIB);
    GM_CHECK_LEAF(env, vm, paddr + 5 * GM_MIB, GM_BITS_2M, "rw", false);
}

static void untyped_ram_where_no_memory_is_is_refused(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env,
                    GM_CHECK_EQ(vm_ram_register_at(vm, env->nowhere, GM_MIB, true), -1));
    GM_CHECK_EQ(vm->mem.num_ram_regions, 0);
    reserve(vm, env->nowhere, GM_MIB);
}

static void dirty(struct gm_env *env)
{
    if (!gm_env_fill_device_ram(env, 0xee)) {
        GM_SKIP("memory can't be dirtied from outside here");
    }
}

static void device_ram_at_its_own_address_is_cleared_and_cacheable(struct gm_env *env, vm_t *vm)
{
    dirty(env);
    check_identity_ram(env, vm, env->device_ram_base, 4 * GM_MIB);
    GM_CHECK_LEAF(env, vm, env->device_ram_base, GM_BITS_2M, "rw", false);
}

static void boot_frames_of_device_ram_are_cleared_and_cacheable(struct gm_env *env, vm_t *vm)
{
    dirty(env);
    check_identity_ram(env, vm, env->device_ram_base + GM_PAGE, 5 * GM_PAGE);
    GM_CHECK_LEAF(env, vm, env->device_ram_base + GM_PAGE, GM_BITS_4K, "rw", false);
}

static void ram_out_of_device_ram_is_cleared_and_cacheable(struct gm_env *env, vm_t *vm)
{
    struct gm_env_leaf leaf;

    dirty(env);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 4 * GM_MIB, false), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0, 4 * GM_MIB);
    GM_CHECK_EQ(gm_env_guest_view(env, vm, BASE, &leaf), GM_VIEW_LEAF);
    GM_CHECK(leaf.paddr - env->device_ram_base < env->device_ram_bytes);
}

static void ram_can_be_taken_out_of_anonymous_memory(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr;

    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE + GM_PAGE, 16 * GM_MIB), 0);
    addr = vm_ram_register(vm, 4 * GM_MIB);
    GM_CHECK_NE(addr, 0);
    GM_CHECK(addr > BASE && addr + 4 * GM_MIB <= BASE + GM_PAGE + 16 * GM_MIB);
    check_region(vm, 0, addr, 4 * GM_MIB, false);
    GM_CHECK_LEAF(env, vm, addr, GM_BITS_2M, "rw", false);
    GM_CHECK_GUEST_FILLED(env, vm, addr, 0, 4 * GM_MIB);
}

static void ram_without_anonymous_memory_is_refused(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_ram_register(vm, GM_PAGE), 0));
    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, 4 * GM_PAGE), 0);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_ram_register(vm, 5 * GM_PAGE), 0));
    GM_CHECK_EQ(vm_ram_register(vm, 4 * GM_PAGE), BASE);
}

static void two_pieces_of_anonymous_ram_are_apart(struct gm_env *env, vm_t *vm)
{
    uintptr_t one;
    uintptr_t two;

    (void)env;
    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, GM_MIB), 0);
    one = vm_ram_register(vm, 3 * GM_PAGE + 1);
    two = vm_ram_register(vm, GM_PAGE);
    GM_CHECK(one != 0 && two != 0);
    GM_CHECK(two >= one + 3 * GM_PAGE + 1 || one >= two + GM_PAGE);
    GM_CHECK_EQ(two % GM_PAGE, 0);
}

/* 0 means failure: then nothing may have been taken. */
static void anonymous_ram_is_not_lost_at_address_zero(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr;

    (void)env;
    GM_CHECK_EQ(vm_memory_make_anon(vm, 0, 4 * GM_MIB), 0);
    addr = vm_ram_register(vm, GM_PAGE);
    GM_CHECK_EQ(vm->mem.num_ram_regions, addr == 0 ? 0 : 1);
}

static void ram_can_be_made_of_the_callers_frames(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_2M, .rights = seL4_AllRights};

    GM_CHECK_EQ(vm_ram_register_at_custom_iterator(vm, BASE, 4 * GM_MIB, gm_giver_next, &giver), 0);
    GM_CHECK_EQ(giver.calls, 2);
    check_region(vm, 0, BASE, 4 * GM_MIB, false);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    GM_CHECK_PADDR(env, vm, BASE + 2 * GM_MIB, gm_env_frame_paddr(giver.caps[1]));
}

static void the_callers_frames_may_be_read_only_to_the_guest(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_CanRead};

    GM_CHECK_EQ(
        vm_ram_register_at_custom_iterator(vm, BASE + 0x500, 2 * GM_PAGE, gm_giver_next, &giver),
        0);
    GM_CHECK_EQ(giver.calls, 3);
    GM_CHECK_EQ(giver.addresses[0], BASE + 0x500);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "r", false);
}

static void a_failing_iterator_leaves_no_ram(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {
        .env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights, .fail_at = 3};

    GM_CHECK_EQ(vm_ram_register_at_custom_iterator(vm, BASE, 4 * GM_PAGE, gm_giver_next, &giver),
                -1);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 0);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_EQ(vm_ram_register_at_custom_iterator(vm, BASE, 4 * GM_PAGE, gm_giver_next, &giver),
                0);
    CHANGES_NOTHING(
        env, GM_CHECK_EQ(vm_ram_register_at_custom_iterator(vm, BASE + GM_MIB, GM_PAGE, NULL, NULL),
                         -1));
}

static void more_ram_than_there_is_memory_registers_nothing(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE - GM_MIB, GM_PAGE, false), 0);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_GIB, false), -1));
    GM_CHECK_EQ(vm->mem.num_ram_regions, 1);
    GM_CHECK(!refused(vm, BASE, GM_GIB));
}

static void two_gib_of_ram_fit_where_there_is_as_much(struct gm_env *env, vm_t *vm)
{
    struct gm_env_counts before;
    struct gm_env_counts after;

    gm_env_count(env, &before);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 2 * GM_GIB, false), 0);
    gm_env_count(env, &after);
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_GIB - 1, GM_BITS_2M, "rw", false);
    GM_CHECK(after.slots - before.slots <= 1024 + 256);
}

static void a_guest_access_to_ram_that_is_mapped_is_an_error(struct gm_env *env, vm_t *vm)
{
    (void)env;
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_PAGE, false), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_ERROR);
}

static void anonymous_ram_out_of_device_ram_is_cleared(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr;

    dirty(env);
    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, 32 * GM_MIB), 0);
    addr = vm_ram_register(vm, 20 * GM_MIB);
    GM_CHECK_NE(addr, 0);
    GM_CHECK_GUEST_FILLED(env, vm, addr, 0, 20 * GM_MIB);
    GM_CHECK_LEAF(env, vm, addr, GM_BITS_2M, "rw", false);
}

static const struct gm_case cases[] = {
    GM_CASE(a_new_vm_has_no_ram),
    GM_CASE(registered_ram_is_free_mapped_and_cleared),
    GM_CASE(no_view_of_ram_is_made_before_it_is_touched),
    GM_CASE(ram_at_any_byte_address_works),
    GM_CASE(ram_works_at_both_ends_of_the_space),
    GM_CASE(bad_ranges_are_refused),
    GM_CASE(ram_where_something_is_reserved_is_refused),
    GM_CASE(registering_ram_twice_is_refused),
    GM_CASE(neighbouring_regions_are_one),
    GM_CASE(regions_are_sorted_whatever_the_order),
    GM_CASE(untyped_ram_lies_at_its_own_address),
    GM_CASE(untyped_ram_where_no_memory_is_is_refused),
    GM_CASE_WITH(device_ram_at_its_own_address_is_cleared_and_cacheable, .device_ram = true),
    GM_CASE_WITH(boot_frames_of_device_ram_are_cleared_and_cacheable, .device_ram = true,
                 .boot_frames = true),
    GM_CASE_WITH(ram_out_of_device_ram_is_cleared_and_cacheable, .device_ram = true),
    GM_CASE(ram_can_be_taken_out_of_anonymous_memory),
    GM_CASE(ram_without_anonymous_memory_is_refused),
    GM_CASE(two_pieces_of_anonymous_ram_are_apart),
    GM_CASE(anonymous_ram_is_not_lost_at_address_zero),
    GM_CASE(ram_can_be_made_of_the_callers_frames),
    GM_CASE(the_callers_frames_may_be_read_only_to_the_guest),
    GM_CASE(a_failing_iterator_leaves_no_ram),
    GM_CASE(more_ram_than_there_is_memory_registers_nothing),
    GM_CASE_WITH(two_gib_of_ram_fit_where_there_is_as_much, .ram_bytes = 3 * GM_GIB),
    GM_CASE(a_guest_access_to_ram_that_is_mapped_is_an_error),
    GM_CASE_WITH(anonymous_ram_out_of_device_ram_is_cleared, .device_ram = true),
};

const struct gm_suite ram_suite = GM_SUITE("ram", cases);

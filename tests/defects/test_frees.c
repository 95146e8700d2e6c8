/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Giving back: reservations of all sorts, parts of RAM, pages that were made, and whose bytes whoever
 * comes next finds.
 */
#include <string.h>

#include "defects.h"

static void free_new_ram(vm_t *vm)
{
    uintptr_t addr = vm_ram_register(vm, 3 * GM_MIB);

    GM_CHECK_NE(addr, 0);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, addr)), 0);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 0);
}

static void any_reservation_can_be_freed(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr;

    GM_CHECK_EQ(vm_memory_make_anon(vm, 8 * BASE, 16 * GM_MIB), 0);
    CHANGES_NOTHING(env, vm_memory_reservation_t *res = reserve(vm, BASE + 3, 5);
                    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0));
    CHANGES_NOTHING(env, vm_memory_reservation_t *res = reserve(vm, BASE - 0x1800, 4 * GM_MIB + 0x3000);
                    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
                    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
                    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0));
    set_populate(vm, GUESTMEM_POPULATE_LAZY);
    CHANGES_NOTHING(env, vm_memory_reservation_t *res = reserve(vm, BASE - 0x1800, 4 * GM_MIB + 0x3000);
                    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
                    GM_CHECK_EQ(gm_env_fault(vm, BASE + 2 * GM_MIB, 4), FAULT_RESTART);
                    GM_CHECK_EQ(gm_env_fault(vm, BASE - 4, 8), FAULT_RESTART);
                    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0));
    CHANGES_NOTHING(env, vm_memory_reservation_t *res = vm_reserve_anon_memory(
                             vm, 0x2345, 0x4000, default_error_fault_callback, NULL, &addr);
                    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
                    GM_CHECK_EQ(gm_env_fault(vm, addr + 0x2000, 4), FAULT_RESTART);
                    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0));
    free_new_ram(vm); /* the VM's array of RAM regions stays */
    CHANGES_NOTHING(env, free_new_ram(vm));
}

/* Freed in any order, neighbours in the pool are one range again. */
static void anonymous_ranges_that_were_freed_are_one_again(struct gm_env *env, vm_t *vm)
{
    static const unsigned order[] = {3, 0, 6, 1, 7, 2, 5, 4};
    vm_memory_reservation_t *res[8];
    uintptr_t addr = 0;

    (void)env;
    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, 8 * GM_PAGE), 0);
    for (unsigned i = 0; i < 8; i++) {
        res[i] = vm_reserve_anon_memory(vm, 0x801, 1, default_error_fault_callback, NULL, &addr);
        GM_CHECK_NOT_NULL(res[i]);
        GM_CHECK_EQ(addr, BASE + i * GM_PAGE);
    }
    for (unsigned i = 0; i < 8; i++) {
        GM_CHECK_NULL(vm_reserve_anon_memory(vm, 8 * GM_PAGE, 1, default_error_fault_callback, NULL, &addr));
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res[order[i]]), 0);
    }
    GM_CHECK_NOT_NULL(vm_reserve_anon_memory(vm, 8 * GM_PAGE, 1, default_error_fault_callback, NULL, &addr));
    GM_CHECK_EQ(addr, BASE);
}

static void freed_ram_stays_between_its_neighbours(struct gm_env *env, vm_t *vm)
{
    uint8_t text[] = "neighbour";

    (void)env;
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 16 * GM_PAGE, false), 0);
    vm_ram_mark_allocated(vm, BASE, 16 * GM_PAGE);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 3 * GM_PAGE, sizeof(text), vm_guest_ram_write_callback, text), 0);
    vm_ram_free(vm, BASE + 4 * GM_PAGE, 4 * GM_PAGE);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 3);
    GM_CHECK_EQ(vm->mem.ram_regions[0].size, 4 * GM_PAGE);
    GM_CHECK_EQ(vm->mem.ram_regions[1].size, 4 * GM_PAGE);
    GM_CHECK(!vm->mem.ram_regions[1].allocated && vm->mem.ram_regions[2].allocated);
    GM_CHECK_EQ(vm_ram_allocate(vm, 4 * GM_PAGE), BASE + 4 * GM_PAGE);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 1);
    memset(text, 0, sizeof(text));
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 3 * GM_PAGE, sizeof(text), vm_guest_ram_read_callback, text), 0);
    GM_CHECK_BYTES(text, "neighbour", sizeof(text));
}

static int fill(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset, void *value)
{
    (void)vm;
    (void)addr;
    (void)offset;
    memset(vaddr, *(uint8_t *)value, size);
    return 0;
}

/*
 * A part of what one untyped backs couldn't come back: its memory is the allocator's again only with the
 * rest of it. So the discard is refused, and the RAM stays usable.
 */
static void ram_at_given_addresses_is_discarded_in_whole_untypeds(struct gm_env *env, vm_t *vm)
{
    const uintptr_t base = env->device_ram_base;
    uint8_t value = 0x3c;

    GM_CHECK_EQ(vm_ram_register_at(vm, base, 4 * GM_MIB, true), 0);
    GM_CHECK_EQ(vm_ram_touch(vm, base, 4 * GM_MIB, fill, &value), 0);
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_ram_discard(vm, base, 2 * GM_MIB), GUESTMEM_EGRAIN));
    CHECK_FAILURE(vm, GUESTMEM_EGRAIN, "guestmem_ram_discard");
    GM_CHECK_EQ(vm_ram_touch(vm, base, 4 * GM_MIB, fill, &value), 0);
    GM_CHECK_EQ(guestmem_ram_discard(vm, base, 4 * GM_MIB), GUESTMEM_OK);
    GM_CHECK_EQ(gm_env_fault(vm, base + 3 * GM_MIB, 4), FAULT_RESTART);
    GM_CHECK_GUEST_FILLED(env, vm, base + 3 * GM_MIB, 0, GM_PAGE);
    GM_CHECK_PADDR(env, vm, base + 3 * GM_MIB, base + 3 * GM_MIB);
}

/* Whole frames go back to the allocator; the range stays RAM, and comes back clear. */
static void discarded_ram_goes_back_and_comes_back_clear(struct gm_env *env, vm_t *vm)
{
    const size_t size = 8 * GM_MIB;
    struct guestmem_policy policy;
    struct gm_env_counts full;
    struct gm_env_counts after;
    uint8_t value = 0x5e;

    guestmem_policy_default(&policy);
    policy.untyped_bits_max = GM_BITS_2M;
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, size, false), 0);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE, size, fill, &value), 0);
    gm_env_count(env, &full);
    GM_CHECK_EQ(guestmem_ram_discard(vm, BASE + 2 * GM_MIB, 4 * GM_MIB), GUESTMEM_OK);
    gm_env_count(env, &after);
    if (after.complete) {
        GM_CHECK_EQ(after.free_bytes, full.free_bytes + 4 * GM_MIB);
        GM_CHECK_EQ(after.frames[1], full.frames[1] - 2);
        GM_CHECK_EQ(after.vmm_mappings, full.vmm_mappings - 2);
    }
    GM_CHECK_NO_LEAF(env, vm, BASE + 4 * GM_MIB);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0x5e, 2 * GM_MIB);
    GM_CHECK_GUEST_FILLED(env, vm, BASE + 6 * GM_MIB, 0x5e, 2 * GM_MIB);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 1);
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_ram_discard(vm, BASE + 2 * GM_MIB, 4 * GM_MIB), GUESTMEM_OK));
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 3 * GM_MIB, 8), FAULT_RESTART);
    GM_CHECK_GUEST_FILLED(env, vm, BASE + 3 * GM_MIB, 0, GM_PAGE);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE, size, fill, &value), 0);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0x5e, size);
}

static void discarded_ram_is_refused_where_the_policy_says_so(struct gm_env *env, vm_t *vm)
{
    struct guestmem_policy policy;
    uint8_t byte;

    guestmem_policy_default(&policy);
    policy.discarded = GUESTMEM_DISCARDED_REFUSES;
    policy.frame_bits_max = GM_BITS_4K;
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 8 * GM_PAGE, false), 0);
    GM_CHECK_EQ(guestmem_ram_discard(vm, BASE + 2 * GM_PAGE, 2 * GM_PAGE), GUESTMEM_OK);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 3 * GM_PAGE, 4), FAULT_ERROR);
    GM_CHECK_NO_LEAF(env, vm, BASE + 3 * GM_PAGE);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_ram_touch(vm, BASE + 3 * GM_PAGE, 1, vm_guest_ram_read_callback, &byte), -1));
    CHECK_FAILURE(vm, GUESTMEM_EUNMAPPED, "vm_ram_touch");
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_ram_touch(vm, BASE, 8 * GM_PAGE, vm_guest_ram_read_callback, &byte), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_populate(vm, BASE, 8 * GM_PAGE), GUESTMEM_EUNMAPPED));
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 4 * GM_PAGE, 1, vm_guest_ram_read_callback, &byte), 0);
}

static void part_of_a_frame_cannot_be_discarded(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 2 * GM_MIB + GM_PAGE, false), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_ram_discard(vm, BASE, GM_PAGE), GUESTMEM_EGRAIN));
    CHECK_FAILURE(vm, GUESTMEM_EGRAIN, "guestmem_ram_discard");
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_ram_discard(vm, BASE + GM_MIB, GM_MIB + GM_PAGE), GUESTMEM_EGRAIN));
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_ram_discard(vm, BASE + 2 * GM_MIB, 0x800), GUESTMEM_EGRAIN));
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_ram_discard(vm, BASE, 4 * GM_MIB), GUESTMEM_EUNMAPPED));
    CHECK_FAILURE(vm, GUESTMEM_EUNMAPPED, "guestmem_ram_discard");
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, 2 * BASE, GM_PAGE)), 0);
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_ram_discard(vm, 2 * BASE, GM_PAGE), GUESTMEM_EUNMAPPED));
    GM_CHECK_EQ(guestmem_ram_discard(vm, BASE + 2 * GM_MIB, GM_PAGE), GUESTMEM_OK);
}

/* The caller's frames in discarded RAM are the caller's again. */
static void discarded_frames_of_the_callers_are_unmapped(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights};
    uint8_t byte;

    GM_CHECK_EQ(vm_ram_register_at_custom_iterator(vm, BASE, 4 * GM_PAGE, gm_giver_next, &giver), 0);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + GM_PAGE, 1, vm_guest_ram_read_callback, &byte), 0);
    GM_CHECK_EQ(guestmem_ram_discard(vm, BASE + GM_PAGE, 2 * GM_PAGE), GUESTMEM_OK);
    gm_env_check_frame(env, giver.caps[1]);
    gm_env_check_frame(env, giver.caps[2]);
    GM_CHECK_PADDR(env, vm, BASE, gm_env_frame_paddr(giver.caps[0]));
    GM_CHECK_NO_LEAF(env, vm, BASE + GM_PAGE);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, BASE)), 0);
    gm_env_check_frame(env, giver.caps[0]);
}

/* Fill all memory, end the VM, and read what the next one is given, by each way to normal memory. */
static void memory_never_shows_another_vms_bytes(struct gm_env *env, vm_t *vm)
{
    const size_t size = 24 * GM_MIB;
    uint8_t value = 0xee;
    vm_t *other = vm;

    for (unsigned way = 0; way < 3; way++) {
        vm_memory_reservation_t *res;

        GM_CHECK_EQ(vm_ram_register_at(other, BASE, size, false), 0);
        GM_CHECK_GUEST_FILLED(env, other, BASE, 0, size);
        GM_CHECK_EQ(vm_ram_touch(other, BASE, size, fill, &value), 0);
        gm_env_drop_vm(env, other);
        other = gm_env_new_vm(env);
        limit_frames(other, way == 1 ? GM_BITS_4K : GM_BITS_2M);
        set_populate(other, way == 2 ? GUESTMEM_POPULATE_LAZY : GUESTMEM_POPULATE_EAGER);
        res = reserve(other, 2 * BASE, size);
        GM_CHECK_EQ(way == 1 ? map_maybe_device_reservation(other, res) : map_frame_alloc_reservation(other, res), 0);
        GM_CHECK_EQ(guestmem_populate(other, 2 * BASE, size), GUESTMEM_OK);
        GM_CHECK_GUEST_FILLED(env, other, 2 * BASE, 0, size);
        GM_CHECK_EQ(vm_free_reserved_memory(other, res), 0);
    }
}

static const struct gm_case cases[] = {
    GM_CASE(any_reservation_can_be_freed),
    GM_CASE(anonymous_ranges_that_were_freed_are_one_again),
    GM_CASE(freed_ram_stays_between_its_neighbours),
    GM_CASE(discarded_ram_goes_back_and_comes_back_clear),
    GM_CASE(discarded_ram_is_refused_where_the_policy_says_so),
    GM_CASE(part_of_a_frame_cannot_be_discarded),
    GM_CASE_WITH(ram_at_given_addresses_is_discarded_in_whole_untypeds, .device_ram = true),
    GM_CASE(discarded_frames_of_the_callers_are_unmapped),
    GM_CASE_WITH(memory_never_shows_another_vms_bytes, .ram_bytes = 32 * GM_MIB),
    GM_CASE_WITH(memory_never_shows_another_vms_bytes, .ram_bytes = 32 * GM_MIB, .device_ram = true),
};
const struct gm_suite frees_suite = GM_SUITE("frees", cases);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What is told of a VM's memory: the walk, the statistics, physical addresses; and changing it by
 * range.
 */
#include "unit_vm.h"

#define BASE ((uintptr_t)0x40000000)

struct walk {
    struct guestmem_map_entry entries[16];
    size_t count;
    size_t stop_at;
};

static int note(const struct guestmem_map_entry *entry, void *cookie)
{
    struct walk *walk = cookie;

    assert_true(walk->count < 16);
    walk->entries[walk->count++] = *entry;
    return walk->count == walk->stop_at ? 7 : 0;
}

/*
 *      0x1000     pool + 0x20000       BASE        BASE + 4 MiB    the device
 *      emulated   pool, anonymous      RAM         mapped, lazy    created
 */
static void the_walk_tells_of_pools_and_reservations_in_order(void **state)
{
    struct unit *u = *state;
    struct walk walk = {.count = 0};
    uintptr_t addr;

    unit_reserve(u, 0x1000, 0x80);
    assert_int_equal(vm_memory_make_anon(&u->vm, 0x20000, 16 * PAGE), 0);
    assert_non_null(vm_reserve_anon_memory(&u->vm, PAGE, 1, unit_fault, u, &addr));
    assert_non_null(
        create_device_reservation_frame(&u->vm, UNIT_DEVICE, seL4_CanRead, unit_fault, NULL));
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 0x10, 2 * MIB, false), 0);
    unit_policy(u, 21, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, unit_reserve(u, BASE + 4 * MIB, PAGE)), 0);
    assert_int_equal(vm_memory_make_anon(&u->vm, BASE + 8 * MIB, PAGE), 0);
    assert_int_equal(guestmem_walk(&u->vm, note, &walk), 0);
    assert_int_equal(walk.count, 7);
    for (size_t i = 1; i < walk.count; i++) {
        assert_true(walk.entries[i].base >= walk.entries[i - 1].base);
    }
    assert_int_equal(walk.entries[0].kind, GUESTMEM_KIND_EMULATED);
    assert_ptr_equal(walk.entries[0].fault_callback, unit_fault);
    assert_int_equal(walk.entries[0].size, 0x80);
    assert_int_equal(walk.entries[1].kind, GUESTMEM_KIND_POOL);
    assert_int_equal(walk.entries[1].size, 16 * PAGE);
    assert_true(walk.entries[2].anonymous && walk.entries[2].base == 0x20000);
    assert_ptr_equal(walk.entries[2].fault_cookie, u);
    assert_int_equal(walk.entries[3].kind, GUESTMEM_KIND_CREATED);
    assert_true(walk.entries[3].device && walk.entries[3].can_read && !walk.entries[3].can_write);
    assert_non_null(walk.entries[3].vmm_addr);
    assert_int_equal(walk.entries[4].kind, GUESTMEM_KIND_RAM);
    assert_int_equal(walk.entries[4].base, BASE + 0x10);
    assert_int_equal(walk.entries[4].frames[0], 1);
    assert_int_equal(walk.entries[4].frames[1], 1);
    assert_null(walk.entries[4].vmm_addr);
    assert_int_equal(walk.entries[5].kind, GUESTMEM_KIND_MAPPED);
    assert_true(walk.entries[5].lazy && walk.entries[5].frames[0] == 0);
    assert_int_equal(walk.entries[6].kind, GUESTMEM_KIND_POOL);
}

static void the_walk_ends_when_its_visitor_says_so(void **state)
{
    struct unit *u = *state;

    unit_reserve(u, 0x3000, PAGE);
    assert_int_equal(vm_memory_make_anon(&u->vm, 0x1000, PAGE), 0);
    assert_int_equal(vm_memory_make_anon(&u->vm, 0x8000, PAGE), 0);
    for (size_t stop = 1; stop <= 3; stop++) {
        struct walk walk = {.stop_at = stop};

        assert_int_equal(guestmem_walk(&u->vm, note, &walk), 7);
        assert_int_equal(walk.count, stop);
    }
}

static void a_ram_reservation_tells_where_the_vmm_sees_it(void **state)
{
    struct unit *u = *state;
    struct walk walk = {.count = 0};

    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 0x10, PAGE, false), 0);
    assert_int_equal(vm_ram_touch(&u->vm, BASE + 0x10, 3, vm_guest_ram_write_callback, (char[]){"abc"}), 0);
    assert_int_equal(guestmem_walk(&u->vm, note, &walk), 0);
    assert_memory_equal(walk.entries[0].vmm_addr, "abc", 3);
}

/* Two frames, far apart in the guest's order, side by side in physical memory, and not. */
static void a_physical_address_is_told_for_contiguous_ranges_only(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *a = unit_reserve(u, BASE, 2 * PAGE);
    vm_memory_reservation_t *b = unit_reserve(u, BASE + 2 * PAGE, PAGE);
    vm_memory_reservation_t *c = unit_reserve(u, BASE + 3 * PAGE, PAGE);
    uintptr_t paddr = UNIT_RAM_BASE + 32 * MIB;

    assert_int_equal(map_ut_alloc_reservation_with_base_paddr(&u->vm, paddr, a), 0);
    assert_int_equal(map_ut_alloc_reservation_with_base_paddr(&u->vm, paddr + 2 * PAGE, b), 0);
    assert_int_equal(map_ut_alloc_reservation_with_base_paddr(&u->vm, paddr + 4 * PAGE, c), 0);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE, 1), paddr);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE + 0x123, 3 * PAGE - 0x123), paddr + 0x123);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE + PAGE, 2 * PAGE + 1), 0);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE + 3 * PAGE, PAGE), paddr + 4 * PAGE);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE + 3 * PAGE, PAGE + 1), 0);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE - 1, 2), 0);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE, 0), 0);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE, SIZE_MAX), 0);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, UINTPTR_MAX, 1), 0);
}

static void a_large_frame_has_one_physical_address_all_through(void **state)
{
    struct unit *u = *state;
    uintptr_t paddr;

    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 2 * MIB, false), 0);
    paddr = vm_arm_ipa_to_pa(&u->vm, BASE, 2 * MIB);
    assert_int_not_equal(paddr, 0);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE + MIB + 5, 10), paddr + MIB + 5);
}

static void every_count_comes_back_to_nothing(void **state)
{
    struct unit *u = *state;
    struct guestmem_stats stats;
    struct guestmem_stats nothing = {.reservations = 0};

    assert_int_equal(vm_ram_register_at(&u->vm, BASE - PAGE, 4 * MIB, false), 0);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, 3, vm_guest_ram_write_callback, (char[]){"abc"}), 0);
    assert_int_equal(guestmem_get_stats(&u->vm, &stats), GUESTMEM_OK);
    assert_int_equal(stats.reservations, 1);
    assert_int_equal(stats.frames[1], 1);
    assert_int_equal(stats.alias_frames[1], 1);
    assert_int_equal(stats.slots,
                     stats.frames[0] + stats.frames[1] + 1 + stats.tables +
                         guestmem_reservation_at(&u->vm, BASE)->backing->memory.untypeds.count);
    assert_true(stats.bytes > 0);
    assert_int_equal(vm_free_reserved_memory(&u->vm, guestmem_reservation_at(&u->vm, BASE)), 0);
    assert_int_equal(guestmem_get_stats(&u->vm, &stats), GUESTMEM_OK);
    nothing.bytes = stats.bytes; /* the array of RAM regions is kept */
    assert_memory_equal(&stats, &nothing, sizeof(stats));
    assert_in_range(stats.bytes, 0, 256);
}

static void rights_need_one_populated_reservation_and_whole_pages(void **state)
{
    struct unit *u = *state;

    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 0x10, 2 * PAGE - 0x10, false), 0);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 2 * PAGE, PAGE, false), 0);
    unit_reserve(u, BASE + 3 * PAGE, PAGE);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE, PAGE, seL4_CanRead), GUESTMEM_EUNMAPPED);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE + 0x10, 3 * PAGE - 0x10, seL4_CanRead),
                     GUESTMEM_EUNMAPPED);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE + 3 * PAGE, PAGE, seL4_CanRead),
                     GUESTMEM_EUNMAPPED);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE + PAGE, 5, seL4_CanRead), GUESTMEM_EGRAIN);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE + PAGE, 0, seL4_CanRead), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE + PAGE, SIZE_MAX, seL4_CanRead),
                     GUESTMEM_ERANGE);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE + 0x10, PAGE - 0x10, seL4_CanRead),
                     GUESTMEM_OK);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE + 0x10, 2 * PAGE - 0x10, seL4_AllRights),
                     GUESTMEM_OK);
}

static void discarding_needs_ram_and_whole_frames(void **state)
{
    struct unit *u = *state;

    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 2 * MIB + PAGE, false), 0);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, unit_reserve(u, BASE + 4 * MIB, PAGE)), 0);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE, PAGE), GUESTMEM_EGRAIN);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + MIB, MIB + PAGE), GUESTMEM_EGRAIN);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + 2 * MIB, 5), GUESTMEM_EGRAIN);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + 4 * MIB, PAGE), GUESTMEM_EUNMAPPED);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE, 0), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE, SIZE_MAX), GUESTMEM_ERANGE);
    unit_check_leaf(u, BASE, 21);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE, 2 * MIB + PAGE), GUESTMEM_OK);
    unit_check_no_leaf(u, BASE);
    unit_check_no_leaf(u, BASE + 2 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(the_walk_tells_of_pools_and_reservations_in_order),
        UNIT_TEST(the_walk_ends_when_its_visitor_says_so),
        UNIT_TEST(a_ram_reservation_tells_where_the_vmm_sees_it),
        UNIT_TEST(a_physical_address_is_told_for_contiguous_ranges_only),
        UNIT_TEST(a_large_frame_has_one_physical_address_all_through),
        UNIT_TEST(every_count_comes_back_to_nothing),
        UNIT_TEST(rights_need_one_populated_reservation_and_whole_pages),
        UNIT_TEST(discarding_needs_ram_and_whole_frames),
    };

    return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}

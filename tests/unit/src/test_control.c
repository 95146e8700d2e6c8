/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What is told about a VM's memory, and taking down one that isn't ours.
 */
#include "unit_vm.h"

#include <guestmem/access.h>
#include <guestmem/threads.h>

#define BASE ((uintptr_t)0x40000000)

/* Half-built: no memory yet, and in the place of the guest's vspace_t something else's. */
static void a_vspace_of_somebody_else_is_left_alone(void **state)
{
    struct unit *u = *state;
    vm_t blank = {.vka = u->vm.vka, .io_ops = u->vm.io_ops};
    struct guestmem_host_snapshot *before = unit_snapshot(u);

    blank.mem.vm_vspace = *guestmem_host_vspace(u->host);
    assert_int_equal(guestmem_destroy(&blank), GUESTMEM_OK);
    assert_ptr_equal(blank.mem.vm_vspace.data, guestmem_host_vspace(u->host)->data);
    assert_int_equal(vm_memory_init(&blank), 0);
    assert_int_equal(guestmem_destroy(&blank), GUESTMEM_OK);
    assert_ptr_equal(blank.mem.vm_vspace.data, guestmem_host_vspace(u->host)->data);
    unit_check_same(u, before);
}

static struct guestmem_map_entry entries[8];
static size_t entry_count;

static int note(const struct guestmem_map_entry *entry, void *cookie)
{
    (void)cookie;
    assert_true(entry_count < 8);
    entries[entry_count++] = *entry;
    return 0;
}

static void walk(struct unit *u, size_t expected)
{
    entry_count = 0;
    assert_int_equal(guestmem_walk(&u->vm, note, NULL), 0);
    assert_int_equal(entry_count, expected);
}

/* Backed but empty; lazy; eager; not backed. */
static void a_walk_tells_what_is_there_and_what_comes(void **state)
{
    struct unit *u = *state;
    uint8_t byte;

    unit_policy(u, 12, GUESTMEM_POPULATE_LAZY);
    assert_non_null(
        vspace_reserve_range_at(&u->vm.mem.vm_vspace, (void *)BASE, PAGE, seL4_AllRights, 1).res);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + MIB, 2 * PAGE, false), 0);
    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, unit_reserve(u, BASE + 2 * MIB, PAGE)), 0);
    unit_reserve(u, BASE + 3 * MIB, PAGE);
    walk(u, 4);
    assert_false(entries[0].lazy || entries[0].can_read || entries[0].can_write);
    assert_false(entries[0].device);
    assert_int_equal(entries[0].frames[0], 0);
    assert_true(entries[1].lazy && !entries[1].can_read);
    assert_null(entries[1].vmm_addr);
    assert_false(entries[2].lazy);
    assert_true(entries[2].can_read && entries[2].can_write);
    assert_false(entries[3].lazy);
    assert_int_equal(guestmem_ram_read(&u->vm, BASE + MIB + PAGE, &byte, 1), GUESTMEM_OK);
    walk(u, 4);
    assert_true(entries[1].lazy && entries[1].can_read && entries[1].can_write);
    assert_int_equal(entries[1].frames[0], 1);
}

static void physical_addresses_are_of_contiguous_ranges_or_0(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_leaf leaf;

    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 2 * PAGE, false), 0);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 4 * MIB, PAGE, false), 0);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 2 * PAGE, PAGE, false), 0);
    assert_true(unit_leaf(u, BASE, &leaf));
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE + 5, 2 * PAGE - 5), leaf.paddr + 5);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE + 3 * PAGE, 1), 0);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE + 2 * PAGE, PAGE + 1), 0);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_int_equal(vm_arm_ipa_to_pa(&u->vm, BASE, 3 * PAGE), 0);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_string_equal(guestmem_last_failure(&u->vm)->step, "find contiguous physical memory");
}

/* Exactly as much as the largest frame: it is one. */
static void anonymous_ram_as_large_as_a_frame_is_one(void **state)
{
    struct unit *u = *state;
    uintptr_t base;

    assert_int_equal(vm_memory_make_anon(&u->vm, BASE + PAGE, 8 * MIB), 0);
    base = vm_ram_register(&u->vm, 2 * MIB);
    assert_int_equal(base, BASE + 2 * MIB);
    unit_check_leaf(u, base, 21);
    assert_int_equal(vm_ram_register(&u->vm, 2 * MIB - PAGE), BASE + PAGE);
}

/* In a shared VM accesses to eager memory are answered without looking whether it may be populated.
 */
static void what_was_discarded_of_a_shared_vm_comes_back_at_a_fault(void **state)
{
    struct unit *u = *state;
    vm_vcpu_t vcpu = {.vm = &u->vm};

    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 4 * PAGE, false), 0);
    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + PAGE, PAGE), GUESTMEM_OK);
    unit_check_no_leaf(u, BASE + PAGE);
    assert_int_equal(vm_memory_handle_fault(&u->vm, &vcpu, BASE + PAGE, 4), FAULT_RESTART);
    unit_check_leaf(u, BASE + PAGE, 12);
}

static ps_malloc_ops_t real_ops;
static size_t own_calls;

static int counted_malloc(void *cookie, size_t size, void **block)
{
    (void)cookie;
    own_calls++;
    return real_ops.malloc(real_ops.cookie, size, block);
}

static int counted_free(void *cookie, size_t size, void *block)
{
    (void)cookie;
    own_calls--;
    return real_ops.free(real_ops.cookie, size, block);
}

/* All that is allocated for a VM comes from the VM's own allocator, and goes back there. */
static void a_vms_bytes_come_from_its_io_ops(void **state)
{
    struct unit *u = *state;
    ps_io_ops_t ops = *u->vm.io_ops;

    real_ops = ops.malloc_ops;
    ops.malloc_ops.cookie = NULL;
    ops.malloc_ops.malloc = counted_malloc;
    ops.malloc_ops.free = counted_free;
    assert_int_equal(guestmem_destroy(&u->vm), GUESTMEM_OK);
    u->vm.io_ops = &ops;
    own_calls = 0;
    assert_int_equal(vm_memory_init(&u->vm), 0);
    assert_int_equal(own_calls, 1);
    assert_int_equal(vm_init_guest_vspace(&u->vm.mem.vmm_vspace, &u->vm.mem.vmm_vspace,
                                          &u->vm.mem.vm_vspace, u->vka, u->root.cptr),
                     0);
    unit_reserve(u, BASE, PAGE);
    assert_true(own_calls > 1);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + MIB, PAGE, false), 0);
    assert_int_equal(guestmem_destroy(&u->vm), GUESTMEM_OK);
    assert_int_equal(own_calls, 0);
}

/* Not what the last frame had that was there. */
static void what_was_discarded_has_no_rights(void **state)
{
    struct unit *u = *state;

    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 2 * PAGE, false), 0);
    walk(u, 1);
    assert_true(entries[0].can_read && entries[0].can_write);
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE, 2 * PAGE), GUESTMEM_OK);
    walk(u, 1);
    assert_false(entries[0].can_read || entries[0].can_write);
}

/* Its callback isn't asked for what it can't help. */
static void a_fault_that_cannot_be_populated_is_an_error(void **state)
{
    struct unit *u = *state;

    unit_policy(u, 12, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, unit_reserve(u, BASE, PAGE)), 0);
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_ANY, 1, true);
    assert_int_equal(vm_memory_handle_fault(&u->vm, &(vm_vcpu_t){.vm = &u->vm}, BASE, 4),
                     FAULT_ERROR);
    guestmem_host_fail(u->host, 0, 0, false);
    assert_int_equal(vm_memory_handle_fault(&u->vm, &(vm_vcpu_t){.vm = &u->vm}, BASE, 4),
                     FAULT_RESTART);
}

static void by_default_views_stay(void **state)
{
    struct unit *u = *state;
    struct guestmem_policy policy;

    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    assert_int_equal(policy.views, GUESTMEM_VIEWS_KEPT);
    assert_int_equal(policy.view_bytes_max, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_vspace_of_somebody_else_is_left_alone),
        UNIT_TEST(a_walk_tells_what_is_there_and_what_comes),
        UNIT_TEST(physical_addresses_are_of_contiguous_ranges_or_0),
        UNIT_TEST(anonymous_ram_as_large_as_a_frame_is_one),
        UNIT_TEST(a_vms_bytes_come_from_its_io_ops),
        UNIT_TEST(what_was_discarded_has_no_rights),
        UNIT_TEST(a_fault_that_cannot_be_populated_is_an_error),
        UNIT_TEST(by_default_views_stay),
        UNIT_TEST(what_was_discarded_of_a_shared_vm_comes_back_at_a_fault),
    };

    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}

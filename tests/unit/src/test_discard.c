/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Discarding where memory was given: at an address, or by an iterator; and what is kept compact.
 */
#include "unit_vm.h"

#include <guestmem/access.h>

#define BASE (UNIT_RAM_BASE + 34 * MIB)

static int discard(struct unit *u, size_t from, size_t to)
{
    return guestmem_ram_discard(&u->vm, BASE + from * PAGE, (to - from) * PAGE);
}

static void refuses_to_cut(struct unit *u, size_t from, size_t to)
{
    struct guestmem_host_snapshot *before = unit_snapshot(u);

    assert_int_equal(discard(u, from, to), GUESTMEM_EGRAIN);
    unit_check_failure(u, GUESTMEM_EGRAIN);
    unit_check_same(u, before);
}

/*
 *      page    1  2  3  4  5  6  7  8 ...
 *      untyped |  |     |           |
 */
static void memory_at_an_address_is_discarded_by_whole_untypeds(void **state)
{
    struct unit *u = *state;

    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + PAGE, 15 * PAGE, true), 0);
    refuses_to_cut(u, 2, 3);
    refuses_to_cut(u, 3, 4);
    refuses_to_cut(u, 1, 3);
    refuses_to_cut(u, 3, 5);
    refuses_to_cut(u, 5, 7);
    refuses_to_cut(u, 8, 15);
    refuses_to_cut(u, 9, 16);
    assert_int_equal(discard(u, 2, 4), GUESTMEM_OK);
    unit_check_no_leaf(u, BASE + 2 * PAGE);
    unit_check_no_leaf(u, BASE + 3 * PAGE);
    unit_check_leaf(u, BASE + PAGE, 12);
    unit_check_leaf(u, BASE + 4 * PAGE, 12);
    assert_int_equal(discard(u, 1, 2), GUESTMEM_OK);
    assert_int_equal(discard(u, 4, 16), GUESTMEM_OK);
    assert_int_equal(u->space->stats.frames[0], 0);
    assert_int_equal(u->space->stats.tables, 0);
}

/* Such an iterator isn't asked again, whatever was discarded. */
static void an_iterator_that_has_given_all_is_not_asked_again(void **state)
{
    struct unit *u = *state;
    uint8_t byte;

    u->give_bits = 12;
    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(vm_ram_register_at_custom_iterator(&u->vm, BASE, 4 * PAGE, unit_give, u), 0);
    assert_int_equal(u->give_calls, 4);
    assert_int_equal(discard(u, 1, 2), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_read(&u->vm, BASE + PAGE, &byte, 1), GUESTMEM_EUNMAPPED);
    assert_int_equal(vm_memory_handle_fault(&u->vm, &(vm_vcpu_t){.vm = &u->vm}, BASE + PAGE, 1),
                     FAULT_ERROR);
    assert_int_equal(guestmem_ram_read(&u->vm, BASE + 2 * PAGE, &byte, 1), GUESTMEM_OK);
    assert_int_equal(u->give_calls, 4);
}

/* From the last to the first, as slots are handed out: an extent a run of slots, not one a page. */
static void views_that_come_one_by_one_become_runs(void **state)
{
    struct unit *u = *state;
    const struct gm_backing *backing;
    uint8_t byte;

    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 32 * PAGE, false), 0);
    backing = guestmem_reservation_at(&u->vm, BASE)->backing;
    for (size_t i = 32; i-- > 0;) {
        assert_int_equal(guestmem_ram_read(&u->vm, BASE + i * PAGE, &byte, 1), GUESTMEM_OK);
    }
    assert_true(backing->alias.count <= 2);
    assert_true(backing->memory.frames.count <= 2);
}

static void half_a_large_frame_is_not_discarded(void **state)
{
    struct unit *u = *state;
    uintptr_t base = UNIT_RAM_BASE + 32 * MIB;

    assert_int_equal(vm_ram_register_at(&u->vm, base, 2 * MIB, false), 0);
    assert_int_equal(guestmem_ram_discard(&u->vm, base, MIB), GUESTMEM_EGRAIN);
    unit_check_failure(u, GUESTMEM_EGRAIN);
    assert_int_equal(guestmem_ram_discard(&u->vm, base + MIB, MIB), GUESTMEM_EGRAIN);
    unit_check_failure(u, GUESTMEM_EGRAIN);
    assert_int_equal(guestmem_ram_discard(&u->vm, base, 2 * MIB - 1), GUESTMEM_EGRAIN);
    unit_check_failure(u, GUESTMEM_EGRAIN);
    unit_check_leaf(u, base, 21);
}

static void rights_change_only_where_all_is_mapped(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_leaf leaf;
    uint8_t byte;

    unit_policy(u, 12, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 4 * PAGE, false), 0);
    assert_int_equal(guestmem_ram_read(&u->vm, BASE + PAGE, &byte, 1), GUESTMEM_OK);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE, 2 * PAGE, seL4_CanRead), GUESTMEM_EUNMAPPED);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE + PAGE, 2 * PAGE, seL4_CanRead),
                     GUESTMEM_EUNMAPPED);
    assert_true(unit_leaf(u, BASE + PAGE, &leaf) && leaf.write);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE + PAGE, PAGE, seL4_CanRead), GUESTMEM_OK);
    assert_true(unit_leaf(u, BASE + PAGE, &leaf) && leaf.read && !leaf.write);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(memory_at_an_address_is_discarded_by_whole_untypeds),
        UNIT_TEST(an_iterator_that_has_given_all_is_not_asked_again),
        UNIT_TEST(views_that_come_one_by_one_become_runs),
        UNIT_TEST(half_a_large_frame_is_not_discarded),
        UNIT_TEST(rights_change_only_where_all_is_mapped),
    };

    return cmocka_run_group_tests_name("discard", tests, NULL, NULL);
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "fixture.h"

static seL4_CPtr table(seL4_CPtr slot)
{
    return make(untyped(12), seL4_ARM_PageTableObject, 0, slot);
}

static seL4_Error map_table(seL4_CPtr slot, seL4_CPtr root, uint64_t gpa)
{
    return seL4_ARM_PageTable_Map(slot, root, gpa, seL4_ARM_Default_VMAttributes);
}

static void tables_go_level_by_level(void **state)
{
    seL4_CPtr root = space();

    (void)state;
    assert_ok(map_table(table(SLOT), root, 0x12345000));
    assert_ok(map_table(table(SLOT + 1), root, 0x12345000));
    assert_answer(map_table(table(SLOT + 2), root, 0x12345000), seL4_DeleteFirst);
    assert_ok(map_table(SLOT + 2, root, MIB(2)));
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT + 3);
    assert_ok(map(SLOT + 3, root, 0x12345000, seL4_AllRights));
}

static void a_table_does_not_take_the_place_of_a_leaf(void **state)
{
    seL4_CPtr root = space();

    (void)state;
    make(untyped(30), seL4_ARM_HugePageObject, 0, SLOT);
    assert_ok(map(SLOT, root, 0, seL4_AllRights));
    assert_answer(map_table(table(SLOT + 1), root, 0), seL4_DeleteFirst);
    assert_ok(map_table(SLOT + 1, root, GIB(1)));
}

static void a_mapped_table_is_not_mapped_again(void **state)
{
    seL4_CPtr root = space();

    (void)state;
    assert_ok(map_table(table(SLOT), root, 0));
    assert_answer(map_table(SLOT, root, GIB(1)), seL4_InvalidCapability);
    assert_int_equal(seL4_GetMR(0), 0);
    assert_answer(map_table(table(SLOT + 1), root, seL4_UserTop + 1), seL4_InvalidArgument);
    assert_answer(map_table(SLOT + 1, SLOT, 0), seL4_InvalidCapability);
    assert_int_equal(seL4_GetMR(0), 1);
}

static void a_table_with_copies_is_not_unmapped(void **state)
{
    seL4_CPtr root = space();

    (void)state;
    assert_ok(map_table(table(SLOT), root, 0));
    assert_ok(copy(SLOT, SLOT + 1, seL4_AllRights));
    assert_answer(seL4_ARM_PageTable_Unmap(SLOT), seL4_RevokeFirst);
    assert_ok(delete_cap(SLOT + 1));
    assert_ok(seL4_ARM_PageTable_Unmap(SLOT));
}

static void deleting_one_copy_of_a_table_keeps_it_mapped(void **state)
{
    seL4_CPtr root = space();

    (void)state;
    assert_ok(map_table(table(SLOT), root, 0));
    assert_ok(copy(SLOT, SLOT + 1, seL4_AllRights));
    assert_ok(delete_cap(SLOT));
    make(untyped(21), seL4_ARM_LargePageObject, 0, SLOT + 2);
    assert_ok(map(SLOT + 2, root, 0, seL4_AllRights));
    assert_ok(delete_cap(SLOT + 1));
    assert_false(leaf_at(root, 0, NULL));
}

static void an_unmapped_table_is_empty_but_frames_still_say_mapped(void **state)
{
    seL4_CPtr root = space();

    (void)state;
    assert_ok(map_table(table(SLOT), root, 0));
    assert_ok(map_table(table(SLOT + 1), root, 0));
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT + 2);
    assert_ok(map(SLOT + 2, root, 0, seL4_AllRights));
    assert_ok(seL4_ARM_PageTable_Unmap(SLOT + 1));
    assert_false(leaf_at(root, 0, NULL));
    assert_ok(map_table(SLOT + 1, root, MIB(4)));
    assert_false(leaf_at(root, MIB(4), NULL));
    assert_answer(map(SLOT + 2, root, MIB(4), seL4_AllRights), seL4_InvalidArgument);
    assert_ok(seL4_ARM_Page_Unmap(SLOT + 2));
    assert_ok(map(SLOT + 2, root, MIB(4), seL4_AllRights));
}

static void a_table_below_an_unmapped_one_leaves_others_alone(void **state)
{
    seL4_CPtr root = space();

    (void)state;
    assert_ok(map_table(table(SLOT), root, 0));
    assert_ok(map_table(table(SLOT + 1), root, 0));
    assert_ok(seL4_ARM_PageTable_Unmap(SLOT));
    assert_ok(map_table(SLOT, root, 0));
    assert_ok(map_table(table(SLOT + 2), root, 0)); /* where the other says it is */
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT + 3);
    assert_ok(map(SLOT + 3, root, 0, seL4_AllRights));
    assert_ok(seL4_ARM_PageTable_Unmap(SLOT + 1));
    assert_true(leaf_at(root, 0, NULL));
}

static void frames_and_tables_still_say_mapped_after_the_root_is_gone(void **state)
{
    seL4_CPtr root = make(untyped(13), seL4_ARM_VSpaceObject, 0, SLOT + 9), other;

    (void)state;
    assert_ok(simple_ASIDPool_assign(guestmem_host_simple(host), root));
    assert_ok(map_table(table(SLOT), root, 0));
    assert_ok(map_table(table(SLOT + 1), root, 0));
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT + 2);
    assert_ok(map(SLOT + 2, root, 0, seL4_AllRights));
    assert_ok(delete_cap(root));
    assert_answer(seL4_ARM_Page_Clean_Data(SLOT + 2, 0, 64), seL4_FailedLookup);
    make(untyped(13), seL4_ARM_VSpaceObject, 0, SLOT + 10);
    other = space(); /* takes over the number of the old one */
    assert_answer(map_table(SLOT, other, 0), seL4_InvalidCapability);
    assert_answer(map(SLOT + 2, other, 0x1000, seL4_AllRights), seL4_InvalidArgument);
    assert_ok(seL4_ARM_Page_Unmap(SLOT + 2));
    assert_ok(seL4_ARM_PageTable_Unmap(SLOT));
    assert_ok(map_table(SLOT, other, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(tables_go_level_by_level),
        test(a_table_does_not_take_the_place_of_a_leaf),
        test(a_mapped_table_is_not_mapped_again),
        test(a_table_with_copies_is_not_unmapped),
        test(deleting_one_copy_of_a_table_keeps_it_mapped),
        test(an_unmapped_table_is_empty_but_frames_still_say_mapped),
        test(a_table_below_an_unmapped_one_leaves_others_alone),
        test(frames_and_tables_still_say_mapped_after_the_root_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

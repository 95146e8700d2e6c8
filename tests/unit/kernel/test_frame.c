/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "fixture.h"

#include <string.h>

static seL4_CPtr frame(seL4_CPtr slot)
{
    return make(untyped(12), seL4_ARM_SmallPageObject, 0, slot);
}

static void one_cap_has_one_mapping(void **state)
{
    seL4_CPtr root = space(), other = space();

    (void)state;
    tables(root, 0);
    tables(other, 0);
    frame(SLOT);
    assert_ok(map(SLOT, root, 0x1000, seL4_AllRights));
    assert_answer(map(SLOT, root, 0x2000, seL4_AllRights), seL4_InvalidArgument);
    assert_int_equal(seL4_GetMR(0), 0);
    assert_answer(map(SLOT, other, 0x1000, seL4_AllRights), seL4_InvalidCapability);
    assert_int_equal(seL4_GetMR(0), 1);
    assert_ok(copy(SLOT, SLOT + 1, seL4_AllRights));
    assert_ok(map(SLOT + 1, other, 0x1000, seL4_AllRights));
    assert_true(leaf_at(root, 0x1000, NULL));
    assert_true(leaf_at(other, 0x1000, NULL));
}

static void mapping_again_at_the_same_place_changes_rights_and_attributes(void **state)
{
    seL4_CPtr root = space();
    struct guestmem_host_leaf leaf;

    (void)state;
    tables(root, 0);
    frame(SLOT);
    assert_ok(map(SLOT, root, 0, seL4_AllRights));
    assert_true(leaf_at(root, 0, &leaf));
    assert_true(leaf.read && leaf.write && !leaf.device);
    assert_int_equal(leaf.paddr, paddr_of(SLOT));
    assert_int_equal(leaf.size_bits, 12);
    assert_ok(seL4_ARM_Page_Map(SLOT, root, 0, seL4_CanRead, 0));
    assert_true(leaf_at(root, 0, &leaf));
    assert_true(leaf.read && !leaf.write && leaf.device);
}

static void write_only_means_no_access(void **state)
{
    seL4_CPtr root = space();
    struct guestmem_host_leaf leaf;

    (void)state;
    tables(root, 0);
    frame(SLOT);
    assert_ok(map(SLOT, root, 0, seL4_CanWrite));
    assert_true(leaf_at(root, 0, &leaf));
    assert_true(!leaf.read && !leaf.write);
}

static void a_copy_without_rights_cannot_get_them_back(void **state)
{
    seL4_CPtr root = space();
    struct guestmem_host_leaf leaf;

    (void)state;
    tables(root, 0);
    frame(SLOT);
    assert_ok(copy(SLOT, SLOT + 1, seL4_CanRead));
    assert_ok(map(SLOT + 1, root, 0, seL4_AllRights));
    assert_true(leaf_at(root, 0, &leaf));
    assert_true(leaf.read && !leaf.write);
}

static void a_leaf_of_the_same_size_is_replaced_without_a_word(void **state)
{
    seL4_CPtr root = space();
    struct guestmem_host_leaf leaf;

    (void)state;
    tables(root, 0);
    frame(SLOT);
    frame(SLOT + 1);
    assert_ok(map(SLOT, root, 0, seL4_AllRights));
    assert_ok(map(SLOT + 1, root, 0, seL4_AllRights));
    assert_true(leaf_at(root, 0, &leaf));
    assert_int_equal(leaf.paddr, paddr_of(SLOT + 1));
    assert_ok(seL4_ARM_Page_Unmap(SLOT)); /* no longer its leaf */
    assert_true(leaf_at(root, 0, NULL));
    assert_ok(delete_cap(SLOT));
    assert_true(leaf_at(root, 0, NULL));
    assert_ok(delete_cap(SLOT + 1));
    assert_false(leaf_at(root, 0, NULL));
}

static void a_missing_table_or_one_in_the_way_answers_the_bits_left(void **state)
{
    seL4_CPtr root = space(), large = make(untyped(21), seL4_ARM_LargePageObject, 0, SLOT + 1);
    vka_object_t table;

    (void)state;
    frame(SLOT);
    assert_answer(map(SLOT, root, 0, seL4_AllRights), seL4_FailedLookup);
    assert_int_equal(seL4_GetMR(0), 0);
    assert_int_equal(seL4_GetMR(1), seL4_MissingCapability);
    assert_int_equal(seL4_GetMR(2), 30);
    assert_ok(vka_alloc_page_table(vka, &table));
    assert_ok(seL4_ARM_PageTable_Map(table.cptr, root, 0, 0));
    assert_answer(map(SLOT, root, 0, seL4_AllRights), seL4_FailedLookup);
    assert_int_equal(seL4_GetMR(2), 21);
    assert_ok(map(large, root, MIB(2), seL4_AllRights));
    tables(root, 0);
    assert_ok(map(SLOT, root, 0, seL4_AllRights));
    assert_ok(seL4_ARM_Page_Unmap(large));
    assert_answer(map(large, root, 0, seL4_AllRights), seL4_FailedLookup);
    assert_int_equal(seL4_GetMR(2), 12);
}

static void address_and_size_are_aligned_to_one_another(void **state)
{
    seL4_CPtr root = space();
    seL4_CPtr large = make(untyped(21), seL4_ARM_LargePageObject, 0, SLOT);
    seL4_CPtr huge = make(untyped(30), seL4_ARM_HugePageObject, 0, SLOT + 1);

    (void)state;
    assert_answer(map(large, root, KIB(4), seL4_AllRights), seL4_AlignmentError);
    assert_answer(map(huge, root, MIB(2), seL4_AllRights), seL4_AlignmentError);
    assert_ok(map(huge, root, GIB(1), seL4_AllRights));
    assert_answer(map(large, root, GIB(1024), seL4_AllRights), seL4_InvalidArgument);
    assert_int_equal(seL4_GetMR(0), 0);
}

static void the_last_page_of_the_space_can_be_mapped(void **state)
{
    seL4_CPtr root = space();
    uint64_t last = seL4_UserTop & ~UINT64_C(0xfff);

    (void)state;
    tables(root, last);
    frame(SLOT);
    assert_ok(map(SLOT, root, last, seL4_AllRights));
    assert_true(leaf_at(root, seL4_UserTop, NULL));
    frame(SLOT + 1);
    assert_answer(map(SLOT + 1, root, seL4_UserTop + 1, seL4_AllRights), seL4_InvalidArgument);
}

static void deleting_a_cap_unmaps_its_own_mapping_only(void **state)
{
    seL4_CPtr root = space();

    (void)state;
    tables(root, 0);
    frame(SLOT);
    assert_ok(copy(SLOT, SLOT + 1, seL4_AllRights));
    assert_ok(map(SLOT, root, 0, seL4_AllRights));
    assert_ok(map(SLOT + 1, root, 0x1000, seL4_AllRights));
    assert_ok(delete_cap(SLOT));
    assert_false(leaf_at(root, 0, NULL));
    assert_true(leaf_at(root, 0x1000, NULL));
}

static void a_mapping_needs_a_space_with_an_asid(void **state)
{
    seL4_CPtr root = make(untyped(13), seL4_ARM_VSpaceObject, 0, SLOT + 1);

    (void)state;
    frame(SLOT);
    assert_answer(map(SLOT, root, 0, seL4_AllRights), seL4_InvalidCapability);
    assert_int_equal(seL4_GetMR(0), 1);
    assert_answer(map(SLOT, SLOT, 0, seL4_AllRights), seL4_InvalidCapability);
}

static void unmapping_twice_is_no_error(void **state)
{
    seL4_CPtr root = space();

    (void)state;
    tables(root, 0);
    frame(SLOT);
    assert_ok(map(SLOT, root, 0, seL4_AllRights));
    assert_ok(seL4_ARM_Page_Unmap(SLOT));
    assert_ok(seL4_ARM_Page_Unmap(SLOT));
    assert_ok(map(SLOT, root, 0x1000, seL4_AllRights));
}

static void nothing_is_cleared_between_two_spaces_that_get_the_same_frame(void **state)
{
    seL4_CPtr first = space(), second = space();

    (void)state;
    tables(first, 0);
    tables(second, 0);
    frame(SLOT);
    assert_ok(map(SLOT, first, 0, seL4_AllRights));
    memset(bytes_of(SLOT), 0x3c, 4096);
    assert_ok(seL4_ARM_Page_Unmap(SLOT));
    assert_ok(map(SLOT, second, 0, seL4_AllRights));
    assert_int_equal(bytes_of(SLOT)[4095], 0x3c);
}

static void cache_operations_want_a_mapping_and_a_range_within_the_frame(void **state)
{
    seL4_CPtr root = space();

    (void)state;
    tables(root, 0);
    frame(SLOT);
    assert_answer(seL4_ARM_Page_Clean_Data(SLOT, 0, 4096), seL4_IllegalOperation);
    assert_ok(map(SLOT, root, 0, seL4_AllRights));
    assert_ok(seL4_ARM_Page_Clean_Data(SLOT, 0, 4096));
    assert_ok(seL4_ARM_Page_Unify_Instruction(SLOT, 64, 128));
    assert_answer(seL4_ARM_Page_CleanInvalidate_Data(SLOT, 64, 64), seL4_InvalidArgument);
    assert_int_equal(seL4_GetMR(0), 1);
    assert_answer(seL4_ARM_Page_Invalidate_Data(SLOT, 0, 4097), seL4_InvalidArgument);
    assert_int_equal(seL4_GetMR(0), 0);
    assert_ok(seL4_ARM_VSpace_Clean_Data(root, 0, 4096));
    assert_answer(seL4_ARM_VSpace_Clean_Data(root, 0, 4097), seL4_RangeError);
    assert_ok(seL4_ARM_VSpace_Clean_Data(root, 0x1000, 0x9000)); /* nothing there */
}

/* What a watch was told last. */
struct told {
    unsigned count;
    uint64_t gpa;
    uint64_t bytes;
};

static void note(void *cookie, uint64_t gpa, uint64_t bytes)
{
    struct told *told = cookie;

    told->count++;
    told->gpa = gpa;
    told->bytes = bytes;
}

static void unifying_by_any_cap_tells_all_who_map_the_frame(void **state)
{
    seL4_CPtr first = space(), second = space();
    struct told told[2] = {{0}};

    (void)state;
    tables(first, 0);
    tables(second, 0);
    frame(SLOT);
    frame(SLOT + 3);
    assert_ok(copy(SLOT, SLOT + 1, seL4_AllRights));
    assert_ok(copy(SLOT, SLOT + 2, seL4_AllRights));
    assert_ok(map(SLOT + 1, first, 0x1000, seL4_AllRights));
    assert_ok(map(SLOT + 2, second, 0x5000, seL4_AllRights));
    assert_ok(map(SLOT + 3, second, 0x6000, seL4_AllRights));
    assert_int_equal(guestmem_host_watch(host, first, note, &told[0]), 0);
    assert_int_equal(guestmem_host_watch(host, second, note, &told[1]), 0);
    assert_ok(seL4_ARM_Page_CleanInvalidate_Data(SLOT + 1, 0, 4096));
    assert_int_equal(told[0].count + told[1].count, 0);
    assert_ok(seL4_ARM_Page_Unify_Instruction(SLOT + 2, 64, 128));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(told[i].count, 1);
        assert_int_equal(told[i].gpa, i == 0 ? 0x1000 : 0x5000);
        assert_int_equal(told[i].bytes, 0x1000);
    }
    assert_answer(seL4_ARM_Page_Unify_Instruction(SLOT, 0, 4096), seL4_IllegalOperation);
    assert_answer(seL4_ARM_Page_Unify_Instruction(SLOT + 1, 0, 4097), seL4_InvalidArgument);
    assert_ok(seL4_ARM_VSpace_Unify_Instruction(first, 0x1040, 0x1080));
    assert_int_equal(told[0].count, 2);
    assert_int_equal(told[1].count, 1);
    guestmem_host_unwatch(host, first);
    guestmem_host_unwatch(host, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(one_cap_has_one_mapping),
        test(mapping_again_at_the_same_place_changes_rights_and_attributes),
        test(write_only_means_no_access),
        test(a_copy_without_rights_cannot_get_them_back),
        test(a_leaf_of_the_same_size_is_replaced_without_a_word),
        test(a_missing_table_or_one_in_the_way_answers_the_bits_left),
        test(address_and_size_are_aligned_to_one_another),
        test(the_last_page_of_the_space_can_be_mapped),
        test(deleting_a_cap_unmaps_its_own_mapping_only),
        test(a_mapping_needs_a_space_with_an_asid),
        test(unmapping_twice_is_no_error),
        test(nothing_is_cleared_between_two_spaces_that_get_the_same_frame),
        test(cache_operations_want_a_mapping_and_a_range_within_the_frame),
        test(unifying_by_any_cap_tells_all_who_map_the_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

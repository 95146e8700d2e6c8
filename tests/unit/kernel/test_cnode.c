/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "fixture.h"

static uint64_t frames_4k(void)
{
    struct guestmem_host_counts counts;

    guestmem_host_count(host, &counts);
    return counts.frames_4k;
}

static void copies_are_refused_for_what_cannot_be_shared(void **state)
{
    (void)state;
    make(untyped(12), seL4_ARM_PageTableObject, 0, SLOT);
    assert_answer(copy(SLOT, SLOT + 1, seL4_AllRights), seL4_IllegalOperation);
    make(untyped(13), seL4_ARM_VSpaceObject, 0, SLOT + 2);
    assert_answer(copy(SLOT + 2, SLOT + 1, seL4_AllRights), seL4_IllegalOperation);
    make(untyped(16), seL4_UntypedObject, 14, SLOT + 3);
    make(SLOT + 3, seL4_EndpointObject, 0, SLOT + 4);
    assert_answer(copy(SLOT + 3, SLOT + 1, seL4_AllRights), seL4_RevokeFirst);
    assert_answer(copy(seL4_CapIRQControl, SLOT + 1, seL4_AllRights), seL4_IllegalOperation);
    assert_true(is_empty(SLOT + 1));
}

static void the_last_cap_of_a_frame_ends_it(void **state)
{
    uint64_t before = frames_4k();

    (void)state;
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT);
    assert_ok(copy(SLOT, SLOT + 1, seL4_AllRights));
    assert_ok(copy(SLOT + 1, SLOT + 2, seL4_CanRead));
    assert_ok(delete_cap(SLOT));
    assert_ok(delete_cap(SLOT + 2));
    assert_int_equal(frames_4k(), before + 1);
    assert_ok(delete_cap(SLOT + 1));
    assert_int_equal(frames_4k(), before);
}

static void revoking_the_first_cap_deletes_its_copies_and_theirs(void **state)
{
    (void)state;
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT);
    assert_ok(copy(SLOT, SLOT + 1, seL4_AllRights));
    assert_ok(copy(SLOT + 1, SLOT + 2, seL4_AllRights));
    assert_ok(revoke_cap(SLOT + 1)); /* a copy of a frame has no children of its own */
    assert_false(is_empty(SLOT + 2));
    assert_ok(revoke_cap(SLOT));
    assert_true(is_empty(SLOT + 1));
    assert_true(is_empty(SLOT + 2));
    assert_false(is_empty(SLOT));
}

static void a_move_keeps_children_and_mapping(void **state)
{
    seL4_CPtr root = space();

    (void)state;
    tables(root, 0);
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT);
    assert_ok(copy(SLOT, SLOT + 1, seL4_AllRights));
    assert_ok(map(SLOT, root, 0, seL4_AllRights));
    assert_ok(seL4_CNode_Move(ROOT, SLOT + 2, DEPTH, ROOT, SLOT, DEPTH));
    assert_true(is_empty(SLOT));
    assert_ok(revoke_cap(SLOT + 2));
    assert_true(is_empty(SLOT + 1));
    assert_ok(delete_cap(SLOT + 2));
    assert_false(leaf_at(root, 0, NULL));
}

static void a_badge_is_set_once(void **state)
{
    (void)state;
    make(untyped(12), seL4_EndpointObject, 0, SLOT);
    assert_ok(seL4_CNode_Mint(ROOT, SLOT + 1, DEPTH, ROOT, SLOT, DEPTH, seL4_AllRights, 7));
    assert_answer(
        seL4_CNode_Mint(ROOT, SLOT + 2, DEPTH, ROOT, SLOT + 1, DEPTH, seL4_AllRights, 8),
        seL4_IllegalOperation);
    assert_answer(seL4_CNode_Mutate(ROOT, SLOT + 2, DEPTH, ROOT, SLOT, DEPTH, 8),
                  seL4_IllegalOperation);
    assert_ok(copy(SLOT + 1, SLOT + 2, seL4_AllRights));
    assert_ok(revoke_cap(SLOT + 1)); /* the copy has its badge, so it is its child */
    assert_true(is_empty(SLOT + 2));
}

static void a_wrong_address_is_a_failed_lookup_that_says_how(void **state)
{
    (void)state;
    assert_answer(seL4_CNode_Copy(ROOT, SLOT, DEPTH, ROOT, SLOT + 1, DEPTH, seL4_AllRights),
                  seL4_FailedLookup);
    assert_int_equal(seL4_GetMR(0), 1);
    assert_int_equal(seL4_GetMR(1), seL4_MissingCapability);
    assert_answer(seL4_CNode_Delete(ROOT, BIT(20), DEPTH), seL4_FailedLookup);
    assert_int_equal(seL4_GetMR(0), 0);
    assert_int_equal(seL4_GetMR(1), seL4_GuardMismatch);
    assert_int_equal(seL4_GetMR(2), 64);
    assert_int_equal(seL4_GetMR(4), 44);
    assert_answer(seL4_CNode_Delete(ROOT, 1, 60), seL4_FailedLookup);
    assert_int_equal(seL4_GetMR(1), seL4_DepthMismatch);
    assert_int_equal(seL4_GetMR(2), 60);
    assert_int_equal(seL4_GetMR(3), 64);
    assert_answer(seL4_CNode_Delete(ROOT, SLOT, 0), seL4_RangeError);
    assert_answer(seL4_CNode_Delete(SLOT, SLOT, DEPTH), seL4_InvalidCapability);
}

static void deleting_a_cnode_deletes_what_is_in_it(void **state)
{
    seL4_CPtr node = make(untyped(12), seL4_CapTableObject, 4, SLOT);
    uint64_t before = frames_4k();

    (void)state;
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT + 1);
    assert_ok(seL4_CNode_Move(node, 3, 4, ROOT, SLOT + 1, DEPTH));
    assert_int_equal(frames_4k(), before + 1);
    assert_ok(delete_cap(node));
    assert_int_equal(frames_4k(), before);
}

static void cnodes_that_hold_each_other_end_with_their_memory(void **state)
{
    seL4_CPtr from = untyped(12);
    uint64_t before = frames_4k();

    (void)state;
    make(from, seL4_CapTableObject, 4, SLOT);
    make(from, seL4_CapTableObject, 4, SLOT + 1);
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT + 2);
    assert_ok(seL4_CNode_Move(SLOT, 5, 4, ROOT, SLOT + 2, DEPTH));
    assert_ok(seL4_CNode_Copy(SLOT, 1, 4, ROOT, SLOT + 1, DEPTH, seL4_AllRights));
    assert_ok(seL4_CNode_Copy(SLOT + 1, 1, 4, ROOT, SLOT, DEPTH, seL4_AllRights));
    assert_ok(delete_cap(SLOT));
    assert_ok(delete_cap(SLOT + 1)); /* each holds the other's last cap now */
    assert_int_equal(frames_4k(), before + 1);
    assert_ok(revoke_cap(from));
    assert_int_equal(frames_4k(), before);
    make(from, seL4_ARM_SmallPageObject, 0, SLOT);
}

static void slots_in_a_cnode_of_ones_own_are_found_by_guard_and_depth(void **state)
{
    seL4_CPtr from = untyped(16);
    seL4_CNode_CapData_t guard = seL4_CNode_CapData_new(5, 3);

    (void)state;
    make(from, seL4_CapTableObject, 4, SLOT);
    assert_ok(seL4_CNode_Mint(ROOT, SLOT + 1, DEPTH, ROOT, SLOT, DEPTH, seL4_AllRights,
                              guard.words[0]));
    assert_ok(seL4_Untyped_Retype(from, seL4_ARM_SmallPageObject, 0, SLOT, 0, 0, 2, 3));
    assert_answer(seL4_CNode_SaveCaller(SLOT, 2, 4), seL4_DeleteFirst);
    assert_answer(seL4_CNode_SaveCaller(SLOT + 1, 5 << 4 | 2, 7), seL4_DeleteFirst);
    assert_ok(seL4_CNode_SaveCaller(SLOT + 1, 5 << 4 | 1, 7));
    assert_answer(seL4_CNode_SaveCaller(SLOT + 1, 4 << 4 | 2, 7), seL4_FailedLookup);
    assert_answer(seL4_Untyped_Retype(from, seL4_ARM_SmallPageObject, 0, ROOT, SLOT, DEPTH, 4, 2),
                  seL4_DeleteFirst);
    assert_ok(seL4_Untyped_Retype(from, seL4_ARM_SmallPageObject, 0, ROOT, SLOT, DEPTH, 5, 2));
}

static void rotate_moves_two_caps_or_swaps_them(void **state)
{
    uint64_t first, second;

    (void)state;
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT);
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT + 1);
    first = paddr_of(SLOT);
    second = paddr_of(SLOT + 1);
    assert_ok(seL4_CNode_Rotate(ROOT, SLOT + 2, DEPTH, 0, ROOT, SLOT + 1, DEPTH, 0, ROOT, SLOT,
                                DEPTH));
    assert_true(is_empty(SLOT));
    assert_int_equal(paddr_of(SLOT + 1), first);
    assert_int_equal(paddr_of(SLOT + 2), second);
    assert_ok(seL4_CNode_Rotate(ROOT, SLOT + 1, DEPTH, 0, ROOT, SLOT + 2, DEPTH, 0, ROOT, SLOT + 1,
                                DEPTH));
    assert_int_equal(paddr_of(SLOT + 1), second);
    assert_int_equal(paddr_of(SLOT + 2), first);
    assert_answer(seL4_CNode_Rotate(ROOT, SLOT + 1, DEPTH, 0, ROOT, SLOT + 1, DEPTH, 0, ROOT,
                                    SLOT + 2, DEPTH),
                  seL4_IllegalOperation);
}

static void an_invocation_of_the_wrong_cap_is_refused(void **state)
{
    (void)state;
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT);
    assert_answer(seL4_ARM_PageTable_Unmap(SLOT), seL4_IllegalOperation);
    assert_answer(seL4_ARM_Page_Unmap(SLOT + 1), seL4_InvalidCapability);
    assert_int_equal(seL4_GetMR(0), 0);
    assert_answer(seL4_ARM_Page_Unmap(ROOT), seL4_IllegalOperation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(copies_are_refused_for_what_cannot_be_shared),
        test(the_last_cap_of_a_frame_ends_it),
        test(revoking_the_first_cap_deletes_its_copies_and_theirs),
        test(a_move_keeps_children_and_mapping),
        test(a_badge_is_set_once),
        test(a_wrong_address_is_a_failed_lookup_that_says_how),
        test(deleting_a_cnode_deletes_what_is_in_it),
        test(cnodes_that_hold_each_other_end_with_their_memory),
        test(slots_in_a_cnode_of_ones_own_are_found_by_guard_and_depth),
        test(rotate_moves_two_caps_or_swaps_them),
        test(an_invocation_of_the_wrong_cap_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

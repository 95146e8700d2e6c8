/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "fixture.h"

static void a_root_gets_one_asid(void **state)
{
    simple_t *simple = guestmem_host_simple(host);
    seL4_CPtr root = make(untyped(13), seL4_ARM_VSpaceObject, 0, SLOT);

    (void)state;
    assert_ok(simple_ASIDPool_assign(simple, root));
    assert_answer(simple_ASIDPool_assign(simple, root), seL4_InvalidCapability);
    assert_int_equal(seL4_GetMR(0), 1);
    assert_answer(simple_ASIDPool_assign(simple, ROOT), seL4_InvalidCapability);
}

static void a_full_pool_answers_delete_first_and_a_new_one_helps(void **state)
{
    seL4_CPtr from = untyped(23), pool_memory = untyped(12);
    seL4_CPtr pool = SLOT + 1000;

    (void)state;
    assert_ok(retype(from, seL4_ARM_VSpaceObject, 0, SLOT, 256));
    assert_ok(retype(from, seL4_ARM_VSpaceObject, 0, SLOT + 256, 256));
    for (seL4_CPtr k = 0; k < 510; k++) { /* 0 means none, 1 is the root task's */
        assert_ok(seL4_ARM_ASIDPool_Assign(seL4_CapInitThreadASIDPool, SLOT + k));
    }
    assert_answer(seL4_ARM_ASIDPool_Assign(seL4_CapInitThreadASIDPool, SLOT + 510),
                  seL4_DeleteFirst);
    assert_ok(seL4_ARM_ASIDControl_MakePool(seL4_CapASIDControl, pool_memory, ROOT, pool, DEPTH));
    assert_ok(seL4_ARM_ASIDPool_Assign(pool, SLOT + 510));
    assert_ok(delete_cap(SLOT));
    assert_ok(seL4_ARM_ASIDPool_Assign(seL4_CapInitThreadASIDPool, SLOT + 511));
}

static void a_pool_is_made_of_an_untouched_page_of_normal_memory(void **state)
{
    seL4_CPtr memory = untyped(12);

    (void)state;
    assert_answer(
        seL4_ARM_ASIDControl_MakePool(seL4_CapASIDControl, untyped(13), ROOT, SLOT, DEPTH),
        seL4_InvalidCapability);
    assert_answer(
        seL4_ARM_ASIDControl_MakePool(seL4_CapASIDControl, device_untyped(12), ROOT, SLOT, DEPTH),
        seL4_InvalidCapability);
    make(memory, seL4_EndpointObject, 0, SLOT);
    assert_answer(seL4_ARM_ASIDControl_MakePool(seL4_CapASIDControl, memory, ROOT, SLOT, DEPTH),
                  seL4_RevokeFirst);
    assert_ok(delete_cap(SLOT));
    assert_ok(seL4_ARM_ASIDControl_MakePool(seL4_CapASIDControl, memory, ROOT, SLOT, DEPTH));
    assert_answer(retype(memory, seL4_EndpointObject, 0, SLOT + 1, 1), seL4_NotEnoughMemory);
}

static void spaces_end_with_their_pool(void **state)
{
    seL4_CPtr root = make(untyped(13), seL4_ARM_VSpaceObject, 0, SLOT);

    (void)state;
    assert_ok(
        seL4_ARM_ASIDControl_MakePool(seL4_CapASIDControl, untyped(12), ROOT, SLOT + 1, DEPTH));
    assert_ok(seL4_ARM_ASIDPool_Assign(SLOT + 1, root));
    make(untyped(30), seL4_ARM_HugePageObject, 0, SLOT + 2);
    assert_ok(map(SLOT + 2, root, 0, seL4_AllRights));
    assert_ok(delete_cap(SLOT + 1));
    assert_false(leaf_at(root, 0, NULL));
    assert_answer(map(SLOT + 2, root, 0, seL4_AllRights), seL4_FailedLookup);
    assert_int_equal(seL4_GetMR(1), seL4_InvalidRoot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_root_gets_one_asid),
        test(a_full_pool_answers_delete_first_and_a_new_one_helps),
        test(a_pool_is_made_of_an_untouched_page_of_normal_memory),
        test(spaces_end_with_their_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

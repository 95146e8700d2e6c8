/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "fixture.h"

#include <errno.h>
#include <string.h>

static const char *struck(void)
{
    const char *step = "nothing";

    guestmem_host_failed(host, &step);
    return step;
}

static void the_kth_slot_fails_and_the_next_does_not(void **state)
{
    seL4_CPtr slot;

    (void)state;
    guestmem_host_fail(host, GUESTMEM_HOST_FAIL_SLOT, 3, false);
    assert_int_equal(vka_cspace_alloc(vka, &slot), 0);
    assert_int_equal(vka_cspace_alloc(vka, &slot), 0);
    assert_false(guestmem_host_failed(host, NULL));
    assert_int_not_equal(vka_cspace_alloc(vka, &slot), 0);
    assert_true(guestmem_host_failed(host, NULL));
    assert_string_equal(struck(), "cspace_alloc");
    assert_int_equal(vka_cspace_alloc(vka, &slot), 0);
}

static void a_sticky_failure_stays_until_disarmed(void **state)
{
    seL4_CPtr slot;

    (void)state;
    guestmem_host_fail(host, GUESTMEM_HOST_FAIL_SLOT, 1, true);
    assert_int_not_equal(vka_cspace_alloc(vka, &slot), 0);
    assert_int_not_equal(vka_cspace_alloc(vka, &slot), 0);
    guestmem_host_fail(host, GUESTMEM_HOST_FAIL_ANY, 0, false);
    assert_int_equal(vka_cspace_alloc(vka, &slot), 0);
    assert_false(guestmem_host_failed(host, NULL));
}

static void the_allocators_own_requests_are_not_numbered(void **state)
{
    vka_object_t frame;

    (void)state;
    guestmem_host_fail(host, GUESTMEM_HOST_FAIL_INVOCATION | GUESTMEM_HOST_FAIL_SLOT, 2, false);
    assert_ok(vka_alloc_frame(vka, 12, &frame)); /* 21 retypes and 41 slots of its own, 1 of ours */
    assert_false(guestmem_host_failed(host, NULL));
    assert_int_equal(seL4_ARM_Page_GetAddress(frame.cptr).error, seL4_NotEnoughMemory);
    assert_string_equal(struck(), "Page_GetAddress");
}

static void a_failed_object_takes_nothing(void **state)
{
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(host), *after;
    vka_object_t frame;

    (void)state;
    guestmem_host_fail(host, GUESTMEM_HOST_FAIL_OBJECT, 1, true);
    assert_int_not_equal(vka_alloc_frame(vka, 12, &frame), 0);
    assert_int_not_equal(vka_alloc_frame_at(vka, 12, DEVICE_BASE, &frame), 0);
    assert_string_equal(struck(), "utspace_alloc_at");
    after = guestmem_host_snapshot(host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

static void each_invocation_that_can_fail_does_and_changes_nothing(void **state)
{
    seL4_CPtr from = untyped(16), root = space(), raw = untyped(13);
    struct guestmem_host_snapshot *before, *after;
    static const char *const steps[] = {"Untyped_Retype", "CNode_Copy",     "CNode_Mint",
                                        "CNode_Move",     "Page_Map",       "PageTable_Map",
                                        "ASIDPool_Assign"};

    (void)state;
    make(from, seL4_ARM_SmallPageObject, 0, SLOT);
    make(from, seL4_ARM_PageTableObject, 0, SLOT + 1);
    make(raw, seL4_ARM_VSpaceObject, 0, SLOT + 2);
    tables(root, 0);
    before = guestmem_host_snapshot(host);
    for (unsigned k = 0; k < ARRAY_SIZE(steps); k++) {
        seL4_Error err;

        guestmem_host_fail(host, GUESTMEM_HOST_FAIL_INVOCATION, 1, false);
        switch (k) {
        case 0:
            err = retype(from, seL4_EndpointObject, 0, SLOT + 5, 1);
            break;
        case 1:
            err = copy(SLOT, SLOT + 5, seL4_AllRights);
            break;
        case 2:
            err = seL4_CNode_Mint(ROOT, SLOT + 5, DEPTH, ROOT, SLOT, DEPTH, seL4_AllRights, 0);
            break;
        case 3:
            err = seL4_CNode_Move(ROOT, SLOT + 5, DEPTH, ROOT, SLOT, DEPTH);
            break;
        case 4:
            err = map(SLOT, root, 0, seL4_AllRights);
            break;
        case 5:
            err = seL4_ARM_PageTable_Map(SLOT + 1, root, MIB(2), 0);
            break;
        default:
            err = simple_ASIDPool_assign(guestmem_host_simple(host), SLOT + 2);
            break;
        }
        assert_answer(err, seL4_NotEnoughMemory);
        assert_string_equal(struck(), steps[k]);
        after = guestmem_host_snapshot(host);
        assert_true(guestmem_host_snapshot_same(before, after, stderr));
        guestmem_host_snapshot_free(after);
    }
    guestmem_host_snapshot_free(before);
}

static void delete_revoke_and_unmap_never_fail(void **state)
{
    seL4_CPtr from = untyped(16), root = space();
    vka_object_t table;

    (void)state;
    tables(root, 0);
    make(from, seL4_ARM_SmallPageObject, 0, SLOT);
    assert_ok(map(SLOT, root, 0, seL4_AllRights));
    assert_ok(vka_alloc_page_table(vka, &table));
    assert_ok(seL4_ARM_PageTable_Map(table.cptr, root, MIB(2), 0));
    guestmem_host_fail(host, GUESTMEM_HOST_FAIL_ANY, 1, true);
    assert_ok(seL4_ARM_Page_Unmap(SLOT));
    assert_ok(seL4_ARM_PageTable_Unmap(table.cptr));
    vka_free_object(vka, &table);
    assert_ok(delete_cap(SLOT));
    assert_ok(revoke_cap(from));
    assert_false(guestmem_host_failed(host, NULL));
}

static void malloc_fails_wherever_it_comes_from(void **state)
{
    ps_malloc_ops_t *ops = &guestmem_host_io_ops(host)->malloc_ops, stdlib_ops;
    void *block = NULL, *other = NULL;
    struct guestmem_host_counts before, after;

    (void)state;
    assert_int_equal(ps_new_stdlib_malloc_ops(&stdlib_ops), 0);
    guestmem_host_count(host, &before);
    guestmem_host_fail(host, GUESTMEM_HOST_FAIL_MALLOC, 2, false);
    assert_int_equal(ps_malloc(ops, 100, &block), 0);
    assert_int_equal(ps_calloc(&stdlib_ops, 3, 7, &other), ENOMEM);
    assert_null(other);
    assert_string_equal(struck(), "calloc");
    assert_int_equal(ps_calloc(&stdlib_ops, 3, 7, &other), 0);
    guestmem_host_count(host, &after);
    assert_int_equal(after.malloc_bytes - before.malloc_bytes, 121);
    assert_int_equal(after.malloc_blocks - before.malloc_blocks, 2);
    assert_int_equal(after.mallocs - before.mallocs, 2);
    assert_int_equal(ps_free(&stdlib_ops, 100, block), 0);
    assert_int_equal(ps_free(ops, 21, other), 0);
    guestmem_host_count(host, &after);
    assert_int_equal(after.malloc_bytes, before.malloc_bytes);
    assert_int_equal(ps_calloc(ops, SIZE_MAX / 2, 3, &other), ENOMEM);
}

static void each_request_of_the_vmms_space_fails_and_changes_nothing(void **state)
{
    vspace_t *vmm = guestmem_host_vspace(host);
    struct guestmem_host_snapshot *before, *after;
    uint8_t *bytes = vspace_new_pages(vmm, seL4_AllRights, 1, 12);
    vka_object_t frame;
    void *vaddr;

    (void)state;
    assert_ok(vka_alloc_frame(vka, 12, &frame));
    before = guestmem_host_snapshot(host);
    guestmem_host_fail(host, GUESTMEM_HOST_FAIL_VMM_MAP, 1, true);
    assert_null(vspace_reserve_range(vmm, 4096, seL4_AllRights, 1, &vaddr).res);
    assert_null(vspace_reserve_range_at(vmm, bytes + 4096, 4096, seL4_AllRights, 1).res);
    assert_null(vspace_reserve_deferred_rights_range_at(vmm, bytes + 4096, 4096, 1).res);
    assert_null(vspace_map_pages(vmm, &frame.cptr, NULL, seL4_AllRights, 1, 12, 1));
    assert_null(vspace_new_pages(vmm, seL4_AllRights, 1, 12));
    assert_null(vspace_share_mem(vmm, vmm, bytes, 1, 12, seL4_AllRights, 1));
    guestmem_host_fail(host, GUESTMEM_HOST_FAIL_VMM_MAP, 2, false); /* after its reservation */
    assert_null(vspace_share_mem(vmm, vmm, bytes, 1, 12, seL4_AllRights, 1));
    assert_string_equal(struck(), "vspace_share_mem_at_vaddr");
    guestmem_host_fail(host, GUESTMEM_HOST_FAIL_VMM_MAP, 3, false);
    assert_null(vspace_share_mem(vmm, vmm, bytes, 1, 12, seL4_AllRights, 1));
    assert_string_equal(struck(), "vspace_map_pages_at_vaddr");
    after = guestmem_host_snapshot(host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(the_kth_slot_fails_and_the_next_does_not),
        test(a_sticky_failure_stays_until_disarmed),
        test(the_allocators_own_requests_are_not_numbered),
        test(a_failed_object_takes_nothing),
        test(each_invocation_that_can_fail_does_and_changes_nothing),
        test(delete_revoke_and_unmap_never_fail),
        test(malloc_fails_wherever_it_comes_from),
        test(each_request_of_the_vmms_space_fails_and_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

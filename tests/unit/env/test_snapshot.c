/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Each change of state, alone, is a difference that the report names.
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

static struct guestmem_host_snapshot *before;

/* The report of what changed since `before` was taken. */
static void assert_reported(const char *what)
{
    struct guestmem_host_snapshot *after = guestmem_host_snapshot(host);
    char *text = NULL;
    size_t size = 0;
    FILE *report = open_memstream(&text, &size);

    assert_non_null(after);
    assert_false(guestmem_host_snapshot_same(before, after, report));
    fclose(report);
    if (strstr(text, what) == NULL) {
        fail_msg("'%s' is not in the report:\n%s", what, text);
    }
    assert_false(guestmem_host_snapshot_same(before, after, NULL));
    free(text);
    guestmem_host_snapshot_free(before);
    before = after;
}

static void assert_unchanged(void)
{
    struct guestmem_host_snapshot *after = guestmem_host_snapshot(host);

    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(after);
}

static int setup(void **state)
{
    int err = fixture_setup(state);

    before = err == 0 ? guestmem_host_snapshot(host) : NULL;
    return before == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    guestmem_host_snapshot_free(before);
    return fixture_teardown(state);
}

static void a_taken_slot_is_a_difference(void **state)
{
    seL4_CPtr slot;

    (void)state;
    assert_unchanged();
    assert_int_equal(vka_cspace_alloc(vka, &slot), 0);
    assert_reported("taken, without a cap");
    vka_cspace_free(vka, slot);
    assert_reported("gone: slot");
}

static void memory_that_is_not_given_back_is_a_difference(void **state)
{
    vka_object_t frame;

    (void)state;
    assert_ok(vka_alloc_frame(vka, 12, &frame));
    assert_reported("memory at 0x80000000, 2^12: taken");
    assert_ok(delete_cap(frame.cptr));
    vka_cspace_free(vka, frame.cptr);
    assert_reported("gone: slot"); /* the cap, but not the memory */
    vka_utspace_free(vka, frame.type, frame.size_bits, frame.ut);
    assert_reported("gone: memory at");
}

static void a_cap_is_compared_with_mapping_rights_and_parent(void **state)
{
    seL4_CPtr root = space();

    (void)state;
    tables(root, 0);
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT);
    assert_reported("frame at");
    assert_ok(copy(SLOT, SLOT + 1, seL4_CanRead));
    assert_reported("child of slot 500000");
    assert_ok(map(SLOT, root, 0x5000, seL4_CanRead));
    assert_reported("mapped at 0x5000");
    assert_ok(map(SLOT, root, 0x5000, seL4_AllRights)); /* the cap says the same as before */
    assert_reported("read write cached");
    assert_ok(seL4_ARM_Page_Map(SLOT, root, 0x5000, seL4_AllRights, 0));
    assert_reported("is now: ASID");
    assert_ok(seL4_ARM_Page_Unmap(SLOT));
    assert_reported("gone: ASID");
    assert_ok(delete_cap(SLOT + 1));
    assert_ok(copy(SLOT, SLOT + 1, seL4_AllRights));
    assert_reported("rights 0x3");
}

static void the_watermark_counts_while_there_are_children(void **state)
{
    seL4_CPtr from = untyped(14);

    (void)state;
    make(from, seL4_ARM_SmallPageObject, 0, SLOT);
    assert_reported("bytes handed out");
    make(from, seL4_ARM_SmallPageObject, 0, SLOT + 1);
    assert_ok(delete_cap(SLOT + 1));
    assert_reported("0x2000 bytes handed out");
    assert_ok(delete_cap(SLOT));
    assert_reported("0 bytes handed out");
    make(from, seL4_ARM_SmallPageObject, 0, SLOT);
    assert_ok(delete_cap(SLOT));
    assert_unchanged();
}

static void the_vmms_ranges_and_pages_are_differences(void **state)
{
    vspace_t *vmm = guestmem_host_vspace(host);
    void *vaddr;
    reservation_t res = vspace_reserve_range(vmm, 4096, seL4_AllRights, 1, &vaddr);
    vka_object_t frame;

    (void)state;
    assert_reported("new: VMM range");
    assert_ok(vka_alloc_frame(vka, 12, &frame));
    assert_reported("frame at");
    assert_ok(vspace_map_pages_at_vaddr(vmm, &frame.cptr, NULL, vaddr, 1, 12, res));
    assert_reported("new: VMM page");
    vspace_free_reservation(vmm, res);
    assert_reported("is now: VMM range");
}

static void bytes_from_malloc_are_a_difference(void **state)
{
    ps_malloc_ops_t *ops = &guestmem_host_io_ops(host)->malloc_ops;
    void *block;

    (void)state;
    assert_int_equal(ps_malloc(ops, 10, &block), 0);
    assert_reported("malloc'd: 10 bytes in 1 blocks");
    assert_int_equal(ps_free(ops, 10, block), 0);
}

static void caps_in_other_cnodes_are_seen(void **state)
{
    seL4_CPtr node = make(untyped(12), seL4_CapTableObject, 4, SLOT);

    (void)state;
    assert_reported("CNode");
    make(untyped(12), seL4_ARM_SmallPageObject, 0, SLOT + 1);
    assert_ok(seL4_CNode_Move(node, 3, 4, ROOT, SLOT + 1, DEPTH));
    assert_reported("slot 3 of the CNode at");
}

int main(void)
{
#define compared(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        compared(a_taken_slot_is_a_difference),
        compared(memory_that_is_not_given_back_is_a_difference),
        compared(a_cap_is_compared_with_mapping_rights_and_parent),
        compared(the_watermark_counts_while_there_are_children),
        compared(the_vmms_ranges_and_pages_are_differences),
        compared(bytes_from_malloc_are_a_difference),
        compared(caps_in_other_cnodes_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

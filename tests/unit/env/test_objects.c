/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * What a root task asks its surroundings for: each kind of object, and boot information, through the
 * functions that VMMs call.
 */
#include "fixture.h"

#include <vka/capops.h>
#include <vspace/page.h>

/* Each is taken, is of its type, and its memory comes back whole. */
static void each_kind_of_object_is_made_and_given_back(void **state)
{
    static int (*const alloc[])(vka_t *, vka_object_t *) = {
        vka_alloc_tcb,        vka_alloc_endpoint, vka_alloc_notification, vka_alloc_page_directory,
        vka_alloc_page_table, vka_alloc_vcpu,     vka_alloc_vspace_root};
    static const seL4_Word type[] = {
        seL4_TCBObject,           seL4_EndpointObject, seL4_NotificationObject, seL4_ARM_PageTableObject,
        seL4_ARM_PageTableObject, seL4_ARM_VCPUObject, seL4_ARM_VSpaceObject};
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(host);
    struct guestmem_host_snapshot *after;

    (void)state;
    for (unsigned i = 0; i < sizeof(alloc) / sizeof(alloc[0]); i++) {
        vka_object_t object;

        assert_int_equal(alloc[i](vka, &object), 0);
        assert_int_equal(object.type, type[i]);
        assert_false(is_empty(object.cptr));
        assert_int_not_equal(vka_object_paddr(vka, &object), VKA_NO_PADDR);
        vka_free_object(vka, &object);
    }
    after = guestmem_host_snapshot(host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

static void objects_that_nobody_gives_back_are_made_as_well(void **state)
{
    (void)state;
    assert_false(is_empty(vka_alloc_tcb_leaky(vka)));
    assert_false(is_empty(vka_alloc_endpoint_leaky(vka)));
    assert_false(is_empty(vka_alloc_notification_leaky(vka)));
    assert_false(is_empty(vka_alloc_page_directory_leaky(vka)));
    assert_false(is_empty(vka_alloc_page_table_leaky(vka)));
    assert_false(is_empty(vka_alloc_vcpu_leaky(vka)));
    assert_false(is_empty(vka_alloc_vspace_root_leaky(vka)));
    assert_false(is_empty(vka_alloc_untyped_leaky(vka, 14)));
    assert_false(is_empty(vka_alloc_cnode_object_leaky(vka, 6)));
    assert_false(is_empty(vka_alloc_frame_leaky(vka, seL4_LargePageBits)));
    assert_int_equal(vka_alloc_frame_leaky(vka, 13), 0); /* there are no such frames */
}

static void a_kind_of_object_has_a_type_and_a_size(void **state)
{
    static const struct {
        kobject_t kind;
        seL4_Word argument, type, bits;
    } kinds[] = {
        {KOBJECT_FRAME, seL4_PageBits, seL4_ARM_SmallPageObject, seL4_PageBits},
        {KOBJECT_FRAME, seL4_LargePageBits, seL4_ARM_LargePageObject, seL4_LargePageBits},
        {KOBJECT_FRAME, seL4_HugePageBits, seL4_ARM_HugePageObject, seL4_HugePageBits},
        {KOBJECT_FRAME, 13, (seL4_Word)-1, 0},
        {KOBJECT_PAGE_DIRECTORY, 0, seL4_ARM_PageTableObject, seL4_PageTableBits},
        {KOBJECT_PAGE_TABLE, 0, seL4_ARM_PageTableObject, seL4_PageTableBits},
        {KOBJECT_TCB, 0, seL4_TCBObject, seL4_TCBBits},
        {KOBJECT_CNODE, 4, seL4_CapTableObject, 4 + seL4_SlotBits},
        {KOBJECT_UNTYPED, 17, seL4_UntypedObject, 17},
        {KOBJECT_ENDPOINT, 0, seL4_EndpointObject, seL4_EndpointBits},
        {KOBJECT_NOTIFICATION, 0, seL4_NotificationObject, seL4_NotificationBits},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        vka_object_t object;

        assert_int_equal(kobject_get_type(kinds[i].kind, kinds[i].argument), kinds[i].type);
        assert_int_equal(kobject_get_size(kinds[i].kind, kinds[i].argument), kinds[i].bits);
        if (kinds[i].type == (seL4_Word)-1) {
            assert_int_not_equal(vka_alloc_kobject(vka, kinds[i].kind, kinds[i].argument, &object), 0);
            continue;
        }
        assert_int_equal(vka_get_object_size(kinds[i].type, kinds[i].argument), kinds[i].bits);
        assert_int_equal(vka_alloc_kobject(vka, kinds[i].kind, kinds[i].argument, &object), 0);
        vka_free_object(vka, &object);
    }
    assert_int_equal(kobject_get_type(KOBJECT_REPLY, 0), (seL4_Word)-1); /* no MCS */
    assert_int_equal(kobject_get_type(KOBJECT_SCHED_CONTEXT, 0), (seL4_Word)-1);
}

static void objects_lie_where_they_are_asked_for(void **state)
{
    vka_object_t object;

    (void)state;
    assert_int_equal(vka_alloc_untyped_at(vka, 16, DEVICE_BASE, &object), 0);
    assert_int_equal(vka_object_paddr(vka, &object), DEVICE_BASE);
    vka_free_object(vka, &object);
    assert_int_equal(vka_alloc_frame_at(vka, seL4_PageBits, DEVICE_BASE + KIB(8), &object), 0);
    assert_int_equal(paddr_of(object.cptr), DEVICE_BASE + KIB(8));
    vka_free_object(vka, &object);
    assert_int_equal(vka_alloc_frame_maybe_device(vka, seL4_PageBits, true, &object), 0);
    vka_free_object(vka, &object);
    assert_int_equal(vka_alloc_cnode_object(vka, 5, &object), 0);
    vka_free_object(vka, &object);
}

/* ------------------------------------------------------------------------------ caps by path */

static void caps_go_from_path_to_path(void **state)
{
    enum { A, B, C, PATHS };
    cspacepath_t path[PATHS];
    vka_object_t frame;

    (void)state;
    for (unsigned i = B; i < PATHS; i++) {
        assert_int_equal(vka_cspace_alloc_path(vka, &path[i]), 0);
    }
    assert_int_equal(vka_alloc_frame(vka, seL4_PageBits, &frame), 0);
    vka_cspace_make_path(vka, frame.cptr, &path[A]);
    assert_ok(vka_cnode_copy(&path[B], &path[A], seL4_AllRights));
    assert_answer(vka_cnode_copy(&path[B], &path[A], seL4_AllRights), seL4_DeleteFirst);
    assert_ok(vka_cnode_move(&path[C], &path[B]));
    assert_true(is_empty(path[B].capPtr));
    assert_int_equal(paddr_of(path[C].capPtr), paddr_of(frame.cptr));
    assert_ok(vka_cnode_revoke(&path[A]));
    assert_true(is_empty(path[C].capPtr));
    assert_ok(vka_cnode_mint(&path[C], &path[A], seL4_CanRead, 0));
    assert_ok(vka_cnode_delete(&path[C]));
    assert_true(is_empty(path[C].capPtr));
    assert_false(is_empty(path[A].capPtr));
}

static void an_untyped_is_retyped_into_a_run_of_slots(void **state)
{
    vka_object_t object;
    cspacepath_t dest;

    (void)state;
    assert_int_equal(vka_alloc_untyped(vka, 14, &object), 0);
    vka_cspace_make_path(vka, SLOT, &dest);
    assert_ok(vka_untyped_retype(&object, seL4_ARM_SmallPageObject, seL4_PageBits, 3, &dest));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(paddr_of(SLOT + i), vka_object_paddr(vka, &object) + i * KIB(4));
    }
    assert_true(is_empty(SLOT + 3));
}

/* ---------------------------------------------------------------------------------- values */

static void rights_are_four_bits_each_by_itself(void **state)
{
    seL4_CapRights_t rights = seL4_NoRights;

    (void)state;
    assert_int_equal(seL4_CapRights_get_capAllowGrantReply(seL4_CanGrantReply), 1);
    assert_int_equal(seL4_CapRights_get_capAllowGrant(seL4_CanGrantReply), 0);
    assert_int_equal(seL4_CapRights_get_capAllowGrant(seL4_CanGrant), 1);
    assert_int_equal(seL4_CapRights_get_capAllowGrantReply(seL4_CanGrant), 0);
    rights = seL4_CapRights_set_capAllowRead(rights, 1);
    assert_int_equal(rights.words[0], seL4_CanRead.words[0]);
    rights = seL4_CapRights_set_capAllowWrite(rights, 1);
    assert_int_equal(rights.words[0], seL4_ReadWrite.words[0]);
    rights = seL4_CapRights_set_capAllowRead(rights, 0);
    assert_int_equal(rights.words[0], seL4_CanWrite.words[0]);
    rights = seL4_CapRights_set_capAllowWrite(seL4_AllRights, 0);
    assert_int_equal(rights.words[0], seL4_NoWrite.words[0]);
}

static void a_message_has_a_label_and_a_length(void **state)
{
    seL4_MessageInfo_t info = seL4_MessageInfo_new(0x1234567, 7, 3, 120);

    (void)state;
    assert_int_equal(seL4_MessageInfo_get_label(info), 0x1234567);
    assert_int_equal(seL4_MessageInfo_get_length(info), 120);
}

static void a_region_has_a_largest_page(void **state)
{
    (void)state;
    assert_int_equal(sel4_page_size_bits_for_memory_region(0), seL4_PageBits);
    assert_int_equal(sel4_page_size_bits_for_memory_region(MIB(2) - 1), seL4_PageBits);
    assert_int_equal(sel4_page_size_bits_for_memory_region(MIB(2)), seL4_LargePageBits);
    assert_int_equal(sel4_page_size_bits_for_memory_region(GIB(1) - 1), seL4_LargePageBits);
    assert_int_equal(sel4_page_size_bits_for_memory_region(GIB(5)), seL4_HugePageBits);
}

/* ------------------------------------------------------------------------- boot information */

static void boot_information_has_the_first_caps_and_the_untypeds(void **state)
{
    simple_t *simple = guestmem_host_simple(host);
    int count = simple_get_cap_count(simple);
    int untypeds = simple_get_untyped_count(simple);

    (void)state;
    assert_true(untypeds > 0 && count > untypeds);
    for (int i = 0; i < count; i++) {
        seL4_CPtr cap = simple_get_nth_cap(simple, i);

        assert_int_not_equal(cap, seL4_CapNull);
        if (i >= count - untypeds) {
            assert_int_equal(cap, simple_get_nth_untyped(simple, i - (count - untypeds), NULL, NULL,
                                                         NULL));
        }
    }
    assert_int_equal(simple_get_nth_cap(simple, count), seL4_CapNull);
    assert_int_equal(simple_get_nth_cap(simple, -1), seL4_CapNull);
    assert_int_equal(simple_get_nth_untyped(simple, -1, NULL, NULL, NULL), seL4_CapNull);
    assert_int_equal(simple_get_tcb(simple), seL4_CapInitThreadTCB);
    assert_int_equal(simple_get_pd(simple), seL4_CapInitThreadVSpace);
    assert_int_equal(simple_get_irq_ctrl(simple), seL4_CapIRQControl);
    assert_int_equal(simple_get_init_cap(simple, seL4_CapASIDControl), seL4_CapASIDControl);
}

/* A frame's untyped and where it lies in it; nothing for addresses that nobody has. */
static void frames_are_found_in_their_untypeds(void **state)
{
    simple_t *simple = guestmem_host_simple(host);
    seL4_CPtr cap = 0;
    seL4_Word offset = 1;

    (void)state;
    assert_null(simple_get_frame_vaddr(simple, (void *)DEVICE_BASE, seL4_PageBits));
    assert_null(
        simple_get_frame_info(simple, (void *)(DEVICE_BASE + KIB(12)), seL4_PageBits, &cap, &offset));
    assert_int_not_equal(cap, 0);
    assert_int_equal(offset, KIB(12));
    cap = 0;
    assert_null(simple_get_frame_info(simple, (void *)KIB(4), seL4_PageBits, &cap, &offset));
    assert_int_equal(cap, 0);
}

/* Whoever brings boot information may lack any of it. */
static void boot_information_that_is_not_there_is_an_error(void **state)
{
    simple_t blank = {0};
    simple_t *const none[] = {NULL, &blank};
    cspacepath_t path = {0};
    seL4_CPtr cap = 0;
    seL4_Word offset = 0;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        simple_t *simple = none[i];

        assert_int_equal(simple_get_frame_cap(simple, NULL, 12, &path), seL4_InvalidArgument);
        assert_null(simple_get_frame_vaddr(simple, NULL, 12));
        assert_null(simple_get_frame_info(simple, NULL, 12, &cap, &offset));
        assert_int_equal(simple_ASIDPool_assign(simple, 1), seL4_InvalidArgument);
        assert_int_equal(simple_get_cap_count(simple), -1);
        assert_int_equal(simple_get_nth_cap(simple, 0), seL4_CapNull);
        assert_int_equal(simple_get_tcb(simple), seL4_CapNull);
        assert_int_equal(simple_get_cnode_size_bits(simple), -1);
        assert_int_equal(simple_get_untyped_count(simple), -1);
        assert_int_equal(simple_get_nth_untyped(simple, 0, NULL, NULL, NULL), seL4_CapNull);
        assert_int_equal(simple_get_userimage_count(simple), -1);
        assert_int_equal(simple_get_nth_userimage(simple, 0), seL4_CapNull);
        assert_int_equal(simple_get_core_count(simple), -1);
        simple_print(simple);
        assert_int_equal(simple_get_sched_ctrl(simple, 0), seL4_CapNull);
        assert_int_equal(simple_get_extended_bootinfo_length(simple, 0), -1);
        assert_int_equal(simple_get_extended_bootinfo(simple, 0, NULL, 0), -1);
        assert_int_equal(simple_get_IRQ_handler(simple, 1, path), seL4_InvalidArgument);
    }
}

static void there_are_cores_and_no_image_of_a_user(void **state)
{
    simple_t *simple = guestmem_host_simple(host);

    (void)state;
    assert_int_equal(simple_get_userimage_count(simple), 0);
    assert_int_equal(simple_get_nth_userimage(simple, 0), seL4_CapNull);
    assert_true(simple_get_core_count(simple) > 0);
    assert_int_equal(simple_get_sched_ctrl(simple, 0), seL4_CapNull);
    assert_true(simple_get_extended_bootinfo_length(simple, 0) <= 0);
    simple_print(simple);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(each_kind_of_object_is_made_and_given_back),
        test(objects_that_nobody_gives_back_are_made_as_well),
        test(a_kind_of_object_has_a_type_and_a_size),
        test(objects_lie_where_they_are_asked_for),
        test(caps_go_from_path_to_path),
        test(an_untyped_is_retyped_into_a_run_of_slots),
        test(rights_are_four_bits_each_by_itself),
        test(a_message_has_a_label_and_a_length),
        test(a_region_has_a_largest_page),
        test(boot_information_has_the_first_caps_and_the_untypeds),
        test(frames_are_found_in_their_untypeds),
        test(boot_information_that_is_not_there_is_an_error),
        test(there_are_cores_and_no_image_of_a_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

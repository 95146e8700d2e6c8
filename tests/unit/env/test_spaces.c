/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Address spaces and allocators as VMMs call them: stacks, IPC buffers, what a space, an allocator
 * or host memory lacks, and what is refused.
 */
#include "fixture.h"

#include <errno.h>
#include <string.h>

#include <vka/capops.h>

static vspace_t *vmm(void)
{
    return guestmem_host_vspace(host);
}

static struct guestmem_host_counts counts(void)
{
    struct guestmem_host_counts now;

    guestmem_host_count(host, &now);
    return now;
}

static vka_object_t new_frame(void)
{
    vka_object_t frame;

    assert_int_equal(vka_alloc_frame(vka, seL4_PageBits, &frame), 0);
    return frame;
}

/* ---------------------------------------------------------------------------- what VMMs call */

static void a_stack_can_be_written_and_has_a_guard(void **state)
{
    struct guestmem_host_counts before = counts();
    const size_t pages = CONFIG_SEL4UTILS_STACK_SIZE / PAGE_SIZE_4K;
    uint8_t *top = vspace_new_stack(vmm());

    (void)state;
    assert_non_null(top);
    memset(top - CONFIG_SEL4UTILS_STACK_SIZE, 1, CONFIG_SEL4UTILS_STACK_SIZE);
    assert_int_equal(counts().vmm_mappings, before.vmm_mappings + pages);
    assert_int_equal(counts().vmm_reserved_bytes,
                     before.vmm_reserved_bytes + (pages + 1) * PAGE_SIZE_4K);
    assert_int_equal(vspace_get_cap(vmm(), top - CONFIG_SEL4UTILS_STACK_SIZE - 1), seL4_CapNull);
    vspace_free_stack(vmm(), top);
    assert_int_equal(counts().vmm_mappings, before.vmm_mappings);
    assert_int_equal(counts().vmm_reserved_bytes, before.vmm_reserved_bytes);
    assert_int_equal(counts().free_bytes, before.free_bytes);
}

static void an_ipc_buffer_is_a_page_with_its_cap(void **state)
{
    struct guestmem_host_counts before = counts();
    seL4_CPtr cap = 0;
    uint8_t *buffer = vspace_new_ipc_buffer(vmm(), &cap);

    (void)state;
    assert_non_null(buffer);
    assert_int_equal(cap, vspace_get_cap(vmm(), buffer));
    buffer[1] = 0x77;
    assert_int_equal(bytes_of(cap)[1], 0x77);
    vspace_free_ipc_buffer(vmm(), buffer);
    assert_int_equal(counts().vmm_mappings, before.vmm_mappings);
    assert_int_equal(counts().free_bytes, before.free_bytes);
    assert_non_null(seL4_GetIPCBuffer());
}

static void keep_object(void *cookie, vka_object_t object)
{
    *(vka_object_t *)cookie = object;
}

static void whoever_asks_is_told_of_each_object(void **state)
{
    vspace_t listened = *vmm();
    vka_object_t told = {0};
    void *page;

    (void)state;
    listened.allocated_object = keep_object;
    listened.allocated_object_cookie = &told;
    page = vspace_new_pages(&listened, seL4_AllRights, 1, seL4_PageBits);
    assert_non_null(page);
    assert_int_equal(told.cptr, vspace_get_cap(vmm(), page));
    assert_int_equal(told.ut, vspace_get_cookie(vmm(), page));
}

/* -------------------------------------------------------------------------- what a space lacks */

static void a_space_that_lacks_functions_answers_an_error(void **state)
{
    vspace_t blank = {0};
    vspace_t *const none[] = {NULL, &blank};
    vspace_new_pages_config_t config = {.num_pages = 1, .size_bits = 12};
    reservation_t some = {.res = &blank};
    vka_object_t object = {0};
    seL4_CPtr cap = 1;
    void *vaddr = NULL;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        vspace_t *v = none[i];

        assert_null(vspace_new_pages(v, seL4_AllRights, 1, 12));
        assert_null(vspace_map_pages(v, &cap, NULL, seL4_AllRights, 1, 12, 1));
        assert_int_equal(vspace_new_pages_at_vaddr(v, &cap, 1, 12, some), -1);
        assert_int_equal(vspace_new_pages_at_vaddr_with_config(v, &config, some), -1);
        assert_int_equal(vspace_map_pages_at_vaddr(v, &cap, NULL, &cap, 1, 12, some), -1);
        assert_int_equal(vspace_deferred_rights_map_pages_at_vaddr(v, &cap, NULL, &cap, 1, 12,
                                                                   seL4_AllRights, some),
                         -1);
        assert_null(vspace_reserve_range(v, 4096, seL4_AllRights, 1, &vaddr).res);
        assert_null(vspace_reserve_range_at(v, &cap, 4096, seL4_AllRights, 1).res);
        assert_null(vspace_reserve_deferred_rights_range_at(v, &cap, 4096, 1).res);
        assert_int_equal(vspace_get_cap(v, &cap), seL4_CapNull);
        assert_int_equal(vspace_get_cookie(v, &cap), 0);
        assert_int_equal(vspace_get_root(v), seL4_CapNull);
        assert_int_equal(vspace_share_mem_at_vaddr(v, vmm(), &cap, 1, 12, &cap, some), -1);
        assert_null(vspace_share_mem(vmm(), v, &cap, 1, 12, seL4_AllRights, 1));
        assert_null(vspace_new_sized_stack(v, 1));
        assert_null(vspace_new_ipc_buffer(v, &cap));
        vspace_unmap_pages(v, &cap, 1, 12, VSPACE_FREE);
        vspace_free_reservation(v, some);
        vspace_free_reservation_by_vaddr(v, &cap);
        vspace_maybe_call_allocated_object(v, object);
        vspace_tear_down(v, VSPACE_FREE);
    }
    assert_int_equal(cap, 1); /* and nothing was written */
    assert_null(vaddr);
}

static void nothing_of_no_pages_or_of_no_page_size(void **state)
{
    vspace_new_pages_config_t config;
    seL4_CPtr cap = new_frame().cptr;
    void *vaddr = NULL;
    reservation_t reservation = vspace_reserve_range(vmm(), KIB(64), seL4_AllRights, 1, &vaddr);

    (void)state;
    assert_int_equal(default_vspace_new_pages_config(0, 12, &config), -1);
    assert_null(vspace_new_pages(vmm(), seL4_AllRights, 0, 12));
    assert_null(vspace_new_pages(vmm(), seL4_AllRights, 1, 13));
    assert_null(vspace_map_pages(vmm(), &cap, NULL, seL4_AllRights, 1, 13, 1));
    assert_int_equal(vspace_new_pages_at_vaddr(vmm(), vaddr, 0, 12, reservation), -1);
    assert_int_equal(vspace_new_pages_at_vaddr(vmm(), vaddr, 1, 13, reservation), -1);
    assert_int_equal(vspace_map_pages_at_vaddr(vmm(), &cap, NULL, vaddr, 1, 13, reservation), -1);
    assert_null(vspace_share_mem(vmm(), vmm(), vaddr, 0, 12, seL4_AllRights, 1));
    assert_null(vspace_share_mem(vmm(), vmm(), vaddr, 1, 13, seL4_AllRights, 1));
    assert_null(vspace_reserve_range(vmm(), 0, seL4_AllRights, 1, &vaddr).res);
    assert_int_equal(counts().vmm_mappings, 0);
}

/* ------------------------------------------------------------------------- what a space refuses */

static void a_space_is_as_large_as_it_is(void **state)
{
    vka_object_t frame = new_frame();
    seL4_CPtr cap = frame.cptr;
    void *vaddr = NULL;
    reservation_t all;
    uint64_t bytes = UINT64_C(1) << 47;

    (void)state;
    while (bytes > MIB(1)) { /* all there is, in ever smaller pieces */
        all = vspace_reserve_range(vmm(), bytes, seL4_AllRights, 1, &vaddr);
        bytes = all.res == NULL ? bytes / 2 : bytes;
    }
    while (bytes >= KIB(4)) {
        all = vspace_reserve_range(vmm(), bytes, seL4_AllRights, 1, &vaddr);
        bytes = all.res == NULL ? bytes / 2 : bytes;
    }
    assert_null(vspace_new_pages(vmm(), seL4_AllRights, 1, 12));
    assert_null(vspace_map_pages(vmm(), &cap, NULL, seL4_AllRights, 1, 12, 1));
    assert_null(vspace_new_sized_stack(vmm(), 1));
    assert_int_equal(counts().vmm_mappings, 0);
    assert_non_null(vaddr);
}

static void what_no_reservation_is_takes_no_pages(void **state)
{
    vka_object_t frame = new_frame();
    reservation_t no = {.res = &frame};
    uint64_t slots = counts().slots_used;

    (void)state;
    assert_int_equal(vspace_map_pages_at_vaddr(vmm(), &frame.cptr, NULL, &frame, 1, 12, no), -1);
    assert_int_equal(vspace_deferred_rights_map_pages_at_vaddr(vmm(), &frame.cptr, NULL, &frame, 1,
                                                               12, seL4_AllRights, no),
                     -1);
    assert_int_equal(vspace_new_pages_at_vaddr(vmm(), &frame, 1, 12, no), -1);
    assert_null(vspace_reserve_range_at(vmm(), (void *)KIB(4), 4096, seL4_AllRights, 1).res);
    assert_int_equal(vspace_get_cap(vmm(), (void *)KIB(4)), seL4_CapNull);
    assert_int_equal(counts().vmm_mappings, 0);
    assert_int_equal(counts().slots_used, slots);
}

static void only_frames_are_mapped(void **state)
{
    seL4_CPtr none[] = {untyped(12), (seL4_CPtr)1 << 40, seL4_CapNull};

    (void)state;
    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_null(vspace_map_pages(vmm(), &none[i], NULL, seL4_AllRights, 1, 12, 1));
    }
    assert_int_equal(counts().vmm_mappings, 0);
    assert_int_equal(counts().vmm_reserved_bytes, 0);
}

static void pages_go_as_they_came(void **state)
{
    uint8_t *large = vspace_new_pages(vmm(), seL4_AllRights, 1, seL4_LargePageBits);
    uint8_t *small = vspace_new_pages(vmm(), seL4_AllRights, 2, seL4_PageBits);

    (void)state;
    assert_non_null(large);
    assert_non_null(small);
    vspace_unmap_pages(vmm(), large, 1, seL4_PageBits, VSPACE_FREE); /* not of that size */
    vspace_unmap_pages(vmm(), large, 1, 13, VSPACE_FREE);            /* none is */
    assert_int_equal(counts().vmm_mappings, 3);
    large[5] = 1;
    vspace_unmap_pages(vmm(), small, 1, seL4_PageBits, VSPACE_FREE);
    vspace_unmap_pages(vmm(), small, 2, seL4_PageBits, VSPACE_FREE); /* the first has gone */
    vspace_unmap_pages(vmm(), large, 1, seL4_LargePageBits, VSPACE_FREE);
    assert_int_equal(counts().vmm_mappings, 0);
}

/* New pages over one that is there: what was made before it goes again. */
static void new_pages_come_all_or_none(void **state)
{
    vka_object_t frame = new_frame();
    uint8_t *vaddr;
    reservation_t reservation =
        vspace_reserve_range(vmm(), KIB(16), seL4_AllRights, 1, (void **)&vaddr);
    uint64_t free_bytes = counts().free_bytes;

    (void)state;
    assert_int_equal(
        vspace_map_pages_at_vaddr(vmm(), &frame.cptr, NULL, vaddr + KIB(8), 1, 12, reservation), 0);
    assert_int_equal(vspace_new_pages_at_vaddr(vmm(), vaddr, 4, 12, reservation), -1);
    assert_int_equal(counts().vmm_mappings, 1);
    assert_int_equal(counts().free_bytes, free_bytes);
    assert_int_equal(vspace_new_pages_at_vaddr(vmm(), vaddr, 2, 12, reservation), 0);
}

/* A gap between two mappings, and a reservation without any. */
static void tear_down_goes_over_gaps(void **state)
{
    uint64_t free_bytes = counts().free_bytes;
    uint8_t *vaddr;
    reservation_t reservation =
        vspace_reserve_range(vmm(), KIB(32), seL4_AllRights, 1, (void **)&vaddr);

    (void)state;
    assert_int_equal(vspace_new_pages_at_vaddr(vmm(), vaddr + KIB(4), 1, 12, reservation), 0);
    assert_int_equal(vspace_new_pages_at_vaddr(vmm(), vaddr + KIB(16), 2, 12, reservation), 0);
    vspace_tear_down(vmm(), VSPACE_FREE);
    assert_int_equal(counts().vmm_mappings, 0);
    assert_int_equal(counts().vmm_reserved_bytes, 0);
    assert_int_equal(counts().free_bytes, free_bytes);
}

/* ---------------------------------------------------- allocators, host memory, boot information */

static void an_allocator_that_lacks_functions_answers_an_error(void **state)
{
    vka_t blank = {0};
    vka_t *const none[] = {NULL, &blank};
    vka_object_t object;
    cspacepath_t path = {0};
    seL4_Word result = 7;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(vka_cspace_alloc(none[i], &result), -1);
        assert_int_equal(vka_cspace_alloc_path(none[i], &path), -1);
        assert_int_equal(vka_utspace_alloc(none[i], &path, 0, 12, &result), -1);
        assert_int_equal(vka_utspace_alloc_maybe_device(none[i], &path, 0, 12, true, &result), -1);
        assert_int_equal(vka_utspace_alloc_at(none[i], &path, 0, 12, 0, &result), -1);
        assert_int_equal(vka_utspace_paddr(none[i], 1, 0, 12), VKA_NO_PADDR);
        assert_int_not_equal(vka_alloc_frame(none[i], 12, &object), 0);
        vka_cspace_free(none[i], 1);
        vka_utspace_free(none[i], 0, 12, 1);
    }
    assert_int_equal(vka_cspace_alloc(vka, NULL), -1);
    assert_int_equal(result, 7);
    object = (vka_object_t){0};
    vka_free_object(vka, &object); /* it has no slot: nothing is deleted */
    assert_int_equal(vka_get_object_size(seL4_ARM_VSpaceObject, 0), seL4_VSpaceBits);
    assert_int_equal(vka_get_object_size(seL4_ARM_VCPUObject, 0), seL4_ARM_VCPUBits);
    assert_int_equal(vka_get_object_size(12345, 0), (unsigned long)-1);
}

static void kinds_of_tables_have_types_and_sizes(void **state)
{
    (void)state;
    assert_int_equal(kobject_get_type(KOBJECT_PAGE_UPPER_DIRECTORY, 0),
                     seL4_ARM_PageUpperDirectoryObject);
    assert_int_equal(kobject_get_size(KOBJECT_PAGE_UPPER_DIRECTORY, 0), seL4_PUDBits);
    assert_int_equal(kobject_get_size(KOBJECT_PAGE_GLOBAL_DIRECTORY, 0), seL4_PGDBits);
    assert_int_equal(kobject_get_type(KOBJECT_PAGE_GLOBAL_DIRECTORY, 0), (seL4_Word)-1);
    assert_int_equal(kobject_get_size(KOBJECT_REPLY, 0), 0);
}

static void host_memory_is_given_by_whom_has_it(void **state)
{
    ps_malloc_ops_t blank = {0};
    ps_malloc_ops_t *ops = &guestmem_host_io_ops(host)->malloc_ops;
    void *block = &blank;

    (void)state;
    assert_int_equal(ps_malloc(NULL, 8, &block), EINVAL);
    assert_int_equal(ps_calloc(NULL, 1, 8, &block), EINVAL);
    assert_int_equal(ps_free(NULL, 8, block), EINVAL);
    assert_int_equal(ps_malloc(&blank, 8, &block), ENOSYS);
    assert_int_equal(ps_calloc(&blank, 1, 8, &block), ENOSYS);
    assert_int_equal(ps_free(&blank, 8, block), ENOSYS);
    assert_int_equal(ps_malloc(ops, 0, &block), 0);
    assert_int_equal(ps_calloc(ops, 0, 8, &block), 0);
    assert_ptr_equal(block, &blank);
    assert_int_equal(ps_malloc(ops, 8, NULL), EINVAL);
    assert_int_equal(ps_calloc(ops, 1, 8, NULL), EINVAL);
    assert_int_equal(ps_calloc(ops, SIZE_MAX / 2, 8, &block), ENOMEM);
    assert_int_equal(ps_malloc(ops, SIZE_MAX, &block), ENOMEM);
    assert_int_equal(ps_new_stdlib_malloc_ops(NULL), EINVAL);
    assert_int_equal(ps_malloc(ops, 8, &block), 0);
    assert_int_equal(ps_free(ops, 8, NULL), EINVAL);
    assert_int_equal(ps_free(ops, 8, block), 0);
}

static void interrupts_and_more_boot_information_are_not_there(void **state)
{
    simple_t *simple = guestmem_host_simple(host);
    cspacepath_t path;
    char bytes[8] = {0};

    (void)state;
    vka_cspace_make_path(vka, SLOT, &path);
    assert_int_equal(simple_get_IRQ_handler(simple, 27, path), seL4_IllegalOperation);
    assert_int_equal(simple->arch_simple.irq_trigger(simple->data, 27, 1, 0, ROOT, SLOT, DEPTH),
                     seL4_IllegalOperation);
    assert_true(is_empty(SLOT));
    assert_int_equal(simple_get_extended_bootinfo(simple, 0, bytes, sizeof(bytes)), -1);
}

/* ----------------------------------------------------------------------------- caps by path */

static void caps_turn_in_a_circle_and_stay_what_they_are(void **state)
{
    enum { A, B, C, PATHS };
    cspacepath_t path[PATHS];
    vka_object_t frame = new_frame();
    uint64_t paddr = paddr_of(frame.cptr);
    vka_object_t other = new_frame();
    uint64_t other_paddr = paddr_of(other.cptr);

    (void)state;
    vka_cspace_make_path(vka, frame.cptr, &path[A]);
    vka_cspace_make_path(vka, other.cptr, &path[B]);
    vka_cspace_make_path(vka, SLOT, &path[C]);
    assert_ok(vka_cnode_rotate(&path[C], 0, &path[B], 0, &path[A]));
    assert_int_equal(paddr_of(path[B].capPtr), paddr);
    assert_int_equal(paddr_of(path[C].capPtr), other_paddr);
    assert_true(is_empty(path[A].capPtr));
    assert_ok(vka_cnode_mutate(&path[A], &path[C], 0));
    assert_int_equal(paddr_of(path[A].capPtr), other_paddr);
    assert_true(is_empty(path[C].capPtr));
    assert_int_not_equal(vka_cnode_cancelBadgedSends(&path[A]), seL4_NoError); /* no endpoint */
    assert_ok(vka_cnode_saveCaller(&path[C]));
    assert_answer(vka_cnode_saveCaller(&path[A]), seL4_DeleteFirst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_stack_can_be_written_and_has_a_guard),
        test(an_ipc_buffer_is_a_page_with_its_cap),
        test(whoever_asks_is_told_of_each_object),
        test(a_space_that_lacks_functions_answers_an_error),
        test(nothing_of_no_pages_or_of_no_page_size),
        test(a_space_is_as_large_as_it_is),
        test(what_no_reservation_is_takes_no_pages),
        test(only_frames_are_mapped),
        test(pages_go_as_they_came),
        test(new_pages_come_all_or_none),
        test(tear_down_goes_over_gaps),
        test(an_allocator_that_lacks_functions_answers_an_error),
        test(kinds_of_tables_have_types_and_sizes),
        test(host_memory_is_given_by_whom_has_it),
        test(interrupts_and_more_boot_information_are_not_there),
        test(caps_turn_in_a_circle_and_stay_what_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's address space as a vspace_t: every function of it, and what it refuses.
 */
#include "unit_vm.h"

#include <vka/object.h>

#define BASE ((uintptr_t)0x40000000)

static vspace_t *vspace_of(struct unit *u)
{
    return &u->vm.mem.vm_vspace;
}

static reservation_t reserve_at(struct unit *u, uintptr_t base, size_t size)
{
    reservation_t reservation =
        vspace_reserve_range_at(vspace_of(u), (void *)base, size, seL4_AllRights, 1);

    assert_non_null(reservation.res);
    return reservation;
}

static void every_function_is_set(void **state)
{
    struct unit *u = *state;
    const vspace_t *v = vspace_of(u);

    assert_non_null(v->new_pages);
    assert_non_null(v->map_pages);
    assert_non_null(v->new_pages_at_vaddr);
    assert_non_null(v->map_pages_at_vaddr);
    assert_non_null(v->deferred_rights_map_pages_at_vaddr);
    assert_non_null(v->unmap_pages);
    assert_non_null(v->tear_down);
    assert_non_null(v->reserve_range_aligned);
    assert_non_null(v->reserve_range_at);
    assert_non_null(v->reserve_deferred_rights_range_at);
    assert_non_null(v->free_reservation);
    assert_non_null(v->free_reservation_by_vaddr);
    assert_non_null(v->get_cap);
    assert_non_null(v->get_root);
    assert_non_null(v->get_cookie);
    assert_non_null(v->share_mem_at_vaddr);
    assert_non_null(v->allocated_object);
    assert_int_equal(vspace_get_root(vspace_of(u)), u->root.cptr);
}

static void an_aligned_range_is_found_above_address_0(void **state)
{
    struct unit *u = *state;
    void *vaddr = NULL;
    reservation_t reservation;

    unit_reserve(u, 0x1000, 0x800);
    reservation =
        vspace_reserve_range_aligned(vspace_of(u), 3 * PAGE, 12, seL4_AllRights, 1, &vaddr);
    assert_non_null(reservation.res);
    assert_ptr_equal(vaddr, (void *)0x2000); /* page 1 is shared with the reservation there */
    reservation = vspace_reserve_range_aligned(vspace_of(u), 1, 21, seL4_AllRights, 1, &vaddr);
    assert_non_null(reservation.res);
    assert_ptr_equal(vaddr, (void *)(2 * MIB));
    vspace_free_reservation(vspace_of(u), reservation);
    vspace_free_reservation_by_vaddr(vspace_of(u), (void *)0x2fff);
    assert_int_equal(u->space->stats.reservations, 1);
}

/* What ends behind the last page asked for may not begin on it. */
static void a_range_that_is_no_multiple_of_pages_takes_whole_ones(void **state)
{
    struct unit *u = *state;
    void *vaddr = NULL;

    unit_reserve(u, 0x2800, 0x100);
    assert_non_null(
        vspace_reserve_range_aligned(vspace_of(u), PAGE + 1, 12, seL4_AllRights, 1, &vaddr).res);
    assert_ptr_equal(vaddr, (void *)0x3000);
}

static void alignments_and_sizes_that_are_none_are_refused(void **state)
{
    struct unit *u = *state;
    void *vaddr = NULL;

    assert_null(vspace_reserve_range_aligned(vspace_of(u), PAGE, 0, seL4_AllRights, 1, &vaddr).res);
    assert_null(
        vspace_reserve_range_aligned(vspace_of(u), PAGE, 64, seL4_AllRights, 1, &vaddr).res);
    assert_null(
        vspace_reserve_range_aligned(vspace_of(u), SIZE_MAX, 12, seL4_AllRights, 1, &vaddr).res);
    assert_null(
        vspace_reserve_range_at(vspace_of(u), (void *)u->space->last, 2, seL4_AllRights, 1).res);
    assert_null(vspace_new_pages(vspace_of(u), seL4_AllRights, SIZE_MAX / 2, 12));
    assert_null(vspace_new_pages(vspace_of(u), seL4_AllRights, 1, 13));
    assert_null(vaddr);
}

static void new_pages_are_mapped_found_and_freed(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_snapshot *before = unit_snapshot(u);
    char *pages = vspace_new_pages(vspace_of(u), seL4_AllRights, 5, 12);

    assert_non_null(pages);
    for (size_t i = 0; i < 5; i++) {
        unit_check_leaf(u, (uintptr_t)pages + i * PAGE, 12);
        assert_int_not_equal(vspace_get_cap(vspace_of(u), pages + i * PAGE), seL4_CapNull);
        assert_int_equal(vspace_get_cookie(vspace_of(u), pages + i * PAGE + 7), 12);
    }
    assert_int_equal(vspace_get_cap(vspace_of(u), pages + 5 * PAGE), seL4_CapNull);
    vspace_unmap_pages(vspace_of(u), pages + 2 * PAGE, 1, 12, VSPACE_FREE); /* out of the middle */
    unit_check_no_leaf(u, (uintptr_t)pages + 2 * PAGE);
    unit_check_leaf(u, (uintptr_t)pages + 3 * PAGE, 12);
    vspace_unmap_pages(vspace_of(u), pages, 2, 12, VSPACE_FREE);
    vspace_unmap_pages(vspace_of(u), pages + 3 * PAGE, 2, 12, u->vka);
    unit_check_same(u, before); /* the range went with its last page */
}

static void large_pages_are_mapped_as_one_frame(void **state)
{
    struct unit *u = *state;
    char *pages = vspace_new_pages(vspace_of(u), seL4_CanRead, 2, 21);
    struct guestmem_host_leaf leaf;

    assert_non_null(pages);
    assert_true(unit_leaf(u, (uintptr_t)pages + 3 * MIB, &leaf));
    assert_int_equal(leaf.size_bits, 21);
    assert_true(leaf.read && !leaf.write);
    assert_int_equal(vspace_get_cookie(vspace_of(u), pages + MIB), 21);
    assert_int_equal(vspace_get_cap(vspace_of(u), pages),
                     vspace_get_cap(vspace_of(u), pages + MIB));
    vspace_unmap_pages(vspace_of(u), pages, 512, 12, VSPACE_FREE); /* not pages of that size */
    unit_check_leaf(u, (uintptr_t)pages, 21);
}

/* With VSPACE_PRESERVE the cap, its slot and its memory are the caller's from then on. */
static void preserved_pages_are_the_callers(void **state)
{
    struct unit *u = *state;
    char *page = vspace_new_pages(vspace_of(u), seL4_AllRights, 1, 12);
    seL4_CPtr cap = vspace_get_cap(vspace_of(u), page);
    const struct gm_holding *held =
        guestmem_reservation_at(&u->vm, (uintptr_t)page)->backing->memory.singles.at;
    vka_object_t frame = {cap, held->ut, seL4_ARM_SmallPageObject, 12};

    vspace_unmap_pages(vspace_of(u), page, 1, 12, VSPACE_PRESERVE);
    unit_check_no_leaf(u, (uintptr_t)page);
    assert_int_equal(u->space->stats.slots, 0);
    assert_int_equal(u->space->stats.untypeds, 0);
    assert_int_equal(seL4_ARM_Page_GetAddress(cap).error, seL4_NoError);
    vka_free_object(u->vka, &frame);
}

static void pages_are_mapped_in_their_own_reservation_only(void **state)
{
    struct unit *u = *state;
    reservation_t reservation = reserve_at(u, BASE, 4 * PAGE);
    vm_memory_reservation_t *foreign = unit_reserve(u, BASE + MIB, 4 * PAGE);
    vspace_t *v = vspace_of(u);
    seL4_CPtr cap = unit_frame(u, 12);

    assert_int_not_equal(
        vspace_map_pages_at_vaddr(v, &cap, NULL, (void *)(BASE + 4 * PAGE), 1, 12, reservation), 0);
    assert_int_not_equal(
        vspace_map_pages_at_vaddr(v, &cap, NULL, (void *)(BASE - PAGE), 1, 12, reservation), 0);
    assert_int_not_equal(
        vspace_map_pages_at_vaddr(v, &cap, NULL, (void *)(BASE + 5), 1, 12, reservation), 0);
    assert_int_not_equal(vspace_new_pages_at_vaddr(v, (void *)(BASE + PAGE), 4, 12, reservation),
                         0);
    assert_int_not_equal(vspace_map_pages_at_vaddr(v, &cap, NULL, (void *)(BASE + MIB), 1, 12,
                                                   (reservation_t){foreign}),
                         0);
    assert_int_not_equal(
        vspace_map_pages_at_vaddr(v, &cap, NULL, (void *)BASE, 1, 12, (reservation_t){(void *)u}),
        0);
    assert_int_equal(vspace_map_pages_at_vaddr(v, &cap, NULL, (void *)BASE, 1, 12, reservation), 0);
    assert_int_not_equal(vspace_map_pages_at_vaddr(v, &cap, NULL, (void *)BASE, 1, 12, reservation),
                         0);
    unit_check_failure(u, GUESTMEM_ETAKEN);
    vspace_unmap_pages(v, (void *)BASE, 1, 12, VSPACE_PRESERVE);
    assert_int_equal(vspace_map_pages_at_vaddr(v, &cap, NULL, (void *)BASE, 1, 12, reservation), 0);
}

static void memory_of_the_vm_calls_is_not_unmapped_through_the_vspace(void **state)
{
    struct unit *u = *state;

    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 2 * MIB, false), 0);
    vspace_unmap_pages(vspace_of(u), (void *)BASE, 1, 21, VSPACE_FREE);
    unit_check_leaf(u, BASE, 21);
    vspace_free_reservation_by_vaddr(vspace_of(u), (void *)BASE);
    unit_check_leaf(u, BASE, 21);
    assert_int_equal(vspace_get_cookie(vspace_of(u), (void *)(BASE + MIB)), 21);
}

/* The cookie is the frame's untyped: with it, unmapping frees the caller's frame as a whole. */
static void callers_frames_are_freed_by_their_cookies(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_snapshot *before = unit_snapshot(u);
    vka_object_t frames[3];
    seL4_CPtr caps[3];
    uintptr_t cookies[3];
    void *pages;

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(vka_alloc_frame(u->vka, 12, &frames[i]), 0);
        caps[i] = frames[i].cptr;
        cookies[i] = frames[i].ut;
    }
    pages = vspace_map_pages(vspace_of(u), caps, cookies, seL4_AllRights, 3, 12, 1);
    assert_non_null(pages);
    vspace_unmap_pages(vspace_of(u), pages, 3, 12, VSPACE_FREE);
    unit_check_same(u, before);
}

static void pages_outlive_the_end_of_their_reservation(void **state)
{
    struct unit *u = *state;
    reservation_t reservation = reserve_at(u, BASE, 4 * PAGE);

    assert_int_equal(vspace_new_pages_at_vaddr(vspace_of(u), (void *)BASE, 2, 12, reservation), 0);
    vspace_free_reservation(vspace_of(u), reservation);
    unit_check_leaf(u, BASE, 12);
    vspace_unmap_pages(vspace_of(u), (void *)BASE, 2, 12, VSPACE_FREE);
    assert_int_equal(u->space->stats.reservations, 0);
}

static void a_deferred_reservation_takes_rights_with_each_call(void **state)
{
    struct unit *u = *state;
    vspace_t *v = vspace_of(u);
    reservation_t deferred = vspace_reserve_deferred_rights_range_at(v, (void *)BASE, 2 * PAGE, 1);
    seL4_CPtr cap = unit_frame(u, 12);
    struct guestmem_host_leaf leaf;

    assert_non_null(deferred.res);
    assert_int_not_equal(vspace_map_pages_at_vaddr(v, &cap, NULL, (void *)BASE, 1, 12, deferred),
                         0);
    assert_int_equal(vspace_deferred_rights_map_pages_at_vaddr(v, &cap, NULL, (void *)BASE, 1, 12,
                                                               seL4_CanRead, deferred),
                     0);
    assert_true(unit_leaf(u, BASE, &leaf));
    assert_true(leaf.read && !leaf.write);
}

static int new_and_unmap(struct unit *u)
{
    void *pages = vspace_new_pages(vspace_of(u), seL4_AllRights, 3, 12);

    if (pages != NULL) {
        vspace_unmap_pages(vspace_of(u), pages, 3, 12, VSPACE_FREE);
    }
    return pages == NULL ? -1 : 0;
}

static void undo_nothing(struct unit *u)
{
    (void)u;
}

static void new_pages_come_all_or_none(void **state)
{
    struct unit *u = *state;

    assert_true(unit_fail_each(u, new_and_unmap, undo_nothing) > 10);
}

static int share_and_unmap(struct unit *u)
{
    void *view = vspace_share_mem(vspace_of(u), &u->vm.mem.vmm_vspace, (void *)BASE, 3, 12,
                                  seL4_AllRights, 1);

    if (view != NULL) {
        vspace_unmap_pages(&u->vm.mem.vmm_vspace, view, 3, 12, VSPACE_FREE);
    }
    return view == NULL ? -1 : 0;
}

static void sharing_with_the_vmm_is_all_or_nothing(void **state)
{
    struct unit *u = *state;
    reservation_t reservation = reserve_at(u, BASE, 3 * PAGE);

    assert_int_equal(vspace_new_pages_at_vaddr(vspace_of(u), (void *)BASE, 3, 12, reservation), 0);
    assert_true(unit_fail_each(u, share_and_unmap, undo_nothing) > 6);
    assert_int_equal(u->space->stats.slots, 3 + u->space->stats.tables);
}

#define ELSEWHERE ((uintptr_t)0x50000000)

static int share_inside(struct unit *u)
{
    reservation_t to = {guestmem_reservation_at(&u->vm, ELSEWHERE)};

    return vspace_of(u)->share_mem_at_vaddr(vspace_of(u), vspace_of(u), (void *)BASE, 3, 12,
                                            (void *)ELSEWHERE, to);
}

static void unshare_inside(struct unit *u)
{
    vspace_unmap_pages(vspace_of(u), (void *)ELSEWHERE, 3, 12, VSPACE_FREE);
}

/* The same frames at two guest addresses. */
static void sharing_within_the_guest_is_all_or_nothing(void **state)
{
    struct unit *u = *state;
    reservation_t reservation = reserve_at(u, BASE, 3 * PAGE);
    struct guestmem_host_leaf a;
    struct guestmem_host_leaf b;

    reserve_at(u, ELSEWHERE, 3 * PAGE);
    assert_int_equal(vspace_new_pages_at_vaddr(vspace_of(u), (void *)BASE, 3, 12, reservation), 0);
    assert_true(unit_fail_each(u, share_inside, unshare_inside) > 6);
    assert_true(unit_leaf(u, BASE + PAGE, &a) && unit_leaf(u, ELSEWHERE + PAGE, &b));
    assert_true(a.paddr == b.paddr);
    unshare_inside(u);
    unit_check_no_leaf(u, ELSEWHERE);
    unit_check_leaf(u, BASE, 12);
}

/* When no request can be met any more, what is there can still be taken down. */
static void unmapping_and_freeing_take_nothing(void **state)
{
    struct unit *u = *state;
    char *pages = vspace_new_pages(vspace_of(u), seL4_AllRights, 5, 12);

    assert_non_null(pages);
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_ANY, 1, true);
    vspace_unmap_pages(vspace_of(u), pages + 3 * PAGE, 2, 12, VSPACE_FREE);
    vspace_unmap_pages(vspace_of(u), pages, 3, 12, VSPACE_FREE);
    assert_int_equal(u->space->stats.reservations, 0);
    assert_false(guestmem_host_failed(u->host, NULL));
}

static void a_space_that_was_taken_down_answers_errors(void **state)
{
    struct unit *u = *state;
    vspace_t *v = vspace_of(u);
    void *vaddr = NULL;
    seL4_CPtr cap = unit_frame(u, 12);

    assert_non_null(vspace_new_pages(v, seL4_AllRights, 2, 12));
    vspace_tear_down(v, VSPACE_FREE);
    assert_null(vspace_new_pages(v, seL4_AllRights, 1, 12));
    assert_null(vspace_map_pages(v, &cap, NULL, seL4_AllRights, 1, 12, 1));
    assert_null(vspace_reserve_range_aligned(v, PAGE, 12, seL4_AllRights, 1, &vaddr).res);
    assert_null(vspace_reserve_range_at(v, (void *)BASE, PAGE, seL4_AllRights, 1).res);
    assert_int_equal(vspace_get_cap(v, (void *)BASE), seL4_CapNull);
    assert_int_equal(vspace_get_cookie(v, (void *)BASE), 0);
    assert_int_equal(vspace_get_root(v), seL4_CapNull);
    vspace_unmap_pages(v, (void *)BASE, 1, 12, VSPACE_FREE);
    vspace_free_reservation_by_vaddr(v, (void *)BASE);
    vspace_tear_down(v, VSPACE_FREE);
    assert_null(vm_reserve_memory_at(&u->vm, BASE, PAGE, unit_fault, NULL));
}

static void tearing_down_frees_the_callers_frames_where_it_is_told_to(void **state)
{
    struct unit *u = *state;
    vka_object_t frame;
    uintptr_t cookie;
    seL4_CPtr kept = unit_frame(u, 12);

    assert_int_equal(vka_alloc_frame(u->vka, 12, &frame), 0);
    cookie = frame.ut;
    assert_non_null(vspace_map_pages(vspace_of(u), &frame.cptr, &cookie, seL4_AllRights, 1, 12, 1));
    vspace_tear_down(vspace_of(u), VSPACE_FREE);
    assert_int_equal(seL4_ARM_Page_GetAddress(kept).error, seL4_NoError);
}

static void tearing_down_preserves_the_callers_frames_where_it_is_told_to(void **state)
{
    struct unit *u = *state;
    seL4_CPtr kept = unit_frame(u, 12);

    assert_non_null(vspace_map_pages(vspace_of(u), &kept, NULL, seL4_AllRights, 1, 12, 1));
    assert_non_null(vspace_new_pages(vspace_of(u), seL4_AllRights, 2, 12));
    vspace_tear_down(vspace_of(u), VSPACE_PRESERVE);
    assert_int_equal(seL4_ARM_Page_GetAddress(kept).error, seL4_NoError);
}

static void an_io_space_is_refused(void **state)
{
    struct unit *u = *state;

    assert_int_equal(vm_guest_add_iospace(&u->vm, &u->vm.mem.vmm_vspace, 1), -1);
    unit_check_failure(u, GUESTMEM_ENOSUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(every_function_is_set),
        UNIT_TEST(an_aligned_range_is_found_above_address_0),
        UNIT_TEST(a_range_that_is_no_multiple_of_pages_takes_whole_ones),
        UNIT_TEST(alignments_and_sizes_that_are_none_are_refused),
        UNIT_TEST(new_pages_are_mapped_found_and_freed),
        UNIT_TEST(large_pages_are_mapped_as_one_frame),
        UNIT_TEST(preserved_pages_are_the_callers),
        UNIT_TEST(pages_are_mapped_in_their_own_reservation_only),
        UNIT_TEST(memory_of_the_vm_calls_is_not_unmapped_through_the_vspace),
        UNIT_TEST(callers_frames_are_freed_by_their_cookies),
        UNIT_TEST(pages_outlive_the_end_of_their_reservation),
        UNIT_TEST(a_deferred_reservation_takes_rights_with_each_call),
        UNIT_TEST(new_pages_come_all_or_none),
        UNIT_TEST(sharing_with_the_vmm_is_all_or_nothing),
        UNIT_TEST(sharing_within_the_guest_is_all_or_nothing),
        UNIT_TEST(unmapping_and_freeing_take_nothing),
        UNIT_TEST(a_space_that_was_taken_down_answers_errors),
        UNIT_TEST(tearing_down_frees_the_callers_frames_where_it_is_told_to),
        UNIT_TEST(tearing_down_preserves_the_callers_frames_where_it_is_told_to),
        UNIT_TEST(an_io_space_is_refused),
    };

    return cmocka_run_group_tests_name("guest_vspace", tests, NULL, NULL);
}

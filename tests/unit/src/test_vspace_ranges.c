/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the guest's vspace_t finds free addresses: the lowest gap that fits, to the byte.
 */
#include "unit_vm.h"

#include <vka/object.h>

static uintptr_t find(struct unit *u, size_t size, size_t bits)
{
    void *vaddr = NULL;
    reservation_t reservation =
        vspace_reserve_range_aligned(&u->vm.mem.vm_vspace, size, bits, seL4_AllRights, 1, &vaddr);

    return reservation.res == NULL ? 0 : (uintptr_t)vaddr;
}

static void pages_are_found_side_by_side(void **state)
{
    struct unit *u = *state;

    assert_int_equal(find(u, PAGE, 12), PAGE);
    assert_int_equal(find(u, 3 * PAGE, 12), 2 * PAGE);
    assert_int_equal(find(u, PAGE + 1, 12), 5 * PAGE);
    assert_int_equal(find(u, PAGE, 12), 7 * PAGE);
    assert_int_equal(find(u, 2 * MIB, 21), 2 * MIB);
    assert_int_equal(find(u, PAGE, 21), 4 * MIB);
    assert_int_equal(find(u, PAGE, 12), 8 * PAGE);
}

/* A gap of two pages in front of a reservation, and one in front of anonymous memory. */
static void a_gap_that_just_fits_is_used(void **state)
{
    struct unit *u = *state;

    unit_reserve(u, PAGE, PAGE);
    unit_reserve(u, 4 * PAGE, PAGE);
    assert_int_equal(find(u, 3 * PAGE, 12), 5 * PAGE);
    assert_int_equal(find(u, 2 * PAGE, 12), 2 * PAGE);
    assert_int_equal(vm_memory_make_anon(&u->vm, 10 * PAGE, PAGE), 0);
    assert_int_equal(find(u, 3 * PAGE, 12), 11 * PAGE);
    assert_int_equal(find(u, 2 * PAGE, 12), 8 * PAGE);
}

static void all_but_page_0_can_be_had(void **state)
{
    struct unit *u = *state;
    size_t all = u->space->last + 1;

    assert_int_equal(find(u, all - PAGE + 1, 12), 0);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_int_equal(find(u, all - PAGE, 12), PAGE);
    assert_int_equal(find(u, PAGE, 12), 0);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
}

static void pages_are_unmapped_from_their_start(void **state)
{
    struct unit *u = *state;
    char *pages = vspace_new_pages(&u->vm.mem.vm_vspace, seL4_AllRights, 2, 21);
    struct guestmem_host_snapshot *before;
    seL4_CPtr cap;

    assert_non_null(pages);
    cap = vspace_get_cap(&u->vm.mem.vm_vspace, pages);
    assert_int_equal(vspace_get_cap(&u->vm.mem.vm_vspace, pages + 5 * PAGE), cap);
    assert_int_not_equal(vspace_get_cap(&u->vm.mem.vm_vspace, pages + 2 * MIB), cap);
    before = unit_snapshot(u);
    vspace_unmap_pages(&u->vm.mem.vm_vspace, pages + PAGE, 1, 21, VSPACE_FREE);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    vspace_unmap_pages(&u->vm.mem.vm_vspace, pages, 1, 12, VSPACE_FREE);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    unit_check_same(u, before);
    vspace_unmap_pages(&u->vm.mem.vm_vspace, pages, 2, 21, VSPACE_FREE);
    assert_int_equal(u->space->stats.reservations, 0);
}

/* In several reservations. */
static void tearing_down_frees_all_of_the_callers_frames(void **state)
{
    struct unit *u = *state;

    for (uintptr_t i = 1; i <= 3; i++) {
        vka_object_t frame;
        uintptr_t cookie;
        reservation_t reservation = vspace_reserve_range_at(&u->vm.mem.vm_vspace, (void *)(i * GIB),
                                                            PAGE, seL4_AllRights, 1);

        assert_int_equal(vka_alloc_frame(u->vka, 12, &frame), 0);
        cookie = frame.ut;
        assert_int_equal(vspace_map_pages_at_vaddr(&u->vm.mem.vm_vspace, &frame.cptr, &cookie,
                                                   (void *)(i * GIB), 1, 12, reservation),
                         0);
    }
    vspace_tear_down(&u->vm.mem.vm_vspace, VSPACE_FREE);
    assert_null(u->vm.mem.vm_vspace.data);
}

/* Nothing is mapped in the place of frames that the caller hasn't given. */
static void no_frames_are_none(void **state)
{
    struct unit *u = *state;
    vspace_t *v = &u->vm.mem.vm_vspace;
    reservation_t reservation =
        vspace_reserve_deferred_rights_range_at(v, (void *)GIB, 2 * PAGE, 1);

    assert_int_not_equal(vspace_deferred_rights_map_pages_at_vaddr(v, NULL, NULL, (void *)GIB, 2,
                                                                   12, seL4_AllRights, reservation),
                         0);
    unit_check_no_leaf(u, GIB);
    reservation = vspace_reserve_range_at(v, (void *)(2 * GIB), 2 * PAGE, seL4_AllRights, 1);
    assert_int_not_equal(
        vspace_map_pages_at_vaddr(v, NULL, NULL, (void *)(2 * GIB), 2, 12, reservation), 0);
    unit_check_no_leaf(u, 2 * GIB);
}

static void a_space_that_was_taken_down_shares_nothing(void **state)
{
    struct unit *u = *state;
    vspace_t *v = &u->vm.mem.vm_vspace;
    reservation_t reservation = {NULL};

    vspace_tear_down(v, VSPACE_FREE);
    assert_int_not_equal(v->share_mem_at_vaddr(v, &u->vm.mem.vmm_vspace, (void *)GIB, 1, 12,
                                               (void *)GIB, reservation),
                         0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(pages_are_found_side_by_side),
        UNIT_TEST(a_gap_that_just_fits_is_used),
        UNIT_TEST(all_but_page_0_can_be_had),
        UNIT_TEST(no_frames_are_none),
        UNIT_TEST(a_space_that_was_taken_down_shares_nothing),
        UNIT_TEST(pages_are_unmapped_from_their_start),
        UNIT_TEST(tearing_down_frees_all_of_the_callers_frames),
    };

    return cmocka_run_group_tests_name("vspace_ranges", tests, NULL, NULL);
}

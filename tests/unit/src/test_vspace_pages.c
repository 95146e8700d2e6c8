/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Pages of the guest's vspace_t that lie side by side, in slots side by side: parts of a run leave,
 * and each cap is the right one.
 */
#include "unit_vm.h"

#include <vka/object.h>

#include "stage2.h"

#define BASE ((uintptr_t)0x40000000)
#define ELSEWHERE ((uintptr_t)0x50000000)

enum { COUNT = 6 };

struct run {
    seL4_CPtr caps[COUNT]; /* ascending, without a gap */
    uintptr_t cookies[COUNT];
    uintptr_t paddr[COUNT];
};

static vspace_t *vspace_of(struct unit *u)
{
    return &u->vm.mem.vm_vspace;
}

static seL4_Word frame_type(size_t bits)
{
    return gm_arch_frame_type(bits == 12 ? 0 : 1);
}

static reservation_t reserve_at(struct unit *u, uintptr_t base, size_t size)
{
    reservation_t reservation =
        vspace_reserve_range_at(vspace_of(u), (void *)base, size, seL4_AllRights, 1);

    assert_non_null(reservation.res);
    return reservation;
}

/* Slots are handed out from the end of a group; the allocator takes some for itself, with memory.
 */
static void make_run(struct unit *u, struct run *run, size_t bits)
{
    cspacepath_t path[COUNT];

    for (size_t i = COUNT; i-- > 0;) {
        assert_int_equal(vka_cspace_alloc_path(u->vka, &path[i]), 0);
        run->caps[i] = path[i].capPtr;
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(run->caps[i], run->caps[0] + i);
        assert_int_equal(
            vka_utspace_alloc(u->vka, &path[i], frame_type(bits), bits, &run->cookies[i]), 0);
        run->paddr[i] = seL4_ARM_Page_GetAddress(run->caps[i]).paddr;
    }
}

static void free_run(struct unit *u, struct run *run, size_t bits)
{
    for (size_t i = 0; i < COUNT; i++) {
        cspacepath_t path;

        vka_cspace_make_path(u->vka, run->caps[i], &path);
        assert_int_equal(vka_cnode_delete(&path), seL4_NoError);
        vka_cspace_free_path(u->vka, path);
        vka_utspace_free(u->vka, frame_type(bits), bits, run->cookies[i]);
    }
}

static int map_run(struct unit *u, struct run *run, size_t bits)
{
    reservation_t reservation = reserve_at(u, BASE, (size_t)COUNT << bits);

    return vspace_map_pages_at_vaddr(vspace_of(u), run->caps, run->cookies, (void *)BASE, COUNT,
                                     bits, reservation);
}

static void check_page(struct unit *u, const struct run *run, size_t i, size_t bits)
{
    struct guestmem_host_leaf leaf;

    assert_true(unit_leaf(u, BASE + (i << bits), &leaf));
    assert_int_equal(leaf.paddr, run->paddr[i]);
    assert_int_equal(vspace_get_cap(vspace_of(u), (void *)(BASE + (i << bits))), run->caps[i]);
    assert_int_equal(vspace_get_cookie(vspace_of(u), (void *)(BASE + (i << bits))), bits);
}

/* One from the middle, the first, the last; each stays the caller's. */
static void leave_one_by_one(struct unit *u, size_t bits)
{
    static const size_t order[COUNT] = {2, 0, 5, 3, 4, 1};
    bool gone[COUNT] = {false};
    struct run run;

    make_run(u, &run, bits);
    assert_int_equal(map_run(u, &run, bits), 0);
    for (size_t n = 0; n < COUNT; n++) {
        vspace_unmap_pages(vspace_of(u), (void *)(BASE + (order[n] << bits)), 1, bits,
                           VSPACE_PRESERVE);
        gone[order[n]] = true;
        for (size_t i = 0; i < COUNT; i++) {
            if (gone[i]) {
                unit_check_no_leaf(u, BASE + (i << bits));
            } else {
                check_page(u, &run, i, bits);
            }
        }
    }
    assert_int_equal(u->space->tables[0].count, 0);
    assert_int_equal(u->space->tables[1].count, 0);
    free_run(u, &run, bits);
}

static void pages_leave_a_run_one_by_one(void **state)
{
    leave_one_by_one(*state, 12);
}

static void large_pages_leave_a_run_one_by_one(void **state)
{
    leave_one_by_one(*state, 21);
}

/* Two runs are left where one was, which takes bytes: found before anything changes. */
static void a_page_from_the_middle_takes_bytes_or_stays(void **state)
{
    struct unit *u = *state;
    struct run run;
    struct guestmem_host_snapshot *before;

    make_run(u, &run, 12);
    assert_int_equal(map_run(u, &run, 12), 0);
    before = unit_snapshot(u);
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, 1, true);
    vspace_unmap_pages(vspace_of(u), (void *)(BASE + 2 * PAGE), 1, 12, VSPACE_PRESERVE);
    assert_true(guestmem_host_failed(u->host, NULL));
    guestmem_host_fail(u->host, 0, 0, false);
    unit_check_failure(u, GUESTMEM_ENOMEM);
    unit_check_same(u, before);
    check_page(u, &run, 2, 12);
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, 1, true);
    vspace_unmap_pages(vspace_of(u), (void *)BASE, 2, 12, VSPACE_PRESERVE);
    vspace_unmap_pages(vspace_of(u), (void *)(BASE + 5 * PAGE), 1, 12, VSPACE_PRESERVE);
    vspace_unmap_pages(vspace_of(u), (void *)(BASE + 4 * PAGE), 1, 12, VSPACE_PRESERVE);
    assert_false(guestmem_host_failed(u->host, NULL));
    guestmem_host_fail(u->host, 0, 0, false);
    check_page(u, &run, 2, 12);
    check_page(u, &run, 3, 12);
    vspace_unmap_pages(vspace_of(u), (void *)(BASE + 2 * PAGE), 2, 12, VSPACE_PRESERVE);
    free_run(u, &run, 12);
}

/* The last of them is mapped already. */
static void frames_with_cookies_stay_the_callers_when_mapping_fails(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_snapshot *before;
    reservation_t reservation;
    struct run run;

    make_run(u, &run, 12);
    reservation = reserve_at(u, ELSEWHERE, PAGE);
    assert_int_equal(vspace_map_pages_at_vaddr(vspace_of(u), &run.caps[COUNT - 1], NULL,
                                               (void *)ELSEWHERE, 1, 12, reservation),
                     0);
    reservation = reserve_at(u, BASE, COUNT * PAGE);
    before = unit_snapshot(u);
    assert_int_not_equal(vspace_map_pages_at_vaddr(vspace_of(u), run.caps, run.cookies,
                                                   (void *)BASE, COUNT, 12, reservation),
                         0);
    unit_check_failure(u, GUESTMEM_EFRAME);
    unit_check_same(u, before);
    vspace_unmap_pages(vspace_of(u), (void *)ELSEWHERE, 1, 12, VSPACE_PRESERVE);
    free_run(u, &run, 12);
}

static void check_run_is_freed(struct unit *u, size_t bits)
{
    struct guestmem_host_counts from;
    struct guestmem_host_counts to;
    struct run run;

    make_run(u, &run, bits);
    assert_int_equal(map_run(u, &run, bits), 0);
    guestmem_host_count(u->host, &from);
    vspace_tear_down(vspace_of(u), VSPACE_FREE);
    guestmem_host_count(u->host, &to);
    assert_int_equal(to.unmaps - from.unmaps, COUNT);
    assert_int_equal(to.frames_4k, 0);
    assert_int_equal(to.frames_2m, 0);
}

static void tearing_down_frees_each_of_a_run_once(void **state)
{
    check_run_is_freed(*state, 12);
}

static void tearing_down_frees_each_large_page_of_a_run_once(void **state)
{
    check_run_is_freed(*state, 21);
}

/* Nothing is held for a copy that is gone. */
static void copies_within_the_guest_leave_nothing_behind(void **state)
{
    struct unit *u = *state;
    reservation_t from = reserve_at(u, BASE, 3 * PAGE);
    reservation_t to = reserve_at(u, ELSEWHERE, 3 * PAGE);
    const vm_memory_reservation_t *res = guestmem_reservation_at(&u->vm, ELSEWHERE);
    uint64_t slots;

    assert_int_equal(vspace_new_pages_at_vaddr(vspace_of(u), (void *)BASE, 3, 12, from), 0);
    slots = u->space->stats.slots - u->space->stats.tables;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(vspace_of(u)->share_mem_at_vaddr(vspace_of(u), vspace_of(u), (void *)BASE,
                                                          3, 12, (void *)ELSEWHERE, to),
                         0);
        assert_int_equal(res->backing->memory.singles.count, 3);
        assert_int_equal(u->space->stats.slots - u->space->stats.tables, slots + 3);
        vspace_unmap_pages(vspace_of(u), (void *)ELSEWHERE, 3, 12, VSPACE_FREE);
        assert_int_equal(res->backing->memory.singles.count, 0);
        assert_int_equal(u->space->stats.slots - u->space->stats.tables, slots);
    }
    /* twice to the same pages: the second is refused */
    assert_int_equal(vspace_of(u)->share_mem_at_vaddr(vspace_of(u), vspace_of(u), (void *)BASE, 3,
                                                      12, (void *)ELSEWHERE, to),
                     0);
    assert_int_not_equal(vspace_of(u)->share_mem_at_vaddr(vspace_of(u), vspace_of(u), (void *)BASE,
                                                          3, 12, (void *)ELSEWHERE, to),
                         0);
    assert_int_equal(u->space->stats.slots - u->space->stats.tables, slots + 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(pages_leave_a_run_one_by_one),
        UNIT_TEST(large_pages_leave_a_run_one_by_one),
        UNIT_TEST(a_page_from_the_middle_takes_bytes_or_stays),
        UNIT_TEST(frames_with_cookies_stay_the_callers_when_mapping_fails),
        UNIT_TEST(tearing_down_frees_each_of_a_run_once),
        UNIT_TEST(tearing_down_frees_each_large_page_of_a_run_once),
        UNIT_TEST(copies_within_the_guest_leave_nothing_behind),
    };

    return cmocka_run_group_tests_name("vspace_pages", tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Pages of the guest's address space where something is in the way: the space gone, no room left, a
 * run of frames cut in two, another allocator, a table.
 */
#include "unit_vm.h"

#include <guestmem/access.h>
#include <vka/object.h>

#include "pool.h"

#define BASE ((uintptr_t)0x40000000)
#define RAM ((uintptr_t)0x50000000)

static vspace_t *vspace_of(struct unit *u)
{
    return &u->vm.mem.vm_vspace;
}

static void a_space_that_is_gone_has_no_pages(void **state)
{
    struct unit *u = *state;
    vspace_t *v = vspace_of(u);
    reservation_t none = {NULL};

    vspace_tear_down(v, VSPACE_FREE); /* there is nothing in it */
    assert_int_equal(vspace_get_root(v), seL4_CapNull);
    assert_int_equal(v->new_pages_at_vaddr(v, (void *)BASE, 1, 12, none, false), -1);
    assert_int_equal(v->share_mem_at_vaddr(v, guestmem_host_vspace(u->host), (void *)BASE, 1, 12,
                                           (void *)BASE, none),
                     -1);
    assert_int_equal(v->share_mem_at_vaddr(v, v, (void *)BASE, 1, 12, (void *)BASE, none), -1);
    vspace_free_reservation(v, none);
    assert_null(gm_space_of(&u->vm));
}

static void objects_that_others_allocate_are_ignored(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_snapshot *before = unit_snapshot(u);

    vspace_of(u)->allocated_object(NULL, u->root);
    unit_check_same(u, before);
}

static void a_space_without_room_has_no_new_pages(void **state)
{
    struct unit *u = *state;

    unit_reserve(u, PAGE, u->space->last - PAGE + 1);
    assert_null(vspace_new_pages(vspace_of(u), seL4_AllRights, 1, 12));
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
}

/* What is left for anonymous memory isn't where pages go that may be anywhere. */
static void new_pages_keep_out_of_donated_ranges(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res;
    uintptr_t addr;

    assert_int_equal(vm_memory_make_anon(&u->vm, PAGE, 64 * PAGE), 0);
    assert_ptr_equal(vspace_new_pages(vspace_of(u), seL4_AllRights, 2, 12), (void *)(65 * PAGE));
    res = vm_reserve_anon_memory(&u->vm, PAGE, PAGE, unit_fault, NULL, &addr);
    assert_non_null(res);
    assert_int_equal(addr, PAGE);
}

static void no_frames_are_no_pages_whoever_has_the_rights(void **state)
{
    struct unit *u = *state;
    vspace_t *v = vspace_of(u);
    reservation_t reservation = vspace_reserve_deferred_rights_range_at(v, (void *)BASE, PAGE, 1);

    assert_non_null(reservation.res);
    assert_int_equal(v->deferred_rights_map_pages_at_vaddr(v, NULL, NULL, (void *)BASE, 1, 12,
                                                           seL4_AllRights, reservation),
                     -1);
    unit_check_failure(u, GUESTMEM_EINVAL);
    unit_check_no_leaf(u, BASE);
}

/* ------------------------------------------------------------------ out of the middle of a run */

enum { SINGLES = 40 };

/* One frame at a page of its own in the reservation, behind a gap. */
static void map_single(struct unit *u, reservation_t reservation, unsigned i)
{
    seL4_CPtr cap = unit_frame(u, 12);

    assert_int_equal(vspace_map_pages_at_vaddr(vspace_of(u), &cap, NULL,
                                               (void *)(BASE + (4 + 2 * i) * PAGE), 1, 12,
                                               reservation),
                     0);
}

static void see(struct unit *u, uintptr_t gpa, size_t size)
{
    static uint8_t bytes[3 * PAGE];

    assert_int_equal(guestmem_ram_read(&u->vm, gpa, bytes, size), GUESTMEM_OK);
}

/* Three frames whose slots lie side by side, with more room behind them. */
static reservation_t map_run(struct unit *u)
{
    reservation_t reservation = vspace_reserve_range_at(
        vspace_of(u), (void *)BASE, (4 + 2 * SINGLES) * PAGE, seL4_AllRights, 1);
    cspacepath_t path[3];
    seL4_CPtr caps[3];

    for (unsigned i = 3; i-- > 0;) { /* slots are handed out downwards */
        assert_int_equal(vka_cspace_alloc_path(u->vka, &path[i]), 0);
        caps[i] = path[i].capPtr;
    }
    assert_int_equal(caps[2], caps[0] + 2);
    for (unsigned i = 0; i < 3; i++) {
        cspacepath_t frame;

        vka_cspace_make_path(u->vka, unit_frame(u, 12), &frame);
        assert_int_equal(vka_cnode_copy(&path[i], &frame, seL4_AllRights), seL4_NoError);
    }
    assert_int_equal(vspace_map_pages_at_vaddr(vspace_of(u), caps, NULL, (void *)BASE, 3, 12,
                                               reservation),
                     0);
    return reservation;
}

static void unmap(struct unit *u, unsigned page)
{
    vspace_unmap_pages(vspace_of(u), (void *)(BASE + page * PAGE), 1, 12, VSPACE_FREE);
}

/* The list is full: there is no memory to cut its run in two, then there is. */
static void unmap_the_middle(struct unit *u, const struct gm_extents *list)
{
    struct guestmem_host_snapshot *before = unit_snapshot(u);
    size_t count = list->count;
    uint64_t word;

    assert_int_equal(list->at[0].count, 3);
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, 1, true);
    unmap(u, 1);
    assert_true(guestmem_host_failed(u->host, NULL));
    unit_check_failure(u, GUESTMEM_ENOMEM);
    guestmem_host_fail(u->host, 0, 0, false);
    unit_check_same(u, before);
    unmap(u, 1);
    assert_int_equal(list->count, count + 1);
    unit_check_leaf(u, BASE, 12);
    unit_check_no_leaf(u, BASE + PAGE);
    unit_check_leaf(u, BASE + 2 * PAGE, 12);
    assert_int_equal(guestmem_ram_load(&u->vm, BASE + PAGE, 8, &word), GUESTMEM_EUNMAPPED);
    assert_int_equal(guestmem_ram_load(&u->vm, BASE + 2 * PAGE, 8, &word), GUESTMEM_OK);
    unmap(u, 0);
    unmap(u, 2);
}

static void unmapping_out_of_a_run_is_all_or_nothing(void **state)
{
    struct unit *u = *state;
    reservation_t reservation = map_run(u);
    const struct gm_extents *frames =
        &guestmem_reservation_at(&u->vm, BASE)->backing->memory.frames;

    for (unsigned i = 0; frames->count < frames->room.capacity; i++) {
        assert_true(i < SINGLES);
        map_single(u, reservation, i);
    }
    unmap_the_middle(u, frames);
}

static void so_it_is_out_of_a_run_of_views(void **state)
{
    struct unit *u = *state;
    reservation_t reservation = map_run(u);
    const struct gm_backing *backing = guestmem_reservation_at(&u->vm, BASE)->backing;
    unsigned count = 0;

    while (count < 8 || backing->memory.frames.count == backing->memory.frames.room.capacity) {
        assert_true(count < SINGLES);
        map_single(u, reservation, count++);
    }
    see(u, BASE, 3 * PAGE);
    for (unsigned i = 0; backing->alias.count < backing->alias.room.capacity; i++) {
        assert_true(i < count);
        see(u, BASE + (4 + 2 * i) * PAGE, 8);
    }
    unmap_the_middle(u, &backing->alias);
}

/* ----------------------------------------------------------------------- in the middle of a call */

static void unmap_source(struct unit *u, uintptr_t addr)
{
    (void)addr;
    vspace_unmap_pages(vspace_of(u), (void *)PAGE, 1, 12, VSPACE_FREE);
}

/* The reservation would go with its last page; the copy is not done with it. */
static void pages_that_go_while_they_are_copied_leave_their_reservation(void **state)
{
    struct unit *u = *state;

    assert_ptr_equal(vspace_new_pages(vspace_of(u), seL4_AllRights, 1, 12), (void *)PAGE);
    unit_policy(u, 12, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(vm_map_reservation(&u->vm, unit_reserve(u, RAM, PAGE), unit_give, u), 0);
    u->give_hook = unmap_source;
    assert_int_equal(guestmem_ram_copy(&u->vm, RAM, PAGE, 64), GUESTMEM_EUNMAPPED);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_int_equal(u->give_calls, 1);
    unit_check_no_leaf(u, PAGE);
    assert_non_null(guestmem_reservation_at(&u->vm, PAGE));
}

/* ---------------------------------------------------------------------------------- sharing */

static void frames_are_not_shared_with_another_allocators_guest(void **state)
{
    struct unit *u = *state;
    vka_t vka = *u->vka;
    vm_t second = {
        .vka = &vka, .simple = u->vm.simple, .io_ops = u->vm.io_ops, .vm_name = u->vm.vm_name};
    vka_object_t root;
    reservation_t reservation;
    void *page = vspace_new_pages(vspace_of(u), seL4_AllRights, 1, 12);
    struct guestmem_host_snapshot *before;

    assert_int_equal(vka_alloc_vspace_root(u->vka, &root), 0);
    assert_int_equal(simple_ASIDPool_assign(u->vm.simple, root.cptr), seL4_NoError);
    second.mem.vmm_vspace = u->vm.mem.vmm_vspace;
    second.mem.vm_vspace_root = root;
    assert_int_equal(vm_memory_init(&second), 0);
    assert_int_equal(vm_init_guest_vspace(&second.mem.vmm_vspace, &second.mem.vmm_vspace,
                                          &second.mem.vm_vspace, &vka, root.cptr),
                     0);
    reservation =
        vspace_reserve_range_at(&second.mem.vm_vspace, (void *)BASE, PAGE, seL4_AllRights, 1);
    assert_non_null(reservation.res);
    before = unit_snapshot(u);
    assert_int_equal(vspace_share_mem_at_vaddr(vspace_of(u), &second.mem.vm_vspace, page, 1, 12,
                                               (void *)BASE, reservation),
                     -1);
    unit_check_failure(u, GUESTMEM_ENOSUP);
    unit_check_same(u, before);
    assert_int_equal(guestmem_destroy(&second), GUESTMEM_OK);
    vka_free_object(u->vka, &root);
}

static void a_large_frame_is_shared_from_its_start(void **state)
{
    struct unit *u = *state;
    char *page = vspace_new_pages(vspace_of(u), seL4_AllRights, 1, 21);
    reservation_t none = {NULL};

    assert_non_null(page);
    assert_int_equal(vspace_share_mem_at_vaddr(vspace_of(u), guestmem_host_vspace(u->host),
                                               page + PAGE, 1, 21, (void *)BASE, none),
                     -1);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
}

static struct unit *with_tables;

static seL4_CPtr root_with_tables(vspace_t *vspace)
{
    (void)vspace;
    return with_tables->root.cptr;
}

/* A space of another make, in whose page tables there is one where the large frame would go; and one
 * that lacks the table above. */
static void a_large_frame_is_not_shared_to_where_a_table_is(void **state)
{
    struct unit *u = *state;
    void *page = vspace_new_pages(vspace_of(u), seL4_AllRights, 1, 21);
    vspace_t to = *guestmem_host_vspace(u->host);
    vm_memory_reservation_t *small = unit_reserve(u, RAM, PAGE);
    struct guestmem_host_snapshot *before;
    reservation_t none = {NULL};

    with_tables = u;
    to.get_root = root_with_tables;
    assert_int_equal(map_frame_alloc_reservation(&u->vm, small), 0);
    before = unit_snapshot(u);
    assert_int_equal(
        vspace_share_mem_at_vaddr(vspace_of(u), &to, page, 1, 21, (void *)RAM, none), -1);
    unit_check_failure(u, GUESTMEM_EVMM);
    assert_int_equal(guestmem_last_failure(&u->vm)->cause, seL4_FailedLookup);
    unit_check_same(u, before);
    before = unit_snapshot(u);
    assert_int_equal(
        vspace_share_mem_at_vaddr(vspace_of(u), &to, page, 1, 21, (void *)(300 * GIB), none), -1);
    assert_int_not_equal(guestmem_last_failure(&u->vm)->cause, seL4_FailedLookup);
    unit_check_same(u, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_space_that_is_gone_has_no_pages),
        UNIT_TEST(objects_that_others_allocate_are_ignored),
        UNIT_TEST(a_space_without_room_has_no_new_pages),
        UNIT_TEST(new_pages_keep_out_of_donated_ranges),
        UNIT_TEST(no_frames_are_no_pages_whoever_has_the_rights),
        UNIT_TEST(unmapping_out_of_a_run_is_all_or_nothing),
        UNIT_TEST(so_it_is_out_of_a_run_of_views),
        UNIT_TEST(pages_that_go_while_they_are_copied_leave_their_reservation),
        UNIT_TEST(frames_are_not_shared_with_another_allocators_guest),
        UNIT_TEST(a_large_frame_is_shared_from_its_start),
        UNIT_TEST(a_large_frame_is_not_shared_to_where_a_table_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

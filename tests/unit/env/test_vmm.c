/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "fixture.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static vspace_t *vmm(void)
{
    return guestmem_host_vspace(host);
}

static uint64_t mappings(void)
{
    struct guestmem_host_counts counts;

    guestmem_host_count(host, &counts);
    return counts.vmm_mappings;
}

static vka_object_t new_frame(unsigned bits)
{
    vka_object_t frame;

    assert_ok(vka_alloc_frame(vka, bits, &frame));
    return frame;
}

static void every_function_is_set(void **state)
{
    const vspace_t *v = vmm();

    (void)state;
    assert_true(v->new_pages && v->map_pages && v->new_pages_at_vaddr && v->map_pages_at_vaddr &&
                v->deferred_rights_map_pages_at_vaddr && v->unmap_pages && v->tear_down &&
                v->reserve_range_aligned && v->reserve_range_at &&
                v->reserve_deferred_rights_range_at && v->free_reservation &&
                v->free_reservation_by_vaddr && v->get_cap && v->get_root && v->get_cookie &&
                v->share_mem_at_vaddr);
    assert_int_equal(vspace_get_root(vmm()), seL4_CapInitThreadVSpace);
}

static void a_mapped_frame_is_the_frames_memory(void **state)
{
    vka_object_t frame = new_frame(12);
    uintptr_t cookie = 42;
    uint8_t *bytes = vspace_map_pages(vmm(), &frame.cptr, &cookie, seL4_AllRights, 1, 12, 1);

    (void)state;
    assert_non_null(bytes);
    bytes[5] = 0x11;
    assert_int_equal(bytes_of(frame.cptr)[5], 0x11);
    assert_int_equal(vspace_get_cap(vmm(), bytes + 4095), frame.cptr);
    assert_int_equal(vspace_get_cookie(vmm(), bytes), 42);
    assert_int_equal(vspace_get_cap(vmm(), bytes + 4096), seL4_CapNull);
    vspace_unmap_pages(vmm(), bytes, 1, 12, VSPACE_PRESERVE);
    assert_int_equal(vspace_get_cap(vmm(), bytes), seL4_CapNull);
    assert_int_equal(mappings(), 0);
    vka_free_object(vka, &frame);
}

static void a_frame_that_the_vmm_sees_needs_a_second_cap_for_the_guest(void **state)
{
    vka_object_t frame = new_frame(12);
    seL4_CPtr root = space();
    void *bytes = vspace_map_pages(vmm(), &frame.cptr, NULL, seL4_AllRights, 1, 12, 1);

    (void)state;
    tables(root, 0);
    assert_non_null(bytes);
    assert_answer(map(frame.cptr, root, 0, seL4_AllRights), seL4_InvalidCapability);
    assert_ok(copy(frame.cptr, SLOT, seL4_AllRights));
    assert_ok(map(SLOT, root, 0, seL4_AllRights));
    assert_null(vspace_map_pages(vmm(), &(seL4_CPtr){SLOT}, NULL, seL4_AllRights, 1, 12, 1));
    assert_ok(seL4_ARM_Page_Clean_Data(frame.cptr, 0, 4096)); /* by the cap of this mapping */
}

static void attributes_and_rights_of_a_mapping_can_be_asked(void **state)
{
    vka_object_t frame = new_frame(12);
    struct guestmem_host_leaf leaf;
    void *bytes = vspace_map_pages(vmm(), &frame.cptr, NULL, seL4_CanRead, 1, 12, 0);

    (void)state;
    assert_true(leaf_at(seL4_CapInitThreadVSpace, (uintptr_t)bytes, &leaf));
    assert_true(leaf.read && !leaf.write && leaf.device);
    assert_int_equal(leaf.paddr, paddr_of(frame.cptr));
}

static void reservations_are_aligned_up_to_1_gib(void **state)
{
    void *vaddr, *other;
    reservation_t small = vspace_reserve_range(vmm(), 100, seL4_AllRights, 1, &other);
    reservation_t res = vspace_reserve_range_aligned(vmm(), GIB(2), 30, seL4_AllRights, 1, &vaddr);
    vka_object_t huge = new_frame(30);

    (void)state;
    assert_non_null(small.res);
    assert_non_null(res.res);
    assert_int_equal((uintptr_t)vaddr % GIB(1), 0);
    assert_ok(vspace_map_pages_at_vaddr(vmm(), &huge.cptr, NULL, (uint8_t *)vaddr + GIB(1), 1, 30,
                                        res));
    ((uint8_t *)vaddr)[GIB(1) + MIB(700)] = 9;
    assert_int_equal(vspace_get_cap(vmm(), (uint8_t *)vaddr + GIB(1) + MIB(700)), huge.cptr);
    vspace_unmap_pages(vmm(), (uint8_t *)vaddr + GIB(1), 1, 30, VSPACE_FREE);
    vspace_free_reservation(vmm(), res);
    vspace_free_reservation(vmm(), small);
}

static void a_taken_range_is_not_given_again_until_its_pages_are_gone(void **state)
{
    vka_object_t frame = new_frame(12);
    void *vaddr, *other;
    reservation_t res = vspace_reserve_range(vmm(), KIB(8), seL4_AllRights, 1, &vaddr);

    (void)state;
    assert_null(vspace_reserve_range_at(vmm(), vaddr, 4096, seL4_AllRights, 1).res);
    assert_ok(vspace_map_pages_at_vaddr(vmm(), &frame.cptr, NULL, vaddr, 1, 12, res));
    assert_int_not_equal(vspace_map_pages_at_vaddr(vmm(), &frame.cptr, NULL, vaddr, 1, 12, res),
                         0);
    vspace_free_reservation(vmm(), res);
    assert_null(vspace_reserve_range_at(vmm(), vaddr, 4096, seL4_AllRights, 1).res);
    res = vspace_reserve_range(vmm(), KIB(8), seL4_AllRights, 1, &other);
    assert_ptr_not_equal(vaddr, other);
    vspace_free_reservation(vmm(), res);
    vspace_unmap_pages(vmm(), vaddr, 1, 12, VSPACE_PRESERVE);
    res = vspace_reserve_range_at(vmm(), vaddr, KIB(8), seL4_AllRights, 1);
    assert_non_null(res.res);
    vspace_free_reservation_by_vaddr(vmm(), (uint8_t *)vaddr + 4096);
    assert_non_null(vspace_reserve_range_at(vmm(), vaddr, KIB(8), seL4_AllRights, 1).res);
}

static void a_map_that_fails_half_way_leaves_nothing(void **state)
{
    vka_object_t frames[4] = {new_frame(12), new_frame(12), new_frame(21), new_frame(12)};
    seL4_CPtr caps[4];
    struct guestmem_host_snapshot *before, *after;

    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        caps[k] = frames[k].cptr;
    }
    before = guestmem_host_snapshot(host);
    assert_null(vspace_map_pages(vmm(), caps, NULL, seL4_AllRights, 4, 12, 1)); /* a size */
    caps[2] = caps[0];
    assert_null(vspace_map_pages(vmm(), caps, NULL, seL4_AllRights, 4, 12, 1)); /* twice */
    caps[2] = SLOT;
    assert_null(vspace_map_pages(vmm(), caps, NULL, seL4_AllRights, 4, 12, 1)); /* no cap */
    after = guestmem_host_snapshot(host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

static void rights_come_with_the_mapping_in_a_deferred_reservation(void **state)
{
    vka_object_t frame = new_frame(12);
    struct guestmem_host_leaf leaf;
    void *vaddr;
    reservation_t res = vspace_reserve_range(vmm(), 4096, seL4_AllRights, 1, &vaddr);

    (void)state;
    vspace_free_reservation(vmm(), res);
    res = vspace_reserve_deferred_rights_range_at(vmm(), vaddr, 4096, 1);
    assert_non_null(res.res);
    assert_int_not_equal(vspace_map_pages_at_vaddr(vmm(), &frame.cptr, NULL, vaddr, 1, 12, res),
                         0);
    assert_ok(vspace_deferred_rights_map_pages_at_vaddr(vmm(), &frame.cptr, NULL, vaddr, 1, 12,
                                                        seL4_CanRead, res));
    assert_true(leaf_at(seL4_CapInitThreadVSpace, (uintptr_t)vaddr, &leaf));
    assert_true(leaf.read && !leaf.write);
}

static void new_pages_come_from_the_vka_and_go_back_to_it(void **state)
{
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(host), *after;
    uint8_t *bytes = vspace_new_pages(vmm(), seL4_AllRights, 10, 12);
    vspace_new_pages_config_t config;
    void *stack;

    (void)state;
    memset(bytes, 3, KIB(40));
    vspace_unmap_pages(vmm(), bytes, 10, 12, VSPACE_FREE);
    assert_int_equal(default_vspace_new_pages_config(2, 21, &config), 0);
    bytes = vspace_new_pages_with_config(vmm(), &config, seL4_AllRights);
    assert_int_equal(bytes[MIB(3)], 0);
    vspace_unmap_pages(vmm(), bytes, 2, 21, VSPACE_FREE);
    stack = vspace_new_sized_stack(vmm(), 4);
    ((uint8_t *)stack)[-1] = 1;
    vspace_free_sized_stack(vmm(), stack, 4);
    after = guestmem_host_snapshot(host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

static int read_byte(void *access_addr, void *vaddr, void *cookie)
{
    assert_ptr_not_equal(access_addr, vaddr);
    *(uint8_t *)cookie = *(uint8_t *)vaddr;
    return 17;
}

static void sharing_goes_by_copies_that_go_with_the_share(void **state)
{
    struct guestmem_host_snapshot *before, *after;
    uint8_t *bytes = vspace_new_pages(vmm(), seL4_AllRights, 2, 12), *shared, got = 0;

    (void)state;
    bytes[4096] = 0x2b;
    before = guestmem_host_snapshot(host);
    shared = vspace_share_mem(vmm(), vmm(), bytes, 2, 12, seL4_CanRead, 1);
    assert_non_null(shared);
    assert_int_equal(shared[4096], 0x2b);
    assert_int_not_equal(vspace_get_cap(vmm(), shared), vspace_get_cap(vmm(), bytes));
    vspace_unmap_pages(vmm(), shared, 2, 12, VSPACE_FREE);
    assert_int_equal(vspace_access_page_with_callback(vmm(), vmm(), bytes + 4096, 12,
                                                      seL4_AllRights, 1, read_byte, &got),
                     17);
    assert_int_equal(got, 0x2b);
    assert_null(vspace_share_mem(vmm(), vmm(), bytes + KIB(8), 1, 12, seL4_AllRights, 1));
    after = guestmem_host_snapshot(host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

static void a_deleted_cap_takes_its_mapping_with_it(void **state)
{
    vka_object_t frame = new_frame(12);
    void *bytes = vspace_map_pages(vmm(), &frame.cptr, NULL, seL4_AllRights, 1, 12, 1);
    int fds[2];

    (void)state;
    *(uint8_t *)bytes = 1;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], bytes, 1), 1);
    vka_free_object(vka, &frame);
    assert_int_equal(write(fds[1], bytes, 1), -1);
    assert_int_equal(errno, EFAULT);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(mappings(), 1); /* the books still say so: nobody told the vspace */
    vspace_unmap_pages(vmm(), bytes, 1, 12, VSPACE_PRESERVE);
    assert_int_equal(mappings(), 0);
}

static void tear_down_unmaps_everything(void **state)
{
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(host), *after;
    void *vaddr;

    (void)state;
    assert_non_null(vspace_new_pages(vmm(), seL4_AllRights, 3, 12));
    assert_non_null(vspace_new_pages(vmm(), seL4_AllRights, 2, 21));
    assert_non_null(vspace_reserve_range(vmm(), MIB(1), seL4_AllRights, 1, &vaddr).res);
    assert_non_null(vspace_new_pages(vmm(), seL4_AllRights, 1, 12));
    vspace_tear_down(vmm(), VSPACE_FREE);
    after = guestmem_host_snapshot(host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

static void ten_thousand_reservations_fit_and_leave_no_gap(void **state)
{
    static reservation_t held[10000];
    void *first, *vaddr;

    (void)state;
    held[0] = vspace_reserve_range(vmm(), 4096, seL4_AllRights, 1, &first);
    for (unsigned k = 1; k < 10000; k++) {
        held[k] = vspace_reserve_range(vmm(), 4096, seL4_AllRights, 1, &vaddr);
        assert_ptr_equal(vaddr, (uint8_t *)first + KIB(4) * k);
    }
    for (unsigned k = 0; k < 10000; k += 2) {
        vspace_free_reservation(vmm(), held[k]);
    }
    held[0] = vspace_reserve_range(vmm(), KIB(8), seL4_AllRights, 1, &vaddr);
    assert_ptr_equal(vaddr, (uint8_t *)first + KIB(4) * 10000);
    held[2] = vspace_reserve_range(vmm(), KIB(4), seL4_AllRights, 1, &vaddr);
    assert_ptr_equal(vaddr, first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(every_function_is_set),
        test(a_mapped_frame_is_the_frames_memory),
        test(a_frame_that_the_vmm_sees_needs_a_second_cap_for_the_guest),
        test(attributes_and_rights_of_a_mapping_can_be_asked),
        test(reservations_are_aligned_up_to_1_gib),
        test(a_taken_range_is_not_given_again_until_its_pages_are_gone),
        test(a_map_that_fails_half_way_leaves_nothing),
        test(rights_come_with_the_mapping_in_a_deferred_reservation),
        test(new_pages_come_from_the_vka_and_go_back_to_it),
        test(sharing_goes_by_copies_that_go_with_the_share),
        test(a_deleted_cap_takes_its_mapping_with_it),
        test(tear_down_unmaps_everything),
        test(ten_thousand_reservations_fit_and_leave_no_gap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "fixture.h"

static void boot_frames(void)
{
    static const struct guestmem_host_region regions[] = {{DEVICE_BASE, MIB(3), false}};
    struct guestmem_host_config config = {
        .regions = regions, .region_count = 1, .flavour = GUESTMEM_HOST_BOOT_FRAMES};

    guestmem_host_destroy(host);
    assert_int_equal(guestmem_host_create(&config, &host), 0);
    vka = guestmem_host_vka(host);
}

static seL4_Error frame_at(uint64_t paddr, int bits, cspacepath_t *path)
{
    assert_int_equal(vka_cspace_alloc_path(vka, path), 0);
    return simple_get_frame_cap(guestmem_host_simple(host), (void *)(uintptr_t)paddr, bits, path);
}

static void untypeds_are_told_with_their_device_flag(void **state)
{
    simple_t *simple = guestmem_host_simple(host);
    unsigned devices = 0, normal = 0;

    (void)state;
    for (int n = 0; n < simple_get_untyped_count(simple); n++) {
        uintptr_t paddr;
        size_t bits;
        bool device;

        assert_int_not_equal(simple_get_nth_untyped(simple, n, &bits, &paddr, &device), 0);
        assert_int_equal(paddr & MASK(bits), 0);
        assert_int_equal(device, paddr < 0x80000000);
        devices += device;
        normal += !device;
    }
    assert_int_equal(devices, 1);
    assert_int_equal(normal, 2); /* 4 GiB from 2 GiB on */
    assert_int_equal(simple_get_nth_untyped(simple, 3, NULL, NULL, NULL), seL4_CapNull);
    assert_int_equal(simple_get_cnode(simple), seL4_CapInitThreadCNode);
    assert_int_equal(simple_get_cnode_size_bits(simple), 20);
}

/* Defect D33: what a caller does who asks for the base of a device untyped that way. */
static void a_frame_by_boot_information_is_retyped_behind_the_allocators_back(void **state)
{
    cspacepath_t path, next;
    vka_object_t frame;

    (void)state;
    assert_ok(frame_at(DEVICE_BASE, 12, &path));
    assert_int_equal(paddr_of(path.capPtr), DEVICE_BASE);
    assert_int_not_equal(vka_alloc_frame_at(vka, 12, DEVICE_BASE + 0x1000, &frame), 0);
    assert_ok(frame_at(DEVICE_BASE, 12, &next));
    assert_int_equal(paddr_of(next.capPtr), DEVICE_BASE + 0x1000); /* not what was asked for */
}

static void boot_information_gives_only_what_starts_there(void **state)
{
    vka_object_t frame;
    cspacepath_t path;

    (void)state;
    assert_answer(frame_at(DEVICE_BASE + 0x1000, 12, &path), seL4_FailedLookup);
    assert_answer(frame_at(0x1000, 12, &path), seL4_FailedLookup);
    assert_answer(frame_at(DEVICE_BASE, 13, &path), seL4_InvalidArgument);
    assert_ok(vka_alloc_frame_at(vka, 12, DEVICE_BASE + 0x5000, &frame));
    assert_answer(frame_at(DEVICE_BASE, 12, &path), seL4_NotEnoughMemory);
}

static void boot_frames_are_copies_and_can_be_had_again(void **state)
{
    struct guestmem_host_snapshot *before, *after;
    cspacepath_t path, second;
    vka_object_t frame;

    (void)state;
    boot_frames();
    before = guestmem_host_snapshot(host);
    assert_int_not_equal(vka_alloc_frame_at(vka, 12, DEVICE_BASE + 0x5000, &frame), 0);
    assert_ok(frame_at(DEVICE_BASE + 0x5000, 12, &path));
    assert_int_equal(paddr_of(path.capPtr), DEVICE_BASE + 0x5000);
    assert_ok(frame_at(DEVICE_BASE + 0x5000, 12, &second));
    assert_ok(delete_cap(path.capPtr));
    assert_ok(delete_cap(second.capPtr));
    vka_cspace_free(vka, path.capPtr);
    vka_cspace_free(vka, second.capPtr);
    after = guestmem_host_snapshot(host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

static void boot_frames_cover_their_regions_page_by_page(void **state)
{
    cspacepath_t path;

    (void)state;
    boot_frames();
    assert_ok(frame_at(DEVICE_BASE + MIB(3) - 4096, 12, &path));
    assert_answer(frame_at(DEVICE_BASE + MIB(3), 12, &path), seL4_FailedLookup);
    assert_answer(frame_at(DEVICE_BASE - 4096, 12, &path), seL4_FailedLookup);
    assert_answer(frame_at(DEVICE_BASE, 21, &path), seL4_FailedLookup);
    assert_answer(frame_at(0x80000000, 12, &path), seL4_FailedLookup);
}

static void frame_info_names_the_untyped_and_the_offset(void **state)
{
    simple_t *simple = guestmem_host_simple(host);
    seL4_CPtr cap = 0;
    seL4_Word offset = 0;

    (void)state;
    assert_null(simple_get_frame_info(simple, (void *)(DEVICE_BASE + 0x4000), 12, &cap, &offset));
    assert_int_not_equal(cap, 0);
    assert_int_equal(offset, 0x4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(untypeds_are_told_with_their_device_flag),
        test(a_frame_by_boot_information_is_retyped_behind_the_allocators_back),
        test(boot_information_gives_only_what_starts_there),
        test(boot_frames_are_copies_and_can_be_had_again),
        test(boot_frames_cover_their_regions_page_by_page),
        test(frame_info_names_the_untyped_and_the_offset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

static struct guestmem_host_counts count(void)
{
    struct guestmem_host_counts counts;

    guestmem_host_count(host, &counts);
    return counts;
}

static void restart(const struct guestmem_host_config *config)
{
    guestmem_host_destroy(host);
    assert_int_equal(guestmem_host_create(config, &host), 0);
    vka = guestmem_host_vka(host);
}

static void all_of_memory_is_one_untyped_where_it_is_a_power_of_two(void **state)
{
    struct guestmem_host_config config = {.ram_bytes = GIB(1)};
    vka_object_t all, none;

    (void)state;
    restart(&config);
    assert_int_equal(count().free_bytes, GIB(1));
    assert_ok(vka_alloc_untyped(vka, 30, &all));
    assert_int_equal(vka_object_paddr(vka, &all), 0x80000000);
    assert_int_equal(count().free_bytes, 0);
    assert_int_not_equal(vka_alloc_frame(vka, 12, &none), 0);
    assert_int_equal(none.cptr, 0);
}

static void a_split_costs_one_retype_a_level(void **state)
{
    struct guestmem_host_config config = {.ram_bytes = GIB(4), .ram_base = GIB(4)};
    struct guestmem_host_counts before, after;
    vka_object_t frame;

    (void)state;
    restart(&config);
    before = count();
    assert_ok(vka_alloc_frame(vka, 12, &frame));
    after = count();
    assert_int_equal(after.retypes - before.retypes, 20 + 1);
    assert_int_equal(after.invocations - before.invocations, 20 + 1);
    assert_int_equal(after.slots_used - before.slots_used, 2 * 20 + 1);
}

static void what_is_freed_is_joined_again(void **state)
{
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(host), *after;
    static vka_object_t objects[2000];

    (void)state;
    srand(1);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned k = 0; k < 2000; k++) {
            static const seL4_Word types[] = {seL4_ARM_SmallPageObject, seL4_EndpointObject,
                                              seL4_ARM_PageTableObject, seL4_TCBObject,
                                              seL4_ARM_LargePageObject};

            assert_ok(vka_alloc_object(vka, types[(unsigned)rand() % 5], 0, &objects[k]));
        }
        for (unsigned left = 2000; left > 0; left--) {
            unsigned k = (unsigned)rand() % left;

            vka_free_object(vka, &objects[k]);
            objects[k] = objects[left - 1];
        }
        after = guestmem_host_snapshot(host);
        assert_true(guestmem_host_snapshot_same(before, after, stderr));
        guestmem_host_snapshot_free(after);
    }
    guestmem_host_snapshot_free(before);
}

static void a_freed_object_s_neighbours_stay(void **state)
{
    vka_object_t frames[8], again;
    uint64_t paddr;

    (void)state;
    for (unsigned k = 0; k < 8; k++) {
        assert_ok(vka_alloc_frame(vka, 12, &frames[k]));
    }
    paddr = vka_object_paddr(vka, &frames[3]);
    vka_free_object(vka, &frames[3]);
    assert_ok(vka_alloc_frame(vka, 12, &again));
    assert_int_equal(vka_object_paddr(vka, &again), paddr);
    for (unsigned k = 0; k < 8; k++) {
        assert_int_equal(paddr_of(k == 3 ? again.cptr : frames[k].cptr),
                         vka_object_paddr(vka, k == 3 ? &again : &frames[k]));
    }
}

static void frames_come_at_a_given_address_once(void **state)
{
    vka_object_t device, ram, again;

    (void)state;
    assert_ok(vka_alloc_frame_at(vka, 12, DEVICE_BASE + 0x3000, &device));
    assert_int_equal(paddr_of(device.cptr), DEVICE_BASE + 0x3000);
    assert_int_equal(vka_object_paddr(vka, &device), DEVICE_BASE + 0x3000);
    assert_int_not_equal(vka_alloc_frame_at(vka, 12, DEVICE_BASE + 0x3000, &again), 0);
    assert_int_not_equal(vka_alloc_frame_at(vka, 21, DEVICE_BASE, &again), 0);
    assert_ok(vka_alloc_frame_at(vka, 21, DEVICE_BASE + MIB(2), &again));
    assert_ok(vka_alloc_frame_at(vka, 30, 0x80000000 + GIB(1), &ram));
    assert_int_equal(paddr_of(ram.cptr), 0x80000000 + GIB(1));
    assert_int_not_equal(vka_alloc_frame_at(vka, 12, 0x80000000 + GIB(1), &again), 0);
    assert_int_not_equal(vka_alloc_frame_at(vka, 12, 0x1000, &again), 0);
    assert_int_not_equal(vka_alloc_frame_at(vka, 21, 0x80000000 + 0x1000, &again), 0);
    vka_free_object(vka, &device);
    assert_ok(vka_alloc_frame_at(vka, 21, DEVICE_BASE, &device));
}

static void device_ram_comes_first_where_it_may_be_used(void **state)
{
    static const struct guestmem_host_region regions[] = {{DEVICE_BASE, MIB(2), false},
                                                          {MIB(64), MIB(2), true}};
    struct guestmem_host_config config = {.regions = regions, .region_count = 2};
    vka_object_t frame, rest, table;

    (void)state;
    restart(&config);
    assert_ok(vka_alloc_frame_maybe_device(vka, 12, true, &frame));
    assert_int_equal(paddr_of(frame.cptr), MIB(64));
    assert_ok(vka_alloc_frame_maybe_device(vka, 12, false, &rest));
    assert_true(paddr_of(rest.cptr) >= 0x80000000);
    assert_ok(vka_alloc_object_at_maybe_dev(vka, seL4_ARM_PageTableObject, 12, VKA_NO_PADDR, true,
                                            &table));
    vka_free_object(vka, &frame);
    assert_ok(vka_alloc_frame_maybe_device(vka, 21, true, &frame));
    assert_int_equal(paddr_of(frame.cptr), MIB(64));
    assert_ok(vka_alloc_frame_maybe_device(vka, 12, true, &rest)); /* none left of it */
    assert_true(paddr_of(rest.cptr) >= 0x80000000);
}

static void without_slots_nothing_is_taken(void **state)
{
    struct guestmem_host_config config = {.cnode_bits = 10};
    struct guestmem_host_snapshot *before, *after;
    seL4_CPtr slot, last = 0;
    vka_object_t frame;

    (void)state;
    restart(&config);
    while (vka_cspace_alloc(vka, &slot) == 0) {
        last = slot;
    }
    vka_cspace_free(vka, last);
    before = guestmem_host_snapshot(host);
    assert_int_not_equal(vka_alloc_frame(vka, 12, &frame), 0);
    after = guestmem_host_snapshot(host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

static void a_used_destination_takes_no_memory(void **state)
{
    struct guestmem_host_snapshot *before, *after;
    cspacepath_t path;
    seL4_Word cookie;
    vka_object_t frame;

    (void)state;
    assert_ok(vka_alloc_frame(vka, 12, &frame));
    vka_cspace_make_path(vka, frame.cptr, &path);
    before = guestmem_host_snapshot(host);
    assert_int_equal(vka_utspace_alloc(vka, &path, seL4_EndpointObject, 0, &cookie),
                     seL4_DeleteFirst);
    assert_int_not_equal(vka_utspace_alloc(vka, &path, seL4_UntypedObject, 63, &cookie), 0);
    assert_int_not_equal(vka_utspace_alloc(vka, &path, seL4_UntypedObject, 2, &cookie), 0);
    assert_int_not_equal(vka_utspace_alloc(vka, &path, 99, 12, &cookie), 0);
    after = guestmem_host_snapshot(host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

static void memory_that_comes_back_is_cleared(void **state)
{
    vka_object_t frame;

    (void)state;
    assert_ok(vka_alloc_frame(vka, 21, &frame));
    memset(guestmem_host_phys(host, paddr_of(frame.cptr), MIB(2)), 1, MIB(2));
    vka_free_object(vka, &frame);
    assert_ok(vka_alloc_frame(vka, 12, &frame));
    for (unsigned k = 0; k < 4096; k++) {
        assert_int_equal(bytes_of(frame.cptr)[k], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(all_of_memory_is_one_untyped_where_it_is_a_power_of_two),
        test(a_split_costs_one_retype_a_level),
        test(what_is_freed_is_joined_again),
        test(a_freed_object_s_neighbours_stay),
        test(frames_come_at_a_given_address_once),
        test(device_ram_comes_first_where_it_may_be_used),
        test(without_slots_nothing_is_taken),
        test(a_used_destination_takes_no_memory),
        test(memory_that_comes_back_is_cleared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * D12, D17, D25, D27, D28, D35: what costs more than it should. Costs are compared with each other
 * on the same machine, many against few, so that a slow or instrumented one passes too; the figures
 * themselves are the benches'.
 */
#include <string.h>
#include <time.h>

#include "defects.h"

enum { FEW = 250, MANY = 10000, TIMES = 3 };

/* Processor time of this program in seconds; the case goes on without where there is none. */
static double seconds(void)
{
    clock_t now = clock();

    return now == (clock_t)-1 ? -1 : (double)now / CLOCKS_PER_SEC;
}

/* Check that one of `many` costs at most `factor` times one of `few`: lists that are searched from
 * one end cost as many times more as they are longer. */
static void check_growth(double few, double many, double factor)
{
    if (few < 0 || many < 0) {
        gm_test_unchecked("there is no clock");
    } else if (many > few * factor && many > 2e-6) {
        GM_FAIL("%.0f ns each among many, %.0f ns among few", many * 1e9, few * 1e9);
    }
}

/* The least of some measurements, per item. */
static double least(double (*measure)(vm_t *vm, unsigned count), vm_t *vm, unsigned count, unsigned items)
{
    double best = measure(vm, count);

    for (unsigned i = 1; i < TIMES; i++) {
        double next = measure(vm, count);

        best = next < best ? next : best;
    }
    return best / items;
}

enum { FAULTS = 100000 };

static double time_faults(vm_t *vm, unsigned count)
{
    double start = seconds();

    for (unsigned i = 0; i < FAULTS; i++) {
        GM_CHECK_EQ(gm_env_fault(vm, BASE + i % count * GM_PAGE, 4), FAULT_IGNORE);
    }
    return seconds() - start;
}

/* With the defect a fault among 10,000 costs forty times what it costs among 250. */
static void D12_a_fault_among_many_anonymous_reservations_is_found_fast(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_IGNORE};
    uintptr_t addr;
    double few;

    (void)env;
    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, MANY * GM_PAGE), 0);
    for (unsigned i = 0; i < FEW; i++) {
        GM_CHECK_NOT_NULL(vm_reserve_anon_memory(vm, GM_PAGE, 1, gm_fault_note, &log, &addr));
    }
    few = least(time_faults, vm, FEW, FAULTS);
    for (unsigned i = FEW; i < MANY; i++) {
        GM_CHECK_NOT_NULL(vm_reserve_anon_memory(vm, GM_PAGE, 1, gm_fault_note, &log, &addr));
    }
    check_growth(few, least(time_faults, vm, MANY, FAULTS), 8);
}

static vm_memory_reservation_t *made[MANY];

static double time_descending(vm_t *vm, unsigned count)
{
    double start = seconds();

    for (unsigned i = count; i-- > 0;) {
        made[i] = reserve(vm, BASE + i * GM_PAGE, GM_PAGE);
    }
    for (unsigned i = 0; i < count; i++) {
        GM_CHECK_EQ(vm_free_reserved_memory(vm, made[i]), 0);
    }
    return seconds() - start;
}

/* With the defect 10,000 cost forty times as much each as 250 do. */
static void D17_many_devices_are_reserved_downwards_and_freed_upwards_fast(struct gm_env *env, vm_t *vm)
{
    double few = least(time_descending, vm, FEW, FEW);

    (void)env;
    check_growth(few, least(time_descending, vm, MANY, MANY), 8);
}

enum { FEW_REGIONS = 100, MANY_REGIONS = 2000 };

static double time_regions(vm_t *vm, unsigned count)
{
    double start = seconds();

    for (unsigned i = 0; i < count; i++) {
        GM_CHECK_EQ(vm_ram_register_at(vm, BASE + i * 2 * GM_PAGE, GM_PAGE, false), 0);
    }
    GM_CHECK_EQ(vm->mem.num_ram_regions, count);
    start = seconds() - start;
    for (unsigned i = 0; i < count; i++) {
        uintptr_t at = BASE + i * 2 * GM_PAGE;

        GM_CHECK_EQ(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, at)), 0);
    }
    GM_CHECK_EQ(vm->mem.num_ram_regions, 0);
    return start;
}

/* With the defect each registration sorts all regions. */
static void D25_many_ram_regions_are_registered_fast(struct gm_env *env, vm_t *vm)
{
    double few = least(time_regions, vm, FEW_REGIONS, FEW_REGIONS);

    (void)env;
    check_growth(few, least(time_regions, vm, MANY_REGIONS, MANY_REGIONS), 8);
}

/* With the limit there are not enough slots, or not enough memory for the book-keeping. */
static void D27_a_guest_of_2_gib_takes_some_two_thousand_slots(struct gm_env *env, vm_t *vm)
{
    struct gm_env_counts before;
    struct gm_env_counts after;

    gm_env_count(env, &before);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 2 * GM_GIB, false), 0);
    gm_env_count(env, &after);
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_GIB - 1, GM_BITS_2M, "rw", false);
    GM_CHECK(after.slots - before.slots <= 2 * (512 + 64));
    GM_CHECK(after.heap_bytes - before.heap_bytes <= 2 * 4 * GM_KIB);
}

static int count_pieces(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset, void *count)
{
    (void)vm;
    (void)addr;
    (void)vaddr;
    (void)size;
    (void)offset;
    ++*(size_t *)count;
    return 0;
}

/* With the limit each of these accesses maps and unmaps a page. */
static void D28_a_second_access_to_the_same_ram_asks_nothing_of_the_kernel(struct gm_env *env, vm_t *vm)
{
    struct gm_env_counts before;
    struct gm_env_counts after;
    size_t pieces = 0;

    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 4 * GM_MIB, false), 0);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE, 4 * GM_MIB, count_pieces, &pieces), 0);
    gm_env_count(env, &before);
    if (!before.complete) {
        GM_SKIP("invocations can't be counted here");
    }
    for (unsigned i = 0; i < 100; i++) {
        GM_CHECK_EQ(vm_ram_touch(vm, BASE + i * 0x1235, 0x3000, count_pieces, &pieces), 0);
    }
    gm_env_count(env, &after);
    GM_CHECK_EQ(after.invocations, before.invocations);
    GM_CHECK_EQ(after.slots, before.slots);
    GM_CHECK(pieces > 1024 + 100 * 3);
}

/* With the defect all of these are 4 KiB frames. */
static void D35_frames_are_as_large_as_addresses_and_length_allow(struct gm_env *env, vm_t *vm)
{
    uintptr_t paddr = gm_env_free_paddr(env, GM_BITS_2M + 1);

    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, paddr, reserve(vm, BASE, 4 * GM_MIB)), 0);
    GM_CHECK_LEAF(env, vm, BASE + 3 * GM_MIB, GM_BITS_2M, "rw", false);
    GM_CHECK_PADDR(env, vm, BASE + 3 * GM_MIB, paddr + 3 * GM_MIB);
    GM_CHECK_EQ(map_ut_alloc_reservation(vm, reserve(vm, env->device_base, 2 * GM_MIB)), 0);
    GM_CHECK_LEAF(env, vm, env->device_base, GM_BITS_2M, "rw", true);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, 4 * BASE - 0x1800, 2 * GM_MIB + 0x3000)), 0);
    GM_CHECK_LEAF(env, vm, 4 * BASE - 0x1800, GM_BITS_4K, "rw", false);
    GM_CHECK_LEAF(env, vm, 4 * BASE, GM_BITS_2M, "rw", false);
    GM_CHECK_LEAF(env, vm, 4 * BASE + 2 * GM_MIB, GM_BITS_4K, "rw", false);
    GM_CHECK_EQ(vm_ram_register_at(vm, 8 * BASE, 2 * GM_MIB, false), 0);
    GM_CHECK_LEAF(env, vm, 8 * BASE, GM_BITS_2M, "rw", false);
}

/* 1 GiB, but only where that is asked for. */
static void D35_a_frame_of_1_gib_is_used_where_asked_for(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_GIB);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    limit_frames(vm, GM_BITS_1G);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, BASE, GM_GIB)), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_1G, "rw", false);
}

static const struct gm_case cases[] = {
    GM_CASE(D12_a_fault_among_many_anonymous_reservations_is_found_fast),
    GM_CASE(D17_many_devices_are_reserved_downwards_and_freed_upwards_fast),
    GM_CASE(D25_many_ram_regions_are_registered_fast),
    GM_CASE_WITH(D27_a_guest_of_2_gib_takes_some_two_thousand_slots, .ram_bytes = 3 * GM_GIB),
    GM_CASE(D28_a_second_access_to_the_same_ram_asks_nothing_of_the_kernel),
    GM_CASE(D35_frames_are_as_large_as_addresses_and_length_allow),
    GM_CASE_WITH(D35_a_frame_of_1_gib_is_used_where_asked_for, .ram_bytes = 3 * GM_GIB),
};
const struct gm_suite scale_defects = GM_SUITE("scale", cases);

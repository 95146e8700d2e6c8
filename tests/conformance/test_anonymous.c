/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * vm_memory_make_anon(), vm_reserve_anon_memory().
 */
#include "conformance.h"

static vm_memory_reservation_t *reserve_anon(vm_t *vm, size_t size, size_t align, uintptr_t *addr)
{
    return vm_reserve_anon_memory(vm, size, align, default_error_fault_callback, NULL, addr);
}

static void donate(vm_t *vm, uintptr_t addr, size_t size)
{
    GM_CHECK_EQ(vm_memory_make_anon(vm, addr, size), 0);
}

/* Reserve, check that it works, give the address. */
static uintptr_t take(vm_t *vm, size_t size, size_t align, vm_memory_reservation_t **res)
{
    uintptr_t addr = 0;
    vm_memory_reservation_t *made = reserve_anon(vm, size, align, &addr);

    GM_CHECK_NOT_NULL(made);
    if (res != NULL) {
        *res = made;
    }
    return addr;
}

static void anonymous_memory_lies_in_what_was_donated(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res;
    uintptr_t region = 0;
    size_t size = 0;
    uintptr_t addr;

    (void)env;
    donate(vm, BASE, 16 * GM_PAGE);
    addr = take(vm, 3 * GM_PAGE, 1, &res);
    GM_CHECK(addr >= BASE && addr + 3 * GM_PAGE <= BASE + 16 * GM_PAGE);
    vm_get_reservation_memory_region(res, &region, &size);
    GM_CHECK_EQ(region, addr);
    GM_CHECK_EQ(size, 3 * GM_PAGE);
}

static void anonymous_memory_is_first_fit(struct gm_env *env, vm_t *vm)
{
    (void)env;
    donate(vm, BASE, 16 * GM_PAGE);
    GM_CHECK_EQ(take(vm, GM_PAGE, 1, NULL), BASE);
    GM_CHECK_EQ(take(vm, 2 * GM_PAGE, 1, NULL), BASE + GM_PAGE);
    GM_CHECK_EQ(take(vm, GM_PAGE, 8 * GM_PAGE, NULL), BASE + 8 * GM_PAGE);
    GM_CHECK_EQ(take(vm, GM_PAGE, 1, NULL), BASE + 3 * GM_PAGE);
}

static void nothing_donated_gives_nothing(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = 0x77;

    CHANGES_NOTHING(env, GM_CHECK_NULL(reserve_anon(vm, GM_PAGE, 1, &addr)));
    GM_CHECK_EQ(addr, 0x77);
}

static void more_than_is_left_is_refused(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = 0x77;

    donate(vm, BASE, 4 * GM_PAGE);
    take(vm, GM_PAGE, 1, NULL);
    CHANGES_NOTHING(env, GM_CHECK_NULL(reserve_anon(vm, 4 * GM_PAGE, 1, &addr)));
    GM_CHECK_EQ(addr, 0x77);
    take(vm, 3 * GM_PAGE, 1, NULL);
}

static void every_power_of_two_is_an_alignment(struct gm_env *env, vm_t *vm)
{
    (void)env;
    donate(vm, BASE + GM_PAGE, 64 * GM_MIB);
    for (size_t align = 1; align <= 16 * GM_MIB; align *= 2) {
        vm_memory_reservation_t *res;
        uintptr_t addr = take(vm, GM_PAGE, align, &res);

        GM_CHECK_EQ(addr % align, 0);
        GM_CHECK_EQ(addr % GM_PAGE, 0);
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    }
}

static void an_alignment_that_is_no_power_of_two_is_refused(struct gm_env *env, vm_t *vm)
{
    static const size_t wrong[] = {0, 3, 12, GM_PAGE + 1, 3 * GM_PAGE, SIZE_MAX};
    uintptr_t addr = 0x77;

    donate(vm, BASE, 64 * GM_PAGE);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHANGES_NOTHING(env, GM_CHECK_NULL(reserve_anon(vm, GM_PAGE, wrong[i], &addr)));
        GM_CHECK_EQ(addr, 0x77);
    }
}

static void an_alignment_larger_than_the_region_is_refused(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = 0x77;

    donate(vm, BASE + GM_PAGE, 4 * GM_PAGE);
    CHANGES_NOTHING(env, GM_CHECK_NULL(reserve_anon(vm, GM_PAGE, GM_MIB, &addr)));
    CHANGES_NOTHING(env, GM_CHECK_NULL(reserve_anon(vm, GM_PAGE, (size_t)1 << 63, &addr)));
    GM_CHECK_EQ(addr, 0x77);
}

static void a_size_of_zero_or_nearly_infinity_is_refused(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = 0x77;

    donate(vm, BASE, 4 * GM_PAGE);
    CHANGES_NOTHING(env, GM_CHECK_NULL(reserve_anon(vm, 0, 1, &addr)));
    CHANGES_NOTHING(env, GM_CHECK_NULL(reserve_anon(vm, SIZE_MAX, 1, &addr)));
    CHANGES_NOTHING(env, GM_CHECK_NULL(reserve_anon(vm, SIZE_MAX - GM_PAGE + 2, 1, &addr)));
    GM_CHECK_EQ(addr, 0x77);
}

static void an_anonymous_reservation_needs_a_callback(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = 0x77;

    donate(vm, BASE, 4 * GM_PAGE);
    CHANGES_NOTHING(env, GM_CHECK_NULL(vm_reserve_anon_memory(vm, GM_PAGE, 1, NULL, NULL, &addr)));
    GM_CHECK_EQ(addr, 0x77);
}

static void small_anonymous_reservations_never_share_a_page(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *first;
    vm_memory_reservation_t *second;
    size_t size = 0;
    uintptr_t one;
    uintptr_t two;

    donate(vm, BASE, 4 * GM_PAGE);
    one = take(vm, 1, 1, &first);
    two = take(vm, 0x10, 1, &second);
    GM_CHECK_EQ(two, one + GM_PAGE);
    vm_get_reservation_memory_region(first, NULL, &size);
    GM_CHECK_EQ(size, 1);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, first), 0);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, second), 0);
    GM_CHECK_LEAF(env, vm, one, GM_BITS_4K, "rw", false);
}

static void freed_anonymous_memory_is_used_again(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res;
    uintptr_t first;

    (void)env;
    donate(vm, BASE, 2 * GM_PAGE);
    first = take(vm, 2 * GM_PAGE, 1, &res);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    GM_CHECK_EQ(take(vm, 2 * GM_PAGE, 1, NULL), first);
}

static void freed_pieces_join_again(struct gm_env *env, vm_t *vm)
{
    enum { COUNT = 8 };
    static const unsigned order[COUNT] = {3, 1, 7, 0, 5, 4, 2, 6};
    vm_memory_reservation_t *piece[COUNT];

    (void)env;
    donate(vm, BASE, COUNT * GM_PAGE);
    for (unsigned i = 0; i < COUNT; i++) {
        take(vm, GM_PAGE, 1, &piece[i]);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        GM_CHECK_EQ(vm_free_reserved_memory(vm, piece[order[i]]), 0);
    }
    GM_CHECK_EQ(take(vm, COUNT * GM_PAGE, 1, NULL), BASE);
}

/* Pages of the longest run of ones. */
static size_t longest_run(unsigned mask)
{
    size_t longest = 0;
    size_t run = 0;

    for (; mask != 0; mask >>= 1) {
        run = mask & 1 ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

/* Every set of freed pieces: as much can be had at once as lies side by side, and no more. */
static void only_freed_pieces_that_touch_are_one(struct gm_env *env, vm_t *vm)
{
    enum { COUNT = 8, STEP = 5 };
    vm_memory_reservation_t *piece[COUNT];
    vm_memory_reservation_t *res;
    uintptr_t addr;

    (void)env;
    donate(vm, BASE, COUNT * GM_PAGE);
    for (unsigned mask = 1; mask < 1u << COUNT; mask++) {
        size_t most = longest_run(mask);

        for (unsigned i = 0; i < COUNT; i++) {
            GM_CHECK_EQ(take(vm, GM_PAGE, 1, &piece[i]), BASE + i * GM_PAGE);
        }
        for (unsigned i = 0; i < COUNT; i++) {
            unsigned at = (i * STEP + mask) % COUNT;

            GM_CHECK(!(mask >> at & 1) || vm_free_reserved_memory(vm, piece[at]) == 0);
        }
        GM_CHECK_NULL(reserve_anon(vm, (most + 1) * GM_PAGE, 1, &addr));
        addr = take(vm, most * GM_PAGE, 1, &res);
        for (size_t i = 0; i < most; i++) {
            GM_CHECK(mask >> ((addr - BASE) / GM_PAGE + i) & 1);
        }
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
        for (unsigned i = 0; i < COUNT; i++) {
            GM_CHECK((mask >> i & 1) || vm_free_reserved_memory(vm, piece[i]) == 0);
        }
    }
}

static void freed_backed_anonymous_memory_gives_its_frames_back(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res;

    donate(vm, BASE, 8 * GM_MIB);
    take(vm, GM_PAGE, 1, &res); /* its room is kept */
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    CHANGES_NOTHING(env, {
        uintptr_t addr = take(vm, 5 * GM_MIB, 2 * GM_MIB, &res);

        GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
        GM_CHECK_LEAF(env, vm, addr, GM_BITS_2M, "rw", false);
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    });
}

static void several_ranges_can_be_donated(struct gm_env *env, vm_t *vm)
{
    (void)env;
    donate(vm, BASE, 2 * GM_PAGE);
    donate(vm, BASE + 0x100000, 8 * GM_PAGE);
    GM_CHECK_EQ(take(vm, 4 * GM_PAGE, 1, NULL), BASE + 0x100000);
    GM_CHECK_EQ(take(vm, 2 * GM_PAGE, 1, NULL), BASE);
    GM_CHECK_EQ(take(vm, 4 * GM_PAGE, 1, NULL), BASE + 0x104000);
}

static void only_whole_pages_are_handed_out(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = 0x77;

    (void)env;
    donate(vm, BASE + 0x800, 2 * GM_PAGE);
    GM_CHECK_EQ(take(vm, 0x10, 1, NULL), BASE + GM_PAGE);
    GM_CHECK_NULL(reserve_anon(vm, 0x10, 1, &addr));
    GM_CHECK_EQ(addr, 0x77);
}

static void donating_less_than_a_page_is_refused(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, 0), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, GM_PAGE - 1), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_memory_make_anon(vm, BASE + 0x800, GM_PAGE), -1));
    reserve(vm, BASE, 2 * GM_PAGE);
}

static void donating_beyond_the_space_is_refused(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(
        env, GM_CHECK_EQ(vm_memory_make_anon(vm, env->guest_end - GM_PAGE, 2 * GM_PAGE), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, SIZE_MAX), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_memory_make_anon(NULL, BASE, GM_PAGE), -1));
    donate(vm, env->guest_end - 2 * GM_PAGE, 2 * GM_PAGE);
    GM_CHECK_EQ(take(vm, 2 * GM_PAGE, 1, NULL), env->guest_end - 2 * GM_PAGE);
}

static void donating_what_is_taken_is_refused(struct gm_env *env, vm_t *vm)
{
    reserve(vm, BASE + GM_PAGE, 0x10);
    donate(vm, BASE + 0x100000, 4 * GM_PAGE);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, 4 * GM_PAGE), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_memory_make_anon(vm, BASE + 0x103000, 4 * GM_PAGE), -1));
    donate(vm, BASE + 0x104000, 4 * GM_PAGE);
}

static void a_donated_range_cannot_be_reserved_by_address(struct gm_env *env, vm_t *vm)
{
    donate(vm, BASE, 4 * GM_PAGE);
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, BASE + GM_PAGE, 0x10)));
    CHANGES_NOTHING(env, GM_CHECK(refused(vm, BASE - GM_PAGE, 2 * GM_PAGE)));
    CHANGES_NOTHING(env, GM_CHECK_NULL(create_allocated_reservation_frame(
                             vm, BASE, seL4_AllRights, default_error_fault_callback, NULL)));
    reserve(vm, BASE - GM_PAGE, GM_PAGE);
    reserve(vm, BASE + 4 * GM_PAGE, GM_PAGE);
}

static void anonymous_memory_at_address_zero_can_be_reserved(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res;

    donate(vm, 0, 4 * GM_PAGE);
    GM_CHECK_EQ(take(vm, 4 * GM_PAGE, GM_PAGE, &res), 0);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    GM_CHECK_LEAF(env, vm, 0, GM_BITS_4K, "rw", false);
}

/* As virtual PCI does: as many BARs as fit, alignment = size, of mixed sizes. */
static void bars_of_mixed_sizes_pack_without_overlap(struct gm_env *env, vm_t *vm)
{
    static const size_t sizes[] = {GM_PAGE,       16 * GM_PAGE, 2 * GM_PAGE,
                                   256 * GM_PAGE, GM_PAGE,      64 * GM_PAGE};
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    uintptr_t at[COUNT];

    (void)env;
    donate(vm, BASE, 4 * GM_MIB);
    for (unsigned i = 0; i < COUNT; i++) {
        at[i] = take(vm, sizes[i], sizes[i], NULL);
        GM_CHECK_EQ(at[i] % sizes[i], 0);
        for (unsigned other = 0; other < i; other++) {
            GM_CHECK(at[i] + sizes[i] <= at[other] || at[other] + sizes[other] <= at[i]);
        }
    }
}

static const struct gm_case cases[] = {
    GM_CASE(anonymous_memory_lies_in_what_was_donated),
    GM_CASE(anonymous_memory_is_first_fit),
    GM_CASE(nothing_donated_gives_nothing),
    GM_CASE(more_than_is_left_is_refused),
    GM_CASE(every_power_of_two_is_an_alignment),
    GM_CASE(an_alignment_that_is_no_power_of_two_is_refused),
    GM_CASE(an_alignment_larger_than_the_region_is_refused),
    GM_CASE(a_size_of_zero_or_nearly_infinity_is_refused),
    GM_CASE(an_anonymous_reservation_needs_a_callback),
    GM_CASE(small_anonymous_reservations_never_share_a_page),
    GM_CASE(freed_anonymous_memory_is_used_again),
    GM_CASE(freed_pieces_join_again),
    GM_CASE(only_freed_pieces_that_touch_are_one),
    GM_CASE(freed_backed_anonymous_memory_gives_its_frames_back),
    GM_CASE(several_ranges_can_be_donated),
    GM_CASE(only_whole_pages_are_handed_out),
    GM_CASE(donating_less_than_a_page_is_refused),
    GM_CASE(donating_beyond_the_space_is_refused),
    GM_CASE(donating_what_is_taken_is_refused),
    GM_CASE(a_donated_range_cannot_be_reserved_by_address),
    GM_CASE(anonymous_memory_at_address_zero_can_be_reserved),
    GM_CASE(bars_of_mixed_sizes_pack_without_overlap),
};

const struct gm_suite anonymous_suite = GM_SUITE("anonymous", cases);

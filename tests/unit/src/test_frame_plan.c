/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Cutting ranges into frames: by example, in every small case, and by what must hold of any plan.
 */
#include "unit.h"

#include "frame_plan.h"

#define K4 ((uintptr_t)1 << 12)
#define M2 ((uintptr_t)1 << 21)
#define G1 ((uintptr_t)1 << 30)
#define TOP UINTPTR_MAX

static uintptr_t bytes_of(unsigned size)
{
    return (uintptr_t)1 << gm_arch_frame_bits[size];
}

static void check_piece(struct gm_piece piece, uintptr_t base, uintptr_t count, unsigned size)
{
    assert_true(piece.base == base);
    assert_true(piece.count == count);
    assert_int_equal(piece.size, size);
}

/* |4K|4K|  2 MiB  |  2 MiB  |4K| */
static void only_the_edges_are_cut_small(void **state)
{
    uintptr_t base = 4 * M2 - 2 * K4;
    uintptr_t last = 6 * M2 + K4 - 1;

    (void)state;
    check_piece(gm_plan_piece(base, last, 0, 1), base, 2, 0);
    check_piece(gm_plan_piece(4 * M2, last, 0, 1), 4 * M2, 2, 1);
    check_piece(gm_plan_piece(6 * M2, last, 0, 1), 6 * M2, 1, 0);
}

static void small_frames_go_to_the_end_where_no_large_one_fits(void **state)
{
    (void)state;
    check_piece(gm_plan_piece(K4, 2 * M2 - 1 - K4, 0, 1), K4, 2 * 512 - 2, 0);
    check_piece(gm_plan_piece(0, M2 - 1 - K4, 0, 2), 0, 511, 0);
}

static void the_largest_size_is_a_bound(void **state)
{
    (void)state;
    check_piece(gm_plan_piece(0, G1 - 1, 0, 0), 0, 512 * 512, 0);
    check_piece(gm_plan_piece(0, G1 - 1, 0, 1), 0, 512, 1);
    check_piece(gm_plan_piece(0, G1 - 1, 0, 2), 0, 1, 2);
    check_piece(gm_plan_piece(G1 - M2, 2 * G1 - 1, 0, 2), G1 - M2, 1, 1);
}

/* Guest and physical address must be aligned alike; a skew that isn't aligned allows small frames
 * only. */
static void the_physical_address_decides_too(void **state)
{
    (void)state;
    check_piece(gm_plan_piece(M2, 3 * M2 - 1, 5 * M2, 1), M2, 2, 1);
    check_piece(gm_plan_piece(M2, 3 * M2 - 1, K4, 1), M2, 1024, 0);
    check_piece(gm_plan_piece(G1, 2 * G1 - 1, M2, 2), G1, 512, 1);
    /* physical below guest: the skew wraps, and is as good */
    check_piece(gm_plan_piece(8 * M2, 10 * M2 - 1, (uintptr_t)0 - 8 * M2, 1), 8 * M2, 2, 1);
}

static void ranges_at_both_ends_of_the_address_space_are_cut(void **state)
{
    (void)state;
    check_piece(gm_plan_piece(TOP - M2 + 1, TOP, 0, 2), TOP - M2 + 1, 1, 1);
    check_piece(gm_plan_piece(TOP - K4 + 1, TOP, 0, 2), TOP - K4 + 1, 1, 0);
    check_piece(gm_plan_piece(TOP - M2 - K4 + 1, TOP, 0, 2), TOP - M2 - K4 + 1, 1, 0);
    check_piece(gm_plan_piece(0, TOP, 0, 2), 0, (uintptr_t)1 << 34, 2);
    check_piece(gm_plan_piece(0, TOP, 0, 0), 0, (uintptr_t)1 << 52, 0);
}

static void the_frame_around_an_address_stays_in_the_range(void **state)
{
    (void)state;
    check_piece(gm_plan_around(5 * M2 + 123, 4 * M2, 7 * M2 - 1, 0, 1), 5 * M2, 1, 1);
    check_piece(gm_plan_around(4 * M2 + 123, 4 * M2 + K4, 7 * M2 - 1, 0, 1), 4 * M2, 1, 0);
    check_piece(gm_plan_around(6 * M2 + 123, 4 * M2, 7 * M2 - 1 - K4, 0, 1), 6 * M2, 1, 0);
    check_piece(gm_plan_around(5 * M2 + 123, 4 * M2, 7 * M2 - 1, K4, 1), 5 * M2, 1, 0);
    check_piece(gm_plan_around(TOP, 0, TOP, 0, 2), TOP - G1 + 1, 1, 2);
    check_piece(gm_plan_around(0, 0, G1 - 1, 0, 2), 0, 1, 2);
    check_piece(gm_plan_around(0, 0, G1 - 1 - K4, 0, 2), 0, 1, 1);
}

/* ---- what must hold of a whole plan ---- */

static bool may_be(uintptr_t base, uintptr_t last, uintptr_t skew, unsigned size)
{
    uintptr_t mask = bytes_of(size) - 1;

    return (base & mask) == 0 && ((base + skew) & mask) == 0 && last - base >= mask;
}

/* The size that the model gives the frame at `base`: the largest that may be there. */
static unsigned model_size(uintptr_t base, uintptr_t last, uintptr_t skew, unsigned largest)
{
    while (largest > 0 && !may_be(base, last, skew, largest)) {
        largest--;
    }
    return largest;
}

/* Adjacent pieces that cover the range exactly, each frame the largest possible at its place; a
 * piece ends where another size begins. */
static size_t check_plan(uintptr_t base, uintptr_t last, uintptr_t skew, unsigned largest)
{
    unsigned before = UINT32_MAX;
    size_t pieces = 0;

    for (;;) {
        struct gm_piece piece = gm_plan_piece(base, last, skew, largest);
        uintptr_t bytes = bytes_of(piece.size);

        assert_true(piece.base == base && piece.count >= 1 && piece.size != before);
        for (uintptr_t i = 0; i < piece.count; i++) {
            assert_int_equal(model_size(base + i * bytes, last, skew, largest), piece.size);
        }
        before = piece.size;
        pieces++;
        if (last - base == piece.count * bytes - 1) {
            return pieces;
        }
        base += piece.count * bytes;
    }
}

/* All ranges whose ends lie around the edges of 2 MiB, at 0, in the middle and at the top; all
 * sizes. */
static void every_plan_around_large_frames_covers_its_range(void **state)
{
    const uintptr_t starts[] = {0, 3 * M2, TOP - 3 * M2 + 1};
    size_t pieces = 0;

    (void)state;
    for (size_t s = 0; s < 3; s++) {
        for (size_t from = 0; from < 3 * 512; from = from % 512 == 1 ? from + 509 : from + 1) {
            for (size_t to = from; to < 3 * 512; to = to % 512 == 1 ? to + 509 : to + 1) {
                uintptr_t base = starts[s] + from * K4;
                uintptr_t last = starts[s] + to * K4 + K4 - 1;

                pieces += check_plan(base, last, 0, 1);
                pieces += check_plan(base, last, K4, 1);
                pieces += check_plan(base, last, 0, 0);
                pieces += check_plan(base, last, 7 * M2, 2);
            }
        }
    }
    assert_true(pieces > 500);
    print_message("           %zu pieces checked\n", pieces);
}

static void random_plans_cover_their_ranges(void **state)
{
    struct unit_random random = {11};

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        uintptr_t base = (uintptr_t)unit_random_below(&random, 1 << 20) * K4;
        uintptr_t pages = 1 + unit_random_below(&random, 1 << (1 + unit_random_below(&random, 20)));
        uintptr_t skew = (uintptr_t)unit_random_next(&random)
                         << (12 + unit_random_below(&random, 20));

        skew &= ~(K4 - 1);
        base = i % 3 == 0 ? (uintptr_t)0 - pages * K4 - (i % 2) * base : base;
        check_plan(base, base + (pages * K4 - 1), skew, (unsigned)unit_random_below(&random, 3));
    }
}

/* The frame around an address: holds it, is one that may be there, and no larger one may. */
static void random_frames_around_addresses_are_the_largest(void **state)
{
    struct unit_random random = {12};

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        uintptr_t pages = 1 + unit_random_below(&random, 1 << (1 + unit_random_below(&random, 20)));
        uintptr_t base = (uintptr_t)unit_random_below(&random, 1 << 20) * K4;
        uintptr_t last;
        uintptr_t addr;
        uintptr_t skew = (uintptr_t)unit_random_below(&random, 4)
                         << (12 + 9 * unit_random_below(&random, 3));
        unsigned largest = (unsigned)unit_random_below(&random, 3);
        struct gm_piece piece;

        base = i % 4 == 0 ? (uintptr_t)0 - pages * K4 : base;
        last = base + (pages * K4 - 1);
        addr = base + unit_random_next(&random) % (pages * K4);
        piece = gm_plan_around(addr, base, last, skew, largest);
        assert_int_equal(piece.count, 1);
        assert_true(addr - piece.base < bytes_of(piece.size));
        assert_true(piece.base >= base && may_be(piece.base, last, skew, piece.size));
        for (unsigned larger = piece.size + 1; larger <= largest; larger++) {
            uintptr_t at = addr & ~(bytes_of(larger) - 1);

            assert_false(at >= base && may_be(at, last, skew, larger));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_edges_are_cut_small),
        cmocka_unit_test(small_frames_go_to_the_end_where_no_large_one_fits),
        cmocka_unit_test(the_largest_size_is_a_bound),
        cmocka_unit_test(the_physical_address_decides_too),
        cmocka_unit_test(ranges_at_both_ends_of_the_address_space_are_cut),
        cmocka_unit_test(the_frame_around_an_address_stays_in_the_range),
        cmocka_unit_test(every_plan_around_large_frames_covers_its_range),
        cmocka_unit_test(random_plans_cover_their_ranges),
        cmocka_unit_test(random_frames_around_addresses_are_the_largest),
    };

    return cmocka_run_group_tests_name("frame_plan", tests, NULL, NULL);
}

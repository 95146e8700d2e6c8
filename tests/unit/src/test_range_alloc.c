/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * First fit: by example, in every small case, and against a model of one flag an address.
 */
#include "unit.h"

#include "range_alloc.h"

#define TOP UINTPTR_MAX

enum { UNITS = 64, PIECES = 64 };

/*
 * The model: units of `grain` bytes from `start` on, each not donated, free or taken. The list is
 * laid out in exactly the room that gm_range_alloc_room() asks for, so that a write behind it is
 * seen.
 */
enum unit_state { OUTSIDE, FREE, TAKEN };

struct fixture {
    struct gm_range_alloc alloc;
    uintptr_t start;
    uintptr_t grain;
    unsigned char unit[UNITS];
};

static struct fixture *new_fixture(uintptr_t start, uintptr_t grain)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->start = start;
    f->grain = grain;
    return f;
}

static void free_fixture(struct fixture *f)
{
    free(f->alloc.range);
    free(f);
}

static void make_room(struct fixture *f)
{
    size_t bytes = gm_range_alloc_room(&f->alloc) * sizeof(f->alloc.range[0]);
    struct gm_free_range *bigger = malloc(bytes);

    assert_non_null(bigger);
    if (f->alloc.count > 0) {
        memcpy(bigger, f->alloc.range, f->alloc.count * sizeof(bigger[0]));
    }
    free(f->alloc.range);
    f->alloc.range = bigger;
}

static uintptr_t base_of(const struct fixture *f, size_t unit)
{
    return f->start + unit * f->grain;
}

static uintptr_t last_of(const struct fixture *f, size_t unit)
{
    return base_of(f, unit) + (f->grain - 1);
}

static void mark(struct fixture *f, size_t from, size_t to, enum unit_state state)
{
    memset(&f->unit[from], state, to - from);
}

static void donate(struct fixture *f, size_t from, size_t to)
{
    make_room(f);
    gm_range_alloc_donate(&f->alloc, base_of(f, from), last_of(f, to - 1));
    mark(f, from, to, FREE);
}

static void take(struct fixture *f, size_t from, size_t to)
{
    make_room(f);
    gm_range_alloc_take(&f->alloc, base_of(f, from), last_of(f, to - 1));
    mark(f, from, to, TAKEN);
}

/* Without make_room(): giving back needs none. */
static void give(struct fixture *f, size_t from, size_t to)
{
    gm_range_alloc_give(&f->alloc, base_of(f, from), last_of(f, to - 1));
    mark(f, from, to, FREE);
}

static bool is_free(const struct fixture *f, size_t from, size_t count)
{
    if (from + count > UNITS) {
        return false;
    }
    for (size_t i = from; i < from + count; i++) {
        if (f->unit[i] != FREE) {
            return false;
        }
    }
    return true;
}

/* The lowest unit that fits, or UNITS. */
static size_t model_fit(const struct fixture *f, size_t count, uintptr_t align)
{
    size_t unit = 0;

    while (unit < UNITS && ((base_of(f, unit) & (align - 1)) != 0 || !is_free(f, unit, count))) {
        unit++;
    }
    return unit;
}

/* The list is the model's free runs, joined, in order. */
static void check_list(const struct fixture *f)
{
    size_t range = 0;

    for (size_t unit = 0; unit < UNITS;) {
        size_t end = unit;

        while (end < UNITS && f->unit[end] == FREE) {
            end++;
        }
        if (end > unit) {
            assert_true(range < f->alloc.count);
            assert_true(f->alloc.range[range].base == base_of(f, unit));
            assert_true(f->alloc.range[range].last == last_of(f, end - 1));
            range++;
        }
        unit = end + 1;
    }
    assert_int_equal(range, f->alloc.count);
}

static void check_fit(const struct fixture *f, size_t count, uintptr_t align)
{
    uintptr_t base = 1234;
    size_t unit = model_fit(f, count, align);
    bool found = gm_range_alloc_fit(&f->alloc, count * f->grain, align, &base);

    assert_int_equal(found, unit < UNITS);
    assert_true(base == (found ? base_of(f, unit) : 1234));
}

static void nothing_donated_fits_nothing(void **state)
{
    struct gm_range_alloc alloc = {0};
    uintptr_t base;

    (void)state;
    assert_false(gm_range_alloc_fit(&alloc, 1, 1, &base));
}

/*
 *      0 1000            9000    a000              20000      28000
 *      | [     free      ]       [      free       ]          [ free
 */
static void the_lowest_aligned_place_is_found(void **state)
{
    struct gm_free_range ranges[] = {{0x1000, 0x8fff}, {0xa000, 0x1ffff}, {0x28000, 0x47fff}};
    struct gm_range_alloc alloc = {.range = ranges, .count = 3, .donated = 3};
    uintptr_t base;

    (void)state;
    assert_true(gm_range_alloc_fit(&alloc, 0x1000, 1, &base));
    assert_int_equal(base, 0x1000);
    assert_true(gm_range_alloc_fit(&alloc, 0x1000, 0x8000, &base));
    assert_int_equal(base, 0x8000);
    assert_true(gm_range_alloc_fit(&alloc, 0x1001, 0x8000, &base));
    assert_int_equal(base, 0x10000);
    assert_true(gm_range_alloc_fit(&alloc, 0x10000, 0x10000, &base));
    assert_int_equal(base, 0x10000);
    assert_true(gm_range_alloc_fit(&alloc, 0x10001, 0x10000, &base));
    assert_int_equal(base, 0x30000);
    assert_false(gm_range_alloc_fit(&alloc, 0x20001, 1, &base));
    assert_false(gm_range_alloc_fit(&alloc, 1, (uintptr_t)1 << 63, &base));
}

/* An alignment larger than the region must not wrap past its end (the reference's D06). */
static void a_range_at_the_top_is_not_left(void **state)
{
    struct gm_free_range range = {TOP - 0x2fff, TOP};
    struct gm_range_alloc alloc = {.range = &range, .count = 1, .donated = 1};
    uintptr_t base;

    (void)state;
    assert_true(gm_range_alloc_fit(&alloc, 0x3000, 0x1000, &base));
    assert_true(base == TOP - 0x2fff);
    assert_true(gm_range_alloc_fit(&alloc, 0x2000, 0x2000, &base));
    assert_true(base == TOP - 0x1fff);
    assert_false(gm_range_alloc_fit(&alloc, 0x1000, 0x4000, &base));
    assert_false(gm_range_alloc_fit(&alloc, SIZE_MAX, 1, &base));
    assert_false(gm_range_alloc_fit(&alloc, 1, (uintptr_t)1 << 63, &base));
}

static void the_whole_address_space_can_be_free(void **state)
{
    struct gm_free_range ranges[4] = {{0, TOP}};
    struct gm_range_alloc alloc = {.range = ranges, .count = 1, .donated = 1};
    uintptr_t base;

    (void)state;
    assert_true(gm_range_alloc_fit(&alloc, SIZE_MAX, (uintptr_t)1 << 63, &base));
    assert_int_equal(base, 0);
    gm_range_alloc_take(&alloc, 0x1000, 0x1fff);
    assert_int_equal(alloc.count, 2);
    gm_range_alloc_take(&alloc, TOP - 0xfff, TOP);
    gm_range_alloc_take(&alloc, 0, 0xfff);
    assert_int_equal(alloc.count, 1);
    gm_range_alloc_give(&alloc, TOP - 0xfff, TOP);
    gm_range_alloc_give(&alloc, 0x1000, 0x1fff);
    gm_range_alloc_give(&alloc, 0, 0xfff);
    assert_int_equal(alloc.count, 1);
    assert_true(ranges[0].base == 0 && ranges[0].last == TOP);
    assert_int_equal(alloc.taken, 0);
}

/* 0 is the address behind the last one, but not its neighbour. */
static void the_two_ends_of_the_address_space_do_not_join(void **state)
{
    struct fixture *f = new_fixture(0, 0x1000);

    (void)state;
    make_room(f);
    gm_range_alloc_donate(&f->alloc, TOP - 0xfff, TOP);
    make_room(f);
    gm_range_alloc_donate(&f->alloc, 0, 0xfff);
    assert_int_equal(f->alloc.count, 2);
    free_fixture(f);
}

static void donated_neighbours_join(void **state)
{
    struct fixture *f = new_fixture(0x10000, 0x1000);

    (void)state;
    donate(f, 4, 8);
    donate(f, 0, 4);
    donate(f, 12, 16);
    donate(f, 8, 12);
    check_list(f);
    assert_int_equal(f->alloc.count, 1);
    assert_int_equal(f->alloc.donated, 4);
    free_fixture(f);
}

/* ---- every small case: all takes and gives on a few units, in every order ---- */

enum { SMALL = 6, DEPTH = 4 };

static size_t checked;

static void check_small(const struct fixture *f)
{
    check_list(f);
    for (size_t count = 1; count <= SMALL; count++) {
        for (uintptr_t align = f->grain; align <= 8 * f->grain; align *= 2) {
            check_fit(f, count, align);
        }
    }
    checked++;
}

struct piece {
    size_t from;
    size_t to;
};

static void try_all(struct fixture *f, struct piece *pieces, size_t count, unsigned depth)
{
    if (depth == 0) {
        return;
    }
    for (size_t from = 0; from < SMALL; from++) {
        for (size_t to = from + 1; to <= SMALL && is_free(f, from, to - from); to++) {
            take(f, from, to);
            check_small(f);
            pieces[count] = (struct piece){from, to};
            try_all(f, pieces, count + 1, depth - 1);
            give(f, from, to);
            check_small(f);
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct piece piece = pieces[i];

        give(f, piece.from, piece.to);
        check_small(f);
        pieces[i] = pieces[count - 1];
        try_all(f, pieces, count - 1, depth - 1);
        pieces[count - 1] = pieces[i];
        pieces[i] = piece;
        take(f, piece.from, piece.to);
    }
}

static void every_small_sequence_answers_as_the_model(void **state)
{
    const uintptr_t starts[] = {0, 0x3000, TOP - SMALL * 0x1000 + 1};

    (void)state;
    checked = 0;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct fixture *f = new_fixture(starts[i], 0x1000);
        struct piece pieces[SMALL + 1];

        donate(f, 0, SMALL);
        try_all(f, pieces, 0, DEPTH);
        free_fixture(f);
    }
    assert_true(checked > 10000);
    print_message("           %zu states checked\n", checked);
}

/* ---- long random sequences: donations at first, then pieces come and go ---- */

static void run_random(uint64_t seed, uintptr_t start, uintptr_t grain)
{
    struct unit_random random = {seed};
    struct fixture *f = new_fixture(start, grain);
    struct piece pieces[PIECES];
    size_t count = 0;

    donate(f, 0, 20);
    donate(f, 40, UNITS);
    for (unsigned i = 0; i < 20000; i++) {
        size_t want = 1 + unit_random_below(&random, 6);
        uintptr_t align = grain << unit_random_below(&random, 4);
        size_t unit = model_fit(f, want, align);

        check_fit(f, want, align);
        if (unit < UNITS && count < PIECES && unit_random_below(&random, 5) < 3) {
            take(f, unit, unit + want);
            pieces[count++] = (struct piece){unit, unit + want};
        } else if (count > 0) {
            size_t which = unit_random_below(&random, count);

            give(f, pieces[which].from, pieces[which].to);
            pieces[which] = pieces[--count];
        }
        check_list(f);
        assert_int_equal(f->alloc.taken, count);
    }
    while (count-- > 0) {
        give(f, pieces[count].from, pieces[count].to);
    }
    assert_int_equal(f->alloc.count, 2);
    free_fixture(f);
}

static void random_sequences_answer_as_the_model(void **state)
{
    (void)state;
    run_random(1, 0, 0x1000);
    run_random(2, 0x7ffff000, 0x1000);
    run_random(3, TOP - UNITS * 0x1000 + 1, 0x1000);
    run_random(4, TOP - UNITS + 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_donated_fits_nothing),
        cmocka_unit_test(the_lowest_aligned_place_is_found),
        cmocka_unit_test(a_range_at_the_top_is_not_left),
        cmocka_unit_test(the_whole_address_space_can_be_free),
        cmocka_unit_test(the_two_ends_of_the_address_space_do_not_join),
        cmocka_unit_test(donated_neighbours_join),
        cmocka_unit_test(every_small_sequence_answers_as_the_model),
        cmocka_unit_test(random_sequences_answer_as_the_model),
    };

    return cmocka_run_group_tests_name("range_alloc", tests, NULL, NULL);
}

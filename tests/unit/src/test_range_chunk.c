/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * One chunk of the index: each change at each place, against the list that it must leave.
 */
#include "unit.h"

#include "range_chunk.h"

enum { STEP = 16, SIZE = 8 };

static char items[4 * GM_RANGE_CHUNK];

static uintptr_t base_of(size_t number)
{
    return number * STEP;
}

static void put_last(struct gm_range_chunk *chunk, size_t number)
{
    gm_range_chunk_insert(chunk, chunk->count, base_of(number), base_of(number) + (SIZE - 1),
                          &items[number]);
}

/* A chunk with the ranges `from`, `from` + 1 and so on; what was in its memory doesn't matter. */
static void fill(struct gm_range_chunk *chunk, size_t from, size_t count)
{
    memset(chunk, 0xee, sizeof(*chunk));
    gm_range_chunk_shorten(chunk, 0, GM_RANGE_CHUNK);
    for (size_t i = 0; i < count; i++) {
        put_last(chunk, from + i);
    }
}

/* The ranges are these, and nothing is in the places behind them. */
static void check(const struct gm_range_chunk *chunk, const size_t *numbers, size_t count)
{
    assert_int_equal(chunk->count, count);
    for (size_t i = 0; i < GM_RANGE_CHUNK; i++) {
        const struct gm_range *range = &chunk->range[i];

        if (i < count) {
            assert_true(range->base == base_of(numbers[i]));
            assert_true(range->last == base_of(numbers[i]) + (SIZE - 1));
            assert_ptr_equal(range->item, &items[numbers[i]]);
        } else {
            assert_true(range->base == UINTPTR_MAX && range->last == UINTPTR_MAX);
            assert_null(range->item);
        }
    }
}

/* Put the numbers [from, to) into a list. */
static size_t list(size_t *numbers, size_t count, size_t from, size_t to)
{
    while (from < to) {
        numbers[count++] = from++;
    }
    return count;
}

static void a_range_goes_to_its_place_and_comes_out_again(void **state)
{
    size_t numbers[GM_RANGE_CHUNK];
    struct gm_range_chunk chunk;

    (void)state;
    for (size_t count = 0; count < GM_RANGE_CHUNK; count++) {
        for (size_t slot = 0; slot <= count; slot++) {
            fill(&chunk, 0, slot);
            for (size_t i = slot; i < count; i++) {
                put_last(&chunk, i + 1);
            }
            gm_range_chunk_insert(&chunk, slot, base_of(slot), base_of(slot) + (SIZE - 1),
                                  &items[slot]);
            check(&chunk, numbers, list(numbers, 0, 0, count + 1));
            gm_range_chunk_take_out(&chunk, slot);
            check(&chunk, numbers, list(numbers, list(numbers, 0, 0, slot), slot + 1, count + 1));
        }
    }
}

static void a_part_of_a_chunk_goes_behind_another(void **state)
{
    enum { OTHER = GM_RANGE_CHUNK };
    size_t numbers[GM_RANGE_CHUNK];
    struct gm_range_chunk chunk;
    struct gm_range_chunk other;

    (void)state;
    fill(&other, OTHER, GM_RANGE_CHUNK);
    for (size_t count = 0; count <= GM_RANGE_CHUNK; count += 8) {
        for (size_t from = 0; from <= GM_RANGE_CHUNK; from += 4) {
            for (size_t to = from; to <= GM_RANGE_CHUNK && count + (to - from) <= GM_RANGE_CHUNK;
                 to += 4) {
                size_t all = list(numbers, list(numbers, 0, 0, count), OTHER + from, OTHER + to);

                fill(&chunk, 0, count);
                gm_range_chunk_append(&chunk, &other, from, to);
                check(&chunk, numbers, all);
            }
        }
    }
    check(&other, numbers, list(numbers, 0, OTHER, 2 * OTHER));
}

static void a_chunk_goes_before_another(void **state)
{
    enum { ITS = GM_RANGE_CHUNK };
    size_t numbers[GM_RANGE_CHUNK];
    struct gm_range_chunk chunk;
    struct gm_range_chunk other;

    (void)state;
    for (size_t count = 0; count < GM_RANGE_CHUNK; count++) {
        for (size_t before = 1; before + count <= GM_RANGE_CHUNK; before++) {
            size_t all = list(numbers, list(numbers, 0, 0, before), ITS, ITS + count);

            fill(&chunk, ITS, count);
            fill(&other, 0, before);
            gm_range_chunk_prepend(&chunk, &other);
            check(&chunk, numbers, all);
        }
    }
}

static void a_chunk_is_shortened_and_no_further_than_it_had(void **state)
{
    size_t numbers[GM_RANGE_CHUNK];
    struct gm_range_chunk chunk;

    (void)state;
    for (size_t count = 0; count <= GM_RANGE_CHUNK; count++) {
        fill(&chunk, 0, GM_RANGE_CHUNK);
        gm_range_chunk_shorten(&chunk, count, GM_RANGE_CHUNK);
        check(&chunk, numbers, list(numbers, 0, 0, count));
    }
    chunk.range[3].last = 1;
    gm_range_chunk_shorten(&chunk, 1, 3);
    assert_true(chunk.count == 1 && chunk.range[3].last == 1);
    assert_true(chunk.range[2].last == UINTPTR_MAX && chunk.range[0].last == SIZE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_goes_to_its_place_and_comes_out_again),
        cmocka_unit_test(a_part_of_a_chunk_goes_behind_another),
        cmocka_unit_test(a_chunk_goes_before_another),
        cmocka_unit_test(a_chunk_is_shortened_and_no_further_than_it_had),
    };

    return cmocka_run_group_tests_name("range_chunk", tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the proved functions of range_chunk.c require, checked in front of each call of them (the
 * linker's --wrap): part of the index's own test, so that each of its sequences shows it.
 */
#include "unit.h"

#include "range_chunk.h"

void __real_gm_range_chunk_shorten(struct gm_range_chunk *chunk, size_t count, size_t had);
void __wrap_gm_range_chunk_shorten(struct gm_range_chunk *chunk, size_t count, size_t had);
void __real_gm_range_chunk_insert(struct gm_range_chunk *chunk, size_t slot, uintptr_t base,
                                  uintptr_t last, void *item);
void __wrap_gm_range_chunk_insert(struct gm_range_chunk *chunk, size_t slot, uintptr_t base,
                                  uintptr_t last, void *item);
void __real_gm_range_chunk_take_out(struct gm_range_chunk *chunk, size_t slot);
void __wrap_gm_range_chunk_take_out(struct gm_range_chunk *chunk, size_t slot);
void __real_gm_range_chunk_append(struct gm_range_chunk *chunk, const struct gm_range_chunk *other,
                                  size_t from, size_t to);
void __wrap_gm_range_chunk_append(struct gm_range_chunk *chunk, const struct gm_range_chunk *other,
                                  size_t from, size_t to);
void __real_gm_range_chunk_prepend(struct gm_range_chunk *chunk,
                                   const struct gm_range_chunk *other);
void __wrap_gm_range_chunk_prepend(struct gm_range_chunk *chunk,
                                   const struct gm_range_chunk *other);

/* GM_RANGE_FILLED: ascending, disjoint, each with an item, and empty places behind them. */
static void check_filled(const struct gm_range_chunk *chunk)
{
    assert_in_range(chunk->count, 0, GM_RANGE_CHUNK);
    for (size_t i = 0; i < GM_RANGE_CHUNK; i++) {
        const struct gm_range *range = &chunk->range[i];

        if (i >= chunk->count) {
            assert_true(range->base == UINTPTR_MAX && range->last == UINTPTR_MAX);
            assert_null(range->item);
            continue;
        }
        assert_true(range->base <= range->last);
        assert_non_null(range->item);
        assert_true(i == 0 || range[-1].last < range->base);
    }
}

/* All ranges of the one end below all of the other. */
static void check_below(const struct gm_range_chunk *lower, const struct gm_range_chunk *upper,
                        size_t from)
{
    if (lower->count > 0 && from < upper->count) {
        assert_true(lower->range[lower->count - 1].last < upper->range[from].base);
    }
}

void __wrap_gm_range_chunk_shorten(struct gm_range_chunk *chunk, size_t count, size_t had)
{
    assert_in_range(had, count, GM_RANGE_CHUNK);
    __real_gm_range_chunk_shorten(chunk, count, had);
}

void __wrap_gm_range_chunk_insert(struct gm_range_chunk *chunk, size_t slot, uintptr_t base,
                                  uintptr_t last, void *item)
{
    check_filled(chunk);
    assert_in_range(chunk->count, slot, GM_RANGE_CHUNK - 1);
    assert_true(base <= last);
    assert_non_null(item);
    assert_true(slot == 0 || chunk->range[slot - 1].last < base);
    assert_true(slot == chunk->count || last < chunk->range[slot].base);
    __real_gm_range_chunk_insert(chunk, slot, base, last, item);
}

void __wrap_gm_range_chunk_take_out(struct gm_range_chunk *chunk, size_t slot)
{
    check_filled(chunk);
    assert_true(slot < chunk->count);
    __real_gm_range_chunk_take_out(chunk, slot);
}

void __wrap_gm_range_chunk_append(struct gm_range_chunk *chunk, const struct gm_range_chunk *other,
                                  size_t from, size_t to)
{
    assert_ptr_not_equal(chunk, other);
    check_filled(chunk);
    check_filled(other);
    assert_in_range(to, from, other->count);
    assert_in_range(chunk->count + (to - from), 0, GM_RANGE_CHUNK);
    if (from < to) {
        check_below(chunk, other, from);
    }
    __real_gm_range_chunk_append(chunk, other, from, to);
}

void __wrap_gm_range_chunk_prepend(struct gm_range_chunk *chunk, const struct gm_range_chunk *other)
{
    assert_ptr_not_equal(chunk, other);
    check_filled(chunk);
    check_filled(other);
    assert_in_range(chunk->count + other->count, other->count, GM_RANGE_CHUNK);
    assert_true(other->count > 0);
    check_below(other, chunk, 0);
    __real_gm_range_chunk_prepend(chunk, other);
}

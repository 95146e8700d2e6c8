/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Disjoint ranges in ascending order, found by address. Pure: no seL4, no malloc, no log; memory
 * for growth is handed in before a change, so that the change itself can't fail.
 *
 *      top[]      0x0          0x9000         0x4000_0000     first base of each chunk
 *                  |             |                |
 *      chunk     base last    base last       base last       up to 32 ranges a chunk, never empty
 *                base last    base last
 *                base last
 *
 * A search is a branchless binary search over top[], then one inside the chunk. A change moves at
 * most one chunk's ranges. Ranges are kept as base and last byte: one that ends at the top of the
 * address space has no end that fits a word.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GM_RANGE_CHUNK = 32 };

struct gm_range_chunk {
    size_t count;
    uintptr_t base[GM_RANGE_CHUNK];
    uintptr_t last[GM_RANGE_CHUNK];
    void *item[GM_RANGE_CHUNK];
};

struct gm_range_top {
    uintptr_t first;
    struct gm_range_chunk *chunk;
};

struct gm_range_index {
    struct gm_range_top *top;
    size_t count;
    /* What undoing the last change, if that was an insert, takes: */
    bool inserted;
    uintptr_t inserted_base;
    size_t split_off; /* the chunk that it split off; 0: none */
};

/* Where a range stands. Valid until the next change. */
struct gm_range_pos {
    size_t chunk;
    size_t slot;
};

/*
 * Index of the last base <= addr; 0 also if there is none. The places behind a chunk's ranges hold
 * the highest address, so that the number of steps is fixed, and none is a branch that can be
 * mispredicted.
 */
static inline size_t gm_range_slot_below(const struct gm_range_chunk *chunk, uintptr_t addr)
{
    const uintptr_t *low = chunk->base;
    size_t slot;

    for (size_t half = GM_RANGE_CHUNK / 2; half > 0; half /= 2) {
        low = low[half] <= addr ? low + half : low;
    }
    slot = (size_t)(low - chunk->base);
    return slot < chunk->count ? slot : chunk->count - 1;
}

/* The same over the chunks, of which there is at least one. */
static inline size_t gm_range_chunk_below(const struct gm_range_index *index, uintptr_t addr)
{
    const struct gm_range_top *low = index->top;

    for (size_t count = index->count; count > 1;) {
        size_t half = count / 2;

        low = low[half].first <= addr ? &low[half] : low;
        count -= half;
    }
    return (size_t)(low - index->top);
}

/* The item of the highest range that meets [base, last], or NULL: the range is free. */
static inline void *gm_range_index_meets(const struct gm_range_index *index, uintptr_t base,
                                         uintptr_t last)
{
    const struct gm_range_chunk *chunk;
    size_t slot;

    if (index->count == 0) {
        return NULL;
    }
    chunk = index->top[gm_range_chunk_below(index, last)].chunk;
    slot = gm_range_slot_below(chunk, last);
    return chunk->base[slot] <= last && chunk->last[slot] >= base ? chunk->item[slot] : NULL;
}

/* The item whose range holds addr, or NULL. */
static inline void *gm_range_index_find(const struct gm_range_index *index, uintptr_t addr)
{
    return gm_range_index_meets(index, addr, addr);
}

/* The last range with base <= addr. False: there is none. */
bool gm_range_index_below(const struct gm_range_index *index, uintptr_t addr,
                          struct gm_range_pos *pos);

/* First range; the one behind. False: there is none. */
bool gm_range_index_first(const struct gm_range_index *index, struct gm_range_pos *pos);
bool gm_range_index_next(const struct gm_range_index *index, struct gm_range_pos *pos);
void *gm_range_index_item(const struct gm_range_index *index, struct gm_range_pos pos);

/* Whether inserting at base takes a spare chunk (and room in top[] for one more). */
bool gm_range_index_needs_chunk(const struct gm_range_index *index, uintptr_t base);

/* Insert a range that meets no other. `spare` is used exactly if gm_range_index_needs_chunk(). */
void gm_range_index_insert(struct gm_range_index *index, uintptr_t base, uintptr_t last, void *item,
                           struct gm_range_chunk *spare);

/*
 * Remove the range with exactly this base. Returns a chunk that isn't needed any more, or NULL.
 * Removing what the last change inserted restores the chunks as they were, so that a call which
 * fails after an insert leaves no byte behind.
 */
struct gm_range_chunk *gm_range_index_remove(struct gm_range_index *index, uintptr_t base);

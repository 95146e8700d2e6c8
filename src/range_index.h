/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Disjoint ranges in ascending order, found by address. Pure: no seL4, no malloc, no log; memory
 * for growth is handed in before a change, so that the change itself can't fail.
 *
 *      top[]      0x8fff       0x4000_0fff    MAX             a chunk has what ends up to here
 *                  |             |             |
 *      chunk     base last    base last     base last         up to 64 ranges a chunk, never empty
 *                base last    base last     base last
 *                base last    MAX  MAX      MAX  MAX          places behind them
 *
 * A search halves what is left, first of top[], then of the chunk: it goes on behind the lower half
 * if that ends below the address. It never runs out of bounds: the last chunk takes all addresses
 * that are left, and the places behind a chunk's ranges end below none. No step is a branch that
 * could be mispredicted. A change writes to one chunk and to top[].
 *
 * Ranges are kept as base and last byte: one that ends at the top of the address space has no end
 * that fits a word.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GM_RANGE_CHUNK = 64,
    GM_RANGE_CACHED = 256, /* so many chunks, 400 KiB, stay in a processor's own caches */
};

struct gm_range {
    uintptr_t base;
    uintptr_t last;
    void *item; /* not NULL; NULL in a place that has no range */
};

struct gm_range_chunk {
    size_t count;
    struct gm_range range[GM_RANGE_CHUNK];
};

struct gm_range_top {
    uintptr_t bound; /* last byte of the chunk's last range; of the last chunk: UINTPTR_MAX */
    struct gm_range_chunk *chunk;
};

/* Can be copied plainly, with top[]; zeroed it is empty. */
struct gm_range_index {
    struct gm_range_top *top;
    size_t count;
    size_t
        half; /* the largest power of two below count, where a search begins; 0: no or one chunk */
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

/* ------------------------------------------------------------------------------------- search */

/*
 * Compilers for x86-64 would make a branch of the choice between two pointers that they can
 * calculate one from the other, and a random address would mispredict every second one. So they
 * aren't told. Neither this nor asking for memory changes what a search finds.
 */
#if defined(__GNUC__) && !defined(__FRAMAC__)
#define GM_RANGE_FORGET(pointer) __asm__("" : "+r"(pointer))
#define GM_RANGE_ASK_FOR(pointer) __builtin_prefetch(pointer)
#else
#define GM_RANGE_FORGET(pointer) ((void)0)
#define GM_RANGE_ASK_FOR(pointer) ((void)(pointer))
#endif

/* Behind the first `step` chunks, if they end below addr. */
static inline const struct gm_range_top *gm_range_top_step(const struct gm_range_top *low,
                                                           size_t step, uintptr_t addr)
{
    const struct gm_range_top *high = low + step;
    uintptr_t bound = low[step - 1].bound;

    GM_RANGE_FORGET(low);
    GM_RANGE_FORGET(high);
    low = bound < addr ? high : low;
    GM_RANGE_FORGET(low);
    return low;
}

/* Behind the first `step` places, if they end below addr. */
static inline const struct gm_range *gm_range_step(const struct gm_range *low, size_t step,
                                                   uintptr_t addr)
{
    const struct gm_range *high = low + step;
    uintptr_t last = low[step - 1].last;

    GM_RANGE_FORGET(low);
    GM_RANGE_FORGET(high);
    low = last < addr ? high : low;
    GM_RANGE_FORGET(low);
    return low;
}

/*
 * The chunk of the first range that doesn't end below addr, if there is one. There are chunks.
 * After the first step, whose parts may overlap, a power of two is left. The last steps are written
 * out: most VMs have no others.
 */
static inline const struct gm_range_top *gm_range_top_search(const struct gm_range_index *index,
                                                             uintptr_t addr)
{
    size_t left = index->half;
    const struct gm_range_top *low = gm_range_top_step(index->top, index->count - left, addr);

    for (; left > 8; left /= 2) {
        low = gm_range_top_step(low, left / 2, addr);
    }
    if (left > 4) {
        low = gm_range_top_step(low, 4, addr);
    }
    if (left > 2) {
        low = gm_range_top_step(low, 2, addr);
    }
    if (left > 1) {
        low = gm_range_top_step(low, 1, addr);
    }
    return low;
}

/* The first place of a chunk that doesn't end below addr; if each does, the last that can have a
 * range, where at most `count` can. */
static inline const struct gm_range *gm_range_chunk_search(const struct gm_range_chunk *chunk,
                                                           size_t count, uintptr_t addr)
{
    const struct gm_range *low = chunk->range;

    if (count > 16) {
        low = gm_range_step(low, 32, addr);
        low = gm_range_step(low, 16, addr);
    }
    if (count > 8) {
        low = gm_range_step(low, 8, addr);
    }
    low = gm_range_step(low, 4, addr);
    low = gm_range_step(low, 2, addr);
    return gm_range_step(low, 1, addr);
}

/* Ask for all that a chunk's steps may read: each would wait for memory after the one before. */
static inline void gm_range_chunk_ask_for(const struct gm_range_chunk *chunk)
{
    for (size_t slot = 3; slot < GM_RANGE_CHUNK; slot += 4) {
        GM_RANGE_ASK_FOR(&chunk->range[slot].last);
    }
}

/* The place that has the range that holds addr, if any has: one that doesn't may come out. There
 * are chunks. A VM with few ranges has them in one chunk, and not all steps are needed. */
static inline const struct gm_range *gm_range_index_search(const struct gm_range_index *index,
                                                           uintptr_t addr)
{
    const struct gm_range_chunk *chunk;

    if (index->count == 1) {
        chunk = index->top[0].chunk;
        return gm_range_chunk_search(chunk, chunk->count, addr);
    }
    chunk = gm_range_top_search(index, addr)->chunk;
    if (index->count > GM_RANGE_CACHED) {
        gm_range_chunk_ask_for(chunk);
    }
    return gm_range_chunk_search(chunk, GM_RANGE_CHUNK, addr);
}

/* The item whose range holds addr, or NULL. */
static inline void *gm_range_index_find(const struct gm_range_index *index, uintptr_t addr)
{
    const struct gm_range *range;

    if (index->count == 0) {
        return NULL;
    }
    range = gm_range_index_search(index, addr);
    return addr - range->base <= range->last - range->base ? range->item : NULL;
}

/* The item of the highest range that meets [base, last], or NULL: the range is free. */
void *gm_range_index_meets(const struct gm_range_index *index, uintptr_t base, uintptr_t last);

/* The last range with base <= addr. False: there is none. */
bool gm_range_index_below(const struct gm_range_index *index, uintptr_t addr,
                          struct gm_range_pos *pos);

/* First range; the one behind. False: there is none. */
bool gm_range_index_first(const struct gm_range_index *index, struct gm_range_pos *pos);
bool gm_range_index_next(const struct gm_range_index *index, struct gm_range_pos *pos);
const struct gm_range *gm_range_index_at(const struct gm_range_index *index,
                                         struct gm_range_pos pos);
void *gm_range_index_item(const struct gm_range_index *index, struct gm_range_pos pos);

/* ------------------------------------------------------------------------------------ changes */

/* Whether inserting at base takes a spare chunk (and room in top[] for one more). */
bool gm_range_index_needs_chunk(const struct gm_range_index *index, uintptr_t base);

/*
 * The only one of the chunks that inserting or removing at base writes to, if it writes to any: who
 * changes a copy of the index copies header, top[] and this. An insertion writes to its spare, too;
 * the chunk that a removal returns is either this one, or one that it has only read. The index
 * isn't empty.
 */
size_t gm_range_index_chunk_of(const struct gm_range_index *index, uintptr_t base);

/* Insert a range that meets no other. `spare` is used exactly if gm_range_index_needs_chunk(). */
void gm_range_index_insert(struct gm_range_index *index, uintptr_t base, uintptr_t last, void *item,
                           struct gm_range_chunk *spare);

/*
 * Remove the range with exactly this base. Returns a chunk that isn't needed any more, or NULL.
 * Removing what the last change inserted restores the chunks as they were, so that a call which
 * fails after an insert leaves no byte behind.
 */
struct gm_range_chunk *gm_range_index_remove(struct gm_range_index *index, uintptr_t base);

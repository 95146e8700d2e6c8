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

/*
 * For the contracts: `half` as it belongs to `count`; what top[] says, and a chunk, as a search
 * needs them; and the whole index.
 */
/* clang-format off */
#define GM_RANGE_POWER(x) \
    ((x) == 0x1 || (x) == 0x2 || (x) == 0x4 || (x) == 0x8 || (x) == 0x10 || (x) == 0x20 || \
     (x) == 0x40 || (x) == 0x80 || (x) == 0x100 || (x) == 0x200 || (x) == 0x400 || (x) == 0x800 || \
     (x) == 0x1000 || (x) == 0x2000 || (x) == 0x4000 || (x) == 0x8000 || (x) == 0x10000 || \
     (x) == 0x20000 || (x) == 0x40000 || (x) == 0x80000 || (x) == 0x100000 || (x) == 0x200000 || \
     (x) == 0x400000 || (x) == 0x800000 || (x) == 0x1000000 || (x) == 0x2000000 || \
     (x) == 0x4000000 || (x) == 0x8000000 || (x) == 0x10000000 || (x) == 0x20000000 || \
     (x) == 0x40000000 || (x) == 0x80000000)
#define GM_RANGE_HALF(half, n) \
    (((n) == 1 && (half) == 0) || (GM_RANGE_POWER(half) && (half) < (n) <= 2 * (half)))
#define GM_RANGE_TOP(index) \
    (\valid_read(index) && (index)->count > 0 && GM_RANGE_HALF((index)->half, (index)->count) && \
     \valid_read((index)->top + (0 .. (index)->count - 1)) && \
     (index)->top[(index)->count - 1].bound == UINTPTR_MAX && \
     (\forall integer i, j; 0 <= i < j < (index)->count ==> \
         (index)->top[i].bound <= (index)->top[j].bound))
#define GM_RANGE_PLACES(chunk) \
    (\valid_read(chunk) && \valid_read((chunk)->range + (0 .. GM_RANGE_CHUNK - 1)) && \
     (\forall integer i, j; 0 <= i < j < GM_RANGE_CHUNK ==> \
         (chunk)->range[i].last <= (chunk)->range[j].last))
#define GM_RANGE_INDEX(index) \
    (GM_RANGE_TOP(index) && \
     (\forall integer c; 0 <= c < (index)->count ==> \
         \valid_read((index)->top[c].chunk)) && \
     (\forall integer c; 0 <= c < (index)->count ==> \
         0 < (index)->top[c].chunk->count <= GM_RANGE_CHUNK) && \
     (\forall integer c, s, t; 0 <= c < (index)->count && 0 <= s < t < GM_RANGE_CHUNK ==> \
         (index)->top[c].chunk->range[s].last <= (index)->top[c].chunk->range[t].last) && \
     (\forall integer c, s; 0 <= c < (index)->count && 0 <= s < GM_RANGE_CHUNK ==> \
         (index)->top[c].chunk->range[s].base <= (index)->top[c].chunk->range[s].last) && \
     (\forall integer c, s; 0 <= c < (index)->count && \
         (index)->top[c].chunk->count <= s < GM_RANGE_CHUNK ==> \
         (index)->top[c].chunk->range[s].base == UINTPTR_MAX && \
         (index)->top[c].chunk->range[s].item == \null) && \
     (\forall integer c, s; 0 <= c < (index)->count && \
         0 <= s < (index)->top[c].chunk->count ==> \
         (index)->top[c].chunk->range[s].item != \null) && \
     (\forall integer c, s, t; 0 <= c < (index)->count && \
         0 <= s < t < (index)->top[c].chunk->count ==> \
         (index)->top[c].chunk->range[s].last < (index)->top[c].chunk->range[t].base) && \
     (\forall integer c, s; 0 <= c < (index)->count && \
         0 <= s < (index)->top[c].chunk->count ==> \
         (index)->top[c].chunk->range[s].last <= (index)->top[c].bound) && \
     (\forall integer c, d, s; 0 <= c < d < (index)->count && \
         0 <= s < (index)->top[d].chunk->count ==> \
         (index)->top[c].bound < (index)->top[d].chunk->range[s].base))
#define GM_RANGE_HOLDS(index, c, s, addr) \
    (0 <= (c) < (index)->count && 0 <= (s) < (index)->top[c].chunk->count && \
     (index)->top[c].chunk->range[s].base <= (addr) <= (index)->top[c].chunk->range[s].last)
#define GM_RANGE_AT(index, c, s) (index)->top[c].chunk->range[s]
#define GM_RANGE_IS(index, c, s) \
    (0 <= (c) < (index)->count && 0 <= (s) < (index)->top[c].chunk->count)
#define GM_RANGE_BEHIND(c, s, pos) ((c) > (pos).chunk || ((c) == (pos).chunk && (s) > (pos).slot))
#define GM_RANGE_LIMIT(count) ((count) > 16 ? GM_RANGE_CHUNK : (count) > 8 ? 16 : 8)
/* What is left to search: n from where `low` is. */
#define GM_RANGE_LEFT(first, low, n, end, field, addr) \
    ((low) == (first) + ((low) - (first)) && 0 <= (low) - (first) && \
     (low) - (first) + (n) <= (end) && \
     ((low) == (first) || (first)[(low) - (first) - 1].field < (addr)))
/* clang-format on */

/* Behind the first `step` chunks, if they end below addr. */
/*@ requires step > 0 && \valid_read(low + (0 .. step - 1));
    assigns \nothing;
    ensures \result == (low[step - 1].bound < addr ? low + step : low); */
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
/*@ requires step > 0 && \valid_read(low + (0 .. step - 1));
    assigns \nothing;
    ensures \result == (low[step - 1].last < addr ? low + step : low); */
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
/*@ requires GM_RANGE_TOP(index);
    assigns \nothing;
    ensures \let k = \result - index->top;
        0 <= k < index->count && \result == index->top + k && addr <= index->top[k].bound &&
        (k == 0 || index->top[k - 1].bound < addr); */
static inline const struct gm_range_top *gm_range_top_search(const struct gm_range_index *index,
                                                             uintptr_t addr)
{
    size_t left = index->half;
    const struct gm_range_top *low = gm_range_top_step(index->top, index->count - left, addr);

    /*@ loop invariant left == 0 || GM_RANGE_POWER(left);
        loop invariant GM_RANGE_LEFT(index->top, low, left, index->count, bound, addr);
        loop invariant left > 0 ==> addr <= low[left - 1].bound;
        loop invariant left == 0 ==> low == index->top && index->count == 1;
        loop assigns low, left;
        loop variant left; */
    for (; left > 8; left /= 2) {
        low = gm_range_top_step(low, left / 2, addr);
    }
    if (left > 4) {
        low = gm_range_top_step(low, 4, addr);
    }
    /*@ assert GM_RANGE_LEFT(index->top, low, left < 4 ? left : 4, index->count, bound, addr); */
    /*@ assert left > 0 ==> addr <= low[(left < 4 ? left : 4) - 1].bound; */
    if (left > 2) {
        low = gm_range_top_step(low, 2, addr);
    }
    /*@ assert GM_RANGE_LEFT(index->top, low, left < 2 ? left : 2, index->count, bound, addr); */
    /*@ assert left > 0 ==> addr <= low[(left < 2 ? left : 2) - 1].bound; */
    if (left > 1) {
        low = gm_range_top_step(low, 1, addr);
    }
    return low;
}

/* The first place of a chunk that doesn't end below addr; if each does, the last that can have a
 * range, where at most `count` can. */
/*@ requires GM_RANGE_PLACES(chunk) && count <= GM_RANGE_CHUNK;
    assigns \nothing;
    ensures \let k = \result - &chunk->range[0];
        0 <= k < GM_RANGE_LIMIT(count) && \result == &chunk->range[0] + k &&
        (addr <= chunk->range[k].last || k == GM_RANGE_LIMIT(count) - 1) &&
        (k == 0 || chunk->range[k - 1].last < addr); */
static inline const struct gm_range *gm_range_chunk_search(const struct gm_range_chunk *chunk,
                                                           size_t count, uintptr_t addr)
{
    const struct gm_range *low = chunk->range;

    if (count > 16) {
        low = gm_range_step(low, 32, addr);
        low = gm_range_step(low, 16, addr);
        /*@ assert GM_RANGE_LEFT(&chunk->range[0], low, 16, GM_RANGE_LIMIT(count), last, addr); */
        /*@ assert addr <= low[15].last || low - &chunk->range[0] == GM_RANGE_LIMIT(count) - 16; */
    }
    if (count > 8) {
        low = gm_range_step(low, 8, addr);
    }
    /*@ assert GM_RANGE_LEFT(&chunk->range[0], low, 8, GM_RANGE_LIMIT(count), last, addr); */
    /*@ assert addr <= low[7].last || low - &chunk->range[0] == GM_RANGE_LIMIT(count) - 8; */
    low = gm_range_step(low, 4, addr);
    /*@ assert GM_RANGE_LEFT(&chunk->range[0], low, 4, GM_RANGE_LIMIT(count), last, addr); */
    /*@ assert addr <= low[3].last || low - &chunk->range[0] == GM_RANGE_LIMIT(count) - 4; */
    low = gm_range_step(low, 2, addr);
    /*@ assert GM_RANGE_LEFT(&chunk->range[0], low, 2, GM_RANGE_LIMIT(count), last, addr); */
    /*@ assert addr <= low[1].last || low - &chunk->range[0] == GM_RANGE_LIMIT(count) - 2; */
    return gm_range_step(low, 1, addr);
}

/* Ask for all that a chunk's steps may read: each would wait for memory after the one before. */
/*@ requires \valid_read(chunk) && \valid_read(chunk->range + (0 .. GM_RANGE_CHUNK - 1));
    assigns \nothing; */
static inline void gm_range_chunk_ask_for(const struct gm_range_chunk *chunk)
{
    /*@ loop invariant 3 <= slot <= GM_RANGE_CHUNK + 3 && slot % 4 == 3;
        loop assigns slot;
        loop variant GM_RANGE_CHUNK + 3 - slot; */
    for (size_t slot = 3; slot < GM_RANGE_CHUNK; slot += 4) {
        GM_RANGE_ASK_FOR(&chunk->range[slot].last);
    }
}

/* The place that has the range that holds addr, if any has: one that doesn't may come out. There
 * are chunks. A VM with few ranges has them in one chunk, and not all steps are needed. */
/*@ requires GM_RANGE_INDEX(index);
    assigns \nothing;
    ensures \valid_read(\result);
    ensures \forall integer c, s; GM_RANGE_HOLDS(index, c, s, addr) ==>
        \result == &index->top[c].chunk->range[s];
    ensures \result->item != \null && \result->base <= addr <= \result->last ==>
        \exists integer c, s; GM_RANGE_HOLDS(index, c, s, addr) &&
            \result == &index->top[c].chunk->range[s]; */
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
/*@ requires \valid_read(index) && (index->count > 0 ==> GM_RANGE_INDEX(index));
    assigns \nothing;
    ensures \forall integer c, s; GM_RANGE_HOLDS(index, c, s, addr) ==>
        \result == index->top[c].chunk->range[s].item;
    ensures \result != \null ==> \exists integer c, s; GM_RANGE_HOLDS(index, c, s, addr) &&
        \result == index->top[c].chunk->range[s].item; */
static inline void *gm_range_index_find(const struct gm_range_index *index, uintptr_t addr)
{
    const struct gm_range *range;

    if (index->count == 0) {
        return NULL;
    }
    range = gm_range_index_search(index, addr);
    return range->base <= addr && addr <= range->last ? range->item : NULL;
}

/* The item of the highest range that meets [base, last], or NULL: the range is free. */
/*@ requires \valid_read(index) && (index->count > 0 ==> GM_RANGE_INDEX(index));
    assigns \nothing;
    ensures \result == \null ==> (\forall integer c, s; GM_RANGE_IS(index, c, s) ==>
        !(GM_RANGE_AT(index, c, s).base <= last && base <= GM_RANGE_AT(index, c, s).last));
    ensures \result != \null ==> (\exists integer c, s; GM_RANGE_IS(index, c, s) &&
        GM_RANGE_AT(index, c, s).base <= last && base <= GM_RANGE_AT(index, c, s).last &&
        \result == GM_RANGE_AT(index, c, s).item); */
void *gm_range_index_meets(const struct gm_range_index *index, uintptr_t base, uintptr_t last);

/* The last range with base <= addr. False: there is none. */
/*@ requires \valid_read(index) && (index->count > 0 ==> GM_RANGE_INDEX(index));
    requires \valid(pos);
    assigns *pos;
    ensures \result ==> \let chunk = pos->chunk; \let slot = pos->slot;
        \at(GM_RANGE_IS(index, chunk, slot) && GM_RANGE_AT(index, chunk, slot).base <= addr, Pre);
    ensures \result ==> \let chunk = pos->chunk; \let slot = pos->slot;
        \at(\forall integer c, s; GM_RANGE_IS(index, c, s) &&
            (c > chunk || (c == chunk && s > slot)) ==> addr < GM_RANGE_AT(index, c, s).base, Pre);
    ensures !\result ==>
        \at(\forall integer c, s; GM_RANGE_IS(index, c, s) ==>
            addr < GM_RANGE_AT(index, c, s).base, Pre); */
bool gm_range_index_below(const struct gm_range_index *index, uintptr_t addr,
                          struct gm_range_pos *pos);

/* First range; the one behind. False: there is none. */
/*@ requires \valid_read(index) && \valid(pos);
    assigns *pos;
    ensures \result <==> \old(index->count) > 0;
    ensures pos->chunk == 0 && pos->slot == 0; */
bool gm_range_index_first(const struct gm_range_index *index, struct gm_range_pos *pos);
/*@ requires GM_RANGE_INDEX(index) && \valid(pos) && GM_RANGE_IS(index, pos->chunk, pos->slot);
    assigns *pos;
    ensures \result <==> pos->chunk < \old(index->count);
    ensures pos->chunk == \old(pos->chunk)
        ? pos->slot == \old(pos->slot) + 1 &&
            pos->slot < \old(index->top[pos->chunk].chunk->count)
        : pos->chunk == \old(pos->chunk) + 1 && pos->slot == 0 &&
            \old(pos->slot) + 1 == \old(index->top[pos->chunk].chunk->count); */
bool gm_range_index_next(const struct gm_range_index *index, struct gm_range_pos *pos);
/*@ requires \valid_read(index) && \valid_read(index->top + pos.chunk);
    assigns \nothing;
    ensures \result == &GM_RANGE_AT(index, pos.chunk, pos.slot); */
const struct gm_range *gm_range_index_at(const struct gm_range_index *index,
                                         struct gm_range_pos pos);
/*@ requires \valid_read(index) && \valid_read(index->top + pos.chunk);
    requires \valid_read(&GM_RANGE_AT(index, pos.chunk, pos.slot));
    assigns \nothing;
    ensures \result == GM_RANGE_AT(index, pos.chunk, pos.slot).item; */
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

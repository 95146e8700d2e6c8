/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "range_index.h"

#include "range_chunk.h"

/* Two neighbouring chunks with no more ranges than this become one. Less than a chunk holds, so
 * that the next insertion doesn't split it again. */
enum {
    JOIN_AT = GM_RANGE_CHUNK - GM_RANGE_CHUNK / 8,
    KEEP = GM_RANGE_CHUNK / 2, /* so many ranges stay in a chunk that is split */
};

/* ------------------------------------------------------------------------------------- search */

/* Where the first range is that doesn't end below addr; if there is none, behind the last range. */
/*@ requires GM_RANGE_INDEX(index);
    assigns \nothing;
    ensures \result.chunk < index->count;
    ensures \result.slot <= index->top[\result.chunk].chunk->count;
    ensures \forall integer c, s; GM_RANGE_IS(index, c, s) && c < \result.chunk ==>
        GM_RANGE_AT(index, c, s).last < addr;
    ensures \forall integer s; 0 <= s < \result.slot ==>
        GM_RANGE_AT(index, \result.chunk, s).last < addr;
    ensures \forall integer s; \result.slot <= s < index->top[\result.chunk].chunk->count ==>
        addr <= GM_RANGE_AT(index, \result.chunk, s).last;
    ensures \forall integer c, s; GM_RANGE_IS(index, c, s) && c > \result.chunk ==>
        addr < GM_RANGE_AT(index, c, s).base; */
static struct gm_range_pos place_of(const struct gm_range_index *index, uintptr_t addr)
{
    size_t at = (size_t)(gm_range_top_search(index, addr) - index->top);
    const struct gm_range_chunk *chunk = index->top[at].chunk;
    /*@ assert \valid_read(chunk) && 0 < chunk->count <= GM_RANGE_CHUNK; */
    const struct gm_range *range = gm_range_chunk_search(chunk, chunk->count, addr);
    struct gm_range_pos pos = {at, (size_t)(range - chunk->range)};

    if (range->last < addr) {
        pos.slot++;
    }
    return pos;
}

/* The last range with base <= addr; if there is none, a position behind the last chunk. */
/*@ requires GM_RANGE_INDEX(index);
    assigns \nothing;
    ensures \result.chunk <= index->count;
    ensures \result.chunk < index->count ==> GM_RANGE_IS(index, \result.chunk, \result.slot) &&
        GM_RANGE_AT(index, \result.chunk, \result.slot).base <= addr;
    ensures \result.chunk == index->count ==>
        (\forall integer c, s; GM_RANGE_IS(index, c, s) ==> addr < GM_RANGE_AT(index, c, s).base);
    ensures \forall integer c, s; GM_RANGE_IS(index, c, s) && GM_RANGE_BEHIND(c, s, \result) ==>
        addr < GM_RANGE_AT(index, c, s).base; */
static struct gm_range_pos last_below(const struct gm_range_index *index, uintptr_t addr)
{
    struct gm_range_pos pos = place_of(index, addr);
    const struct gm_range_chunk *chunk = index->top[pos.chunk].chunk;

    /*@ assert \valid_read(chunk) && 0 < chunk->count <= GM_RANGE_CHUNK; */
    if (pos.slot < chunk->count && chunk->range[pos.slot].base <= addr) {
        return pos;
    }
    if (pos.slot > 0) {
        /*@ assert chunk->range[pos.slot - 1].base <= chunk->range[pos.slot - 1].last < addr; */
        return (struct gm_range_pos){pos.chunk, pos.slot - 1};
    }
    if (pos.chunk > 0) {
        chunk = index->top[pos.chunk - 1].chunk;
        /*@ assert \valid_read(chunk) && 0 < chunk->count <= GM_RANGE_CHUNK; */
        return (struct gm_range_pos){pos.chunk - 1, chunk->count - 1};
    }
    return (struct gm_range_pos){index->count, 0};
}

bool gm_range_index_below(const struct gm_range_index *index, uintptr_t addr,
                          struct gm_range_pos *pos)
{
    struct gm_range_pos found;

    if (index->count == 0) {
        return false;
    }
    found = last_below(index, addr);
    if (found.chunk == index->count) {
        return false;
    }
    pos->chunk = found.chunk;
    pos->slot = found.slot;
    return true;
}

void *gm_range_index_meets(const struct gm_range_index *index, uintptr_t base, uintptr_t last)
{
    struct gm_range_pos pos;
    const struct gm_range *range;

    if (index->count == 0) {
        return NULL;
    }
    pos = last_below(index, last);
    if (pos.chunk == index->count) {
        return NULL;
    }
    range = gm_range_index_at(index, pos);
    /*@ assert \forall integer c, s; GM_RANGE_IS(index, c, s) && !GM_RANGE_BEHIND(c, s, pos) ==>
        GM_RANGE_AT(index, c, s).last <= range->last; */
    return range->last >= base ? range->item : NULL;
}

bool gm_range_index_first(const struct gm_range_index *index, struct gm_range_pos *pos)
{
    bool any = index->count > 0;

    pos->chunk = 0;
    pos->slot = 0;
    return any;
}

bool gm_range_index_next(const struct gm_range_index *index, struct gm_range_pos *pos)
{
    size_t chunk = pos->chunk;
    size_t slot = pos->slot + 1;
    bool more;

    if (slot == index->top[chunk].chunk->count) {
        chunk++;
        slot = 0;
    }
    more = chunk < index->count;
    pos->chunk = chunk;
    pos->slot = slot;
    return more;
}

const struct gm_range *gm_range_index_at(const struct gm_range_index *index,
                                         struct gm_range_pos pos)
{
    return &index->top[pos.chunk].chunk->range[pos.slot];
}

void *gm_range_index_item(const struct gm_range_index *index, struct gm_range_pos pos)
{
    return gm_range_index_at(index, pos)->item;
}

/* ------------------------------------------------------------------------- chunks, and top[] */

static bool is_full(const struct gm_range_index *index, size_t at)
{
    return index->top[at].chunk->count == GM_RANGE_CHUNK;
}

/* Make top[] say where a chunk ends. */
static void set_bound(struct gm_range_index *index, size_t at)
{
    const struct gm_range_chunk *chunk = index->top[at].chunk;

    index->top[at].bound =
        at + 1 == index->count ? UINTPTR_MAX : chunk->range[chunk->count - 1].last;
}

/* The number of chunks has changed by one. */
static void set_half(struct gm_range_index *index)
{
    if (index->half >= index->count) {
        index->half /= 2;
    } else if (index->half == 0 && index->count > 1) {
        index->half = 1;
    } else if (index->half * 2 < index->count) {
        index->half *= 2;
    }
}

/* Put a chunk at position `at`. Its bound is still to be set. */
static void open_chunk(struct gm_range_index *index, size_t at, struct gm_range_chunk *chunk)
{
    for (size_t i = index->count; i > at; i--) {
        index->top[i] = index->top[i - 1];
    }
    index->top[at].chunk = chunk;
    index->count++;
    set_half(index);
}

static struct gm_range_chunk *close_chunk(struct gm_range_index *index, size_t at)
{
    struct gm_range_chunk *chunk = index->top[at].chunk;

    index->count--;
    set_half(index);
    for (size_t i = at; i < index->count; i++) {
        index->top[i] = index->top[i + 1];
    }
    if (at == index->count && at > 0) {
        set_bound(index, at - 1);
    }
    return chunk;
}

/* -------------------------------------------------------------------------------------- insert */

/*
 * Where a range goes. Between two chunks it goes to the lower one if that has room, so that series
 * in either direction fill chunks wherever they are.
 */
static struct gm_range_pos place_for(const struct gm_range_index *index, uintptr_t base)
{
    struct gm_range_pos pos = place_of(index, base);

    if (pos.slot == 0 && pos.chunk > 0 && !is_full(index, pos.chunk - 1)) {
        pos.chunk--;
        pos.slot = index->top[pos.chunk].chunk->count;
    }
    return pos;
}

bool gm_range_index_needs_chunk(const struct gm_range_index *index, uintptr_t base)
{
    return index->count == 0 || is_full(index, place_for(index, base).chunk);
}

/* Put a range in a chunk that has room. */
static void put_in(struct gm_range_index *index, struct gm_range_pos pos, uintptr_t base,
                   uintptr_t last, void *item)
{
    gm_range_chunk_insert(index->top[pos.chunk].chunk, pos.slot, base, last, item);
    set_bound(index, pos.chunk);
}

/* Put a range in a chunk of its own, at position `at`. */
static void put_alone(struct gm_range_index *index, size_t at, struct gm_range_chunk *spare,
                      uintptr_t base, uintptr_t last, void *item)
{
    gm_range_chunk_shorten(spare, 0, GM_RANGE_CHUNK);
    gm_range_chunk_insert(spare, 0, base, last, item);
    open_chunk(index, at, spare);
    set_bound(index, at);
    if (at > 0) {
        set_bound(index, at - 1);
    }
}

/* Move the upper half of a full chunk to a chunk behind it. */
static void split(struct gm_range_index *index, size_t at, struct gm_range_chunk *spare)
{
    struct gm_range_chunk *full = index->top[at].chunk;

    gm_range_chunk_shorten(spare, 0, GM_RANGE_CHUNK);
    gm_range_chunk_append(spare, full, KEEP, GM_RANGE_CHUNK);
    gm_range_chunk_shorten(full, KEEP, GM_RANGE_CHUNK);
    open_chunk(index, at + 1, spare);
    set_bound(index, at + 1);
    set_bound(index, at);
    index->split_off = at + 1;
}

/*
 * Insert where the full chunk is that a range belongs to. At either end the range gets the new
 * chunk for itself, so that ascending and descending series leave full chunks behind them.
 */
static void put_at_full(struct gm_range_index *index, struct gm_range_pos pos,
                        struct gm_range_chunk *spare, uintptr_t base, uintptr_t last, void *item)
{
    if (pos.slot == 0) {
        put_alone(index, pos.chunk, spare, base, last, item);
    } else if (pos.slot == GM_RANGE_CHUNK) {
        put_alone(index, pos.chunk + 1, spare, base, last, item);
    } else {
        split(index, pos.chunk, spare);
        if (pos.slot > KEEP) {
            pos = (struct gm_range_pos){pos.chunk + 1, pos.slot - KEEP};
        }
        put_in(index, pos, base, last, item);
    }
}

void gm_range_index_insert(struct gm_range_index *index, uintptr_t base, uintptr_t last, void *item,
                           struct gm_range_chunk *spare)
{
    struct gm_range_pos pos;

    index->inserted = true;
    index->inserted_base = base;
    index->split_off = 0;
    if (index->count == 0) {
        put_alone(index, 0, spare, base, last, item);
        return;
    }
    pos = place_for(index, base);
    if (is_full(index, pos.chunk)) {
        put_at_full(index, pos, spare, base, last, item);
    } else {
        put_in(index, pos, base, last, item);
    }
}

/* -------------------------------------------------------------------------------------- remove */

/* The range with exactly this base; if there is none, a position behind the last chunk. */
/*@ requires GM_RANGE_INDEX(index);
    assigns \nothing;
    ensures \result.chunk <= index->count;
    ensures \result.chunk < index->count ==> GM_RANGE_IS(index, \result.chunk, \result.slot) &&
        GM_RANGE_AT(index, \result.chunk, \result.slot).base == base;
    ensures \result.chunk == index->count ==>
        (\forall integer c, s; GM_RANGE_IS(index, c, s) ==>
            GM_RANGE_AT(index, c, s).base != base); */
static struct gm_range_pos find_base(const struct gm_range_index *index, uintptr_t base)
{
    struct gm_range_pos pos = last_below(index, base);

    if (pos.chunk < index->count && index->top[pos.chunk].chunk->range[pos.slot].base != base) {
        return (struct gm_range_pos){index->count, 0};
    }
    return pos;
}

/* Whether removing the range undoes an insertion that split a chunk. */
static bool undoes_split(const struct gm_range_index *index, uintptr_t base)
{
    return index->inserted && index->inserted_base == base && index->split_off != 0;
}

size_t gm_range_index_chunk_of(const struct gm_range_index *index, uintptr_t base)
{
    struct gm_range_pos pos = find_base(index, base);

    if (pos.chunk == index->count) {
        return place_for(index, base).chunk;
    }
    return undoes_split(index, base) ? index->split_off - 1 : pos.chunk;
}

/* Put the halves together again, without the range. */
static struct gm_range_chunk *undo_split(struct gm_range_index *index, struct gm_range_pos pos)
{
    size_t at = index->split_off - 1;
    struct gm_range_chunk *chunk = index->top[at].chunk;
    const struct gm_range_chunk *half = index->top[at + 1].chunk;

    if (pos.chunk == at) {
        gm_range_chunk_take_out(chunk, pos.slot);
        gm_range_chunk_append(chunk, half, 0, half->count);
    } else {
        gm_range_chunk_append(chunk, half, 0, pos.slot);
        gm_range_chunk_append(chunk, half, pos.slot + 1, half->count);
    }
    index->top[at].bound = index->top[at + 1].bound;
    return close_chunk(index, at + 1);
}

static bool fit_one(const struct gm_range_index *index, size_t at)
{
    return at + 1 < index->count &&
           index->top[at].chunk->count + index->top[at + 1].chunk->count <= JOIN_AT;
}

/* Join chunk `at` with a neighbour, if they are few. Returns the neighbour, or NULL. */
static struct gm_range_chunk *join(struct gm_range_index *index, size_t at)
{
    struct gm_range_chunk *chunk = index->top[at].chunk;
    const struct gm_range_chunk *other;

    if (fit_one(index, at)) {
        other = index->top[at + 1].chunk;
        gm_range_chunk_append(chunk, other, 0, other->count);
        index->top[at].bound = index->top[at + 1].bound;
        return close_chunk(index, at + 1);
    }
    if (at > 0 && fit_one(index, at - 1)) {
        gm_range_chunk_prepend(chunk, index->top[at - 1].chunk);
        return close_chunk(index, at - 1);
    }
    return NULL;
}

struct gm_range_chunk *gm_range_index_remove(struct gm_range_index *index, uintptr_t base)
{
    bool undo = index->inserted && index->inserted_base == base;
    struct gm_range_chunk *chunk;
    struct gm_range_pos pos;

    if (index->count == 0) {
        return NULL;
    }
    pos = find_base(index, base);
    if (pos.chunk == index->count) {
        return NULL;
    }
    if (undoes_split(index, base)) {
        index->inserted = false;
        return undo_split(index, pos);
    }
    index->inserted = false;
    chunk = index->top[pos.chunk].chunk;
    gm_range_chunk_take_out(chunk, pos.slot);
    if (chunk->count == 0) {
        return close_chunk(index, pos.chunk);
    }
    set_bound(index, pos.chunk);
    return undo ? NULL : join(index, pos.chunk);
}

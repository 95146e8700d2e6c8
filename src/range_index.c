/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "range_index.h"

/* Two neighbouring chunks with no more ranges than this become one. Less than a chunk holds, so
 * that the next insertion doesn't split it again. */
enum { JOIN_AT = GM_RANGE_CHUNK - GM_RANGE_CHUNK / 8 };

/* ------------------------------------------------------------------------------------- search */

/* Where the first range is that doesn't end below addr; if there is none, behind the last range. */
static struct gm_range_pos place_of(const struct gm_range_index *index, uintptr_t addr)
{
    const struct gm_range_top *top = gm_range_top_search(index, addr);
    const struct gm_range *range = gm_range_chunk_search(top->chunk, top->chunk->count, addr);
    struct gm_range_pos pos = {(size_t)(top - index->top), (size_t)(range - top->chunk->range)};

    if (range->last < addr) {
        pos.slot++;
    }
    return pos;
}

bool gm_range_index_below(const struct gm_range_index *index, uintptr_t addr,
                          struct gm_range_pos *pos)
{
    if (index->count == 0) {
        return false;
    }
    *pos = place_of(index, addr);
    if (pos->slot < index->top[pos->chunk].chunk->count &&
        gm_range_index_at(index, *pos)->base <= addr) {
        return true;
    }
    if (pos->slot > 0) {
        pos->slot--;
        return true;
    }
    if (pos->chunk > 0) {
        pos->chunk--;
        pos->slot = index->top[pos->chunk].chunk->count - 1;
        return true;
    }
    return false;
}

void *gm_range_index_meets(const struct gm_range_index *index, uintptr_t base, uintptr_t last)
{
    struct gm_range_pos pos;
    const struct gm_range *range;

    if (!gm_range_index_below(index, last, &pos)) {
        return NULL;
    }
    range = gm_range_index_at(index, pos);
    return range->last >= base ? range->item : NULL;
}

bool gm_range_index_first(const struct gm_range_index *index, struct gm_range_pos *pos)
{
    pos->chunk = 0;
    pos->slot = 0;
    return index->count > 0;
}

bool gm_range_index_next(const struct gm_range_index *index, struct gm_range_pos *pos)
{
    pos->slot++;
    if (pos->slot == index->top[pos->chunk].chunk->count) {
        pos->slot = 0;
        pos->chunk++;
    }
    return pos->chunk < index->count;
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

/* Copy ranges, lowest first: also to lower places of the same chunk. */
static void copy_ranges(struct gm_range *to, const struct gm_range *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
    }
}

/* Move the ranges from `slot` on up by `places`. */
static void make_room(struct gm_range_chunk *chunk, size_t slot, size_t places)
{
    for (size_t i = chunk->count; i > slot; i--) {
        chunk->range[i - 1 + places] = chunk->range[i - 1];
    }
    chunk->count += places;
}

static void append(struct gm_range_chunk *chunk, const struct gm_range *from, size_t count)
{
    copy_ranges(&chunk->range[chunk->count], from, count);
    chunk->count += count;
}

/* Take the ranges from `count` on out of a chunk that has at most `had`. */
static void shorten(struct gm_range_chunk *chunk, size_t count, size_t had)
{
    for (size_t slot = count; slot < had; slot++) {
        chunk->range[slot] = (struct gm_range){UINTPTR_MAX, UINTPTR_MAX, NULL};
    }
    chunk->count = count;
}

static void take_out(struct gm_range_chunk *chunk, size_t slot)
{
    copy_ranges(&chunk->range[slot], &chunk->range[slot + 1], chunk->count - 1 - slot);
    shorten(chunk, chunk->count - 1, chunk->count);
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

/* Put an empty chunk at position `at`. */
static void open_chunk(struct gm_range_index *index, size_t at, struct gm_range_chunk *chunk)
{
    for (size_t i = index->count; i > at; i--) {
        index->top[i] = index->top[i - 1];
    }
    shorten(chunk, 0, GM_RANGE_CHUNK);
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

/*
 * Make room next to or in the full chunk where a range belongs. At either end the range gets the
 * new chunk for itself, so that ascending and descending series leave full chunks behind them.
 */
static struct gm_range_pos split(struct gm_range_index *index, struct gm_range_pos pos,
                                 struct gm_range_chunk *spare)
{
    struct gm_range_chunk *full = index->top[pos.chunk].chunk;
    size_t keep = GM_RANGE_CHUNK / 2;

    if (pos.slot == 0) {
        open_chunk(index, pos.chunk, spare);
        return pos;
    }
    open_chunk(index, pos.chunk + 1, spare);
    if (pos.slot < GM_RANGE_CHUNK) {
        index->split_off = pos.chunk + 1;
        append(spare, &full->range[keep], GM_RANGE_CHUNK - keep);
        shorten(full, keep, GM_RANGE_CHUNK);
        set_bound(index, pos.chunk + 1);
    }
    set_bound(index, pos.chunk);
    return pos.slot <= keep ? pos : (struct gm_range_pos){pos.chunk + 1, pos.slot - full->count};
}

void gm_range_index_insert(struct gm_range_index *index, uintptr_t base, uintptr_t last, void *item,
                           struct gm_range_chunk *spare)
{
    struct gm_range_pos pos = {0, 0};
    struct gm_range_chunk *chunk;

    index->inserted = true;
    index->inserted_base = base;
    index->split_off = 0;
    if (index->count == 0) {
        open_chunk(index, 0, spare);
    } else {
        pos = place_for(index, base);
        if (is_full(index, pos.chunk)) {
            pos = split(index, pos, spare);
        }
    }
    chunk = index->top[pos.chunk].chunk;
    make_room(chunk, pos.slot, 1);
    chunk->range[pos.slot] = (struct gm_range){base, last, item};
    set_bound(index, pos.chunk);
}

/* -------------------------------------------------------------------------------------- remove */

static bool find_base(const struct gm_range_index *index, uintptr_t base, struct gm_range_pos *pos)
{
    return gm_range_index_below(index, base, pos) && gm_range_index_at(index, *pos)->base == base;
}

/* Whether removing the range undoes an insertion that split a chunk. */
static bool undoes_split(const struct gm_range_index *index, uintptr_t base)
{
    return index->inserted && index->inserted_base == base && index->split_off != 0;
}

size_t gm_range_index_chunk_of(const struct gm_range_index *index, uintptr_t base)
{
    struct gm_range_pos pos;

    if (!find_base(index, base, &pos)) {
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
        take_out(chunk, pos.slot);
        append(chunk, half->range, half->count);
    } else {
        append(chunk, half->range, pos.slot);
        append(chunk, &half->range[pos.slot + 1], half->count - 1 - pos.slot);
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
        append(chunk, other->range, other->count);
        index->top[at].bound = index->top[at + 1].bound;
        return close_chunk(index, at + 1);
    }
    if (at > 0 && fit_one(index, at - 1)) {
        other = index->top[at - 1].chunk;
        make_room(chunk, 0, other->count);
        copy_ranges(chunk->range, other->range, other->count);
        return close_chunk(index, at - 1);
    }
    return NULL;
}

struct gm_range_chunk *gm_range_index_remove(struct gm_range_index *index, uintptr_t base)
{
    bool undo = index->inserted && index->inserted_base == base;
    struct gm_range_chunk *chunk;
    struct gm_range_pos pos;

    if (!find_base(index, base, &pos)) {
        return NULL;
    }
    if (undoes_split(index, base)) {
        index->inserted = false;
        return undo_split(index, pos);
    }
    index->inserted = false;
    chunk = index->top[pos.chunk].chunk;
    take_out(chunk, pos.slot);
    if (chunk->count == 0) {
        return close_chunk(index, pos.chunk);
    }
    set_bound(index, pos.chunk);
    return undo ? NULL : join(index, pos.chunk);
}

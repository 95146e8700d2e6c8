/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "range_index.h"

#include <string.h>

/* Below this many ranges in two neighbouring chunks they become one. */
enum { MERGE_AT = GM_RANGE_CHUNK / 2 };

bool gm_range_index_below(const struct gm_range_index *index, uintptr_t addr,
                          struct gm_range_pos *pos)
{
    if (index->count == 0 || addr < index->top[0].first) {
        return false;
    }
    pos->chunk = gm_range_chunk_below(index, addr);
    pos->slot = gm_range_slot_below(index->top[pos->chunk].chunk, addr);
    return true;
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

void *gm_range_index_item(const struct gm_range_index *index, struct gm_range_pos pos)
{
    return index->top[pos.chunk].chunk->item[pos.slot];
}

bool gm_range_index_needs_chunk(const struct gm_range_index *index, uintptr_t base)
{
    if (index->count == 0) {
        return true;
    }
    return index->top[gm_range_chunk_below(index, base)].chunk->count == GM_RANGE_CHUNK;
}

static void chunk_move(struct gm_range_chunk *to, size_t to_slot, const struct gm_range_chunk *from,
                       size_t from_slot, size_t count)
{
    memmove(&to->base[to_slot], &from->base[from_slot], count * sizeof(to->base[0]));
    memmove(&to->last[to_slot], &from->last[from_slot], count * sizeof(to->last[0]));
    memmove(&to->item[to_slot], &from->item[from_slot], count * sizeof(to->item[0]));
}

/* Take the ranges from `count` on out of a chunk that has at most `had`. */
static void chunk_shorten(struct gm_range_chunk *chunk, size_t count, size_t had)
{
    for (size_t slot = count; slot < had; slot++) {
        chunk->base[slot] = UINTPTR_MAX;
    }
    chunk->count = count;
}

/* Put an empty chunk at position `at`. */
static void open_chunk(struct gm_range_index *index, size_t at, struct gm_range_chunk *chunk)
{
    size_t behind = index->count - at;

    memmove(&index->top[at + 1], &index->top[at], behind * sizeof(index->top[0]));
    chunk_shorten(chunk, 0, GM_RANGE_CHUNK);
    index->top[at].chunk = chunk;
    index->count++;
}

static struct gm_range_chunk *close_chunk(struct gm_range_index *index, size_t at)
{
    struct gm_range_chunk *chunk = index->top[at].chunk;
    size_t behind = index->count - at - 1;

    memmove(&index->top[at], &index->top[at + 1], behind * sizeof(index->top[0]));
    index->count--;
    return chunk;
}

/*
 * Make room in full chunk `at` for a range that belongs at `slot` of it. At either end the range
 * gets the new chunk for itself, so that ascending and descending series leave full chunks behind
 * them.
 */
static struct gm_range_pos split(struct gm_range_index *index, size_t at, size_t slot,
                                 struct gm_range_chunk *spare)
{
    struct gm_range_chunk *full = index->top[at].chunk;
    size_t keep = GM_RANGE_CHUNK / 2;

    if (slot == 0) {
        open_chunk(index, at, spare);
        return (struct gm_range_pos){at, 0};
    }
    open_chunk(index, at + 1, spare);
    if (slot == GM_RANGE_CHUNK) {
        return (struct gm_range_pos){at + 1, 0};
    }
    index->split_off = at + 1;
    chunk_move(spare, 0, full, keep, GM_RANGE_CHUNK - keep);
    spare->count = GM_RANGE_CHUNK - keep;
    chunk_shorten(full, keep, GM_RANGE_CHUNK);
    index->top[at + 1].first = spare->base[0];
    return slot <= keep ? (struct gm_range_pos){at, slot}
                        : (struct gm_range_pos){at + 1, slot - keep};
}

void gm_range_index_insert(struct gm_range_index *index, uintptr_t base, uintptr_t last, void *item,
                           struct gm_range_chunk *spare)
{
    struct gm_range_pos pos = {0, 0};
    struct gm_range_chunk *chunk;

    if (gm_range_index_below(index, base, &pos)) {
        pos.slot++;
    }
    index->inserted = true;
    index->inserted_base = base;
    index->split_off = 0;
    if (index->count == 0) {
        open_chunk(index, 0, spare);
    } else if (index->top[pos.chunk].chunk->count == GM_RANGE_CHUNK) {
        pos = split(index, pos.chunk, pos.slot, spare);
    }
    chunk = index->top[pos.chunk].chunk;
    chunk_move(chunk, pos.slot + 1, chunk, pos.slot, chunk->count - pos.slot);
    chunk->base[pos.slot] = base;
    chunk->last[pos.slot] = last;
    chunk->item[pos.slot] = item;
    chunk->count++;
    index->top[pos.chunk].first = chunk->base[0];
}

/* Join chunk `at` and the one behind it, which has room enough. Returns the one that isn't needed.
 */
static struct gm_range_chunk *join_behind(struct gm_range_index *index, size_t at)
{
    struct gm_range_chunk *chunk = index->top[at].chunk;
    const struct gm_range_chunk *behind = index->top[at + 1].chunk;

    chunk_move(chunk, chunk->count, behind, 0, behind->count);
    chunk->count += behind->count;
    return close_chunk(index, at + 1);
}

struct gm_range_chunk *gm_range_index_remove(struct gm_range_index *index, uintptr_t base)
{
    bool undo = index->inserted && index->inserted_base == base;
    struct gm_range_pos pos;
    struct gm_range_chunk *chunk;

    if (!gm_range_index_below(index, base, &pos) ||
        index->top[pos.chunk].chunk->base[pos.slot] != base) {
        return NULL;
    }
    index->inserted = false;
    chunk = index->top[pos.chunk].chunk;
    chunk_move(chunk, pos.slot, chunk, pos.slot + 1, chunk->count - 1 - pos.slot);
    chunk_shorten(chunk, chunk->count - 1, chunk->count);
    if (chunk->count == 0) {
        return close_chunk(index, pos.chunk);
    }
    index->top[pos.chunk].first = chunk->base[0];
    if (undo) {
        return index->split_off == 0 ? NULL : join_behind(index, index->split_off - 1);
    }
    if (pos.chunk + 1 == index->count ||
        chunk->count + index->top[pos.chunk + 1].chunk->count > MERGE_AT) {
        return NULL;
    }
    return join_behind(index, pos.chunk);
}

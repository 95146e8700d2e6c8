/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "range_chunk.h"

/*@ requires \valid(to) && \valid_read(from) && \separated(to, from);
    assigns *to;
    ensures GM_RANGE_WAS(*to, *from, Pre); */
static void copy(struct gm_range *to, const struct gm_range *from)
{
    *to = *from;
}

/*@ requires \valid(place);
    assigns *place;
    ensures place->base == base && place->last == last && place->item == item; */
static void set(struct gm_range *place, uintptr_t base, uintptr_t last, void *item)
{
    place->base = base;
    place->last = last;
    place->item = item;
}

/* Move the ranges from `slot` on up by one. */
/*@ requires \valid(range + (0 .. GM_RANGE_CHUNK - 1)) && slot <= count < GM_RANGE_CHUNK;
    assigns range[slot + 1 .. count];
    ensures \forall integer s; slot < s <= count ==> GM_RANGE_WAS(range[s], range[s - 1], Pre); */
static void move_up(struct gm_range *range, size_t slot, size_t count)
{
    /*@ loop invariant slot <= i <= count;
        loop invariant \forall integer s; i <= s < count ==>
            GM_RANGE_WAS(range[s + 1], range[s], Pre);
        loop invariant \forall integer s; slot <= s < i ==>
            GM_RANGE_WAS(range[s], range[s], Pre);
        loop assigns i, range[slot + 1 .. count];
        loop variant i; */
    for (size_t i = count; i > slot; i--) {
        range[i].base = range[i - 1].base;
        range[i].last = range[i - 1].last;
        range[i].item = range[i - 1].item;
    }
}

/* Put a range in at `slot`; those from there on go up. */
/*@ requires \valid(range + (0 .. GM_RANGE_CHUNK - 1)) && slot <= count < GM_RANGE_CHUNK;
    assigns range[slot .. count];
    ensures range[slot].base == base && range[slot].last == last && range[slot].item == item;
    ensures \forall integer s; 0 <= s < slot ==> GM_RANGE_WAS(range[s], range[s], Pre);
    ensures \forall integer s; slot < s <= count ==> GM_RANGE_WAS(range[s], range[s - 1], Pre); */
static void put(struct gm_range *range, size_t slot, size_t count, uintptr_t base, uintptr_t last,
                void *item)
{
    move_up(range, slot, count);
    set(&range[slot], base, last, item);
}

/* Move the ranges behind `slot` down by one: they stay in order. */
/*@ requires \valid(range + (0 .. GM_RANGE_CHUNK - 1)) && slot < count <= GM_RANGE_CHUNK;
    requires \forall integer s, t; 0 <= s < t < count ==> range[s].last < range[t].base;
    assigns range[slot .. count - 2];
    ensures \forall integer s; 0 <= s < slot ==> GM_RANGE_WAS(range[s], range[s], Pre);
    ensures \forall integer s; slot <= s < count - 1 ==>
        GM_RANGE_WAS(range[s], range[s + 1], Pre);
    ensures \forall integer s, t; 0 <= s < t < count - 1 ==> range[s].last < range[t].base; */
static void move_down(struct gm_range *range, size_t slot, size_t count)
{
    /*@ loop invariant slot < i <= count;
        loop invariant \forall integer s; 0 <= s < slot ==>
            GM_RANGE_WAS(range[s], range[s], Pre);
        loop invariant \forall integer s; slot <= s < i - 1 ==>
            GM_RANGE_WAS(range[s], range[s + 1], Pre);
        loop invariant \forall integer s; i <= s < count ==>
            GM_RANGE_WAS(range[s], range[s], Pre);
        loop invariant \forall integer s, t; 0 <= s < t < i - 1 ==>
            range[s].last < range[t].base;
        loop invariant \forall integer s, t; 0 <= s < i - 1 && i <= t < count ==>
            range[s].last < range[t].base;
        loop invariant \forall integer s, t; i <= s < t < count ==> range[s].last < range[t].base;
        loop assigns i, range[slot .. count - 2];
        loop variant count - i; */
    for (size_t i = slot + 1; i < count; i++) {
        range[i - 1].base = range[i].base;
        range[i - 1].last = range[i].last;
        range[i - 1].item = range[i].item;
    }
}

/* Copy `count` ranges, to places of another chunk. */
/*@ requires \valid(to + (0 .. GM_RANGE_CHUNK - 1));
    requires \valid_read(from + (0 .. GM_RANGE_CHUNK - 1));
    requires \separated(to + (0 .. GM_RANGE_CHUNK - 1), from + (0 .. GM_RANGE_CHUNK - 1));
    requires at + count <= GM_RANGE_CHUNK && first + count <= GM_RANGE_CHUNK;
    assigns to[at .. at + count - 1];
    ensures \forall integer s; at <= s < at + count ==>
        GM_RANGE_WAS(to[s], from[s - at + first], Pre); */
static void copy_ranges(struct gm_range *to, size_t at, const struct gm_range *from, size_t first,
                        size_t count)
{
    /*@ loop invariant 0 <= i <= count;
        loop invariant \forall integer s; at <= s < at + i ==>
            GM_RANGE_WAS(to[s], from[s - at + first], Pre);
        loop assigns i, to[at .. at + count - 1];
        loop variant count - i; */
    for (size_t i = 0; i < count; i++) {
        copy(&to[at + i], &from[first + i]);
    }
}

void gm_range_chunk_shorten(struct gm_range_chunk *chunk, size_t count, size_t had)
{
    /*@ loop invariant count <= slot <= had;
        loop invariant \forall integer s; count <= s < slot ==> GM_RANGE_EMPTY(chunk->range[s]);
        loop assigns slot, chunk->range[count .. had - 1];
        loop variant had - slot; */
    for (size_t slot = count; slot < had; slot++) {
        set(&chunk->range[slot], UINTPTR_MAX, UINTPTR_MAX, NULL);
    }
    chunk->count = count;
}

void gm_range_chunk_insert(struct gm_range_chunk *chunk, size_t slot, uintptr_t base,
                           uintptr_t last, void *item)
{
    put(chunk->range, slot, chunk->count, base, last, item);
    /*@ assert \forall integer s, t; 0 <= s < t < slot ==>
        chunk->range[s].last < chunk->range[t].base; */
    /*@ assert \forall integer s; 0 <= s < slot ==> chunk->range[s].last < base; */
    /*@ assert \forall integer s; slot < s <= chunk->count ==> last < chunk->range[s].base; */
    /*@ assert \forall integer s, t; slot < s < t <= chunk->count ==>
        chunk->range[s].last < chunk->range[t].base; */
    chunk->count++;
}

void gm_range_chunk_take_out(struct gm_range_chunk *chunk, size_t slot)
{
    size_t count = chunk->count;

    move_down(chunk->range, slot, count);
    /*@ assert \forall integer s; 0 <= s < count - 1 ==>
        chunk->range[s].base <= chunk->range[s].last && chunk->range[s].item != \null; */
    /*@ assert order: \forall integer s, t; 0 <= s < t < count - 1 ==>
        chunk->range[s].last < chunk->range[t].base; */
    /*@ assert \forall integer s; count <= s < GM_RANGE_CHUNK ==>
        GM_RANGE_EMPTY(chunk->range[s]); */
    chunk->range[count - 1].base = UINTPTR_MAX;
    chunk->range[count - 1].last = UINTPTR_MAX;
    chunk->range[count - 1].item = NULL;
    /*@ assert order: \forall integer s, t; 0 <= s < t < count - 1 ==>
        chunk->range[s].last < chunk->range[t].base; */
    /*@ assert \forall integer s; count - 1 <= s < GM_RANGE_CHUNK ==>
        GM_RANGE_EMPTY(chunk->range[s]); */
    chunk->count = count - 1;
}

void gm_range_chunk_append(struct gm_range_chunk *chunk, const struct gm_range_chunk *other,
                           size_t from, size_t to)
{
    copy_ranges(chunk->range, chunk->count, other->range, from, to - from);
    chunk->count += to - from;
}

void gm_range_chunk_prepend(struct gm_range_chunk *chunk, const struct gm_range_chunk *other)
{
    size_t places = other->count;

    for (size_t i = chunk->count; i > 0; i--) {
        copy(&chunk->range[i - 1 + places], &chunk->range[i - 1]);
    }
    copy_ranges(chunk->range, 0, other->range, 0, places);
    chunk->count += places;
}

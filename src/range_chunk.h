/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * One chunk of a range index: ranges put in and taken out, as places of an array.
 *
 *      range[]   base last   base last   MAX MAX   ...   MAX MAX
 *                                        ^ count                 as many as GM_RANGE_CHUNK
 */
#pragma once

#include "range_index.h"

/* clang-format off */
/*
 * For the contracts: a chunk's places; its ranges, ascending and disjoint; both. One place now, and
 * one at a label.
 */
#define GM_RANGE_EMPTY(place) \
    ((place).base == UINTPTR_MAX && (place).last == UINTPTR_MAX && (place).item == \null)
#define GM_RANGE_SLOTS(chunk) \
    ((chunk)->count <= GM_RANGE_CHUNK && \
     (\forall integer s; 0 <= s < (chunk)->count ==> \
         (chunk)->range[s].base <= (chunk)->range[s].last) && \
     (\forall integer s; 0 <= s < (chunk)->count ==> (chunk)->range[s].item != \null) && \
     (\forall integer s; (chunk)->count <= s < GM_RANGE_CHUNK ==> \
         GM_RANGE_EMPTY((chunk)->range[s])))
#define GM_RANGE_ORDER(chunk) \
    (\forall integer s, t; 0 <= s < t < (chunk)->count ==> \
        (chunk)->range[s].last < (chunk)->range[t].base)
#define GM_RANGE_FILLED(chunk) (GM_RANGE_SLOTS(chunk) && GM_RANGE_ORDER(chunk))
#define GM_RANGE_WAS(place, before, label) \
    ((place).base == \at((before).base, label) && (place).last == \at((before).last, label) && \
     (place).item == \at((before).item, label))
/* clang-format on */

/* Take the ranges from `count` on out of a chunk that has at most `had`. */
/*@ requires \valid(chunk) && count <= had <= GM_RANGE_CHUNK;
    assigns chunk->count, chunk->range[count .. had - 1];
    ensures chunk->count == count;
    ensures \forall integer s; count <= s < had ==> GM_RANGE_EMPTY(chunk->range[s]);
    ensures \forall integer s; 0 <= s < count || had <= s < GM_RANGE_CHUNK ==>
        GM_RANGE_WAS(chunk->range[s], chunk->range[s], Pre); */
void gm_range_chunk_shorten(struct gm_range_chunk *chunk, size_t count, size_t had);

/* Put a range in at `slot`; those from there on go up. There is room. */
/*@ requires \valid(chunk) && GM_RANGE_FILLED(chunk);
    requires slot <= chunk->count < GM_RANGE_CHUNK && base <= last && item != \null;
    requires \forall integer s; 0 <= s < slot ==> chunk->range[s].last < base;
    requires \forall integer s; slot <= s < chunk->count ==> last < chunk->range[s].base;
    assigns chunk->count, chunk->range[0 .. GM_RANGE_CHUNK - 1];
    ensures GM_RANGE_FILLED(chunk);
    ensures chunk->count == \old(chunk->count) + 1;
    ensures chunk->range[slot].base == base && chunk->range[slot].last == last &&
        chunk->range[slot].item == item;
    ensures \forall integer s; 0 <= s < slot ==>
        GM_RANGE_WAS(chunk->range[s], chunk->range[s], Pre);
    ensures \forall integer s; slot < s < chunk->count ==>
        GM_RANGE_WAS(chunk->range[s], chunk->range[s - 1], Pre);
    ensures \forall integer s; slot <= s < \old(chunk->count) ==>
        GM_RANGE_WAS(chunk->range[s + 1], chunk->range[s], Pre); */
void gm_range_chunk_insert(struct gm_range_chunk *chunk, size_t slot, uintptr_t base,
                           uintptr_t last, void *item);

/* Take the range at `slot` out; those behind it go down. */
/*@ requires \valid(chunk) && GM_RANGE_FILLED(chunk);
    requires slot < chunk->count;
    assigns chunk->count, chunk->range[0 .. GM_RANGE_CHUNK - 1];
    ensures GM_RANGE_FILLED(chunk);
    ensures chunk->count == \old(chunk->count) - 1;
    ensures \forall integer s; 0 <= s < slot ==>
        GM_RANGE_WAS(chunk->range[s], chunk->range[s], Pre);
    ensures \forall integer s; slot <= s < chunk->count ==>
        GM_RANGE_WAS(chunk->range[s], chunk->range[s + 1], Pre);
    ensures \forall integer s; slot < s < \old(chunk->count) ==>
        GM_RANGE_WAS(chunk->range[s - 1], chunk->range[s], Pre); */
void gm_range_chunk_take_out(struct gm_range_chunk *chunk, size_t slot);

/* Put the ranges [from, to) of another chunk behind a chunk's own. There is room. */
/*@ requires \valid(chunk) && \valid_read(other) && \separated(chunk, other);
    requires GM_RANGE_FILLED(chunk) && GM_RANGE_FILLED(other);
    requires from <= to <= other->count && chunk->count + (to - from) <= GM_RANGE_CHUNK;
    requires \forall integer s, t; 0 <= s < chunk->count && from <= t < to ==>
        chunk->range[s].last < other->range[t].base;
    assigns chunk->count, chunk->range[0 .. GM_RANGE_CHUNK - 1];
    ensures GM_RANGE_FILLED(chunk);
    ensures chunk->count == \old(chunk->count) + (to - from);
    ensures \forall integer s; 0 <= s < \old(chunk->count) ==>
        GM_RANGE_WAS(chunk->range[s], chunk->range[s], Pre);
    ensures \forall integer s; \old(chunk->count) <= s < chunk->count ==>
        GM_RANGE_WAS(chunk->range[s], other->range[s - \old(chunk->count) + from], Pre);
    ensures \forall integer s; from <= s < to ==>
        GM_RANGE_WAS(chunk->range[s - from + \old(chunk->count)], other->range[s], Pre); */
void gm_range_chunk_append(struct gm_range_chunk *chunk, const struct gm_range_chunk *other,
                           size_t from, size_t to);

/* Put the ranges of another chunk, which has some, before a chunk's own. There is room. */
/*@ requires \valid(chunk) && \valid_read(other) && \separated(chunk, other);
    requires GM_RANGE_FILLED(chunk) && GM_RANGE_FILLED(other);
    requires other->count > 0 && chunk->count + other->count <= GM_RANGE_CHUNK;
    requires \forall integer s, t; 0 <= s < other->count && 0 <= t < chunk->count ==>
        other->range[s].last < chunk->range[t].base;
    assigns chunk->count, chunk->range[0 .. GM_RANGE_CHUNK - 1];
    ensures GM_RANGE_FILLED(chunk);
    ensures chunk->count == \old(chunk->count) + other->count;
    ensures \forall integer s; 0 <= s < other->count ==>
        GM_RANGE_WAS(chunk->range[s], other->range[s], Pre);
    ensures \forall integer s; other->count <= s < chunk->count ==>
        GM_RANGE_WAS(chunk->range[s], chunk->range[s - other->count], Pre);
    ensures \forall integer s; 0 <= s < \old(chunk->count) ==>
        GM_RANGE_WAS(chunk->range[s + other->count], chunk->range[s], Pre); */
void gm_range_chunk_prepend(struct gm_range_chunk *chunk, const struct gm_range_chunk *other);

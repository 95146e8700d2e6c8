/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * First fit over a sorted list of free ranges, rejoined when they come back. Pure, as
 * range_index.h.
 *
 *      free:   [0x1000 ....)      [0x9000 ..)          [0x20000 .......)
 *      take 0x800, aligned to 0x4000: from the first whose aligned start leaves room: 0x20000
 *
 * Taking splits at most one range in two, so a list needs room for one range more than there are
 * pieces taken, and a donated range each: gm_range_alloc_room() says how many.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* [base, last], at least one byte. */
struct gm_free_range {
    uintptr_t base;
    uintptr_t last;
};

struct gm_range_alloc {
    struct gm_free_range *range; /* ascending, disjoint, never touching */
    size_t count;
    size_t taken;   /* pieces given out */
    size_t donated; /* ranges given to start with */
};

/*
 * For the contracts: n ranges as a list must have them; the list and its memory; room for a range
 * more; whether the byte at `x` is free; whether `size` bytes at `x`, which is aligned, lie in the
 * j-th range.
 */
/* clang-format off */
#define GM_FREE_MAX (SIZE_MAX / sizeof(struct gm_free_range) - 1)
#define GM_FREE_SORTED(r, n) \
    ((\forall integer i; 0 <= i < (n) ==> (r)[i].base <= (r)[i].last) && \
     (\forall integer i, j; 0 <= i < j < (n) ==> (r)[i].last + 1 < (r)[j].base))
#define GM_FREE_LIST(a) \
    (\valid(a) && \valid((a)->range + (0 .. (a)->count)) && (a)->count < GM_FREE_MAX && \
     \separated(a, (a)->range + (0 .. (a)->count)) && GM_FREE_SORTED((a)->range, (a)->count))
#define GM_IS_FREE(a, x) gm_is_free((a)->range, (a)->count, x)
#define GM_FREE_FITS(r, j, x, size, align) \
    ((x) % (align) == 0 && (r)[j].base <= (x) && (x) + (size) - 1 <= (r)[j].last)
/* clang-format on */

/*@ predicate gm_is_free{L}(struct gm_free_range *range, integer count, integer x) =
        \exists integer i; 0 <= i < count && range[i].base <= x <= range[i].last; */

/* Ranges that the list must have room for before one more take or donate. */
/*@ requires \valid_read(alloc) && alloc->taken + alloc->donated + 2 <= SIZE_MAX;
    assigns \nothing;
    ensures \result == alloc->taken + alloc->donated + 2; */
size_t gm_range_alloc_room(const struct gm_range_alloc *alloc);

/* Lowest base, a multiple of `align` (a power of two), with `size` (>= 1) free bytes. False: none.
 */
/*@ requires \valid_read(alloc) && \valid_read(alloc->range + (0 .. alloc->count - 1));
    requires GM_FREE_SORTED(alloc->range, alloc->count);
    requires \valid(base) && \separated(base, alloc, alloc->range + (0 .. alloc->count - 1));
    requires size > 0 && align > 0;
    assigns *base;
    ensures \result ==> \exists integer j; 0 <= j < alloc->count &&
        GM_FREE_FITS(alloc->range, j, *base, size, align);
    ensures \forall integer x, j; 0 <= j < alloc->count &&
        GM_FREE_FITS(alloc->range, j, x, size, align) ==> \result && *base <= x;
    ensures !\result ==> *base == \old(*base); */
bool gm_range_alloc_fit(const struct gm_range_alloc *alloc, size_t size, size_t align,
                        uintptr_t *base);

/* Take [base, last], which must lie in one free range. Needs the room of gm_range_alloc_room(). */
/*@ requires GM_FREE_LIST(alloc);
    requires alloc->taken < SIZE_MAX && base <= last;
    requires \exists integer i; 0 <= i < alloc->count &&
        alloc->range[i].base <= base && last <= alloc->range[i].last;
    assigns alloc->count, alloc->taken, alloc->range[0 .. alloc->count];
    ensures GM_FREE_SORTED(alloc->range, alloc->count);
    ensures alloc->count <= \old(alloc->count) + 1;
    ensures alloc->taken == \old(alloc->taken) + 1;
    ensures \forall integer x; base <= x <= last ==> !GM_IS_FREE(alloc, x);
    ensures \forall integer x; GM_IS_FREE(alloc, x) ==> \old(GM_IS_FREE(alloc, x));
    ensures \forall integer x; \old(GM_IS_FREE(alloc, x)) ==>
        base <= x <= last || GM_IS_FREE(alloc, x); */
void gm_range_alloc_take(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last);

/* Give a piece that was taken back. Needs no room beyond what taking it needed. */
/*@ requires GM_FREE_LIST(alloc);
    requires alloc->taken > 0 && base <= last;
    requires \forall integer i; 0 <= i < alloc->count ==>
        alloc->range[i].last < base || last < alloc->range[i].base;
    assigns alloc->count, alloc->taken, alloc->donated, alloc->range[0 .. alloc->count];
    ensures GM_FREE_SORTED(alloc->range, alloc->count);
    ensures alloc->count <= \old(alloc->count) + 1;
    ensures alloc->taken == \old(alloc->taken) - 1;
    ensures alloc->donated == \old(alloc->donated);
    ensures \forall integer x; base <= x <= last ==> GM_IS_FREE(alloc, x);
    ensures \forall integer x; \old(GM_IS_FREE(alloc, x)) ==> GM_IS_FREE(alloc, x);
    ensures \forall integer x; GM_IS_FREE(alloc, x) ==>
        base <= x <= last || \old(GM_IS_FREE(alloc, x)); */
void gm_range_alloc_give(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last);

/* Add a range that meets no other. Needs the room of gm_range_alloc_room(). */
/*@ requires GM_FREE_LIST(alloc);
    requires alloc->donated < SIZE_MAX && base <= last;
    requires \forall integer i; 0 <= i < alloc->count ==>
        alloc->range[i].last < base || last < alloc->range[i].base;
    assigns alloc->count, alloc->taken, alloc->donated, alloc->range[0 .. alloc->count];
    ensures GM_FREE_SORTED(alloc->range, alloc->count);
    ensures alloc->count <= \old(alloc->count) + 1;
    ensures alloc->donated == \old(alloc->donated) + 1;
    ensures alloc->taken == \old(alloc->taken);
    ensures \forall integer x; base <= x <= last ==> GM_IS_FREE(alloc, x);
    ensures \forall integer x; \old(GM_IS_FREE(alloc, x)) ==> GM_IS_FREE(alloc, x);
    ensures \forall integer x; GM_IS_FREE(alloc, x) ==>
        base <= x <= last || \old(GM_IS_FREE(alloc, x)); */
void gm_range_alloc_donate(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last);

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

/* Ranges that the list must have room for before one more take or donate. */
size_t gm_range_alloc_room(const struct gm_range_alloc *alloc);

/* Lowest base, a multiple of `align` (a power of two), with `size` (>= 1) free bytes. False: none.
 */
bool gm_range_alloc_fit(const struct gm_range_alloc *alloc, size_t size, size_t align,
                        uintptr_t *base);

/* Take [base, last], which must lie in one free range. Needs the room of gm_range_alloc_room(). */
void gm_range_alloc_take(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last);

/* Give a piece that was taken back. Needs no room beyond what taking it needed. */
void gm_range_alloc_give(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last);

/* Add a range that meets no other. Needs the room of gm_range_alloc_room(). */
void gm_range_alloc_donate(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last);

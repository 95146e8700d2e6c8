/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "range_alloc.h"

#include <string.h>

size_t gm_range_alloc_room(const struct gm_range_alloc *alloc)
{
    return alloc->taken + alloc->donated + 2;
}

bool gm_range_alloc_fit(const struct gm_range_alloc *alloc, size_t size, size_t align,
                        uintptr_t *base)
{
    for (size_t i = 0; i < alloc->count; i++) {
        const struct gm_free_range *range = &alloc->range[i];
        uintptr_t pad = ((uintptr_t)0 - range->base) & (align - 1);

        if (range->last - range->base >= pad && range->last - range->base - pad >= size - 1) {
            *base = range->base + pad;
            return true;
        }
    }
    return false;
}

/* Index of the first free range that starts above addr. */
static size_t first_above(const struct gm_range_alloc *alloc, uintptr_t addr)
{
    size_t low = 0;
    size_t high = alloc->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (alloc->range[middle].base <= addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void open_at(struct gm_range_alloc *alloc, size_t at, uintptr_t base, uintptr_t last)
{
    memmove(&alloc->range[at + 1], &alloc->range[at],
            (alloc->count - at) * sizeof(alloc->range[0]));
    alloc->range[at] = (struct gm_free_range){base, last};
    alloc->count++;
}

static void close_at(struct gm_range_alloc *alloc, size_t at)
{
    alloc->count--;
    memmove(&alloc->range[at], &alloc->range[at + 1],
            (alloc->count - at) * sizeof(alloc->range[0]));
}

void gm_range_alloc_take(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    size_t at = first_above(alloc, base) - 1;
    struct gm_free_range was = alloc->range[at];

    alloc->taken++;
    if (was.base == base && was.last == last) {
        close_at(alloc, at);
    } else if (was.base == base) {
        alloc->range[at].base = last + 1;
    } else {
        alloc->range[at].last = base - 1;
        if (was.last != last) {
            open_at(alloc, at + 1, last + 1, was.last);
        }
    }
}

static void add(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    size_t at = first_above(alloc, base);
    bool joins_below = at > 0 && alloc->range[at - 1].last + 1 == base;
    bool joins_above = at < alloc->count && last + 1 == alloc->range[at].base;

    if (joins_below && joins_above) {
        alloc->range[at - 1].last = alloc->range[at].last;
        close_at(alloc, at);
    } else if (joins_below) {
        alloc->range[at - 1].last = last;
    } else if (joins_above) {
        alloc->range[at].base = base;
    } else {
        open_at(alloc, at, base, last);
    }
}

void gm_range_alloc_give(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    add(alloc, base, last);
    alloc->taken--;
}

void gm_range_alloc_donate(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    add(alloc, base, last);
    alloc->donated++;
}

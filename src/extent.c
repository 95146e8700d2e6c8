/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "extent.h"

size_t gm_extents_above(const struct gm_extents *list, uint64_t page)
{
    size_t low = 0;
    size_t high = list->count;

    /*@ loop invariant 0 <= low <= high <= list->count;
        loop invariant \forall integer i; 0 <= i < low ==> GM_EXTENT_END(list->at[i]) <= page;
        loop invariant \forall integer i; high <= i < list->count ==>
            GM_EXTENT_END(list->at[i]) > page;
        loop assigns low, high;
        loop variant high - low; */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (gm_extent_end(&list->at[middle]) <= page) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct gm_extent *gm_extents_find(const struct gm_extents *list, uint64_t page)
{
    size_t i = gm_extents_above(list, page);

    return i < list->count && list->at[i].page <= page ? &list->at[i] : NULL;
}

bool gm_extents_free(const struct gm_extents *list, uint64_t from, uint64_t to)
{
    size_t i = gm_extents_above(list, from);

    return i == list->count || list->at[i].page >= to;
}

bool gm_extents_edge(const struct gm_extents *list, uint64_t page)
{
    size_t i = gm_extents_above(list, page);

    return i == list->count || list->at[i].page > page ||
           (page - list->at[i].page) % gm_size_pages(list->at[i].size) == 0;
}

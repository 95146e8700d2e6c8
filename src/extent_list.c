/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "extent.h"

#include <string.h>

#include "space.h"

enum { EXTENT_COUNT_MAX = (1 << 24) - 1, FIRST_CAPACITY = 4 };

unsigned gm_rights_of(seL4_CapRights_t rights)
{
    bool read = seL4_CapRights_get_capAllowRead(rights) != 0;
    bool write = seL4_CapRights_get_capAllowWrite(rights) != 0;

    return read ? (unsigned)GM_RIGHT_READ | (write ? (unsigned)GM_RIGHT_WRITE : 0u) : 0u;
}

seL4_CapRights_t gm_rights_to_cap(unsigned rights)
{
    return seL4_CapRights_new(0, 0, (rights & GM_RIGHT_READ) != 0, (rights & GM_RIGHT_WRITE) != 0);
}

int gm_extents_reserve(struct gm_space *space, struct gm_extents *list, size_t more)
{
    return gm_room_reserve(space, &list->room, &list->at, &list->count, sizeof(list->at[0]),
                           list->count + more, FIRST_CAPACITY);
}

/* Whether `b` goes on where `a` ends, in every respect. */
static bool joins(const struct gm_extent *a, const struct gm_extent *b)
{
    return gm_extent_end(a) == b->page && a->cptr + a->count == b->cptr && a->size == b->size &&
           a->rights == b->rights && a->device == b->device && a->owned == b->owned &&
           a->lent == b->lent && a->fresh == b->fresh &&
           (uint64_t)a->count + b->count <= EXTENT_COUNT_MAX;
}

static void open_at(struct gm_extents *list, size_t at, struct gm_extent extent)
{
    if (at < list->count) {
        memmove(&list->at[at + 1], &list->at[at], (list->count - at) * sizeof(list->at[0]));
    }
    list->at[at] = extent;
    list->count++;
}

static void close_at(struct gm_extents *list, size_t at)
{
    list->count--;
    memmove(&list->at[at], &list->at[at + 1], (list->count - at) * sizeof(list->at[0]));
}

void gm_extents_insert(struct gm_extents *list, struct gm_extent extent)
{
    size_t at = gm_extents_above(list, extent.page);

    if (at > 0 && joins(&list->at[at - 1], &extent)) {
        list->at[at - 1].count += extent.count;
        at--;
    } else {
        open_at(list, at, extent);
    }
    if (at + 1 < list->count && joins(&list->at[at], &list->at[at + 1])) {
        list->at[at].count += list->at[at + 1].count;
        close_at(list, at + 1);
    }
}

void gm_extents_split(struct gm_extents *list, uint64_t page)
{
    size_t i = gm_extents_above(list, page);
    struct gm_extent tail;
    uint32_t keep;

    if (i == list->count || list->at[i].page >= page) {
        return;
    }
    tail = list->at[i];
    keep = (uint32_t)((page - tail.page) / gm_size_pages(tail.size));
    tail.page = (uint32_t)page;
    tail.cptr += keep;
    tail.count = (tail.count - keep) & EXTENT_COUNT_MAX;
    list->at[i].count = keep & EXTENT_COUNT_MAX;
    open_at(list, i + 1, tail);
}

/* The part of an extent that lies in front of `page`, or from it on. */
static void trim(struct gm_extent *extent, uint64_t from, uint64_t to)
{
    uint64_t pages = gm_size_pages(extent->size);
    uint64_t end = gm_extent_end(extent);

    if (from > extent->page) {
        uint32_t skip = (uint32_t)((from - extent->page) / pages);

        extent->cptr += skip;
        extent->count = (extent->count - skip) & EXTENT_COUNT_MAX;
        extent->page = (uint32_t)from;
    }
    if (to < end) {
        extent->count = (extent->count - (end - to) / pages) & EXTENT_COUNT_MAX;
    }
}

void gm_extents_cut(struct gm_extents *list, uint64_t from, uint64_t to)
{
    size_t first = gm_extents_above(list, from);
    size_t behind = first;

    if (first < list->count && list->at[first].page < from) {
        if (gm_extent_end(&list->at[first]) > to) {
            gm_extents_split(list, to);
        }
        trim(&list->at[first], 0, from);
        first++;
    }
    for (behind = first; behind < list->count && gm_extent_end(&list->at[behind]) <= to; behind++) {
    }
    if (behind < list->count && list->at[behind].page < to) {
        trim(&list->at[behind], to, UINT64_MAX);
    }
    if (behind > first) {
        memmove(&list->at[first], &list->at[behind], (list->count - behind) * sizeof(list->at[0]));
        list->count -= behind - first;
    }
}

void gm_extents_join(struct gm_extents *list)
{
    size_t kept = 0;

    for (size_t i = 1; i < list->count; i++) {
        if (joins(&list->at[kept], &list->at[i])) {
            list->at[kept].count += list->at[i].count;
        } else {
            list->at[++kept] = list->at[i];
        }
    }
    list->count = list->count == 0 ? 0 : kept + 1;
}

int gm_extents_reserve_pages(struct gm_space *space, struct gm_extents *list, uint64_t from,
                             uint64_t to)
{
    return gm_extents_reserve(space, list, (to - from) / EXTENT_COUNT_MAX + 2);
}

void gm_extents_note_pages(struct gm_extents *list, uint64_t from, uint64_t to)
{
    gm_extents_cut(list, from, to);
    while (from < to) {
        uint64_t count = to - from < EXTENT_COUNT_MAX ? to - from : EXTENT_COUNT_MAX;

        gm_extents_insert(list, (struct gm_extent){.cptr = from,
                                                   .page = (uint32_t)from,
                                                   .count = count & EXTENT_COUNT_MAX});
        from += count;
    }
}

void gm_extents_drop(struct gm_space *space, struct gm_extents *list)
{
    gm_room_drop(space, &list->room, &list->at, sizeof(list->at[0]));
    list->count = 0;
}

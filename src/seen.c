/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "seen.h"

#include "reservation.h"
#include "window.h"

/* An item: the VMM's address of the page that the range starts in, which leaves the low bits. */
enum { RAM_BIT = 1, SLOT_SHIFT = 1, FLAGS = (1 << 12) - 1 };

static uintptr_t page_offset(uintptr_t gpa)
{
    return gpa & (((uintptr_t)1 << gm_arch_frame_bits[0]) - 1);
}

static void *item_of(const struct gm_seen_part *part)
{
    uintptr_t page = (uintptr_t)part->address - page_offset(part->base);

    return (void *)(page | ((uintptr_t)part->slot << SLOT_SHIFT) | part->is_ram);
}

/* The highest range that starts at or below `gpa`. */
static bool below(const struct gm_range_index *seen, uintptr_t gpa, struct gm_seen_part *part)
{
    struct gm_range_pos pos;
    const struct gm_range *range;
    uintptr_t item;

    if (!gm_range_index_below(seen, gpa, &pos)) {
        return false;
    }
    range = gm_range_index_at(seen, pos);
    item = (uintptr_t)range->item;
    part->base = range->base;
    part->last = range->last;
    part->address = (char *)(item & ~(uintptr_t)FLAGS) + page_offset(part->base);
    part->slot = (uint16_t)((item & FLAGS) >> SLOT_SHIFT);
    part->is_ram = item & RAM_BIT;
    return true;
}

bool gm_seen_find(const struct gm_space *space, const struct gm_range_index *seen, uintptr_t gpa,
                  struct gm_seen_part *part)
{
    if (!below(seen, gpa, part) || part->last < gpa) {
        return false;
    }
    if (part->slot != 0) {
        gm_window_use(space->window, part->slot);
    }
    return true;
}

bool gm_seen_goes_on(const struct gm_seen_part *low, const struct gm_seen_part *high)
{
    return low->last == high->base - 1 &&
           low->address + (high->base - low->base) == high->address &&
           low->is_ram == high->is_ram && low->slot == 0 && high->slot == 0;
}

/* Take into `part` the neighbours of the same reservation that it goes on from or that go on from
 * it, and ranges that lie in it. */
static void widen(const struct gm_space *space, const vm_memory_reservation_t *res,
                  struct gm_seen_part *part)
{
    const struct gm_range_index *seen = gm_index_root(&space->seen);
    struct gm_seen_part other;

    if (part->last < gm_last(res) && below(seen, part->last + 1, &other) &&
        other.last > part->last && (gm_seen_goes_on(part, &other) || other.base <= part->last)) {
        part->last = other.last;
    }
    if (part->base > res->base && below(seen, part->base, &other) && other.last >= part->base) {
        part->address -= part->base - other.base;
        part->base = other.base;
    } else if (part->base > res->base && below(seen, part->base - 1, &other) &&
               gm_seen_goes_on(&other, part)) {
        part->address = other.address;
        part->base = other.base;
    }
}

static void insert(struct gm_space *space, const struct gm_seen_part *part)
{
    struct gm_index_change change;

    if (gm_index_prepare(space, &space->seen, part->base, &change) == GUESTMEM_OK) {
        gm_index_insert(space, &space->seen, part->base, part->last, item_of(part), &change);
        gm_index_settle(space, &space->seen); /* it stays, however the call ends */
    }
}

/* Readers must find all the time what was noted before: only what is between is inserted. */
static void insert_gaps(struct gm_space *space, const struct gm_seen_part *part)
{
    struct gm_seen_part gap = *part;
    struct gm_seen_part other;
    uintptr_t last = part->last;

    /* from above, as below() finds them */
    while (below(gm_index_root(&space->seen), last, &other) && other.last >= part->base) {
        if (other.last < last) {
            gap.base = other.last + 1;
            gap.last = last;
            gap.address = part->address + (gap.base - part->base);
            insert(space, &gap);
        }
        if (other.base <= part->base) {
            return;
        }
        last = other.base - 1;
    }
    gap = *part;
    gap.last = last;
    insert(space, &gap);
}

void gm_seen_note(struct gm_space *space, const vm_memory_reservation_t *res,
                  const struct gm_seen_part *part)
{
    struct gm_seen_part whole = *part;
    struct gm_seen_part there;

    if (space->readers.shared) {
        insert_gaps(space, part);
        return;
    }
    widen(space, res, &whole);
    if (!below(gm_index_root(&space->seen), whole.base, &there) || there.base != whole.base ||
        there.last != whole.last) {
        gm_seen_forget(space, whole.base, whole.last);
        insert(space, &whole);
    }
}

bool gm_seen_forget(struct gm_space *space, uintptr_t base, uintptr_t last)
{
    struct gm_seen_part part;
    bool any = false;

    while (below(gm_index_root(&space->seen), last, &part) && part.last >= base) {
        gm_index_remove(space, &space->seen, part.base);
        any = true;
    }
    return any;
}

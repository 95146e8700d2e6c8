/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "seen.h"

#include "reservation.h"
#include "window.h"

static inline void read_range(const struct gm_range *range, struct gm_seen_part *part)
{
    part->base = range->base;
    part->last = range->last;
    part->item = (uintptr_t)range->item;
}

/* The range that holds `gpa`, or NULL; it counts as used. */
static inline __attribute__((always_inline)) const struct gm_range *
find(const struct gm_space *space, const struct gm_range_index *seen, uintptr_t gpa)
{
    const struct gm_range *range;

    if (seen->count == 0) {
        return NULL;
    }
    range = gm_range_index_search(seen, gpa);
    if (gpa - range->base > range->last - range->base || range->item == NULL) {
        return NULL;
    }
    if (((uintptr_t)range->item & GM_SEEN_FLAGS) >> GM_SEEN_SLOT_SHIFT != 0) {
        gm_window_use(space->window,
                      ((uintptr_t)range->item & GM_SEEN_FLAGS) >> GM_SEEN_SLOT_SHIFT);
    }
    return range;
}

bool gm_seen_find(const struct gm_space *space, const struct gm_range_index *seen, uintptr_t gpa,
                  struct gm_seen_part *part)
{
    const struct gm_range *range = find(space, seen, gpa);

    if (range != NULL) {
        read_range(range, part);
    }
    return range != NULL;
}

char *gm_seen_next(const struct gm_space *space, struct gm_seen_part *part, uintptr_t gpa,
                   size_t size)
{
    uint64_t generation = gm_generation(space);
    const struct gm_range *range = find(space, gm_index_root(&space->seen), gpa);

    if (range == NULL || size - 1 > range->last - gpa) {
        return NULL;
    }
    read_range(range, part);
    /* each use of a view in the window is to be told: it isn't found again without looking */
    part->generation = gm_seen_slot(part) == 0 ? generation : GM_SEEN_NEVER;
    return gm_seen_address(part, gpa);
}

/* The highest range that starts at or below `gpa`. */
static bool below(const struct gm_range_index *seen, uintptr_t gpa, struct gm_seen_part *part)
{
    struct gm_range_pos pos;

    if (!gm_range_index_below(seen, gpa, &pos)) {
        return false;
    }
    read_range(gm_range_index_at(seen, pos), part);
    return true;
}

bool gm_seen_goes_on(const struct gm_seen_part *low, const struct gm_seen_part *high)
{
    return low->last == high->base - 1 && low->item == high->item && gm_seen_slot(low) == 0;
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
    if (part->base > res->base && below(seen, part->base - 1, &other) &&
        (gm_seen_goes_on(&other, part) || other.last >= part->base)) {
        part->base = other.base;
    }
}

static void insert(struct gm_space *space, const struct gm_seen_part *part)
{
    struct gm_index_change change;

    if (gm_index_prepare(space, &space->seen, part->base, &change) == GUESTMEM_OK) {
        gm_index_insert(space, &space->seen, part->base, part->last, (void *)part->item, &change);
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

/* What is left of a part on both sides of [base, last] stays noted, if there is memory for that. */
static void insert_rest(struct gm_space *space, const struct gm_seen_part *part, uintptr_t base,
                        uintptr_t last)
{
    struct gm_seen_part rest = *part;

    if (part->last > last) {
        rest.base = last + 1;
        insert(space, &rest);
    }
    if (part->base < base) {
        rest.base = part->base;
        rest.last = base - 1;
        insert(space, &rest);
    }
}

void gm_seen_forget(struct gm_space *space, uintptr_t base, uintptr_t last)
{
    struct gm_seen_part part;

    while (below(gm_index_root(&space->seen), last, &part) && part.last >= base) {
        gm_index_remove(space, &space->seen, part.base);
        insert_rest(space, &part, base, last);
    }
}

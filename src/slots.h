/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Cap slots for many frames at once. A retype fills consecutive slots of one CNode, and an
 * allocator promises none: slots are taken, sorted, and used in runs. The last run of a batch is
 * kept for the next, where more slots may stand in front of it.
 *
 *      taken    63 62 61 .. 0 | 127 126 ..     (allocman: descending in groups of 64)
 *      sorted    0  1  2 .. 63  64 ..          one run
 */
#pragma once

#include <stddef.h>

#include <sel4/sel4.h>
#include <vka/cspacepath_t.h>

struct gm_space;

enum { GM_SLOTS_MAX = 256 };

struct gm_slots {
    size_t count;
    size_t used; /* from the front */
    seL4_CPtr at[GM_SLOTS_MAX];
};

/* None yet. */
static inline void gm_slots_start(struct gm_slots *slots)
{
    slots->count = 0;
    slots->used = 0;
}

/* Have `count` (<= GM_SLOTS_MAX) unused slots, ascending. GUESTMEM_ENOSLOT: fewer, to be given
 * back. */
int gm_slots_fill(struct gm_space *space, struct gm_slots *slots, size_t count);

/* The next unused run of at most `most` slots: its length, and the way to its first slot. */
size_t gm_slots_run(struct gm_space *space, const struct gm_slots *slots, size_t most,
                    cspacepath_t *path);

/* Give those back that weren't used. */
void gm_slots_give_unused(struct gm_space *space, struct gm_slots *slots);

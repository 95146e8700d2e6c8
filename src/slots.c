/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "slots.h"

#include <stdbool.h>
#include <string.h>

#include "space.h"

static void reverse(seL4_CPtr *first, seL4_CPtr *last)
{
    while (first < last) {
        seL4_CPtr swapped = *first;

        *first++ = *last;
        *last-- = swapped;
    }
}

/* Turn falling runs round, then insert what is left out of place: cheap for what allocators give.
 */
static void sort(seL4_CPtr *at, size_t count)
{
    for (size_t start = 0, i = 1; i <= count; i++) {
        if (i == count || at[i] > at[i - 1]) {
            reverse(&at[start], &at[i - 1]);
            start = i;
        }
    }
    for (size_t i = 1; i < count; i++) {
        seL4_CPtr slot = at[i];
        size_t to = i;

        for (; to > 0 && at[to - 1] > slot; to--) {
            at[to] = at[to - 1];
        }
        at[to] = slot;
    }
}

int gm_slots_fill(struct gm_space *space, struct gm_slots *slots, size_t count)
{
    size_t kept = slots->count - slots->used;

    if (kept > 0) {
        memmove(slots->at, &slots->at[slots->used], kept * sizeof(slots->at[0]));
    }
    slots->used = 0;
    for (slots->count = kept; slots->count < count; slots->count++) {
        int error = gm_slot_take_plain(space, &slots->at[slots->count]);

        if (error != GUESTMEM_OK) {
            return error;
        }
    }
    sort(slots->at, slots->count);
    return GUESTMEM_OK;
}

/* Whether one retype can fill all slots from `path` to slot `last`: they are of one CNode, in
 * order. */
static bool reaches(struct gm_space *space, const cspacepath_t *path, seL4_CPtr last)
{
    cspacepath_t end;

    vka_cspace_make_path(space->vka, last, &end);
    return end.root == path->root && end.dest == path->dest && end.destDepth == path->destDepth &&
           end.offset == path->offset + (last - path->capPtr);
}

/* How many of `length` consecutive slots lie in the CNode of the first; not all do. */
static size_t cut_at_border(struct gm_space *space, const cspacepath_t *path, size_t length)
{
    size_t inside = 1;

    while (length - inside > 1) {
        size_t middle = inside + (length - inside) / 2;

        if (reaches(space, path, path->capPtr + middle - 1)) {
            inside = middle;
        } else {
            length = middle;
        }
    }
    return inside;
}

size_t gm_slots_run(struct gm_space *space, const struct gm_slots *slots, size_t most,
                    cspacepath_t *path)
{
    const seL4_CPtr *first = &slots->at[slots->used];
    size_t length = 1;

    most = most < slots->count - slots->used ? most : slots->count - slots->used;
    while (length < most && first[length] == first[0] + length) {
        length++;
    }
    vka_cspace_make_path(space->vka, *first, path);
    return reaches(space, path, first[0] + length - 1) ? length
                                                       : cut_at_border(space, path, length);
}

void gm_slots_give_unused(struct gm_space *space, struct gm_slots *slots)
{
    for (size_t i = slots->used; i < slots->count; i++) {
        gm_slot_give(space, slots->at[i]);
    }
    slots->count = slots->used;
}

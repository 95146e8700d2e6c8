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

/* Turn falling runs round, then insert what is left out of place: cheap for what allocators give. */
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

    memmove(slots->at, &slots->at[slots->used], kept * sizeof(slots->at[0]));
    slots->used = 0;
    for (slots->count = kept; slots->count < count; slots->count++) {
        cspacepath_t path;
        int error = gm_slot_take(space, &path);

        if (error != GUESTMEM_OK) {
            return error;
        }
        slots->at[slots->count] = path.capPtr;
    }
    sort(slots->at, slots->count);
    return GUESTMEM_OK;
}

/* Whether one retype can fill slot a and the one behind it. */
static bool follows(const cspacepath_t *a, const cspacepath_t *b)
{
    return b->root == a->root && b->dest == a->dest && b->destDepth == a->destDepth &&
           b->offset == a->offset + (b->capPtr - a->capPtr);
}

size_t gm_slots_run(struct gm_space *space, const struct gm_slots *slots, size_t most, cspacepath_t *path)
{
    size_t length = 1;
    const seL4_CPtr *first = &slots->at[slots->used];

    most = most < slots->count - slots->used ? most : slots->count - slots->used;
    vka_cspace_make_path(space->vka, *first, path);
    while (length < most && first[length] == first[0] + length) {
        cspacepath_t behind;

        vka_cspace_make_path(space->vka, first[length], &behind);
        if (!follows(path, &behind)) {
            break;
        }
        length++;
    }
    return length;
}

void gm_slots_give_unused(struct gm_space *space, struct gm_slots *slots)
{
    for (size_t i = slots->used; i < slots->count; i++) {
        gm_slot_give(space, slots->at[i]);
    }
    slots->count = slots->used;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "handles.h"

#include <string.h>

#include "space.h"

enum { PLACES = 16, FIRST_CAPACITY = 8 };

struct gm_block {
    struct gm_block *next; /* in the list of blocks with a free place */
    struct gm_block *previous;
    uint32_t used;
    struct vm_memory_reservation place[PLACES];
};

enum { ALL_USED = (1 << PLACES) - 1 };

/* Index of the first block whose address is above `address`. */
static size_t first_above(const struct gm_handles *handles, uintptr_t address)
{
    size_t low = 0;
    size_t high = handles->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((uintptr_t)handles->block[middle] <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void link_open(struct gm_handles *handles, struct gm_block *block)
{
    block->previous = NULL;
    block->next = handles->open;
    if (block->next != NULL) {
        block->next->previous = block;
    }
    handles->open = block;
}

static void unlink_open(struct gm_handles *handles, struct gm_block *block)
{
    if (block->previous != NULL) {
        block->previous->next = block->next;
    } else {
        handles->open = block->next;
    }
    if (block->next != NULL) {
        block->next->previous = block->previous;
    }
}

static struct gm_block *new_block(struct gm_space *space)
{
    struct gm_handles *handles = &space->handles;
    struct gm_block *block = gm_alloc(space, sizeof(*block));
    size_t at;

    if (block == NULL) {
        return NULL;
    }
    if (gm_room_reserve(space, &handles->room, &handles->block, &handles->count,
                        sizeof(handles->block[0]), handles->count + 1, FIRST_CAPACITY)) {
        gm_free(space, block, sizeof(*block));
        return NULL;
    }
    block->used = 0;
    at = first_above(handles, (uintptr_t)block);
    memmove(&handles->block[at + 1], &handles->block[at],
            (handles->count - at) * sizeof(handles->block[0]));
    handles->block[at] = block;
    handles->count++;
    link_open(handles, block);
    return block;
}

static struct gm_block *block_of(const struct gm_space *space,
                                 const vm_memory_reservation_t *reservation)
{
    size_t at = first_above(&space->handles, (uintptr_t)reservation);
    struct gm_block *block;
    size_t offset;

    if (at == 0) {
        return NULL;
    }
    block = space->handles.block[at - 1];
    offset = (uintptr_t)reservation - (uintptr_t)block->place;
    return (uintptr_t)reservation >= (uintptr_t)block->place && offset < sizeof(block->place) &&
                   offset % sizeof(block->place[0]) == 0
               ? block
               : NULL;
}

static void drop_block(struct gm_space *space, struct gm_block *block)
{
    struct gm_handles *handles = &space->handles;
    size_t at = first_above(handles, (uintptr_t)block) - 1;

    unlink_open(handles, block);
    handles->count--;
    memmove(&handles->block[at], &handles->block[at + 1],
            (handles->count - at) * sizeof(handles->block[0]));
    gm_free(space, block, sizeof(*block));
    if (handles->count == 0) {
        gm_room_drop(space, &handles->room, &handles->block, sizeof(handles->block[0]));
    }
}

vm_memory_reservation_t *gm_handle_new(struct gm_space *space)
{
    struct gm_block *block = space->handles.open != NULL ? space->handles.open : new_block(space);
    unsigned place;

    if (block == NULL) {
        return NULL;
    }
    place = (unsigned)__builtin_ctz(~block->used);
    block->used |= (uint32_t)1 << place;
    if (block->used == ALL_USED) {
        unlink_open(&space->handles, block);
    }
    memset(&block->place[place], 0, sizeof(block->place[place]));
    return &block->place[place];
}

void gm_handle_drop(struct gm_space *space, vm_memory_reservation_t *reservation)
{
    /* The reservation is live: the block is there. */
    struct gm_block *block =
        space->handles.block[first_above(&space->handles, (uintptr_t)reservation) - 1];

    if (block->used == ALL_USED) {
        link_open(&space->handles, block);
    }
    block->used &= ~((uint32_t)1 << (reservation - block->place));
    if (block->used == 0) {
        drop_block(space, block);
    }
}

bool gm_handle_is_live(const struct gm_space *space, const vm_memory_reservation_t *reservation)
{
    const struct gm_block *block = block_of(space, reservation);

    return block != NULL && (block->used >> (reservation - block->place) & 1) != 0;
}

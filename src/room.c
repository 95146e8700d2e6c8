/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "room.h"

#include <string.h>

#include "failure.h"
#include "space.h"

/* The pointer to the block is of the elements' type: read and written as bytes, not as a void
 * pointer. */
static void *get(const void *array)
{
    void *block;

    memcpy(&block, array, sizeof(block));
    return block;
}

static void set(void *array, void *block)
{
    memcpy(array, &block, sizeof(block));
}

/* Give a block back, unless it was lent. */
static void give(struct gm_space *space, const struct gm_room *room, void *block, size_t bytes)
{
    if (block != room->lent) {
        gm_free(space, block, bytes);
    }
}

static bool is_listed(const struct gm_space *space, const struct gm_room *room)
{
    for (const struct gm_room *listed = space->grown; listed != NULL; listed = listed->next) {
        if (listed == room) {
            return true;
        }
    }
    return false;
}

static void unlist(struct gm_space *space, const struct gm_room *room)
{
    struct gm_room **link = &space->grown;

    while (*link != room) {
        link = &(*link)->next;
    }
    *link = room->next;
}

int gm_room_reserve(struct gm_space *space, struct gm_room *room, void *array, const size_t *count,
                    size_t element, size_t wanted, size_t first)
{
    size_t capacity = room->capacity + room->capacity / 2;
    void *block;

    if (wanted <= room->capacity) {
        return GUESTMEM_OK;
    }
    capacity = capacity < first ? first : capacity;
    capacity = capacity < wanted ? wanted : capacity;
    block = gm_alloc(space, capacity * element);
    if (block == NULL) {
        return GUESTMEM_ENOMEM;
    }
    if (*count > 0) {
        memcpy(block, get(array), *count * element);
    }
    if (is_listed(space, room)) {
        give(space, room, get(array), room->capacity * element);
    } else {
        *room = (struct gm_room){.lent = room->lent,
                                 .next = space->grown,
                                 .array = array,
                                 .count = count,
                                 .element = element,
                                 .before = get(array),
                                 .before_capacity = room->capacity};
        space->grown = room;
    }
    room->capacity = capacity;
    set(array, block);
    return GUESTMEM_OK;
}

void gm_room_settle(struct gm_space *space)
{
    for (struct gm_room *room = space->grown; room != NULL; room = room->next) {
        give(space, room, room->before, room->before_capacity * room->element);
    }
    space->grown = NULL;
}

void gm_room_revert(struct gm_space *space)
{
    for (struct gm_room *room = space->grown; room != NULL; room = room->next) {
        if (*room->count > room->before_capacity) {
            give(space, room, room->before, room->before_capacity * room->element);
            continue; /* a call inside this one filled it, and that stays */
        }
        if (*room->count > 0) {
            memcpy(room->before, get(room->array), *room->count * room->element);
        }
        give(space, room, get(room->array), room->capacity * room->element);
        set(room->array, room->before);
        room->capacity = room->before_capacity;
    }
    space->grown = NULL;
}

void gm_room_drop(struct gm_space *space, struct gm_room *room, void *array, size_t element)
{
    if (is_listed(space, room)) {
        unlist(space, room);
        give(space, room, room->before, room->before_capacity * element);
    }
    give(space, room, get(array), room->capacity * element);
    set(array, NULL);
    *room = (struct gm_room){0};
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Arrays that grow, exactly undone when the call that enlarged them fails: the smaller block is
 * kept until the call ends, so that going back needs no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct gm_space;

struct gm_room {
    size_t capacity;  /* elements */
    const void *lent; /* a first block that is somebody else's: never given back from here */
    /* While the call that enlarged the array is under way: */
    struct gm_room *next; /* in the space's list of them */
    void *array;          /* address of the pointer to the block, whatever its type */
    const size_t *count;
    size_t element;
    void *before; /* the smaller block; NULL if there was none */
    size_t before_capacity;
};

/*
 * Let an array of `*count` elements of `element` bytes have room for `wanted`, at least `first`
 * from the start and then half as many again. `array`, `count` and `room` must stay where they are
 * until the call ends. `array` is the address of the pointer to the elements. Returns GUESTMEM_OK;
 * or GUESTMEM_ENOMEM, with the array as it was.
 */
int gm_room_reserve(struct gm_space *space, struct gm_room *room, void *array, const size_t *count,
                    size_t element, size_t wanted, size_t first);

/* The call under way ends: keep what grew, or go back. An array that holds more than it had room
 * for before, since a call from inside an iterator has filled it, is kept. */
void gm_room_settle(struct gm_space *space);
void gm_room_revert(struct gm_space *space);

/* Give the array's bytes back, also in the middle of a call. */
void gm_room_drop(struct gm_space *space, struct gm_room *room, void *array, size_t element);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index.h"

#include <string.h>

#include "space.h"

enum { FIRST_CAPACITY = 4 };

/* release is part of seq_cst: the pieces are complete before a reader can find them. */
static void publish(struct gm_index *index, const struct gm_range_index *root)
{
    atomic_store_explicit(&index->root, root, memory_order_seq_cst);
}

void gm_index_start(struct gm_index *index)
{
    publish(index, &index->own);
}

static struct gm_index_version *new_version(struct gm_space *space, size_t capacity)
{
    struct gm_index_version *version =
        gm_parcel_new(space, sizeof(*version) + capacity * sizeof(version->top[0]));

    if (version != NULL) {
        version->capacity = capacity;
    }
    return version;
}

/* ---------------------------------------------------------------- in place, while not shared */

static int prepare_in_place(struct gm_space *space, struct gm_index *index, uintptr_t base,
                            struct gm_index_change *change)
{
    if (!gm_range_index_needs_chunk(&index->own, base)) {
        return GUESTMEM_OK;
    }
    change->chunk = gm_parcel_new(space, sizeof(*change->chunk));
    if (change->chunk == NULL ||
        gm_room_reserve(space, &index->room, &index->own.top, &index->own.count,
                        sizeof(index->own.top[0]), index->own.count + 1, FIRST_CAPACITY)) {
        gm_parcel_free(space, change->chunk);
        return GUESTMEM_ENOMEM;
    }
    return GUESTMEM_OK;
}

static void remove_in_place(struct gm_space *space, struct gm_index *index, uintptr_t base)
{
    gm_parcel_free(space, gm_range_index_remove(&index->own, base));
    if (index->own.count == 0) {
        gm_room_drop(space, &index->room, &index->own.top, sizeof(index->own.top[0]));
    }
}

/* ---------------------------------------------------------------------- the pieces to copy to */

/* Keep one spare of each kind; free the others. A spare version is as large as the present one. */
static void put_version(struct gm_space *space, struct gm_index *index,
                        struct gm_index_version *version)
{
    if (index->spare != NULL) {
        gm_parcel_free(space, version);
    } else {
        index->spare = version;
    }
}

static void put_chunk(struct gm_space *space, struct gm_index *index, struct gm_range_chunk *chunk)
{
    if (index->spare_chunk == NULL) {
        index->spare_chunk = chunk;
    } else {
        gm_parcel_free(space, chunk);
    }
}

void gm_index_settle(struct gm_space *space, struct gm_index *index)
{
    index->undoable = false;
    gm_parcel_free(space, index->spare_before);
    index->spare_before = NULL;
}

/* What the change before replaced becomes spare, if no reader has it. False: one may. */
static bool reclaim(struct gm_space *space, struct gm_index *index)
{
    if (index->held != NULL) {
        if (!gm_readers_have_left(space, index->held_epoch)) {
            return false;
        }
        put_version(space, index, index->held);
        put_chunk(space, index, index->held_chunk[0]);
        put_chunk(space, index, index->held_chunk[1]);
        index->held = NULL;
    }
    return true;
}

/* What is still held when the next change is made is left to the readers. */
static void let_go(struct gm_space *space, struct gm_index *index)
{
    if (index->held != NULL) {
        gm_parcel_retire(space, index->held, index->held_epoch);
        gm_parcel_retire(space, index->held_chunk[0], index->held_epoch);
        gm_parcel_retire(space, index->held_chunk[1], index->held_epoch);
        index->held = NULL;
    }
}

/* The version to build the next in. Two are as large as the present one, it and the one that will
 * replace it: removing must not have to make one. */
static int take_version(struct gm_space *space, struct gm_index *index,
                        struct gm_index_change *change)
{
    size_t wanted = index->present->index.count + 1;

    if (wanted > index->present->capacity) {
        change->version = new_version(space, wanted + wanted / 2);
        change->spare = new_version(space, wanted + wanted / 2);
    } else if (index->spare != NULL) {
        change->version = index->spare;
        index->spare = NULL;
        return GUESTMEM_OK;
    } else {
        change->version = new_version(space, index->present->capacity);
        return change->version != NULL ? GUESTMEM_OK : GUESTMEM_ENOMEM;
    }
    return change->version != NULL && change->spare != NULL ? GUESTMEM_OK : GUESTMEM_ENOMEM;
}

static int take_copy(struct gm_space *space, struct gm_index *index,
                     struct gm_index_change *change)
{
    change->copy = index->spare_chunk;
    index->spare_chunk = NULL;
    if (change->copy == NULL) {
        change->copy = gm_parcel_new(space, sizeof(*change->copy));
    }
    return change->copy != NULL ? GUESTMEM_OK : GUESTMEM_ENOMEM;
}

static void abandon_copy(struct gm_space *space, struct gm_index *index,
                         const struct gm_index_change *change)
{
    if (change->spare != NULL || change->version == NULL) {
        gm_parcel_free(space, change->version);
        gm_parcel_free(space, change->spare);
    } else {
        put_version(space, index, change->version);
    }
    if (change->copy != NULL) {
        put_chunk(space, index, change->copy);
    }
}

static int prepare_copy(struct gm_space *space, struct gm_index *index, uintptr_t base,
                        struct gm_index_change *change)
{
    int error = GUESTMEM_OK;

    gm_parcels_collect(space);
    gm_index_settle(space, index);
    (void)reclaim(space, index); /* or there will be new ones, with no need to wait */
    if (gm_range_index_needs_chunk(&index->present->index, base)) {
        change->chunk = gm_parcel_new(space, sizeof(*change->chunk));
        error = change->chunk != NULL ? GUESTMEM_OK : GUESTMEM_ENOMEM;
    }
    if (error == GUESTMEM_OK) {
        error = take_version(space, index, change);
    }
    if (error == GUESTMEM_OK) {
        error = take_copy(space, index, change);
    }
    if (error != GUESTMEM_OK) {
        gm_index_abandon(space, index, change);
    }
    return error;
}

/* ------------------------------------------------------------------------------ a new version */

/* Make `version` the present one's double, with a chunk of its own where it will change. */
static void copy_version(struct gm_index *index, struct gm_index_version *version, uintptr_t base,
                         struct gm_range_chunk *copy)
{
    const struct gm_range_index *now = &index->present->index;

    version->index = *now;
    version->index.top = version->top;
    memcpy(version->top, now->top, now->count * sizeof(version->top[0]));
    index->held_chunk[0] = NULL;
    index->held_chunk[1] = NULL;
    if (now->count > 0) {
        size_t at = gm_range_index_chunk_of(now, base);

        index->held_chunk[0] = now->top[at].chunk;
        *copy = *now->top[at].chunk;
        version->top[at].chunk = copy;
    }
}

/* Readers find `version` from now on; what it replaces is held. */
static void replace(struct gm_space *space, struct gm_index *index, struct gm_index_version *version)
{
    index->held = index->present;
    index->present = version;
    publish(index, &version->index);
    index->held_epoch = gm_readers_epoch(space);
}

static void insert_copy(struct gm_space *space, struct gm_index *index, uintptr_t base,
                        uintptr_t last, void *item, struct gm_index_change *change)
{
    bool first = index->present->index.count == 0;

    let_go(space, index);
    copy_version(index, change->version, base, change->copy);
    gm_range_index_insert(&change->version->index, base, last, item, change->chunk);
    replace(space, index, change->version);
    if (change->spare != NULL) {
        index->spare_before = index->spare;
        index->spare = change->spare;
    }
    index->made[0] = first ? NULL : change->copy;
    index->made[1] = change->chunk;
    index->inserted_base = base;
    index->undoable = true;
    if (first) {
        put_chunk(space, index, change->copy);
    }
}

/* Go back to the version before the insertion that was the last change. */
static void undo_insert(struct gm_space *space, struct gm_index *index)
{
    struct gm_index_version *undone = index->present;

    index->held_chunk[0] = index->made[0];
    index->held_chunk[1] = index->made[1];
    index->present = index->held;
    publish(index, &index->present->index);
    index->held = undone;
    index->held_epoch = gm_readers_epoch(space);
    if (undone->capacity > index->present->capacity) {
        gm_parcel_free(space, index->spare); /* it came with the insertion */
        index->spare = index->spare_before;
        index->spare_before = NULL;
        undone->capacity = index->present->capacity; /* a spare is as large as the present one */
    }
    gm_index_settle(space, index);
    (void)reclaim(space, index);
}

static void remove_copy(struct gm_space *space, struct gm_index *index, uintptr_t base)
{
    struct gm_index_version *version;
    struct gm_range_chunk *copy;

    gm_index_settle(space, index);
    while (!reclaim(space, index)) {
        gm_readers_relax(space);
    }
    version = index->spare;
    copy = index->spare_chunk;
    index->spare = NULL;
    index->spare_chunk = NULL;
    copy_version(index, version, base, copy);
    index->held_chunk[1] = gm_range_index_remove(&version->index, base);
    replace(space, index, version);
    if (index->held_chunk[1] == copy) { /* it became empty, and nobody has seen it */
        index->held_chunk[1] = NULL;
        put_chunk(space, index, copy);
    }
    (void)reclaim(space, index);
}

/* -------------------------------------------------------------------------------- both alike */

int gm_index_prepare(struct gm_space *space, struct gm_index *index, uintptr_t base,
                     struct gm_index_change *change)
{
    *change = (struct gm_index_change){NULL, NULL, NULL, NULL};
    return space->readers.shared ? prepare_copy(space, index, base, change)
                                 : prepare_in_place(space, index, base, change);
}

void gm_index_abandon(struct gm_space *space, struct gm_index *index,
                      struct gm_index_change *change)
{
    gm_parcel_free(space, change->chunk);
    if (space->readers.shared) {
        abandon_copy(space, index, change);
    }
}

void gm_index_insert(struct gm_space *space, struct gm_index *index, uintptr_t base, uintptr_t last,
                     void *item, struct gm_index_change *change)
{
    if (space->readers.shared) {
        insert_copy(space, index, base, last, item, change);
    } else {
        gm_range_index_insert(&index->own, base, last, item, change->chunk);
    }
}

void gm_index_remove(struct gm_space *space, struct gm_index *index, uintptr_t base)
{
    if (!space->readers.shared) {
        remove_in_place(space, index, base);
    } else if (index->undoable && index->inserted_base == base) {
        undo_insert(space, index);
    } else {
        remove_copy(space, index, base);
    }
}

int gm_index_share_prepare(struct gm_space *space, struct gm_index *index)
{
    size_t count = index->own.count;
    size_t capacity = count < FIRST_CAPACITY ? FIRST_CAPACITY : count;

    index->present = new_version(space, capacity);
    index->spare = new_version(space, capacity);
    index->spare_chunk = gm_parcel_new(space, sizeof(*index->spare_chunk));
    if (index->present == NULL || index->spare == NULL || index->spare_chunk == NULL) {
        gm_index_share_abandon(space, index);
        return GUESTMEM_ENOMEM;
    }
    return GUESTMEM_OK;
}

void gm_index_share_abandon(struct gm_space *space, struct gm_index *index)
{
    gm_parcel_free(space, index->present);
    gm_parcel_free(space, index->spare);
    gm_parcel_free(space, index->spare_chunk);
    index->present = NULL;
    index->spare = NULL;
    index->spare_chunk = NULL;
}

void gm_index_share(struct gm_space *space, struct gm_index *index)
{
    struct gm_index_version *present = index->present;
    size_t count = index->own.count;

    present->index = index->own;
    present->index.top = present->top;
    if (count > 0) {
        memcpy(present->top, index->own.top, count * sizeof(present->top[0]));
        gm_room_drop(space, &index->room, &index->own.top, sizeof(index->own.top[0]));
    }
    publish(index, &present->index);
}

void gm_index_drop(struct gm_space *space, struct gm_index *index)
{
    gm_index_settle(space, index);
    let_go(space, index);
    gm_parcel_free(space, index->present);
    gm_parcel_free(space, index->spare);
    gm_parcel_free(space, index->spare_chunk);
}

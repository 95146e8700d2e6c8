/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Range indexes that other threads may search while one is changed: the thin layer between the plain
 * pieces of range_index.h and the threads.
 *
 *      root ---> header, top ---> chunk      a version; nobody ever writes to it
 *                        \------> chunk <--\
 *      held      header, top --------------/ the version before, and the chunk that it alone has
 *                        \------> chunk
 *
 * Changing makes the next version out of copies of header and top, and of the one chunk that changes,
 * and publishes it by its root. The pieces of the version before serve as those copies at the change
 * after, when no reader can have them in hand any more; so that removing never allocates. A VM that
 * isn't shared has one version, which is changed in place.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "atomics.h"
#include "range_index.h"
#include "room.h"

struct gm_space;

/* A version: a header whose top[] is behind it. */
struct gm_index_version {
    struct gm_range_index index;
    size_t capacity;
    struct gm_range_top top[];
};

struct gm_index {
    _Atomic(const struct gm_range_index *) root;
    struct gm_range_index own; /* of a VM that isn't shared */
    struct gm_room room;       /* of own.top */
    /* Of a shared VM: */
    struct gm_index_version *present;
    struct gm_index_version *spare; /* the next version may be built in; as large as the present one */
    struct gm_index_version *spare_before; /* the smaller one, until the next change */
    struct gm_range_chunk *spare_chunk;
    /* What the change before replaced, unpublished in `held_epoch`; put back if that is undone: */
    struct gm_index_version *held;
    struct gm_range_chunk *held_chunk[2];
    uint64_t held_epoch;
    uint64_t inserted_base; /* with `undoable`: the change before was the insertion of this */
    struct gm_range_chunk *made[2]; /* and these chunks came with it */
    bool undoable;
};

/* What an insertion takes. */
struct gm_index_change {
    struct gm_range_chunk *chunk;     /* one more */
    struct gm_range_chunk *copy;      /* of the one that changes */
    struct gm_index_version *version; /* and of header and top */
    struct gm_index_version *spare;   /* the next spare, if both are to be larger from now on */
};

void gm_index_start(struct gm_index *index);

/*
 * The present version. seq_cst: in one order with the readers' announcements (reader.h), so that who
 * begins a section after a change looked at the readers sees what that change published.
 */
static inline const struct gm_range_index *gm_index_root(const struct gm_index *index)
{
    return atomic_load_explicit(&index->root, memory_order_seq_cst);
}

static inline void *gm_index_find(const struct gm_index *index, uintptr_t addr)
{
    return gm_range_index_find(gm_index_root(index), addr);
}

static inline void *gm_index_meets(const struct gm_index *index, uintptr_t base, uintptr_t last)
{
    return gm_range_index_meets(gm_index_root(index), base, last);
}

/* Take what inserting at `base` needs; GUESTMEM_ENOMEM. Then either insert, or give it back. */
int gm_index_prepare(struct gm_space *space, struct gm_index *index, uintptr_t base,
                     struct gm_index_change *change);
void gm_index_abandon(struct gm_space *space, struct gm_index *index,
                      struct gm_index_change *change);

/* Insert a range that meets no other. */
void gm_index_insert(struct gm_space *space, struct gm_index *index, uintptr_t base, uintptr_t last,
                     void *item, struct gm_index_change *change);

/* Remove the range with exactly this base; if that was the last change of the call under way, and an
 * insertion, every byte is as it was. Never allocates; waits until readers have left what the
 * change before replaced. Readers may have the removed item in hand until gm_readers_wait(). */
void gm_index_remove(struct gm_space *space, struct gm_index *index, uintptr_t base);

/* The call under way ends: its insertion won't be undone. */
void gm_index_settle(struct gm_space *space, struct gm_index *index);

/* The VM becomes shared: take what that needs, GUESTMEM_ENOMEM; then do it, or give it back. */
int gm_index_share_prepare(struct gm_space *space, struct gm_index *index);
void gm_index_share_abandon(struct gm_space *space, struct gm_index *index);
void gm_index_share(struct gm_space *space, struct gm_index *index);

/* Give what an empty index still has. */
void gm_index_drop(struct gm_space *space, struct gm_index *index);

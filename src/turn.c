/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "turn.h"

#include "space.h"

void gm_turn_take(struct gm_space *space)
{
    struct gm_turn *turn = &space->turn;
    const void *nobody = NULL;

    if (!space->readers.shared) {
        return;
    }
    /* relaxed: only this thread writes its own name there */
    if (atomic_load_explicit(&turn->owner, memory_order_relaxed) == &gm_thread) {
        turn->depth++;
        return;
    }
    gm_reader_pause(space);
    /* acquire: what the owner before changed is seen */
    while (!atomic_compare_exchange_weak_explicit(&turn->owner, &nobody, &gm_thread,
                                                  memory_order_acquire, memory_order_relaxed)) {
        if (nobody != NULL) {
            gm_readers_relax(space);
        }
        nobody = NULL;
    }
    turn->depth = 1;
}

void gm_turn_give(struct gm_space *space)
{
    struct gm_turn *turn = &space->turn;

    if (!space->readers.shared || --turn->depth > 0) {
        return;
    }
    /* release: the next owner sees what was changed */
    atomic_store_explicit(&turn->owner, NULL, memory_order_release);
    gm_reader_resume(space);
}

bool gm_turn_is_outermost(const struct gm_space *space)
{
    return !space->readers.shared || space->turn.depth == 1;
}

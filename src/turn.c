/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "turn.h"

#include "space.h"

static void wait_for(struct gm_space *space)
{
    const void *nobody = NULL;

    /* acquire: what the owner before changed is seen */
    while (!atomic_compare_exchange_weak_explicit(&space->turn.owner, &nobody, &gm_thread,
                                                  memory_order_acquire, memory_order_relaxed)) {
        if (nobody != NULL) {
            gm_readers_relax(space);
        }
        nobody = NULL;
    }
    space->turn.depth = 1;
}

/* release: the next owner sees what was changed. */
static void let_go(struct gm_space *space)
{
    atomic_store_explicit(&space->turn.owner, NULL, memory_order_release);
}

void gm_turn_take(struct gm_space *space)
{
    if (!space->readers.shared) {
        return;
    }
    /* relaxed: only this thread writes its own name there */
    if (atomic_load_explicit(&space->turn.owner, memory_order_relaxed) == &gm_thread) {
        space->turn.depth++;
        return;
    }
    if (gm_thread.turns++ == 0) {
        gm_readers_pause_here();
    }
    wait_for(space);
}

void gm_turn_give(struct gm_space *space)
{
    if (!space->readers.shared || --space->turn.depth > 0) {
        return;
    }
    /* Before anybody else may change something: what was looked up with the turn, pointers of an
     * access among it, is the caller's until his section ends. */
    if (--gm_thread.turns == 0) {
        gm_readers_resume_here();
    }
    let_go(space);
}

void gm_turn_pass(struct gm_space *space)
{
    let_go(space);
    gm_readers_relax(space);
    wait_for(space);
}

bool gm_turn_is_outermost(const struct gm_space *space)
{
    return gm_thread.turns == 1 && space->turn.depth == 1;
}

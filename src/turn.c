/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "turn.h"

#include "space.h"

static void wait_for(struct gm_space *space)
{
    struct gm_turn *turn = &space->turn;
    /* relaxed: numbers, each drawn once */
    unsigned number = atomic_fetch_add_explicit(&turn->next, 1, memory_order_relaxed);

    /* acquire: what the owner before changed is seen */
    while (atomic_load_explicit(&turn->present, memory_order_acquire) != number) {
        gm_readers_relax(space);
    }
    /* relaxed: others only compare it with their own */
    atomic_store_explicit(&turn->owner, &gm_thread, memory_order_relaxed);
    turn->depth = 1;
}

static void let_go(struct gm_space *space)
{
    struct gm_turn *turn = &space->turn;
    unsigned number = atomic_load_explicit(&turn->present, memory_order_relaxed);

    atomic_store_explicit(&turn->owner, NULL, memory_order_relaxed);
    /* release: the next owner sees what was changed */
    atomic_store_explicit(&turn->present, number + 1, memory_order_release);
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

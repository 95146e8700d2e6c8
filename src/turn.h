/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The turn: who may change a shared VM's memory. One thread has it, and may take it again; taking it
 * ends the thread's read sections until it is given, so that two threads that both change something
 * from inside their sections never wait for each other. Who asked first is served first: a thread
 * that changes something all the time doesn't keep a vcpu from populating a frame.
 */
#pragma once

#include <stdbool.h>

#include "atomics.h"

struct gm_space;

struct gm_turn {
    atomic_uint next;            /* the number that the next to ask for it draws */
    atomic_uint present;         /* the number whose turn it is */
    _Atomic(const void *) owner; /* the thread that has it; NULL: none */
    unsigned depth;              /* how often; the owner's */
};

void gm_turn_take(struct gm_space *space);
void gm_turn_give(struct gm_space *space);

/* Let others have the turn for a moment. The thread's sections stay ended. */
void gm_turn_pass(struct gm_space *space);

/* Whether the thread has no other turn, and this one once. */
bool gm_turn_is_outermost(const struct gm_space *space);

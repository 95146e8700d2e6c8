/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * An access that had to take the turn, to populate memory or to have it shown, in a section of the
 * thread's own: what it found then is used in the rest of the section, while others go on changing.
 */
#define THREADS 2
#define PIECES 6
#include "protocol.pml"

proctype shows(byte t)
{
    LOCALS;

    announce(t);
    open = true;
    turn_take(t);
    load_root(t);
    turn_give(t);
    read_piece();
    leave(t)
}

proctype writer(byte t)
{
    LOCALS;

    change_take(t);
    change_take(t);
    change_take(t)
}

init {
    atomic {
        start();
        run writer(0);
        run shows(1)
    }
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a reader remembers from one section to the next (the part that it accessed last, the
 * reservations that it found): good while the generation is the one that it was remembered with.
 * Nothing that was taken away is ever used.
 */
#define RESERVATIONS 2
#define THREADS 2
#define PIECES 6
#include "protocol.pml"

byte generation = 0;

proctype reader(byte t)
{
    byte number, remembered;
    bool remembers;
    LOCALS;

    do
    ::  announce(t);
#ifndef MUTANT_GENERATION_LATE
        number = generation;
#endif
        if
        :: remembers && remembered == number -> assert(!undone[0])
        :: else ->
            load_root(t);
            remembers = false;
            if
            :: (piece[mine].has & 1) != 0 ->
                assert(!undone[0]);
#ifdef MUTANT_GENERATION_LATE
                number = generation;
#endif
                remembers = true;
                remembered = number
            :: else -> skip
            fi;
            mine = 0
        fi;
        number = 0;
        leave(t)
    ::  break
    od
}

inline take_away(t, r)
{
    turn_take(t);
    prepare_to_remove(t);
    publish(1 << (r));
#ifdef MUTANT_COUNT_LATE
    readers_wait(t);
    generation++;
#else
    generation++;
    readers_wait(t);
#endif
    undone[r] = true;
    turn_give(t)
}

proctype writer(byte t)
{
    LOCALS;

    if
    :: skip; change_add(t)
    :: skip; take_away(t, 1)
    :: skip
    fi;
    take_away(t, 0);
    change_add(t)
}

init {
    atomic {
        start();
        run writer(0);
        run reader(1)
    }
}

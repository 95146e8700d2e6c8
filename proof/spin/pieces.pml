/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Lookups while changes are made: no piece is written to, or freed, while somebody looks at it;
 * each lookup sees one version whole; removing never allocates.
 *
 *   -DREADERS=1  a registered reader and a visitor
 *   -DREADERS=0  two visitors
 *   -DFROZEN     the writer may stop for good after any step, as if it weren't scheduled:
 *                each reader still gets to its end, so readers never wait
 */
#ifndef READERS
#define READERS 1
#endif
#ifndef CHANGES
#define CHANGES 4
#endif
#define THREADS 3
#define PIECES (CHANGES + 2)
#include "protocol.pml"

bool frozen = false;

proctype reader(byte t)
{
    LOCALS;

    do
    ::  announce(t);
#ifdef MUTANT_EPOCH_LATE
        section[t] = 0;
        e = epoch;
#endif
        load_root(t);
#ifdef MUTANT_EPOCH_LATE
        section[t] = e;
        e = 0;
#endif
#ifdef MUTANT_READER_TAKES_TURN
        atomic { turn == NONE -> turn = t }
        turn = NONE;
#endif
        read_piece();
        if
        :: load_root(t); read_piece()
        :: skip
        fi;
        leave(t)
    ::  break
    od
}

proctype visitor(byte t)
{
    LOCALS;

    do
    ::  visit(t);
        load_root(t);
        read_piece();
        visit_end(t)
    ::  break
    od
}

proctype writer(byte t)
{
    byte done;
    LOCALS;

    {
        do
        :: done < CHANGES ->
            if
            :: skip; change_add(t)
            :: skip; change_undone(t)
            :: skip; change_take(t)
            fi;
            done++
        :: else -> break
        od
    } unless {
        frozen;
end_frozen:
        false
    }
}

init {
    atomic {
        start();
        run writer(0);
#if READERS > 0
        run reader(1);
#else
        run visitor(1);
#endif
        run visitor(2)
    }
#ifdef FROZEN
    frozen = true
#endif
}

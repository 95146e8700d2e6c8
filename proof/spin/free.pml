/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Fault callbacks and freeing: one thread frees reservation 0 from inside a section of its own,
 * while two others dispatch faults whose callbacks change memory: add, take something away, free
 * one of two reservations. A third kind of fault populates lazy memory.
 *
 * No callback is entered after a free of its reservation returned 0, nor runs then; a free that
 * fails was never seen; what backs a reservation isn't used after it is gone; and nobody waits for
 * ever.
 */
#define RESERVATIONS 2
#define THREADS 3
#define PIECES 6
#include "protocol.pml"

/* Who enters counts itself and sees in the same step whether the reservation is dead. */
inline enter(r)
{
    d_step {
        calls[r]++;
        same = dead[r]
    }
    d_step {
#ifdef MUTANT_NO_DEAD_CHECK
        same = false;
#endif
        if
        :: same -> calls[r]--; failed = true
        :: else -> skip
        fi;
        same = false
    }
}

/* Look for r in a section: `failed` if it isn't there, or dead; else it is entered. */
inline find_and_enter(t, r, visits)
{
    failed = false;
    if
    :: visits -> visit(t)
    :: !visits && !open -> announce(t)
#ifdef MUTANT_ANNOUNCE_AGAIN
    :: !visits && open -> announce(t)
#else
    :: !visits && open -> skip /* nested: no step at all, the announcement stands */
#endif
    fi;
    load_root(t);
    if
    :: (piece[mine].has & (1 << (r))) == 0 -> failed = true
    :: else -> enter(r)
    fi;
    mine = 0;
    if
    :: visits -> visit_end(t)
    :: !visits && !open -> leave(t)
    :: else -> skip
    fi;
    /* not found: it was never there (not here), or somebody is freeing it and will succeed */
    assert(!failed || freeing[r])
}

/* What every free does once it is certain: with the turn. */
inline take_down(t, r)
{
    prepare_to_remove(t);
    publish(1 << (r));
    readers_wait(t);
    undone[r] = true
}

inline returns(r)
{
    d_step {
        assert(running[r] == 0);
        returned[r] = true
    }
}

/* In a callback: whoever is at r's callback can't be waited for. */
inline free_inside(t, r)
{
    turn_take(t);
#ifdef MUTANT_WAIT_INSIDE
    if
    :: dead[r] -> turn_give(t)
    :: else ->
        dead[r] = true;
        freeing[r] = true;
        take_down(t, r);
        turn = NONE;
        calls[r] == 0;
        returns(r)
    fi
#else
#ifdef MUTANT_DEAD_FLASH
    if
    :: dead[r] -> failed = true
    :: else ->
        dead[r] = true;
        if
        :: calls[r] != 0 -> dead[r] = false; failed = true
        :: else -> freeing[r] = true
        fi
    fi;
#else
    d_step {
        if
        :: calls[r] == 0 && !dead[r] -> dead[r] = true; freeing[r] = true
        :: else -> failed = true
        fi
    }
#endif
    if
    :: !failed ->
        take_down(t, r);
        assert(calls[r] == 0); /* nobody to wait for */
        returns(r);
        turn_give(t)
    :: else -> failed = false; turn_give(t)
    fi
#endif
}

/* Callbacks are waited for without the turn, and with the thread's sections ended: a callback may
 * make a change, and that may wait for sections. */
inline wait_for_callbacks(t, r)
{
#ifdef MUTANT_NO_CALLS_WAIT
    skip
#else
#ifdef MUTANT_KEEP_TURN
    calls[r] == 0;
#else
#ifdef MUTANT_RESUME_EARLY
    turn_give(t);
#else
    turn = NONE;
#endif
    calls[r] == 0;
    turn_take(t)
#endif
#endif
}

inline free_outside(t, r)
{
    turn_take(t);
    if
    :: dead[r] -> skip
    :: else ->
        d_step { dead[r] = true; freeing[r] = true }
        take_down(t, r);
        wait_for_callbacks(t, r);
        returns(r)
    fi;
    turn_give(t)
}

inline callback(t, r)
{
    /* the thread's sections end for the time of the callback */
    if
    :: open -> leave(t)
    :: else -> skip
    fi;
    open = false;
    d_step {
        assert(!returned[r]);
        running[r]++
    }
    if
    :: skip
    :: skip; change_add(t)
    :: skip; change_take(t)
    :: skip; free_inside(t, 0)
    :: skip; free_inside(t, 1)
    fi;
    running[r]--;
    calls[r]--
}

/* Lazy memory: nothing that was found before the turn was taken counts. */
inline populate(t, r)
{
    calls[r]--;
    turn_take(t);
#ifdef MUTANT_POPULATE_STALE
    assert(!undone[r]);
#else
    if
    :: (piece[root].has & (1 << (r))) != 0 -> assert(!undone[r])
    :: else -> skip
    fi;
#endif
    turn_give(t)
}

inline fault(t, r, visits)
{
    find_and_enter(t, r, visits);
    if
    :: failed -> failed = false
    :: !failed -> callback(t, r)
    :: !failed -> populate(t, r)
    fi
}

/* A vcpu with a section open around the exit. */
proctype vcpu(byte t)
{
    LOCALS;

    announce(t);
    open = true;
    load_root(t);
    if
    :: (piece[mine].has & 1) != 0 -> mine = 0; assert(!undone[0]) /* an access */
    :: else -> mine = 0
    fi;
    fault(t, 0, false);
    leave(t)
}

/* One that never registered. */
proctype stranger(byte t)
{
    LOCALS;

    if
    :: skip; fault(t, 0, true)
    :: skip; fault(t, 1, true)
    fi
}

proctype outsider(byte t)
{
    LOCALS;

    announce(t);
    open = true;
    free_outside(t, 0);
    leave(t)
}

init {
    atomic {
        start();
        run outsider(0);
        run vcpu(1);
        run stranger(2)
    }
}

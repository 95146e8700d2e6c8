/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * How readers, visitors and changes of a VM's memory live together: what src/reader.c, src/turn.c,
 * src/index.c and src/fault.c do to the words that threads share, one access a step. Spin goes
 * through every interleaving. It knows no weak memory: why each ordering is enough is argued where
 * the word is (src/).
 *
 *      root ---> piece    present: published, never written to
 *                piece    held: was published; the next change's, once no reader has it
 *                piece    retired: the same, and then it is malloc's again
 *                piece    spare: the next change writes into it
 *
 * A piece stands for a version of an index: header, top and the chunk that it alone has.
 *
 * A loop that waits is a condition here, so that a wait without end is an invalid end state.
 *
 * Ghosts, which src/ doesn't have, carry the properties: using[thread] (pieces that a reader loaded
 * in its open section), running[] (callbacks), freeing[], undone[] (what backed it is gone),
 * returned[] (vm_free_reserved_memory() gave 0).
 *
 * -DMUTANT_... takes one rule away; each must make a property fail: check.sh.
 */
#define NONE 255

#define FREE 0 /* malloc's */
#define PRESENT 1
#define HELD 2
#define RETIRED 3
#define SPARE 4

typedef piece_t {
    byte left;  /* its version, written first and last: a torn piece shows */
    byte has;   /* reservations in it, a bit each */
    byte right;
    byte state;
    byte tag;   /* the epoch in which it was unpublished */
};

piece_t piece[PIECES];
byte root = 0;
byte version = 1;

byte epoch = 1;
byte section[THREADS];
byte visitors[2];
byte turn = NONE;

#ifndef RESERVATIONS
#define RESERVATIONS 1
#endif
byte calls[RESERVATIONS];
bool dead[RESERVATIONS]; /* a bit of calls: both are one word */

byte using[THREADS];
byte running[RESERVATIONS];
bool freeing[RESERVATIONS];
bool undone[RESERVATIONS];
bool returned[RESERVATIONS];

/* What a thread keeps to itself. */
#define LOCALS                                                                                     \
    byte e, mine, first, spare, held, i, goal;                                                     \
    bool same, open, failed

inline start()
{
    piece[0].left = 1;
    piece[0].right = 1;
    piece[0].has = (1 << RESERVATIONS) - 1;
    piece[0].state = PRESENT;
    piece[1].state = SPARE
}

/* -------------------------------------------------------------------------------- readers */

inline announce(t)
{
    e = epoch;
    section[t] = e;
    e = 0
}

inline leave(t)
{
    d_step {
        using[t] = 0;
        section[t] = 0
    }
}

/* A section of a thread that never registered. However old the number is by which it chose where to
 * count itself: a move of the epoch that would need it gone from there waits for it. */
inline visit(t)
{
    e = epoch;
    visitors[e & 1]++
}

inline visit_end(t)
{
    d_step {
        using[t] = 0;
        visitors[e & 1]--;
        e = 0
    }
}

inline load_root(t)
{
    d_step {
        mine = root;
        using[t] = using[t] | (1 << mine)
    }
}

/* The piece that the root named is whole. */
inline read_piece()
{
    first = piece[mine].left;
    d_step {
        assert(piece[mine].right == first);
        first = 0;
        mine = 0
    }
}

/* -------------------------------------------------------------------------------- the turn */

/* Taking it is a quiescent state of the thread: nobody waits for its section meanwhile. */
inline turn_take(t)
{
#ifndef MUTANT_NO_QUIESCENCE
    if
    :: open -> leave(t)
    :: else -> skip
    fi;
#endif
    atomic { turn == NONE -> turn = t }
}

/* The section goes on first, so that what was found with the turn stays until the section's end. */
inline turn_give(t)
{
#ifdef MUTANT_RESUME_LATE
    turn = NONE;
#endif
#ifndef MUTANT_NO_QUIESCENCE
    if
    :: open -> announce(t)
    :: else -> skip
    fi;
#endif
    turn = NONE
}

/* ------------------------------------------------------------------------- waiting for readers */

/* Move the epoch on when nobody is left in the one before. */
inline move_on_waiting(t)
{
#ifndef MUTANT_NO_WAIT
    i = 0;
    do
    :: i < THREADS -> (section[i] == 0 || section[i] == epoch); i++
    :: else -> i = 0; break
    od;
#ifndef MUTANT_MOVE_ANYHOW
    visitors[(epoch + 1) & 1] == 0;
#endif
#endif
    epoch++
}

/* The same unless it had to wait. */
inline move_on(t)
{
    same = true;
    i = 0;
    do
    :: i < THREADS && same -> same = (section[i] == 0 || section[i] == epoch); i++
    :: else -> i = 0; break
    od;
#ifndef MUTANT_MOVE_ANYHOW
    if
    :: same -> same = (visitors[(epoch + 1) & 1] == 0)
    :: else -> skip
    fi;
#endif
    if
    :: same -> epoch++
    :: else -> skip
    fi
}

/* Who has announced the epoch after may still have it: nobody has after the second move. */
#ifdef MUTANT_ONE_MOVE
#define GRACE 1
#else
#define GRACE 2
#endif

/* Until nobody can have in hand what was unpublished in epoch `since`. */
inline wait_until_left(t, since)
{
    goal = since + GRACE;
    do
    :: epoch < goal -> move_on_waiting(t)
    :: else -> goal = 0; break
    od
}

inline readers_wait(t)
{
    wait_until_left(t, epoch)
}

/* Whether they have left; moves on the epoch if that can be done now. Answers with `same`. */
inline have_left(t, since)
{
#ifdef MUTANT_REUSE_AT_ONCE
    same = true
#else
    same = true;
    do
    :: epoch < since + GRACE && same -> move_on(t)
    :: else -> break
    od
#endif
}

/* ------------------------------------------------------------------ versions of an index */

/* d_step: nobody has piece p in hand, now that it is to be written to or malloc's. */
inline nobody_uses(p)
{
    i = 0;
    do
    :: i < THREADS -> assert((using[i] & (1 << (p))) == 0); i++
    :: else -> break
    od;
    i = 0
}

/* d_step: the lowest piece in a state, or NONE. */
inline find(p, wanted)
{
    p = 0;
    do
    :: p < PIECES && piece[p].state != wanted -> p++
    :: else -> break
    od;
    if
    :: p == PIECES -> p = NONE
    :: else -> skip
    fi
}

/* With `same` for an answer: the held piece becomes the spare one, or malloc's if there is one. */
inline held_is_free()
{
    d_step {
        if
        :: held != NONE ->
            nobody_uses(held);
            find(spare, SPARE);
            if
            :: spare == NONE -> piece[held].state = SPARE
            :: else -> piece[held].state = FREE
            fi
        :: else -> skip
        fi;
        held = 0;
        spare = 0
    }
}

/* Adding takes new pieces rather than waiting: the held one is left to the readers. */
inline prepare_to_add(t)
{
    d_step { find(held, HELD) }
    if
    :: held != NONE ->
        have_left(t, piece[held].tag);
        if
        :: same -> held_is_free()
        :: else -> d_step { piece[held].state = RETIRED; held = 0 }
        fi
    :: else -> skip
    fi;
    /* gm_parcels_collect(): what was retired before, one of them at a time is enough here */
    d_step { find(held, RETIRED) }
    if
    :: held != NONE ->
        have_left(t, piece[held].tag);
        if
        :: same -> d_step { nobody_uses(held); piece[held].state = FREE }
        :: else -> skip
        fi
    :: else -> skip
    fi;
    d_step {
        held = 0;
        same = false;
        find(spare, SPARE);
        if
        :: spare == NONE -> find(spare, FREE)
        :: else -> skip
        fi;
        assert(spare != NONE) /* as many PIECES as the changes can need */
    }
}

/* Removing never allocates: it waits until the held piece can be had. */
inline prepare_to_remove(t)
{
    d_step { find(held, HELD) }
    if
    :: held != NONE -> wait_until_left(t, piece[held].tag); held_is_free()
    :: else -> skip
    fi;
    d_step {
        held = 0;
        find(spare, SPARE);
        assert(spare != NONE)
    }
}

/* The next version: what was there, without `less`. */
inline publish(less)
{
    d_step {
        nobody_uses(spare);
        piece[spare].state = PRESENT;
        piece[spare].left = version + 1;
        held = root
    }
    piece[spare].has = piece[root].has & (255 - (less));
    piece[spare].right = version + 1;
    d_step {
        version++;
        root = spare;
        piece[held].state = HELD;
        piece[held].tag = epoch;
        held = 0;
        spare = 0
    }
}

/* Undo an insertion: the version before is published again, and the new one held. */
inline undo_insert()
{
    d_step {
        find(held, HELD);
        spare = held;
        held = root;
        root = spare;
        piece[spare].state = PRESENT;
        piece[held].state = HELD;
        piece[held].tag = epoch;
        held = 0;
        spare = 0
    }
}

/* A change that adds: never waits for readers. */
inline change_add(t)
{
    turn_take(t);
    prepare_to_add(t);
    publish(0);
    turn_give(t)
}

/* One that fails after it was published, and is undone. */
inline change_undone(t)
{
    turn_take(t);
    prepare_to_add(t);
    publish(0);
    undo_insert();
    turn_give(t)
}

/* A change that takes something away which isn't a reservation: a view, a part of what is seen. */
inline change_take(t)
{
    turn_take(t);
    prepare_to_remove(t);
    publish(0);
    readers_wait(t);
    turn_give(t)
}

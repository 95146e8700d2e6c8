/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Who may be looking at a VM's memory while it changes, and how a change waits for them. All
 * atomics of the library are here, in turn.h, index.h, window.h and fault.c; see "Threads" in
 * ARCHITECTURE.md.
 *
 *      epoch      5        6        7            counted up by changes, when nobody is left in the
 *                 |        |        |            epoch before the present one
 *      reader A   [5....................]        announced at the begin of its section: 7 can't come
 *      reader B             [6..]  [6..]
 *      visitor    visitors[1]++    visitors[0]++
 *
 *      unpublished in epoch 5  ------->  free at 7: who can have it announced 4 or 5, or is gone
 *
 * Before the first reader registers nothing of this is used: `shared` is false, and a VM's memory
 * belongs to one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestmem/threads.h>

#include "atomics.h"
#include "lookup_cache.h"
#include "seen_cache.h"

struct gm_space;

/* What makes looking up again cheap; one thread's. */
struct gm_recent {
    struct gm_seen_cache seen;
    struct gm_lookup_cache lookups;
};

/* Faults, counted by the thread that has the reader; summed by anybody. */
struct gm_fault_counts {
    atomic_uint_fast64_t all;
    atomic_uint_fast64_t unhandled;
};

struct gm_reader {
    char apart[64]; /* from what other threads write */
    atomic_uint_fast64_t epoch; /* of the open section; 0: none is open */
    struct gm_space *space;
    struct gm_reader *next;      /* of the space */
    struct gm_reader *next_here; /* of the thread */
    unsigned depth;              /* sections open, one in the other */
    struct gm_fault_counts faults;
    struct guestmem_failure reported; /* of the thread's public call that failed last */
    struct gm_recent recent;
    char apart_too[64];
};

/* Book-keeping that a reader may have in hand: freed when none can. In front of the block. */
struct gm_parcel {
    struct gm_parcel *next;
    uint64_t epoch; /* in which it was unpublished */
    size_t size;    /* with this */
};

struct gm_readers {
    bool shared;
    struct gm_reader *list;   /* under the turn */
    struct gm_parcel *retired; /* under the turn */
    struct gm_fault_counts visitor_faults;
    void (*wait)(void *cookie);
    void *wait_cookie;
    char apart[64];
    atomic_uint_fast64_t epoch; /* from 1 */
    atomic_uint_fast64_t visitors[2]; /* in sections begun in even and in odd epochs */
    char apart_too[64];
};

/* What a thread knows of itself. */
struct gm_thread {
    struct gm_reader *readers;
    unsigned callbacks; /* that run on it, of shared VMs */
    unsigned turns;     /* of VMs, that it has */
};

extern _Thread_local struct gm_thread gm_thread;

/* The calling thread's reader of the space, or NULL. */
static inline struct gm_reader *gm_reader_here(const struct gm_space *space)
{
    struct gm_reader *reader = gm_thread.readers;

    while (reader != NULL && reader->space != space) {
        reader = reader->next_here;
    }
    return reader;
}

/* A section, whoever opens it. In a VM that isn't shared it is nothing. */
struct gm_section {
    struct gm_reader *reader; /* NULL: a visitor's, or none */
    uint64_t visited;         /* the visitor's epoch; 0: none */
};

struct gm_section gm_section_begin(struct gm_space *space);
void gm_section_end(struct gm_space *space, const struct gm_section *section);

/* What the section's thread remembers, or NULL: nothing, it is a visitor. */
struct gm_recent *gm_section_recent(struct gm_space *space, const struct gm_section *section);

/* The thread is going to wait, or may: its sections, of whatever VM, end for that time. */
void gm_readers_pause_here(void);
void gm_readers_resume_here(void);

/* The same for the sections in one VM around a fault callback, which may wait, and may open sections
 * of its own. Returns what resuming takes. */
unsigned gm_reader_set_aside(struct gm_reader *reader);
void gm_reader_put_back(struct gm_reader *reader, unsigned depth);

/* Call the hook that waiting calls. */
void gm_readers_relax(struct gm_space *space);

/* Whether nobody can have in hand what was unpublished in `epoch`; moves on the epoch if that can be
 * done now. Under the turn. */
bool gm_readers_have_left(struct gm_space *space, uint64_t epoch);

/* Wait until nobody has in hand what was unpublished before. Under the turn; the caller's own section
 * is paused by that. Returns at once if the VM isn't shared. */
void gm_readers_wait(struct gm_space *space);

/* The present epoch, for what is unpublished now. */
uint64_t gm_readers_epoch(const struct gm_space *space);

/* Bytes that readers may come to have in hand; NULL: none left. Retiring frees them as soon as none
 * has; freeing at once is for what was never published. */
void *gm_parcel_new(struct gm_space *space, size_t size);
void gm_parcel_retire(struct gm_space *space, void *block, uint64_t epoch);
void gm_parcel_free(struct gm_space *space, void *block);

/* Free what of the retired can be freed. */
void gm_parcels_collect(struct gm_space *space);

/* Whether there are readers but for the calling thread outside of its sections. */
bool gm_readers_are_there(const struct gm_space *space);

/* Add what was counted to a VM's numbers. */
void gm_faults_add(struct guestmem_stats *stats, const struct gm_fault_counts *counts);

/* The end of a space, and of the calling thread as a reader of it, which has the turn. */
void gm_readers_drop(struct gm_space *space);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the stress test works on, and what it knows of it.
 *
 *      slots     a page each, 16 pages apart, which the writer makes
 *                  absent -> a device (emulated) -> backed with a frame -> absent ...
 *      ram       one lazy region, whose pages the writer writes, discards and populates
 *      corners   a page or two for each reader, where its callbacks change memory
 *
 * Each slot and each page of RAM has a version, which the writer moves: to 2n + 1 before it begins
 * to make state n + 1 out of state n, and to 2n + 2 when the library has said that it is done. A
 * reader that sees versions v and w around a call must have an answer that is right in one of the
 * states from v / 2 to (w + 1) / 2. Loads and stores only, from the writer to the readers: what is
 * to keep the writer from a reader's memory is the library, and ThreadSanitizer must not see
 * anything else that would.
 *
 * Frames are the test's own; each is filled with its number, and never written again. So wherever
 * one shows that has no business there, it is known.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestmem/access.h>
#include <guestmem/guestmem.h>
#include <guestmem/host.h>
#include <guestmem/threads.h>
#include <sel4vm/guest_memory.h>
#include <sel4vm/guest_ram.h>
#include <sel4vm/guest_vm.h>
#include <vka/object.h>

enum {
    PAGE = 4096,
    SLOTS = 128,
    FRAMES = 96,
    DEVICES = 1024,
    RAM_PAGES = 16,
    FAULTING_PAGES = 8, /* of RAM: those whose rights never change */
    THREADS_MAX = 32,
    HISTORY = 64,
};

#define SLOT_BASE ((uintptr_t)0x40000000)
#define SLOT_STRIDE ((uintptr_t)0x10000)
#define RAM_BASE ((uintptr_t)0x80000000)
#define CORNER_BASE ((uintptr_t)0xc0000000)
#define CORNER_STRIDE ((uintptr_t)0x200000)

enum kind { ABSENT, DEVICE, FRAME, RAM };

/* Who answers for a reservation. Plain words: the library's order is all there is between the
 * callback that reads them and the writer that marks them when the reservation is freed. */
struct device {
    uint64_t number;
    bool is_live;
};

/* One state of a slot. Atomic as it may be looked at while it is written over; then it isn't used.
 */
struct state {
    _Atomic(enum kind) kind;
    atomic_uint_fast64_t value;             /* FRAME: number of the frame; RAM: the word in it */
    _Atomic(vm_memory_reservation_t *) res; /* NULL: not known yet */
    _Atomic(struct device *) device;
};

struct slot {
    atomic_uint_fast64_t version;
    struct state history[HISTORY];
    uintptr_t base;
};

struct frame {
    vka_object_t object;
    uint64_t number;
};

struct world {
    struct guestmem_host *host;
    struct guestmem_host_snapshot *before;
    vm_t vm;
    struct slot slots[SLOTS];
    struct slot ram[RAM_PAGES];
    struct frame frames[FRAMES];
    struct frame corner_frames[THREADS_MAX];
    struct device devices[DEVICES];
    bool gives_pointers; /* views stay after the call that made them */
    atomic_bool stop;
};

extern struct world world;

/* Numbers, a thread's own. */
uint32_t next_random(uint32_t *state);

/* Ends the test, which has failed. */
void give_up(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A word of a frame's contents. */
static inline uint64_t pattern(uint64_t number)
{
    return 0x5eed000000000000u | number;
}

/* The world with one VM that isn't shared yet. */
void world_open(enum guestmem_views views);

/* Take it down, and see to it that everything went back to where it came from. */
void world_close(void);

/* ------------------------------------------------------------------------- versions */

/* The last state that is complete, for the writer. */
struct state *slot_now(struct slot *slot);

/* The writer begins to make a new state, which is filled in first; and is done with it. */
struct state *slot_begin(struct slot *slot, enum kind kind, uint64_t value, struct device *device);
void slot_done(struct slot *slot, struct state *state, vm_memory_reservation_t *res);

/* What a reader saw of a slot around one call. */
struct seen {
    struct slot *slot;
    uint64_t from;
    uint64_t to;
};

struct seen seen_begin(struct slot *slot);
void seen_end(struct seen *seen);

enum verdict { RIGHT, WRONG, TOO_LATE /* the states of then aren't kept any more */ };

/* Whether `fits` says yes of one of the states. */
enum verdict seen_judge(const struct seen *seen, bool (*fits)(const struct state *, const void *),
                        const void *answer);

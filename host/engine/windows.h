/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The windows of a VM: ranges of guest addresses that each CPU has a view of, host memory without
 * access rights, under which frames are put when the CPU first touches them. A view is its CPU's
 * alone: while one host instruction of it is given an answer there, no other CPU may see that.
 *
 *   guest   0x0 ........ [ flash ] ......... [ RAM                      ] ......
 *                            |                   |
 *   host          PROT_NONE [ r-- ]   PROT_NONE [ rw- |  (nothing)  | rw- ]
 *                                                  |                   |
 *   memfd                                     offset of a frame     another's
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine.h"

/* The guest CPU allows 1,023 regions; each window takes one, and so does each gap between two. */
enum { WINDOW_COUNT_MAX = 256 };

struct window {
    uint64_t base;
    uint64_t size;
};

struct view {
    struct window window;
    uint8_t *host;
    uint8_t *touched; /* a byte per 2 MiB: frames may be under it */
};

struct engine {
    struct guestmem_host *host;
    seL4_CPtr root;
    pthread_mutex_t lock;                    /* of all below; taken before a CPU's */
    struct window windows[WINDOW_COUNT_MAX]; /* sorted, disjoint */
    unsigned window_count;
    atomic_uint generation; /* changes with the set of windows */
    struct engine_cpu *cpus;
    bool several; /* CPUs there are, or were; set while none runs */
};

/* Give the CPU a view of each window that it has none of yet. `*generation` is what it has then. 0,
 * or -ENOMEM. */
int views_update(struct engine_cpu *cpu, unsigned *generation);
void views_free(struct engine_cpu *cpu);

/* The view that holds a guest address, or a host address; or NULL. Only by the CPU's own thread. */
const struct view *view_of_guest(const struct engine_cpu *cpu, uint64_t gpa);
const struct view *view_of_host(const struct engine_cpu *cpu, const void *address);

/*
 * What follows is called between cpu_lock() and cpu_unlock() of some CPU, which keep what stage 2
 * had: a frame or table that is taken from it isn't anyone else's before the unlock.
 */

/* Put what stage 2 has at `gpa` under the view, its neighbours too. False: it doesn't allow the
 * access. */
bool view_fill(struct engine_cpu *cpu, const struct view *view, uint64_t gpa, bool write);

/* The leaf behind `gpa`, if the access is allowed. */
bool stage2_leaf(struct engine *engine, uint64_t gpa, bool write, struct guestmem_host_leaf *leaf);

/* The bytes behind `gpa`, which must not cross a page; NULL: nothing is mapped there. */
void *stage2_bytes(struct engine *engine, uint64_t gpa, unsigned size, bool write);

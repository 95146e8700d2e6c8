/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The windows of a VM: host memory without access rights, under which frames are put when the guest
 * first touches them.
 *
 *   guest   0x0 ........ [ flash ] ......... [ RAM                      ] ......
 *                            |                   |
 *   host          PROT_NONE [ r-- ]   PROT_NONE [ rw- |  (nothing)  | rw- ]
 *                                                  |                   |
 *   memfd                                     offset of a frame     another's
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"

/* The guest CPU allows 1,023 regions; each window takes one, and so does each gap between two. */
enum { WINDOW_COUNT_MAX = 256 };

struct window {
    uint64_t base;
    uint64_t size;
    uint8_t *host;
    uint8_t *touched; /* a byte per 2 MiB: frames may be under it */
};

struct engine {
    struct guestmem_host *host;
    seL4_CPtr root;
    struct window windows[WINDOW_COUNT_MAX]; /* sorted, disjoint */
    unsigned window_count;
    unsigned generation; /* changes with the set of windows */
    struct engine_cpu *cpus;
};

/* The window that holds a guest address, or a host address; or NULL. */
const struct window *window_of_guest(const struct engine *engine, uint64_t gpa);
const struct window *window_of_host(const struct engine *engine, const void *address);

/* Put what stage 2 has at `gpa` under the window, its neighbours too. False: it doesn't allow the
 * access. */
bool window_fill(struct engine *engine, const struct window *window, uint64_t gpa, bool write);

/* The leaf behind `gpa`, if the access is allowed. */
bool window_leaf(struct engine *engine, uint64_t gpa, bool write, struct guestmem_host_leaf *leaf);

/* The bytes behind `gpa`, which must not cross a page; NULL: nothing is mapped there. */
void *window_bytes(struct engine *engine, uint64_t gpa, unsigned size, bool write);

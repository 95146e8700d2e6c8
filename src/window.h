/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The views of a VM that aren't kept for good (policy: views): a table of them, with when each was
 * used last. Places in it don't move, so that readers may note a use without the turn.
 *
 *      at[1]   [RAM, page 0,    2 MiB, used 17]
 *      at[2]   [RAM, page 1024, 2 MiB, used 23]
 *      at[3]   free
 *
 * Evicting and dropping never allocate. Pages of create_*, whose callers keep the pointer, are in
 * no window: their place is 0.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestmem/guestmem.h>

#include "atomics.h"

struct gm_space;

struct gm_window_view {
    vm_memory_reservation_t *res; /* NULL: the place is free */
    size_t bytes;
    atomic_uint_fast64_t used;
    uint32_t page; /* some page of the view */
    uint16_t pins; /* callbacks under way that have its address */
    bool held;     /* by the call under way, until it ends */
};

struct gm_window {
    size_t bytes_max;
    size_t bytes;
    size_t count; /* places, the first of which isn't used */
    size_t views;
    atomic_uint_fast64_t clock;
    struct gm_window_view at[];
};

/* Note that a view is used. relaxed: what it orders is only which one is evicted first. */
static inline void gm_window_use(struct gm_window *window, unsigned slot)
{
    uint64_t now = atomic_fetch_add_explicit(&window->clock, 1, memory_order_relaxed) + 1;

    atomic_store_explicit(&window->at[slot].used, now, memory_order_relaxed);
}

/* Whether views of this reservation are in the window. */
bool gm_window_is_for(const struct gm_space *space, const vm_memory_reservation_t *res);

/* Evict until a view of `bytes` fits, and find a place for it. GUESTMEM_EVMM: what is there is in
 * use by calls under way. Then enter it, or don't. */
int gm_window_claim(struct gm_space *space, size_t bytes, unsigned *slot);
void gm_window_enter(struct gm_space *space, unsigned slot, vm_memory_reservation_t *res,
                     uint32_t page, size_t bytes);
/* The view is gone. */
void gm_window_leave(struct gm_space *space, unsigned slot);

/* Keep from being evicted: while a callback has the address; until gm_window_release(). */
void gm_window_pin(struct gm_space *space, unsigned slot);
void gm_window_unpin(struct gm_space *space, unsigned slot);
void gm_window_hold(struct gm_space *space, unsigned slot);
void gm_window_release(struct gm_space *space);

/* A call ends: with GUESTMEM_VIEWS_NONE, its views go. */
void gm_window_settle(struct gm_space *space);

/* What is kept of views. */
enum guestmem_views gm_window_views(const struct gm_space *space);

/* What is kept of views from now on; those that there are go. GUESTMEM_ENOMEM, GUESTMEM_EBUSY. */
int gm_window_set(struct gm_space *space, enum guestmem_views views, size_t bytes_max);

/* The table goes; there are no views any more. */
void gm_window_drop(struct gm_space *space);

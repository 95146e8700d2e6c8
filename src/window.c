/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "window.h"

#include <string.h>

#include "alias.h"
#include "failure.h"
#include "reservation.h"
#include "view.h"

enum {
    PLACES_MAX = GM_SEEN_SLOTS, /* what an item has bits for */
    PLACES_OF_NONE = 16,        /* calls from inside callbacks of calls, two views each */
    PLACES_MORE = 32,           /* than there are of 2 MiB: small reservations have small views */
};

bool gm_window_is_for(const struct gm_space *space, const vm_memory_reservation_t *res)
{
    return space->window != NULL && res->kind != GM_RESERVATION_CREATED;
}

static uint64_t used(const struct gm_window_view *view)
{
    return atomic_load_explicit(&view->used, memory_order_relaxed);
}

/* The place of the least recently used view that may go; 0: none may. */
static unsigned oldest(const struct gm_window *window)
{
    unsigned found = 0;

    for (unsigned i = 1; i < window->count; i++) {
        const struct gm_window_view *view = &window->at[i];

        if (view->res != NULL && view->pins == 0 && !view->held &&
            (found == 0 || used(view) < used(&window->at[found]))) {
            found = i;
        }
    }
    return found;
}

static void evict(struct gm_space *space, unsigned slot)
{
    vm_memory_reservation_t *res = space->window->at[slot].res;
    const struct gm_view *view = gm_views_find(&res->backing->views, space->window->at[slot].page);

    gm_alias_remove(space, res, view->page, (uint64_t)view->page + view->pages);
}

static unsigned free_place(const struct gm_window *window)
{
    unsigned slot = 1;

    while (slot < window->count && window->at[slot].res != NULL) {
        slot++;
    }
    return slot < window->count ? slot : 0;
}

static bool is_full(const struct gm_window *window, size_t bytes)
{
    return window->views == window->count - 1 || bytes > window->bytes_max ||
           window->bytes > window->bytes_max - bytes;
}

static unsigned count_held(const struct gm_window *window)
{
    unsigned count = 0;

    for (unsigned i = 1; i < window->count; i++) {
        count += window->at[i].res != NULL && window->at[i].held;
    }
    return count;
}

/* Each call may have two views, however large they are, and whatever callbacks have: a copy takes
 * two. */
int gm_window_claim(struct gm_space *space, size_t bytes, unsigned *slot)
{
    struct gm_window *window = space->window;
    unsigned victim = 1;

    while (is_full(window, bytes) && victim != 0) {
        victim = oldest(window);
        if (victim != 0) {
            evict(space, victim);
        }
    }
    *slot = free_place(window);
    return *slot != 0 && (!is_full(window, bytes) || count_held(window) <= 1)
               ? GUESTMEM_OK
               : gm_fail(space, GUESTMEM_EVMM, "fit a view into the window (policy)", 0);
}

void gm_window_enter(struct gm_space *space, unsigned slot, vm_memory_reservation_t *res,
                     uint32_t page, size_t bytes)
{
    struct gm_window *window = space->window;

    window->at[slot].res = res;
    window->at[slot].page = page;
    window->at[slot].bytes = bytes;
    window->at[slot].pins = 0;
    window->at[slot].held = false;
    window->bytes += bytes;
    window->views++;
    gm_window_use(window, slot);
}

void gm_window_leave(struct gm_space *space, unsigned slot)
{
    struct gm_window *window = space->window;

    if (slot != 0) {
        window->at[slot].res = NULL;
        window->bytes -= window->at[slot].bytes;
        window->views--;
    }
}

void gm_window_pin(struct gm_space *space, unsigned slot)
{
    if (slot != 0) {
        space->window->at[slot].pins++;
    }
}

void gm_window_unpin(struct gm_space *space, unsigned slot)
{
    if (slot != 0 && space->window != NULL &&
        space->window->at[slot].pins > 0) { /* 0: the callback freed the memory */
        space->window->at[slot].pins--;
    }
}

void gm_window_hold(struct gm_space *space, unsigned slot)
{
    if (slot != 0) {
        space->window->at[slot].held = true;
    }
}

void gm_window_release(struct gm_space *space)
{
    for (unsigned i = 1; space->window != NULL && i < space->window->count; i++) {
        space->window->at[i].held = false;
    }
}

void gm_window_settle(struct gm_space *space)
{
    unsigned slot = 0;

    if (space->window != NULL && space->window->bytes_max == 0) {
        while ((slot = oldest(space->window)) != 0) {
            evict(space, slot);
        }
    }
}

/* All views go, but those of create_*. */
static void drop_views(struct gm_space *space)
{
    const struct gm_range_index *index = gm_index_root(&space->index);
    struct gm_range_pos pos;

    for (bool more = gm_range_index_first(index, &pos); more;
         more = gm_range_index_next(index, &pos)) {
        vm_memory_reservation_t *res = gm_range_index_item(index, pos);

        if (res->backing != NULL && res->kind != GM_RESERVATION_CREATED) {
            gm_alias_drop(space, res);
        }
    }
}

static struct gm_window *new_window(struct gm_space *space, enum guestmem_views views,
                                    size_t bytes_max)
{
    size_t places = PLACES_OF_NONE;
    struct gm_window *window;

    if (views == GUESTMEM_VIEWS_WINDOW) {
        places = (bytes_max >> gm_arch_frame_bits[1]) + PLACES_MORE;
        places = places < PLACES_MAX ? places : PLACES_MAX;
    }
    window = gm_alloc(space, sizeof(*window) + places * sizeof(window->at[0]));
    if (window != NULL) {
        memset(window, 0, sizeof(*window) + places * sizeof(window->at[0]));
        window->bytes_max = views == GUESTMEM_VIEWS_WINDOW ? bytes_max : 0;
        window->count = places;
    }
    return window;
}

void gm_window_drop(struct gm_space *space)
{
    struct gm_window *window = space->window;

    if (window != NULL) {
        gm_free(space, window, sizeof(*window) + window->count * sizeof(window->at[0]));
        space->window = NULL;
    }
}

enum guestmem_views gm_window_views(const struct gm_space *space)
{
    return space->window == NULL           ? GUESTMEM_VIEWS_KEPT
           : space->window->bytes_max == 0 ? GUESTMEM_VIEWS_NONE
                                           : GUESTMEM_VIEWS_WINDOW;
}

int gm_window_set(struct gm_space *space, enum guestmem_views views, size_t bytes_max)
{
    struct gm_window *window = NULL;

    if (views == gm_window_views(space) &&
        (views != GUESTMEM_VIEWS_WINDOW || bytes_max == space->window->bytes_max)) {
        return GUESTMEM_OK;
    }
    if (space->busy != 0) {
        return gm_fail(space, GUESTMEM_EBUSY, "give views back that a callback may be using", 0);
    }
    if (views != GUESTMEM_VIEWS_KEPT) {
        window = new_window(space, views, bytes_max);
        if (window == NULL) {
            return gm_fail(space, GUESTMEM_ENOMEM, "make the window", 0);
        }
    }
    drop_views(space);
    gm_window_drop(space);
    space->window = window;
    return GUESTMEM_OK;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "view.h"

#include <string.h>

#include "failure.h"
#include "place.h"
#include "reservation.h"
#include "window.h"

enum { FIRST_CAPACITY = 2, VIEW_SIZE = 1 }; /* a view is as large as frames of this size index */

/* Index of the first view that ends above `page`. */
static size_t first_above(const struct gm_views *views, uint64_t page)
{
    size_t low = 0;
    size_t high = views->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((uint64_t)views->at[middle].page + views->at[middle].pages <= page) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct gm_view *gm_views_find(const struct gm_views *views, uint64_t page)
{
    size_t at = first_above(views, page);

    return at < views->count && views->at[at].page <= page ? &views->at[at] : NULL;
}

/* What the view of a frame covers: the frame, or the aligned stretch around it, in the reservation.
 */
static struct gm_view cover(const struct vm_memory_reservation *res, uint64_t page, unsigned size)
{
    uint64_t first_page = gm_page_base(res) >> gm_arch_frame_bits[0];
    uint64_t pages = gm_size_pages(size > VIEW_SIZE ? size : VIEW_SIZE);
    uint64_t from = (first_page + page) & ~(pages - 1);
    uint64_t to = from + pages;

    from = from > first_page ? from - first_page : 0;
    to = to - first_page < gm_page_count(res) ? to - first_page : gm_page_count(res);
    return (struct gm_view){.page = (uint32_t)from, .pages = (uint32_t)(to - from) & 0xfffffu};
}

static size_t bytes_of(const struct gm_view *view)
{
    return (size_t)view->pages << gm_arch_frame_bits[0];
}

/* The frame of a large view is all that is in it, so that where this one can be mapped, all can. */
static int reserve(struct gm_space *space, struct gm_view *view, unsigned frame_size, bool device,
                   seL4_CPtr copy)
{
    unsigned size = GM_ARCH_SIZE_COUNT - 1;
    void *base = NULL;
    reservation_t reservation;
    int error;

    while (view->pages % gm_size_pages(size) != 0) {
        size--;
    }
    error =
        gm_place_take(space, copy, frame_size, bytes_of(view), size, device, &base, &reservation);
    if (error == GUESTMEM_OK) {
        view->base = (uintptr_t)base;
        view->reservation = reservation.res;
    }
    return error;
}

/* A single page is mapped straight away, wherever the VMM has room: that takes no reservation of
 * its addresses, which costs as much as the mapping. */
static int map_page(struct gm_space *space, struct gm_view *view, bool device, seL4_CPtr copy)
{
    void *base = vspace_map_pages(space->vmm, &copy, NULL, seL4_AllRights, 1, gm_arch_frame_bits[0],
                                  !device);

    if (base == NULL) {
        return gm_fail(space, GUESTMEM_EVMM, "map a view in the VMM", 0);
    }
    view->base = (uintptr_t)base;
    return GUESTMEM_OK;
}

int gm_view_make(struct gm_space *space, struct vm_memory_reservation *res, struct gm_views *views,
                 uint64_t page, unsigned size, bool device, seL4_CPtr copy)
{
    struct gm_view view = cover(res, page, size);
    unsigned slot = 0;
    size_t at;
    int error = GUESTMEM_OK;

    if (gm_views_find(views, page) != NULL) {
        return GUESTMEM_OK;
    }
    if (gm_room_reserve(space, &views->room, &views->at, &views->count, sizeof(views->at[0]),
                        views->count + 1, FIRST_CAPACITY)) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note a view", 0);
    }
    if (gm_window_is_for(space, res)) {
        error = gm_window_claim(space, bytes_of(&view), &slot);
    }
    if (error == GUESTMEM_OK) {
        error = view.pages == 1 ? map_page(space, &view, device, copy)
                                : reserve(space, &view, size, device, copy);
    }
    if (error != GUESTMEM_OK) {
        return error;
    }
    if (slot != 0) {
        gm_window_enter(space, slot, res, view.page, bytes_of(&view));
        view.slot = slot & 0xfffu;
    }
    at = first_above(views, view.page);
    if (at < views->count) {
        memmove(&views->at[at + 1], &views->at[at], (views->count - at) * sizeof(views->at[0]));
    }
    views->at[at] = view;
    views->count++;
    return GUESTMEM_OK;
}

static void release(struct gm_space *space, const struct gm_view *view)
{
    gm_window_leave(space, view->slot);
    if (view->reservation != NULL) {
        vspace_free_reservation(space->vmm, (reservation_t){view->reservation});
    }
}

void gm_view_drop(struct gm_space *space, struct gm_views *views, uint64_t page)
{
    size_t at = first_above(views, page);

    release(space, &views->at[at]);
    views->count--;
    memmove(&views->at[at], &views->at[at + 1], (views->count - at) * sizeof(views->at[0]));
}

void gm_views_drop(struct gm_space *space, struct gm_views *views)
{
    for (size_t i = 0; i < views->count; i++) {
        release(space, &views->at[i]);
    }
    views->count = 0;
    gm_room_drop(space, &views->room, &views->at, sizeof(views->at[0]));
}

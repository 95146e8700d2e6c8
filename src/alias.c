/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "alias.h"

#include "failure.h"
#include "frames.h"
#include "reservation.h"
#include "seen.h"
#include "slots.h"
#include "view.h"
#include "window.h"

/* Map the second cap of one frame, in `slot`, in the VMM, unless its view's making did. There is
 * room to note it. */
static int make_one(struct gm_space *space, struct gm_backing *backing,
                    const struct gm_extent *frame, uint64_t page, seL4_CPtr slot)
{
    const struct gm_view *view = gm_views_find(&backing->views, page);
    struct gm_extent copy = {.cptr = slot,
                             .page = (uint32_t)page,
                             .count = 1,
                             .size = frame->size,
                             .rights = GM_RIGHTS_ALL,
                             .device = frame->device,
                             .owned = 1,
                             .fresh = 1};
    int error = 0;

    if (view->reservation != NULL) {
        error = vspace_map_pages_at_vaddr(space->vmm, &copy.cptr, NULL, gm_view_address(view, page),
                                          1, gm_arch_frame_bits[frame->size],
                                          (reservation_t){view->reservation});
    }
    if (error != 0) {
        return gm_fail(space, GUESTMEM_EVMM, "map a view in the VMM", error);
    }
    gm_extents_insert(&backing->alias, copy);
    space->stats.alias_frames[frame->size]++;
    return GUESTMEM_OK;
}

/* Give the view at `page` back if no frame is mapped in it. */
static void release_view(struct gm_space *space, struct gm_backing *backing, uint64_t page)
{
    const struct gm_view *view = gm_views_find(&backing->views, page);

    if (view != NULL &&
        gm_extents_free(&backing->alias, view->page, (uint64_t)view->page + view->pages)) {
        gm_view_drop(space, &backing->views, page);
    }
}

/* Show one frame, by a cap in `slot`. */
static int show(struct gm_space *space, vm_memory_reservation_t *res, const struct gm_extent *frame,
                uint64_t page, seL4_CPtr slot)
{
    struct gm_backing *backing = res->backing;
    size_t more = 1;
    int error;

    /* evicting a view may cut a run in two, and doesn't allocate: one more for each */
    if (gm_window_is_for(space, res)) {
        more += backing->views.count + 1;
    }
    if (gm_extents_reserve(space, &backing->alias, more)) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note a view", 0);
    }
    error =
        gm_slot_copy(space, frame->cptr + (page - frame->page) / gm_size_pages(frame->size), slot);
    if (error != GUESTMEM_OK) {
        return error;
    }
    error = gm_view_make(space, res, &backing->views, page, frame->size, frame->device, slot);
    if (error == GUESTMEM_OK) {
        error = make_one(space, backing, frame, page, slot);
    }
    if (error != GUESTMEM_OK) {
        gm_slot_empty(space, slot);
        release_view(space, backing, page);
    }
    return error;
}

/* The frame at `page`, by the next of `slots`: they are taken in batches, so that caps side by side
 * in the guest get slots side by side, and one extent does for many. */
static int show_next(struct gm_space *space, vm_memory_reservation_t *res, uint64_t *page,
                     uint64_t to, struct gm_slots *slots)
{
    const struct gm_extent *frame = gm_extents_find(&res->backing->memory.frames, *page);
    uint64_t pages = gm_size_pages(frame->size);
    uint64_t wanted = (to - *page + pages - 1) / pages;
    int error = GUESTMEM_OK;

    *page -= (*page - frame->page) % pages;
    if (slots->used == slots->count) {
        error = gm_slots_fill(space, slots, wanted < GM_SLOTS_MAX ? wanted : GM_SLOTS_MAX);
    }
    if (error == GUESTMEM_OK) {
        error = show(space, res, frame, *page, slots->at[slots->used]);
    }
    if (error == GUESTMEM_OK) {
        slots->used++;
        *page += pages;
    }
    return error;
}

int gm_alias_make(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from, uint64_t to)
{
    struct gm_slots slots;
    int error = GUESTMEM_OK;

    gm_slots_start(&slots);
    for (uint64_t page = from; page < to && error == GUESTMEM_OK;) {
        const struct gm_extent *alias = gm_extents_find(&res->backing->alias, page);

        if (alias != NULL) {
            page = gm_extent_end(alias);
        } else {
            error = show_next(space, res, &page, to, &slots);
        }
    }
    gm_slots_give_unused(space, &slots);
    return error;
}

void *gm_alias_at(const vm_memory_reservation_t *res, uint64_t page)
{
    const struct gm_backing *backing = res->backing;

    if (backing == NULL || gm_extents_find(&backing->alias, page) == NULL) {
        return NULL;
    }
    return gm_view_address(gm_views_find(&backing->views, page), page);
}

bool gm_alias_part(const struct gm_space *space, const vm_memory_reservation_t *res, uintptr_t gpa,
                   struct gm_seen_part *part, bool *device)
{
    const unsigned bits = gm_arch_frame_bits[0];
    const struct gm_backing *backing = res->backing;
    uintptr_t base = gm_page_base(res);
    uint64_t page = (gpa - base) >> bits;
    const struct gm_extent *alias = backing == NULL ? NULL : gm_extents_find(&backing->alias, page);
    const struct gm_view *view;
    uint64_t from;
    uint64_t to;

    if (alias == NULL) {
        return false;
    }
    view = gm_views_find(&backing->views, page);
    from = view->page > alias->page ? view->page : alias->page;
    to = (uint64_t)view->page + view->pages;
    to = to < gm_extent_end(alias) ? to : gm_extent_end(alias);
    part->base = base + (from << bits) > res->base ? base + (from << bits) : res->base;
    part->last = base + (to << bits) - 1;
    part->last = part->last < gm_last(res) ? part->last : gm_last(res);
    part->item = gm_seen_item(gm_view_address(view, from), base + (from << bits),
                              res->kind == GM_RESERVATION_RAM, view->slot);
    part->generation = gm_generation(space);
    *device = alias->device;
    return true;
}

int gm_alias_sync(struct gm_space *space, const vm_memory_reservation_t *res, uintptr_t base,
                  uintptr_t last)
{
    const unsigned bits = gm_arch_frame_bits[0];
    uintptr_t page_base = gm_page_base(res);

    for (uintptr_t at = base;;) {
        uint64_t page = (at - page_base) >> bits;
        const struct gm_extent *alias = gm_extents_find(&res->backing->alias, page);
        uint64_t index = (page - alias->page) / gm_size_pages(alias->size);
        uintptr_t frame_base =
            page_base + ((alias->page + index * gm_size_pages(alias->size)) << bits);
        uintptr_t frame_last = frame_base + (((uintptr_t)1 << gm_arch_frame_bits[alias->size]) - 1);
        uintptr_t until = last < frame_last ? last : frame_last;
        int error =
            gm_arch_frame_sync(alias->cptr + index, at - frame_base, until - frame_base + 1);

        if (error != 0) {
            return gm_fail(space, GUESTMEM_EKERNEL, "make the guest see new code", error);
        }
        if (until == last) {
            return GUESTMEM_OK;
        }
        at = until + 1;
    }
}

/* Before views of pages [from, to) go: nobody finds them any more, and nobody has them in hand. */
static void hide(struct gm_space *space, const vm_memory_reservation_t *res, uint64_t from,
                 uint64_t to)
{
    const unsigned bits = gm_arch_frame_bits[0];
    uintptr_t base = gm_page_base(res);

    if (gm_extents_free(&res->backing->alias, from, to)) {
        return;
    }
    gm_seen_forget(space, base + (from << bits), base + (to << bits) - 1);
    gm_generation_next(space);
    gm_readers_wait(space);
}

/* Unmap one view and free its cap. */
static void unmap_view(struct gm_space *space, const struct gm_backing *backing,
                       const struct gm_extent *alias, uint64_t page)
{
    void *address = gm_view_address(gm_views_find(&backing->views, page), page);

    vspace_unmap_pages(space->vmm, address, 1, gm_arch_frame_bits[alias->size], VSPACE_PRESERVE);
    gm_slot_clear(space, alias->cptr + (page - alias->page) / gm_size_pages(alias->size));
    space->stats.alias_frames[alias->size]--;
}

/* Unmap the views of an extent that start in pages [from, to). */
static void unmap_views(struct gm_space *space, const struct gm_backing *backing,
                        const struct gm_extent *alias, uint64_t from, uint64_t to)
{
    uint64_t end = gm_extent_end(alias);

    from = from > alias->page ? from : alias->page;
    for (uint64_t page = from; page < end && page < to; page += gm_size_pages(alias->size)) {
        unmap_view(space, backing, alias, page);
    }
}

/* Give back the views that meet pages [from, to) and show nothing any more. */
static void release_views(struct gm_space *space, struct gm_backing *backing, uint64_t from,
                          uint64_t to)
{
    for (size_t i = backing->views.count; i-- > 0;) {
        const struct gm_view *view = &backing->views.at[i];

        if (view->page < to && (uint64_t)view->page + view->pages > from) {
            release_view(space, backing, view->page);
        }
    }
}

/* Unmap and forget views that nobody uses any more. */
static void take_away(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                      uint64_t to)
{
    struct gm_backing *backing = res->backing;
    struct gm_extents *list = &backing->alias;

    for (size_t i = gm_extents_above(list, from); i < list->count && list->at[i].page < to; i++) {
        unmap_views(space, backing, &list->at[i], from, to);
    }
    gm_extents_cut(list, from, to);
    release_views(space, backing, from, to);
}

void gm_alias_remove(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                     uint64_t to)
{
    hide(space, res, from, to);
    take_away(space, res, from, to);
}

/* What is fresh hasn't been noted for others yet. */
void gm_alias_revert(struct gm_space *space, vm_memory_reservation_t *res)
{
    struct gm_extents *list = &res->backing->alias;

    for (size_t i = list->count; i-- > 0;) {
        if (list->at[i].fresh) {
            take_away(space, res, list->at[i].page, gm_extent_end(&list->at[i]));
        }
    }
    gm_extents_join(list);
}

void gm_alias_drop(struct gm_space *space, vm_memory_reservation_t *res)
{
    struct gm_backing *backing = res->backing;

    hide(space, res, 0, gm_page_count(res));
    for (size_t i = 0; i < backing->alias.count; i++) {
        unmap_views(space, backing, &backing->alias.at[i], 0, UINT64_MAX);
    }
    gm_extents_drop(space, &backing->alias);
    gm_views_drop(space, &backing->views);
}

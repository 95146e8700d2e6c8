/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "alias.h"

#include "failure.h"
#include "frames.h"
#include "reservation.h"
#include "view.h"

/* A second cap of one frame, mapped in the VMM. There is room to note it. */
static int make_one(struct gm_space *space, struct gm_backing *backing, const struct gm_extent *frame,
                    uint64_t page)
{
    const struct gm_view *view = gm_views_find(&backing->views, page);
    struct gm_extent copy = {.page = (uint32_t)page, .count = 1, .size = frame->size,
                             .rights = GM_RIGHTS_ALL, .device = frame->device, .owned = 1, .fresh = 1};
    seL4_CPtr original = frame->cptr + (page - frame->page) / gm_size_pages(frame->size);
    int error = gm_slot_copy(space, original, &copy.cptr);

    if (error != GUESTMEM_OK) {
        return error;
    }
    error = vspace_map_pages_at_vaddr(space->vmm, &copy.cptr, NULL, gm_view_address(view, page), 1,
                                      gm_arch_frame_bits[frame->size], (reservation_t){view->reservation});
    if (error != 0) {
        gm_slot_clear(space, copy.cptr);
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

/* Show one frame. */
static int show(struct gm_space *space, vm_memory_reservation_t *res, const struct gm_extent *frame,
                uint64_t page)
{
    struct gm_backing *backing = res->backing;
    int error;

    if (gm_extents_reserve(space, &backing->alias, 1)) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note a view", 0);
    }
    error = gm_view_make(space, res, &backing->views, page, frame->size, frame->device);
    if (error != GUESTMEM_OK) {
        return error;
    }
    error = make_one(space, backing, frame, page);
    if (error != GUESTMEM_OK) {
        release_view(space, backing, page);
    }
    return error;
}

int gm_alias_make(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from, uint64_t to)
{
    struct gm_backing *backing = res->backing;

    for (uint64_t page = from; page < to;) {
        const struct gm_extent *alias = gm_extents_find(&backing->alias, page);
        const struct gm_extent *frame;
        int error;

        if (alias != NULL) {
            page = gm_extent_end(alias);
            continue;
        }
        frame = gm_extents_find(&backing->memory.frames, page);
        page -= (page - frame->page) % gm_size_pages(frame->size);
        error = show(space, res, frame, page);
        if (error != GUESTMEM_OK) {
            return error;
        }
        page += gm_size_pages(frame->size);
    }
    return GUESTMEM_OK;
}

void *gm_alias_at(const vm_memory_reservation_t *res, uint64_t page, uint64_t *behind)
{
    const struct gm_backing *backing = res->backing;
    const struct gm_extent *alias = backing == NULL ? NULL : gm_extents_find(&backing->alias, page);
    const struct gm_view *view;

    if (alias == NULL) {
        return NULL;
    }
    view = gm_views_find(&backing->views, page);
    *behind = (uint64_t)view->page + view->pages;
    *behind = *behind < gm_extent_end(alias) ? *behind : gm_extent_end(alias);
    return gm_view_address(view, page);
}

/* Unmap one view and free its cap. */
static void unmap_view(struct gm_space *space, const struct gm_backing *backing,
                       const struct gm_extent *alias, uint64_t page)
{
    void *address = gm_view_address(gm_views_find(&backing->views, page), page);

    vspace_unmap_pages(space->vmm, address, 1, gm_arch_frame_bits[alias->size], VSPACE_PRESERVE);
    gm_slot_clear(space, alias->cptr + (page - alias->page) / gm_size_pages(alias->size));
    space->stats.alias_frames[alias->size]--;
    space->removals++;
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
static void release_views(struct gm_space *space, struct gm_backing *backing, uint64_t from, uint64_t to)
{
    for (size_t i = backing->views.count; i-- > 0;) {
        const struct gm_view *view = &backing->views.at[i];

        if (view->page < to && (uint64_t)view->page + view->pages > from) {
            release_view(space, backing, view->page);
        }
    }
}

void gm_alias_remove(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from, uint64_t to)
{
    struct gm_backing *backing = res->backing;
    struct gm_extents *list = &backing->alias;

    for (size_t i = gm_extents_above(list, from); i < list->count && list->at[i].page < to; i++) {
        unmap_views(space, backing, &list->at[i], from, to);
    }
    gm_extents_cut(list, from, to);
    release_views(space, backing, from, to);
}

void gm_alias_revert(struct gm_space *space, vm_memory_reservation_t *res)
{
    struct gm_extents *list = &res->backing->alias;

    for (size_t i = list->count; i-- > 0;) {
        if (list->at[i].fresh) {
            gm_alias_remove(space, res, list->at[i].page, gm_extent_end(&list->at[i]));
        }
    }
    gm_extents_join(list);
}

void gm_alias_drop(struct gm_space *space, vm_memory_reservation_t *res)
{
    struct gm_backing *backing = res->backing;

    for (size_t i = 0; i < backing->alias.count; i++) {
        unmap_views(space, backing, &backing->alias.at[i], 0, UINT64_MAX);
    }
    gm_extents_drop(space, &backing->alias);
    gm_views_drop(space, &backing->views);
}

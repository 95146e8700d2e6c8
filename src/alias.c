/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "alias.h"

#include "failure.h"
#include "frames.h"
#include "reservation.h"

static uint64_t page_bytes(uint64_t pages)
{
    return pages << gm_arch_frame_bits[0];
}

/* Index of the largest frame size that the reservation has room for, which its view is aligned to. */
static unsigned alignment_of(const vm_memory_reservation_t *res)
{
    uintptr_t base = gm_page_base(res);
    uintptr_t last = base + (page_bytes(gm_page_count(res)) - 1);
    unsigned size = GM_ARCH_SIZE_COUNT - 1;

    for (; size > 0; size--) {
        uintptr_t mask = ((uintptr_t)1 << gm_arch_frame_bits[size]) - 1;
        uintptr_t first = (base + mask) & ~mask;

        if (first <= last && last - first >= mask) {
            break;
        }
    }
    return size;
}

/* Set aside where the VMM will see the whole reservation, each page as aligned as in the guest. */
static int reserve_view(struct gm_space *space, vm_memory_reservation_t *res, bool device)
{
    unsigned bits = gm_arch_frame_bits[alignment_of(res)];
    uintptr_t skew = gm_page_base(res) & (((uintptr_t)1 << bits) - 1);
    void *view = NULL;
    reservation_t reservation =
        vspace_reserve_range_aligned(space->vmm, skew + page_bytes(gm_page_count(res)), bits, seL4_AllRights,
                                     !device, &view);

    if (reservation.res == NULL) {
        return gm_fail(space, GUESTMEM_EVMM, "find room for a view in the VMM", 0);
    }
    res->backing->alias_reservation = reservation.res;
    res->backing->alias_base = (uintptr_t)view + skew;
    return GUESTMEM_OK;
}

static void release_view(struct gm_space *space, struct gm_backing *backing)
{
    if (backing->alias.count == 0 && backing->alias_reservation != NULL) {
        vspace_free_reservation(space->vmm, (reservation_t){backing->alias_reservation});
        backing->alias_reservation = NULL;
        backing->alias_base = 0;
    }
}

static void *view_of(const struct gm_backing *backing, uint64_t page)
{
    return (void *)(backing->alias_base + page_bytes(page));
}

/* A second cap of one frame, mapped in the VMM. There is room to note it. */
static int make_one(struct gm_space *space, struct gm_backing *backing, const struct gm_extent *frame,
                    uint64_t page)
{
    struct gm_extent copy = {.page = (uint32_t)page, .count = 1, .size = frame->size,
                             .rights = GM_RIGHTS_ALL, .device = frame->device, .owned = 1, .fresh = 1};
    seL4_CPtr original = frame->cptr + (page - frame->page) / gm_size_pages(frame->size);
    int error = gm_slot_copy(space, original, &copy.cptr);

    if (error != GUESTMEM_OK) {
        return error;
    }
    error = vspace_map_pages_at_vaddr(space->vmm, &copy.cptr, NULL, view_of(backing, page), 1,
                                      gm_arch_frame_bits[frame->size],
                                      (reservation_t){backing->alias_reservation});
    if (error != 0) {
        gm_slot_clear(space, copy.cptr);
        return gm_fail(space, GUESTMEM_EVMM, "map a view in the VMM", error);
    }
    gm_extents_insert(&backing->alias, copy);
    space->stats.alias_frames[frame->size]++;
    return GUESTMEM_OK;
}

static int make_missing(struct gm_space *space, struct gm_backing *backing, const struct gm_extent *frame,
                        uint64_t page)
{
    if (gm_extents_reserve(space, &backing->alias, 1)) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note a view", 0);
    }
    return make_one(space, backing, frame, page);
}

int gm_alias_make(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from, uint64_t to)
{
    struct gm_backing *backing = res->backing;

    for (uint64_t page = from; page < to;) {
        const struct gm_extent *alias = gm_extents_find(&backing->alias, page);
        const struct gm_extent *frame = gm_extents_find(&backing->memory.frames, page);
        int error = GUESTMEM_OK;

        if (alias != NULL) {
            page = gm_extent_end(alias);
            continue;
        }
        page -= (page - frame->page) % gm_size_pages(frame->size);
        if (backing->alias_reservation == NULL) {
            error = reserve_view(space, res, frame->device);
        }
        if (error == GUESTMEM_OK) {
            error = make_missing(space, backing, frame, page);
        }
        if (error != GUESTMEM_OK) {
            release_view(space, backing);
            return error;
        }
        page += gm_size_pages(frame->size);
    }
    return GUESTMEM_OK;
}

void *gm_alias_at(const vm_memory_reservation_t *res, uint64_t page)
{
    const struct gm_backing *backing = res->backing;

    return backing != NULL && gm_extents_find(&backing->alias, page) != NULL ? view_of(backing, page) : NULL;
}

/* Unmap `count` views of an extent, from its `first` on, and free their caps. */
static void unmap_views(struct gm_space *space, const struct gm_backing *backing,
                        const struct gm_extent *alias, uint64_t first, uint64_t count)
{
    space->removals++;
    vspace_unmap_pages(space->vmm, view_of(backing, alias->page + first * gm_size_pages(alias->size)), count,
                       gm_arch_frame_bits[alias->size], VSPACE_PRESERVE);
    for (uint64_t i = first; i < first + count; i++) {
        gm_slot_clear(space, alias->cptr + i);
    }
    space->stats.alias_frames[alias->size] -= count;
}

void gm_alias_remove(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from, uint64_t to)
{
    struct gm_backing *backing = res->backing;
    struct gm_extents *list = &backing->alias;

    for (size_t i = gm_extents_above(list, from); i < list->count && list->at[i].page < to; i++) {
        const struct gm_extent *alias = &list->at[i];
        uint64_t pages = gm_size_pages(alias->size);
        uint64_t first = from > alias->page ? (from - alias->page) / pages : 0;
        uint64_t end = gm_extent_end(alias) < to ? gm_extent_end(alias) : to;

        unmap_views(space, backing, alias, first, (end - alias->page) / pages - first);
    }
    if (list->count > 0) {
        gm_extents_cut(list, from, to);
    }
    release_view(space, backing);
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
        unmap_views(space, backing, &backing->alias.at[i], 0, backing->alias.at[i].count);
    }
    gm_extents_drop(space, &backing->alias);
    release_view(space, backing);
}

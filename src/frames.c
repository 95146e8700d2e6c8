/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames in general: taking by kind of source, giving back, merging. Where memory comes from is in
 * frames_memory.c, what callers bring in frames_given.c.
 */
#include "frames.h"

#include "failure.h"
#include "frames_sources.h"
#include "holding.h"
#include "space.h"

int gm_frames_take(struct gm_space *space, struct vm_memory_reservation *res,
                   const struct gm_source *source, uint64_t from, uint64_t to,
                   struct gm_memory *load)
{
    bool given = source->kind == GM_SOURCE_ITERATOR || source->kind == GM_SOURCE_ARRAY;
    int error = given ? gm_given_take(space, res, source, from, to, load)
                      : gm_memory_take(space, res, source, from, to, load);

    if (error != GUESTMEM_OK) {
        gm_frames_give(space, source, load);
    }
    return error;
}

int gm_frames_take_one(struct gm_space *space, struct vm_memory_reservation *res,
                       const struct gm_source *source, const struct gm_extents *present,
                       uint64_t page, struct gm_memory *load)
{
    bool given = source->kind == GM_SOURCE_ITERATOR || source->kind == GM_SOURCE_ARRAY;

    return given ? gm_given_take_one(space, res, source, present, page, load)
                 : gm_memory_take_one(space, res, source, present, page, load);
}

static void release(struct gm_space *space, const struct gm_source *source,
                    const struct gm_extent *extent)
{
    for (uint32_t i = 0; source->release != NULL && i < extent->count; i++) {
        source->release(space->vm, extent->cptr + i, gm_arch_frame_bits[extent->size],
                        source->cookie);
    }
}

/* All children of each untyped go in one call, the single frames one by one, and with them the
 * copies that others hold: the memory goes back and may be another guest's next. */
static void delete_frames(struct gm_space *space, struct gm_memory *memory)
{
    for (size_t i = 0; i < memory->untypeds.count; i++) {
        gm_slot_revoke(space, memory->untypeds.at[i].cptr);
    }
    for (size_t i = 0; i < memory->singles.count; i++) {
        const struct gm_holding *holding = &memory->singles.at[i];

        if (holding->kind == GM_HOLDING_FRAME || holding->kind == GM_HOLDING_BOOT) {
            gm_slot_revoke(space, holding->cptr);
            gm_slot_empty(space, holding->cptr);
        }
    }
}

static void drop_holdings(struct gm_space *space, struct gm_holdings *list)
{
    for (size_t i = 0; i < list->count; i++) {
        gm_holding_give(space, &list->at[i]);
    }
    list->count = 0;
    gm_room_drop(space, &list->room, &list->at, sizeof(list->at[0]));
}

void gm_frames_give(struct gm_space *space, const struct gm_source *source,
                    struct gm_memory *memory)
{
    delete_frames(space, memory);
    for (size_t i = 0; i < memory->frames.count; i++) {
        const struct gm_extent *extent = &memory->frames.at[i];

        for (uint32_t f = 0; extent->owned && !extent->lent && f < extent->count; f++) {
            gm_slot_give(space, extent->cptr + f);
        }
        if (!extent->owned) {
            release(space, source, extent);
        }
    }
    gm_extents_drop(space, &memory->frames);
    drop_holdings(space, &memory->untypeds);
    drop_holdings(space, &memory->singles);
}

/* Give one owned frame back, and what held it with the last of its frames. */
static void give_frame(struct gm_space *space, struct gm_memory *memory, seL4_CPtr frame,
                       uint64_t page)
{
    struct gm_holdings *list = &memory->singles;
    struct gm_holding *holding = gm_holdings_at(list, page);
    struct gm_holding last;

    if (holding == NULL) {
        list = &memory->untypeds;
        holding = gm_holdings_below(list, page);
    }
    if (holding->kind != GM_HOLDING_LENT) {
        gm_slot_revoke(space, frame);
        gm_slot_clear(space, frame);
    }
    holding->live--;
    if (holding->live == 0) {
        last = *holding;
        gm_holdings_remove(list, holding);
        gm_holding_give(space, &last);
    }
}

void gm_frames_give_part(struct gm_space *space, const struct gm_source *source,
                         struct gm_memory *memory, uint64_t from, uint64_t to)
{
    uint64_t page = from;

    for (size_t i = gm_extents_above(&memory->frames, from); i < memory->frames.count; i++) {
        const struct gm_extent *extent = &memory->frames.at[i];
        uint64_t end = gm_extent_end(extent);
        uint64_t pages = gm_size_pages(extent->size);

        for (page = page < extent->page ? extent->page : page; page < end && page < to;
             page += pages) {
            struct gm_extent one = *extent;

            one.cptr += (page - extent->page) / pages;
            one.count = 1;
            if (extent->owned) {
                give_frame(space, memory, one.cptr, page);
            } else {
                release(space, source, &one);
            }
        }
        if (page >= to) {
            break;
        }
    }
    gm_extents_cut(&memory->frames, from, to);
}

int gm_frames_make_room(struct gm_space *space, const struct gm_memory *load,
                        struct gm_memory *memory)
{
    if (gm_extents_reserve(space, &memory->frames, load->frames.count) ||
        gm_holdings_reserve(space, &memory->singles, load->singles.count)) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note the frames", 0);
    }
    return GUESTMEM_OK;
}

static void merge_holdings(struct gm_space *space, struct gm_holdings *from, struct gm_holdings *to)
{
    for (size_t i = 0; i < from->count; i++) {
        gm_holdings_insert(to, from->at[i]);
    }
    from->count = 0;
    gm_room_drop(space, &from->room, &from->at, sizeof(from->at[0]));
}

void gm_frames_merge(struct gm_space *space, struct gm_memory *load, struct gm_memory *memory)
{
    for (size_t i = 0; i < load->frames.count; i++) {
        gm_extents_insert(&memory->frames, load->frames.at[i]);
    }
    gm_extents_drop(space, &load->frames);
    merge_holdings(space, &load->singles, &memory->singles);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "backing.h"

#include <string.h>

#include "alias.h"
#include "failure.h"
#include "reservation.h"
#include "stage2.h"

static struct gm_backing *new_backing(struct gm_space *space, const struct gm_source *source)
{
    struct gm_backing *backing = gm_alloc(space, sizeof(*backing));

    if (backing == NULL) {
        gm_fail(space, GUESTMEM_ENOMEM, "make the backing", 0);
        return NULL;
    }
    memset(backing, 0, sizeof(*backing));
    backing->source = *source;
    backing->memory.frames.at = &backing->first_frames;
    backing->memory.frames.room = (struct gm_room){.capacity = 1, .lent = &backing->first_frames};
    backing->memory.singles.at = &backing->first_single;
    backing->memory.singles.room = (struct gm_room){.capacity = 1, .lent = &backing->first_single};
    backing->alias.at = &backing->first_alias;
    backing->alias.room = (struct gm_room){.capacity = 1, .lent = &backing->first_alias};
    backing->views.at = &backing->first_view;
    backing->views.room = (struct gm_room){.capacity = 1, .lent = &backing->first_view};
    return backing;
}

/* While population is lazy the caller's array must outlive the call: keep a copy. */
static int keep_array(struct gm_space *space, struct gm_source *source)
{
    size_t bytes = source->array_count * sizeof(source->array[0]);
    seL4_CPtr *copy;

    if (source->kind != GM_SOURCE_ARRAY) {
        return GUESTMEM_OK;
    }
    copy = gm_alloc(space, bytes);
    if (copy == NULL) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note the caller's frames", 0);
    }
    memcpy(copy, source->array, bytes);
    source->array = copy;
    return GUESTMEM_OK;
}

static int check_backable(struct gm_space *space, vm_memory_reservation_t *res)
{
    if (res->backing != NULL) {
        return gm_fail(space, GUESTMEM_EMAPPED, "back the reservation", 0);
    }
    if (res->taking) {
        return gm_fail(space, GUESTMEM_EBUSY, "back the reservation from inside its own iterator",
                       0);
    }
    return gm_reservation_check_alone(space, res);
}

/* While frames are taken the caller's iterator runs, and may call us: it must find the reservation
 * taken, and can't free it or the VM's memory. */
static void start_taking(struct gm_space *space, vm_memory_reservation_t *res)
{
    res->taking = 1;
    res->busy++;
    space->busy++;
    space->taking++;
}

static void end_taking(struct gm_space *space, vm_memory_reservation_t *res)
{
    res->taking = 0;
    res->busy--;
    space->busy--;
    space->taking--;
}

static int make_lazy(struct gm_space *space, vm_memory_reservation_t *res,
                     const struct gm_source *source)
{
    struct gm_backing *backing = new_backing(space, source);
    int error;

    if (backing == NULL) {
        return GUESTMEM_ENOMEM;
    }
    error = keep_array(space, &backing->source);
    if (error != GUESTMEM_OK) {
        gm_free(space, backing, sizeof(*backing));
        return error;
    }
    gm_reservation_set_backing(res, backing, true);
    return GUESTMEM_OK;
}

static int make_now(struct gm_space *space, vm_memory_reservation_t *res,
                    const struct gm_source *source)
{
    struct gm_backing *backing = new_backing(space, source);
    uintptr_t base = gm_page_base(res);
    int error;

    if (backing == NULL) {
        return GUESTMEM_ENOMEM;
    }
    error = gm_frames_take(space, res, source, 0, gm_page_count(res), &backing->memory);
    if (error != GUESTMEM_OK) {
        goto drop_backing;
    }
    error = gm_stage2_prepare(space, base, &backing->memory.frames);
    if (error != GUESTMEM_OK) {
        goto give_frames;
    }
    error = gm_stage2_commit(space, base, &backing->memory.frames);
    if (error != GUESTMEM_OK) {
        goto give_frames;
    }
    if (source->kind == GM_SOURCE_ITERATOR || source->kind == GM_SOURCE_ARRAY) {
        backing->source.kind = GM_SOURCE_NONE; /* array and cookie may not outlive this call */
        backing->source.array = NULL;
    }
    gm_reservation_set_backing(res, backing, false);
    return GUESTMEM_OK;

give_frames:
    gm_frames_give(space, source, &backing->memory);
drop_backing:
    gm_free(space, backing, sizeof(*backing));
    return error;
}

int gm_backing_make(struct gm_space *space, vm_memory_reservation_t *res,
                    const struct gm_source *source, bool now)
{
    int error = check_backable(space, res);

    if (error != GUESTMEM_OK) {
        return error;
    }
    start_taking(space, res);
    error = now ? make_now(space, res, source) : make_lazy(space, res, source);
    end_taking(space, res);
    return error;
}

int gm_backing_make_by_policy(struct gm_space *space, vm_memory_reservation_t *res,
                              const struct gm_source *source)
{
    bool fixed = source->kind == GM_SOURCE_ADDRESS; /* somebody else might take what it waits for */

    return gm_backing_make(space, res, source,
                           fixed || res->policy.populate == GUESTMEM_POPULATE_EAGER);
}

int gm_backing_make_empty(struct gm_space *space, vm_memory_reservation_t *res)
{
    static const struct gm_source none = {.kind = GM_SOURCE_NONE};

    return make_lazy(space, res, &none);
}

static int map_load(struct gm_space *space, vm_memory_reservation_t *res, struct gm_memory *load)
{
    uintptr_t base = gm_page_base(res);
    int error = gm_frames_make_room(space, load, &res->backing->memory);

    if (error == GUESTMEM_OK) {
        error = gm_stage2_prepare(space, base, &load->frames);
    }
    if (error == GUESTMEM_OK) {
        error = gm_stage2_commit(space, base, &load->frames);
    }
    return error;
}

int gm_backing_add(struct gm_space *space, vm_memory_reservation_t *res, struct gm_memory *load)
{
    int error = map_load(space, res, load);

    if (error == GUESTMEM_OK) {
        gm_frames_merge(space, load, &res->backing->memory);
    }
    return error;
}

void gm_backing_drop(struct gm_space *space, vm_memory_reservation_t *res)
{
    struct gm_backing *backing = res->backing;
    uintptr_t base = gm_page_base(res);
    uint64_t pages = gm_page_count(res);

    if (backing == NULL) {
        return;
    }
    gm_alias_drop(space, res);
    gm_stage2_uncount(space, base, &backing->memory.frames, 0, pages);
    gm_stage2_unmap(space, &backing->memory.frames, 0, pages);
    gm_frames_give(space, &backing->source, &backing->memory);
    gm_extents_drop(space, &backing->refused);
    gm_stage2_prune(space, base, 0, pages);
    gm_free(space, backing->source.array,
            backing->source.array_count * sizeof(backing->source.array[0]));
    gm_free(space, backing, sizeof(*backing));
    gm_reservation_set_backing(res, NULL, false);
}

bool gm_backing_is_lazy_at(const vm_memory_reservation_t *res, uint64_t page)
{
    const struct gm_backing *backing = res->backing;

    return backing != NULL && backing->source.kind != GM_SOURCE_NONE &&
           gm_extents_find(&backing->memory.frames, page) == NULL &&
           gm_extents_find(&backing->refused, page) == NULL;
}

/* Take what is missing of pages [from, to), one largest frame after the other. */
static int take_missing(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                        uint64_t to, struct gm_memory *load)
{
    struct gm_extents *present = &res->backing->memory.frames;

    for (uint64_t page = from; page < to;) {
        const struct gm_extent *extent = gm_extents_find(present, page);
        int error;

        extent = extent != NULL ? extent : gm_extents_find(&load->frames, page);
        if (extent != NULL) {
            page = gm_extent_end(extent);
            continue;
        }
        if (!gm_backing_is_lazy_at(res, page)) {
            return gm_fail(space, GUESTMEM_EUNMAPPED, "populate pages that were discarded", 0);
        }
        error = gm_frames_take_one(space, res, &res->backing->source, present, page, load);
        if (error != GUESTMEM_OK) {
            return error;
        }
    }
    return GUESTMEM_OK;
}

int gm_backing_populate(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                        uint64_t to, bool fresh)
{
    struct gm_memory load = {0};
    int error;

    if (res->backing == NULL) {
        return gm_fail(space, GUESTMEM_EUNMAPPED, "populate a range that is not backed", 0);
    }
    if (res->taking) {
        return gm_fail(space, GUESTMEM_EBUSY,
                       "populate the reservation from inside its own iterator", 0);
    }
    start_taking(space, res);
    error = take_missing(space, res, from, to, &load);
    if (error == GUESTMEM_OK) {
        error = map_load(space, res, &load);
    }
    end_taking(space, res);
    if (error != GUESTMEM_OK) {
        gm_frames_give(space, &res->backing->source, &load);
        return error;
    }
    for (size_t i = 0; i < load.frames.count; i++) {
        load.frames.at[i].fresh = fresh;
    }
    gm_frames_merge(space, &load, &res->backing->memory);
    res->populated = 1;
    return GUESTMEM_OK;
}

/* The first page of [page, to) that a use would populate and no frame of `load` covers; or `to`. */
static uint64_t next_lazy(const vm_memory_reservation_t *res, const struct gm_memory *load,
                          uint64_t page, uint64_t to)
{
    const struct gm_extents *lists[] = {&res->backing->memory.frames, &res->backing->refused,
                                        &load->frames};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]) && page < to; i++) {
        const struct gm_extent *extent = gm_extents_find(lists[i], page);

        if (extent != NULL) {
            page = gm_extent_end(extent);
            i = (size_t)-1; /* all of them again, from there */
        }
    }
    return page < to ? page : to;
}

/* Populate what of pages [from, to) is lazy, until something is short; mapped all or not at all. */
static void populate_neighbours(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                                uint64_t to)
{
    const struct gm_source *source = &res->backing->source;
    const bool outermost = space->taking == 0;
    struct gm_memory load = {0};
    uint64_t page = next_lazy(res, &load, from, to);
    int error;

    if (page == to) {
        return;
    }
    if (outermost) {
        gm_room_settle(space); /* what the access needed stays, come what may */
    }
    start_taking(space, res);
    while (page < to && gm_frames_take_one(space, res, source, &res->backing->memory.frames, page,
                                           &load) == GUESTMEM_OK) {
        page = next_lazy(res, &load, page, to);
    }
    error = map_load(space, res, &load);
    end_taking(space, res);
    if (error != GUESTMEM_OK) {
        gm_frames_give(space, source, &load);
        if (outermost) {
            gm_room_revert(space);
        }
        return;
    }
    for (size_t i = 0; i < load.frames.count; i++) {
        space->stats.frames_around += load.frames.at[i].count;
    }
    gm_frames_merge(space, &load, &res->backing->memory);
}

int gm_backing_populate_at_access(struct gm_space *space, vm_memory_reservation_t *res,
                                  uint64_t from, uint64_t to)
{
    unsigned bits = res->policy.populate_around_bits;
    uint64_t first = gm_page_base(res) >> gm_arch_frame_bits[0];
    uint64_t mask = bits == 0 ? 0 : ((uint64_t)1 << (bits - gm_arch_frame_bits[0])) - 1;
    int error = gm_backing_populate(space, res, from, to, false);

    if (error != GUESTMEM_OK) {
        space->stats.faults_failed++;
        return error;
    }
    space->stats.faults_populated++;
    if (bits == 0 || res->backing->source.kind == GM_SOURCE_ITERATOR) {
        return GUESTMEM_OK;
    }
    from = (first + from) & ~mask;
    to = ((first + to - 1) | mask) + 1 - first;
    populate_neighbours(space, res, from > first ? from - first : 0,
                        to < gm_page_count(res) ? to : gm_page_count(res));
    return GUESTMEM_OK;
}

void gm_backing_settle(vm_memory_reservation_t *res)
{
    struct gm_extents *lists[] = {&res->backing->memory.frames, &res->backing->alias};

    for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++) {
        for (size_t i = 0; i < lists[l]->count; i++) {
            lists[l]->at[i].fresh = 0;
        }
        gm_extents_join(lists[l]);
    }
}

void gm_backing_revert(struct gm_space *space, vm_memory_reservation_t *res)
{
    struct gm_extents *frames = &res->backing->memory.frames;

    gm_alias_revert(space, res);
    for (size_t i = frames->count; i-- > 0;) {
        if (frames->at[i].fresh) {
            gm_backing_remove(space, res, frames->at[i].page, gm_extent_end(&frames->at[i]));
        }
    }
    gm_extents_join(frames);
}

/*
 * Memory at a given address comes only from the allocator, which has it again when the whole
 * untyped that it was taken as is unused: whether pages [from, to) cut one in two.
 */
static bool cuts_fixed(const struct gm_backing *backing, uint64_t from, uint64_t to)
{
    const struct gm_holdings *untypeds = &backing->memory.untypeds;

    for (size_t i = 0; backing->source.kind == GM_SOURCE_ADDRESS && i < untypeds->count; i++) {
        uint64_t page = untypeds->at[i].page;
        uint64_t end = page + ((uint64_t)1 << (untypeds->at[i].bits - gm_arch_frame_bits[0]));

        if (page < to && end > from && (page < from || end > to)) {
            return true;
        }
    }
    return false;
}

int gm_backing_may_discard(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                           uint64_t to)
{
    struct gm_extents *frames = &res->backing->memory.frames;

    if (!gm_extents_edge(frames, from) || !gm_extents_edge(frames, to)) {
        return gm_fail(space, GUESTMEM_EGRAIN, "cut the range out", 0);
    }
    if (cuts_fixed(res->backing, from, to)) {
        return gm_fail(space, GUESTMEM_EGRAIN, "cut out part of an untyped at a given address", 0);
    }
    if (gm_extents_reserve(space, frames, 1) ||
        gm_extents_reserve(space, &res->backing->alias, 1) ||
        (res->policy.discarded == GUESTMEM_DISCARDED_REFUSES &&
         gm_extents_reserve_pages(space, &res->backing->refused, from, to))) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note what is left", 0);
    }
    return GUESTMEM_OK;
}

void gm_backing_discard(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                        uint64_t to)
{
    gm_reservation_set_backing(res, res->backing, true);
    gm_backing_remove(space, res, from, to);
    if (res->policy.discarded == GUESTMEM_DISCARDED_REFUSES) {
        gm_extents_note_pages(&res->backing->refused, from, to);
    }
}

void gm_backing_remove(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                       uint64_t to)
{
    struct gm_backing *backing = res->backing;
    uintptr_t base = gm_page_base(res);

    gm_alias_remove(space, res, from, to);
    gm_stage2_uncount(space, base, &backing->memory.frames, from, to);
    gm_stage2_unmap(space, &backing->memory.frames, from, to);
    gm_frames_give_part(space, &backing->source, &backing->memory, from, to);
    gm_stage2_prune(space, base, from, to);
}

void gm_backing_forget(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                       uint64_t to)
{
    struct gm_extents *frames = &res->backing->memory.frames;
    uintptr_t base = gm_page_base(res);

    gm_stage2_uncount(space, base, frames, from, to);
    gm_extents_cut(frames, from, to);
    gm_stage2_prune(space, base, from, to);
}

void gm_backing_forget_given(struct gm_space *space, vm_memory_reservation_t *res)
{
    struct gm_memory *memory = &res->backing->memory;
    size_t kept = 0;

    for (size_t i = memory->frames.count; i-- > 0;) {
        if (!memory->frames.at[i].owned) {
            gm_backing_forget(space, res, memory->frames.at[i].page,
                              gm_extent_end(&memory->frames.at[i]));
        }
    }
    for (size_t i = 0; i < memory->singles.count; i++) {
        if (memory->singles.at[i].kind != GM_HOLDING_COOKIE) {
            memory->singles.at[kept++] = memory->singles.at[i];
        }
    }
    memory->singles.count = kept;
}

/* Whether frames cover pages [from, to) without a gap. */
static bool is_covered(const struct gm_extents *frames, uint64_t from, uint64_t to)
{
    while (from < to) {
        const struct gm_extent *extent = gm_extents_find(frames, from);

        if (extent == NULL) {
            return false;
        }
        from = gm_extent_end(extent);
    }
    return true;
}

int gm_backing_set_rights(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                          uint64_t to, unsigned rights)
{
    struct gm_extents *frames = res->backing == NULL ? NULL : &res->backing->memory.frames;
    int error;

    if (frames == NULL || !is_covered(frames, from, to)) {
        return gm_fail(space, GUESTMEM_EUNMAPPED, "change the rights of a range that is not mapped",
                       0);
    }
    if (!gm_extents_edge(frames, from) || !gm_extents_edge(frames, to)) {
        return gm_fail(space, GUESTMEM_EGRAIN, "change the rights of part of a frame", 0);
    }
    if (gm_extents_reserve(space, frames, 2)) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note the rights", 0);
    }
    error = gm_stage2_set_rights(space, gm_page_base(res), frames, from, to, rights);
    if (error != GUESTMEM_OK) {
        return error;
    }
    gm_extents_split(frames, from);
    gm_extents_split(frames, to);
    for (size_t i = gm_extents_above(frames, from); i < frames->count && frames->at[i].page < to;
         i++) {
        frames->at[i].rights = rights & GM_RIGHTS_ALL;
    }
    gm_extents_join(frames);
    return GUESTMEM_OK;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "stage2.h"

#include <string.h>

#include "failure.h"
#include "space.h"

enum { FIRST_CAPACITY = 4 };

static uintptr_t table_base(unsigned level, uintptr_t gpa)
{
    return gpa & ~(((uintptr_t)1 << gm_arch_table_bits(level)) - 1);
}

static uintptr_t gpa_of(uintptr_t base, uint64_t page)
{
    return base + (page << gm_arch_frame_bits[0]);
}

/* Index of the first table whose base is at or above `base`. */
static size_t first_at(const struct gm_tables *tables, uintptr_t base)
{
    size_t low = 0;
    size_t high = tables->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (tables->at[middle].base < base) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The table of a level that covers gpa, or NULL. */
static struct gm_table *find(struct gm_space *space, unsigned level, uintptr_t gpa)
{
    struct gm_tables *tables = &space->tables[level];
    uintptr_t base = table_base(level, gpa);
    size_t at = first_at(tables, base);

    return at < tables->count && tables->at[at].base == base ? &tables->at[at] : NULL;
}

/* The same of a table that is there, since something is counted in it. */
static struct gm_table *find_counted(struct gm_space *space, unsigned level, uintptr_t gpa)
{
    struct gm_tables *tables = &space->tables[level];

    return &tables->at[first_at(tables, table_base(level, gpa))];
}

/* The table above, or none: the root. */
static void count_in_parent(struct gm_space *space, unsigned level, uintptr_t gpa, int change)
{
    if (level + 1 < GM_ARCH_LEVEL_COUNT) {
        find_counted(space, level + 1, gpa)->used += (uint32_t)change;
    }
}

static int take_table(struct gm_space *space, vka_object_t *table)
{
    cspacepath_t path;
    int error = gm_slot_take(space, &path);

    if (error != GUESTMEM_OK) {
        return error;
    }
    table->cptr = path.capPtr;
    error = vka_utspace_alloc(space->vka, &path, seL4_ARM_PageTableObject, seL4_PageTableBits,
                              &table->ut);
    if (error != 0) {
        gm_slot_give(space, path.capPtr);
        return gm_fail(space, GUESTMEM_ENOTABLE, "take a page table from the allocator", error);
    }
    return GUESTMEM_OK;
}

static void give_table(struct gm_space *space, const vka_object_t *table)
{
    gm_slot_clear(space, table->cptr);
    vka_utspace_free(space->vka, seL4_ARM_PageTableObject, seL4_PageTableBits, table->ut);
}

static int add_table(struct gm_space *space, unsigned level, uintptr_t base)
{
    struct gm_tables *tables = &space->tables[level];
    vka_object_t object;
    size_t at;
    int error;

    if (gm_room_reserve(space, &tables->room, &tables->at, &tables->count, sizeof(tables->at[0]),
                        tables->count + 1, FIRST_CAPACITY)) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note a page table", 0);
    }
    error = take_table(space, &object);
    if (error != GUESTMEM_OK) {
        return error;
    }
    error = gm_arch_table_map(object.cptr, space->root, base);
    if (error != 0) {
        give_table(space, &object);
        return gm_fail(space, GUESTMEM_EKERNEL, "map a page table", error);
    }
    at = first_at(tables, base);
    memmove(&tables->at[at + 1], &tables->at[at], (tables->count - at) * sizeof(tables->at[0]));
    tables->at[at] = (struct gm_table){base, object.cptr, object.ut, 0};
    tables->count++;
    space->stats.tables++;
    count_in_parent(space, level, base, 1);
    return GUESTMEM_OK;
}

static void remove_table(struct gm_space *space, unsigned level, size_t at)
{
    struct gm_tables *tables = &space->tables[level];
    struct gm_table table = tables->at[at];
    vka_object_t object = {.cptr = table.cptr, .ut = table.ut};

    gm_arch_table_unmap(table.cptr);
    give_table(space, &object);
    tables->count--;
    memmove(&tables->at[at], &tables->at[at + 1], (tables->count - at) * sizeof(tables->at[0]));
    if (tables->count == 0) {
        gm_room_drop(space, &tables->room, &tables->at, sizeof(tables->at[0]));
    }
    space->stats.tables--;
    count_in_parent(space, level, table.base, -1);
}

/* Give back the tables of [gpa, last] that nothing uses, the lowest level first. */
static void prune(struct gm_space *space, uintptr_t gpa, uintptr_t last)
{
    for (unsigned level = 0; level < GM_ARCH_LEVEL_COUNT; level++) {
        struct gm_tables *tables = &space->tables[level];
        size_t low = first_at(tables, table_base(level, gpa));
        size_t at = low;

        while (at < tables->count && tables->at[at].base <= last) {
            at++;
        }
        while (at-- > low) {
            if (tables->at[at].used == 0) {
                remove_table(space, level, at);
            }
        }
    }
}

/* The tables for a run of leaves, the highest level first. */
static int prepare_run(struct gm_space *space, uintptr_t gpa, uintptr_t last, unsigned size)
{
    for (unsigned level = GM_ARCH_LEVEL_COUNT; level-- > size;) {
        uintptr_t step = (uintptr_t)1 << gm_arch_table_bits(level);

        for (uintptr_t base = table_base(level, gpa); base <= last; base += step) {
            int error =
                find(space, level, base) != NULL ? GUESTMEM_OK : add_table(space, level, base);

            if (error != GUESTMEM_OK) {
                return error;
            }
        }
    }
    return GUESTMEM_OK;
}

static uintptr_t last_of(uintptr_t base, const struct gm_extents *frames)
{
    return gpa_of(base, gm_extent_end(&frames->at[frames->count - 1])) - 1;
}

void gm_stage2_abandon(struct gm_space *space, uintptr_t base, const struct gm_extents *frames)
{
    if (frames->count > 0) {
        prune(space, gpa_of(base, frames->at[0].page), last_of(base, frames));
    }
}

int gm_stage2_prepare(struct gm_space *space, uintptr_t base, const struct gm_extents *frames)
{
    for (size_t i = 0; i < frames->count; i++) {
        const struct gm_extent *extent = &frames->at[i];
        int error = prepare_run(space, gpa_of(base, extent->page),
                                gpa_of(base, gm_extent_end(extent)) - 1, extent->size);

        if (error != GUESTMEM_OK) {
            gm_stage2_abandon(space, base, frames);
            return error;
        }
    }
    return GUESTMEM_OK;
}

/* Count `count` leaves from gpa on in or out of the tables that hold them. */
static void count_leaves(struct gm_space *space, unsigned size, uintptr_t gpa, uint64_t count,
                         bool in)
{
    unsigned bits;

    if (size >= GM_ARCH_LEVEL_COUNT) {
        return; /* the root holds them */
    }
    bits = gm_arch_frame_bits[size];
    while (count > 0) {
        uintptr_t behind = table_base(size, gpa) + ((uintptr_t)1 << gm_arch_table_bits(size));
        uint64_t here = (behind - gpa) >> bits;

        here = here < count ? here : count;
        find_counted(space, size, gpa)->used += (uint32_t)(in ? here : 0 - here);
        gpa += here << bits;
        count -= here;
    }
}

/* Map the frames of one extent; `done` says how many it were. */
static int map_run(struct gm_space *space, uintptr_t gpa, const struct gm_extent *extent,
                   uint32_t *done)
{
    seL4_CapRights_t rights = gm_rights_to_cap(extent->rights);
    uintptr_t step = (uintptr_t)1 << gm_arch_frame_bits[extent->size];

    for (*done = 0; *done < extent->count; (*done)++, gpa += step) {
        int error =
            gm_arch_frame_map(extent->cptr + *done, space->root, gpa, rights, extent->device);

        if (error != 0) {
            return gm_fail(space, extent->owned ? GUESTMEM_EKERNEL : GUESTMEM_EFRAME, "map a frame",
                           error);
        }
    }
    return GUESTMEM_OK;
}

static void unmap_run(const struct gm_extent *extent, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        gm_arch_frame_unmap(extent->cptr + i);
    }
}

int gm_stage2_commit(struct gm_space *space, uintptr_t base, const struct gm_extents *frames)
{
    uint32_t done = 0;
    size_t i;
    int error = GUESTMEM_OK;

    for (i = 0; i < frames->count; i++) {
        error = map_run(space, gpa_of(base, frames->at[i].page), &frames->at[i], &done);
        if (error != GUESTMEM_OK) {
            goto unmap;
        }
    }
    for (i = 0; i < frames->count; i++) {
        const struct gm_extent *extent = &frames->at[i];

        count_leaves(space, extent->size, gpa_of(base, extent->page), extent->count, true);
        space->stats.frames[extent->size] += extent->count;
    }
    return GUESTMEM_OK;

unmap:
    unmap_run(&frames->at[i], done);
    while (i-- > 0) {
        unmap_run(&frames->at[i], frames->at[i].count);
    }
    gm_stage2_abandon(space, base, frames);
    return error;
}

/* The part of an extent that lies in pages [from, to). */
static struct gm_extent part_of(const struct gm_extent *extent, uint64_t from, uint64_t to)
{
    struct gm_extent part = *extent;
    uint64_t pages = gm_size_pages(extent->size);
    uint64_t end = gm_extent_end(extent);

    from = from > extent->page ? from : extent->page;
    to = to < end ? to : end;
    part.cptr += (from - extent->page) / pages;
    part.page = (uint32_t)from;
    part.count = (uint32_t)((to - from) / pages) & 0xffffffu;
    return part;
}

void gm_stage2_unmap(struct gm_space *space, const struct gm_extents *frames, uint64_t from,
                     uint64_t to)
{
    (void)space;
    for (size_t i = gm_extents_above(frames, from); i < frames->count && frames->at[i].page < to;
         i++) {
        if (!frames->at[i].owned) {
            struct gm_extent part = part_of(&frames->at[i], from, to);

            unmap_run(&part, part.count);
        }
    }
}

void gm_stage2_uncount(struct gm_space *space, uintptr_t base, const struct gm_extents *frames,
                       uint64_t from, uint64_t to)
{
    for (size_t i = gm_extents_above(frames, from); i < frames->count && frames->at[i].page < to;
         i++) {
        struct gm_extent part = part_of(&frames->at[i], from, to);

        count_leaves(space, part.size, gpa_of(base, part.page), part.count, false);
        space->stats.frames[part.size] -= part.count;
    }
}

void gm_stage2_prune(struct gm_space *space, uintptr_t base, uint64_t from, uint64_t to)
{
    if (from < to) {
        prune(space, gpa_of(base, from), gpa_of(base, to) - 1);
    }
}

int gm_stage2_set_rights(struct gm_space *space, uintptr_t base, const struct gm_extents *frames,
                         uint64_t from, uint64_t to, unsigned rights)
{
    size_t first = gm_extents_above(frames, from);
    uint32_t done;
    size_t i;
    int error = GUESTMEM_OK;

    for (i = first; i < frames->count && frames->at[i].page < to; i++) {
        struct gm_extent part = part_of(&frames->at[i], from, to);

        part.rights = rights & GM_RIGHTS_ALL;
        error = map_run(space, gpa_of(base, part.page), &part, &done);
        if (error != GUESTMEM_OK) {
            goto restore;
        }
    }
    return GUESTMEM_OK;

restore:
    for (;; i--) {
        struct guestmem_failure failure = space->failure;
        struct gm_extent part = part_of(&frames->at[i], from, to);

        part.count = error != GUESTMEM_OK ? done & 0xffffffu : part.count;
        map_run(space, gpa_of(base, part.page), &part, &done);
        space->failure = failure;
        if (i == first) {
            return failure.error;
        }
        error = GUESTMEM_OK;
    }
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "ram_regions.h"

#include <stdlib.h>
#include <string.h>

#include "failure.h"

enum { FIRST_CAPACITY = 4, REGIONS_A_CHANGE = 2 };

static struct vm_ram_region *regions_of(const struct gm_space *space)
{
    return space->vm->mem.ram_regions;
}

static uintptr_t last_of(const struct vm_ram_region *region)
{
    return region->start + (region->size - 1);
}

/* Index of the first region that ends at or above addr. */
static size_t first_above(const struct gm_space *space, uintptr_t addr)
{
    size_t low = 0;
    size_t high = space->ram_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (last_of(&regions_of(space)[middle]) < addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int gm_ram_make_room(struct gm_space *space)
{
    struct vm_mem *mem = &space->vm->mem;

    if (space->ram_room.capacity == 0 && mem->ram_regions != NULL) {
        free(mem->ram_regions); /* the empty block that a VM library's vm_init() starts with */
        mem->ram_regions = NULL;
    }
    if (gm_room_reserve(space, &space->ram_room, &mem->ram_regions, &space->ram_count,
                        sizeof(mem->ram_regions[0]),
                        space->ram_count + space->ram_reservations +
                            REGIONS_A_CHANGE * (space->ram_pending + 1),
                        FIRST_CAPACITY)) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note the RAM", 0);
    }
    return GUESTMEM_OK;
}

int gm_ram_prepare(struct gm_space *space)
{
    int error = gm_ram_make_room(space);

    if (error == GUESTMEM_OK) {
        space->ram_pending++;
    }
    return error;
}

void gm_ram_abandon(struct gm_space *space)
{
    space->ram_pending--;
}

static void set_count(struct gm_space *space, size_t count)
{
    space->ram_count = count;
    space->vm->mem.num_ram_regions = (int)count;
}

static void open_at(struct gm_space *space, size_t at, uintptr_t base, size_t size, bool allocated)
{
    struct vm_ram_region *region = &regions_of(space)[at];

    memmove(region + 1, region, (space->ram_count - at) * sizeof(*region));
    *region = (struct vm_ram_region){base, size, allocated};
    set_count(space, space->ram_count + 1);
}

static void close_at(struct gm_space *space, size_t at)
{
    struct vm_ram_region *region = &regions_of(space)[at];

    set_count(space, space->ram_count - 1);
    memmove(region, region + 1, (space->ram_count - at) * sizeof(*region));
}

/* Merge region `at` with the one behind it, if they are of one kind and touch. */
static void merge_at(struct gm_space *space, size_t at)
{
    struct vm_ram_region *region = &regions_of(space)[at];

    if (at + 1 < space->ram_count && region[0].allocated == region[1].allocated &&
        last_of(&region[0]) + 1 == region[1].start) {
        region[0].size += region[1].size;
        close_at(space, at + 1);
    }
}

static void insert(struct gm_space *space, uintptr_t base, size_t size, bool allocated)
{
    size_t at = first_above(space, base);

    open_at(space, at, base, size, allocated);
    merge_at(space, at);
    if (at > 0) {
        merge_at(space, at - 1);
    }
}

/* Cut [base, last], which lies in one region, out of it. */
static void cut(struct gm_space *space, size_t at, uintptr_t base, uintptr_t last)
{
    struct vm_ram_region was = regions_of(space)[at];
    uintptr_t was_last = last_of(&was);

    if (was.start == base) {
        close_at(space, at);
    } else {
        regions_of(space)[at].size = base - was.start;
        at++;
    }
    if (was_last != last) {
        open_at(space, at, last + 1, was_last - last, was.allocated != 0);
    }
}

void gm_ram_add(struct gm_space *space, uintptr_t base, size_t size)
{
    insert(space, base, size, false);
    space->ram_reservations++;
    space->ram_pending--;
}

void gm_ram_remove(struct gm_space *space, uintptr_t base, size_t size)
{
    uintptr_t last = base + (size - 1);
    size_t at = first_above(space, base);

    while (at < space->ram_count && regions_of(space)[at].start <= last) {
        uintptr_t region_last = last_of(&regions_of(space)[at]);
        uintptr_t region_base = regions_of(space)[at].start;

        cut(space, at, base > region_base ? base : region_base,
            last < region_last ? last : region_last);
        at = first_above(space, base);
    }
    space->ram_reservations--;
}

static bool covers(const struct gm_space *space, uintptr_t base, size_t size, int kind)
{
    uintptr_t last = base + (size - 1);

    for (size_t at = first_above(space, base); at < space->ram_count; at++) {
        const struct vm_ram_region *region = &regions_of(space)[at];

        if (region->start > base || (kind >= 0 && region->allocated != kind)) {
            return false;
        }
        if (last_of(region) >= last) {
            return true;
        }
        base = last_of(region) + 1;
    }
    return false;
}

bool gm_ram_covers(const struct gm_space *space, uintptr_t base, size_t size)
{
    return covers(space, base, size, -1);
}

bool gm_ram_covers_kind(const struct gm_space *space, uintptr_t base, size_t size, bool allocated)
{
    return covers(space, base, size, allocated);
}

void gm_ram_mark(struct gm_space *space, uintptr_t base, size_t size, bool allocated)
{
    cut(space, first_above(space, base), base, base + (size - 1));
    insert(space, base, size, allocated);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "pool.h"

#include <string.h>

#include "failure.h"
#include "reservation.h"

enum { FIRST_CAPACITY = 4 };

static uintptr_t pool_last(const struct gm_pool *pool)
{
    return pool->base + (pool->size - 1);
}

/* Index of the first pool that ends at or above `addr`. */
static size_t first_above(const struct gm_pools *pools, uintptr_t addr)
{
    size_t low = 0;
    size_t high = pools->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pool_last(&pools->at[middle]) < addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct gm_pool *gm_pool_meets(const struct gm_pools *pools, uintptr_t base, uintptr_t last)
{
    size_t at = first_above(pools, base);

    return at < pools->count && pools->at[at].base <= last ? &pools->at[at] : NULL;
}

static int make_room(struct gm_space *space, size_t pools_wanted)
{
    struct gm_pools *pools = &space->pools;
    struct gm_range_alloc *free = &pools->free;

    if (gm_room_reserve(space, &pools->room, &pools->at, &pools->count, sizeof(pools->at[0]),
                        pools_wanted, FIRST_CAPACITY) ||
        gm_room_reserve(space, &pools->free_room, &free->range, &free->count,
                        sizeof(free->range[0]), gm_range_alloc_room(free), FIRST_CAPACITY)) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note anonymous memory", 0);
    }
    return GUESTMEM_OK;
}

static int check_free(struct gm_space *space, uintptr_t base, uintptr_t last)
{
    const struct gm_pool *pool = gm_pool_meets(&space->pools, base, last);
    const vm_memory_reservation_t *other = gm_index_meets(&space->index, base, last);

    if (pool != NULL) {
        return gm_fail_taken(space, "donate the range", pool->base, pool->size);
    }
    if (other != NULL) {
        return gm_fail_taken(space, "donate the range", other->base, other->size);
    }
    return GUESTMEM_OK;
}

/* The whole pages of a range, as an address of the first and the last byte. False: there are none.
 */
static bool whole_pages(uintptr_t base, uintptr_t last, uintptr_t *page_base, uintptr_t *page_last)
{
    uintptr_t mask = ((uintptr_t)1 << gm_arch_frame_bits[0]) - 1;

    *page_base = (base + mask) & ~mask;
    *page_last = ((last + 1) & ~mask) - 1;
    return *page_base < *page_last && *page_last <= last;
}

int gm_pool_add(struct gm_space *space, uintptr_t base, size_t size)
{
    struct gm_pools *pools = &space->pools;
    uintptr_t last = base + (size - 1);
    uintptr_t page_base;
    uintptr_t page_last;
    size_t at;
    int error = gm_range_check(space, base, size);

    if (error == GUESTMEM_OK) {
        error = check_free(space, base, last);
    }
    if (error == GUESTMEM_OK && !whole_pages(base, last, &page_base, &page_last)) {
        error = gm_fail(space, GUESTMEM_EINVAL, "the range has no whole page", 0);
    }
    if (error == GUESTMEM_OK) {
        error = make_room(space, pools->count + 1);
    }
    if (error != GUESTMEM_OK) {
        return error;
    }
    at = first_above(pools, base);
    memmove(&pools->at[at + 1], &pools->at[at], (pools->count - at) * sizeof(pools->at[0]));
    pools->at[at] = (struct gm_pool){base, size};
    pools->count++;
    gm_range_alloc_donate(&pools->free, page_base, page_last);
    return GUESTMEM_OK;
}

int gm_pool_fit(struct gm_space *space, size_t size, size_t align, uintptr_t *base)
{
    if (!gm_range_alloc_fit(&space->pools.free, size, align, base)) {
        return gm_fail(space, GUESTMEM_EUNMAPPED, "find room in the anonymous memory", 0);
    }
    return make_room(space, space->pools.count);
}

void gm_pools_drop(struct gm_space *space)
{
    struct gm_pools *pools = &space->pools;

    gm_room_drop(space, &pools->room, &pools->at, sizeof(pools->at[0]));
    gm_room_drop(space, &pools->free_room, &pools->free.range, sizeof(pools->free.range[0]));
    *pools = (struct gm_pools){0};
}

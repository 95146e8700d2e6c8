/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What one thread found lately in a range index: a guest that keeps to a few devices is answered
 * without a search. One entry a page, 64 of them; each holds a whole range, and is good as long as
 * nothing has been removed from the index, which a generation says. Ranges may be inserted: what
 * was found stays so, and what wasn't is never kept.
 *
 *      page number -> entry[0..63]  base, size, item, generation
 */
#pragma once

#include "range_index.h"

enum { GM_LOOKUP_ENTRIES = 64, GM_LOOKUP_PAGE_BITS = 12 };

struct gm_lookup_entry {
    uintptr_t base;
    size_t size; /* 0: nothing is kept here, or a range as large as the address space */
    void *item;
    uint64_t generation;
};

/* Zeroed it is empty. */
struct gm_lookup_cache {
    struct gm_lookup_entry entry[GM_LOOKUP_ENTRIES];
};

/*
 * The entry of addr's page. Devices stand at multiples of 64 KiB or 16 MiB, so that the lowest bits
 * of the page number alone would send them all to a few entries: those above are mixed in.
 */
static inline struct gm_lookup_entry *gm_lookup_cache_entry(struct gm_lookup_cache *cache,
                                                            uintptr_t addr)
{
    uintptr_t mixed = addr ^ addr >> 6 ^ addr >> 12;

    return &cache->entry[mixed >> GM_LOOKUP_PAGE_BITS & (GM_LOOKUP_ENTRIES - 1)];
}

/* The item of an entry, if its range holds addr; else NULL. */
static inline void *gm_lookup_entry_item(struct gm_lookup_entry *entry, uintptr_t addr,
                                         uint64_t generation)
{
    GM_RANGE_FORGET(entry); /* or its address is calculated again for each member */
    return addr - entry->base < entry->size && entry->generation == generation ? entry->item : NULL;
}

/* Search, and keep what is found. */
static inline void *gm_lookup_cache_search(struct gm_lookup_entry *entry,
                                           const struct gm_range_index *index, uintptr_t addr,
                                           uint64_t generation)
{
    const struct gm_range *range;
    uintptr_t base;
    uintptr_t reach;

    if (index->count == 0) {
        return NULL;
    }
    range = gm_range_index_search(index, addr);
    base = range->base;
    reach = range->last - base;
    if (addr - base > reach || range->item == NULL) {
        return NULL;
    }
    *entry = (struct gm_lookup_entry){base, reach + 1, range->item, generation};
    return range->item;
}

/*
 * The item whose range holds addr, or NULL. `generation` changes at each removal, and was read
 * before `index` was: the other way round, something removed in between would be kept as if it were
 * there.
 */
static inline void *gm_lookup_cache_find(struct gm_lookup_cache *cache,
                                         const struct gm_range_index *index, uintptr_t addr,
                                         uint64_t generation)
{
    struct gm_lookup_entry *entry = gm_lookup_cache_entry(cache, addr);
    void *item = gm_lookup_entry_item(entry, addr, generation);

    return item != NULL ? item : gm_lookup_cache_search(entry, index, addr, generation);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lookup_cache.h"

void *gm_lookup_cache_search(struct gm_lookup_entry *entry, const struct gm_range_index *index,
                             uintptr_t addr, uint64_t generation)
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

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a VMM can see of a VM's memory: the walk over the map, the RAM regions, the statistics.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <guestmem/guestmem.h>

enum { IMAGE_ENTRIES = 96, IMAGE_REGIONS = 32 };

struct image {
    size_t entry_count;
    struct guestmem_map_entry entries[IMAGE_ENTRIES];
    size_t region_count;
    struct vm_ram_region regions[IMAGE_REGIONS];
    struct guestmem_policy policy;
    struct guestmem_stats stats;
};

/* Take it; of a VM whose memory isn't initialised: an empty one. */
void image_take(struct image *image, vm_t *vm);

/* What differs, as a text; NULL: nothing. What only ever grows (faults, fallbacks) isn't looked at. */
const char *image_difference(const struct image *before, const struct image *after);

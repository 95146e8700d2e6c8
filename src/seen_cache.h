/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What one thread used lately of the guest memory that the VMM sees (seen.h): one part for each
 * stretch of 2 MiB, 128 of them, found by nothing but the address. Each is good as long as no view
 * has been taken away, which a generation says.
 *
 *      gpa >> 21  ->  part[0..127]     base, last, item, generation
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GM_SEEN_PARTS = 128, GM_SEEN_STRETCH_BITS = 21 };

/* In an item: the low bits, below the pages that it counts in. */
enum {
    GM_SEEN_RAM = 1,
    GM_SEEN_THERE = 2, /* so that no item is 0 */
    GM_SEEN_SLOT_SHIFT = 2,
    GM_SEEN_SLOTS = 1024,
    GM_SEEN_FLAGS = (1 << 12) - 1,
};

/* The generation of a part that isn't to be used again. */
#define GM_SEEN_NEVER UINT64_MAX

/* Guest memory that goes on in the VMM's addresses. */
struct gm_seen_part {
    uintptr_t base;
    uintptr_t last;
    uintptr_t item; /* the VMM's address minus the guest's, in whole pages; and flags */
    uint64_t generation;
};

/* Zeroed it is empty: what that says of address 0 is that the VMM sees it at NULL. */
struct gm_seen_cache {
    struct gm_seen_part part[GM_SEEN_PARTS];
};

static inline struct gm_seen_part *gm_seen_cache_part(struct gm_seen_cache *cache, uintptr_t gpa)
{
    return &cache->part[gpa >> GM_SEEN_STRETCH_BITS & (GM_SEEN_PARTS - 1)];
}

/* Where the VMM sees an address of the part. */
static inline char *gm_seen_address(const struct gm_seen_part *part, uintptr_t gpa)
{
    return (char *)((part->item & ~(uintptr_t)GM_SEEN_FLAGS) + gpa);
}

static inline bool gm_seen_is_ram(const struct gm_seen_part *part)
{
    return (part->item & GM_SEEN_RAM) != 0;
}

/* The place of its view in the window (window.h); 0: it is kept. */
static inline unsigned gm_seen_slot(const struct gm_seen_part *part)
{
    return (unsigned)(part->item & GM_SEEN_FLAGS) >> GM_SEEN_SLOT_SHIFT;
}

static inline uintptr_t gm_seen_item(const char *address, uintptr_t gpa, bool is_ram, unsigned slot)
{
    return ((uintptr_t)address - gpa) | (slot << GM_SEEN_SLOT_SHIFT) | GM_SEEN_THERE | is_ram;
}

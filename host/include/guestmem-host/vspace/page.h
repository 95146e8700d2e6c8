/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Questions about page sizes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <utils/arith.h>
#include <vspace/arch/page.h>

#define SEL4_NUM_PAGE_SIZES ((int)ARRAY_SIZE(sel4_page_sizes))

static inline bool sel4_valid_size_bits(size_t size_bits)
{
    for (int k = 0; k < SEL4_NUM_PAGE_SIZES; k++) {
        if (sel4_page_sizes[k] == size_bits) {
            return true;
        }
    }
    return false;
}

/* The largest page that is no larger than the region; the smallest page if none is. */
static inline int sel4_page_size_bits_for_memory_region(size_t size_bytes)
{
    int largest = 0;

    for (int k = 1; k < SEL4_NUM_PAGE_SIZES && size_bytes >> sel4_page_sizes[k] != 0; k++) {
        largest = k;
    }
    return (int)sel4_page_sizes[largest];
}

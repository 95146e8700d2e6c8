/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "frame_plan.h"

#include <stdbool.h>

static uintptr_t mask_of(unsigned size)
{
    return ((uintptr_t)1 << gm_arch_frame_bits[size]) - 1;
}

static bool fits(uintptr_t base, uintptr_t last, uintptr_t skew, unsigned size)
{
    return ((base | skew) & mask_of(size)) == 0 && last - base >= mask_of(size);
}

struct gm_piece gm_plan_piece(uintptr_t base, uintptr_t last, uintptr_t skew, unsigned largest)
{
    struct gm_piece piece = {base, 0, largest};

    while (piece.size > 0 && !fits(base, last, skew, piece.size)) {
        piece.size--;
    }
    for (unsigned larger = piece.size + 1; larger <= largest; larger++) {
        uintptr_t start = (base | mask_of(larger)) + 1; /* where a larger frame could begin */

        if (start > base && start <= last && fits(start, last, skew, larger)) {
            last = start - 1;
            break;
        }
    }
    piece.count = ((last - base) >> gm_arch_frame_bits[piece.size]) +
                  (((last - base) & mask_of(piece.size)) == mask_of(piece.size));
    return piece;
}

struct gm_piece gm_plan_around(uintptr_t addr, uintptr_t base, uintptr_t last, uintptr_t skew,
                               unsigned largest)
{
    struct gm_piece piece = {0, 1, largest};

    for (;; piece.size--) {
        piece.base = addr & ~mask_of(piece.size);
        if (piece.size == 0) {
            return piece;
        }
        if (piece.base >= base && fits(piece.base, last, skew, piece.size)) {
            return piece;
        }
    }
}

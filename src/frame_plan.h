/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Cutting a range into frames. Pure, as range_index.h.
 *
 *      guest   |4K|4K|   2 MiB   |   2 MiB   |4K|      a frame is aligned to its size in the guest
 *      phys      |4K|4K|   2 MiB   |   2 MiB   |4K|    and, where the source has addresses, there
 */
#pragma once

#include <stdint.h>

#include "arch/arch.h"

/* `count` frames of one size, side by side. */
struct gm_piece {
    uintptr_t base;
    uintptr_t count; /* at least 1 */
    unsigned size;   /* index of the frame size */
};

/*
 * The first piece of [base, last]: the largest frames that start at `base`, as many as there are
 * before a larger size fits. `base` and `last` + 1 are aligned to the smallest frame. `skew` is
 * physical minus guest address, 0 where any physical address will do. No frame is larger than index
 * `largest`.
 */
struct gm_piece gm_plan_piece(uintptr_t base, uintptr_t last, uintptr_t skew, unsigned largest);

/*
 * The largest frame, up to index `largest`, that is aligned, holds `addr` and lies in [base, last].
 */
struct gm_piece gm_plan_around(uintptr_t addr, uintptr_t base, uintptr_t last, uintptr_t skew,
                               unsigned largest);

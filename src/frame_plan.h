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
 * For the contracts: bytes of a frame; whether one of size index `s` may start at `a`, aligned to
 * its size in guest and physical address, not beyond `last`; whether the one around `a` may be.
 */
/* clang-format off */
#define GM_BYTES(s) ((s) == 0 ? 0x1000 : (s) == 1 ? 0x200000 : 0x40000000)
#define GM_FITS(a, last, skew, s) \
    ((a) % GM_BYTES(s) == 0 && ((a) + (skew)) % GM_BYTES(s) == 0 && (a) + GM_BYTES(s) - 1 <= (last))
#define GM_FITS_AROUND(a, base, last, skew, s) \
    ((a) - (a) % GM_BYTES(s) >= (base) && GM_FITS((a) - (a) % GM_BYTES(s), last, skew, s))
/* clang-format on */

/*
 * The first piece of [base, last]: the largest frames that start at `base`, as many as there are
 * before a larger size fits. `base` and `last` + 1 are aligned to the smallest frame. `skew` is
 * physical minus guest address, 0 where any physical address will do. No frame is larger than index
 * `largest`.
 */
/*@ requires base <= last && base % GM_BYTES(0) == 0 && (last + 1) % GM_BYTES(0) == 0;
    requires largest < GM_ARCH_SIZE_COUNT;
    assigns \nothing;
    ensures \result.base == base && \result.count >= 1 && \result.size <= largest;
    ensures base + \result.count * GM_BYTES(\result.size) - 1 <= last;
    ensures base % GM_BYTES(\result.size) == 0;
    ensures skew % GM_BYTES(0) == 0 ==> (base + skew) % GM_BYTES(\result.size) == 0;
    ensures \result.size == 0 && largest >= 1 ==> \forall integer i; 0 <= i < \result.count ==>
        !GM_FITS(base + i * GM_BYTES(0), last, skew, 1);
    ensures \result.size == 0 && largest >= 2 ==> \forall integer i; 0 <= i < \result.count ==>
        !GM_FITS(base + i * GM_BYTES(0), last, skew, 2);
    ensures \result.size == 1 && largest >= 2 ==> \forall integer i; 0 <= i < \result.count ==>
        !GM_FITS(base + i * GM_BYTES(1), last, skew, 2);
    ensures \result.size == 0 ==>
        \let end = base + \result.count * GM_BYTES(0);
        end + GM_BYTES(0) - 1 > last || (largest >= 1 && GM_FITS(end, last, skew, 1));
    ensures \result.size == 1 ==>
        \let end = base + \result.count * GM_BYTES(1);
        end + GM_BYTES(1) - 1 > last || (largest >= 2 && GM_FITS(end, last, skew, 2));
    ensures \result.size == 2 ==>
        base + \result.count * GM_BYTES(2) + GM_BYTES(2) - 1 > last; */
struct gm_piece gm_plan_piece(uintptr_t base, uintptr_t last, uintptr_t skew, unsigned largest);

/*
 * The largest frame, up to index `largest`, that is aligned, holds `addr` and lies in [base, last].
 */
/*@ requires base <= addr <= last && base % GM_BYTES(0) == 0 && (last + 1) % GM_BYTES(0) == 0;
    requires largest < GM_ARCH_SIZE_COUNT;
    assigns \nothing;
    ensures \result.count == 1 && \result.size <= largest;
    ensures base <= \result.base <= addr;
    ensures addr <= \result.base + GM_BYTES(\result.size) - 1 <= last;
    ensures \result.base % GM_BYTES(\result.size) == 0;
    ensures skew % GM_BYTES(0) == 0 ==> (\result.base + skew) % GM_BYTES(\result.size) == 0;
    ensures \result.size < 1 <= largest ==> !GM_FITS_AROUND(addr, base, last, skew, 1);
    ensures \result.size < 2 <= largest ==> !GM_FITS_AROUND(addr, base, last, skew, 2); */
struct gm_piece gm_plan_around(uintptr_t addr, uintptr_t base, uintptr_t last, uintptr_t skew,
                               unsigned largest);

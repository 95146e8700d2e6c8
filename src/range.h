/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The one check of a range from outside. Everything behind it counts on base + (size - 1) not to
 * overflow. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether [base, base + size) is not empty and ends at `last` or below: `last` itself may be the
 * last address there is. */
/*@ assigns \nothing;
    ensures \result <==> size > 0 && base + size - 1 <= last; */
static inline bool gm_range_is_inside(uintptr_t base, size_t size, uintptr_t last)
{
    return size > 0 && base <= last && size - 1 <= last - base;
}

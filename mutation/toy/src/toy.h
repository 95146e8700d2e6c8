/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#pragma once

#include <stdbool.h>

static inline bool toy_is_even(unsigned n)
{
    return n % 2 == 0;
}

extern unsigned toy_last; /* sum */

unsigned toy_sum(const unsigned *of, unsigned count);
unsigned toy_most(unsigned a, unsigned b);

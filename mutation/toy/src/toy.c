/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "toy.h"

unsigned toy_last;

/* A loop that has no end when a mutant says so, a question that changes nothing, and a statement
 * that no test misses. */
unsigned toy_sum(const unsigned *of, unsigned count)
{
    unsigned sum = 0;

    if (count == 0) {
        return 0;
    }
    for (unsigned i = 0; i < count; i++) {
        sum += of[i];
    }
    toy_last = sum;
    return sum;
}

/* Where both are equal, either will do. */
unsigned toy_most(unsigned a, unsigned b)
{
    if (a > b) {
        return a;
    }
    return b;
}

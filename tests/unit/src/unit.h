/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the unit tests of src/ share: cmocka, and numbers that repeat.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* xorshift64*: the same sequence everywhere. */
struct unit_random {
    uint64_t state;
};

static inline uint64_t unit_random_next(struct unit_random *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * 0x2545f4914f6cdd1du;
}

/* 0 .. below - 1 */
static inline size_t unit_random_below(struct unit_random *random, size_t below)
{
    return (size_t)(unit_random_next(random) >> 32) % below;
}

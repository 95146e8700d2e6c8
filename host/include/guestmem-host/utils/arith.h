/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Powers of two, rounding, the smaller and the larger.
 */
#pragma once

#include <limits.h>
#include <stdint.h>

#include <utils/attribute.h>
#include <utils/builtin.h>

#define BIT(n) (1ul << (n))
#define LLBIT(n) (1ull << (n))
#define MASK(n) (BIT(n) - 1ul)
#define IS_ALIGNED(n, b) (!((n)&MASK(b)))
#define LOG_BASE_2(n) (sizeof(unsigned long) * CHAR_BIT - CLZL(n) - 1)
#define IS_POWER_OF_2_OR_ZERO(x) (0 == ((x) & ((x)-1)))
#define IS_POWER_OF_2(x) (((x) != 0) && IS_POWER_OF_2_OR_ZERO(x))
/* n is a power of two */
#define ALIGN_UP(x, n) (((x) + (n)-1) & ~((n)-1))
#define ALIGN_DOWN(x, n) ((x) & ~((n)-1))
/* any n */
#define ROUND_DOWN(n, b) \
    ({ __typeof__(n) _rd_n = (n); __typeof__(b) _rd_b = (b); _rd_n - (_rd_n % _rd_b); })
#define ROUND_UP(n, b) \
    ({ \
        __typeof__(n) _ru_n = (n); \
        __typeof__(b) _ru_b = (b); \
        _ru_n % _ru_b == 0 ? _ru_n : _ru_n + (_ru_b - _ru_n % _ru_b); \
    })
#define DIV_ROUND_UP(n, d) \
    ({ \
        __typeof__(n) _du_n = (n); \
        __typeof__(d) _du_d = (d); \
        _du_n / _du_d + (_du_n % _du_d != 0); \
    })
#ifndef MIN
#define MIN(a, b) \
    ({ __typeof__(a) _min_a = (a); __typeof__(b) _min_b = (b); _min_a < _min_b ? _min_a : _min_b; })
#endif
#ifndef MAX
#define MAX(a, b) \
    ({ __typeof__(a) _max_a = (a); __typeof__(b) _max_b = (b); _max_a > _max_b ? _max_a : _max_b; })
#endif
#define INRANGE(a, x, b) MIN(MAX(x, a), b)
#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Mistakes on purpose, a line each; behind it, who must report that line (scripts/analyse.sh).
 */
#include <stdint.h>
#include <stdio.h>

struct range {
    uint64_t base;
    uint64_t size;
};

uint32_t narrowed(uint64_t value);
uint64_t turned(int value);
int shadowed(int value);
uint32_t *misaligned(uint8_t *bytes);
char *writable(const char *text);
void printed(const char *text);
int fallen(int value);
int in_range(uint64_t x, uint64_t base, uint64_t size);
int in_range_of(uint64_t x, const struct range *range);
int ends_inside(const struct range *a, const struct range *b);

uint32_t narrowed(uint64_t value)
{
    return value; /* seeded: gcc clang clang-19 aarch64-gcc aarch64-clang */
}

uint64_t turned(int value)
{
    return value; /* seeded: gcc clang clang-19 aarch64-gcc aarch64-clang */
}

int shadowed(int value)
{
    int sum = 0;

    for (int i = 0; i < value; i++) {
        int value = i; /* seeded: gcc clang clang-19 aarch64-gcc aarch64-clang */
        sum += value;
    }
    return sum;
}

uint32_t *misaligned(uint8_t *bytes)
{
    return (uint32_t *)bytes; /* seeded: gcc clang clang-19 aarch64-gcc aarch64-clang */
}

char *writable(const char *text)
{
    return (char *)text; /* seeded: gcc clang clang-19 aarch64-gcc aarch64-clang */
}

void printed(const char *text)
{
    printf(text); /* seeded: gcc clang clang-19 aarch64-gcc aarch64-clang */
}

int fallen(int value)
{
    switch (value) {
    case 1:
        value = 2; /* seeded: gcc aarch64-gcc */
    case 2: /* seeded: clang clang-19 aarch64-clang */
        return value;
    default:
        return 0;
    }
}

int in_range(uint64_t x, uint64_t base, uint64_t size)
{
    return x >= base && x < base + size; /* seeded: ranges */
}

int in_range_of(uint64_t x, const struct range *range)
{
    return range->base + range->size > x; /* seeded: ranges */
}

int ends_inside(const struct range *a, const struct range *b)
{
    if (a->base + a->size < a->base) {
        return 0;
    }
    return a->base + a->size <= b->base + b->size; /* seeded: ranges */
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdarg.h>
#include <stdio.h>

#include "gm_test.h"

static char context[200];

void gm_test_context(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(context, sizeof(context), format, arguments);
    va_end(arguments);
}

const char *gm_test_get_context(void)
{
    return context;
}

void gm_test_check_eq(const char *file, int line, const char *what, intmax_t actual,
                      intmax_t expected)
{
    if (actual != expected) {
        gm_test_fail(file, line, "%s is %jd (%#jx), not %jd (%#jx)", what, actual,
                     (uintmax_t)actual, expected, (uintmax_t)expected);
    }
}

void gm_test_check_ne(const char *file, int line, const char *what, intmax_t actual, intmax_t other)
{
    if (actual == other) {
        gm_test_fail(file, line, "%s is %jd (%#jx)", what, actual, (uintmax_t)actual);
    }
}

void gm_test_check_bytes(const char *file, int line, const void *actual, const void *expected,
                         size_t size)
{
    const uint8_t *a = actual;
    const uint8_t *b = expected;

    if (a == NULL) {
        gm_test_fail(file, line, "there are no bytes to compare");
    }
    for (size_t i = 0; i < size; i++) {
        if (a[i] != b[i]) {
            gm_test_fail(file, line, "byte %zu of %zu is %#x, not %#x", i, size, a[i], b[i]);
        }
    }
}

void gm_test_check_filled(const char *file, int line, const void *actual, int value, size_t size)
{
    const uint8_t *a = actual;

    if (a == NULL) {
        gm_test_fail(file, line, "there are no bytes to compare");
    }
    for (size_t i = 0; i < size; i++) {
        if (a[i] != (uint8_t)value) {
            gm_test_fail(file, line, "byte %zu of %zu is %#x, not %#x", i, size, a[i],
                         (uint8_t)value);
        }
    }
}

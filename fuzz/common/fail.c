/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

void (*fuzz_tell)(void);

void fuzz_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    if (fuzz_tell != NULL) {
        fuzz_tell();
    }
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

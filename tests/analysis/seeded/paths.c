/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * More mistakes on purpose: what takes an analysis of paths. See warnings.c.
 */
#include <stdlib.h>
#include <string.h>

int freed(int *value);
void leaked(size_t size);
int unset(int which);
int missing(size_t count);
int beyond(unsigned at);
void cleared(void *memory);

int freed(int *value)
{
    free(value);
    return *value; /* seeded: gcc-analyzer clang-tidy */
}

void leaked(size_t size)
{
    char *bytes = malloc(size);

    if (bytes != NULL) {
        bytes[0] = 1;
    }
} /* seeded: gcc-analyzer clang-tidy cppcheck */

int unset(int which)
{
    int value;

    if (which > 3) {
        value = 1;
    }
    return value; /* seeded: gcc-analyzer clang-tidy cppcheck */
}

int missing(size_t count)
{
    int *values = malloc(count * sizeof(*values));

    values[0] = 1; /* seeded: gcc-analyzer */
    free(values);
    return 0;
}

int beyond(unsigned at)
{
    static const int table[3] = {1, 2, 3};
    int value = table[at]; /* seeded: cppcheck */

    return at >= 3 ? 0 : value;
}

void cleared(void *memory)
{
    memset(memory, 0, sizeof(memory)); /* seeded: cppcheck */
}

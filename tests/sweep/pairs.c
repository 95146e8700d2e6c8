/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "pairs.h"

#include <string.h>

#include "gm_test.h"

enum { PAIRS_MAX = 2000 };

static struct {
    const char *function;
    const char *step;
} pairs[PAIRS_MAX];
static size_t count;

void pairs_note(const char *function, const char *step)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pairs[i].function, function) == 0 && strcmp(pairs[i].step, step) == 0) {
            return;
        }
    }
    GM_CHECK(count < PAIRS_MAX);
    pairs[count].function = function;
    pairs[count].step = step;
    count++;
}

size_t pairs_count(void)
{
    return count;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the runner on the real kernel keeps.
 */
#pragma once

#include <stddef.h>

struct gm_test_totals {
    size_t cases;
    size_t passed;
    size_t partly; /* of these: with a check that can't be made here */
    size_t skipped;
    size_t failed;
};

/* Run the suites' cases, those whose name contains `part` (NULL: all), and add to the totals. */
void gm_test_run_all(const struct gm_suite *const *suites, const char *part,
                     struct gm_test_totals *totals);

/* Fail the present case when it ends. */
void gm_test_note_leak(const char *what);

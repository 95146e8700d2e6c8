/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Which (function, failing step) pairs were seen.
 */
#pragma once

#include <stddef.h>

/* Note a pair; both texts are static. */
void pairs_note(const char *function, const char *step);

/* How many distinct ones. */
size_t pairs_count(void);

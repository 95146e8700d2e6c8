/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Counters by name, for the table at the end. Each must have been counted once the run is long
 * enough, or the run fails: a generator that no longer makes something is broken.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Count one in `group` under `name`; both are kept by address, so they are literals or static. */
void count_one(const char *group, const char *name);
void count_many(const char *group, const char *name, uint64_t many);

/* Make it a row, so that it is missed where it is never counted. */
void count_expect(const char *group, const char *name);
void count_expect_all(const char *group, const char *const *names, unsigned count);

/* Print all rows. False: some are 0; they are named. */
bool count_print(void);

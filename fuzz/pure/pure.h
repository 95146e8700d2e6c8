/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The pure core against models that are too simple to be wrong.
 */
#pragma once

#include "fuzz.h"

void fuzz_index(struct fuzz_input *input);
void fuzz_alloc(struct fuzz_input *input);
void fuzz_plan(struct fuzz_input *input);
void fuzz_extents(struct fuzz_input *input);

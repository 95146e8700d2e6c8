/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * For programs that run the defects' cases: all suites, NULL behind the last.
 */
#pragma once

#include "gm_test.h"

extern const struct gm_suite *const defect_suites[];

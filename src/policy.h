/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#pragma once

#include "space.h"

/* The policy that a new space starts with. */
void gm_policy_start(struct gm_policy *policy);

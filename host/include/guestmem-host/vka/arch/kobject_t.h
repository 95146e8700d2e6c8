/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * All kinds are in vka/kobject_t.h.
 */
#pragma once

#include <vka/kobject_t.h>

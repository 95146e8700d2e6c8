/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * All types are in sel4/types.h.
 */
#pragma once

#include <sel4/types.h>

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * All constants are in sel4/constants.h.
 */
#pragma once

#include <sel4/constants.h>

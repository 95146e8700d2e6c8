/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Boot information is described in sel4/bootinfo_types.h.
 */
#pragma once

#include <sel4/bootinfo_types.h>

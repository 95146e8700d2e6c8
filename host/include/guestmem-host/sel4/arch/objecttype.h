/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * All object types are in sel4/objecttype.h.
 */
#pragma once

#include <autoconf.h>
#include <sel4/objecttype.h>

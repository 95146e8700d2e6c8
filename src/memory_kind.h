/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What boot information says of a physical address: whether an untyped covers it, and a device's.
 */
#pragma once

#include <stdint.h>

#include "space.h"

/* The kind of memory at `paddr`, and how far it goes. Valid until the next call. */
const struct gm_memory_kind *gm_memory_kind_at(struct gm_space *space, uintptr_t paddr);

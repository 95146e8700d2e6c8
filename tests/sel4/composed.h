/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A statically composed system inside the root task: a fixed untyped, a fixed range of slots, an
 * allocator of its own over these, and frames by address from `simple` only.
 */
#pragma once

#include <stdbool.h>

#include <simple/simple.h>
#include <vka/vka.h>

/* Make one with 2^ram_bits bytes of normal memory and 2^slot_bits slots (0: as many as there are).
 * NULL, or why it can't be. */
const char *composed_start(unsigned ram_bits, unsigned slot_bits, vka_t *vka, simple_t *simple);

/* Take it down. Whether the kernel says that nothing made of its memory was left. */
bool composed_stop(void);

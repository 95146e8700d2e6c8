/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Where reservations live. A handle that a caller hands in is looked up among the blocks before it
 * is read, so that a stale or foreign one is told apart without touching memory that isn't ours.
 *
 *      block[]   sorted by address
 *         |
 *         [ header | 16 reservations ]    used: a bit each; blocks with a free place are linked
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sel4vm/guest_vm.h>

#include "room.h"

struct gm_space;
struct gm_block;

struct gm_handles {
    struct gm_block **block;
    size_t count;
    struct gm_room room;
    struct gm_block *open; /* blocks with a free place */
};

/* A zeroed reservation, or NULL: no bytes left. */
vm_memory_reservation_t *gm_handle_new(struct gm_space *space);

/* Give it back; frees its block with the last one. */
void gm_handle_drop(struct gm_space *space, vm_memory_reservation_t *reservation);

/* Whether this is a live reservation of the space. Any pointer may be asked about. */
bool gm_handle_is_live(const struct gm_space *space, const vm_memory_reservation_t *reservation);

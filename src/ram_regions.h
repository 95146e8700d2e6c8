/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * vm->mem.ram_regions: which guest addresses are RAM, and which of it is allocated. The array is
 * part of the public VM object; VMMs read it.
 *
 *      start       0x4000_0000      0x4800_0000     0x8000_0000
 *                  | allocated      | free          | free         sorted, disjoint, neighbours of
 * one kind merged
 *
 * Room is kept for one region more a registered reservation, so that unregistering, which can split
 * a region in two, never allocates; and for what is being registered, since an iterator may
 * register RAM too meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "space.h"

/* Make room to mark a region. GUESTMEM_ENOMEM. */
int gm_ram_make_room(struct gm_space *space);

/* Make room to add a region, and keep it until it is added or abandoned. GUESTMEM_ENOMEM. */
int gm_ram_prepare(struct gm_space *space);
void gm_ram_abandon(struct gm_space *space);

/* Add [base, base + size), which meets no RAM, as free. Needs, and ends, a gm_ram_prepare(). */
void gm_ram_add(struct gm_space *space, uintptr_t base, size_t size);

/* Take [base, base + size), which was added, out again. */
void gm_ram_remove(struct gm_space *space, uintptr_t base, size_t size);

/* Whether all of [base, base + size) is RAM; of the given kind. */
bool gm_ram_covers(const struct gm_space *space, uintptr_t base, size_t size);
bool gm_ram_covers_kind(const struct gm_space *space, uintptr_t base, size_t size, bool allocated);

/* Mark a range that is wholly of the other kind. Needs the room. */
void gm_ram_mark(struct gm_space *space, uintptr_t base, size_t size, bool allocated);

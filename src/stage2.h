/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's translation tables. A mapping is made in two steps: prepare takes and maps the tables
 * that are missing (an empty table shows the guest nothing), commit puts the leaves in. Both undo
 * themselves if they fail.
 *
 *      tables[1]   [0x4000_0000 used 2]  [0x8000_0000 used 512]      in use: leaves + tables below
 *      tables[0]   [0x4000_0000 used 12] [0x4020_0000 used 1]
 *
 * No table is kept that isn't in use. Mirrored spaces (IO spaces) would join prepare and commit
 * here.
 */
#pragma once

#include <stdint.h>

#include "extent.h"

struct gm_space;

/* Take the tables that these frames need, at page 0 = gpa `base`. GUESTMEM_ENOTABLE and others. */
int gm_stage2_prepare(struct gm_space *space, uintptr_t base, const struct gm_extents *frames);

/* Undo prepare: give the tables back that nothing uses. */
void gm_stage2_abandon(struct gm_space *space, uintptr_t base, const struct gm_extents *frames);

/* Map the frames. GUESTMEM_EKERNEL; GUESTMEM_EFRAME if it is the caller's frame that is refused. */
int gm_stage2_commit(struct gm_space *space, uintptr_t base, const struct gm_extents *frames);

/* Unmap those frames of pages [from, to) that somebody else owns; the library's own go with their
 * caps. */
void gm_stage2_unmap(struct gm_space *space, const struct gm_extents *frames, uint64_t from,
                     uint64_t to);

/* Count the leaves of pages [from, to) out of their tables, while `frames` still lists them. */
void gm_stage2_uncount(struct gm_space *space, uintptr_t base, const struct gm_extents *frames,
                       uint64_t from, uint64_t to);

/* Give the tables over pages [from, to) back that nothing uses, once the leaves are gone. */
void gm_stage2_prune(struct gm_space *space, uintptr_t base, uint64_t from, uint64_t to);

/* Map frames again with other rights; all or none. */
int gm_stage2_set_rights(struct gm_space *space, uintptr_t base, const struct gm_extents *frames,
                         uint64_t from, uint64_t to, unsigned rights);

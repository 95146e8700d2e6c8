/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest frames as the VMM sees them: a second cap for each, mapped through the VMM's own vspace_t at
 * one stretch of its addresses a reservation, so that the view of a range is contiguous.
 *
 *      guest    page 0       1       2 ...
 *      VMM      alias_base + page * 4096       mapped frame by frame, at the first use; kept
 */
#pragma once

#include <stdint.h>

#include "space.h"

/* Make views of all frames in pages [from, to), which are populated; marked fresh. Undo what is fresh
 * with gm_backing_revert(). */
int gm_alias_make(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from, uint64_t to);

/* Where the VMM sees `page`, or NULL. */
void *gm_alias_at(const vm_memory_reservation_t *res, uint64_t page);

/* Unmap and forget views: of pages [from, to), whose ends are edges; the fresh ones; all. */
void gm_alias_remove(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from, uint64_t to);
void gm_alias_revert(struct gm_space *space, vm_memory_reservation_t *res);
void gm_alias_drop(struct gm_space *space, vm_memory_reservation_t *res);

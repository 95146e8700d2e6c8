/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What stands behind a reservation: frames taken, tables prepared, leaves committed, in this order
 * and all or nothing; now, or frame by frame as they are used.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "frames.h"
#include "space.h"

/*
 * Back a reservation from a source. With `now`, every frame is mapped; else each at its first use.
 * GUESTMEM_EMAPPED, GUESTMEM_ETAKEN and what taking and mapping give.
 */
int gm_backing_make(struct gm_space *space, vm_memory_reservation_t *res,
                    const struct gm_source *source, bool now);

/* The same, as the reservation's policy says. */
int gm_backing_make_by_policy(struct gm_space *space, vm_memory_reservation_t *res,
                              const struct gm_source *source);

/* Back it without frames; they are put in one by one with gm_backing_add(). GUESTMEM_ENOMEM. */
int gm_backing_make_empty(struct gm_space *space, vm_memory_reservation_t *res);

/* Map a load, and add it. All or nothing; after a failure the load is still the caller's. */
int gm_backing_add(struct gm_space *space, vm_memory_reservation_t *res, struct gm_memory *load);

/* Undo all of it. A reservation that isn't backed is left alone. Never allocates. */
void gm_backing_drop(struct gm_space *space, vm_memory_reservation_t *res);

/*
 * Populate what is missing of pages [from, to); all or nothing. With `fresh`, the frames are
 * marked, so that a later step of the same call can still undo them. GUESTMEM_EUNMAPPED: not
 * backed, or discarded for good.
 */
int gm_backing_populate(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                        uint64_t to, bool fresh);

/* The same for a guest's access: afterwards its neighbours come too, as far as the policy and
 * memory allow (populate_around_bits). What can't be had of them is no failure. */
int gm_backing_populate_at_access(struct gm_space *space, vm_memory_reservation_t *res,
                                  uint64_t from, uint64_t to);

/* Whether a use of `page` would populate it. */
bool gm_backing_is_lazy_at(const vm_memory_reservation_t *res, uint64_t page);

/* Keep, or undo, all frames and aliases of the reservation that are marked fresh. Never allocates.
 */
void gm_backing_settle(vm_memory_reservation_t *res);
void gm_backing_revert(struct gm_space *space, vm_memory_reservation_t *res);

/* Make ready to discard pages [from, to): GUESTMEM_EGRAIN, GUESTMEM_ENOMEM. Then do it: what
 * happens at their next use is the policy's. */
int gm_backing_may_discard(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                           uint64_t to);
void gm_backing_discard(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                        uint64_t to);

/* Remove pages [from, to), whose ends are edges. Takes room for one extent, as gm_extents_cut(). */
void gm_backing_remove(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                       uint64_t to);

/* Forget frames that left by themselves: of pages [from, to), with the room of gm_extents_cut();
 * or all that somebody else owns. */
void gm_backing_forget(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                       uint64_t to);
void gm_backing_forget_given(struct gm_space *space, vm_memory_reservation_t *res);

/* Change the guest's rights to pages [from, to). GUESTMEM_EUNMAPPED, GUESTMEM_EGRAIN. */
int gm_backing_set_rights(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                          uint64_t to, unsigned rights);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The two ways in which gm_frames_take() gets frames. After a failure `load` holds what was taken
 * so far (gm_*_take) or is as before (gm_*_take_one).
 */
#pragma once

#include "frames.h"

int gm_memory_take(struct gm_space *space, struct vm_memory_reservation *res,
                   const struct gm_source *source, uint64_t from, uint64_t to,
                   struct gm_memory *load);
int gm_memory_take_one(struct gm_space *space, struct vm_memory_reservation *res,
                       const struct gm_source *source, const struct gm_extents *present,
                       uint64_t page, struct gm_memory *load);

/* The same for a frame of exactly this size at `page`. */
int gm_memory_take_exactly(struct gm_space *space, struct vm_memory_reservation *res,
                           const struct gm_source *source, uint64_t page, unsigned size,
                           struct gm_memory *load);

/* Clear a frame of ours that is mapped nowhere. GUESTMEM_EVMM, GUESTMEM_EKERNEL. */
int gm_memory_clear(struct gm_space *space, seL4_CPtr frame, unsigned size);

int gm_given_take(struct gm_space *space, struct vm_memory_reservation *res,
                  const struct gm_source *source, uint64_t from, uint64_t to,
                  struct gm_memory *load);
int gm_given_take_one(struct gm_space *space, struct vm_memory_reservation *res,
                      const struct gm_source *source, const struct gm_extents *present,
                      uint64_t page, struct gm_memory *load);

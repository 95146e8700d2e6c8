/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Addresses of the VMM's for large frames. Its address space hands out again what had small pages,
 * and the page table is still there: a large frame can't be mapped over it, and the kernel alone
 * knows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <sel4/sel4.h>
#include <vspace/vspace.h>

struct gm_space;

/*
 * Set `bytes` of the VMM's addresses aside, aligned to frames of size index `align`, with no table
 * in the way of `frame` at the start; `size` is its size index, and it isn't mapped. GUESTMEM_EVMM.
 * The frame is mapped there already or not at all: it is to be mapped at the same address next.
 */
int gm_place_take(struct gm_space *space, seL4_CPtr frame, unsigned size, size_t bytes,
                  unsigned align, bool device, void **base, reservation_t *reservation);

/* Whether a table is in the way of a frame, not mapped, at `vaddr` of another space. If none is,
 * the frame may be mapped there now. */
bool gm_place_is_blocked(vspace_t *vspace, seL4_CPtr frame, unsigned size, const void *vaddr);

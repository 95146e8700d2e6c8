/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Stretches of the VMM's addresses that are set aside to show guest frames in; see alias.h.
 */
#pragma once

#include <stdint.h>

#include "frames.h"

struct gm_space;
struct vm_memory_reservation;

/* The view that holds `page`, or NULL. */
const struct gm_view *gm_views_find(const struct gm_views *views, uint64_t page);

/* Where it shows `page`, which is in it. */
static inline void *gm_view_address(const struct gm_view *view, uint64_t page)
{
    return (void *)(view->base + ((page - view->page) << gm_arch_frame_bits[0]));
}

/* Set addresses aside for the frame of this size at `page`, if there are none yet; `copy` is the
 * cap that is to be mapped there next, or, in a view of one page, is mapped by now. Evicts other
 * views where the policy is a window. GUESTMEM_EVMM. */
int gm_view_make(struct gm_space *space, struct vm_memory_reservation *res, struct gm_views *views,
                 uint64_t page, unsigned size, bool device, seL4_CPtr copy);

/* Give the view that holds `page` back. */
void gm_view_drop(struct gm_space *space, struct gm_views *views, uint64_t page);

/* Give all back, with the list. */
void gm_views_drop(struct gm_space *space, struct gm_views *views);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Lists of memory that is held; see frames.h.
 */
#pragma once

#include "frames.h"

struct gm_space;

/* Make room for `more` holdings, undone if the call under way fails. GUESTMEM_ENOMEM. */
int gm_holdings_reserve(struct gm_space *space, struct gm_holdings *list, size_t more);

/* Insert at its place, and say where that is. Takes room for one. */
struct gm_holding *gm_holdings_insert(struct gm_holdings *list, struct gm_holding holding);

/* The holding that starts at exactly this page, or NULL. */
struct gm_holding *gm_holdings_at(const struct gm_holdings *list, uint64_t page);

/* The last holding that starts at or below this page, or NULL. */
struct gm_holding *gm_holdings_below(const struct gm_holdings *list, uint64_t page);

/* Forget one; nothing is given back. */
void gm_holdings_remove(struct gm_holdings *list, struct gm_holding *holding);

/*
 * Give what is held back to where it came from. An untyped: its cap is deleted, its slot given; its
 * frames must be gone. A single frame: only its memory, after its cap is gone. A lent one: itself.
 */
void gm_holding_give(struct gm_space *space, const struct gm_holding *holding);

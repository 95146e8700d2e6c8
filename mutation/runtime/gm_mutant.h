/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Every source has all of its mutants compiled in; `gm_mutant` says which one is alive, 0 none.
 */
#pragma once

extern unsigned gm_mutant;
extern unsigned char gm_mutant_seen[]; /* a byte a site: whether it was reached */

/* Whether the living mutant is one of `count` from `first` on, those of this site. */
#define GM_MUTANT_AT(site, first, count) (gm_mutant_seen[site] = 1, gm_mutant - (first) < (count))

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What is always so between two invocations, of the caps that derive from some untypeds. By their
 * numbers in a message:
 *
 *   1  The derivation list is one: each neighbour's link leads back, no slot in it is empty.
 *   2  Untypeds own their memory: a cap to memory inside an untyped stands behind it in the list,
 * with nothing else between; or it is an untyped that holds this one. 3  What an untyped has handed
 * out ends at or below its watermark. 4  Memory is one object: two caps, neither an untyped, that
 * name overlapping memory name the same object; and such caps are neighbours in the list, so that
 * the last one is known to be the last. 5  Objects are counted: as many frames, tables and others
 * as there are in the list. 6  No entry in a translation table without a cap: each leaf has a frame
 * cap that says that it is mapped there, in this space, with at least these rights; each link has a
 * table cap that says so. 7  A table is linked from one place at most; and no table, root or CNode
 * is a frame as well (4).
 */
#pragma once

#include "kernel.h"

enum { INVARIANT_CAPS = 512 };

/* Counts at a moment when none of these objects existed. */
void invariants_begin(const seL4_CPtr *untypeds, unsigned count);

/* Ends the process with a message if one of them isn't so. */
void invariants_check(void);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Anonymous memory: ranges that were donated, and what of them is free.
 */
#pragma once

#include "space.h"

/* Donate a range. GUESTMEM_ETAKEN, GUESTMEM_ENOMEM, and the errors of gm_range_check(). */
int gm_pool_add(struct gm_space *space, uintptr_t base, size_t size);

/* The pool that meets [base, last], or NULL. */
const struct gm_pool *gm_pool_meets(const struct gm_pools *pools, uintptr_t base, uintptr_t last);

/* Find free bytes, and make room to take them. GUESTMEM_EUNMAPPED: there are none. */
int gm_pool_fit(struct gm_space *space, size_t size, size_t align, uintptr_t *base);

/* Give the book-keeping back. */
void gm_pools_drop(struct gm_space *space);

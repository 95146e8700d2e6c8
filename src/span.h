/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest range as the reservations under it, in ascending order.
 *
 *      base            last
 *      | res A |  res B  |          part by part: the reservation, and which of its pages
 */
#pragma once

#include "space.h"

struct gm_span {
    struct gm_space *space;
    uintptr_t at; /* start of the next part */
    uintptr_t last;
    bool done;
    /* The present part: */
    vm_memory_reservation_t *res; /* NULL: nothing is reserved at its start */
    uint64_t from;                /* pages of the reservation */
    uint64_t to;
    bool whole_pages; /* the part holds all that the reservation has of these pages */
};

/* Start; then each call gives one part, until false. Ends after a part with no reservation. */
struct gm_span gm_span_start(struct gm_space *space, uintptr_t base, uintptr_t last);
bool gm_span_next(struct gm_span *span);

/*
 * Populate [base, last]. What is made is marked fresh, and the reservations can't be freed, until
 * gm_span_finish() is told to keep it or to undo it; `parts` says how many parts there are to
 * finish, also after a failure. GUESTMEM_EUNMAPPED: some of it isn't reserved, or has no source of
 * frames.
 */
int gm_span_prepare(struct gm_space *space, uintptr_t base, uintptr_t last, size_t *parts);
void gm_span_finish(struct gm_space *space, uintptr_t base, uintptr_t last, size_t parts,
                    bool keep);

/* Both; all or nothing. */
int gm_span_populate(struct gm_space *space, uintptr_t base, uintptr_t last);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "span.h"

#include "alias.h"
#include "backing.h"
#include "failure.h"
#include "reservation.h"

struct gm_span gm_span_start(struct gm_space *space, uintptr_t base, uintptr_t last)
{
    return (struct gm_span){.space = space, .at = base, .last = last};
}

bool gm_span_next(struct gm_span *span)
{
    const unsigned bits = gm_arch_frame_bits[0];
    const uintptr_t mask = ((uintptr_t)1 << bits) - 1;
    uintptr_t base = span->at;
    uintptr_t page_base;
    uintptr_t last;

    if (span->done) {
        return false;
    }
    span->res = gm_reservation_find(span->space, base);
    if (span->res == NULL) {
        span->done = true;
        return true;
    }
    page_base = gm_page_base(span->res);
    last = span->last < gm_last(span->res) ? span->last : gm_last(span->res);
    span->from = (base - page_base) >> bits;
    span->to = ((last - page_base) >> bits) + 1;
    span->whole_pages = (base == span->res->base || (base & mask) == 0) &&
                        (last == gm_last(span->res) || (last & mask) == mask);
    span->done = last == span->last;
    span->at = last + 1;
    return true;
}

/* An iterator that runs meanwhile may not free the reservation: finish() must find it again. */
static int populate_part(const struct gm_span *span, bool views)
{
    int error;

    span->res->busy++;
    error = gm_backing_populate(span->space, span->res, span->from, span->to, true);
    if (error == GUESTMEM_OK && views) {
        error = gm_alias_make(span->space, span->res, span->from, span->to);
    }
    return error;
}

/* Keep, or undo, what is fresh in the first `parts` reservations of [base, last]. */
static void finish(struct gm_space *space, uintptr_t base, uintptr_t last, size_t parts, bool keep)
{
    struct gm_span span = gm_span_start(space, base, last);

    for (; parts > 0 && gm_span_next(&span); parts--) {
        span.res->busy--;
        if (span.res->backing == NULL) {
            continue;
        }
        if (keep) {
            gm_backing_settle(span.res);
        } else {
            gm_backing_revert(space, span.res);
        }
    }
}

int gm_span_populate(struct gm_space *space, uintptr_t base, uintptr_t last, bool views)
{
    struct gm_span span = gm_span_start(space, base, last);
    struct guestmem_failure failure;
    size_t parts = 0;
    int error = GUESTMEM_OK;

    while (error == GUESTMEM_OK && gm_span_next(&span)) {
        if (span.res == NULL) {
            error = gm_fail(space, GUESTMEM_EUNMAPPED, "find a reservation at every address", 0);
        } else {
            error = populate_part(&span, views);
            parts++;
        }
    }
    failure = space->failure;
    finish(space, base, last, parts, error == GUESTMEM_OK);
    space->failure = failure;
    return error;
}

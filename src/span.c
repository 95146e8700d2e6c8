/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "span.h"

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

/* An iterator that runs meanwhile may not free the reservations: finishing must find them again. */
int gm_span_prepare(struct gm_space *space, uintptr_t base, uintptr_t last, size_t *parts)
{
    struct gm_span span = gm_span_start(space, base, last);
    int error = GUESTMEM_OK;

    *parts = 0;
    while (error == GUESTMEM_OK && gm_span_next(&span)) {
        if (span.res == NULL) {
            return gm_fail(space, GUESTMEM_EUNMAPPED, "find a reservation at every address", 0);
        }
        span.res->busy++;
        (*parts)++;
        error = gm_backing_populate(space, span.res, span.from, span.to, true);
    }
    return error;
}

void gm_span_finish(struct gm_space *space, uintptr_t base, uintptr_t last, size_t parts, bool keep)
{
    struct gm_span span = gm_span_start(space, base, last);
    struct guestmem_failure failure = space->failure;

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
    space->failure = failure;
}

int gm_span_populate(struct gm_space *space, uintptr_t base, uintptr_t last)
{
    size_t parts;
    int error = gm_span_prepare(space, base, last, &parts);

    gm_span_finish(space, base, last, parts, error == GUESTMEM_OK);
    return error;
}

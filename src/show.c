/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "show.h"

#include "alias.h"
#include "backing.h"
#include "failure.h"
#include "ram_regions.h"
#include "reservation.h"
#include "seen.h"
#include "span.h"
#include "window.h"

static const char gone[] = "go on after the memory was freed";

static uintptr_t last_of(const struct guestmem_buffer *range)
{
    return range->base + (range->size - 1);
}

/* That none of the part is mapped as device memory. */
static int refuse_devices(const struct gm_span *part)
{
    const struct gm_extents *frames = &part->res->backing->memory.frames;

    for (size_t i = gm_extents_above(frames, part->from);
         i < frames->count && frames->at[i].page < part->to; i++) {
        if (frames->at[i].device) {
            const struct gm_extent *extent = &frames->at[i];

            gm_fail(part->space, GUESTMEM_ENOSUP, "access device memory", 0);
            part->space->failure.other_base =
                gm_page_base(part->res) + ((uintptr_t)extent->page << gm_arch_frame_bits[0]);
            part->space->failure.other_size = (size_t)extent->count
                                              << gm_arch_frame_bits[extent->size];
            return GUESTMEM_ENOSUP;
        }
    }
    return GUESTMEM_OK;
}

/* The range is populated: let the VMM see it, unless views aren't kept. */
static int make_views(const struct gm_show *show, const struct guestmem_buffer *range)
{
    struct gm_span part = gm_span_start(show->space, range->base, last_of(range));
    int error = GUESTMEM_OK;

    while (error == GUESTMEM_OK && gm_span_next(&part)) {
        if (!show->with_devices) {
            error = refuse_devices(&part);
        }
        if (error == GUESTMEM_OK && !gm_window_is_for(show->space, part.res)) {
            error = gm_alias_make(show->space, part.res, part.from, part.to);
        }
    }
    return error;
}

static int begin_range(struct gm_show *show, const struct guestmem_buffer *range)
{
    int error = gm_range_check(show->space, range->base, range->size);

    if (error == GUESTMEM_OK && show->ram_only &&
        !gm_ram_covers(show->space, range->base, range->size)) {
        error = gm_fail(show->space, GUESTMEM_EUNMAPPED, "find RAM at every address", 0);
    }
    if (error != GUESTMEM_OK) {
        return error;
    }
    show->begun++;
    error = gm_span_prepare(show->space, range->base, last_of(range), &show->parts);
    return error == GUESTMEM_OK ? make_views(show, range) : error;
}

static void finish(struct gm_show *show, bool keep)
{
    size_t parts = show->parts;

    for (size_t i = show->begun; i-- > 0;) {
        gm_span_finish(show->space, show->ranges[i].base, last_of(&show->ranges[i]), parts, keep);
        parts = SIZE_MAX; /* those before the last were begun completely */
    }
}

int gm_show_begin(struct gm_show *show)
{
    int error = GUESTMEM_OK;

    show->begun = 0;
    show->parts = 0;
    for (show->at = 0; show->at < show->count; show->at++) {
        error = begin_range(show, &show->ranges[show->at]);
        if (error != GUESTMEM_OK) {
            finish(show, false);
            break;
        }
    }
    return error;
}

/* The next part at or behind `*page` that the VMM sees, other than device memory; `*page` goes
 * behind it. */
static bool next_part(const struct gm_span *span, uint64_t *page, struct gm_seen_part *part)
{
    const unsigned bits = gm_arch_frame_bits[0];
    const struct gm_extents *alias = &span->res->backing->alias;
    uintptr_t base = gm_page_base(span->res);
    bool device = true;

    while (device) {
        size_t i = gm_extents_above(alias, *page);

        if (i == alias->count || alias->at[i].page >= span->to || *page >= span->to) {
            return false;
        }
        *page = *page > alias->at[i].page ? *page : alias->at[i].page;
        gm_alias_part(span->space, span->res, base + (*page << bits), part, &device);
        *page = ((part->last - base) >> bits) + 1;
    }
    return true;
}

/* Parts that go on in the VMM's addresses are noted as one. */
static void note_span(const struct gm_span *span)
{
    struct gm_seen_part run = {.item = 0};
    struct gm_seen_part part;
    uint64_t page = span->from;

    while (next_part(span, &page, &part)) {
        if (run.item != 0 && gm_seen_goes_on(&run, &part)) {
            run.last = part.last;
            continue;
        }
        if (run.item != 0) {
            gm_seen_note(span->space, span->res, &run);
        }
        run = part;
    }
    if (run.item != 0) {
        gm_seen_note(span->space, span->res, &run);
    }
}

static void note(const struct gm_show *show, const struct guestmem_buffer *range)
{
    struct gm_span span = gm_span_start(show->space, range->base, last_of(range));

    while (gm_span_next(&span)) {
        note_span(&span);
    }
}

void gm_show_end(struct gm_show *show, bool keep)
{
    finish(show, keep);
    gm_window_release(show->space);
    gm_window_settle(show->space);
    for (size_t i = 0; keep && i < show->count; i++) {
        note(show, &show->ranges[i]);
    }
}

/* Make the view of a page, with those that it could show behind it, up to address `last`, as long
 * as they have frames. */
static int show_from(struct gm_space *space, vm_memory_reservation_t *res, uint64_t page,
                     uintptr_t last)
{
    const unsigned bits = gm_arch_frame_bits[0];
    const struct gm_extents *frames = &res->backing->memory.frames;
    uint64_t first_page = gm_page_base(res) >> bits;
    uint64_t stretch = ((first_page + page) | (gm_size_pages(1) - 1)) - first_page + 1;
    uint64_t end = (last >> bits) - first_page + 1;
    uint64_t to = page;
    const struct gm_extent *frame = gm_extents_find(frames, page);

    end = end < gm_page_count(res) ? end : gm_page_count(res);
    end = end < stretch ? end : stretch;
    while (frame != NULL && to < end) {
        to = gm_extent_end(frame) < end ? gm_extent_end(frame) : end;
        frame = gm_extents_find(frames, to);
    }
    return to == page ? gm_fail(space, GUESTMEM_EUNMAPPED, gone, 0)
                      : gm_alias_make(space, res, page, to);
}

int gm_show_at(struct gm_space *space, uintptr_t gpa, uintptr_t last, struct gm_seen_part *part)
{
    vm_memory_reservation_t *res = gm_reservation_find(space, gpa);
    bool device;
    int error;

    if (res == NULL || res->backing == NULL) {
        return gm_fail(space, GUESTMEM_EUNMAPPED, gone, 0);
    }
    if (!gm_alias_part(space, res, gpa, part, &device)) {
        if (!gm_window_is_for(space, res)) {
            return gm_fail(space, GUESTMEM_EUNMAPPED, gone, 0);
        }
        error = show_from(space, res, (gpa - gm_page_base(res)) >> gm_arch_frame_bits[0], last);
        if (error != GUESTMEM_OK) {
            return error;
        }
        gm_alias_part(space, res, gpa, part, &device);
    }
    if (gm_seen_slot(part) != 0) {
        gm_window_use(space->window, gm_seen_slot(part));
    }
    return GUESTMEM_OK;
}

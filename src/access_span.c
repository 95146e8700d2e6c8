/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * guestmem/access.h: pointers into guest memory, and buffer lists.
 */
#include <guestmem/access.h>

#include "look.h"
#include "window.h"

/* Pieces as they are told, in order. */
struct pieces {
    struct guestmem_iovec *at;
    size_t most;
    size_t count;
};

/* Tell one piece; it joins the one before if it goes on there, and is of the same buffer. */
static bool add(struct pieces *pieces, char *address, size_t size, bool joins)
{
    struct guestmem_iovec *before = pieces->count == 0 ? NULL : &pieces->at[pieces->count - 1];

    if (joins && (char *)before->iov_base + before->iov_len == address) {
        before->iov_len += size;
        return true;
    }
    if (pieces->count == pieces->most) {
        return false;
    }
    pieces->at[pieces->count++] = (struct guestmem_iovec){address, size};
    return true;
}

/* The pieces of one range. GUESTMEM_ENOMEM: they don't fit. */
static int add_range(const struct gm_look *look, const struct guestmem_buffer *range,
                     struct pieces *pieces)
{
    uintptr_t last = range->base + (range->size - 1);

    for (uintptr_t at = range->base;;) {
        struct gm_seen_part part;
        int error = gm_look_at(look, at, last, &part);
        uintptr_t until;

        if (error != GUESTMEM_OK) {
            return error;
        }
        if (look->seen == NULL) {
            gm_window_hold(look->space,
                           gm_seen_slot(&part)); /* until the last piece is there too */
        }
        until = part.last < last ? part.last : last;
        if (!add(pieces, gm_seen_address(&part, at), until - at + 1, at != range->base)) {
            return look->seen != NULL ? GUESTMEM_ENOMEM
                                      : gm_fail(look->space, GUESTMEM_ENOMEM,
                                                "fit the pieces into the caller's list", 0);
        }
        if (until == last) {
            return GUESTMEM_OK;
        }
        at = until + 1;
    }
}

/* GUESTMEM_EUNMAPPED: not all has been seen. */
static int list_seen(struct gm_space *space, const struct guestmem_buffer *buffers, size_t count,
                     struct pieces *pieces)
{
    struct gm_section section = gm_section_begin(space);
    struct gm_look look = gm_look_in_section(space);
    struct gm_seen_part part;
    int error = GUESTMEM_OK;

    for (size_t i = 0; error == GUESTMEM_OK && i < count; i++) {
        error = gm_look_has(&look, buffers[i].base, buffers[i].size, true, &part)
                    ? add_range(&look, &buffers[i], pieces)
                    : GUESTMEM_EUNMAPPED;
    }
    gm_section_end(space, &section);
    return error;
}

/* Pointers outlive the call, and views may not. */
static int check_views(struct gm_space *space)
{
    return space->window != NULL && space->window->bytes_max == 0
               ? gm_fail(space, GUESTMEM_ENOSUP,
                         "point to memory whose view does not stay (policy)", 0)
               : GUESTMEM_OK;
}

static int list_shown(struct gm_show *show, struct pieces *pieces)
{
    struct gm_look look = {.space = show->space};
    int error = gm_show_begin(show);

    if (error != GUESTMEM_OK) {
        return error;
    }
    for (show->at = 0; show->at < show->count; show->at++) {
        error = add_range(&look, &show->ranges[show->at], pieces);
        if (error != GUESTMEM_OK) {
            break;
        }
    }
    gm_show_end(show, error == GUESTMEM_OK);
    return error;
}

/* The whole way, and the one on which errors are told. */
static int list(struct gm_space *space, const struct guestmem_buffer *buffers, size_t count,
                struct pieces *pieces, bool invalid)
{
    struct gm_show show = {.space = space, .ranges = buffers, .count = count, .ram_only = true};
    size_t failed;
    int error;

    gm_turn_take(space);
    error =
        invalid ? gm_fail(space, GUESTMEM_EINVAL, "check the arguments", 0) : check_views(space);
    if (error == GUESTMEM_OK) {
        error = list_shown(&show, pieces);
    }
    failed = show.at < count ? show.at : 0;
    return gm_end(space, error, "guestmem_ram_iovec", invalid ? 0 : buffers[failed].base,
                  invalid ? 0 : buffers[failed].size);
}

int guestmem_ram_iovec(vm_t *vm, const struct guestmem_buffer *buffers, size_t buffer_count,
                       struct guestmem_iovec *pieces, size_t most, size_t *count)
{
    struct gm_space *space = gm_space_of(vm);
    struct pieces told = {.at = pieces, .most = most};
    bool invalid = buffers == NULL || buffer_count == 0 || pieces == NULL || count == NULL;
    int error;

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    if (invalid || list_seen(space, buffers, buffer_count, &told) != GUESTMEM_OK) {
        told.count = 0;
        error = list(space, buffers, buffer_count, &told, invalid);
        if (error != GUESTMEM_OK) {
            return error;
        }
    }
    *count = told.count;
    return GUESTMEM_OK;
}

/* ---------------------------------------------------------------------------------- one piece */

static void tell(struct guestmem_span *span, const struct gm_seen_part *part, uintptr_t gpa,
                 size_t size)
{
    size_t there = part->last - gpa + 1;

    *span = (struct guestmem_span){.address = gm_seen_address(part, gpa),
                                   .size = size < there ? size : there,
                                   .generation = part->generation};
}

static bool span_seen(struct gm_space *space, uintptr_t gpa, size_t size,
                      struct guestmem_span *span)
{
    struct gm_section section = gm_section_begin(space);
    struct gm_look look = gm_look_in_section(space);
    struct gm_seen_part part;
    bool has = gm_look_has(&look, gpa, size, false, &part);

    if (has && part.base > gpa) {
        gm_look_at(&look, gpa, gpa, &part);
    }
    if (has) {
        gm_look_remember(space, &section, &part, gpa);
        tell(span, &part, gpa, size);
    }
    gm_section_end(space, &section);
    return has;
}

static int span_shown(struct gm_space *space, uintptr_t gpa, size_t size,
                      struct guestmem_span *span)
{
    struct guestmem_buffer range = {gpa, size};
    struct gm_show show = {.space = space, .ranges = &range, .count = 1};
    struct gm_seen_part part;
    int error = gm_show_begin(&show);

    if (error != GUESTMEM_OK) {
        return error;
    }
    error = gm_show_at(space, gpa, gpa + (size - 1), &part);
    gm_show_end(&show, error == GUESTMEM_OK);
    if (error == GUESTMEM_OK) {
        tell(span, &part, gpa, size);
    }
    return error;
}

int guestmem_ram_span(vm_t *vm, uintptr_t gpa, size_t size, struct guestmem_span *span)
{
    struct gm_space *space = gm_space_of(vm);
    int error;

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    if (span != NULL && span_seen(space, gpa, size, span)) {
        return GUESTMEM_OK;
    }
    gm_turn_take(space);
    error = span == NULL ? gm_fail(space, GUESTMEM_EINVAL, "there is no place for the answer", 0)
                         : check_views(space);
    if (error == GUESTMEM_OK) {
        error = span_shown(space, gpa, size, span);
    }
    return gm_end(space, error, "guestmem_ram_span", gpa, size);
}

bool guestmem_span_is_valid(vm_t *vm, const struct guestmem_span *span)
{
    const struct gm_space *space = gm_space_of(vm);

    return space != NULL && span != NULL && span->address != NULL &&
           span->generation == gm_generation(space);
}

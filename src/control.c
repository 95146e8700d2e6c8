/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * guestmem/guestmem.h: changing what is there, and the end.
 */
#include <guestmem/guestmem.h>

#include "backing.h"
#include "failure.h"
#include "ram_regions.h"
#include "reservation.h"
#include "span.h"

int guestmem_map_iterator(vm_t *vm, vm_memory_reservation_t *reservation,
                          memory_map_iterator_fn map_iterator, guestmem_release_fn release,
                          void *cookie)
{
    struct gm_space *space = gm_begin(vm);
    struct gm_source source = {
        .kind = GM_SOURCE_ITERATOR, .iterator = map_iterator, .release = release, .cookie = cookie};
    int error = space == NULL ? GUESTMEM_EINVAL : gm_reservation_check(space, reservation);
    bool live = error == GUESTMEM_OK;

    if (space == NULL) {
        return error;
    }
    if (live && (map_iterator == NULL || release == NULL)) {
        error = gm_fail(space, GUESTMEM_EINVAL, "there is no iterator, or no release function", 0);
    }
    if (error == GUESTMEM_OK) {
        error = gm_backing_make_by_policy(space, reservation, &source);
    }
    return gm_end(space, error, "guestmem_map_iterator", live ? reservation->base : 0,
                  live ? reservation->size : 0);
}

int guestmem_populate(vm_t *vm, uintptr_t base, size_t size)
{
    struct gm_space *space = gm_begin(vm);
    int error;

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    error = gm_range_check(space, base, size);
    if (error == GUESTMEM_OK) {
        error = gm_span_populate(space, base, base + (size - 1));
    }
    return gm_end(space, error, "guestmem_populate", base, size);
}

static int set_rights(struct gm_space *space, uintptr_t base, size_t size, seL4_CapRights_t rights)
{
    struct gm_span span = gm_span_start(space, base, base + (size - 1));
    int error = gm_range_check(space, base, size);

    if (error != GUESTMEM_OK) {
        return error;
    }
    if (seL4_CapRights_get_capAllowWrite(rights) && !seL4_CapRights_get_capAllowRead(rights)) {
        return gm_fail(space, GUESTMEM_EINVAL, "write-only rights do not exist", 0);
    }
    gm_span_next(&span);
    if (span.res == NULL || !span.done) {
        return gm_fail(space, GUESTMEM_EUNMAPPED, "find one reservation that holds the range", 0);
    }
    if (!span.whole_pages) {
        return gm_fail(space, GUESTMEM_EGRAIN, "change the rights of part of a page", 0);
    }
    return gm_backing_set_rights(space, span.res, span.from, span.to, gm_rights_of(rights));
}

int guestmem_set_rights(vm_t *vm, uintptr_t base, size_t size, seL4_CapRights_t rights)
{
    struct gm_space *space = gm_begin(vm);

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    return gm_end(space, set_rights(space, base, size, rights), "guestmem_set_rights", base, size);
}

int guestmem_created_destroy(vm_t *vm, uintptr_t addr)
{
    struct gm_space *space = gm_begin(vm);
    vm_memory_reservation_t *res = space == NULL ? NULL : gm_reservation_find(space, addr);
    int error;

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    if (res == NULL || res->kind != GM_RESERVATION_CREATED) {
        error = gm_fail(space, GUESTMEM_EUNMAPPED, "find a page that create_* made", 0);
    } else {
        error = gm_reservation_may_drop(space, res);
    }
    if (error == GUESTMEM_OK) {
        gm_reservation_drop(space, res);
    }
    return gm_end(space, error, "guestmem_created_destroy", addr,
                  (size_t)1 << gm_arch_frame_bits[0]);
}

/* Whether every part of the range can be discarded; makes the room that it takes. */
static int may_discard(struct gm_space *space, uintptr_t start, size_t bytes)
{
    struct gm_span span = gm_span_start(space, start, start + (bytes - 1));
    int error = gm_range_check(space, start, bytes);

    if (error == GUESTMEM_OK && !gm_ram_covers(space, start, bytes)) {
        error = gm_fail(space, GUESTMEM_EUNMAPPED, "find RAM at every address", 0);
    }
    while (error == GUESTMEM_OK && gm_span_next(&span)) {
        error = span.whole_pages ? gm_backing_may_discard(space, span.res, span.from, span.to)
                                 : gm_fail(space, GUESTMEM_EGRAIN, "discard part of a page", 0);
    }
    return error;
}

int guestmem_ram_discard(vm_t *vm, uintptr_t start, size_t bytes)
{
    struct gm_space *space = gm_begin(vm);
    int error = space == NULL ? GUESTMEM_EINVAL : may_discard(space, start, bytes);
    struct gm_span span;

    if (space == NULL) {
        return error;
    }
    span = gm_span_start(space, start, start + (bytes - 1));
    while (error == GUESTMEM_OK && gm_span_next(&span)) {
        gm_backing_discard(space, span.res, span.from, span.to);
    }
    return gm_end(space, error, "guestmem_ram_discard", start, bytes);
}

int guestmem_destroy(vm_t *vm)
{
    vm_memory_reservation_cookie_t *cookie = vm == NULL ? NULL : vm->mem.reservation_cookie;
    struct gm_space *space = gm_begin(vm);
    ps_malloc_ops_t ops;

    if (vm == NULL) {
        return GUESTMEM_EINVAL;
    }
    if (space == NULL && gm_vspace_is_ours(&vm->mem.vm_vspace)) {
        space = vm->mem.vm_vspace.data; /* made, but without the book-keeping */
    }
    if (space != NULL && gm_space_is_busy(space)) {
        gm_fail(space, GUESTMEM_EBUSY, "take the guest's memory down", 0);
        return gm_end(space, GUESTMEM_EBUSY, "guestmem_destroy", 0, space->last + 1);
    }
    if (space != NULL) {
        gm_space_drop(space);
        vm->mem.vm_vspace.data = NULL;
    }
    if (cookie != NULL) {
        ops = cookie->ops;
        ps_free(&ops, sizeof(*cookie), cookie);
        vm->mem.reservation_cookie = NULL;
    }
    return GUESTMEM_OK;
}

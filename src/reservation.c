/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "reservation.h"

#include <string.h>

#include "backing.h"
#include "failure.h"
#include "pool.h"
#include "range.h"

static uintptr_t page_mask(void)
{
    return ((uintptr_t)1 << gm_arch_frame_bits[0]) - 1;
}

int gm_range_check(struct gm_space *space, uintptr_t base, size_t size)
{
    if (size == 0) {
        return gm_fail(space, GUESTMEM_EINVAL, "the range is empty", 0);
    }
    if (!gm_range_is_inside(base, size, space->last)) {
        return gm_fail(space, GUESTMEM_ERANGE, "check the range", 0);
    }
    return GUESTMEM_OK;
}

int gm_reservation_check(struct gm_space *space, vm_memory_reservation_t *res)
{
    if (res == NULL) {
        return gm_fail(space, GUESTMEM_EINVAL, "the reservation is NULL", 0);
    }
    if (!gm_handle_is_live(space, res) || gm_reservation_is_dead(res)) {
        return gm_fail(space, GUESTMEM_ESTALE, "check the reservation", 0);
    }
    return GUESTMEM_OK;
}

static bool is_backed(const vm_memory_reservation_t *res)
{
    return res->backing != NULL || res->taking;
}

/* The reservation next to [base, last] on its own first or last page, or NULL. */
static vm_memory_reservation_t *neighbour(struct gm_space *space, uintptr_t base, uintptr_t last)
{
    uintptr_t page_base = base & ~page_mask();
    uintptr_t page_last = last | page_mask();
    vm_memory_reservation_t *found = NULL;

    if (page_base < base) {
        found = gm_index_meets(&space->index, page_base, base - 1);
    }
    if (page_last > last && (found == NULL || !is_backed(found))) {
        vm_memory_reservation_t *above = gm_index_meets(&space->index, last + 1, page_last);

        found = above != NULL ? above : found;
    }
    return found;
}

int gm_reservation_check_alone(struct gm_space *space, vm_memory_reservation_t *res)
{
    vm_memory_reservation_t *other = neighbour(space, res->base, gm_last(res));

    return other == NULL
               ? GUESTMEM_OK
               : gm_fail_taken(space, "back pages that are shared", other->base, other->size);
}

static int check_free(struct gm_space *space, const struct gm_claim *claim)
{
    uintptr_t last = claim->base + (claim->size - 1);
    vm_memory_reservation_t *other = gm_index_meets(&space->index, claim->base, last);
    const struct gm_pool *pool =
        claim->anonymous ? NULL : gm_pool_meets(&space->pools, claim->base, last);

    if (other != NULL) {
        return gm_fail_taken(space, "claim the range", other->base, other->size);
    }
    if (pool != NULL) {
        return gm_fail_taken(space, "claim a range of anonymous memory", pool->base, pool->size);
    }
    other = neighbour(space, claim->base, last);
    if (other != NULL && is_backed(other)) {
        return gm_fail_taken(space, "claim part of a page that is backed", other->base,
                             other->size);
    }
    return GUESTMEM_OK;
}

int gm_reservation_new(struct gm_space *space, const struct gm_claim *claim,
                       vm_memory_reservation_t **out)
{
    struct gm_index_change change;
    vm_memory_reservation_t *res;
    int error = gm_range_check(space, claim->base, claim->size);

    if (error == GUESTMEM_OK) {
        error = check_free(space, claim);
    }
    if (error != GUESTMEM_OK) {
        return error;
    }
    if (gm_index_prepare(space, &space->index, claim->base, &change) != GUESTMEM_OK) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note the reservation", 0);
    }
    res = gm_handle_new(space);
    if (res == NULL) {
        gm_index_abandon(space, &space->index, &change);
        return gm_fail(space, GUESTMEM_ENOMEM, "make the reservation", 0);
    }
    res->base = claim->base;
    res->size = claim->size;
    res->callback = claim->callback;
    res->cookie = claim->cookie;
    res->kind = claim->kind;
    res->anonymous = claim->anonymous;
    res->policy = space->policy;
    gm_index_insert(space, &space->index, res->base, gm_last(res), res, &change);
    space->stats.reservations++;
    *out = res;
    return GUESTMEM_OK;
}

int gm_reservation_new_anonymous(struct gm_space *space, struct gm_claim *claim, size_t align,
                                 vm_memory_reservation_t **res)
{
    size_t bytes = (claim->size + page_mask()) & ~page_mask();
    int error;

    claim->anonymous = 1;
    if (align == 0 || (align & (align - 1)) != 0) {
        return gm_fail(space, GUESTMEM_EINVAL, "the alignment is not a power of two", 0);
    }
    error = gm_range_check(space, 0, claim->size);
    if (error == GUESTMEM_OK) {
        error =
            gm_pool_fit(space, bytes, align > page_mask() ? align : page_mask() + 1, &claim->base);
    }
    if (error == GUESTMEM_OK) {
        error = gm_reservation_new(space, claim, res);
    }
    if (error == GUESTMEM_OK) {
        gm_range_alloc_take(&space->pools.free, claim->base, claim->base + (bytes - 1));
    }
    return error;
}

/*
 * One word says that a reservation is dead and how many are at its callback, so that who enters and who
 * frees agree on who came first. acquire: what those that left did is done. Waiting for a callback
 * from inside one, of whatever VM, or inside another change, could be for ever.
 */
static bool die(struct gm_space *space, vm_memory_reservation_t *res)
{
    unsigned none = 0;

    if (gm_thread.callbacks == 0 && gm_turn_is_outermost(space)) {
        atomic_fetch_or_explicit(&res->calls, GM_RESERVATION_DEAD, memory_order_acquire);
        return true;
    }
    return atomic_compare_exchange_strong_explicit(&res->calls, &none, GM_RESERVATION_DEAD,
                                                   memory_order_acquire, memory_order_relaxed);
}

int gm_reservation_may_drop(struct gm_space *space, vm_memory_reservation_t *res)
{
    return res->busy == 0 && (!space->readers.shared || die(space, res))
               ? GUESTMEM_OK
               : gm_fail(space, GUESTMEM_EBUSY, "free the reservation inside its own callback", 0);
}

/* Callbacks that run may still change memory, so they are waited for without the turn. Nobody else
 * finds the reservation any more. */
static void wait_for_callbacks(struct gm_space *space, vm_memory_reservation_t *res)
{
    space->busy++;
    while ((atomic_load_explicit(&res->calls, memory_order_acquire) & ~GM_RESERVATION_DEAD) != 0) {
        gm_turn_pass(space);
    }
    space->busy--;
}

void gm_reservation_drop(struct gm_space *space, vm_memory_reservation_t *res)
{
    atomic_fetch_or_explicit(&res->calls, GM_RESERVATION_DEAD, memory_order_relaxed);
    gm_index_remove(space, &space->index, res->base);
    gm_generation_next(space);
    gm_readers_wait(space);
    gm_backing_drop(space, res);
    if (res->anonymous) {
        gm_range_alloc_give(&space->pools.free, res->base, gm_last(res) | page_mask());
    }
    space->stats.reservations--;
    wait_for_callbacks(space, res);
    gm_handle_drop(space, res);
}

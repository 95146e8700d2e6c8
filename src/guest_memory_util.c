/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * sel4vmmplatsupport/guest_memory_util.h: the six helpers. Each picks a source of frames.
 */
/* first: a tree's headers lean on this one */
#include <sel4vm/guest_vm.h>

#include <sel4vmmplatsupport/guest_memory_util.h>

#include "alias.h"
#include "backing.h"
#include "failure.h"
#include "reservation.h"

static int map_source(struct gm_space *space, vm_memory_reservation_t *res,
                      const struct gm_source *source, const char *operation)
{
    int error = space == NULL ? GUESTMEM_EINVAL : gm_reservation_check(space, res);
    bool live = error == GUESTMEM_OK;

    if (live) {
        error = gm_backing_make_by_policy(space, res, source);
    }
    return gm_end_logged(space, error, operation, live ? res->base : 0, live ? res->size : 0);
}

int map_frame_alloc_reservation(vm_t *vm, vm_memory_reservation_t *reservation)
{
    struct gm_source source = {.kind = GM_SOURCE_RAM};

    return map_source(gm_begin(vm), reservation, &source, "map_frame_alloc_reservation");
}

int map_maybe_device_reservation(vm_t *vm, vm_memory_reservation_t *reservation)
{
    struct gm_source source = {.kind = GM_SOURCE_ANY};

    return map_source(gm_begin(vm), reservation, &source, "map_maybe_device_reservation");
}

int map_ut_alloc_reservation(vm_t *vm, vm_memory_reservation_t *reservation)
{
    struct gm_source source = {.kind = GM_SOURCE_ADDRESS};

    return map_source(gm_begin(vm), reservation, &source, "map_ut_alloc_reservation");
}

int map_ut_alloc_reservation_with_base_paddr(vm_t *vm, uintptr_t paddr,
                                             vm_memory_reservation_t *reservation)
{
    static const char operation[] = "map_ut_alloc_reservation_with_base_paddr";
    const uintptr_t mask = ((uintptr_t)1 << gm_arch_frame_bits[0]) - 1;
    struct gm_space *space = gm_begin(vm);
    struct gm_source source = {.kind = GM_SOURCE_ADDRESS};
    int error = space == NULL ? GUESTMEM_EINVAL : gm_reservation_check(space, reservation);

    if (error != GUESTMEM_OK) {
        return gm_end_logged(space, error, operation, 0, 0);
    }
    if (((paddr ^ reservation->base) & mask) != 0) {
        error = gm_fail(space, GUESTMEM_EINVAL,
                        "guest and physical address differ within their page", 0);
    } else if (reservation->size - 1 > UINTPTR_MAX - paddr) {
        error = gm_fail(space, GUESTMEM_ERANGE, "the physical range wraps", 0);
    }
    if (error != GUESTMEM_OK) {
        return gm_end_logged(space, error, operation, reservation->base, reservation->size);
    }
    source.skew = paddr - reservation->base;
    return map_source(space, reservation, &source, operation);
}

/* Back a page, and map it in the VMM; all or nothing. */
static int back_page(struct gm_space *space, vm_memory_reservation_t *res,
                     const struct gm_source *source)
{
    struct guestmem_failure failure;
    int error = gm_backing_make(space, res, source, true);

    if (error == GUESTMEM_OK) {
        error = gm_alias_make(space, res, 0, 1);
    }
    if (error != GUESTMEM_OK) {
        failure = space->failure;
        gm_backing_drop(space, res);
        space->failure = failure;
    }
    return error;
}

/*
 * Reserve one page, back it, map it in the VMM; all or nothing. A new block of pages may take the
 * last memory or slots, so that a table or the view has none: a page by itself may still do.
 */
static int create_page(struct gm_space *space, const struct gm_claim *claim,
                       struct gm_source *source, void **view)
{
    bool makes_block = source->kind == GM_SOURCE_RAM && space->blocks == NULL;
    struct guestmem_failure failure;
    vm_memory_reservation_t *res;
    int error = gm_reservation_new(space, claim, &res);

    if (error != GUESTMEM_OK) {
        return error;
    }
    error = back_page(space, res, source);
    if (error != GUESTMEM_OK && makes_block) {
        source->alone = 1;
        error = back_page(space, res, source);
    }
    if (error != GUESTMEM_OK) {
        failure = space->failure;
        gm_reservation_drop(space, res);
        space->failure = failure;
        return error;
    }
    gm_backing_settle(res);
    *view = gm_alias_at(res, 0);
    return GUESTMEM_OK;
}

static void *create(vm_t *vm, const struct gm_claim *claim, uint8_t kind, seL4_CapRights_t rights,
                    const char *operation)
{
    struct gm_source source = {.kind = kind, .no_rights = GM_RIGHTS_ALL & ~gm_rights_of(rights)};
    struct gm_space *space = gm_begin(vm);
    void *view = NULL;
    int error = GUESTMEM_EINVAL;

    if (space != NULL && claim->callback == NULL) {
        gm_fail(space, GUESTMEM_EINVAL, "there is no fault callback", 0);
    } else if (space != NULL && (claim->base & (claim->size - 1)) != 0) {
        gm_fail(space, GUESTMEM_EINVAL, "the address is not aligned to a page", 0);
    } else if (space != NULL) {
        error = create_page(space, claim, &source, &view);
    }
    gm_end_logged(space, error, operation, claim->base, claim->size);
    return view;
}

void *create_allocated_reservation_frame(vm_t *vm, uintptr_t addr, seL4_CapRights_t rights,
                                         memory_fault_callback_fn alloc_fault_callback,
                                         void *alloc_fault_cookie)
{
    struct gm_claim claim = {addr,
                             (size_t)1 << gm_arch_frame_bits[0],
                             alloc_fault_callback,
                             alloc_fault_cookie,
                             GM_RESERVATION_CREATED,
                             0};

    return create(vm, &claim, GM_SOURCE_RAM, rights, "create_allocated_reservation_frame");
}

void *create_device_reservation_frame(vm_t *vm, uintptr_t addr, seL4_CapRights_t rights,
                                      memory_fault_callback_fn fault_callback, void *fault_cookie)
{
    struct gm_claim claim = {addr,
                             (size_t)1 << gm_arch_frame_bits[0],
                             fault_callback,
                             fault_cookie,
                             GM_RESERVATION_CREATED,
                             0};

    return create(vm, &claim, GM_SOURCE_ADDRESS, rights, "create_device_reservation_frame");
}

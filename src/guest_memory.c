/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * sel4vm/guest_memory.h but for faults, which are in fault.c.
 */
/* first: a tree's headers lean on this one */
#include <sel4vm/guest_vm.h>

#include <sel4vm/guest_memory.h>
#include <sel4vm/guest_memory_helpers.h>
#include <string.h>
#include <utils/util.h>

#include <guestmem/runtime.h>

#include "backing.h"
#include "failure.h"
#include "pool.h"
#include "ram_regions.h"
#include "reservation.h"

int vm_memory_init(vm_t *vm)
{
    vm_memory_reservation_cookie_t *cookie = NULL;

    if (vm == NULL || vm->io_ops == NULL) {
        ZF_LOGE("vm_memory_init: no VM, or one without io_ops");
        return -1;
    }
    if (vm->mem.reservation_cookie != NULL) {
        ZF_LOGE("vm_memory_init: the VM's memory is initialised already");
        return -1;
    }
    if (ps_malloc(&vm->io_ops->malloc_ops, sizeof(*cookie), (void **)&cookie) != 0 ||
        cookie == NULL) {
        ZF_LOGE("vm_memory_init: %s", guestmem_strerror(GUESTMEM_ENOMEM));
        return -1;
    }
    *cookie = (vm_memory_reservation_cookie_t){.ops = vm->io_ops->malloc_ops};
    vm->mem.reservation_cookie = cookie;
    return 0;
}

vm_memory_reservation_t *vm_reserve_memory_at(vm_t *vm, uintptr_t addr, size_t size,
                                              memory_fault_callback_fn fault_callback, void *cookie)
{
    struct gm_space *space = gm_begin(vm);
    struct gm_claim claim = {addr, size, fault_callback, cookie, GM_RESERVATION_GUEST, 0};
    vm_memory_reservation_t *res = NULL;
    int error = GUESTMEM_EINVAL;

    if (space != NULL) {
        error = fault_callback == NULL
                    ? gm_fail(space, GUESTMEM_EINVAL, "there is no fault callback", 0)
                    : gm_reservation_new(space, &claim, &res);
    }
    return gm_end_logged(space, error, "vm_reserve_memory_at", addr, size) == 0 ? res : NULL;
}

vm_memory_reservation_t *vm_reserve_anon_memory(vm_t *vm, size_t size, size_t align,
                                                memory_fault_callback_fn fault_callback,
                                                void *cookie, uintptr_t *addr)
{
    struct gm_space *space = gm_begin(vm);
    struct gm_claim claim = {0, size, fault_callback, cookie, GM_RESERVATION_GUEST, 1};
    vm_memory_reservation_t *res = NULL;
    int error = GUESTMEM_EINVAL;

    if (space != NULL) {
        error = fault_callback == NULL || addr == NULL
                    ? gm_fail(space, GUESTMEM_EINVAL,
                              "there is no fault callback, or no place for the address", 0)
                    : gm_reservation_new_anonymous(space, &claim, align, &res);
    }
    if (gm_end_logged(space, error, "vm_reserve_anon_memory", 0, size) != 0) {
        return NULL;
    }
    *addr = claim.base;
    return res;
}

int vm_memory_make_anon(vm_t *vm, uintptr_t addr, size_t size)
{
    struct gm_space *space = gm_begin(vm);
    int error = space == NULL ? GUESTMEM_EINVAL : gm_pool_add(space, addr, size);

    return gm_end_logged(space, error, "vm_memory_make_anon", addr, size);
}

int vm_free_reserved_memory(vm_t *vm, vm_memory_reservation_t *reservation)
{
    struct gm_space *space = gm_begin(vm);
    uintptr_t base = 0;
    size_t size = 0;
    int error = space == NULL ? GUESTMEM_EINVAL : gm_reservation_check(space, reservation);

    if (error == GUESTMEM_OK) {
        base = reservation->base;
        size = reservation->size;
        error = gm_reservation_may_drop(space, reservation);
    }
    if (error == GUESTMEM_OK) {
        if (reservation->kind == GM_RESERVATION_RAM) {
            gm_ram_remove(space, base, size);
        }
        gm_reservation_drop(space, reservation);
    }
    return gm_end_logged(space, error, "vm_free_reserved_memory", base, size);
}

/* Back a reservation from what the caller brings. */
static int map_given(vm_t *vm, vm_memory_reservation_t *res, const struct gm_source *source,
                     bool now, const char *operation)
{
    struct gm_space *space = gm_begin(vm);
    int error = space == NULL ? GUESTMEM_EINVAL : gm_reservation_check(space, res);
    bool live = error == GUESTMEM_OK;

    if (live && source->kind == GM_SOURCE_ITERATOR && source->iterator == NULL) {
        error = gm_fail(space, GUESTMEM_EINVAL, "there is no iterator", 0);
    }
    if (error == GUESTMEM_OK) {
        error = now ? gm_backing_make(space, res, source, true)
                    : gm_backing_make_by_policy(space, res, source);
    }
    return gm_end_logged(space, error, operation, live ? res->base : 0, live ? res->size : 0);
}

int vm_map_reservation(vm_t *vm, vm_memory_reservation_t *reservation,
                       memory_map_iterator_fn map_iterator, void *cookie)
{
    struct gm_source source = {
        .kind = GM_SOURCE_ITERATOR, .iterator = map_iterator, .cookie = cookie};

    return map_given(vm, reservation, &source, false, "vm_map_reservation");
}

int map_vm_memory_reservation(vm_t *vm, vm_memory_reservation_t *vm_reservation,
                              memory_map_iterator_fn map_iterator, void *map_cookie)
{
    struct gm_source source = {
        .kind = GM_SOURCE_ITERATOR, .iterator = map_iterator, .cookie = map_cookie};

    return map_given(vm, vm_reservation, &source, true, "map_vm_memory_reservation");
}

/* Check that `count` frames of a size cover a reservation's pages, no more and no less. */
static int check_array(struct gm_space *space, vm_memory_reservation_t *res,
                       struct gm_source *source, size_t frame_bits)
{
    unsigned size = 0;

    while (size < GM_ARCH_SIZE_COUNT && gm_arch_frame_bits[size] != frame_bits) {
        size++;
    }
    if (source->array == NULL || size == GM_ARCH_SIZE_COUNT) {
        return gm_fail(space, GUESTMEM_EINVAL, "there is no array, or no frame of that size", 0);
    }
    if (gm_page_count(res) % gm_size_pages(size) != 0 ||
        gm_page_count(res) / gm_size_pages(size) != source->array_count) {
        return gm_fail(space, GUESTMEM_EFRAME, "the frames do not cover the reservation exactly",
                       0);
    }
    source->array_size = (uint8_t)size;
    return GUESTMEM_OK;
}

int vm_map_reservation_frames(vm_t *vm, vm_memory_reservation_t *reservation, seL4_CPtr *frames,
                              size_t num_frames, size_t frame_size_bits)
{
    static const char operation[] = "vm_map_reservation_frames";
    struct gm_space *space = gm_begin(vm);
    struct gm_source source = {.kind = GM_SOURCE_ARRAY, .array = frames, .array_count = num_frames};
    int error = space == NULL ? GUESTMEM_EINVAL : gm_reservation_check(space, reservation);

    if (error != GUESTMEM_OK) {
        return gm_end_logged(space, error, operation, 0, 0);
    }
    error = check_array(space, reservation, &source, frame_size_bits);
    if (error != GUESTMEM_OK) {
        return gm_end_logged(space, error, operation, reservation->base, reservation->size);
    }
    error = map_given(vm, reservation, &source, false, operation);
    gm_turn_give(space);
    return error;
}

void vm_get_reservation_memory_region(vm_memory_reservation_t *reservation, uintptr_t *addr,
                                      size_t *size)
{
    if (addr != NULL) {
        *addr = reservation == NULL ? 0 : reservation->base;
    }
    if (size != NULL) {
        *size = reservation == NULL ? 0 : reservation->size;
    }
}

memory_fault_result_t default_error_fault_callback(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t fault_addr,
                                                   size_t fault_length, void *cookie)
{
    (void)vm;
    (void)vcpu;
    (void)cookie;
    ZF_LOGE("guest access to [0x%zx, +0x%zx), which allows none", (size_t)fault_addr, fault_length);
    return FAULT_ERROR;
}

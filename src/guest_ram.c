/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * sel4vm/guest_ram.h: registering and allocating RAM; guest_touch.c has the rest.
 */
/* first: a tree's headers lean on this one */
#include <sel4vm/guest_vm.h>

#include <sel4vm/guest_ram.h>
#include <utils/util.h>

#include "backing.h"
#include "failure.h"
#include "ram_regions.h"
#include "reservation.h"

static memory_fault_result_t ram_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t fault_addr,
                                       size_t fault_length, void *cookie)
{
    (void)vm;
    (void)vcpu;
    (void)cookie;
    ZF_LOGE("guest access to RAM at [0x%zx, +0x%zx) that its rights or a discard forbid",
            (size_t)fault_addr, fault_length);
    return FAULT_ERROR;
}

/* Anonymous RAM starts where the largest frames that it can be made of are aligned, if there is
 * room. */
static int reserve_aligned(struct gm_space *space, struct gm_claim *claim,
                           vm_memory_reservation_t **res)
{
    unsigned size = space->policy.largest;
    int error;

    do {
        size_t align = (size_t)1 << gm_arch_frame_bits[size];

        error = size > 0 && claim->size < align
                    ? GUESTMEM_EUNMAPPED
                    : gm_reservation_new_anonymous(space, claim, align, res);
    } while (error == GUESTMEM_EUNMAPPED && size-- > 0);
    return error;
}

/* The same, but never at address 0, which means failure: what is free there is passed over. */
static int reserve_above_zero(struct gm_space *space, struct gm_claim *claim,
                              vm_memory_reservation_t **res)
{
    vm_memory_reservation_t *at_zero;
    int error = reserve_aligned(space, claim, res);

    if (error != GUESTMEM_OK || claim->base != 0) {
        return error;
    }
    at_zero = *res;
    error = reserve_aligned(space, claim, res);
    gm_reservation_drop(space, at_zero);
    return error;
}

/* Reserve what `claim` says, and back it; all or nothing. */
static int back_ram(struct gm_space *space, struct gm_claim *claim, const struct gm_source *source)
{
    vm_memory_reservation_t *res;
    int error = claim->anonymous ? reserve_above_zero(space, claim, &res)
                                 : gm_reservation_new(space, claim, &res);

    if (error != GUESTMEM_OK) {
        return error;
    }
    error = source->kind == GM_SOURCE_ITERATOR ? gm_backing_make(space, res, source, true)
                                               : gm_backing_make_by_policy(space, res, source);
    if (error != GUESTMEM_OK) {
        struct guestmem_failure failure = space->failure;

        gm_reservation_drop(space, res);
        space->failure = failure;
    }
    return error;
}

/* The same, and note it as RAM. */
static int register_ram(struct gm_space *space, struct gm_claim *claim,
                        const struct gm_source *source)
{
    int error = gm_ram_prepare(space);

    if (error != GUESTMEM_OK) {
        return error;
    }
    error = back_ram(space, claim, source);
    if (error != GUESTMEM_OK) {
        gm_ram_abandon(space);
        return error;
    }
    gm_ram_add(space, claim->base, claim->size);
    return GUESTMEM_OK;
}

uintptr_t vm_ram_register(vm_t *vm, size_t bytes)
{
    struct gm_space *space = gm_begin(vm);
    struct gm_claim claim = {0, bytes, ram_fault, NULL, GM_RESERVATION_RAM, 1};
    struct gm_source source = {.kind = GM_SOURCE_ANY, .is_ram = 1};
    int error = space == NULL ? GUESTMEM_EINVAL : register_ram(space, &claim, &source);

    return gm_end_logged(space, error, "vm_ram_register", 0, bytes) == 0 ? claim.base : 0;
}

int vm_ram_register_at(vm_t *vm, uintptr_t start, size_t bytes, bool untyped)
{
    struct gm_space *space = gm_begin(vm);
    struct gm_claim claim = {start, bytes, ram_fault, NULL, GM_RESERVATION_RAM, 0};
    struct gm_source source = {.kind = untyped ? GM_SOURCE_ADDRESS : GM_SOURCE_ANY, .is_ram = 1};
    int error = space == NULL ? GUESTMEM_EINVAL : register_ram(space, &claim, &source);

    return gm_end_logged(space, error, "vm_ram_register_at", start, bytes);
}

int vm_ram_register_at_custom_iterator(vm_t *vm, uintptr_t start, size_t bytes,
                                       memory_map_iterator_fn map_iterator, void *cookie)
{
    struct gm_space *space = gm_begin(vm);
    struct gm_claim claim = {start, bytes, ram_fault, NULL, GM_RESERVATION_RAM, 0};
    struct gm_source source = {
        .kind = GM_SOURCE_ITERATOR, .is_ram = 1, .iterator = map_iterator, .cookie = cookie};
    int error = GUESTMEM_EINVAL;

    if (space != NULL) {
        error = map_iterator == NULL ? gm_fail(space, GUESTMEM_EINVAL, "there is no iterator", 0)
                                     : register_ram(space, &claim, &source);
    }
    return gm_end_logged(space, error, "vm_ram_register_at_custom_iterator", start, bytes);
}

int guestmem_ram_mark(vm_t *vm, uintptr_t start, size_t bytes, bool allocated)
{
    struct gm_space *space = gm_begin(vm);
    int error;

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    error = gm_range_check(space, start, bytes);
    if (error == GUESTMEM_OK && !gm_ram_covers_kind(space, start, bytes, !allocated)) {
        error = gm_fail(space, GUESTMEM_EUNMAPPED,
                        allocated ? "find free RAM there" : "find allocated RAM there", 0);
    }
    if (error == GUESTMEM_OK) {
        error = gm_ram_make_room(space);
    }
    if (error == GUESTMEM_OK) {
        gm_ram_mark(space, start, bytes, allocated);
    }
    return gm_end(space, error, "guestmem_ram_mark", start, bytes);
}

static void mark(vm_t *vm, uintptr_t start, size_t bytes, bool allocated, const char *operation)
{
    struct gm_space *space = gm_begin(vm);

    gm_end_logged(space, guestmem_ram_mark(vm, start, bytes, allocated), operation, start, bytes);
}

void vm_ram_mark_allocated(vm_t *vm, uintptr_t start, size_t bytes)
{
    mark(vm, start, bytes, true, "vm_ram_mark_allocated");
}

void vm_ram_free(vm_t *vm, uintptr_t start, size_t bytes)
{
    mark(vm, start, bytes, false, "vm_ram_free");
}

uintptr_t vm_ram_allocate(vm_t *vm, size_t bytes)
{
    struct gm_space *space = gm_begin(vm);
    int error = space == NULL ? GUESTMEM_EINVAL : gm_range_check(space, 0, bytes);

    for (size_t i = 0; error == GUESTMEM_OK && i < space->ram_count; i++) {
        const struct vm_ram_region *region = &vm->mem.ram_regions[i];
        uintptr_t skip =
            region->start == 0 ? (uintptr_t)1 << seL4_PageBits : 0; /* 0 means failure */
        uintptr_t start = region->start + skip;

        if (!region->allocated && region->size > skip && region->size - skip >= bytes) {
            error = guestmem_ram_mark(vm, start, bytes, true);
            return gm_end_logged(space, error, "vm_ram_allocate", start, bytes) == 0 ? start : 0;
        }
    }
    if (error == GUESTMEM_OK) {
        error = gm_fail(space, GUESTMEM_EUNMAPPED, "find free RAM", 0);
    }
    gm_end_logged(space, error, "vm_ram_allocate", 0, bytes);
    return 0;
}

int vm_ram_find_largest_free_region(vm_t *vm, uintptr_t *addr, size_t *size)
{
    struct gm_space *space = gm_begin(vm);
    const struct vm_ram_region *largest = NULL;
    int error = GUESTMEM_OK;

    for (size_t i = 0; space != NULL && i < space->ram_count; i++) {
        const struct vm_ram_region *region = &vm->mem.ram_regions[i];

        if (!region->allocated && (largest == NULL || region->size > largest->size)) {
            largest = region;
        }
    }
    if (largest != NULL && addr != NULL && size != NULL) {
        *addr = largest->start;
        *size = largest->size;
    } else if (space != NULL) {
        error = largest == NULL
                    ? gm_fail(space, GUESTMEM_EUNMAPPED, "find free RAM", 0)
                    : gm_fail(space, GUESTMEM_EINVAL, "there is no place for the answer", 0);
    }
    return gm_end_logged(space, error, "vm_ram_find_largest_free_region", 0, 0);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * sel4vm/guest_ram.h: registering, allocating and touching RAM.
 */
/* first: a tree's headers lean on this one */
#include <sel4vm/guest_vm.h>

#include <sel4vm/guest_ram.h>
#include <string.h>
#include <utils/util.h>

#include "alias.h"
#include "backing.h"
#include "failure.h"
#include "ram_regions.h"
#include "reservation.h"
#include "span.h"

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

/* One touch under way. */
struct touch {
    vm_t *vm;
    uintptr_t start;
    uintptr_t last;
    ram_touch_callback_fn callback;
    void *cookie;
};

/* Where the VMM sees `at` in a reservation, and the last address up to which that view goes on.
 * NULL: nowhere. */
static char *view_in(const vm_memory_reservation_t *res, uintptr_t at, uintptr_t *last)
{
    const unsigned bits = gm_arch_frame_bits[0];
    uintptr_t base = gm_page_base(res);
    uint64_t behind;
    char *view = gm_alias_at(res, (at - base) >> bits, &behind);

    if (view == NULL) {
        return NULL;
    }
    *last = base + (behind << bits) - 1;
    *last = *last < gm_last(res) ? *last : gm_last(res);
    return view + (at & (((uintptr_t)1 << bits) - 1));
}

static char *find_view(struct gm_space *space, uintptr_t at, uintptr_t *last)
{
    const vm_memory_reservation_t *res = gm_reservation_find(space, at);

    return res == NULL ? NULL : view_in(res, at, last);
}

/*
 * Call the callback piece by piece. The views are there, the first one from `view` to `view_last`.
 * A callback may take one away: then it is looked up again.
 */
static int touch_all(struct gm_space *space, const struct touch *touch, char *view,
                     uintptr_t view_last)
{
    const uintptr_t mask = ((uintptr_t)1 << seL4_PageBits) - 1;
    uint64_t generation = gm_generation(space);
    uintptr_t at = touch->start;

    for (;;) {
        uintptr_t last = (at | mask) < touch->last ? at | mask : touch->last;
        int result;

        if (at > view_last || generation != gm_generation(space)) {
            view = find_view(space, at, &view_last);
            generation = gm_generation(space);
        }
        if (view == NULL) {
            gm_turn_take(space); /* which the end gives back */
            gm_fail(space, GUESTMEM_EUNMAPPED, "go on after the callback freed the RAM", 0);
            return gm_end_logged(space, GUESTMEM_EUNMAPPED, "vm_ram_touch", touch->start,
                                 touch->last - touch->start + 1);
        }
        result =
            touch->callback(touch->vm, at, view, last - at + 1, at - touch->start, touch->cookie);
        if (result != 0 || last == touch->last) {
            return result;
        }
        view += last + 1 - at;
        at = last + 1;
    }
}

/* Check a touch, and make the views that are missing. */
static int prepare_touch(struct gm_space *space, const struct touch *touch, size_t size)
{
    int error = gm_range_check(space, touch->start, size);

    if (error == GUESTMEM_OK && touch->callback == NULL) {
        error = gm_fail(space, GUESTMEM_EINVAL, "there is no callback", 0);
    }
    if (error == GUESTMEM_OK && !gm_ram_covers(space, touch->start, size)) {
        error = gm_fail(space, GUESTMEM_EUNMAPPED, "find RAM at every address", 0);
    }
    return error == GUESTMEM_OK ? gm_span_populate(space, touch->start, touch->last, true) : error;
}

/* Find the view of RAM that holds `at`, if there is one, and remember it. */
static void remember_view(struct gm_space *space, uintptr_t at)
{
    const uintptr_t mask = ((uintptr_t)1 << gm_arch_frame_bits[0]) - 1;
    const vm_memory_reservation_t *res = gm_reservation_find(space, at);
    struct gm_seen_part *touched = &space->recent.seen;

    touched->address = NULL;
    if (res == NULL || res->kind != GM_RESERVATION_RAM || res->taking) {
        return;
    }
    touched->base = (at & ~mask) < res->base ? res->base : at & ~mask;
    touched->address = view_in(res, touched->base, &touched->last);
    touched->generation = gm_generation(space);
}

/* The view of RAM that shows all of the touch already: the short way for small ones. NULL: there is
 * none. */
static char *whole_view(struct gm_space *space, const struct touch *touch, size_t size,
                        uintptr_t *view_last)
{
    const struct gm_seen_part *touched;

    if (space == NULL || touch->callback == NULL) {
        return NULL;
    }
    touched = &space->recent.seen;
    if (touched->address == NULL || touched->generation != gm_generation(space) ||
        touch->start - touched->base > touched->last - touched->base) {
        remember_view(space, touch->start);
    }
    if (touched->address == NULL || size - 1 > touched->last - touch->start) {
        return NULL;
    }
    *view_last = touched->last;
    return touched->address + (touch->start - touched->base);
}

int vm_ram_touch(vm_t *vm, uintptr_t addr, size_t size, ram_touch_callback_fn touch_callback,
                 void *cookie)
{
    struct gm_space *space = gm_begin(vm);
    struct touch touch = {vm, addr, addr + (size - 1), touch_callback, cookie};
    uintptr_t view_last = 0;
    char *view = whole_view(space, &touch, size, &view_last);
    int result;

    if (view == NULL) {
        int error = space == NULL ? GUESTMEM_EINVAL : prepare_touch(space, &touch, size);

        if (gm_end_logged(space, error, "vm_ram_touch", addr, size) != 0) {
            return -1;
        }
        view = find_view(space, addr, &view_last);
    }
    space->busy++;
    result = touch_all(space, &touch, view, view_last);
    space->busy--;
    gm_turn_give(space);
    return result;
}

int vm_guest_ram_read_callback(vm_t *vm, uintptr_t guest_addr, void *vaddr, size_t size,
                               size_t offset, void *buf)
{
    (void)vm;
    (void)guest_addr;
    memcpy((char *)buf + offset, vaddr, size);
    return 0;
}

int vm_guest_ram_write_callback(vm_t *vm, uintptr_t guest_addr, void *vaddr, size_t size,
                                size_t offset, void *buf)
{
    (void)vm;
    (void)guest_addr;
    memcpy(vaddr, (const char *)buf + offset, size);
    return 0;
}

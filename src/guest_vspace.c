/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "guest_vspace.h"

#include <sel4vm/guest_vm.h>

#include <sel4vm/guest_iospace.h>
#include <utils/util.h>

#include <guestmem/runtime.h>
#include <vspace/page.h>

#include "backing.h"
#include "failure.h"
#include "pool.h"
#include "reservation.h"

struct gm_space *gm_vspace_space(const vspace_t *vspace)
{
    return vspace->data;
}

struct gm_space *gm_vspace_begin(const vspace_t *vspace)
{
    struct gm_space *space = vspace->data;

    if (space != NULL) {
        gm_turn_take(space);
    }
    return space;
}

int gm_vspace_claim(struct gm_space *space, uintptr_t base, size_t size, unsigned rights,
                    int cacheable, vm_memory_reservation_t **out)
{
    uintptr_t mask = ((uintptr_t)1 << gm_arch_frame_bits[0]) - 1;
    struct gm_claim claim = {.base = base & ~mask, .kind = GM_RESERVATION_VSPACE};
    vm_memory_reservation_t *res;
    int error = gm_range_check(space, base, size);

    if (error != GUESTMEM_OK) {
        return error;
    }
    claim.size = ((base + (size - 1)) | mask) - claim.base + 1;
    error = gm_reservation_new(space, &claim, &res);
    if (error != GUESTMEM_OK) {
        return error;
    }
    error = gm_backing_make_empty(space, res);
    if (error != GUESTMEM_OK) {
        struct guestmem_failure failure = space->failure;

        gm_reservation_drop(space, res);
        space->failure = failure;
        return error;
    }
    res->vspace_rights = (uint8_t)rights;
    res->policy.memory_type = cacheable ? GUESTMEM_MEMORY_NORMAL : GUESTMEM_MEMORY_DEVICE;
    *out = res;
    return GUESTMEM_OK;
}

int gm_vspace_find_free(struct gm_space *space, size_t size, size_t bits, uintptr_t *base)
{
    uintptr_t mask = ((uintptr_t)1 << gm_arch_frame_bits[0]) - 1;
    uintptr_t align;
    uintptr_t at;

    if (!sel4_valid_size_bits(bits) || size == 0 || size - 1 > space->last) {
        return gm_fail(space, GUESTMEM_EINVAL, "find free addresses", 0);
    }
    size = ((size - 1) | mask) + 1;
    align = (uintptr_t)1 << bits;
    at = align; /* never address 0, which callers take for failure */
    while (at <= space->last && size - 1 <= space->last - at) {
        const vm_memory_reservation_t *res =
            gm_index_meets(&space->index, at, at + (size - 1));
        const struct gm_pool *pool = gm_pool_meets(&space->pools, at, at + (size - 1));
        uintptr_t last;

        if (res == NULL && pool == NULL) {
            *base = at;
            return GUESTMEM_OK;
        }
        last = res != NULL ? gm_last(res) : pool->base + (pool->size - 1);
        at = (last | (align - 1)) + 1;
    }
    return gm_fail(space, GUESTMEM_EUNMAPPED, "find free addresses", 0);
}

static reservation_t reserve_at(vspace_t *vspace, uintptr_t base, size_t bytes, unsigned rights,
                                int cacheable, const char *operation)
{
    struct gm_space *space = gm_vspace_begin(vspace);
    vm_memory_reservation_t *res = NULL;
    int error = space == NULL ? GUESTMEM_EINVAL
                              : gm_vspace_claim(space, base, bytes, rights, cacheable, &res);

    gm_end_logged(space, error, operation, base, bytes);
    return (reservation_t){error == GUESTMEM_OK ? res : NULL};
}

static reservation_t vspace_reserve_at(vspace_t *vspace, void *vaddr, size_t bytes,
                                       seL4_CapRights_t rights, int cacheable)
{
    return reserve_at(vspace, (uintptr_t)vaddr, bytes, gm_rights_of(rights), cacheable,
                      "vspace_reserve_range_at");
}

static reservation_t vspace_reserve_deferred(vspace_t *vspace, void *vaddr, size_t bytes,
                                             int cacheable)
{
    reservation_t reservation = reserve_at(vspace, (uintptr_t)vaddr, bytes, GM_RIGHTS_ALL,
                                           cacheable, "vspace_reserve_deferred_rights_range_at");
    vm_memory_reservation_t *res = reservation.res;

    if (res != NULL) {
        res->vspace_deferred = 1;
    }
    return reservation;
}

static reservation_t vspace_reserve_aligned(vspace_t *vspace, size_t bytes, size_t size_bits,
                                            seL4_CapRights_t rights, int cacheable, void **vaddr)
{
    static const char operation[] = "vspace_reserve_range_aligned";
    struct gm_space *space = gm_vspace_begin(vspace);
    reservation_t reservation = {NULL};
    uintptr_t base = 0;
    int error =
        space == NULL ? GUESTMEM_EINVAL : gm_vspace_find_free(space, bytes, size_bits, &base);

    if (error != GUESTMEM_OK) {
        gm_end_logged(space, error, operation, 0, bytes);
        return reservation;
    }
    reservation = reserve_at(vspace, base, bytes, gm_rights_of(rights), cacheable, operation);
    if (reservation.res != NULL) {
        *vaddr = (void *)base;
    }
    gm_turn_give(space);
    return reservation;
}

/* Pages that are mapped stay so, as the interface has it; the claim then goes with the last of
 * them. */
static int free_claim(struct gm_space *space, vm_memory_reservation_t *res)
{
    int error = gm_reservation_check(space, res);

    if (error == GUESTMEM_OK && res->kind != GM_RESERVATION_VSPACE) {
        error = gm_fail(space, GUESTMEM_ESTALE,
                        "free a range that was not reserved through the vspace", 0);
    }
    if (error == GUESTMEM_OK && res->backing->memory.frames.count > 0) {
        res->vspace_automatic = 1;
        return GUESTMEM_OK;
    }
    if (error == GUESTMEM_OK) {
        error = gm_reservation_may_drop(space, res);
    }
    if (error == GUESTMEM_OK) {
        gm_reservation_drop(space, res);
    }
    return error;
}

static void vspace_free_claim(vspace_t *vspace, reservation_t reservation)
{
    struct gm_space *space = gm_vspace_begin(vspace);
    int error = space == NULL ? GUESTMEM_EINVAL : free_claim(space, reservation.res);

    gm_end_logged(space, error, "vspace_free_reservation", 0, 0);
}

static void vspace_free_claim_at(vspace_t *vspace, void *vaddr)
{
    struct gm_space *space = gm_vspace_begin(vspace);
    vm_memory_reservation_t *res =
        space == NULL ? NULL : gm_reservation_find(space, (uintptr_t)vaddr);
    int error = GUESTMEM_EINVAL;

    if (space != NULL) {
        error = res == NULL ? gm_fail(space, GUESTMEM_EUNMAPPED, "find a reservation there", 0)
                            : free_claim(space, res);
    }
    gm_end_logged(space, error, "vspace_free_reservation_by_vaddr", (uintptr_t)vaddr, 0);
}

const struct gm_extent *gm_vspace_frame_at(struct gm_space *space, uintptr_t gpa,
                                           vm_memory_reservation_t **res, uint64_t *page)
{
    uintptr_t mask = ((uintptr_t)1 << gm_arch_frame_bits[0]) - 1;
    const struct gm_extent *extent;
    uint64_t pages;

    /* a backed reservation has its pages to itself, also those bytes of them that it doesn't hold
     */
    *res = gm_index_meets(&space->index, gpa & ~mask, gpa | mask);
    if (*res == NULL || (*res)->backing == NULL) {
        return NULL;
    }
    *page = (gpa - gm_page_base(*res)) >> gm_arch_frame_bits[0];
    extent = gm_extents_find(&(*res)->backing->memory.frames, *page);
    if (extent != NULL) {
        pages = gm_size_pages(extent->size);
        *page -= (*page - extent->page) % pages;
    }
    return extent;
}

/* The cap of the frame at gpa, and its size in bits; seL4_CapNull and 0: none is there. */
static seL4_CPtr find_cap(vspace_t *vspace, uintptr_t gpa, unsigned *bits)
{
    struct gm_space *space = gm_vspace_begin(vspace);
    const struct gm_extent *extent;
    vm_memory_reservation_t *res;
    seL4_CPtr cap = seL4_CapNull;
    uint64_t page;

    *bits = 0;
    if (space == NULL) {
        return cap;
    }
    extent = gm_vspace_frame_at(space, gpa, &res, &page);
    if (extent != NULL) {
        cap = extent->cptr + (page - extent->page) / gm_size_pages(extent->size);
        *bits = gm_arch_frame_bits[extent->size];
    }
    gm_turn_give(space);
    return cap;
}

static seL4_CPtr vspace_cap_at(vspace_t *vspace, void *vaddr)
{
    unsigned bits;

    return find_cap(vspace, (uintptr_t)vaddr, &bits);
}

/* The frame's size in bits: what code that shares or splits frames asks the cookie for. */
static uintptr_t vspace_cookie_at(vspace_t *vspace, void *vaddr)
{
    unsigned bits;

    find_cap(vspace, (uintptr_t)vaddr, &bits);
    return bits;
}

static seL4_CPtr vspace_root(vspace_t *vspace)
{
    struct gm_space *space = gm_vspace_space(vspace);

    return space == NULL ? seL4_CapNull : space->root;
}

/* The caller's frames go as `vka` says; all that the library made goes in any case. */
static void vspace_take_down(vspace_t *vspace, vka_t *vka)
{
    struct gm_space *space = gm_vspace_space(vspace);
    const struct gm_range_index *index;
    struct gm_range_pos pos;

    if (space == NULL) {
        return;
    }
    gm_turn_take(space);
    if (gm_space_is_busy(space)) {
        gm_fail(space, GUESTMEM_EBUSY, "take the guest's memory down", 0);
        gm_end_logged(space, GUESTMEM_EBUSY, "vspace_tear_down", 0, space->last + 1);
        return;
    }
    index = gm_index_root(&space->index);
    if (gm_range_index_first(index, &pos)) {
        do {
            gm_vspace_free_given(space, gm_range_index_item(index, pos), vka);
        } while (gm_range_index_next(index, &pos));
    }
    vspace->data = NULL;
    gm_space_drop(space);
}

static void ignore_object(void *cookie, vka_object_t object)
{
    (void)cookie;
    (void)object;
}

bool gm_vspace_is_ours(const vspace_t *vspace)
{
    return vspace->get_root == vspace_root && vspace->data != NULL;
}

int vm_init_guest_vspace(vspace_t *loader, vspace_t *vmm, vspace_t *new_vspace, vka_t *vka,
                         seL4_CPtr page_directory)
{
    struct gm_space *space;

    (void)loader;
    if (vmm == NULL || new_vspace == NULL || vka == NULL || page_directory == seL4_CapNull) {
        ZF_LOGE("vm_init_guest_vspace: %s", guestmem_strerror(GUESTMEM_EINVAL));
        return -1;
    }
    space = gm_space_new(new_vspace, vmm, vka, page_directory);
    if (space == NULL) {
        ZF_LOGE("vm_init_guest_vspace: %s", guestmem_strerror(GUESTMEM_ENOMEM));
        return -1;
    }
    *new_vspace = (vspace_t){
        .data = space,
        .new_pages = gm_vspace_new_pages,
        .map_pages = gm_vspace_map_pages,
        .new_pages_at_vaddr = gm_vspace_new_pages_at,
        .map_pages_at_vaddr = gm_vspace_map_pages_at,
        .deferred_rights_map_pages_at_vaddr = gm_vspace_map_pages_at_deferred,
        .unmap_pages = gm_vspace_unmap_pages,
        .tear_down = vspace_take_down,
        .reserve_range_aligned = vspace_reserve_aligned,
        .reserve_range_at = vspace_reserve_at,
        .reserve_deferred_rights_range_at = vspace_reserve_deferred,
        .free_reservation = vspace_free_claim,
        .free_reservation_by_vaddr = vspace_free_claim_at,
        .get_cap = vspace_cap_at,
        .get_root = vspace_root,
        .get_cookie = vspace_cookie_at,
        .share_mem_at_vaddr = gm_vspace_share,
        .allocated_object = ignore_object,
    };
    return 0;
}

int vm_guest_add_iospace(vm_t *vm, vspace_t *loader, seL4_CPtr iospace)
{
    struct gm_space *space = gm_begin(vm);
    int error = GUESTMEM_ENOSUP;

    (void)loader;
    (void)iospace;
    if (space != NULL) {
        gm_fail(space, error, "this kernel has no IO space that can be mapped", 0);
    }
    return gm_end_logged(space, error, "vm_guest_add_iospace", 0, 0);
}

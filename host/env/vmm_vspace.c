/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The VMM's vspace_t: reservations and mappings as callers ask for them.
 */
#include "env.h"

#include <stdlib.h>

static struct env_vmm *vmm_of(vspace_t *vspace)
{
    return vspace->data;
}

static uint64_t page_of(const struct env_vmm *vmm, const void *vaddr)
{
    return ((uint64_t)(uintptr_t)vaddr - (uint64_t)(uintptr_t)vmm->area) >> 12;
}

static void *address_of(const struct env_vmm *vmm, const struct env_span *span)
{
    return vmm->area + (span->page << 12);
}

static uint64_t page_count(size_t bytes)
{
    return ((uint64_t)bytes >> 12) + ((bytes & 0xfff) != 0);
}

static bool refuse(const char *step)
{
    return env_refuse(GUESTMEM_HOST_FAIL_VMM_MAP, step);
}

static reservation_t reservation_of(struct env_span *span, seL4_CapRights_t rights, int cacheable)
{
    reservation_t reservation = {.res = span};

    if (span != NULL) {
        span->rights = (uint8_t)k_frame_rights(K_READ | K_WRITE, rights);
        span->cacheable = cacheable != 0;
    }
    return reservation;
}

static reservation_t reserve_range_aligned(vspace_t *vspace, size_t bytes, size_t size_bits,
                                           seL4_CapRights_t rights, int cacheable, void **vaddr)
{
    K_ALONE;
    struct env_span *span = NULL;

    if (!refuse("vspace_reserve_range") && size_bits <= seL4_HugePageBits) {
        span = env_span_reserve(vmm_of(vspace), page_count(bytes), (unsigned)size_bits);
    }
    if (span != NULL) {
        *vaddr = address_of(vmm_of(vspace), span);
    }
    return reservation_of(span, rights, cacheable);
}

static struct env_span *reserve_at(vspace_t *vspace, void *vaddr, size_t bytes)
{
    struct env_vmm *vmm = vmm_of(vspace);
    uint64_t start = (uint64_t)(uintptr_t)vaddr;

    if (refuse("vspace_reserve_range_at") || (uintptr_t)vaddr < (uintptr_t)vmm->area ||
        start > UINT64_MAX - bytes) {
        return NULL;
    }
    return env_span_reserve_at(vmm, page_of(vmm, vaddr), page_count((start & 0xfff) + bytes));
}

static reservation_t reserve_range_at(vspace_t *vspace, void *vaddr, size_t bytes,
                                      seL4_CapRights_t rights, int cacheable)
{
    K_ALONE;

    return reservation_of(reserve_at(vspace, vaddr, bytes), rights, cacheable);
}

static reservation_t reserve_deferred_rights_range_at(vspace_t *vspace, void *vaddr, size_t bytes,
                                                      int cacheable)
{
    K_ALONE;
    struct env_span *span = reserve_at(vspace, vaddr, bytes);

    if (span != NULL) {
        span->deferred = true;
    }
    return reservation_of(span, seL4_NoRights, cacheable);
}

static void free_reservation(vspace_t *vspace, reservation_t reservation)
{
    K_ALONE;

    if (!env_span_is(vmm_of(vspace), reservation.res)) {
        ZF_LOGF("free_reservation: %p is no reservation", reservation.res);
    }
    env_span_unreserve(vmm_of(vspace), reservation.res);
}

static void free_reservation_by_vaddr(vspace_t *vspace, void *vaddr)
{
    K_ALONE;
    struct env_vmm *vmm = vmm_of(vspace);
    struct env_span *span = env_span_find(vmm, page_of(vmm, vaddr));

    if (span != NULL && span->reserved) {
        env_span_unreserve(vmm, span);
    }
}

static int map_pages_in(vspace_t *vspace, const char *step, seL4_CPtr caps[], uintptr_t cookies[],
                        void *vaddr, size_t count, size_t size_bits, unsigned rights,
                        struct env_span *span)
{
    int err;

    if (refuse(step)) {
        return -1;
    }
    env_enter();
    err = env_vmm_map(vmm_of(vspace), span, (uint64_t)(uintptr_t)vaddr, caps, cookies, count,
                      (unsigned)size_bits, rights);
    env_leave();
    return err;
}

static int map_pages_at_vaddr(vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[], void *vaddr,
                              size_t num_pages, size_t size_bits, reservation_t reservation)
{
    K_ALONE;
    struct env_span *span = reservation.res;

    if (!env_span_is(vmm_of(vspace), span) || span->deferred) {
        return -1;
    }
    return map_pages_in(vspace, "vspace_map_pages_at_vaddr", caps, cookies, vaddr, num_pages,
                        size_bits, span->rights, span);
}

static int deferred_rights_map_pages_at_vaddr(vspace_t *vspace, seL4_CPtr caps[],
                                              uintptr_t cookies[], void *vaddr, size_t num_pages,
                                              size_t size_bits, seL4_CapRights_t rights,
                                              reservation_t reservation)
{
    K_ALONE;
    struct env_span *span = reservation.res;

    if (!env_span_is(vmm_of(vspace), span)) {
        return -1;
    }
    return map_pages_in(
        vspace, "vspace_deferred_rights_map_pages_at_vaddr", caps, cookies, vaddr, num_pages,
        size_bits, span->deferred ? k_frame_rights(K_READ | K_WRITE, rights) : span->rights, span);
}

static void *map_pages(vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[],
                       seL4_CapRights_t rights, size_t num_pages, size_t size_bits, int cacheable)
{
    K_ALONE;
    struct env_vmm *vmm = vmm_of(vspace);
    struct env_span *span;
    void *vaddr;
    int err;

    if (refuse("vspace_map_pages") || num_pages > ENV_AREA_BYTES >> size_bits) {
        return NULL;
    }
    span = env_span_reserve(vmm, (uint64_t)num_pages << (size_bits - 12), (unsigned)size_bits);
    if (span == NULL) {
        return NULL;
    }
    reservation_of(span, rights, cacheable);
    vaddr = address_of(vmm, span);
    env_enter();
    err = env_vmm_map(vmm, span, (uint64_t)(uintptr_t)vaddr, caps, cookies, num_pages,
                      (unsigned)size_bits, span->rights);
    env_leave();
    env_span_unreserve(vmm, span);
    return err == 0 ? vaddr : NULL;
}

static void unmap_pages(vspace_t *vspace, void *vaddr, size_t num_pages, size_t size_bits,
                        vka_t *vka)
{
    K_ALONE;

    if (!sel4_valid_size_bits(size_bits)) {
        ZF_LOGE("unmap_pages: no frame has 2^%zu bytes", size_bits);
        return;
    }
    env_enter();
    env_vmm_unmap(vmm_of(vspace), (uint64_t)(uintptr_t)vaddr, num_pages, (unsigned)size_bits,
                  vka == VSPACE_FREE ? &env_current->vka : vka);
    env_leave();
}

/* One frame of the allocator's, mapped; the frame goes back if it can't be. */
static int new_page(vspace_t *vspace, struct env_span *span, void *vaddr, size_t size_bits,
                    bool can_use_dev)
{
    vka_t *vka = &env_current->vka;
    vka_object_t frame;
    uintptr_t cookie;

    if (vka_alloc_frame_maybe_device(vka, (uint32_t)size_bits, can_use_dev, &frame) != 0) {
        return -1;
    }
    cookie = frame.ut;
    if (env_vmm_map(vmm_of(vspace), span, (uint64_t)(uintptr_t)vaddr, &frame.cptr, &cookie, 1,
                    (unsigned)size_bits, span->rights) != 0) {
        vka_free_object(vka, &frame);
        return -1;
    }
    vspace_maybe_call_allocated_object(vspace, frame);
    return 0;
}

static int new_pages_in(vspace_t *vspace, struct env_span *span, void *vaddr, size_t num_pages,
                        size_t size_bits, bool can_use_dev)
{
    uint8_t *start = vaddr;
    int err = 0;

    env_enter();
    for (size_t k = 0; k < num_pages && err == 0; k++) {
        err = new_page(vspace, span, start + (k << size_bits), size_bits, can_use_dev);
        if (err != 0 && k > 0) {
            env_vmm_unmap(vmm_of(vspace), (uint64_t)(uintptr_t)start, k, (unsigned)size_bits,
                          &env_current->vka);
        }
    }
    env_leave();
    return err;
}

static int new_pages_at_vaddr(vspace_t *vspace, void *vaddr, size_t num_pages, size_t size_bits,
                              reservation_t reservation, bool can_use_dev)
{
    K_ALONE;
    struct env_span *span = reservation.res;

    if (refuse("vspace_new_pages_at_vaddr") || !sel4_valid_size_bits(size_bits) ||
        !env_span_is(vmm_of(vspace), span) || span->deferred) {
        return -1;
    }
    return new_pages_in(vspace, span, vaddr, num_pages, size_bits, can_use_dev);
}

static void *new_pages(vspace_t *vspace, seL4_CapRights_t rights, size_t num_pages,
                       size_t size_bits)
{
    K_ALONE;
    struct env_vmm *vmm = vmm_of(vspace);
    struct env_span *span;
    void *vaddr;
    int err;

    if (refuse("vspace_new_pages") || num_pages > ENV_AREA_BYTES >> size_bits) {
        return NULL;
    }
    span = env_span_reserve(vmm, (uint64_t)num_pages << (size_bits - 12), (unsigned)size_bits);
    if (span == NULL) {
        return NULL;
    }
    reservation_of(span, rights, 1);
    vaddr = address_of(vmm, span);
    err = new_pages_in(vspace, span, vaddr, num_pages, size_bits, false);
    env_span_unreserve(vmm, span);
    return err == 0 ? vaddr : NULL;
}

static void unmap_span(vspace_t *vspace, const struct env_span *span, vka_t *vka)
{
    struct env_vmm *vmm = vmm_of(vspace);
    uint64_t page = span->page;

    while (span->mapped != 0) {
        unsigned bits = vmm->pages[page].bits;

        if (bits == 0) {
            page++;
            continue;
        }
        unmap_pages(vspace, vmm->area + (page << 12), 1, bits, vka);
        page += UINT64_C(1) << (bits - 12);
    }
}

/* A span lives as long as it is reserved or has pages: each is kept until its pages are gone. */
static void tear_down(vspace_t *vspace, vka_t *vka)
{
    K_ALONE;
    struct env_vmm *vmm = vmm_of(vspace);

    while (vmm->count > 0) {
        struct env_span *span = vmm->spans[vmm->count - 1];

        if (!span->reserved) {
            span->reserved = true;
            vmm->reserved_bytes += span->pages << 12;
        }
        unmap_span(vspace, span, vka);
        env_span_unreserve(vmm, span);
    }
}

static seL4_CPtr get_cap(vspace_t *vspace, void *vaddr)
{
    K_ALONE;
    const struct env_page *page = env_vmm_page(vmm_of(vspace), (uint64_t)(uintptr_t)vaddr);

    return page == NULL ? seL4_CapNull : page->cap;
}

static uintptr_t get_cookie(vspace_t *vspace, void *vaddr)
{
    K_ALONE;
    const struct env_page *page = env_vmm_page(vmm_of(vspace), (uint64_t)(uintptr_t)vaddr);

    return page == NULL ? 0 : page->cookie;
}

static seL4_CPtr get_root(vspace_t *vspace)
{
    (void)vspace;
    return seL4_CapInitThreadVSpace;
}

static void drop_copies(vka_t *vka, const seL4_CPtr copies[], int count)
{
    for (int k = 0; k < count; k++) {
        seL4_CNode_Delete(seL4_CapInitThreadCNode, copies[k], seL4_WordBits);
        vka_cspace_free(vka, copies[k]);
    }
}

/* A second cap of each frame in the range: one cap, one mapping. */
static bool copy_caps(vspace_t *from, vka_t *vka, const uint8_t *start, seL4_CPtr copies[],
                      int count, size_t size_bits)
{
    for (int k = 0; k < count; k++) {
        seL4_CPtr cap = get_cap(from, (void *)(uintptr_t)(start + ((size_t)k << size_bits)));
        int err = cap == seL4_CapNull ? -1 : vka_cspace_alloc(vka, &copies[k]);

        if (err == 0) {
            err = (int)seL4_CNode_Copy(seL4_CapInitThreadCNode, copies[k], seL4_WordBits,
                                       seL4_CapInitThreadCNode, cap, seL4_WordBits, seL4_AllRights);
            if (err != 0) {
                vka_cspace_free(vka, copies[k]);
            }
        }
        if (err != 0) {
            drop_copies(vka, copies, k);
            return false;
        }
    }
    return true;
}

static int share_mem_at_vaddr(vspace_t *from, vspace_t *to, void *start, int num_pages,
                              size_t size_bits, void *vaddr, reservation_t res)
{
    K_ALONE;
    vka_t *vka = &env_current->vka;
    seL4_CPtr *copies;
    int err = -1;

    if (refuse("vspace_share_mem_at_vaddr")) {
        return -1;
    }
    copies = calloc((size_t)num_pages, sizeof(*copies));
    if (copies == NULL) {
        return -1;
    }
    env_enter();
    if (copy_caps(from, vka, start, copies, num_pages, size_bits)) {
        env_leave(); /* the other space's own requests are its caller's */
        err = vspace_map_pages_at_vaddr(to, copies, NULL, vaddr, (size_t)num_pages, size_bits, res);
        env_enter();
        if (err != 0) {
            drop_copies(vka, copies, num_pages);
        }
    }
    env_leave();
    free(copies);
    return err;
}

void env_vmm_vspace(struct env_vmm *vmm, vspace_t *vspace)
{
    *vspace = (vspace_t){.data = vmm,
                         .new_pages = new_pages,
                         .map_pages = map_pages,
                         .new_pages_at_vaddr = new_pages_at_vaddr,
                         .map_pages_at_vaddr = map_pages_at_vaddr,
                         .deferred_rights_map_pages_at_vaddr = deferred_rights_map_pages_at_vaddr,
                         .unmap_pages = unmap_pages,
                         .tear_down = tear_down,
                         .reserve_range_aligned = reserve_range_aligned,
                         .reserve_range_at = reserve_range_at,
                         .reserve_deferred_rights_range_at = reserve_deferred_rights_range_at,
                         .free_reservation = free_reservation,
                         .free_reservation_by_vaddr = free_reservation_by_vaddr,
                         .get_cap = get_cap,
                         .get_root = get_root,
                         .get_cookie = get_cookie,
                         .share_mem_at_vaddr = share_mem_at_vaddr};
}

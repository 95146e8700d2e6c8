/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Pages of the guest's vspace_t. They live in vspace reservations only: what the vm_* calls backed
 * can't be unmapped or replaced through the vspace.
 */
#include "guest_vspace.h"

#include <vspace/page.h>

#include "alias.h"
#include "backing.h"
#include "failure.h"
#include "frames_sources.h"
#include "holding.h"
#include "memory_kind.h"
#include "place.h"
#include "reservation.h"

/* One request for pages. */
struct request {
    uintptr_t base;
    size_t count;
    unsigned size; /* index of the frame size */
    unsigned rights;
    seL4_CPtr *caps;    /* the caller's; NULL: new ones */
    uintptr_t *cookies; /* of their untypeds; may be NULL */
    bool can_use_device;
    bool are_copies; /* the caps are the library's: copies of another space's */
};

static int check_size(struct gm_space *space, size_t size_bits, unsigned *size)
{
    for (*size = 0; *size < GM_ARCH_SIZE_COUNT; (*size)++) {
        if (gm_arch_frame_bits[*size] == size_bits) {
            return GUESTMEM_OK;
        }
    }
    return gm_fail(space, GUESTMEM_EINVAL, "there are no frames of that size", 0);
}

/* Check that the request is aligned, inside the reservation, and that nothing is there yet. */
static int check_request(struct gm_space *space, vm_memory_reservation_t *res,
                         const struct request *request, uint64_t *page)
{
    unsigned bits = gm_arch_frame_bits[request->size];
    uintptr_t offset;

    if (res->kind != GM_RESERVATION_VSPACE) {
        return gm_fail(space, GUESTMEM_ESTALE,
                       "use a range that was not reserved through the vspace", 0);
    }
    if (request->count == 0 || (request->base & (((uintptr_t)1 << bits) - 1)) != 0) {
        return gm_fail(space, GUESTMEM_EINVAL, "the pages are none, or not aligned", 0);
    }
    offset = request->base - res->base;
    if (request->base < res->base || offset >= res->size ||
        request->count > (res->size - offset) >> bits) {
        return gm_fail(space, GUESTMEM_ERANGE, "the pages leave the reservation", 0);
    }
    *page = offset >> gm_arch_frame_bits[0];
    if (!gm_extents_free(&res->backing->memory.frames, *page,
                         *page + request->count * gm_size_pages(request->size))) {
        return gm_fail_taken(space, "map pages where some are mapped", res->base, res->size);
    }
    return GUESTMEM_OK;
}

/* What is held for a cap that came from outside; false: nothing. */
static bool holding_of(const struct request *request, size_t i, uint64_t page,
                       struct gm_holding *holding)
{
    uintptr_t cookie = request->cookies == NULL ? 0 : request->cookies[i];

    *holding =
        (struct gm_holding){.cptr = request->caps[i],
                            .ut = cookie,
                            .page = (uint32_t)page,
                            .live = 1,
                            .bits = (uint8_t)gm_arch_frame_bits[request->size],
                            .size = (uint8_t)request->size,
                            .kind = request->are_copies ? GM_HOLDING_BOOT : GM_HOLDING_COOKIE};
    return request->are_copies || cookie != 0;
}

/* Note a frame that came from outside, and the cookie of its memory if it has one. */
static int take_given(struct gm_space *space, const struct request *request, size_t i,
                      uint64_t page, struct gm_memory *load)
{
    struct gm_extent extent = {.cptr = request->caps[i],
                               .page = (uint32_t)page,
                               .count = 1,
                               .size = request->size & 3u,
                               .owned = request->are_copies};
    struct gm_holding holding;
    bool held = holding_of(request, i, page, &holding);

    if (request->caps[i] == seL4_CapNull) {
        return gm_fail(space, GUESTMEM_EFRAME, "the caller gave no frame", 0);
    }
    if (gm_extents_reserve(space, &load->frames, 1) ||
        (held && gm_holdings_reserve(space, &load->singles, 1))) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note the frames", 0);
    }
    gm_extents_insert(&load->frames, extent);
    if (held) {
        gm_holdings_insert(&load->singles, holding);
    }
    return GUESTMEM_OK;
}

static int take_new(struct gm_space *space, vm_memory_reservation_t *res,
                    const struct request *request, uint64_t page, struct gm_memory *load)
{
    struct gm_source source = {.kind = request->can_use_device ? GM_SOURCE_ANY : GM_SOURCE_RAM};

    return gm_memory_take_exactly(space, res, &source, page, request->size, load);
}

/* Frames that came from outside stay whole after a failure: leave caps and slots alone. */
static void disown(struct gm_memory *load)
{
    for (size_t i = 0; i < load->frames.count; i++) {
        load->frames.at[i].owned = 0;
    }
    load->singles.count = 0;
}

/* All pages of a request; all or nothing. */
static int map_request(struct gm_space *space, vm_memory_reservation_t *res,
                       const struct request *request)
{
    static const struct gm_source none = {.kind = GM_SOURCE_NONE};
    struct gm_memory load = {0};
    uint64_t page = 0;
    int error = check_request(space, res, request, &page);

    if (error != GUESTMEM_OK) {
        return error;
    }
    for (size_t i = 0; error == GUESTMEM_OK && i < request->count; i++) {
        uint64_t at = page + i * gm_size_pages(request->size);

        error = request->caps == NULL ? take_new(space, res, request, at, &load)
                                      : take_given(space, request, i, at, &load);
    }
    for (size_t i = 0; i < load.frames.count; i++) {
        load.frames.at[i].rights = request->rights & GM_RIGHTS_ALL;
        load.frames.at[i].device = res->policy.memory_type == GUESTMEM_MEMORY_DEVICE;
    }
    if (error == GUESTMEM_OK) {
        error = gm_backing_add(space, res, &load);
    }
    if (error != GUESTMEM_OK) {
        if (request->caps != NULL) {
            disown(&load);
        }
        gm_frames_give(space, &none, &load);
    }
    return error;
}

/* A request at an address of the caller's. */
static int map_at(vspace_t *vspace, struct request *request, size_t size_bits,
                  reservation_t reservation, const seL4_CapRights_t *rights, const char *operation)
{
    struct gm_space *space = gm_vspace_begin(vspace);
    vm_memory_reservation_t *res = reservation.res;
    int error = space == NULL ? GUESTMEM_EINVAL : check_size(space, size_bits, &request->size);

    if (error == GUESTMEM_OK) {
        error = gm_reservation_check(space, res);
    }
    if (error == GUESTMEM_OK && res->vspace_deferred != (rights != NULL)) {
        error = gm_fail(space, GUESTMEM_EINVAL,
                        "the reservation has rights, and the call too, or neither", 0);
    }
    if (error == GUESTMEM_OK) {
        request->rights = rights == NULL ? res->vspace_rights : gm_rights_of(*rights);
        error = map_request(space, res, request);
    }
    return gm_end_logged(space, error, operation, request->base,
                         request->count << (size_bits & 63));
}

int gm_vspace_new_pages_at(vspace_t *vspace, void *vaddr, size_t num_pages, size_t size_bits,
                           reservation_t reservation, bool can_use_dev)
{
    struct request request = {
        .base = (uintptr_t)vaddr, .count = num_pages, .can_use_device = can_use_dev};

    return map_at(vspace, &request, size_bits, reservation, NULL, "vspace_new_pages_at_vaddr");
}

int gm_vspace_map_pages_at(vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[], void *vaddr,
                           size_t num_pages, size_t size_bits, reservation_t reservation)
{
    struct request request = {.base = (uintptr_t)vaddr,
                              .count = caps == NULL ? 0 : num_pages,
                              .caps = caps,
                              .cookies = cookies};

    return map_at(vspace, &request, size_bits, reservation, NULL, "vspace_map_pages_at_vaddr");
}

int gm_vspace_map_pages_at_deferred(vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[],
                                    void *vaddr, size_t num_pages, size_t size_bits,
                                    seL4_CapRights_t rights, reservation_t reservation)
{
    struct request request = {.base = (uintptr_t)vaddr,
                              .count = caps == NULL ? 0 : num_pages,
                              .caps = caps,
                              .cookies = cookies};

    return map_at(vspace, &request, size_bits, reservation, &rights,
                  "vspace_deferred_rights_map_pages_at_vaddr");
}

/* A request at an address of ours: the claim goes with the last page. */
static void *map_anywhere(vspace_t *vspace, struct request *request, size_t size_bits,
                          int cacheable, const char *operation)
{
    struct gm_space *space = gm_vspace_begin(vspace);
    size_t bytes = request->count << (size_bits & 63);
    vm_memory_reservation_t *res;
    int error = space == NULL ? GUESTMEM_EINVAL : check_size(space, size_bits, &request->size);

    if (error == GUESTMEM_OK && bytes >> size_bits != request->count) {
        error = gm_fail(space, GUESTMEM_ERANGE, "count the bytes of the pages", 0);
    }
    if (error == GUESTMEM_OK) {
        error = gm_vspace_find_free(space, bytes, size_bits, &request->base);
    }
    if (error == GUESTMEM_OK) {
        error = gm_vspace_claim(space, request->base, bytes, request->rights, cacheable, &res);
    }
    if (error == GUESTMEM_OK) {
        res->vspace_automatic = 1;
        error = map_request(space, res, request);
        if (error != GUESTMEM_OK) {
            struct guestmem_failure failure = space->failure;

            gm_reservation_drop(space, res);
            space->failure = failure;
        }
    }
    return gm_end_logged(space, error, operation, request->base, bytes) == 0 ? (void *)request->base
                                                                             : NULL;
}

void *gm_vspace_new_pages(vspace_t *vspace, seL4_CapRights_t rights, size_t num_pages,
                          size_t size_bits)
{
    struct request request = {.count = num_pages, .rights = gm_rights_of(rights)};

    return map_anywhere(vspace, &request, size_bits, 1, "vspace_new_pages");
}

void *gm_vspace_map_pages(vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[],
                          seL4_CapRights_t rights, size_t num_pages, size_t size_bits,
                          int cacheable)
{
    struct request request = {.count = caps == NULL ? 0 : num_pages,
                              .rights = gm_rights_of(rights),
                              .caps = caps,
                              .cookies = cookies};

    return map_anywhere(vspace, &request, size_bits, cacheable, "vspace_map_pages");
}

/* Delete a frame that the caller brought, free its slot, and its memory if a cookie came with it.
 */
static void free_given(vka_t *vka, const struct gm_holding *holding, seL4_CPtr frame)
{
    cspacepath_t path;

    vka_cspace_make_path(vka, frame, &path);
    vka_cnode_delete(&path);
    vka_cspace_free_path(vka, path);
    if (holding != NULL) {
        vka_utspace_free(vka, gm_arch_frame_type(holding->size), holding->bits, holding->ut);
    }
}

/* What is held for a frame that leaves by itself is forgotten: its memory is the caller's now. */
static void forget_single(struct gm_space *space, struct gm_memory *memory, uint64_t page,
                          bool owned)
{
    struct gm_holding *holding = gm_holdings_at(&memory->singles, page);

    space->stats.untypeds -= holding != NULL && holding->kind == GM_HOLDING_FRAME;
    space->stats.slots -= owned;
    if (holding != NULL) {
        gm_holdings_remove(&memory->singles, holding);
    }
}

/*
 * Unmap one frame. With a vka it is freed; with none its cap, slot and memory are the caller's from
 * now on, who had the cap from vspace_get_cap().
 */
static void unmap_frame(struct gm_space *space, vm_memory_reservation_t *res, uint64_t page,
                        vka_t *vka)
{
    struct gm_memory *memory = &res->backing->memory;
    const struct gm_extent *extent = gm_extents_find(&memory->frames, page);
    uint64_t behind = page + gm_size_pages(extent->size);
    seL4_CPtr frame = extent->cptr + (page - extent->page) / gm_size_pages(extent->size);
    bool owned = extent->owned;

    if (owned && vka != NULL) {
        gm_backing_remove(space, res, page, behind);
        return;
    }
    gm_alias_remove(space, res, page, behind);
    gm_arch_frame_unmap(frame);
    if (!owned && vka != NULL) {
        free_given(vka, gm_holdings_at(&memory->singles, page), frame);
    }
    forget_single(space, memory, page, owned);
    gm_backing_forget(space, res, page, behind);
}

/* Make room to cut the frame at `page` out of a list. */
static int make_room(struct gm_space *space, struct gm_extents *list, uint64_t page, unsigned size)
{
    const struct gm_extent *extent = gm_extents_find(list, page);
    bool splits =
        extent != NULL && extent->page < page && page + gm_size_pages(size) < gm_extent_end(extent);

    return splits ? gm_extents_reserve(space, list, 1) : GUESTMEM_OK;
}

/* Check that exactly these pages are mapped there through the vspace. */
static int check_mapped(struct gm_space *space, uintptr_t base, size_t count, unsigned size)
{
    uintptr_t step = (uintptr_t)1 << gm_arch_frame_bits[size];
    int error = gm_range_check(space, base, count * step);

    for (size_t i = 0; error == GUESTMEM_OK && i < count; i++) {
        vm_memory_reservation_t *res;
        uint64_t page;
        const struct gm_extent *extent = gm_vspace_frame_at(space, base + i * step, &res, &page);

        if (extent == NULL || extent->size != size || res->kind != GM_RESERVATION_VSPACE ||
            gm_page_base(res) + (page << gm_arch_frame_bits[0]) != base + i * step) {
            return gm_fail(space, GUESTMEM_EUNMAPPED,
                           "find pages of that size mapped by vspace calls", 0);
        }
        /* only the first can leave frames, or views, on both sides: those behind it have none in
         * front by then */
        if (i == 0 && (make_room(space, &res->backing->memory.frames, page, size) ||
                       make_room(space, &res->backing->alias, page, size))) {
            return gm_fail(space, GUESTMEM_ENOMEM, "note what is left", 0);
        }
    }
    return error;
}

void gm_vspace_unmap_pages(vspace_t *vspace, void *vaddr, size_t num_pages, size_t size_bits,
                           vka_t *vka)
{
    struct gm_space *space = gm_vspace_begin(vspace);
    uintptr_t base = (uintptr_t)vaddr;
    unsigned size = 0;
    int error = space == NULL ? GUESTMEM_EINVAL : check_size(space, size_bits, &size);

    if (error == GUESTMEM_OK && num_pages > space->last >> size_bits) {
        error = gm_fail(space, GUESTMEM_ERANGE, "check the range", 0);
    }
    if (error == GUESTMEM_OK) {
        error = check_mapped(space, base, num_pages, size);
        vka = vka == VSPACE_FREE ? space->vka : vka;
    }
    for (size_t i = 0; error == GUESTMEM_OK && i < num_pages; i++) {
        vm_memory_reservation_t *res;
        uint64_t page;

        gm_vspace_frame_at(space, base + (i << size_bits), &res, &page);
        unmap_frame(space, res, page, vka);
        if (res->vspace_automatic && res->busy == 0 && res->backing->memory.frames.count == 0) {
            gm_reservation_drop(space, res);
        }
    }
    gm_end_logged(space, error, "vspace_unmap_pages", base, num_pages << (size_bits & 63));
}

void gm_vspace_free_given(struct gm_space *space, vm_memory_reservation_t *res, vka_t *vka)
{
    struct gm_memory *memory;

    if (vka == VSPACE_PRESERVE || res->kind != GM_RESERVATION_VSPACE) {
        return;
    }
    vka = vka == VSPACE_FREE ? space->vka : vka;
    gm_alias_drop(space, res);
    memory = &res->backing->memory;
    for (size_t i = 0; i < memory->frames.count; i++) {
        const struct gm_extent *extent = &memory->frames.at[i];

        for (uint32_t f = 0; !extent->owned && f < extent->count; f++) {
            uint64_t page = extent->page + f * gm_size_pages(extent->size);

            gm_arch_frame_unmap(extent->cptr + f);
            free_given(vka, gm_holdings_at(&memory->singles, page), extent->cptr + f);
        }
    }
    gm_backing_forget_given(space, res);
}

/* Map copies that are the library's own in another guest's space, which owns them from then on. */
static int map_in_guest(struct gm_space *space, seL4_CPtr *copies, size_t count, unsigned size,
                        vspace_t *to, void *vaddr, reservation_t reservation)
{
    struct request request = {
        .base = (uintptr_t)vaddr, .count = count, .caps = copies, .are_copies = true};
    struct gm_space *other = gm_vspace_space(to);
    int error;

    if (other->vka != space->vka) {
        return gm_fail(space, GUESTMEM_ENOSUP, "share with a guest that has another allocator", 0);
    }
    other->stats.slots += count;
    error = map_at(to, &request, gm_arch_frame_bits[size], reservation, NULL,
                   "vspace_share_mem_at_vaddr");
    if (error != 0) {
        other->stats.slots -= count;
        return gm_fail(space, GUESTMEM_EVMM, "map the shared frames in the other guest", 0);
    }
    return GUESTMEM_OK;
}

/* The same in a space that isn't a guest's: page by page, since others leave half a request mapped.
 */
static int map_elsewhere(struct gm_space *space, seL4_CPtr *copies, size_t count, unsigned size,
                         vspace_t *to, void *vaddr, reservation_t reservation)
{
    unsigned bits = gm_arch_frame_bits[size];

    for (size_t i = 0; i < count; i++) {
        void *at = (char *)vaddr + (i << bits);
        int error = gm_place_is_blocked(to, copies[i], size, at)
                        ? seL4_FailedLookup
                        : vspace_map_pages_at_vaddr(to, &copies[i], NULL, at, 1, bits, reservation);

        if (error != 0) {
            if (i > 0) {
                vspace_unmap_pages(to, vaddr, i, bits, VSPACE_PRESERVE);
            }
            return gm_fail(space, GUESTMEM_EVMM, "map the shared frames", error);
        }
    }
    return GUESTMEM_OK;
}

static void drop_copies(struct gm_space *space, const seL4_CPtr *copies, size_t count)
{
    while (count-- > 0) {
        gm_slot_clear(space, copies[count]);
    }
}

/* Copies of the caps of `count` frames from `base` on; all or nothing. */
static int copy_frames(struct gm_space *space, uintptr_t base, size_t count, unsigned size,
                       seL4_CPtr *copies)
{
    for (size_t i = 0; i < count; i++) {
        uintptr_t gpa = base + (i << gm_arch_frame_bits[size]);
        vm_memory_reservation_t *res;
        uint64_t page;
        const struct gm_extent *extent = gm_vspace_frame_at(space, gpa, &res, &page);
        int error;

        if (extent == NULL || extent->size != size ||
            gm_page_base(res) + (page << gm_arch_frame_bits[0]) != gpa) {
            error = gm_fail(space, GUESTMEM_EUNMAPPED, "find frames of that size to share", 0);
        } else {
            error = gm_slot_take_copy(
                space, extent->cptr + (page - extent->page) / gm_size_pages(size), &copies[i]);
        }
        if (error != GUESTMEM_OK) {
            drop_copies(space, copies, i);
            return error;
        }
    }
    return GUESTMEM_OK;
}

static int share(struct gm_space *space, uintptr_t base, size_t count, unsigned size, vspace_t *to,
                 void *vaddr, reservation_t reservation)
{
    seL4_CPtr *copies = gm_alloc(space, count * sizeof(*copies));
    int error;

    if (copies == NULL) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note the shared frames", 0);
    }
    error = copy_frames(space, base, count, size, copies);
    if (error != GUESTMEM_OK) {
        goto free_copies;
    }
    error = gm_vspace_is_ours(to)
                ? map_in_guest(space, copies, count, size, to, vaddr, reservation)
                : map_elsewhere(space, copies, count, size, to, vaddr, reservation);
    if (error != GUESTMEM_OK) {
        drop_copies(space, copies, count);
    } else {
        space->stats.slots -= count;
    }
free_copies:
    gm_free(space, copies, count * sizeof(*copies));
    return error;
}

/* Of two VMs, in one order always: two threads that share both ways don't wait for each other. */
static void take_turns(struct gm_space *space, struct gm_space *other)
{
    struct gm_space *first = (uintptr_t)space < (uintptr_t)other ? space : other;
    struct gm_space *second = first == space ? other : space;

    if (first != NULL) {
        gm_turn_take(first);
    }
    if (second != NULL) {
        gm_turn_take(second);
    }
}

int gm_vspace_share(vspace_t *from, vspace_t *to, void *start, int num_pages, size_t size_bits,
                    void *vaddr, reservation_t reservation)
{
    struct gm_space *space = gm_vspace_space(from);
    struct gm_space *other = gm_vspace_is_ours(to) ? gm_vspace_space(to) : NULL;
    uintptr_t base = (uintptr_t)start;
    unsigned size = 0;
    int error;

    take_turns(space, other);
    error = space == NULL ? GUESTMEM_EINVAL : check_size(space, size_bits, &size);

    if (error == GUESTMEM_OK && num_pages <= 0) {
        error = gm_fail(space, GUESTMEM_EINVAL, "there are no pages to share", 0);
    }
    if (error == GUESTMEM_OK) {
        error = share(space, base, (size_t)num_pages, size, to, vaddr, reservation);
    }
    if (other != NULL) {
        gm_turn_give(other);
    }
    return gm_end_logged(space, error, "vspace_share_mem_at_vaddr", base,
                         (size_t)num_pages << (size_bits & 63));
}

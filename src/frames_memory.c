/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames out of untyped memory: the allocator's choice, or by physical address.
 *
 *      for each piece of the plan (equal frames):
 *          the largest untyped that the allocator has and the piece can use, cut by bulk retypes;
 *          or a single frame; or, by address, a frame of boot information
 *      a page that create_* makes: lent by a block of pages, before all that
 *      nothing of that size: the same with the next smaller frames
 */
#include <string.h>

#include "failure.h"
#include "frames_sources.h"
#include "holding.h"
#include "memory_kind.h"
#include "page_block.h"
#include "place.h"
#include "reservation.h"
#include "slots.h"
#include "space.h"

#if defined(CONFIG_RETYPE_FAN_OUT_LIMIT)
enum { FAN_OUT = CONFIG_RETYPE_FAN_OUT_LIMIT };
#else
enum { FAN_OUT = 256 };
#endif

/* One taking under way. */
struct taking {
    struct gm_space *space;
    const struct gm_source *source;
    const struct gm_policy *policy;
    struct gm_memory *load;
    uintptr_t base;    /* address of page 0 */
    unsigned bits_max; /* larger untypeds than this weren't to be had */
    enum { BLOCKS_NEVER, BLOCKS_LAST, BLOCKS_FIRST } blocks; /* when a page may be a lent one */
    enum { CLEAR_UNKNOWN, CLEAR_NOT, CLEAR } clear;          /* frames of the object at hand */
};

static bool by_address(const struct taking *taking)
{
    return taking->source->kind == GM_SOURCE_ADDRESS;
}

static unsigned rights_of(const struct taking *taking)
{
    return GM_RIGHTS_ALL & ~(unsigned)taking->source->no_rights;
}

/* Ask the allocator for one object. The slot is taken, or isn't any more. */
static int take_object(struct taking *taking, seL4_Word type, unsigned bits, uintptr_t paddr,
                       cspacepath_t *path, seL4_Word *ut)
{
    vka_t *vka = taking->space->vka;
    int error = gm_slot_take(taking->space, path);

    if (error != GUESTMEM_OK) {
        return error;
    }
    switch (taking->source->kind) {
    case GM_SOURCE_ADDRESS:
        error = vka_utspace_alloc_at(vka, path, type, bits, paddr, ut);
        break;
    case GM_SOURCE_ANY:
        error = vka_utspace_alloc_maybe_device(vka, path, type, bits, true, ut);
        break;
    default:
        error = vka_utspace_alloc(vka, path, type, bits, ut);
        break;
    }
    if (error != 0) {
        gm_slot_give(taking->space, path->capPtr);
        return gm_fail(taking->space, GUESTMEM_ENOFRAME, "take memory from the allocator", error);
    }
    taking->space->stats.untypeds++;
    return GUESTMEM_OK;
}

/* A frame by address from boot information, where the allocator has nothing. */
static int take_boot_frame(struct taking *taking, unsigned size, uintptr_t paddr,
                           cspacepath_t *path)
{
    simple_t *simple = taking->space->simple;
    int error;

    if (!by_address(taking) || simple == NULL || simple->frame_cap == NULL) {
        return GUESTMEM_ENOFRAME; /* as the allocator's answer was noted */
    }
    error = gm_slot_take(taking->space, path);
    if (error != GUESTMEM_OK) {
        return error;
    }
    error = (int)simple_get_frame_cap(simple, (void *)paddr, (int)gm_arch_frame_bits[size], path);
    if (error != 0) {
        gm_slot_give(taking->space, path->capPtr);
        return gm_fail(taking->space, GUESTMEM_ENOFRAME, "find memory at that physical address",
                       error);
    }
    return GUESTMEM_OK;
}

/* Whether memory at `paddr` is mapped as device memory. */
static bool is_device(struct taking *taking, uintptr_t paddr, bool boot)
{
    const struct gm_memory_kind *kind;

    if (taking->policy->memory_type != GUESTMEM_MEMORY_AUTO) {
        return taking->policy->memory_type == GUESTMEM_MEMORY_DEVICE;
    }
    if (taking->source->is_ram || !by_address(taking)) {
        return false;
    }
    kind = gm_memory_kind_at(taking->space, paddr);
    return kind->listed ? kind->device : boot;
}

/* Clear a frame that isn't mapped yet, through a view of the VMM's that goes again. */
int gm_memory_clear(struct gm_space *space, seL4_CPtr frame, unsigned size)
{
    size_t bytes = (size_t)1 << gm_arch_frame_bits[size];
    reservation_t reservation;
    void *view;
    int error = gm_place_take(space, frame, size, bytes, size, false, &view, &reservation);

    if (error != GUESTMEM_OK) {
        return error;
    }
    error = vspace_map_pages_at_vaddr(space->vmm, &frame, NULL, view, 1, gm_arch_frame_bits[size],
                                      reservation);
    if (error != 0) {
        error = gm_fail(space, GUESTMEM_EVMM, "map a frame to clear it", error);
    } else {
        memset(view, 0, bytes);
        error = gm_arch_frame_clean(frame, size);
        error = error == 0 ? GUESTMEM_OK
                           : gm_fail(space, GUESTMEM_EKERNEL, "clean a frame's cache lines", error);
        vspace_unmap_pages(space->vmm, view, 1, gm_arch_frame_bits[size], VSPACE_PRESERVE);
    }
    vspace_free_reservation(space->vmm, reservation);
    return error;
}

/* The kernel clears normal memory; device RAM may hold another guest's bytes. Asks for the address
 * of one frame an object: what the kernel calls cost counts. */
static int find_clear(struct taking *taking, seL4_CPtr frame)
{
    bool may_be_device =
        taking->source->kind == GM_SOURCE_ANY || (by_address(taking) && taking->source->is_ram);
    uintptr_t paddr;
    int error;

    taking->clear = CLEAR_NOT;
    if (!may_be_device) {
        return GUESTMEM_OK;
    }
    error = gm_arch_frame_paddr(frame, &paddr);
    if (error != 0) {
        return gm_fail(taking->space, GUESTMEM_EKERNEL, "get a frame's physical address", error);
    }
    if (gm_memory_kind_at(taking->space, paddr)->device) {
        taking->clear = CLEAR;
    }
    return GUESTMEM_OK;
}

static int clear_device_ram(struct taking *taking, const struct gm_extent *extent)
{
    int error = taking->clear == CLEAR_UNKNOWN ? find_clear(taking, extent->cptr) : GUESTMEM_OK;

    for (uint32_t i = 0; error == GUESTMEM_OK && taking->clear == CLEAR && i < extent->count; i++) {
        error = gm_memory_clear(taking->space, extent->cptr + i, extent->size);
    }
    return error;
}

/* Note frames that exist now. There is room. */
static int add_frames(struct taking *taking, struct gm_holding *holding, struct gm_extent extent)
{
    holding->live += extent.count;
    gm_extents_insert(&taking->load->frames, extent);
    return clear_device_ram(taking, &extent);
}

/* Retype some of an untyped, the `at`-th of the load, into a run of slots. */
static int retype_run(struct taking *taking, size_t at, struct gm_slots *slots,
                      const cspacepath_t *path, size_t run, uint32_t page, bool device)
{
    struct gm_holding *holding = &taking->load->untypeds.at[at];
    struct gm_extent extent = {.cptr = path->capPtr,
                               .page = page,
                               .count = run & 0xffffffu,
                               .size = holding->size & 3u,
                               .rights = rights_of(taking) & GM_RIGHTS_ALL,
                               .device = device,
                               .owned = 1};
    int error;

    if (gm_extents_reserve(taking->space, &taking->load->frames, 1)) {
        return gm_fail(taking->space, GUESTMEM_ENOMEM, "note the frames", 0);
    }
    error = (int)seL4_Untyped_Retype(holding->cptr, gm_arch_frame_type(holding->size),
                                     gm_arch_frame_bits[holding->size], path->root, path->dest,
                                     path->destDepth, path->offset, run);
    if (error != seL4_NoError) {
        return gm_fail(taking->space, GUESTMEM_EKERNEL, "retype memory into frames", error);
    }
    slots->used += run;
    return add_frames(taking, holding, extent);
}

/* Frames that one kernel call may make. */
static size_t most_at_once(const struct taking *taking, unsigned size)
{
    size_t most = taking->policy->call_bytes_max >> gm_arch_frame_bits[size];

    most = most < 1 ? 1 : most;
    return most < FAN_OUT ? most : FAN_OUT;
}

/*
 * The next run of slots. The last of a batch waits for the next batch, which may put slots in front
 * of it or behind: allocators hand a group of slots out from its end.
 */
static int next_run(struct taking *taking, struct gm_slots *slots, size_t left, size_t most,
                    cspacepath_t *path, size_t *run)
{
    int error;

    *run = slots->used == slots->count ? 0 : gm_slots_run(taking->space, slots, most, path);
    if (*run > 0 && (slots->used + *run < slots->count || slots->count - slots->used == left)) {
        return GUESTMEM_OK;
    }
    error = gm_slots_fill(taking->space, slots, left < GM_SLOTS_MAX ? left : GM_SLOTS_MAX);
    if (error == GUESTMEM_OK) {
        *run = gm_slots_run(taking->space, slots, most, path);
    }
    return error;
}

/* Cut a whole untyped, the `at`-th of the load, into frames. */
static int cut_untyped(struct taking *taking, size_t at, bool device)
{
    struct gm_holding holding = taking->load->untypeds.at[at];
    size_t left = (size_t)1 << (holding.bits - gm_arch_frame_bits[holding.size]);
    size_t most = most_at_once(taking, holding.size);
    uint32_t page = holding.page;
    struct gm_slots slots;
    int error = GUESTMEM_OK;

    gm_slots_start(&slots);
    while (left > 0 && error == GUESTMEM_OK) {
        cspacepath_t path;
        size_t run;

        error = next_run(taking, &slots, left, most, &path, &run);
        if (error == GUESTMEM_OK) {
            error = retype_run(taking, at, &slots, &path, run, page, device);
            left -= run;
            page += (uint32_t)(run * gm_size_pages(holding.size));
        }
    }
    gm_slots_give_unused(taking->space, &slots);
    return error;
}

static struct gm_holding new_holding(const struct taking *taking, const struct gm_piece *piece,
                                     unsigned bits, uint8_t kind)
{
    return (struct gm_holding){
        .page = (uint32_t)((piece->base - taking->base) >> gm_arch_frame_bits[0]),
        .bits = (uint8_t)bits,
        .size = (uint8_t)piece->size,
        .kind = kind,
    };
}

/* Frames of one untyped of 2^bits bytes at the start of the piece. */
static int take_untyped(struct taking *taking, const struct gm_piece *piece, unsigned bits)
{
    struct gm_holding holding = new_holding(taking, piece, bits, GM_HOLDING_UNTYPED);
    uintptr_t paddr = piece->base + taking->source->skew;
    cspacepath_t path;
    int error;

    if (gm_holdings_reserve(taking->space, &taking->load->untypeds, 1)) {
        return gm_fail(taking->space, GUESTMEM_ENOMEM, "note the memory", 0);
    }
    error = take_object(taking, seL4_UntypedObject, bits, paddr, &path, &holding.ut);
    if (error != GUESTMEM_OK) {
        return error;
    }
    taking->clear = CLEAR_UNKNOWN;
    holding.cptr = path.capPtr;
    gm_holdings_insert(&taking->load->untypeds, holding);
    return cut_untyped(taking, taking->load->untypeds.count - 1, is_device(taking, paddr, false));
}

/* A page lent by a block; `or_make`: by a new one if need be. GUESTMEM_ENOFRAME and others: none.
 */
static int take_lent(struct taking *taking, bool or_make, struct gm_holding *holding)
{
    struct gm_page_block *block;
    int error = gm_page_block_take(taking->space, &holding->cptr, &block);

    if (error != GUESTMEM_OK && or_make && taking->policy->untyped_bits_max >= GM_PAGE_BLOCK_BITS) {
        error =
            gm_page_block_take_new(taking->space, most_at_once(taking, 0), &holding->cptr, &block);
    }
    if (error == GUESTMEM_OK) {
        holding->kind = GM_HOLDING_LENT;
        holding->ut = (seL4_Word)block;
        taking->clear = CLEAR_NOT;
    }
    return error;
}

/* One frame of its own: from the allocator, or by address of boot information. Where the allocator
 * has none, what a block has idle does. */
static int take_own(struct taking *taking, unsigned size, uintptr_t paddr,
                    struct gm_holding *holding)
{
    cspacepath_t path;
    int error = take_object(taking, gm_arch_frame_type(size), gm_arch_frame_bits[size], paddr,
                            &path, &holding->ut);

    if (error == GUESTMEM_ENOFRAME) {
        holding->kind = GM_HOLDING_BOOT;
        error = take_boot_frame(taking, size, paddr, &path);
    }
    if (error == GUESTMEM_ENOFRAME && size == 0 && taking->blocks == BLOCKS_LAST) {
        return take_lent(taking, false, holding);
    }
    if (error == GUESTMEM_OK) {
        taking->clear = CLEAR_UNKNOWN;
        holding->cptr = path.capPtr;
    }
    return error;
}

/* The first frame of the piece by itself. */
static int take_single(struct taking *taking, const struct gm_piece *piece)
{
    unsigned bits = gm_arch_frame_bits[piece->size];
    struct gm_holding holding = new_holding(taking, piece, bits, GM_HOLDING_FRAME);
    uintptr_t paddr = piece->base + taking->source->skew;
    struct gm_holding *noted;
    int error = GUESTMEM_ENOFRAME;

    if (gm_holdings_reserve(taking->space, &taking->load->singles, 1) ||
        gm_extents_reserve(taking->space, &taking->load->frames, 1)) {
        return gm_fail(taking->space, GUESTMEM_ENOMEM, "note the frame", 0);
    }
    if (piece->size == 0 && taking->blocks == BLOCKS_FIRST) {
        error = take_lent(taking, true, &holding);
    }
    if (error != GUESTMEM_OK) {
        error = take_own(taking, piece->size, paddr, &holding);
    }
    if (error != GUESTMEM_OK) {
        return error;
    }
    noted = gm_holdings_insert(&taking->load->singles, holding);
    return add_frames(
        taking, noted,
        (struct gm_extent){.cptr = holding.cptr,
                           .page = holding.page,
                           .count = 1,
                           .size = piece->size & 3u,
                           .rights = rights_of(taking) & GM_RIGHTS_ALL,
                           .owned = 1,
                           .lent = holding.kind == GM_HOLDING_LENT,
                           .device = is_device(taking, paddr, holding.kind == GM_HOLDING_BOOT)});
}

/* log2 of the largest untyped that the start of the piece can be cut from. */
static unsigned largest_untyped(const struct taking *taking, const struct gm_piece *piece)
{
    unsigned bits = gm_arch_frame_bits[piece->size] + 63u - (unsigned)__builtin_clzl(piece->count);
    uintptr_t paddr = piece->base + taking->source->skew;

    bits = bits < taking->policy->untyped_bits_max ? bits : taking->policy->untyped_bits_max;
    if (by_address(taking)) {
        unsigned aligned = paddr == 0 ? bits : (unsigned)__builtin_ctzl(paddr);

        return bits < aligned ? bits : aligned;
    }
    return bits < taking->bits_max ? bits : taking->bits_max;
}

/* Take some frames at the start of the piece; *bytes says how many. */
static int take_piece(struct taking *taking, const struct gm_piece *piece, uintptr_t *bytes)
{
    unsigned frame_bits = gm_arch_frame_bits[piece->size];
    unsigned bits = largest_untyped(taking, piece);

    for (; bits > frame_bits; bits--) {
        int error = take_untyped(taking, piece, bits);

        if (error != GUESTMEM_ENOFRAME) {
            *bytes = (uintptr_t)1 << bits;
            return error;
        }
        taking->bits_max = bits - 1;
    }
    *bytes = (uintptr_t)1 << frame_bits;
    return take_single(taking, piece);
}

/* Take frames of at most size index `largest` for [base, last]. */
static int take_range(struct taking *taking, uintptr_t base, uintptr_t last, unsigned largest)
{
    for (;;) {
        struct gm_piece piece = gm_plan_piece(base, last, taking->source->skew, largest);
        uintptr_t bytes;
        int error = take_piece(taking, &piece, &bytes);

        if (error == GUESTMEM_ENOFRAME && piece.size > 0) {
            taking->space->stats.fallbacks[piece.size]++;
            if (!by_address(taking)) {
                largest = piece.size - 1;
                taking->bits_max = gm_arch_frame_bits[piece.size] - 1;
                continue;
            }
            bytes = (uintptr_t)1 << gm_arch_frame_bits[piece.size];
            error = take_range(taking, base, base + (bytes - 1), piece.size - 1);
        }
        if (error != GUESTMEM_OK) {
            return error;
        }
        if (last - base < bytes) {
            return GUESTMEM_OK;
        }
        base += bytes;
    }
}

static struct taking start(struct gm_space *space, struct vm_memory_reservation *res,
                           const struct gm_source *source, struct gm_memory *load)
{
    struct taking taking = {.space = space,
                            .source = source,
                            .policy = &res->policy,
                            .load = load,
                            .base = gm_page_base(res),
                            .bits_max = seL4_MaxUntypedBits,
                            .clear = CLEAR_UNKNOWN};

    if (source->kind == GM_SOURCE_ADDRESS || res->kind == GM_RESERVATION_VSPACE) {
        taking.blocks = BLOCKS_NEVER; /* it has to be that frame; its cap may become the caller's */
    } else {
        taking.blocks =
            res->kind == GM_RESERVATION_CREATED && !source->alone ? BLOCKS_FIRST : BLOCKS_LAST;
    }
    return taking;
}

int gm_memory_take(struct gm_space *space, struct vm_memory_reservation *res,
                   const struct gm_source *source, uint64_t from, uint64_t to,
                   struct gm_memory *load)
{
    struct taking taking = start(space, res, source, load);
    unsigned bits = gm_arch_frame_bits[0];

    if (to - from == 1) {
        struct gm_piece page = {taking.base + (from << bits), 1, 0};

        return take_single(&taking, &page);
    }
    return take_range(&taking, taking.base + (from << bits), taking.base + ((to << bits) - 1),
                      res->policy.largest);
}

int gm_memory_take_exactly(struct gm_space *space, struct vm_memory_reservation *res,
                           const struct gm_source *source, uint64_t page, unsigned size,
                           struct gm_memory *load)
{
    struct taking taking = start(space, res, source, load);
    struct gm_piece piece = {taking.base + (page << gm_arch_frame_bits[0]), 1, size};
    size_t singles = load->singles.count;
    int error = take_single(&taking, &piece);

    if (error != GUESTMEM_OK && load->singles.count > singles) {
        struct guestmem_failure failure = space->failure;

        gm_frames_give_part(space, source, load, page, page + gm_size_pages(size));
        space->failure = failure;
    }
    return error;
}

int gm_memory_take_one(struct gm_space *space, struct vm_memory_reservation *res,
                       const struct gm_source *source, const struct gm_extents *present,
                       uint64_t page, struct gm_memory *load)
{
    unsigned bits = gm_arch_frame_bits[0];
    uintptr_t base = gm_page_base(res);
    uintptr_t last = base + ((gm_page_count(res) << bits) - 1);
    unsigned size = res->policy.largest;

    for (;; size--) {
        struct gm_piece piece =
            gm_plan_around(base + (page << bits), base, last, source->skew, size);
        uint64_t from = (piece.base - base) >> bits;
        uint64_t to = from + gm_size_pages(piece.size);
        int error;

        size = piece.size;
        if (!gm_extents_free(present, from, to) || !gm_extents_free(&load->frames, from, to) ||
            !gm_extents_free(&res->backing->refused, from, to)) {
            continue; /* never with the smallest: the caller asks only for what isn't there */
        }
        error = gm_memory_take_exactly(space, res, source, from, size, load);
        if (error != GUESTMEM_ENOFRAME || size == 0) {
            return error;
        }
        space->stats.fallbacks[size]++;
    }
}

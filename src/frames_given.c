/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames that the caller brings, one by one from an iterator or all in an array. Each is checked
 * for what can be told without mapping it; the kernel's answer to the mapping tells the rest.
 */
#include "failure.h"
#include "frames_sources.h"
#include "memory_kind.h"
#include "reservation.h"
#include "space.h"

/* Index of a frame size; GM_ARCH_SIZE_COUNT: there is none of that many bits. */
static unsigned size_index(size_t bits)
{
    unsigned size = 0;

    while (size < GM_ARCH_SIZE_COUNT && gm_arch_frame_bits[size] != bits) {
        size++;
    }
    return size;
}

/* The array covers the reservation exactly. */
static vm_frame_t from_array(const struct gm_source *source, uintptr_t page_base, uint64_t page)
{
    return (vm_frame_t){.cptr = source->array[page / gm_size_pages(source->array_size)],
                        .rights = seL4_AllRights,
                        .vaddr = page_base + (page << gm_arch_frame_bits[0]),
                        .size_bits = gm_arch_frame_bits[source->array_size]};
}

/* Whether a frame is mapped as device memory; asks the kernel where it lies. */
static int find_device(struct gm_space *space, const struct vm_memory_reservation *res,
                       const struct gm_source *source, seL4_CPtr frame, bool *device)
{
    uintptr_t paddr;
    int error;

    *device = res->policy.memory_type == GUESTMEM_MEMORY_DEVICE;
    if (res->policy.memory_type != GUESTMEM_MEMORY_AUTO || source->is_ram) {
        return GUESTMEM_OK;
    }
    error = gm_arch_frame_paddr(frame, &paddr);
    if (error != 0) {
        return gm_fail(space, GUESTMEM_EFRAME, "find where the caller's frame lies", error);
    }
    *device = gm_memory_kind_at(space, paddr)->device;
    return GUESTMEM_OK;
}

/* Check what the caller gave for `page`, and make an extent of it. */
static int check(struct gm_space *space, struct vm_memory_reservation *res,
                 const struct gm_source *source, const vm_frame_t *frame, uint64_t page,
                 struct gm_extent *extent)
{
    unsigned size = size_index(frame->size_bits);
    uintptr_t base = gm_page_base(res);
    uintptr_t place;
    uint64_t first;
    bool device;
    int error;

    if (frame->cptr == seL4_CapNull) {
        return gm_fail(space, GUESTMEM_EFRAME, "the caller gave no frame", 0);
    }
    if (size == GM_ARCH_SIZE_COUNT) {
        return gm_fail(space, GUESTMEM_EFRAME,
                       "the caller's frame has no size of this architecture", 0);
    }
    place = frame->vaddr & ~(((uintptr_t)1 << frame->size_bits) - 1);
    first = (place - base) >> gm_arch_frame_bits[0];
    if (place < base || first + gm_size_pages(size) > gm_page_count(res)) {
        return gm_fail(space, GUESTMEM_EFRAME, "the caller's frame leaves the reservation", 0);
    }
    if (first > page || first + gm_size_pages(size) <= page) {
        return gm_fail(space, GUESTMEM_EFRAME, "the caller's frame does not go where one is needed",
                       0);
    }
    error = find_device(space, res, source, frame->cptr, &device);
    *extent = (struct gm_extent){.cptr = frame->cptr,
                                 .page = (uint32_t)first,
                                 .count = 1,
                                 .size = size & 3u,
                                 .rights = gm_rights_of(frame->rights) & 3u,
                                 .device = device};
    return error;
}

/* Whether a frame meets no other, and nothing that was discarded for good. */
static bool is_free(const struct vm_memory_reservation *res, const struct gm_extents *present,
                    const struct gm_memory *load, const struct gm_extent *extent)
{
    uint64_t from = extent->page;
    uint64_t to = gm_extent_end(extent);

    return gm_extents_free(&load->frames, from, to) &&
           (present == NULL || (gm_extents_free(present, from, to) &&
                                gm_extents_free(&res->backing->refused, from, to)));
}

/* Get the frame for `page` from the caller, and add it to the load, unless it meets one there or in
 * `present`, which may be NULL. */
static int take_next(struct gm_space *space, struct vm_memory_reservation *res,
                     const struct gm_source *source, const struct gm_extents *present,
                     uint64_t page, struct gm_memory *load, struct gm_extent *extent)
{
    uintptr_t base = gm_page_base(res);
    uintptr_t address = page == 0 ? res->base : base + (page << gm_arch_frame_bits[0]);
    vm_frame_t frame;
    int error;

    if (gm_extents_reserve(space, &load->frames, 1)) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note the frames", 0);
    }
    frame = source->kind == GM_SOURCE_ARRAY ? from_array(source, base, page)
                                            : source->iterator(address, source->cookie);
    error = check(space, res, source, &frame, page, extent);
    if (error == GUESTMEM_OK && !is_free(res, present, load, extent)) {
        error = gm_fail(space, GUESTMEM_EFRAME,
                        "the caller's frame covers another, or what was discarded", 0);
    }
    if (error == GUESTMEM_OK) {
        gm_extents_insert(&load->frames, *extent);
    } else if (frame.cptr != seL4_CapNull && source->release != NULL) {
        source->release(space->vm, frame.cptr, frame.size_bits, source->cookie);
    }
    return error;
}

int gm_given_take(struct gm_space *space, struct vm_memory_reservation *res,
                  const struct gm_source *source, uint64_t from, uint64_t to,
                  struct gm_memory *load)
{
    struct gm_extent extent;

    for (uint64_t page = from; page < to; page = gm_extent_end(&extent)) {
        int error = take_next(space, res, source, NULL, page, load, &extent);

        if (error != GUESTMEM_OK) {
            return error;
        }
    }
    return GUESTMEM_OK;
}

int gm_given_take_one(struct gm_space *space, struct vm_memory_reservation *res,
                      const struct gm_source *source, const struct gm_extents *present,
                      uint64_t page, struct gm_memory *load)
{
    struct gm_extent extent;

    if (source->kind == GM_SOURCE_ARRAY) {
        page -= page % gm_size_pages(source->array_size);
    }
    return take_next(space, res, source, present, page, load, &extent);
}

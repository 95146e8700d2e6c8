/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Where frames come from, and the way back.
 *
 *      source  --take-->  load { frames, holdings }  --moved or merged into-->  backing
 *
 * Memory is held in untypeds as large as the allocator has them (policy: untyped_bits_max), each
 * retyped into many frames at once; a single frame is held as itself, or lent by a block of pages
 * that single ones come from (page_block.h).
 *
 *      holding   [ untyped 16 MiB                   ][frame]    [lent]
 *      extents   [2M|2M|2M|2M|2M|2M|2M|2M           ][4K   ]    [4K  ]
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <guestmem/guestmem.h>

#include "extent.h"
#include "frame_plan.h"

enum gm_source_kind {
    GM_SOURCE_NONE,    /* frames are only mapped one by one, through vspace_* calls */
    GM_SOURCE_RAM,     /* normal memory */
    GM_SOURCE_ANY,     /* normal memory or device RAM; device RAM is cleared */
    GM_SOURCE_ADDRESS, /* by physical address: guest address + skew */
    GM_SOURCE_ITERATOR,
    GM_SOURCE_ARRAY,
};

struct gm_source {
    uint8_t kind;       /* enum gm_source_kind */
    uint8_t is_ram;     /* device RAM counts as RAM: cleared, and mapped cacheable */
    uint8_t array_size; /* index of the array's frame size */
    uint8_t alone;      /* no page of it is to come from a block of pages */
    uint8_t no_rights;  /* GM_RIGHT_* bits that the guest doesn't get to memory of ours */
    uintptr_t skew;
    memory_map_iterator_fn iterator;
    guestmem_release_fn release;
    void *cookie;
    seL4_CPtr *array; /* the caller's; in a backing: a copy of ours, or NULL */
    size_t array_count;
};

enum gm_holding_kind {
    GM_HOLDING_UNTYPED, /* frames are its children */
    GM_HOLDING_FRAME,   /* the frame itself, taken from the allocator */
    GM_HOLDING_BOOT, /* the frame itself, from boot information: nothing to give back but the cap */
    GM_HOLDING_LENT, /* the frame, lent by a block (page_block.h), which `ut` points to */
    GM_HOLDING_COOKIE, /* a caller's frame, whose untyped came as a cookie (vspace_map_pages) */
};

/* Memory that is held for the frames from `page` on. */
struct gm_holding {
    seL4_CPtr cptr;
    seL4_Word ut;
    uint32_t page;
    uint32_t live; /* frames of it that exist */
    uint8_t bits;  /* size of the object */
    uint8_t size;  /* index of its frames' size */
    uint8_t kind;  /* enum gm_holding_kind */
};

struct gm_holdings {
    struct gm_holding *at; /* ascending by page */
    size_t count;
    struct gm_room room;
};

/*
 * Untypeds and single frames are kept apart, each disjoint: a frame that was discarded and taken
 * again is a single one, in the middle of the untyped that its forerunner came from.
 */
struct gm_memory {
    struct gm_extents frames;
    struct gm_holdings untypeds;
    struct gm_holdings singles;
};

/* Addresses of the VMM that show guest pages; see alias.h. */
struct gm_view {
    uintptr_t base;    /* where the VMM sees `page` */
    void *reservation; /* the reservation_t of the VMM's vspace; NULL: one page, mapped without */
    uint32_t page;
    uint32_t pages : 20;
    uint32_t slot : 12; /* its place in the window (window.h); 0: none, it is kept */
};

struct gm_views {
    struct gm_view *at; /* ascending, disjoint */
    size_t count;
    struct gm_room room;
};

/* What a range is backed with. */
struct gm_backing {
    struct gm_source source;
    struct gm_memory memory;   /* mapped in the guest */
    struct gm_extents alias;   /* copies of the caps, mapped in the VMM */
    struct gm_views views;     /* where */
    struct gm_extents refused; /* pages that were discarded for good (policy) */
    /* Lent to the lists above, so that a page, its view, or one untyped's frames take no blocks of
     * their own: */
    struct gm_extent first_frames;
    struct gm_holding first_single;
    struct gm_extent first_alias;
    struct gm_view first_view;
};

struct vm_memory_reservation;

/*
 * Take frames for pages [from, to) of a reservation into `load`, which is empty; all or nothing.
 * They are mapped nowhere.
 */
int gm_frames_take(struct gm_space *space, struct vm_memory_reservation *res,
                   const struct gm_source *source, uint64_t from, uint64_t to,
                   struct gm_memory *load);

/*
 * Take the largest single frame that holds `page` and meets no frame of `present` into `load`,
 * which may hold others already. After a failure `load` is as before.
 */
int gm_frames_take_one(struct gm_space *space, struct vm_memory_reservation *res,
                       const struct gm_source *source, const struct gm_extents *present,
                       uint64_t page, struct gm_memory *load);

/* Give all of it back. Frames that somebody else owns must be unmapped by now. Never allocates. */
void gm_frames_give(struct gm_space *space, const struct gm_source *source,
                    struct gm_memory *memory);

/* The same for pages [from, to), whose ends are edges. Takes room for one extent (gm_extents_cut).
 */
void gm_frames_give_part(struct gm_space *space, const struct gm_source *source,
                         struct gm_memory *memory, uint64_t from, uint64_t to);

/* Make room in `memory` for all of `load`, which was taken frame by frame and has no untypeds; then
 * add it, and leave `load` empty. */
int gm_frames_make_room(struct gm_space *space, const struct gm_memory *load,
                        struct gm_memory *memory);
void gm_frames_merge(struct gm_space *space, struct gm_memory *load, struct gm_memory *memory);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs of frames: equal frames side by side, whose caps sit in consecutive slots. A backed range is
 * a sorted list of them.
 *
 *      page      0              2                    514
 *                |  4K | 4K     |  2M | 2M | 2M      ...
 *      extent    {cptr 80, 2}   {cptr 82, 3}
 *
 * A page number counts smallest frames from the first page of the reservation. Pure but for the
 * space that growing takes, which is a call of its own: the changes themselves can't fail.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sel4/sel4.h>

#include "arch/arch.h"
#include "room.h"

struct gm_space;

enum { GM_RIGHT_READ = 1, GM_RIGHT_WRITE = 2, GM_RIGHTS_ALL = 3 };

/* Cap rights as GM_RIGHT_* bits: read-write, read-only or none. Write-only is none. */
unsigned gm_rights_of(seL4_CapRights_t rights);

/* And back. */
seL4_CapRights_t gm_rights_to_cap(unsigned rights);

struct gm_extent {
    seL4_CPtr cptr;      /* cap of the first frame; the i-th is at cptr + i */
    uint32_t page;       /* of the first frame */
    uint32_t count : 24; /* frames */
    uint32_t size : 2;   /* index of the frame size */
    uint32_t rights : 2; /* the guest's */
    uint32_t device : 1; /* mapped as device memory */
    uint32_t owned : 1;  /* cap and slot are the library's */
    uint32_t lent : 1;   /* owned, but by a block of pages (page_block.h), to which they return */
    uint32_t fresh : 1;  /* made by the call that is under way: goes if it fails */
};

struct gm_extents {
    struct gm_extent *at;
    size_t count;
    struct gm_room room;
};

/* What an extent counts less frames than: its bits hold no more. */
#define GM_EXTENT_COUNT_END 0x1000000u

/*
 * For the contracts: pages that a frame covers, the first page behind an extent, an extent as it
 * must be (not empty, not beyond page 2^32, no cap beyond the last one), and a list: sorted and
 * disjoint. A frame is written as an extent of which the count doesn't matter.
 */
/* clang-format off */
#define GM_SIZE_PAGES(s) ((s) == 0 ? 1 : (s) == 1 ? 512 : 262144)
#define GM_EXTENT_END(e) ((e).page + (e).count * GM_SIZE_PAGES((e).size))
#define GM_IS_EXTENT(e) \
    ((e).size < GM_ARCH_SIZE_COUNT && 0 < (e).count < GM_EXTENT_COUNT_END && \
     GM_EXTENT_END(e) <= 0x100000000 && (e).cptr + (e).count - 1 <= UINT64_MAX && \
     (e).rights <= GM_RIGHTS_ALL && (e).device <= 1 && (e).owned <= 1 && (e).lent <= 1 && \
     (e).fresh <= 1)
#define GM_IS_EXTENTS(list) \
    (\valid_read(list) && \valid_read((list)->at + (0 .. (list)->count - 1)) && \
     gm_are_extents((list)->at, 0, (list)->count))
#define GM_EXTENTS_MAX (SIZE_MAX / sizeof(struct gm_extent) - 1)
#define GM_EXTENTS_ROOM(list, more) \
    (\valid(list) && (list)->count + (more) < GM_EXTENTS_MAX && \
     \valid((list)->at + (0 .. (list)->count + (more) - 1)) && \
     \separated(list, (list)->at + (0 .. (list)->count + (more) - 1)))
#define GM_SAME_KIND(a, b) \
    ((a).size == (b).size && (a).rights == (b).rights && (a).device == (b).device && \
     (a).owned == (b).owned && (a).lent == (b).lent && (a).fresh == (b).fresh)
#define GM_HAS_FRAME(e, f) \
    ((e).cptr <= (f).cptr < (e).cptr + (e).count && \
     (f).page == (e).page + ((f).cptr - (e).cptr) * GM_SIZE_PAGES((e).size) && \
     GM_SAME_KIND(e, f))
/* clang-format on */

/*@ predicate gm_are_extents{L}(struct gm_extent *at, integer from, integer to) =
        (\forall integer i; from <= i < to ==> GM_IS_EXTENT(at[i])) &&
        (\forall integer i, j; from <= i < j < to ==> GM_EXTENT_END(at[i]) <= at[j].page);
    // Whether one of the extents has this frame: at that page, with that cap, of that kind.
    predicate gm_have_frame{L}(struct gm_extent *at, integer from, integer to,
                               struct gm_extent frame) =
        \exists integer i; from <= i < to && GM_HAS_FRAME(at[i], frame);
    // Whether none of the extents meets pages [low, high).
    predicate gm_are_clear{L}(struct gm_extent *at, integer from, integer to, integer low,
                              integer high) =
        \forall integer i; from <= i < to ==>
            GM_EXTENT_END(at[i]) <= low || high <= at[i].page; */

/* Pages that a frame of this size covers. */
/*@ requires size < GM_ARCH_SIZE_COUNT;
    assigns \nothing;
    ensures \result == GM_SIZE_PAGES(size); */
static inline uint64_t gm_size_pages(unsigned size)
{
    /*@ assert size == 0 ==> (1 << (gm_arch_frame_bits[size] - gm_arch_frame_bits[0])) == 1; */
    /*@ assert size == 1 ==> (1 << (gm_arch_frame_bits[size] - gm_arch_frame_bits[0])) == 512; */
    /*@ assert size == 2 ==> (1 << (gm_arch_frame_bits[size] - gm_arch_frame_bits[0])) == 262144; */
    return (uint64_t)1 << (gm_arch_frame_bits[size] - gm_arch_frame_bits[0]);
}

/* First page behind an extent; 64 bits, since a list may end at page 2^32. */
/*@ requires \valid_read(extent) && GM_IS_EXTENT(*extent);
    assigns \nothing;
    ensures \result == GM_EXTENT_END(*extent); */
static inline uint64_t gm_extent_end(const struct gm_extent *extent)
{
    return extent->page + extent->count * gm_size_pages(extent->size);
}

/* Index of the first extent that ends above `page`; the list's count if there is none. */
/*@ requires GM_IS_EXTENTS(list);
    assigns \nothing;
    ensures \result <= list->count;
    ensures \forall integer i; 0 <= i < \result ==> GM_EXTENT_END(list->at[i]) <= page;
    ensures \forall integer i; \result <= i < list->count ==> GM_EXTENT_END(list->at[i]) > page; */
size_t gm_extents_above(const struct gm_extents *list, uint64_t page);

/* The extent that holds `page`, or NULL. */
/*@ requires GM_IS_EXTENTS(list);
    assigns \result \from list, list->at, page;
    ensures \result != \null ==> \exists integer i; 0 <= i < list->count &&
        \result == &list->at[i] && list->at[i].page <= page < GM_EXTENT_END(list->at[i]);
    ensures \result == \null ==> \forall integer i; 0 <= i < list->count ==>
        !(list->at[i].page <= page < GM_EXTENT_END(list->at[i])); */
struct gm_extent *gm_extents_find(const struct gm_extents *list, uint64_t page);

/* Whether no extent meets pages [from, to). */
/*@ requires GM_IS_EXTENTS(list) && from < to;
    assigns \nothing;
    ensures \result <==> \forall integer i; 0 <= i < list->count ==>
        GM_EXTENT_END(list->at[i]) <= from || to <= list->at[i].page; */
bool gm_extents_free(const struct gm_extents *list, uint64_t from, uint64_t to);

/* Whether `page` is the edge of a frame, or in none. */
/*@ requires GM_IS_EXTENTS(list);
    assigns \nothing;
    ensures \result <==> \forall integer i; 0 <= i < list->count &&
        list->at[i].page <= page < GM_EXTENT_END(list->at[i]) ==>
        (page - list->at[i].page) % GM_SIZE_PAGES(list->at[i].size) == 0; */
bool gm_extents_edge(const struct gm_extents *list, uint64_t page);

/* Make room for `more` extents, undone if the call under way fails. GUESTMEM_ENOMEM. */
int gm_extents_reserve(struct gm_space *space, struct gm_extents *list, size_t more);

/* Insert at its place, joined with equal neighbours. Takes room for one. */
void gm_extents_insert(struct gm_extents *list, struct gm_extent extent);

/*
 * Remove the frames of pages [from, to), whose ends are edges. Takes room for one, if a single
 * extent sticks out on both sides.
 */
void gm_extents_cut(struct gm_extents *list, uint64_t from, uint64_t to);

/* Split so that `page`, an edge, starts an extent or is in none. Takes room for one. */
void gm_extents_split(struct gm_extents *list, uint64_t page);

/* Join all equal neighbours. */
void gm_extents_join(struct gm_extents *list);

/* A list may also stand for pages alone: note [from, to), whatever of it was noted. Takes the room
 * of gm_extents_reserve_pages(), GUESTMEM_ENOMEM. */
int gm_extents_reserve_pages(struct gm_space *space, struct gm_extents *list, uint64_t from,
                             uint64_t to);
void gm_extents_note_pages(struct gm_extents *list, uint64_t from, uint64_t to);

/* Give the list's bytes back. */
void gm_extents_drop(struct gm_space *space, struct gm_extents *list);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * How lists of extents change. Extents are calculated as values and then put where they belong, so
 * that the proof (proof/README.md) has what becomes of an extent apart from where it stands.
 */
#include "extent.h"

/*
 * For the contracts: extents [from, to) are what they were; each is now one place further up; they
 * are now what those `by` places further up were. The lemmas are what the proof of a loop goes by,
 * instead of looking into the array.
 */
/*@ predicate same{A, B}(struct gm_extent *at, integer from, integer to) =
        \forall integer i; from <= i < to ==> \at(at[i], B) == \at(at[i], A);
    predicate raised{A, B}(struct gm_extent *at, integer from, integer to) =
        \forall integer i; from <= i < to ==> \at(at[i + 1], B) == \at(at[i], A);
    predicate lowered{A, B}(struct gm_extent *at, integer from, integer to, integer by) =
        \forall integer i, j; from <= i < to && i + by <= j <= i + by ==>
            \at(at[i], B) == \at(at[j], A);

    lemma same_part{A, B}: \forall struct gm_extent *at, integer from, to, a, b;
        same{A, B}(at, from, to) && from <= a && b <= to ==> same{A, B}(at, a, b);
    lemma same_same{A, B, C}: \forall struct gm_extent *at, integer from, to;
        same{A, B}(at, from, to) && same{B, C}(at, from, to) ==> same{A, C}(at, from, to);
    lemma raised_same{A, B, C}: \forall struct gm_extent *at, integer from, to;
        raised{A, B}(at, from, to) && same{B, C}(at, from + 1, to + 1) ==>
            raised{A, C}(at, from, to);
    lemma raised_more{A, B}: \forall struct gm_extent *at, integer from, to;
        raised{A, B}(at, from + 1, to) && \at(at[from + 1], B) == \at(at[from], A) ==>
            raised{A, B}(at, from, to);
    lemma same_raised{A, B, C}: \forall struct gm_extent *at, integer from, to, all;
        same{A, B}(at, 0, all) && 0 <= from && to <= all && raised{B, C}(at, from, to) ==>
            raised{A, C}(at, from, to);
    lemma same_lowered{A, B, C}: \forall struct gm_extent *at, integer from, to, by, all;
        same{A, B}(at, 0, all) && 0 <= from && 0 <= by && to + by <= all &&
        lowered{B, C}(at, from, to, by) ==> lowered{A, C}(at, from, to, by);
    lemma lowered_same{A, B, C}: \forall struct gm_extent *at, integer from, to, by;
        lowered{A, B}(at, from, to, by) && same{B, C}(at, from, to) ==>
            lowered{A, C}(at, from, to, by);
    lemma lowered_more{A, B}: \forall struct gm_extent *at, integer from, to, by, was;
        lowered{A, B}(at, from, to, by) && was == to + by && \at(at[to], B) == \at(at[was], A) ==>
            lowered{A, B}(at, from, to + 1, by); */

/* ---- extents as values ---- */

/* Whether `b` goes on where `a` ends, in every respect. */
/*@ requires GM_IS_EXTENT(a) && GM_IS_EXTENT(b);
    assigns \nothing;
    ensures \result <==> GM_EXTENT_END(a) == b.page && a.cptr + a.count == b.cptr &&
        GM_SAME_KIND(a, b) && a.count + b.count < GM_EXTENT_COUNT_END; */
static bool joins(struct gm_extent a, struct gm_extent b)
{
    return a.page + a.count * gm_size_pages(a.size) == b.page && a.cptr <= b.cptr &&
           b.cptr - a.cptr == a.count && a.size == b.size && a.rights == b.rights &&
           a.device == b.device && a.owned == b.owned && a.lent == b.lent && a.fresh == b.fresh &&
           (uint64_t)a.count + b.count < GM_EXTENT_COUNT_END;
}

/* The two as one. */
/*@ requires GM_IS_EXTENT(a) && GM_IS_EXTENT(b);
    requires GM_EXTENT_END(a) == b.page && a.cptr + a.count == b.cptr && GM_SAME_KIND(a, b) &&
        a.count + b.count < GM_EXTENT_COUNT_END;
    assigns \nothing;
    ensures GM_IS_EXTENT(\result) && GM_SAME_KIND(\result, a);
    ensures \result.page == a.page && GM_EXTENT_END(\result) == GM_EXTENT_END(b);
    ensures \forall struct gm_extent f;
        GM_HAS_FRAME(\result, f) <==> GM_HAS_FRAME(a, f) || GM_HAS_FRAME(b, f); */
static struct gm_extent joined(struct gm_extent a, struct gm_extent b)
{
    a.count = ((uint64_t)a.count + b.count) % GM_EXTENT_COUNT_END;
    return a;
}

/* Whole frames of an extent in front of a page of it. */
/*@ requires GM_IS_EXTENT(extent) && extent.page <= page <= GM_EXTENT_END(extent);
    requires (page - extent.page) % GM_SIZE_PAGES(extent.size) == 0;
    assigns \nothing;
    ensures \result <= extent.count;
    ensures extent.page + \result * GM_SIZE_PAGES(extent.size) == page; */
static uint32_t frames_before(struct gm_extent extent, uint64_t page)
{
    return (uint32_t)((page - extent.page) / gm_size_pages(extent.size));
}

/* The part that lies in front of `page`, an edge inside. */
/*@ requires GM_IS_EXTENT(extent) && extent.page < page < GM_EXTENT_END(extent);
    requires (page - extent.page) % GM_SIZE_PAGES(extent.size) == 0;
    assigns \nothing;
    ensures GM_IS_EXTENT(\result) && \result.page == extent.page;
    ensures GM_EXTENT_END(\result) == page;
    ensures \forall struct gm_extent f;
        GM_HAS_FRAME(\result, f) <==> GM_HAS_FRAME(extent, f) && f.page < page; */
static struct gm_extent head(struct gm_extent extent, uint64_t page)
{
    extent.count = frames_before(extent, page) % GM_EXTENT_COUNT_END;
    return extent;
}

/* The part from it on. */
/*@ requires GM_IS_EXTENT(extent) && extent.page < page < GM_EXTENT_END(extent);
    requires (page - extent.page) % GM_SIZE_PAGES(extent.size) == 0;
    assigns \nothing;
    ensures GM_IS_EXTENT(\result) && \result.page == page;
    ensures GM_EXTENT_END(\result) == GM_EXTENT_END(extent);
    ensures \forall struct gm_extent f;
        GM_HAS_FRAME(\result, f) <==> GM_HAS_FRAME(extent, f) && page <= f.page; */
static struct gm_extent tail(struct gm_extent extent, uint64_t page)
{
    uint32_t skip = frames_before(extent, page);

    extent.cptr += skip;
    extent.count = (extent.count - skip) % GM_EXTENT_COUNT_END;
    extent.page = (uint32_t)page;
    return extent;
}

/* ---- extents in their array ---- */

/* Only the contract needs the count. */
/*@ requires \valid(at + (0 .. count - 1)) && i < count;
    assigns at[0 .. count - 1];
    ensures at[i] == extent;
    ensures same{Pre, Post}(at, 0, i) && same{Pre, Post}(at, i + 1, count); */
static void put(struct gm_extent *at, size_t count, size_t i, struct gm_extent extent)
{
    (void)count;
    at[i] = extent;
    /*@ assert \forall integer j; 0 <= j < count && j != i ==>
            at[j].cptr == \at(at[j].cptr, Pre) && at[j].page == \at(at[j].page, Pre) &&
            at[j].count == \at(at[j].count, Pre) && GM_SAME_KIND(at[j], \at(at[j], Pre)); */
}

/* Move the extents from `from` on up by one, into room for one more. */
/*@ requires \valid(at + (0 .. count)) && from <= count < GM_EXTENTS_MAX;
    assigns at[0 .. count];
    ensures same{Pre, Post}(at, 0, from + 1);
    ensures raised{Pre, Post}(at, from, count); */
static void move_up(struct gm_extent *at, size_t count, size_t from)
{
    /*@ loop invariant from <= i <= count;
        loop invariant raised{Pre, Here}(at, i, count);
        loop invariant same{Pre, Here}(at, 0, i + 1);
        loop assigns i, at[0 .. count];
        loop variant i; */
    for (size_t i = count; i > from; i--) {
        /*@ assert at[i - 1] == \at(at[\at(i, Here) - 1], Pre); */
        put(at, count + 1, i, at[i - 1]);
        /*@ assert at[i] == \at(at[\at(i, Here) - 1], Pre); */
        /*@ assert raised{Pre, Here}(at, i, count); */
    }
}

/* Move the extents from `from` on down to `to`. */
/*@ requires \valid(at + (0 .. count - 1)) && to < from <= count <= GM_EXTENTS_MAX;
    assigns at[0 .. count - 1];
    ensures same{Pre, Post}(at, 0, to);
    ensures lowered{Pre, Post}(at, to, count - (from - to), from - to); */
static void move_down(struct gm_extent *at, size_t count, size_t from, size_t to)
{
    /*@ loop invariant from <= i <= count;
        loop invariant lowered{Pre, Here}(at, to, i - (from - to), from - to);
        loop invariant same{Pre, Here}(at, 0, to);
        loop invariant same{Pre, Here}(at, i - (from - to), count);
        loop assigns i, at[0 .. count - 1];
        loop variant count - i; */
    for (size_t i = from; i < count; i++) {
        /*@ assert at[i] == \at(at[\at(i, Here)], Pre); */
        put(at, count, i - (from - to), at[i]);
        /*@ assert at[i - (from - to)] == \at(at[\at(i, Here)], Pre); */
        /*@ assert lowered{Pre, Here}(at, to, i - (from - to), from - to); */
        /*@ assert lowered{Pre, Here}(at, to, i + 1 - (from - to), from - to); */
    }
}

/* ---- lists ---- */

/* Put it between the extents below `i` and those from `i` on. */
/*@ requires GM_EXTENTS_ROOM(list, 1) && i <= list->count;
    assigns list->count, list->at[0 .. list->count];
    ensures list->count == \old(list->count) + 1 && list->at[i] == extent;
    ensures same{Pre, Post}(list->at, 0, i);
    ensures raised{Pre, Post}(list->at, i, \old(list->count)); */
static void open_at(struct gm_extents *list, size_t i, struct gm_extent extent)
{
    struct gm_extent *at = list->at;
    size_t count = list->count;

    list->count = count + 1;
    /*@ assert same{Pre, Here}(at, 0, count); */
    move_up(at, count, i);
    /*@ assert same{Pre, Here}(at, 0, i); */
    /*@ assert raised{Pre, Here}(at, i, count); */
    put(at, count + 1, i, extent);
}

/* Take extents [from, to) out. */
/*@ requires GM_EXTENTS_ROOM(list, 0) && from < to <= list->count;
    assigns list->count, list->at[0 .. list->count - 1];
    ensures list->count == \old(list->count) - (to - from);
    ensures same{Pre, Post}(list->at, 0, from);
    ensures lowered{Pre, Post}(list->at, from, list->count, to - from); */
static void close_at(struct gm_extents *list, size_t from, size_t to)
{
    struct gm_extent *at = list->at;
    size_t count = list->count;

    list->count = count - (to - from);
    /*@ assert same{Pre, Here}(at, 0, count); */
    move_down(at, count, to, from);
}

void gm_extents_insert(struct gm_extents *list, struct gm_extent extent)
{
    size_t i = gm_extents_above(list, extent.page);

    if (i < list->count && joins(extent, list->at[i])) {
        put(list->at, list->count, i, joined(extent, list->at[i]));
    } else if (i > 0 && joins(list->at[i - 1], extent)) {
        put(list->at, list->count, i - 1, joined(list->at[i - 1], extent));
        return;
    } else {
        open_at(list, i, extent);
        return;
    }
    if (i > 0 && joins(list->at[i - 1], list->at[i])) {
        put(list->at, list->count, i - 1, joined(list->at[i - 1], list->at[i]));
        close_at(list, i, i + 1);
    }
}

void gm_extents_split(struct gm_extents *list, uint64_t page)
{
    size_t i = gm_extents_above(list, page);
    struct gm_extent whole;

    if (i == list->count || list->at[i].page >= page) {
        return;
    }
    whole = list->at[i];
    put(list->at, list->count, i, head(whole, page));
    open_at(list, i + 1, tail(whole, page));
}

void gm_extents_cut(struct gm_extents *list, uint64_t from, uint64_t to)
{
    size_t first = gm_extents_above(list, from);
    size_t behind;

    if (first < list->count && list->at[first].page < from) {
        struct gm_extent whole = list->at[first];
        uint64_t end = gm_extent_end(&list->at[first]);

        put(list->at, list->count, first, head(whole, from));
        first++;
        if (end > to) {
            open_at(list, first, tail(whole, to));
            return;
        }
    }
    for (behind = first; behind < list->count && gm_extent_end(&list->at[behind]) <= to; behind++) {
    }
    if (behind < list->count && list->at[behind].page < to) {
        put(list->at, list->count, behind, tail(list->at[behind], to));
    }
    if (behind > first) {
        close_at(list, first, behind);
    }
}

void gm_extents_join(struct gm_extents *list)
{
    size_t kept = 0;

    if (list->count == 0) {
        return;
    }
    for (size_t i = 1; i < list->count; i++) {
        if (joins(list->at[kept], list->at[i])) {
            put(list->at, list->count, kept, joined(list->at[kept], list->at[i]));
        } else {
            kept++;
            put(list->at, list->count, kept, list->at[i]);
        }
    }
    list->count = kept + 1;
}

void gm_extents_note_pages(struct gm_extents *list, uint64_t from, uint64_t to)
{
    gm_extents_cut(list, from, to);
    while (from < to) {
        uint64_t count = to - from < GM_EXTENT_COUNT_END ? to - from : GM_EXTENT_COUNT_END - 1;

        gm_extents_insert(list, (struct gm_extent){.cptr = from,
                                                   .page = (uint32_t)from,
                                                   .count = count % GM_EXTENT_COUNT_END});
        from += count;
    }
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "range_alloc.h"

size_t gm_range_alloc_room(const struct gm_range_alloc *alloc)
{
    return alloc->taken + alloc->donated + 2;
}

/*@ lemma multiple: \forall integer q, m, y; m > 0 && y == m * q ==> y % m == 0;
    lemma next_multiple: \forall integer x, m, y;
        m > 0 && x >= 0 && y == m * (x / m + 1) ==> y % m == 0;
    lemma up_to_next: \forall integer x, m;
        m > 0 && x >= 0 ==> x + m - x % m == m * (x / m + 1);
    lemma rounded_up: \forall integer x, m, y;
        m > 0 && x >= 0 && y == x + m - x % m ==> y % m == 0; */

/* Bytes from base to the next multiple of align. */
/*@ requires align > 0;
    assigns \nothing;
    ensures \result < align && (base + \result) % align == 0;
    ensures \forall integer x; base <= x < base + \result ==> x % align != 0; */
static uintptr_t pad_of(uintptr_t base, size_t align)
{
    uintptr_t over = base % align;

    /*@ assert base == (base / align) * align + over; */
    /*@ assert over != 0 ==> base + align - over == (base / align + 1) * align; */
    return over == 0 ? 0 : align - over;
}

bool gm_range_alloc_fit(const struct gm_range_alloc *alloc, size_t size, size_t align,
                        uintptr_t *base)
{
    const struct gm_free_range *range = alloc->range;
    size_t count = alloc->count;

    /*@ loop invariant 0 <= i <= count;
        loop invariant \forall integer x, j; 0 <= j < i ==> !GM_FREE_FITS(range, j, x, size, align);
        loop assigns i;
        loop variant count - i; */
    for (size_t i = 0; i < count; i++) {
        uintptr_t span = range[i].last - range[i].base;

        if (span >= size - 1) {
            uintptr_t pad = pad_of(range[i].base, align);

            if (span - (size - 1) >= pad) {
                *base = range[i].base + pad;
                return true;
            }
        }
    }
    return false;
}

/* Index of the first free range that starts above addr. */
/*@ requires \valid_read(range + (0 .. count - 1)) && GM_FREE_SORTED(range, count);
    assigns \nothing;
    ensures \result <= count;
    ensures \forall integer i; 0 <= i < \result ==> range[i].base <= addr;
    ensures \forall integer i; \result <= i < count ==> range[i].base > addr; */
static size_t first_above(const struct gm_free_range *range, size_t count, uintptr_t addr)
{
    size_t low = 0;
    size_t high = count;

    /*@ loop invariant 0 <= low <= high <= count;
        loop invariant \forall integer i; 0 <= i < low ==> range[i].base <= addr;
        loop invariant \forall integer i; high <= i < count ==> range[i].base > addr;
        loop assigns low, high;
        loop variant high - low; */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (range[middle].base <= addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/*@ requires \valid(to) && \valid_read(from) && \separated(to, from);
    assigns *to;
    ensures to->base == from->base && to->last == from->last; */
static void copy(struct gm_free_range *to, const struct gm_free_range *from)
{
    *to = *from;
}

/* Move the ranges from `at` on up by one. */
/*@ requires \valid(range + (0 .. count)) && at <= count < GM_FREE_MAX;
    assigns range[at + 1 .. count];
    ensures \forall integer i; at < i <= count ==>
        range[i].base == \old(range[i - 1].base) && range[i].last == \old(range[i - 1].last);
    ensures \forall integer i; 0 <= i <= at ==>
        range[i].base == \old(range[i].base) && range[i].last == \old(range[i].last); */
static void move_up(struct gm_free_range *range, size_t at, size_t count)
{
    /*@ loop invariant at <= i <= count;
        loop invariant \forall integer j; i <= j < count ==>
            range[j + 1].base == \at(range[j].base, Pre) &&
            range[j + 1].last == \at(range[j].last, Pre);
        loop invariant \forall integer j; at <= j <= i ==>
            range[j].base == \at(range[j].base, Pre) && range[j].last == \at(range[j].last, Pre);
        loop assigns i, range[at + 1 .. count];
        loop variant i; */
    for (size_t i = count; i > at; i--) {
        copy(&range[i], &range[i - 1]);
    }
}

/* Move the ranges above `at` down by one. */
/*@ requires \valid(range + (0 .. count - 1)) && at < count <= GM_FREE_MAX;
    assigns range[at .. count - 2];
    ensures \forall integer i; at <= i < count - 1 ==>
        range[i].base == \old(range[i + 1].base) && range[i].last == \old(range[i + 1].last);
    ensures \forall integer i; 0 <= i < at ==>
        range[i].base == \old(range[i].base) && range[i].last == \old(range[i].last); */
static void move_down(struct gm_free_range *range, size_t at, size_t count)
{
    /*@ loop invariant at < i <= count;
        loop invariant \forall integer j; at < j < i ==>
            range[j - 1].base == \at(range[j].base, Pre) &&
            range[j - 1].last == \at(range[j].last, Pre);
        loop invariant \forall integer j; i <= j < count ==>
            range[j].base == \at(range[j].base, Pre) && range[j].last == \at(range[j].last, Pre);
        loop assigns i, range[at .. count - 2];
        loop variant count - i; */
    for (size_t i = at + 1; i < count; i++) {
        copy(&range[i - 1], &range[i]);
    }
}

/* Take range `at` out. */
/*@ requires \valid(range + (0 .. count - 1)) && at < count <= GM_FREE_MAX;
    requires GM_FREE_SORTED(range, count);
    assigns range[at .. count - 2];
    ensures GM_FREE_SORTED(range, count - 1);
    ensures \forall integer i; at < i < count ==>
        range[i - 1].base == \old(range[i].base) && range[i - 1].last == \old(range[i].last);
    ensures \forall integer i; at <= i < count - 1 ==>
        range[i].base == \old(range[i + 1].base) && range[i].last == \old(range[i + 1].last);
    ensures \forall integer i; 0 <= i < at ==>
        range[i].base == \old(range[i].base) && range[i].last == \old(range[i].last); */
static void close_at(struct gm_free_range *range, size_t at, size_t count)
{
    /*@ assert \forall integer i, j; at <= i < j < count - 1 ==>
            range[i + 1].last + 1 < range[j + 1].base; */
    move_down(range, at, count);
    /*@ assert \forall integer i, j; at <= i < j < count - 1 ==>
            \at(range[i + 1].last, Pre) + 1 < \at(range[j + 1].base, Pre); */
    /*@ assert \forall integer i; at <= i < count - 1 ==>
            range[i].last == \at(range[i + 1].last, Pre); */
    /*@ assert \forall integer i; at <= i < count - 1 ==>
            range[i].base == \at(range[i + 1].base, Pre); */
    /*@ assert \forall integer i, j; 0 <= i < j < at ==> range[i].last + 1 < range[j].base; */
    /*@ assert \forall integer i, j; 0 <= i < at <= j < count - 1 ==>
            range[i].last + 1 < range[j].base; */
    /*@ assert \forall integer i, j; at <= i < j < count - 1 ==>
            range[i].last + 1 < range[j].base; */
}

/* Put [base, last] between the ranges below `at` and those from `at` on. */
/*@ requires \valid(range + (0 .. count)) && at <= count < GM_FREE_MAX && base <= last;
    requires GM_FREE_SORTED(range, count);
    requires at > 0 ==> range[at - 1].last + 1 < base;
    requires at < count ==> last + 1 < range[at].base;
    assigns range[at .. count];
    ensures GM_FREE_SORTED(range, count + 1);
    ensures range[at].base == base && range[at].last == last;
    ensures \forall integer i; at <= i < count ==>
        range[i + 1].base == \old(range[i].base) && range[i + 1].last == \old(range[i].last);
    ensures \forall integer i; at < i <= count ==>
        range[i].base == \old(range[i - 1].base) && range[i].last == \old(range[i - 1].last); */
static void insert_at(struct gm_free_range *range, size_t at, size_t count, uintptr_t base,
                      uintptr_t last)
{
    /*@ assert \forall integer i; 0 <= i < at ==> range[i].last + 1 < base; */
    /*@ assert \forall integer i; at <= i < count ==> last + 1 < range[i].base; */
    move_up(range, at, count);
    /*@ assert \forall integer i, j; at < i < j <= count ==> range[i].last + 1 < range[j].base; */
    range[at].base = base;
    range[at].last = last;
    /*@ assert \forall integer i; 0 <= i < at ==> range[i].last + 1 < base; */
    /*@ assert \forall integer i; at < i <= count ==> last + 1 < range[i].base; */
    /*@ assert GM_FREE_SORTED(range, at); */
    /*@ assert \forall integer i, j; at < i < j <= count ==> range[i].last + 1 < range[j].base; */
}

/* Take [base, last] out of range `at`. The count afterwards. */
/*@ requires \valid(range + (0 .. count)) && at < count < GM_FREE_MAX;
    requires GM_FREE_SORTED(range, count);
    requires range[at].base <= base <= last <= range[at].last;
    assigns range[at .. count];
    ensures \result <= count + 1;
    ensures GM_FREE_SORTED(range, \result);
    ensures \forall integer x; base <= x <= last ==> !gm_is_free(range, \result, x);
    ensures \forall integer x; gm_is_free(range, \result, x) ==>
        \old(gm_is_free(range, count, x));
    ensures \forall integer x; \old(gm_is_free(range, count, x)) ==>
        base <= x <= last || gm_is_free(range, \result, x); */
static size_t cut_at(struct gm_free_range *range, size_t at, size_t count, uintptr_t base,
                     uintptr_t last)
{
    uintptr_t was_last = range[at].last;

    if (range[at].base == base && was_last == last) {
        close_at(range, at, count);
        return count - 1;
    }
    if (range[at].base == base) {
        range[at].base = last + 1;
        return count;
    }
    range[at].last = base - 1;
    if (was_last == last) {
        return count;
    }
    insert_at(range, at + 1, count, last + 1, was_last);
    return count + 1;
}

void gm_range_alloc_take(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    size_t at = first_above(alloc->range, alloc->count, base) - 1;
    size_t count = cut_at(alloc->range, at, alloc->count, base, last);

    /*@ ghost taken: ; */
    alloc->count = count;
    alloc->taken++;
    /*@ assert \forall integer i; 0 <= i < count ==>
            alloc->range[i].base == \at(alloc->range[i].base, taken) &&
            alloc->range[i].last == \at(alloc->range[i].last, taken); */
    /*@ assert \forall integer x; GM_IS_FREE(alloc, x) <==>
            gm_is_free{taken}(alloc->range, count, x); */
}

/* Make one range of those below and at `at`, and what is between them. */
/*@ requires \valid(range + (0 .. count - 1)) && 0 < at < count < GM_FREE_MAX;
    requires GM_FREE_SORTED(range, count);
    assigns range[at - 1 .. count - 1];
    ensures GM_FREE_SORTED(range, count - 1);
    ensures range[at - 1].base == \old(range[at - 1].base);
    ensures range[at - 1].last == \old(range[at].last);
    ensures \forall integer i; at < i < count ==>
        range[i - 1].base == \old(range[i].base) && range[i - 1].last == \old(range[i].last);
    ensures \forall integer i; at <= i < count - 1 ==>
        range[i].base == \old(range[i + 1].base) && range[i].last == \old(range[i + 1].last);
    ensures \forall integer i; 0 <= i < at - 1 ==>
        range[i].base == \old(range[i].base) && range[i].last == \old(range[i].last); */
static void join_at(struct gm_free_range *range, size_t at, size_t count)
{
    uintptr_t last = range[at].last;

    close_at(range, at, count);
    /*@ assert \forall integer i; at <= i < count - 1 ==> last + 1 < range[i].base; */
    range[at - 1].last = last;
    /*@ assert \forall integer i, j; 0 <= i < j < count - 1 && i != at - 1 ==>
            range[i].last + 1 < range[j].base; */
    /*@ assert \forall integer j; at - 1 < j < count - 1 ==>
            range[at - 1].last + 1 < range[j].base; */
}

/* Whether the range below `at` ends where [base, ..] starts. */
/*@ requires at > 0 ==> \valid_read(range + (at - 1)) && range[at - 1].last < base;
    assigns \nothing;
    ensures \result <==> at > 0 && range[at - 1].last + 1 == base; */
static bool touches_below(const struct gm_free_range *range, size_t at, uintptr_t base)
{
    return at > 0 && range[at - 1].last == base - 1;
}

/* Whether range `at` starts where [.., last] ends. */
/*@ requires at < count ==> \valid_read(range + at) && last < range[at].base;
    assigns \nothing;
    ensures \result <==> at < count && last + 1 == range[at].base; */
static bool touches_above(const struct gm_free_range *range, size_t at, size_t count,
                          uintptr_t last)
{
    return at < count && range[at].base - 1 == last;
}

/* Add [base, last] between the ranges below `at` and those from `at` on. The count afterwards. */
/*@ requires \valid(range + (0 .. count)) && at <= count < GM_FREE_MAX && base <= last;
    requires GM_FREE_SORTED(range, count);
    requires at > 0 ==> range[at - 1].last < base;
    requires at < count ==> last < range[at].base;
    assigns range[0 .. count];
    ensures \result <= count + 1;
    ensures GM_FREE_SORTED(range, \result);
    ensures \forall integer x; base <= x <= last ==> gm_is_free(range, \result, x);
    ensures \forall integer x; \old(gm_is_free(range, count, x)) ==>
        gm_is_free(range, \result, x);
    ensures \forall integer x; gm_is_free(range, \result, x) ==>
        base <= x <= last || \old(gm_is_free(range, count, x)); */
static size_t add_at(struct gm_free_range *range, size_t at, size_t count, uintptr_t base,
                     uintptr_t last)
{
    bool low = touches_below(range, at, base);
    bool high = touches_above(range, at, count, last);

    if (low && high) {
        join_at(range, at, count);
        return count - 1;
    }
    if (low) {
        range[at - 1].last = last;
        return count;
    }
    if (high) {
        range[at].base = base;
        return count;
    }
    insert_at(range, at, count, base, last);
    return count + 1;
}

/* Add [base, last]. */
/*@ requires GM_FREE_LIST(alloc) && base <= last;
    requires \forall integer i; 0 <= i < alloc->count ==>
        alloc->range[i].last < base || last < alloc->range[i].base;
    assigns alloc->count, alloc->range[0 .. alloc->count];
    ensures GM_FREE_SORTED(alloc->range, alloc->count);
    ensures alloc->count <= \old(alloc->count) + 1;
    ensures \forall integer x; base <= x <= last ==> GM_IS_FREE(alloc, x);
    ensures \forall integer x; \old(GM_IS_FREE(alloc, x)) ==> GM_IS_FREE(alloc, x);
    ensures \forall integer x; GM_IS_FREE(alloc, x) ==>
        base <= x <= last || \old(GM_IS_FREE(alloc, x)); */
static void add(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    size_t at = first_above(alloc->range, alloc->count, base);

    alloc->count = add_at(alloc->range, at, alloc->count, base, last);
}

void gm_range_alloc_give(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    add(alloc, base, last);
    /*@ ghost added: ; */
    alloc->taken--;
    /*@ assert \forall integer i; 0 <= i < alloc->count ==>
            alloc->range[i].base == \at(alloc->range[i].base, added) &&
            alloc->range[i].last == \at(alloc->range[i].last, added); */
    /*@ assert \forall integer x; GM_IS_FREE(alloc, x) <==>
            gm_is_free{added}(alloc->range, alloc->count, x); */
}

void gm_range_alloc_donate(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    add(alloc, base, last);
    /*@ ghost added: ; */
    alloc->donated++;
    /*@ assert \forall integer i; 0 <= i < alloc->count ==>
            alloc->range[i].base == \at(alloc->range[i].base, added) &&
            alloc->range[i].last == \at(alloc->range[i].last, added); */
    /*@ assert \forall integer x; GM_IS_FREE(alloc, x) <==>
            gm_is_free{added}(alloc->range, alloc->count, x); */
}

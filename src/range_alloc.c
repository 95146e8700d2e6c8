/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "range_alloc.h"

size_t gm_range_alloc_room(const struct gm_range_alloc *alloc)
{
    return alloc->taken + alloc->donated + 2;
}

/*@ lemma rounded_up: \forall integer x, m; m > 0 && x >= 0 ==> (x + m - x % m) % m == 0; */

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
    move_down(range, at, count);
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

void gm_range_alloc_take(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    struct gm_free_range *range = alloc->range;
    size_t count = alloc->count;
    size_t at = first_above(range, count, base) - 1;
    uintptr_t was_last = range[at].last;

    alloc->taken++;
    if (range[at].base == base && was_last == last) {
        alloc->count = count - 1;
        close_at(range, at, count);
    } else if (range[at].base == base) {
        range[at].base = last + 1;
    } else if (was_last == last) {
        range[at].last = base - 1;
    } else {
        alloc->count = count + 1;
        range[at].last = base - 1;
        insert_at(range, at + 1, count, last + 1, was_last);
    }
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
        range[i].base == \old(range[i + 1].base) && range[i].last == \old(range[i + 1].last); */
static void join_at(struct gm_free_range *range, size_t at, size_t count)
{
    uintptr_t last = range[at].last;

    close_at(range, at, count);
    range[at - 1].last = last;
}

/* Add [base, last], and count it. */
/*@ requires GM_FREE_LIST(alloc) && base <= last;
    requires \forall integer i; 0 <= i < alloc->count ==>
        alloc->range[i].last < base || last < alloc->range[i].base;
    assigns alloc->count, alloc->taken, alloc->donated, alloc->range[0 .. alloc->count];
    ensures GM_FREE_SORTED(alloc->range, alloc->count);
    ensures alloc->count <= \old(alloc->count) + 1;
    ensures alloc->taken == taken && alloc->donated == donated;
    ensures \forall integer x; base <= x <= last ==> GM_IS_FREE(alloc, x);
    ensures \forall integer x; \old(GM_IS_FREE(alloc, x)) ==> GM_IS_FREE(alloc, x);
    ensures \forall integer x; GM_IS_FREE(alloc, x) ==>
        base <= x <= last || \old(GM_IS_FREE(alloc, x)); */
static void add(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last, size_t taken,
                size_t donated)
{
    struct gm_free_range *range = alloc->range;
    size_t count = alloc->count;
    size_t at = first_above(range, count, base);

    alloc->taken = taken;
    alloc->donated = donated;
    if (at == 0 || range[at - 1].last != base - 1) {
        if (at == count || range[at].base - 1 != last) {
            alloc->count = count + 1;
            insert_at(range, at, count, base, last);
            /*@ assert range[at].base <= base && last <= range[at].last; */
            return;
        }
        range[at].base = base;
        /*@ assert range[at].base <= base && last <= range[at].last; */
        return;
    }
    if (at == count || range[at].base - 1 != last) {
        range[at - 1].last = last;
        /*@ assert range[at - 1].base <= base && last <= range[at - 1].last; */
        return;
    }
    alloc->count = count - 1;
    join_at(range, at, count);
    /*@ assert range[at - 1].base <= base && last <= range[at - 1].last; */
}

void gm_range_alloc_give(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    add(alloc, base, last, alloc->taken - 1, alloc->donated);
}

void gm_range_alloc_donate(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    add(alloc, base, last, alloc->taken, alloc->donated + 1);
}

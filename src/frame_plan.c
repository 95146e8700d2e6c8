/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "frame_plan.h"

#include <stdbool.h>

/*@ lemma large_is_also_aligned: \forall integer a, last, skew;
        GM_FITS(a, last, skew, 2) ==> GM_FITS(a, last, skew, 1); */

/*@ requires size < GM_ARCH_SIZE_COUNT;
    assigns \nothing;
    ensures \result == GM_BYTES(size); */
static uintptr_t bytes_of(unsigned size)
{
    /*@ assert size == 0 ==> (1 << gm_arch_frame_bits[size]) == GM_BYTES(0); */
    /*@ assert size == 1 ==> (1 << gm_arch_frame_bits[size]) == GM_BYTES(1); */
    /*@ assert size == 2 ==> (1 << gm_arch_frame_bits[size]) == GM_BYTES(2); */
    return (uintptr_t)1 << gm_arch_frame_bits[size];
}

/* Whether a frame of this size may start at base. */
/*@ requires size < GM_ARCH_SIZE_COUNT && base <= last;
    assigns \nothing;
    ensures \result <==> GM_FITS(base, last, skew, size);
    ensures size == 1 ==> (\result <==> GM_FITS(base, last, skew, 1));
    ensures size == 2 ==> (\result <==> GM_FITS(base, last, skew, 2)); */
static bool fits(uintptr_t base, uintptr_t last, uintptr_t skew, unsigned size)
{
    uintptr_t bytes = bytes_of(size);

    return base % bytes == 0 && skew % bytes == 0 && last - base >= bytes - 1;
}

/* Bytes of [base, last], less one, before a frame of this size may start: none may at base. */
/*@ requires 0 < size < GM_ARCH_SIZE_COUNT && base <= last;
    requires size == 1 ==> !GM_FITS(base, last, skew, 1);
    requires size == 2 ==> !GM_FITS(base, last, skew, 2);
    assigns \nothing;
    ensures base + \result <= last;
    ensures size == 1 ==> \forall integer a; base <= a <= base + \result ==>
        !GM_FITS(a, last, skew, 1);
    ensures size == 1 ==> \forall integer a; base <= a <= base + \result ==>
        !GM_FITS(a, last, skew, 2);
    ensures size == 2 ==> \forall integer a; base <= a <= base + \result ==>
        !GM_FITS(a, last, skew, 2);
    ensures size == 1 && base + \result < last ==> GM_FITS(base + \result + 1, last, skew, 1);
    ensures size == 2 && base + \result < last ==> GM_FITS(base + \result + 1, last, skew, 2); */
static uintptr_t span_before(uintptr_t base, uintptr_t last, uintptr_t skew, unsigned size)
{
    uintptr_t bytes = bytes_of(size);
    uintptr_t rest = bytes - base % bytes; /* to the next place where it could */

    return rest <= last - base && fits(base + rest, last, skew, size) ? rest - 1 : last - base;
}

/* Whole frames in span + 1 bytes. */
/*@ requires size < GM_ARCH_SIZE_COUNT;
    assigns \nothing;
    ensures size == 0 ==> 0 <= span + 1 - \result * GM_BYTES(0) < GM_BYTES(0);
    ensures size == 1 ==> 0 <= span + 1 - \result * GM_BYTES(1) < GM_BYTES(1);
    ensures size == 2 ==> 0 <= span + 1 - \result * GM_BYTES(2) < GM_BYTES(2); */
static uintptr_t count_in(uintptr_t span, unsigned size)
{
    uintptr_t bytes = bytes_of(size);

    return span / bytes + (span % bytes == bytes - 1);
}

struct gm_piece gm_plan_piece(uintptr_t base, uintptr_t last, uintptr_t skew, unsigned largest)
{
    struct gm_piece piece = {base, 0, largest};
    uintptr_t span = last - base;

    /*@ loop invariant piece.size <= largest;
        loop invariant piece.size < 1 <= largest ==> !GM_FITS(base, last, skew, 1);
        loop invariant piece.size < 2 <= largest ==> !GM_FITS(base, last, skew, 2);
        loop assigns piece.size;
        loop variant piece.size; */
    while (piece.size > 0 && !fits(base, last, skew, piece.size)) {
        piece.size--;
    }
    if (piece.size < largest) {
        span = span_before(base, last, skew, piece.size + 1);
    }
    /*@ assert piece.size == 0 ==> span + 1 >= GM_BYTES(0); */
    /*@ assert piece.size == 1 ==> span + 1 >= GM_BYTES(1); */
    /*@ assert piece.size == 0 ==> (span + 1) % GM_BYTES(0) == 0; */
    /*@ assert piece.size == 1 && span < last - base ==> (span + 1) % GM_BYTES(1) == 0; */
    piece.count = count_in(span, piece.size);
    /*@ assert piece.size == 0 && span < last - base ==> piece.count * GM_BYTES(0) == span + 1; */
    /*@ assert piece.size == 1 && span < last - base ==> piece.count * GM_BYTES(1) == span + 1; */
    return piece;
}

struct gm_piece gm_plan_around(uintptr_t addr, uintptr_t base, uintptr_t last, uintptr_t skew,
                               unsigned largest)
{
    struct gm_piece piece = {0, 1, largest};

    /*@ loop invariant piece.size <= largest && piece.count == 1;
        loop invariant piece.size < 1 <= largest ==> !GM_FITS_AROUND(addr, base, last, skew, 1);
        loop invariant piece.size < 2 <= largest ==> !GM_FITS_AROUND(addr, base, last, skew, 2);
        loop assigns piece.size, piece.base;
        loop variant piece.size; */
    for (;; piece.size--) {
        piece.base = addr - addr % bytes_of(piece.size);
        if (piece.size == 0) {
            return piece;
        }
        if (piece.base >= base && fits(piece.base, last, skew, piece.size)) {
            return piece;
        }
    }
}

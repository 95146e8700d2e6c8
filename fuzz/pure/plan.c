/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Cutting ranges into frames, checked frame by frame against the definition: a frame at an address
 * has the largest size that is aligned there, in the guest and physically, and doesn't stick out.
 */
#include "frame_plan.h"
#include "pure.h"

struct range {
    uintptr_t base;
    uintptr_t last;
    uintptr_t skew;
    unsigned largest;
};

static uintptr_t bytes_of(unsigned size)
{
    return (uintptr_t)1 << gm_arch_frame_bits[size];
}

static bool may_be(const struct range *range, uintptr_t at, unsigned size)
{
    uintptr_t bytes = bytes_of(size);

    return at >= range->base && at <= range->last && at % bytes == 0 &&
           (at + range->skew) % bytes == 0 && range->last - at >= bytes - 1;
}

static unsigned naive_size(const struct range *range, uintptr_t at)
{
    for (unsigned size = range->largest; size > 0; size--) {
        if (may_be(range, at, size)) {
            return size;
        }
    }
    return 0;
}

static void check_frame(const struct range *range, const struct gm_piece *piece, uintptr_t number)
{
    uintptr_t at = piece->base + (number << gm_arch_frame_bits[piece->size]);

    FUZZ_CHECK(may_be(range, at, piece->size));
    FUZZ_CHECK_EQ(naive_size(range, at), piece->size);
}

enum { FRAMES_CHECKED = 16, RANGES = 8 };

/* All frames of a piece, or, of a large one, those at its ends and some in between. */
static void check_piece(const struct range *range, const struct gm_piece *piece)
{
    uintptr_t step = piece->count / FRAMES_CHECKED + 1;

    FUZZ_CHECK(piece->count >= 1 && piece->size <= range->largest);
    FUZZ_CHECK(piece->count - 1 <= (range->last - piece->base) >> gm_arch_frame_bits[piece->size]);
    for (uintptr_t number = 0; number < piece->count; number += step) {
        check_frame(range, piece, number);
    }
    check_frame(range, piece, piece->count - 1);
}

/* Piece by piece to the end: no gap, nothing twice, sizes that rise and then fall. */
static void cut_up(struct range range)
{
    const struct range whole = range;
    struct gm_piece before = {0, 0, 0};
    bool falls = false;

    for (;;) {
        struct gm_piece piece = gm_plan_piece(range.base, range.last, range.skew, range.largest);
        uintptr_t bytes = piece.count << gm_arch_frame_bits[piece.size];

        FUZZ_CHECK_EQ(piece.base, range.base);
        check_piece(&whole, &piece);
        FUZZ_CHECK(before.count == 0 || piece.size != before.size);
        FUZZ_CHECK(!falls || piece.size < before.size);
        falls = falls || (before.count != 0 && piece.size < before.size);
        if (range.last - range.base == bytes - 1) {
            return;
        }
        FUZZ_CHECK(range.last - range.base > bytes - 1);
        range.base += bytes;
        before = piece;
    }
}

static void check_around(const struct range *range, uintptr_t addr)
{
    struct gm_piece piece =
        gm_plan_around(addr, range->base, range->last, range->skew, range->largest);
    unsigned size = range->largest;

    while (size > 0 && !may_be(range, addr / bytes_of(size) * bytes_of(size), size)) {
        size--;
    }
    FUZZ_CHECK_EQ(piece.count, 1);
    FUZZ_CHECK_EQ(piece.size, size);
    FUZZ_CHECK_EQ(piece.base, addr / bytes_of(size) * bytes_of(size));
}

/* Edges of large frames and pages next to them are what matters. */
static uintptr_t choose_page(struct fuzz_input *input)
{
    unsigned kind = fuzz_byte(input);
    uintptr_t near = (uintptr_t)fuzz_byte(input) << (kind & 4 ? 21 : 12);
    uintptr_t edge = (uintptr_t)fuzz_byte(input) << (kind & 8 ? 30 : 21);

    switch (kind & 3) {
    case 0:
        return edge + near;
    case 1:
        return edge - near;
    case 2:
        return (uintptr_t)0 - edge + near;
    default:
        return fuzz_word(input) & ~(bytes_of(0) - 1);
    }
}

static void play(struct fuzz_input *input)
{
    uintptr_t a = choose_page(input);
    uintptr_t b = choose_page(input);
    unsigned kind = fuzz_byte(input);
    struct range range = {.base = a < b ? a : b,
                          .last = (a < b ? b : a) + (bytes_of(0) - 1),
                          .skew = kind & 4 ? choose_page(input) : 0,
                          .largest = kind % GM_ARCH_SIZE_COUNT};
    uintptr_t pages = (range.last - range.base) / bytes_of(0) + 1;

    cut_up(range);
    check_around(&range, range.base);
    check_around(&range, range.last & ~(bytes_of(0) - 1));
    check_around(&range, range.base + fuzz_word(input) % pages * bytes_of(0));
}

void fuzz_plan(struct fuzz_input *input)
{
    for (unsigned ranges = 0; fuzz_more(input) && ranges < RANGES; ranges++) {
        play(input);
    }
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Lists of extents against an unordered list of single frames. Both grow only as far as the room
 * that a change is documented to take; growing itself needs a VM and is target (b)'s.
 */
#include <stdlib.h>
#include <string.h>

#include "extent.h"
#include "pure.h"

enum { FRAMES = 192, EDGES = 5 };

struct frame {
    uint64_t page;
    seL4_CPtr cptr;
    struct gm_extent kind; /* size and flags; the rest is 0 */
};

struct game {
    struct frame frame[FRAMES];
    size_t count;
    struct gm_extents list;
    bool joined; /* nothing has split since everything was joined */
};

static struct game game;

/* A block that has room for one more and not for two, so that a second one is seen. */
static void room_for_one(void)
{
    game.list.at = realloc(game.list.at, (game.list.count + 1) * sizeof(game.list.at[0]));
    FUZZ_CHECK(game.list.at != NULL);
}

static uint64_t end_of(const struct frame *frame)
{
    return frame->page + gm_size_pages(frame->kind.size);
}

static struct frame *find(uint64_t page)
{
    for (size_t i = 0; i < game.count; i++) {
        if (game.frame[i].page <= page && page < end_of(&game.frame[i])) {
            return &game.frame[i];
        }
    }
    return NULL;
}

static bool is_free(uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < game.count; i++) {
        if (game.frame[i].page < to && end_of(&game.frame[i]) > from) {
            return false;
        }
    }
    return true;
}

static bool is_edge(uint64_t page)
{
    const struct frame *frame = find(page);

    return frame == NULL || frame->page == page;
}

static struct gm_extent kind_of(const struct gm_extent *extent)
{
    return (struct gm_extent){.size = extent->size,
                              .rights = extent->rights,
                              .device = extent->device,
                              .owned = extent->owned,
                              .lent = extent->lent,
                              .fresh = extent->fresh};
}

static bool same_kind(const struct gm_extent *a, const struct gm_extent *b)
{
    return a->size == b->size && a->rights == b->rights && a->device == b->device &&
           a->owned == b->owned && a->lent == b->lent && a->fresh == b->fresh;
}

/* ---------------------------------------------------------------------------- comparisons */

static void check_at(uint64_t page)
{
    const struct frame *frame = find(page);
    const struct gm_extent *extent = gm_extents_find(&game.list, page);
    size_t above = gm_extents_above(&game.list, page);

    FUZZ_CHECK_EQ(extent != NULL, frame != NULL);
    FUZZ_CHECK_EQ(gm_extents_edge(&game.list, page), is_edge(page));
    FUZZ_CHECK(above == 0 || gm_extent_end(&game.list.at[above - 1]) <= page);
    FUZZ_CHECK(above == game.list.count || gm_extent_end(&game.list.at[above]) > page);
    if (frame != NULL) {
        FUZZ_CHECK_EQ(extent->cptr + (page - extent->page) / gm_size_pages(extent->size),
                      frame->cptr);
        FUZZ_CHECK(same_kind(extent, &frame->kind));
    }
}

static void check_all(void)
{
    uint64_t end = 0;
    size_t frames = 0;

    for (size_t i = 0; i < game.list.count; i++) {
        const struct gm_extent *extent = &game.list.at[i];

        FUZZ_CHECK(extent->page >= end && extent->count > 0);
        for (unsigned k = 0; k < extent->count; k++) {
            uint64_t page = extent->page + k * gm_size_pages(extent->size);
            const struct frame *frame = find(page);

            FUZZ_CHECK(frame != NULL && frame->page == page && frame->cptr == extent->cptr + k &&
                       same_kind(&frame->kind, extent));
            frames++;
        }
        if (game.joined && i > 0) {
            FUZZ_CHECK(end != extent->page || !same_kind(extent - 1, extent) ||
                       extent[-1].cptr + extent[-1].count != extent->cptr);
        }
        end = gm_extent_end(extent);
    }
    FUZZ_CHECK_EQ(frames, game.count);
}

/* -------------------------------------------------------------------------------- changes */

/* Near an edge of larger frames; mostly so near to each other that extents touch. */
static uint64_t choose_page(struct fuzz_input *input)
{
    static const uint64_t start[EDGES] = {0, 500, 262144 - 20, (uint64_t)1 << 31,
                                          ((uint64_t)1 << 32) - 1024};
    unsigned choice = fuzz_byte(input);

    if (choice >= 0xe0) {
        return start[choice % EDGES] + fuzz_below(input, 1024);
    }
    return start[choice >> 4 & 1] + (choice & 15);
}

static void insert(struct fuzz_input *input)
{
    uint64_t page = choose_page(input);
    unsigned flags = fuzz_byte(input);
    struct gm_extent extent = {.cptr = page + (flags >> 7) * 100000,
                               .count = (1 + fuzz_below(input, 6)) & 7,
                               .size = flags & 1 ? flags >> 1 & 1 : 0,
                               .rights = flags & 4 ? 3 : flags >> 3 & 1,
                               .owned = flags >> 4 & 1,
                               .fresh = flags >> 5 & 1,
                               .lent = flags >> 6 & 1};
    uint64_t bytes = gm_size_pages(extent.size);
    struct gm_extent kind = kind_of(&extent);

    page -= page % bytes;
    extent.page = (uint32_t)page;
    if (page + extent.count * bytes > (uint64_t)1 << 32 || game.count + extent.count > FRAMES ||
        !is_free(page, page + extent.count * bytes)) {
        return;
    }
    for (unsigned k = 0; k < extent.count; k++) {
        game.frame[game.count++] = (struct frame){page + k * bytes, extent.cptr + k, kind};
    }
    room_for_one();
    gm_extents_insert(&game.list, extent);
}

static void cut(uint64_t from, uint64_t to)
{
    if (from >= to || !is_edge(from) || !is_edge(to)) {
        return;
    }
    room_for_one();
    gm_extents_cut(&game.list, from, to);
    for (size_t i = 0; i < game.count;) {
        if (game.frame[i].page >= from && end_of(&game.frame[i]) <= to) {
            game.frame[i] = game.frame[--game.count];
        } else {
            i++;
        }
    }
}

static void step(struct fuzz_input *input)
{
    unsigned kind = fuzz_byte(input);
    uint64_t from;

    if ((kind & 7) < 3) {
        insert(input);
        return;
    }
    from = choose_page(input);
    switch (kind & 7) {
    case 3:
    case 4:
        cut(from, kind & 8 ? choose_page(input) : from + fuzz_below(input, 8));
        break;
    case 5:
        if (is_edge(from)) {
            room_for_one();
            gm_extents_split(&game.list, from);
            game.joined = false;
        }
        break;
    case 6:
        gm_extents_join(&game.list);
        game.joined = true;
        break;
    default:
        FUZZ_CHECK_EQ(gm_extents_free(&game.list, from, from + 1 + (kind >> 3)),
                      is_free(from, from + 1 + (kind >> 3)));
        check_at(from);
        break;
    }
}

/* ------------------------------------------------------------- lists that stand for pages alone */

enum { NOTES = 16 };

/* The union of what was noted, kept by noting it again: pages are asked one by one. */
static void note_pages(struct fuzz_input *input)
{
    struct {
        uint64_t from, to;
    } note[NOTES];
    size_t count = 0;

    while (fuzz_more(input) && count < NOTES) {
        uint64_t from = choose_page(input);
        uint64_t to = fuzz_flag(input) ? choose_page(input) : from + 1 + fuzz_byte(input);
        size_t room;

        if (from >= to || to > (uint64_t)1 << 32) {
            continue;
        }
        room = game.list.count + (to - from) / ((1 << 24) - 1) + 2;
        game.list.at = realloc(game.list.at, room * sizeof(game.list.at[0]));
        FUZZ_CHECK(game.list.at != NULL);
        gm_extents_note_pages(&game.list, from, to);
        note[count].from = from;
        note[count++].to = to;
    }
    for (size_t i = 0; i < count; i++) {
        const uint64_t pages[] = {note[i].from, note[i].to - 1, note[i].to, note[i].from - 1};

        for (size_t k = 0; k < sizeof(pages) / sizeof(pages[0]); k++) {
            bool noted = false;

            for (size_t n = 0; n < count; n++) {
                noted = noted || (note[n].from <= pages[k] && pages[k] < note[n].to);
            }
            FUZZ_CHECK_EQ(gm_extents_find(&game.list, pages[k]) != NULL, noted);
        }
    }
}

void fuzz_extents(struct fuzz_input *input)
{
    game.count = 0;
    game.list = (struct gm_extents){0};
    game.joined = true;
    if (fuzz_byte(input) == 0xff) {
        note_pages(input);
    } else {
        while (fuzz_more(input)) {
            step(input);
        }
        check_all();
        gm_extents_join(&game.list);
        game.joined = true;
        check_all();
    }
    free(game.list.at);
}

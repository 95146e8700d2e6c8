/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The range index and the cache in front of it.
 */
#include <string.h>

#include "index_model.h"
#include "lookup_cache.h"
#include "pure.h"

enum { STEPS = 24 };

/* A model with what goes with it: the cache, which is good until something is removed. */
struct game {
    struct index_model model;
    struct gm_lookup_cache cache;
    uint64_t generation;
};

static struct game game;

/* Close together in one of a few places, the ends of the address space among them; or anywhere. */
static uintptr_t choose_address(struct fuzz_input *input)
{
    unsigned kind = fuzz_byte(input);
    uintptr_t offset = (uintptr_t)fuzz_byte(input) << (kind & 0x10 ? 12 : 0);

    switch (kind & 7) {
    case 0:
        return offset;
    case 1:
        return UINTPTR_MAX - offset;
    case 7:
        return fuzz_word(input);
    default:
        return ((uintptr_t)0x40000000 << (kind & 3)) + offset;
    }
}

static void choose_range(struct fuzz_input *input, uintptr_t *base, uintptr_t *last)
{
    unsigned kind = fuzz_byte(input);
    uintptr_t bytes = (kind & 0x3f) + 1;

    *base = choose_address(input);
    bytes <<= kind & 0x40 ? 12 : 0;
    *last = kind & 0x80 ? choose_address(input) : *base + (bytes - 1);
    if (*last < *base) {
        *last = UINTPTR_MAX;
    }
}

static void remove_at(uintptr_t base)
{
    if (index_model_remove(&game.model, base)) {
        game.generation++;
    }
}

/* Many ranges in a row, upwards or downwards: what fills and splits chunks. */
static void insert_series(struct fuzz_input *input)
{
    uintptr_t at = choose_address(input);
    unsigned count = 1 + fuzz_below(input, 96);
    uintptr_t step = (uintptr_t)1 << (fuzz_byte(input) & 15);
    bool down = fuzz_flag(input);

    game.model.quick = true;
    for (unsigned i = 0; i < count; i++) {
        uintptr_t last = at + (step - 1) / 2;

        if (last >= at) {
            index_model_insert(&game.model, at, last);
        }
        at = down ? at - step : at + step;
    }
    game.model.quick = false;
}

/* Every n-th of the ranges, in the order in which they were made. */
static void remove_series(struct fuzz_input *input)
{
    size_t first = fuzz_byte(input);
    size_t step = 1 + fuzz_below(input, 7);
    size_t count = fuzz_below(input, 96);

    game.model.quick = true;
    for (size_t at = first; at < game.model.count && count > 0; at += step, count--) {
        remove_at(game.model.range[at].base);
    }
    game.model.quick = false;
}

/* An insertion that is taken back leaves everything as it was, the chunks' contents too. */
static void insert_and_undo(struct fuzz_input *input)
{
    static struct gm_range_chunk before[INDEX_CHUNKS];
    const struct gm_range_index *index = &game.model.index;
    size_t count = index->count;
    size_t half = index->half;
    uintptr_t base;
    uintptr_t last;

    choose_range(input, &base, &last);
    for (size_t at = 0; at < count; at++) {
        before[at] = *index->top[at].chunk;
    }
    if (!index_model_insert(&game.model, base, last)) {
        return;
    }
    remove_at(base);
    FUZZ_CHECK_EQ(index->count, count);
    FUZZ_CHECK_EQ(index->half, half);
    for (size_t at = 0; at < count; at++) {
        FUZZ_CHECK(memcmp(&before[at], index->top[at].chunk, sizeof(before[at])) == 0);
    }
}

static void look_up(uintptr_t addr)
{
    const struct index_range *range = index_model_find(&game.model, addr);
    void *item = gm_lookup_cache_find(&game.cache, &game.model.index, addr, game.generation);

    FUZZ_CHECK(item == (range == NULL ? NULL : range->item));
    index_model_check_at(&game.model, addr);
}

static void step(struct fuzz_input *input)
{
    uintptr_t base;
    uintptr_t last;

    switch (fuzz_byte(input) & 7) {
    case 0:
        insert_series(input);
        break;
    case 1:
        remove_series(input);
        break;
    case 2:
        insert_and_undo(input);
        break;
    case 3:
        remove_at(choose_address(input));
        break;
    case 4:
    case 5:
        choose_range(input, &base, &last);
        index_model_insert(&game.model, base, last);
        look_up(base);
        look_up(last);
        break;
    case 6:
        choose_range(input, &base, &last);
        index_model_check_range(&game.model, base, last);
        break;
    default:
        look_up(choose_address(input));
        break;
    }
}

void fuzz_index(struct fuzz_input *input)
{
    index_model_begin(&game.model);
    memset(&game.cache, 0, sizeof(game.cache));
    game.generation = 0;
    for (unsigned steps = 0; fuzz_more(input) && steps < STEPS; steps++) {
        step(input);
    }
    index_model_check(&game.model);
    for (size_t i = 0; i < game.model.count; i += 1 + i / 8) {
        look_up(game.model.range[i].base);
    }
}

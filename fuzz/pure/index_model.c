/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "index_model.h"

#include <string.h>

#include "fuzz.h"

void index_model_begin(struct index_model *model)
{
    memset(&model->index, 0, sizeof(model->index));
    memset(model->chunk_used, 0, sizeof(model->chunk_used));
    model->index.top = model->top;
    model->count = 0;
    model->items = 0;
    model->quick = false;
}

void index_model_copy(struct index_model *to, const struct index_model *from)
{
    to->index = from->index;
    to->index.top = to->top;
    memcpy(to->chunk_used, from->chunk_used, sizeof(to->chunk_used));
    for (size_t at = 0; at < from->index.count; at++) {
        size_t i = (size_t)(from->top[at].chunk - from->chunk);

        to->top[at] = (struct gm_range_top){from->top[at].bound, &to->chunk[i]};
        to->chunk[i] = from->chunk[i];
    }
    memcpy(to->range, from->range, from->count * sizeof(to->range[0]));
    to->count = from->count;
    to->items = from->items;
    to->quick = from->quick;
}

/* ------------------------------------------------------------------------------ the model */

const struct index_range *index_model_meets(const struct index_model *model, uintptr_t base,
                                            uintptr_t last)
{
    const struct index_range *found = NULL;

    for (size_t i = 0; i < model->count; i++) {
        const struct index_range *range = &model->range[i];

        if (range->base <= last && range->last >= base &&
            (found == NULL || range->base > found->base)) {
            found = range;
        }
    }
    return found;
}

const struct index_range *index_model_find(const struct index_model *model, uintptr_t addr)
{
    return index_model_meets(model, addr, addr);
}

const struct index_range *index_model_below(const struct index_model *model, uintptr_t addr)
{
    const struct index_range *found = NULL;

    for (size_t i = 0; i < model->count; i++) {
        const struct index_range *range = &model->range[i];

        if (range->base <= addr && (found == NULL || range->base > found->base)) {
            found = range;
        }
    }
    return found;
}

/* ---------------------------------------------------------------------------- comparisons */

static void *item_of(const struct index_range *range)
{
    return range == NULL ? NULL : range->item;
}

void index_model_check_at(const struct index_model *model, uintptr_t addr)
{
    const struct index_range *below = index_model_below(model, addr);
    struct gm_range_pos pos;

    FUZZ_CHECK(gm_range_index_find(&model->index, addr) == item_of(index_model_find(model, addr)));
    FUZZ_CHECK(gm_range_index_below(&model->index, addr, &pos) == (below != NULL));
    if (below != NULL) {
        FUZZ_CHECK(gm_range_index_at(&model->index, pos)->base == below->base);
        FUZZ_CHECK(gm_range_index_item(&model->index, pos) == below->item);
    }
}

void index_model_check_range(const struct index_model *model, uintptr_t base, uintptr_t last)
{
    FUZZ_CHECK(gm_range_index_meets(&model->index, base, last) ==
               item_of(index_model_meets(model, base, last)));
}

static size_t largest_power_below(size_t count)
{
    size_t power = 0;

    for (size_t next = 1; next < count; next *= 2) {
        power = next;
    }
    return power;
}

static void check_chunk(const struct gm_range_index *index, size_t at)
{
    const struct gm_range_chunk *chunk = index->top[at].chunk;

    FUZZ_CHECK(chunk->count > 0 && chunk->count <= GM_RANGE_CHUNK);
    FUZZ_CHECK(index->top[at].bound ==
               (at + 1 == index->count ? UINTPTR_MAX : chunk->range[chunk->count - 1].last));
    for (size_t slot = chunk->count; slot < GM_RANGE_CHUNK; slot++) {
        FUZZ_CHECK(chunk->range[slot].base == UINTPTR_MAX);
        FUZZ_CHECK(chunk->range[slot].last == UINTPTR_MAX);
        FUZZ_CHECK(chunk->range[slot].item == NULL);
    }
}

void index_model_check(const struct index_model *model)
{
    const struct gm_range_index *index = &model->index;
    uintptr_t above = 0; /* first address that the next range may have */
    struct gm_range_pos pos;
    size_t count = 0;

    FUZZ_CHECK_EQ(index->half, largest_power_below(index->count));
    for (size_t at = 0; at < index->count; at++) {
        check_chunk(index, at);
    }
    for (bool more = gm_range_index_first(index, &pos); more;
         more = gm_range_index_next(index, &pos)) {
        const struct gm_range *range = gm_range_index_at(index, pos);
        const struct index_range *expected = index_model_find(model, range->base);

        FUZZ_CHECK(count == 0 || (above != 0 && range->base >= above));
        FUZZ_CHECK(expected != NULL && expected->base == range->base &&
                   expected->last == range->last && expected->item == range->item);
        above = range->last + 1;
        count++;
    }
    FUZZ_CHECK_EQ(count, model->count);
}

/* -------------------------------------------------------------------------------- changes */

/* A copy of all chunks in use, to see which of them a change writes to. */
struct witness {
    size_t count;
    struct gm_range_chunk *chunk[INDEX_CHUNKS];
    struct gm_range_chunk copy[INDEX_CHUNKS];
};

static void witness_take(struct witness *witness, const struct index_model *model)
{
    const struct gm_range_index *index = &model->index;

    witness->count = model->quick ? 0 : index->count;
    for (size_t at = 0; at < witness->count; at++) {
        witness->chunk[at] = index->top[at].chunk;
        witness->copy[at] = *index->top[at].chunk;
    }
}

static void witness_check_others(const struct witness *witness,
                                 const struct gm_range_chunk *changed,
                                 const struct gm_range_chunk *gone)
{
    for (size_t at = 0; at < witness->count; at++) {
        if (witness->chunk[at] != changed && witness->chunk[at] != gone) {
            FUZZ_CHECK(memcmp(&witness->copy[at], witness->chunk[at], sizeof(witness->copy[at])) ==
                       0);
        }
    }
}

static struct gm_range_chunk *take_chunk(struct index_model *model)
{
    for (size_t i = 0; i < INDEX_CHUNKS; i++) {
        if (!model->chunk_used[i]) {
            model->chunk_used[i] = true;
            return &model->chunk[i];
        }
    }
    return NULL;
}

bool index_model_insert(struct index_model *model, uintptr_t base, uintptr_t last)
{
    static struct witness witness;
    struct gm_range_index *index = &model->index;
    const struct gm_range_chunk *changed = NULL;
    struct gm_range_chunk *spare = NULL;
    size_t chunks = index->count;
    bool splits;
    void *item;

    if (index_model_meets(model, base, last) != NULL || model->count == INDEX_RANGES) {
        return false;
    }
    splits = gm_range_index_needs_chunk(index, base);
    if (splits) {
        spare = take_chunk(model);
        if (spare == NULL) {
            return false;
        }
        memset(spare, 0x5a, sizeof(*spare)); /* whatever it was used for before */
    }
    if (index->count > 0) {
        changed = index->top[gm_range_index_chunk_of(index, base)].chunk;
    }
    witness_take(&witness, model);
    item = (void *)++model->items;
    gm_range_index_insert(index, base, last, item, spare);
    witness_check_others(&witness, changed, NULL);
    FUZZ_CHECK_EQ(index->count, chunks + splits);
    model->range[model->count++] = (struct index_range){base, last, item};
    return true;
}

static void give_chunk(struct index_model *model, const struct gm_range_chunk *chunk)
{
    size_t i = (size_t)(chunk - model->chunk);

    FUZZ_CHECK(i < INDEX_CHUNKS && model->chunk_used[i]);
    for (size_t at = 0; at < model->index.count; at++) {
        FUZZ_CHECK(model->index.top[at].chunk != chunk);
    }
    model->chunk_used[i] = false;
}

bool index_model_remove(struct index_model *model, uintptr_t base)
{
    static struct witness witness;
    struct gm_range_index *index = &model->index;
    struct gm_range_index before = *index;
    const struct gm_range_chunk *changed = NULL;
    struct gm_range_chunk *gone;
    size_t i = 0;

    while (i < model->count && model->range[i].base != base) {
        i++;
    }
    witness_take(&witness, model);
    if (index->count > 0) {
        changed = index->top[gm_range_index_chunk_of(index, base)].chunk;
    }
    gone = gm_range_index_remove(index, base);
    if (i == model->count) {
        FUZZ_CHECK(gone == NULL);
        FUZZ_CHECK(memcmp(&before, index, sizeof(before)) == 0);
        witness_check_others(&witness, NULL, NULL);
        return false;
    }
    witness_check_others(&witness, changed, gone);
    FUZZ_CHECK_EQ(index->count, before.count - (gone != NULL));
    if (gone != NULL) {
        give_chunk(model, gone);
    }
    model->range[i] = model->range[--model->count];
    return true;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Every sequence of up to 6 operations on a small range, for the index and for the allocator of
 * anonymous memory; after each operation everything that can be asked is compared with the model.
 *
 * The range is 5 bytes for the index, 5 units for the allocator; it lies at address 0, in the
 * middle of the address space, and at its top. What the model refuses (a range that isn't free, a
 * base that isn't there) is tried at every state and must change nothing; a sequence with such an
 * operation in it is then the same as one without, and isn't gone through a second time. That is
 * the only reduction.
 *
 *      index      insert [i, j] for i <= j: 15; remove base i: 5
 *      allocator  donate [i, j]: 15; take [i, j]: 15; give back any piece that was taken. First fit
 * with every size and alignment is asked at every state; its answer is one of the takes
 *
 * A range this small never splits a chunk of the index. So the same is done from chunks that are
 * full, and from two that the next removal joins, with the range in front of the others, among
 * them, and behind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_model.h"
#include "fuzz.h"
#include "index_model.h"

enum { POINTS = 5, STEPS = 6 };

static const struct place {
    const char *name;
    uintptr_t at;
} places[] = {
    {"at address 0", 0},
    {"in the middle", (uintptr_t)1 << 63},
    {"at the top", UINTPTR_MAX - POINTS + 1},
};

enum { PLACES = sizeof(places) / sizeof(places[0]) };

static unsigned long states; /* one for each sequence */

/* -------------------------------------------------------------------------------- the index */

/* What is there before the first operation: ranges below and above the small range, and one in it.
 */
struct start {
    const char *name;
    unsigned below;
    unsigned above;
    bool inside;
    bool thin_below; /* every second one is taken out again */
    bool thin_above;
};

/* Of the last two, each has 57 ranges in two chunks: one less, and the chunks become one. */
static const struct start starts[] = {
    {"empty", 0, 0, false, false, false},
    {"behind a full chunk", 64, 0, false, false, false},
    {"in front of a full chunk", 0, 64, false, false, false},
    {"in the lower half of a full chunk", 20, 44, false, false, false},
    {"at the middle of a full chunk", 32, 32, false, false, false},
    {"in the upper half of a full chunk", 44, 20, false, false, false},
    {"between two full chunks", 64, 64, false, false, false},
    {"in the first of two thin chunks", 23, 66, true, false, true},
    {"in the second of two thin chunks", 66, 23, true, true, false},
};

static uintptr_t nth_below(uintptr_t at, unsigned n)
{
    return at - 4 * (uintptr_t)(n + 1);
}

static uintptr_t nth_above(uintptr_t at, unsigned n)
{
    return at + POINTS + 3 + 4 * (uintptr_t)n;
}

/* Ranges of 2 bytes, ascending. False: there is no place for them. */
static bool fill(struct index_model *model, const struct start *start, uintptr_t at)
{
    if ((start->below > 0 && at == 0) || (start->above > 0 && at + POINTS == 0)) {
        return false;
    }
    for (unsigned n = start->below; n > 0; n--) {
        FUZZ_CHECK(index_model_insert(model, nth_below(at, n - 1), nth_below(at, n - 1) + 1));
    }
    if (start->inside) {
        FUZZ_CHECK(index_model_insert(model, at + POINTS / 2, at + POINTS / 2));
    }
    for (unsigned n = 0; n < start->above; n++) {
        FUZZ_CHECK(index_model_insert(model, nth_above(at, n), nth_above(at, n) + 1));
    }
    for (unsigned n = 0; start->thin_below && n < start->below; n += 2) {
        FUZZ_CHECK(index_model_remove(model, nth_below(at, n)));
    }
    for (unsigned n = 0; start->thin_above && n < start->above; n += 2) {
        FUZZ_CHECK(index_model_remove(model, nth_above(at, n)));
    }
    FUZZ_CHECK(!start->inside || (model->count == 57 && model->index.count == 2));
    return true;
}

static void ask_index(const struct index_model *model, uintptr_t at)
{
    for (uintptr_t i = 0; i < POINTS + 2; i++) {
        index_model_check_at(model, at - 1 + i);
    }
    for (uintptr_t i = 0; i < POINTS; i++) {
        for (uintptr_t j = i; j < POINTS; j++) {
            index_model_check_range(model, at + i, at + j);
        }
    }
    index_model_check(model);
}

static void play_index(const struct index_model *before, uintptr_t at, unsigned steps);

static void insert_each(const struct index_model *before, struct index_model *model, uintptr_t at,
                        unsigned steps)
{
    for (uintptr_t i = 0; i < POINTS; i++) {
        for (uintptr_t j = i; j < POINTS; j++) {
            if (index_model_insert(model, at + i, at + j)) {
                play_index(model, at, steps - 1);
                index_model_copy(model, before);
            }
        }
    }
}

static void play_index(const struct index_model *before, uintptr_t at, unsigned steps)
{
    static struct index_model models[STEPS + 1];
    struct index_model *model = &models[steps];

    states++;
    ask_index(before, at);
    if (steps == 0) {
        return;
    }
    index_model_copy(model, before);
    insert_each(before, model, at, steps);
    for (uintptr_t i = 0; i < POINTS; i++) {
        if (index_model_remove(model, at + i)) {
            play_index(model, at, steps - 1);
            index_model_copy(model, before);
        }
    }
}

static void index_from(const struct start *start)
{
    static struct index_model model;

    for (unsigned place = 0; place < PLACES; place++) {
        index_model_begin(&model);
        if (fill(&model, start, places[place].at)) {
            states = 0;
            play_index(&model, places[place].at, STEPS);
            printf("index, %s, %s: %lu sequences\n", start->name, places[place].name, states);
        }
    }
}

/* ----------------------------------------------------------------------------- the allocator */

static void ask_alloc(const struct alloc_model *model)
{
    unsigned first;

    for (size_t size = 1; size <= (POINTS + 1) * model->unit; size += model->unit) {
        for (size_t align = 1; align <= 4 * model->unit; align *= 2) {
            alloc_model_fit(model, size, align, &first);
        }
        alloc_model_fit(model, size, (size_t)1 << 63, &first);
    }
    alloc_model_fit(model, SIZE_MAX, 1, &first);
    alloc_model_check(model);
}

static void play_alloc(const struct alloc_model *before, unsigned steps);

static void change_each(const struct alloc_model *before, struct alloc_model *model, unsigned steps,
                        bool (*change)(struct alloc_model *model, unsigned first, unsigned count))
{
    for (unsigned i = 0; i < POINTS; i++) {
        for (unsigned count = 1; i + count <= POINTS; count++) {
            if (change(model, i, count)) {
                play_alloc(model, steps - 1);
                alloc_model_copy(model, before);
            }
        }
    }
}

static void play_alloc(const struct alloc_model *before, unsigned steps)
{
    static struct alloc_model models[STEPS + 1];
    struct alloc_model *model = &models[steps];

    states++;
    ask_alloc(before);
    if (steps == 0) {
        return;
    }
    alloc_model_copy(model, before);
    change_each(before, model, steps, alloc_model_donate);
    change_each(before, model, steps, alloc_model_take);
    for (unsigned which = 0; which < before->taken_count; which++) {
        alloc_model_give(model, which);
        play_alloc(model, steps - 1);
        alloc_model_copy(model, before);
    }
}

static void alloc_at(const struct place *place, uintptr_t unit)
{
    static struct alloc_model model;
    uintptr_t window = place->at;

    if (unit > 1) {
        window = place->at + POINTS == 0 ? (uintptr_t)0 - POINTS * unit : place->at;
    }
    alloc_model_begin(&model, window, unit, POINTS);
    states = 0;
    play_alloc(&model, STEPS);
    printf("allocator, units of %#lx bytes, %s: %lu sequences\n", (unsigned long)unit, place->name,
           states);
}

int main(void)
{
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        index_from(&starts[i]);
    }
    for (size_t i = 0; i < PLACES; i++) {
        alloc_at(&places[i], 1);
        alloc_at(&places[i], 4096);
    }
    return 0;
}

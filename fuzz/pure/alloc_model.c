/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "alloc_model.h"

#include <string.h>

#include "fuzz.h"

void alloc_model_begin(struct alloc_model *model, uintptr_t window, uintptr_t unit, unsigned units)
{
    memset(model, 0, offsetof(struct alloc_model, taken));
    model->alloc.range = model->room;
    model->window = window;
    model->unit = unit;
    model->units = units;
    model->taken_count = 0;
    model->donated = 0;
}

void alloc_model_copy(struct alloc_model *to, const struct alloc_model *from)
{
    *to = *from;
    to->alloc.range = to->room;
}

static uintptr_t base_of(const struct alloc_model *model, unsigned unit)
{
    return model->window + unit * model->unit;
}

static uintptr_t last_of(const struct alloc_model *model, unsigned first, unsigned count)
{
    return base_of(model, first) + (count * model->unit - 1);
}

static bool all_are(const struct alloc_model *model, unsigned first, unsigned count,
                    enum alloc_state state)
{
    for (unsigned i = first; i < first + count; i++) {
        if (i >= model->units || model->state[i] != state) {
            return false;
        }
    }
    return count > 0;
}

static void make_all(struct alloc_model *model, unsigned first, unsigned count,
                     enum alloc_state state)
{
    memset(&model->state[first], (int)state, count);
}

/* The room that the allocator asks for is all that it may use. */
static size_t room_for_change(const struct alloc_model *model)
{
    size_t room = gm_range_alloc_room(&model->alloc);

    FUZZ_CHECK(room <= sizeof(model->room) / sizeof(model->room[0]));
    return room;
}

bool alloc_model_donate(struct alloc_model *model, unsigned first, unsigned count)
{
    size_t room;

    if (!all_are(model, first, count, ALLOC_FOREIGN)) {
        return false;
    }
    room = room_for_change(model);
    gm_range_alloc_donate(&model->alloc, base_of(model, first), last_of(model, first, count));
    FUZZ_CHECK(model->alloc.count <= room);
    make_all(model, first, count, ALLOC_FREE);
    model->donated++;
    return true;
}

bool alloc_model_take(struct alloc_model *model, unsigned first, unsigned count)
{
    size_t room;

    if (!all_are(model, first, count, ALLOC_FREE)) {
        return false;
    }
    room = room_for_change(model);
    gm_range_alloc_take(&model->alloc, base_of(model, first), last_of(model, first, count));
    FUZZ_CHECK(model->alloc.count <= room);
    make_all(model, first, count, ALLOC_TAKEN);
    model->taken[model->taken_count++] = (struct alloc_piece){first, count};
    return true;
}

bool alloc_model_give(struct alloc_model *model, unsigned which)
{
    size_t room = gm_range_alloc_room(&model->alloc) - 1; /* no more than taking it needed */
    struct alloc_piece piece;

    if (which >= model->taken_count) {
        return false;
    }
    piece = model->taken[which];
    gm_range_alloc_give(&model->alloc, base_of(model, piece.first),
                        last_of(model, piece.first, piece.count));
    FUZZ_CHECK(model->alloc.count <= room);
    make_all(model, piece.first, piece.count, ALLOC_FREE);
    model->taken[which] = model->taken[--model->taken_count];
    return true;
}

/* Try every unit in turn. What is larger than the window fits nowhere. */
static bool naive_fit(const struct alloc_model *model, size_t size, size_t align, unsigned *first)
{
    size_t count = (size - 1) / model->unit + 1;

    if (count > model->units) {
        return false;
    }
    for (unsigned i = 0; i + count <= model->units; i++) {
        if (base_of(model, i) % align == 0 && all_are(model, i, (unsigned)count, ALLOC_FREE)) {
            *first = i;
            return true;
        }
    }
    return false;
}

bool alloc_model_fit(const struct alloc_model *model, size_t size, size_t align, unsigned *first)
{
    uintptr_t base = 0x5a5a5a5a;
    bool expected = naive_fit(model, size, align, first);

    FUZZ_CHECK_EQ(gm_range_alloc_fit(&model->alloc, size, align, &base), expected);
    FUZZ_CHECK(base == (expected ? base_of(model, *first) : 0x5a5a5a5a));
    return expected;
}

/* The end of the run of free units that starts at `unit`. */
static unsigned run_end(const struct alloc_model *model, unsigned unit)
{
    while (unit < model->units && model->state[unit] == ALLOC_FREE) {
        unit++;
    }
    return unit;
}

void alloc_model_check(const struct alloc_model *model)
{
    size_t at = 0;

    for (unsigned unit = 0; unit < model->units; unit++) {
        unsigned end = run_end(model, unit);

        if (end > unit) {
            FUZZ_CHECK(at < model->alloc.count);
            FUZZ_CHECK_EQ(model->alloc.range[at].base, base_of(model, unit));
            FUZZ_CHECK_EQ(model->alloc.range[at].last, last_of(model, unit, end - unit));
            at++;
            unit = end;
        }
    }
    FUZZ_CHECK_EQ(model->alloc.count, at);
    FUZZ_CHECK_EQ(model->alloc.taken, model->taken_count);
    FUZZ_CHECK_EQ(model->alloc.donated, model->donated);
}

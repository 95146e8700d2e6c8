/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The first-fit allocator beside a model of it: a small window of the address space, unit by unit.
 * Used by the fuzz target and by the exhaustive test.
 *
 *      window   |0|1|2|3|...      unit i is at window + i * unit; what it is says state[i]
 */
#pragma once

#include "range_alloc.h"

enum { ALLOC_UNITS = 128 };

enum alloc_state { ALLOC_FOREIGN, ALLOC_FREE, ALLOC_TAKEN };

struct alloc_piece {
    unsigned first;
    unsigned count;
};

struct alloc_model {
    struct gm_range_alloc alloc;
    struct gm_free_range room[2 * ALLOC_UNITS + 2];
    uintptr_t window;
    uintptr_t unit; /* bytes, a power of two; the window is aligned to it */
    unsigned units;
    unsigned char state[ALLOC_UNITS];
    struct alloc_piece taken[ALLOC_UNITS];
    unsigned taken_count;
    unsigned donated;
};

void alloc_model_begin(struct alloc_model *model, uintptr_t window, uintptr_t unit, unsigned units);

/* The same state in another place. */
void alloc_model_copy(struct alloc_model *to, const struct alloc_model *from);

/* Change both. False: the model says that it may not be done; nothing has changed. */
bool alloc_model_donate(struct alloc_model *model, unsigned first, unsigned count);
bool alloc_model_take(struct alloc_model *model, unsigned first, unsigned count);
bool alloc_model_give(struct alloc_model *model, unsigned which);

/* What first fit finds, compared; true and the unit in `*first` if there is room. */
bool alloc_model_fit(const struct alloc_model *model, size_t size, size_t align, unsigned *first);

/* Compare the list of free ranges with the units. */
void alloc_model_check(const struct alloc_model *model);

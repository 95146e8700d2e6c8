/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A range index beside a model of it: an unordered list of ranges, searched from end to end. Used
 * by the fuzz target and by the exhaustive test.
 */
#pragma once

#include "range_index.h"

enum { INDEX_RANGES = 256, INDEX_CHUNKS = 16 };

struct index_range {
    uintptr_t base;
    uintptr_t last;
    void *item;
};

struct index_model {
    struct gm_range_index index;
    struct gm_range_top top[INDEX_CHUNKS];
    struct gm_range_chunk chunk[INDEX_CHUNKS];
    bool chunk_used[INDEX_CHUNKS];
    struct index_range range[INDEX_RANGES];
    size_t count;
    uintptr_t items; /* given out so far: each range's item differs from all before */
    bool quick;      /* changes don't look at which chunks were written to */
};

/* Empty. Not by zeroing: most of it is large and unused. */
void index_model_begin(struct index_model *model);

/* The same state in another place. */
void index_model_copy(struct index_model *to, const struct index_model *from);

/* The range that holds addr; that meets [base, last], the highest; NULL: none. */
const struct index_range *index_model_find(const struct index_model *model, uintptr_t addr);
const struct index_range *index_model_meets(const struct index_model *model, uintptr_t base,
                                            uintptr_t last);
/* The one with the highest base that is at most addr. */
const struct index_range *index_model_below(const struct index_model *model, uintptr_t addr);

/* Change both, and check that what the index wrote to is what it said. False: the model says that
 * the range isn't free, that there is none with this base, or that it is full; nothing has changed.
 */
bool index_model_insert(struct index_model *model, uintptr_t base, uintptr_t last);
bool index_model_remove(struct index_model *model, uintptr_t base);

/* Ask the index about one address, and one range, and compare. */
void index_model_check_at(const struct index_model *model, uintptr_t addr);
void index_model_check_range(const struct index_model *model, uintptr_t base, uintptr_t last);

/* Compare all ranges, in order, and check the structure itself. */
void index_model_check(const struct index_model *model);

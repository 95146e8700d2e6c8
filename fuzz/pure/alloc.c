/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The allocator of anonymous memory.
 */
#include "alloc_model.h"
#include "pure.h"

static struct alloc_model model;

static void begin(struct fuzz_input *input)
{
    static const unsigned unit_bits[] = {0, 12, 21, 56};
    unsigned choice = fuzz_byte(input);
    uintptr_t unit = (uintptr_t)1 << unit_bits[choice & 3];
    uintptr_t window = 0;

    switch (choice >> 2 & 3) {
    case 0:
        break;
    case 1:
        window = (uintptr_t)0 - ALLOC_UNITS * unit; /* the last unit ends the address space */
        break;
    default:
        window = (uintptr_t)fuzz_below(input, ALLOC_UNITS) * unit;
        break;
    }
    alloc_model_begin(&model, window, unit, ALLOC_UNITS);
}

static size_t choose_size(struct fuzz_input *input)
{
    unsigned choice = fuzz_byte(input);

    if (choice == 0xff) {
        return fuzz_word(input) | 1;
    }
    return (choice & 0x0f) * model.unit + (choice >> 4) * (model.unit / 16) + 1;
}

static void step(struct fuzz_input *input)
{
    unsigned kind = fuzz_byte(input);
    unsigned first = fuzz_below(input, ALLOC_UNITS);
    size_t size;

    switch (kind & 7) {
    case 0:
        alloc_model_donate(&model, first, 1 + fuzz_below(input, 48));
        break;
    case 1:
    case 2:
        alloc_model_take(&model, first, 1 + fuzz_below(input, 6));
        break;
    case 3:
    case 4:
        alloc_model_give(&model, model.taken_count == 0 ? 0 : first % model.taken_count);
        break;
    default:
        size = choose_size(input);
        if (alloc_model_fit(&model, size, (size_t)1 << (kind >> 3) << (first & 0x20), &first)) {
            alloc_model_take(&model, first, (unsigned)((size - 1) / model.unit + 1));
        }
        break;
    }
}

void fuzz_alloc(struct fuzz_input *input)
{
    begin(input);
    while (fuzz_more(input)) {
        step(input);
    }
    alloc_model_check(&model);
    while (model.taken_count > 0) {
        alloc_model_give(&model, 0);
    }
    alloc_model_check(&model);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Target (a): the first byte chooses the piece.
 */
#include "pure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const pieces[])(struct fuzz_input * input) = {fuzz_index, fuzz_alloc, fuzz_plan,
                                                                fuzz_extents};
    struct fuzz_input input = {data, size};

    pieces[fuzz_below(&input, sizeof(pieces) / sizeof(pieces[0]))](&input);
    return 0;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Target (d): the first byte chooses what is given to the tool.
 */
#include "tool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(struct fuzz_input * input) = {
        fuzz_tree, fuzz_built_tree, fuzz_options, fuzz_script, fuzz_firmware};
    struct fuzz_input input = {data, size};

    kinds[fuzz_below(&input, sizeof(kinds) / sizeof(kinds[0]))](&input);
    return 0;
}

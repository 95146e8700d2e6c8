/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the targets share: an input as a row of choices, and checks that end the process.
 *
 * A target is LLVMFuzzerTestOneInput(). libFuzzer calls it in `make fuzz`; standalone.c calls it
 * for each file of the corpus in `make check`, with no clang needed. It gives the same answers for
 * the same bytes, whatever ran before it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ----------------------------------------------------------------------------------- input */

/* Behind the end of the input every choice is 0. */
struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

static inline bool fuzz_more(const struct fuzz_input *input)
{
    return input->left > 0;
}

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
    if (input->left == 0) {
        return 0;
    }
    input->left--;
    return *input->at++;
}

/* 0 to limit - 1; limit at most 65,536. */
static inline unsigned fuzz_below(struct fuzz_input *input, unsigned limit)
{
    unsigned value = fuzz_byte(input);

    if (limit > 256) {
        value |= (unsigned)fuzz_byte(input) << 8;
    }
    return value % limit;
}

static inline bool fuzz_flag(struct fuzz_input *input)
{
    return (fuzz_byte(input) & 1) != 0;
}

static inline uint64_t fuzz_word(struct fuzz_input *input)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < sizeof(value); i++) {
        value = value << 8 | fuzz_byte(input);
    }
    return value;
}

/* ---------------------------------------------------------------------------------- checks */

/* Prints what the target was at (fuzz_context) and ends the process, so that the input is kept. */
void fuzz_fail(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));

/* What the input did so far is printed by this function when a check fails. NULL: nothing. */
extern void (*fuzz_tell)(void);

#define FUZZ_FAIL(...) fuzz_fail(__FILE__, __LINE__, __VA_ARGS__)

#define FUZZ_CHECK(condition)                    \
    do {                                         \
        if (!(condition)) {                      \
            FUZZ_FAIL("not so: %s", #condition); \
        }                                        \
    } while (0)

#define FUZZ_CHECK_EQ(actual, expected)                                             \
    do {                                                                            \
        long long fuzz_actual = (long long)(actual);                                \
        long long fuzz_expected = (long long)(expected);                            \
                                                                                    \
        if (fuzz_actual != fuzz_expected) {                                         \
            FUZZ_FAIL("%s is %lld (%#llx), not %lld (%#llx)", #actual, fuzz_actual, \
                      (unsigned long long)fuzz_actual, fuzz_expected,               \
                      (unsigned long long)fuzz_expected);                           \
        }                                                                           \
    } while (0)

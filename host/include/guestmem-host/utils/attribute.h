/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Attributes of functions and variables.
 */
#pragma once

#ifndef UNUSED
#define UNUSED __attribute__((__unused__))
#endif
#define NORETURN __attribute__((__noreturn__))
#define PACKED __attribute__((__packed__))
#define NO_INLINE __attribute__((noinline))
#define ALWAYS_INLINE __attribute__((always_inline))
#define ALIGN(n) __attribute__((__aligned__(n)))
#define DEPRECATED(text) __attribute__((deprecated(text)))
#define WARN_UNUSED_RESULT __attribute__((warn_unused_result))
#define WEAK __attribute__((weak))
#define FORMAT(archetype, string_index, first_to_check) \
    __attribute__((format(archetype, string_index, first_to_check)))

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * C11 atomics. A seL4 tree compiles without the compiler's own headers and with a C library that
 * doesn't have <stdatomic.h>: there, what is used of it is made of what that header is made of.
 */
#pragma once

#if __has_include(<stdatomic.h>)
#include <stdatomic.h>
#else
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic(bool) atomic_bool;
typedef _Atomic(unsigned) atomic_uint;
typedef _Atomic(uint_fast64_t) atomic_uint_fast64_t;

enum {
    memory_order_relaxed = __ATOMIC_RELAXED,
    memory_order_acquire = __ATOMIC_ACQUIRE,
    memory_order_release = __ATOMIC_RELEASE,
    memory_order_seq_cst = __ATOMIC_SEQ_CST,
};

#if defined(__clang__)
#define atomic_load_explicit __c11_atomic_load
#define atomic_store_explicit __c11_atomic_store
#define atomic_fetch_add_explicit __c11_atomic_fetch_add
#define atomic_fetch_sub_explicit __c11_atomic_fetch_sub
#define atomic_fetch_or_explicit __c11_atomic_fetch_or
#define atomic_compare_exchange_strong_explicit __c11_atomic_compare_exchange_strong
#define atomic_compare_exchange_weak_explicit __c11_atomic_compare_exchange_weak
#else
#define atomic_load_explicit __atomic_load_n
#define atomic_store_explicit __atomic_store_n
#define atomic_fetch_add_explicit __atomic_fetch_add
#define atomic_fetch_sub_explicit __atomic_fetch_sub
#define atomic_fetch_or_explicit __atomic_fetch_or
#define atomic_compare_exchange_strong_explicit(object, expected, desired, success, failure)       \
    __atomic_compare_exchange_n(object, expected, desired, false, success, failure)
#define atomic_compare_exchange_weak_explicit(object, expected, desired, success, failure)         \
    __atomic_compare_exchange_n(object, expected, desired, true, success, failure)
#endif
#endif

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Atomics as helgrind can follow them; included before everything else of a build that runs under
 * it. helgrind sees the loads and stores that atomics are made of, and neither that they can't race
 * nor what they order. So each says so: an atomic's own bytes aren't checked, what comes before a
 * store that releases has happened before what comes after a load that acquires. A relaxed access
 * orders nothing here either. The library's sources are as they are; it is their operations that
 * are given another meaning.
 *
 * helgrind joins all that was ever stored to a word, so it takes some things for ordered that
 * aren't: ThreadSanitizer, which doesn't, has the last word.
 */
#pragma once

#include <stdatomic.h>
#include <valgrind/helgrind.h>

/* Of what is an access's order part? */
#define GM_HG_ACQUIRES(order)                                              \
    ((order) == memory_order_acquire || (order) == memory_order_acq_rel || \
     (order) == memory_order_seq_cst)
#define GM_HG_RELEASES(order)                                              \
    ((order) == memory_order_release || (order) == memory_order_acq_rel || \
     (order) == memory_order_seq_cst)

#define GM_HG_ENTER(object, order)                             \
    VALGRIND_HG_DISABLE_CHECKING((object), sizeof(*(object))); \
    if (GM_HG_RELEASES(order)) {                               \
        ANNOTATE_HAPPENS_BEFORE(object);                       \
    }
#define GM_HG_LEAVE(object, order)      \
    if (GM_HG_ACQUIRES(order)) {        \
        ANNOTATE_HAPPENS_AFTER(object); \
    }

/* `call` is an operation on gm_hg_object that has a result, or none. A load releases nothing. */
#define GM_HG_LOAD(object, order, call)                                    \
    __extension__({                                                        \
        __typeof__(object) gm_hg_object = (object);                        \
        VALGRIND_HG_DISABLE_CHECKING(gm_hg_object, sizeof(*gm_hg_object)); \
        __auto_type gm_hg_result = call;                                   \
        GM_HG_LEAVE(gm_hg_object, order)                                   \
        gm_hg_result;                                                      \
    })
#define GM_HG_STORE(object, order, call)            \
    __extension__({                                 \
        __typeof__(object) gm_hg_object = (object); \
        GM_HG_ENTER(gm_hg_object, order)            \
        call;                                       \
    })
#define GM_HG_UPDATE(object, order, call)           \
    __extension__({                                 \
        __typeof__(object) gm_hg_object = (object); \
        GM_HG_ENTER(gm_hg_object, order)            \
        __auto_type gm_hg_result = call;            \
        GM_HG_LEAVE(gm_hg_object, order)            \
        gm_hg_result;                               \
    })

/* What the C11 operations of <stdatomic.h> are made of. */
#undef atomic_load
#undef atomic_store
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and
#undef atomic_fetch_and_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit

#define atomic_load_explicit(object, order) __atomic_load_n(object, order)
#define atomic_store_explicit(object, value, order) __atomic_store_n(object, value, order)
#define atomic_exchange_explicit(object, value, order) __atomic_exchange_n(object, value, order)
#define atomic_fetch_add_explicit(object, value, order) __atomic_fetch_add(object, value, order)
#define atomic_fetch_sub_explicit(object, value, order) __atomic_fetch_sub(object, value, order)
#define atomic_fetch_or_explicit(object, value, order) __atomic_fetch_or(object, value, order)
#define atomic_fetch_and_explicit(object, value, order) __atomic_fetch_and(object, value, order)
#define atomic_compare_exchange_strong_explicit(object, expected, desired, success, failure) \
    __atomic_compare_exchange_n(object, expected, desired, 0, success, failure)
#define atomic_compare_exchange_weak_explicit(object, expected, desired, success, failure) \
    __atomic_compare_exchange_n(object, expected, desired, 1, success, failure)

#define atomic_load(object) __atomic_load_n(object, memory_order_seq_cst)
#define atomic_store(object, value) __atomic_store_n(object, value, memory_order_seq_cst)
#define atomic_exchange(object, value) __atomic_exchange_n(object, value, memory_order_seq_cst)
#define atomic_fetch_add(object, value) __atomic_fetch_add(object, value, memory_order_seq_cst)
#define atomic_fetch_sub(object, value) __atomic_fetch_sub(object, value, memory_order_seq_cst)
#define atomic_fetch_or(object, value) __atomic_fetch_or(object, value, memory_order_seq_cst)
#define atomic_fetch_and(object, value) __atomic_fetch_and(object, value, memory_order_seq_cst)
#define atomic_compare_exchange_strong(object, expected, desired)                   \
    __atomic_compare_exchange_n(object, expected, desired, 0, memory_order_seq_cst, \
                                memory_order_seq_cst)

/* The compiler's own operations, under these macros' names once more: a macro doesn't expand in
 * itself. */
#define __atomic_load_n(object, order) \
    GM_HG_LOAD(object, order, __atomic_load_n(gm_hg_object, order))
#define __atomic_store_n(object, value, order) \
    GM_HG_STORE(object, order, __atomic_store_n(gm_hg_object, value, order))
#define __atomic_exchange_n(object, value, order) \
    GM_HG_UPDATE(object, order, __atomic_exchange_n(gm_hg_object, value, order))
#define __atomic_fetch_add(object, value, order) \
    GM_HG_UPDATE(object, order, __atomic_fetch_add(gm_hg_object, value, order))
#define __atomic_fetch_sub(object, value, order) \
    GM_HG_UPDATE(object, order, __atomic_fetch_sub(gm_hg_object, value, order))
#define __atomic_fetch_or(object, value, order) \
    GM_HG_UPDATE(object, order, __atomic_fetch_or(gm_hg_object, value, order))
#define __atomic_fetch_and(object, value, order) \
    GM_HG_UPDATE(object, order, __atomic_fetch_and(gm_hg_object, value, order))
#define __atomic_compare_exchange_n(object, expected, desired, weak, success, failure) \
    GM_HG_UPDATE(                                                                      \
        object, success,                                                               \
        __atomic_compare_exchange_n(gm_hg_object, expected, desired, weak, success, failure))

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The stack, from its low end: a page without access, then what makecontext() uses. Sanitizers
 * follow stacks, so they are told of each switch.
 */
#include "fiber.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__has_feature)
#define FIBER_HAS(feature) __has_feature(feature)
#else
#define FIBER_HAS(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || FIBER_HAS(address_sanitizer)
#define FIBER_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__) || FIBER_HAS(thread_sanitizer)
#define FIBER_TSAN 1
#include <sanitizer/tsan_interface.h>
#endif

enum { STACK_BYTES = 1 << 20, GUARD_BYTES = 1 << 12 };

struct fiber {
    void (*body)(void *cookie);
    void *cookie;
    uint8_t *stack;
    ucontext_t inside;
    ucontext_t outside;
    void *fake_inside; /* the sanitizers' view of the two stacks */
    void *fake_outside;
    const void *outside_stack;
    size_t outside_bytes;
    void *race_inside;
    void *race_outside;
};

static void leaving_outside(struct fiber *fiber)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&fiber->fake_outside, fiber->stack, STACK_BYTES);
#endif
    (void)fiber;
}

static void back_outside(struct fiber *fiber)
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fiber->fake_outside, NULL, NULL);
#endif
    (void)fiber;
}

static void arrived_inside(struct fiber *fiber)
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fiber->fake_inside, &fiber->outside_stack,
                                    &fiber->outside_bytes);
#endif
    (void)fiber;
}

static void leaving_inside(struct fiber *fiber)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&fiber->fake_inside, fiber->outside_stack, fiber->outside_bytes);
#endif
    (void)fiber;
}

/* makecontext() passes ints, so the pointer comes in two halves. */
static void start(unsigned high, unsigned low)
{
    struct fiber *fiber = (struct fiber *)((uintptr_t)high << 32 | (uintptr_t)low);

    arrived_inside(fiber);
    fiber->body(fiber->cookie);
    abort();
}

void fiber_reset(struct fiber *fiber)
{
    uintptr_t self = (uintptr_t)fiber;

#ifdef FIBER_ASAN
    __asan_unpoison_memory_region(fiber->stack, STACK_BYTES);
    fiber->fake_inside = NULL;
#endif
#ifdef FIBER_TSAN
    if (fiber->race_inside != NULL) {
        __tsan_destroy_fiber(fiber->race_inside);
    }
    fiber->race_inside = __tsan_create_fiber(0);
#endif
    getcontext(&fiber->inside);
    fiber->inside.uc_stack.ss_sp = fiber->stack;
    fiber->inside.uc_stack.ss_size = STACK_BYTES;
    fiber->inside.uc_link = NULL;
    makecontext(&fiber->inside, (void (*)(void))start, 2, (unsigned)(self >> 32), (unsigned)self);
}

struct fiber *fiber_create(void (*body)(void *cookie), void *cookie)
{
    struct fiber *fiber = calloc(1, sizeof(*fiber));
    uint8_t *area;

    if (fiber == NULL) {
        return NULL;
    }
    area = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        free(fiber);
        return NULL;
    }
    (void)mprotect(area, GUARD_BYTES, PROT_NONE);
    fiber->body = body;
    fiber->cookie = cookie;
    fiber->stack = area + GUARD_BYTES;
    fiber_reset(fiber);
    return fiber;
}

void fiber_destroy(struct fiber *fiber)
{
    if (fiber == NULL) {
        return;
    }
#ifdef FIBER_ASAN
    __asan_unpoison_memory_region(fiber->stack, STACK_BYTES);
#endif
#ifdef FIBER_TSAN
    __tsan_destroy_fiber(fiber->race_inside);
#endif
    munmap(fiber->stack - GUARD_BYTES, GUARD_BYTES + STACK_BYTES);
    free(fiber);
}

/* For the thread sanitizer each stack is a thread; it is told in the very function that switches,
 * which itself is not looked at. */
#ifdef FIBER_TSAN
#define FIBER_SWITCHES __attribute__((no_sanitize("thread")))
#define FIBER_NOW(race) __tsan_switch_to_fiber((race), 0)
#define FIBER_HERE() __tsan_get_current_fiber()
#else
#define FIBER_SWITCHES
#define FIBER_NOW(race) ((void)(race))
#define FIBER_HERE() NULL
#endif

FIBER_SWITCHES void fiber_enter(struct fiber *fiber)
{
    leaving_outside(fiber);
    fiber->race_outside = FIBER_HERE();
    FIBER_NOW(fiber->race_inside);
    swapcontext(&fiber->outside, &fiber->inside);
    back_outside(fiber);
}

FIBER_SWITCHES void fiber_leave(struct fiber *fiber)
{
    leaving_inside(fiber);
    FIBER_NOW(fiber->race_outside);
    swapcontext(&fiber->inside, &fiber->outside);
    arrived_inside(fiber);
}

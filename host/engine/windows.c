/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "windows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu.h"

enum {
    GRAIN_BITS = 21,   /* of `touched`, and of how host and guest addresses are aligned */
    FILL_LEAVES = 512, /* one fault fills at most so many */
};

#define GRAIN (UINT64_C(1) << GRAIN_BITS)

int engine_create(struct guestmem_host *host, seL4_CPtr root, struct engine **result)
{
    struct engine *engine = calloc(1, sizeof(*engine));

    if (engine == NULL) {
        return -ENOMEM;
    }
    engine->host = host;
    engine->root = root;
    *result = engine;
    return 0;
}

static void window_free(struct window *window)
{
    munmap(window->host, window->size);
    free(window->touched);
}

void engine_destroy(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    while (engine->cpus != NULL) {
        engine_cpu_destroy(engine->cpus);
    }
    for (unsigned i = 0; i < engine->window_count; i++) {
        window_free(&engine->windows[i]);
    }
    free(engine);
}

/* Address space without access, placed so that 2 MiB of the guest are 2 MiB of the host. */
static uint8_t *take_area(uint64_t base, uint64_t size)
{
    uint64_t lead = base & (GRAIN - 1);
    uint8_t *area =
        mmap(NULL, size + 2 * GRAIN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *start;

    if (area == MAP_FAILED) {
        return NULL;
    }
    start = (uint8_t *)(((uintptr_t)area + GRAIN - 1) & ~(uintptr_t)(GRAIN - 1)) + lead;
    if (start > area) {
        munmap(area, (size_t)(start - area));
    }
    munmap(start + size, (size_t)(area + size + 2 * GRAIN - (start + size)));
    return start;
}

/* A window over exactly [base, base + size), which is free, at position `at`. */
static int insert(struct engine *engine, unsigned at, uint64_t base, uint64_t size)
{
    struct window window = {.base = base, .size = size};

    if (engine->window_count == WINDOW_COUNT_MAX) {
        return -ENOSPC;
    }
    window.touched = calloc((size >> GRAIN_BITS) + 2, 1);
    if (window.touched == NULL) {
        return -ENOMEM;
    }
    window.host = take_area(base, size);
    if (window.host == NULL) {
        free(window.touched);
        return -ENOMEM;
    }
    memmove(&engine->windows[at + 1], &engine->windows[at],
            (engine->window_count - at) * sizeof(window));
    engine->windows[at] = window;
    engine->window_count++;
    engine->generation++;
    return 0;
}

int engine_window_add(struct engine *engine, uint64_t base, uint64_t size)
{
    uint64_t end = base + size;

    for (unsigned i = 0; base < end; i++) {
        uint64_t next = i < engine->window_count ? engine->windows[i].base : end;
        int err;

        if (i < engine->window_count && next + engine->windows[i].size <= base) {
            continue;
        }
        if (base < next) {
            err = insert(engine, i, base, (next < end ? next : end) - base);
            if (err) {
                return err;
            }
        }
        base = engine->windows[i].base + engine->windows[i].size;
    }
    return 0;
}

const struct window *window_of_guest(const struct engine *engine, uint64_t gpa)
{
    unsigned low = 0;
    unsigned high = engine->window_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct window *window = &engine->windows[middle];

        if (gpa < window->base) {
            high = middle;
        } else if (gpa - window->base >= window->size) {
            low = middle + 1;
        } else {
            return window;
        }
    }
    return NULL;
}

const struct window *window_of_host(const struct engine *engine, const void *address)
{
    for (unsigned i = 0; i < engine->window_count; i++) {
        const struct window *window = &engine->windows[i];

        if ((uintptr_t)address - (uintptr_t)window->host < window->size) {
            return window;
        }
    }
    return NULL;
}

bool window_leaf(struct engine *engine, uint64_t gpa, bool write, struct guestmem_host_leaf *leaf)
{
    return guestmem_host_translate(engine->host, engine->root, gpa, leaf) &&
           (write ? leaf->write : leaf->read);
}

void *window_bytes(struct engine *engine, uint64_t gpa, unsigned size, bool write)
{
    struct guestmem_host_leaf leaf;
    uint64_t offset;

    if (!window_leaf(engine, gpa, write, &leaf)) {
        return NULL;
    }
    offset = gpa & ((UINT64_C(1) << leaf.size_bits) - 1);
    return guestmem_host_phys(engine->host, leaf.paddr + offset, size);
}

/* How far the leaf at `gpa` goes on: the same rights, physically contiguous, inside the window. */
static uint64_t run_end(struct engine *engine, const struct window *window, uint64_t gpa,
                        const struct guestmem_host_leaf *first)
{
    uint64_t limit = window->base + window->size;
    uint64_t end = gpa + (UINT64_C(1) << first->size_bits);
    struct guestmem_host_leaf leaf;

    for (unsigned i = 1; i < FILL_LEAVES && end < limit; i++) {
        if (!guestmem_host_translate(engine->host, engine->root, end, &leaf) ||
            leaf.paddr != first->paddr + (end - gpa) || leaf.read != first->read ||
            leaf.write != first->write) {
            break;
        }
        end += UINT64_C(1) << leaf.size_bits;
    }
    return end < limit ? end : limit;
}

static bool cover(const struct window *window, uint64_t start, uint64_t end)
{
    return mmap(window->host + (start - window->base), end - start, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* A hole in the middle of a mapping takes one more of the 65,530 that a process may have; covering
 * the whole window takes none. Going on with what stage 2 no longer allows is no choice. */
static void drop(const struct window *window, uint64_t start, uint64_t end)
{
    if (!cover(window, start, end) && !cover(window, window->base, window->base + window->size)) {
        perror("guestmem: can't take frames from under the guest");
        abort();
    }
}

static bool place(struct engine *engine, const struct window *window, uint64_t start, uint64_t end,
                  uint64_t paddr, bool write)
{
    off_t offset;

    return guestmem_host_phys_offset(engine->host, paddr, &offset) &&
           mmap(window->host + (start - window->base), end - start,
                PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED | MAP_FIXED,
                guestmem_host_memfd(engine->host), offset) != MAP_FAILED;
}

bool window_fill(struct engine *engine, const struct window *window, uint64_t gpa, bool write)
{
    struct guestmem_host_leaf leaf;
    uint64_t start;
    uint64_t end;

    if (!window_leaf(engine, gpa, write, &leaf)) {
        return false;
    }
    start = gpa & ~((UINT64_C(1) << leaf.size_bits) - 1);
    end = run_end(engine, window, start, &leaf);
    if (start < window->base) {
        leaf.paddr += window->base - start;
        start = window->base;
    }
    for (uint64_t grain = (start - window->base) >> GRAIN_BITS;
         grain <= (end - 1 - window->base) >> GRAIN_BITS; grain++) {
        window->touched[grain] = 1;
    }
    if (place(engine, window, start, end, leaf.paddr, leaf.write)) {
        return true;
    }
    /* Too many mappings: dropping the window's gives them back; the guest touches its frames again.
     */
    drop(window, window->base, window->base + window->size);
    return place(engine, window, start, end, leaf.paddr, leaf.write);
}

/* Drop the part of a window, where it was touched. Says whether there was any. */
static bool invalidate(const struct window *window, uint64_t start, uint64_t end)
{
    bool any = false;

    while (start < end) {
        uint64_t grain = (start - window->base) >> GRAIN_BITS;
        uint64_t next = window->base + ((grain + 1) << GRAIN_BITS);

        if (next > end) {
            next = end;
        }
        if (window->touched[grain]) {
            drop(window, start, next);
            any = true;
        }
        start = next;
    }
    return any;
}

void engine_invalidate(void *cookie, uint64_t base, uint64_t size)
{
    struct engine *engine = cookie;
    uint64_t end = base + size < base ? UINT64_MAX : base + size;

    for (unsigned i = 0; i < engine->window_count; i++) {
        const struct window *window = &engine->windows[i];
        uint64_t window_end = window->base + window->size;
        uint64_t start = base > window->base ? base : window->base;
        uint64_t stop = end < window_end ? end : window_end;

        if (start < stop && invalidate(window, start, stop)) {
            cpus_forget_code(engine, start, stop);
        }
    }
}

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

/* ------------------------------------------------------------------------------- the windows */

int engine_create(struct guestmem_host *host, seL4_CPtr root, struct engine **result)
{
    struct engine *engine = calloc(1, sizeof(*engine));

    if (engine == NULL) {
        return -ENOMEM;
    }
    engine->host = host;
    engine->root = root;
    pthread_mutex_init(&engine->lock, NULL);
    *result = engine;
    return 0;
}

void engine_destroy(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    while (engine->cpus != NULL) {
        engine_cpu_destroy(engine->cpus);
    }
    pthread_mutex_destroy(&engine->lock);
    free(engine);
}

/* A window over exactly [base, base + size), which is free, at position `at`. */
static int insert(struct engine *engine, unsigned at, uint64_t base, uint64_t size)
{
    if (engine->window_count == WINDOW_COUNT_MAX) {
        return -ENOSPC;
    }
    memmove(&engine->windows[at + 1], &engine->windows[at],
            (engine->window_count - at) * sizeof(engine->windows[0]));
    engine->windows[at] = (struct window){.base = base, .size = size};
    engine->window_count++;
    atomic_fetch_add(&engine->generation, 1);
    return 0;
}

static int add(struct engine *engine, uint64_t base, uint64_t end)
{
    for (unsigned i = 0; base < end; i++) {
        uint64_t next = i < engine->window_count ? engine->windows[i].base : end;
        int err;

        if (i < engine->window_count && base >= next && base - next >= engine->windows[i].size) {
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

int engine_window_add(struct engine *engine, uint64_t base, uint64_t size)
{
    int err;

    pthread_mutex_lock(&engine->lock);
    err = add(engine, base, base + size);
    pthread_mutex_unlock(&engine->lock);
    return err;
}

/* ------------------------------------------------------------------------------- a CPU's views */

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

static int view_make(struct view *view, const struct window *window)
{
    *view = (struct view){.window = *window};
    view->touched = calloc((window->size >> GRAIN_BITS) + 2, 1);
    if (view->touched == NULL) {
        return -ENOMEM;
    }
    view->host = take_area(window->base, window->size);
    if (view->host == NULL) {
        free(view->touched);
        return -ENOMEM;
    }
    return 0;
}

static void view_free(struct view *view)
{
    munmap(view->host, view->window.size);
    /* Said to be free already where views_make() fails: it takes a view for new whose window it
     * found among the CPU's a moment before, though these don't change meanwhile. */
    free(view->touched); // NOLINT(clang-analyzer-unix.Malloc)
}

void views_free(struct engine_cpu *cpu)
{
    for (unsigned i = 0; i < cpu->view_count; i++) {
        view_free(&cpu->views[i]);
    }
    free(cpu->views);
}

static const struct view *view_exactly_of(const struct engine_cpu *cpu, const struct window *window)
{
    const struct view *view = view_of_guest(cpu, window->base);

    return view != NULL && view->window.base == window->base ? view : NULL;
}

/* A view of each window, those that are there and new ones. */
static int views_make(const struct engine_cpu *cpu, const struct window *windows, unsigned count,
                      struct view *views)
{
    for (unsigned i = 0; i < count; i++) {
        const struct view *present = view_exactly_of(cpu, &windows[i]);
        int err = 0;

        if (present != NULL) {
            views[i] = *present;
        } else {
            err = view_make(&views[i], &windows[i]);
        }
        while (err && i > 0) {
            i--;
            if (view_exactly_of(cpu, &windows[i]) == NULL) {
                view_free(&views[i]);
            }
        }
        if (err) {
            return err;
        }
    }
    return 0;
}

int views_update(struct engine_cpu *cpu, unsigned *generation)
{
    struct engine *engine = cpu->engine;
    struct window windows[WINDOW_COUNT_MAX];
    struct view *views;
    struct view *before = cpu->views;
    unsigned count;

    pthread_mutex_lock(&engine->lock);
    count = engine->window_count;
    memcpy(windows, engine->windows, count * sizeof(windows[0]));
    *generation = atomic_load(&engine->generation);
    pthread_mutex_unlock(&engine->lock);
    views = calloc(count + 1, sizeof(*views));
    if (views == NULL || views_make(cpu, windows, count, views) != 0) {
        free(views);
        return -ENOMEM;
    }
    cpu_lock(cpu);
    cpu->views = views;
    cpu->view_count = count;
    cpu_unlock(cpu);
    free(before);
    return 0;
}

static uc_err map_gap(struct engine_cpu *cpu, uc_engine *uc, struct gap *gap, uint64_t base,
                      uint64_t end)
{
    if (base == end) {
        return UC_ERR_OK;
    }
    gap->cpu = cpu;
    gap->base = base;
    return uc_mmio_map(uc, base, end - base, access_read, gap, access_write, gap);
}

uc_err views_map(struct engine_cpu *cpu, uc_engine *uc, struct gap *gaps)
{
    const uint64_t lower_end = UINT64_C(1) << 48;
    const uint64_t upper = UINT64_C(0xffff) << 48;
    uint64_t base = 0;
    uc_err err = UC_ERR_OK;
    unsigned i;

    for (i = 0; i < cpu->view_count && err == UC_ERR_OK; i++) {
        const struct window *window = &cpu->views[i].window;

        err = map_gap(cpu, uc, &gaps[i], base, window->base);
        if (err == UC_ERR_OK) {
            err = uc_mem_map_ptr(uc, window->base, window->size, UC_PROT_ALL, cpu->views[i].host);
        }
        base = window->base + window->size;
    }
    if (err == UC_ERR_OK) {
        err = map_gap(cpu, uc, &gaps[i], base, lower_end);
    }
    /* Where virtual addresses are in the upper half; no guest-physical address is. The last page is
     * left out, because its end isn't a number. */
    return err == UC_ERR_OK ? map_gap(cpu, uc, &gaps[i + 1], upper, UINT64_MAX & ~UINT64_C(0xfff))
                            : err;
}

const struct view *view_of_guest(const struct engine_cpu *cpu, uint64_t gpa)
{
    unsigned low = 0;
    unsigned high = cpu->view_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct view *view = &cpu->views[middle];

        if (gpa < view->window.base) {
            high = middle;
        } else if (gpa - view->window.base >= view->window.size) {
            low = middle + 1;
        } else {
            return view;
        }
    }
    return NULL;
}

const struct view *view_of_host(const struct engine_cpu *cpu, const void *address)
{
    for (unsigned i = 0; i < cpu->view_count; i++) {
        const struct view *view = &cpu->views[i];

        if ((uintptr_t)address - (uintptr_t)view->host < view->window.size) {
            return view;
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------------------- what is behind */

bool stage2_leaf(struct engine *engine, uint64_t gpa, bool write, struct guestmem_host_leaf *leaf)
{
    return guestmem_host_translate(engine->host, engine->root, gpa, leaf) &&
           (write ? leaf->write : leaf->read);
}

void *stage2_bytes(struct engine *engine, uint64_t gpa, unsigned size, bool write)
{
    struct guestmem_host_leaf leaf;
    uint64_t offset;

    if (!stage2_leaf(engine, gpa, write, &leaf)) {
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

static uint8_t *place_of(const struct view *view, uint64_t gpa)
{
    return view->host + (gpa - view->window.base);
}

static bool cover(uint8_t *start, uint8_t *end)
{
    return start == end ||
           mmap(start, (size_t)(end - start), PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* All but the pages that stand there for one host instruction, which take themselves away. */
static bool cover_around(const struct engine_cpu *cpu, uint8_t *start, uint8_t *end)
{
    for (unsigned i = 0; i < cpu->scratch_count; i++) {
        uint8_t *page = cpu->scratch[i].place;

        if (page >= start && page < end) {
            return cover_around(cpu, start, page) && cover_around(cpu, page + PAGE_BYTES, end);
        }
    }
    return cover(start, end);
}

/* A hole in the middle of a mapping takes one more of the 65,530 that a process may have; covering
 * the whole view takes none. Going on with what stage 2 no longer allows is no choice. */
static void drop(const struct engine_cpu *cpu, const struct view *view, uint64_t start,
                 uint64_t end)
{
    if (!cover_around(cpu, place_of(view, start), place_of(view, end)) &&
        !cover(view->host, view->host + view->window.size)) {
        perror("guestmem: can't take frames from under the guest");
        abort();
    }
}

static bool place(struct engine *engine, const struct view *view, uint64_t start, uint64_t end,
                  uint64_t paddr, bool write)
{
    off_t offset;

    return guestmem_host_phys_offset(engine->host, paddr, &offset) &&
           mmap(place_of(view, start), end - start, PROT_READ | (write ? PROT_WRITE : 0),
                MAP_SHARED | MAP_FIXED, guestmem_host_memfd(engine->host), offset) != MAP_FAILED;
}

bool view_fill(struct engine_cpu *cpu, const struct view *view, uint64_t gpa, bool write)
{
    const struct window *window = &view->window;
    struct guestmem_host_leaf leaf;
    uint64_t start;
    uint64_t end;

    if (!stage2_leaf(cpu->engine, gpa, write, &leaf)) {
        return false;
    }
    start = gpa & ~((UINT64_C(1) << leaf.size_bits) - 1);
    end = run_end(cpu->engine, window, start, &leaf);
    if (start < window->base) {
        leaf.paddr += window->base - start;
        start = window->base;
    }
    for (uint64_t grain = (start - window->base) >> GRAIN_BITS;
         grain <= (end - 1 - window->base) >> GRAIN_BITS; grain++) {
        view->touched[grain] = 1;
    }
    if (place(cpu->engine, view, start, end, leaf.paddr, leaf.write)) {
        return true;
    }
    /* Too many mappings: dropping the view's gives them back; the guest touches its frames again.
     */
    drop(cpu, view, window->base, window->base + window->size);
    return place(cpu->engine, view, start, end, leaf.paddr, leaf.write);
}

/* ------------------------------------------------------------------------------- what changed */

/* Drop the part of a view, where it was touched. Says whether there was any. */
static bool invalidate(const struct engine_cpu *cpu, const struct view *view, uint64_t start,
                       uint64_t end)
{
    const struct window *window = &view->window;
    bool any = false;

    while (start < end) {
        uint64_t grain = (start - window->base) >> GRAIN_BITS;
        uint64_t next = window->base + ((grain + 1) << GRAIN_BITS);

        if (next > end) {
            next = end;
        }
        if (view->touched[grain]) {
            drop(cpu, view, start, next);
            any = true;
        }
        start = next;
    }
    return any;
}

static void invalidate_cpu(struct engine_cpu *cpu, uint64_t base, uint64_t end)
{
    for (unsigned i = 0; i < cpu->view_count; i++) {
        const struct window *window = &cpu->views[i].window;
        uint64_t window_end = window->base + window->size;
        uint64_t start = base > window->base ? base : window->base;
        uint64_t stop = end < window_end ? end : window_end;

        if (start < stop && invalidate(cpu, &cpu->views[i], start, stop)) {
            cpu_forget_code(cpu, start, stop);
        }
    }
}

/* Stage 2 has the change already. Taking the CPU's lock waits for what still goes by the old one,
 * and what comes later finds the new one. */
void engine_invalidate(void *cookie, uint64_t base, uint64_t size)
{
    struct engine *engine = cookie;
    uint64_t end = base + size < base ? UINT64_MAX : base + size;

    pthread_mutex_lock(&engine->lock);
    for (struct engine_cpu *cpu = engine->cpus; cpu != NULL; cpu = cpu->next) {
        cpu_lock(cpu);
        invalidate_cpu(cpu, base, end);
        cpu_unlock(cpu);
    }
    pthread_mutex_unlock(&engine->lock);
}

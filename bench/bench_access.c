/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * guestmem_ram_read() against memcpy() of the same bytes, from the same addresses of the VMM: hot
 * and spread over 100 regions, small and large. The sides take turns, and a figure is the median of
 * the ratios of neighbouring runs. Everything has been seen before.
 */
#include "bench_vm.h"

#include <guestmem/access.h>
#include <guestmem/threads.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROUNDS = 21,
    CALLS = 200000,
    PLACES = 4096, /* a power of two */
    REGIONS = 100,
    PAGE = 4096,
};

#define MIB ((size_t)1 << 20)
#define ONE_AT ((uintptr_t)0x40000000) /* one region of 256 MiB */
#define ONE_BYTES (256 * MIB)
#define MANY_AT ((uintptr_t)0x80000000) /* 100 regions, side by side, of 256 MiB in all */
#define MANY_BYTES ((size_t)656 * PAGE)

#define SMALL_AT ((uintptr_t)0xc0000000) /* 100 regions of a page, all in the same 2 MiB */
#define SMALL_STRIDE ((size_t)4 * PAGE)

/* What one row does, on both sides. */
struct row {
    struct bench_vm *bench;
    size_t size;
    unsigned calls;
    uintptr_t gpas[PLACES];
    const char *addresses[PLACES]; /* the same for the VMM */
};

static struct row row;
static char *buffer; /* ONE_BYTES of it, and more */

static const char *address_of(vm_t *vm, uintptr_t gpa, size_t size)
{
    struct guestmem_span span;

    bench_require(guestmem_ram_span(vm, gpa, size, &span) == GUESTMEM_OK && span.size == size,
                  "have a range in one piece");
    return span.address;
}

/* --------------------------------------------------------------------------- one piece a call */

static void run_memcpy(void)
{
    for (unsigned i = 0; i < row.calls; i++) {
        memcpy(buffer, row.addresses[i % PLACES], row.size);
        __asm__ volatile("" : : "r"(buffer) : "memory"); /* it is used */
    }
}

static void run_read(void)
{
    vm_t *vm = &row.bench->vm;

    for (unsigned i = 0; i < row.calls; i++) {
        if (guestmem_ram_read(vm, row.gpas[i % PLACES], buffer, row.size) != GUESTMEM_OK) {
            bench_require(false, "read");
        }
        __asm__ volatile("" : : "r"(buffer) : "memory");
    }
}

/* ------------------------------------------------------------------------- all of it in a call */

static void run_memcpy_pieces(void)
{
    for (unsigned i = 0; i < REGIONS; i++) {
        memcpy(buffer + i * row.size, row.addresses[i], row.size);
    }
}

static void run_read_pieces(void)
{
    bench_require(guestmem_ram_read(&row.bench->vm, MANY_AT, buffer, REGIONS * row.size) ==
                      GUESTMEM_OK,
                  "read all regions");
}

static double seconds_of(void (*run)(void))
{
    double start = bench_seconds();

    run();
    return bench_seconds() - start;
}

static void compare(const char *name, unsigned rounds, void (*ours)(void), void (*theirs)(void))
{
    double ratios[ROUNDS];
    double access[ROUNDS];
    double copies[ROUNDS];
    char text[64];

    ours();
    theirs();
    for (unsigned i = 0; i < rounds; i++) {
        copies[i] = seconds_of(theirs);
        access[i] = seconds_of(ours);
        ratios[i] = access[i] / copies[i];
    }
    snprintf(text, sizeof(text), "access_%s_memcpy", name);
    bench_result(text, bench_median(copies, rounds) / row.calls * 1e9, "ns");
    snprintf(text, sizeof(text), "access_%s", name);
    bench_result(text, bench_median(access, rounds) / row.calls * 1e9, "ns");
    snprintf(text, sizeof(text), "access_%s_ratio", name);
    bench_result(text, bench_median(ratios, rounds), "x");
}

/* -------------------------------------------------------------------------------- the patterns */

/* The places of a page, one after the other. */
static void place_hot(size_t size)
{
    row.size = size;
    row.calls = CALLS;
    for (size_t i = 0; i < PLACES; i++) {
        row.gpas[i] = ONE_AT + i * size % PAGE;
        row.addresses[i] = address_of(&row.bench->vm, row.gpas[i], size);
    }
}

/* The first page of any region: the next one can't be told from this one. */
static void place_spread(size_t size, uintptr_t base, size_t stride)
{
    uint32_t state = 20260101;

    row.size = size;
    row.calls = CALLS;
    for (size_t i = 0; i < PLACES; i++) {
        state = state * 1664525u + 1013904223u;
        row.gpas[i] = base + (state >> 8) % REGIONS * stride + i % 16 * 64;
        row.addresses[i] = address_of(&row.bench->vm, row.gpas[i], size);
    }
}

static void place_whole(void)
{
    row.size = ONE_BYTES;
    row.calls = 1;
    row.gpas[0] = ONE_AT;
    row.addresses[0] = address_of(&row.bench->vm, ONE_AT, ONE_BYTES);
}

static void place_pieces(void)
{
    row.size = MANY_BYTES;
    row.calls = 1;
    for (size_t i = 0; i < REGIONS; i++) {
        row.addresses[i] = address_of(&row.bench->vm, MANY_AT + i * MANY_BYTES, MANY_BYTES);
    }
}

static void see_all(vm_t *vm)
{
    bench_require(vm_ram_register_at(vm, ONE_AT, ONE_BYTES, false) == 0, "register 256 MiB");
    for (size_t i = 0; i < REGIONS; i++) {
        bench_require(vm_ram_register_at(vm, MANY_AT + i * MANY_BYTES, MANY_BYTES, false) == 0 &&
                          vm_ram_register_at(vm, SMALL_AT + i * SMALL_STRIDE, PAGE, false) == 0,
                      "register a region");
    }
    bench_require(guestmem_ram_fill(vm, ONE_AT, 1, ONE_BYTES) == GUESTMEM_OK &&
                      guestmem_ram_fill(vm, MANY_AT, 2, REGIONS * MANY_BYTES) == GUESTMEM_OK,
                  "fill all RAM");
}

/* Small ones once more in a VM that other threads may use: in a section, and with one a call. */
static void compare_shared(vm_t *vm)
{
    bench_require(guestmem_reader_register(vm) == GUESTMEM_OK, "register as a reader");
    place_hot(4);
    guestmem_read_begin(vm);
    compare("4_in_section", ROUNDS, run_read, run_memcpy);
    place_spread(4, MANY_AT, MANY_BYTES);
    compare("4_spread_in_section", ROUNDS, run_read, run_memcpy);
    guestmem_read_end(vm);
    place_hot(4);
    compare("4_own_section", ROUNDS, run_read, run_memcpy);
    bench_require(guestmem_reader_unregister(vm) == GUESTMEM_OK, "unregister");
    compare("4_visitor", ROUNDS, run_read, run_memcpy);
}

int main(void)
{
    static struct bench_vm bench;

    bench_vm_create(&bench, 768 * MIB, 21);
    row.bench = &bench;
    buffer = malloc(ONE_BYTES + 4 * MIB);
    bench_require(buffer != NULL, "have a buffer");
    memset(buffer, 0, ONE_BYTES + 4 * MIB);
    see_all(&bench.vm);
    place_hot(4);
    compare("4", ROUNDS, run_read, run_memcpy);
    place_spread(4, MANY_AT, MANY_BYTES);
    compare("4_spread", ROUNDS, run_read, run_memcpy);
    place_spread(4, SMALL_AT, SMALL_STRIDE); /* each is searched for */
    compare("4_spread_small", ROUNDS, run_read, run_memcpy);
    place_hot(64);
    compare("64", ROUNDS, run_read, run_memcpy);
    place_hot(PAGE);
    compare("4k", ROUNDS, run_read, run_memcpy);
    place_whole();
    compare("256m", 9, run_read, run_memcpy);
    place_pieces();
    compare("256m_spread", 9, run_read_pieces, run_memcpy_pieces);
    compare_shared(&bench.vm);
    free(buffer);
    bench_vm_destroy(&bench);
    return 0;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a device calls, on memory that was seen before: in a VM of one thread, in a read section of
 * a shared one, and there by a thread that isn't registered.
 */
#include <string.h>

#include <sel4vm/guest_vm.h>
#include <sel4vm/guest_ram.h>

#include <guestmem/access.h>
#include <guestmem/threads.h>

#include "bench.h"
#include "counter.h"

enum { CALLS = 1000 };

#define RAM_AT 0x40000000ul
#define RAM_BYTES ((size_t)16 << 20)

static char mine[4096];
static size_t four = 4;
static uint64_t word;

static uintptr_t place(unsigned i)
{
    return RAM_AT + (i & 255) * 8;
}

static int memcpy_4(vm_t *vm, unsigned i)
{
    (void)vm;
    memcpy(mine, mine + 2048 + (i & 127) * 8, four);
    return 0;
}

static int read_4(vm_t *vm, unsigned i)
{
    return guestmem_ram_read(vm, place(i), mine, 4);
}

static int write_4(vm_t *vm, unsigned i)
{
    return guestmem_ram_write(vm, place(i), mine, 4);
}

static int fill_4(vm_t *vm, unsigned i)
{
    return guestmem_ram_fill(vm, place(i), 1, 4);
}

static int copy_4(vm_t *vm, unsigned i)
{
    return guestmem_ram_copy(vm, place(i) + 4096, place(i), 4);
}

static int load_acquire_2(vm_t *vm, unsigned i)
{
    return guestmem_ram_load_acquire(vm, place(i), 2, &word);
}

static int store_release_2(vm_t *vm, unsigned i)
{
    return guestmem_ram_store_release(vm, place(i), 2, i);
}

static int span(vm_t *vm, unsigned i)
{
    struct guestmem_span found;

    return guestmem_ram_span(vm, place(i), 512, &found) || !guestmem_span_is_valid(vm, &found);
}

static int iovec_1(vm_t *vm, unsigned i)
{
    struct guestmem_buffer buffer = {place(i), 512};
    struct guestmem_iovec piece;
    size_t count;

    return guestmem_ram_iovec(vm, &buffer, 1, &piece, 1, &count);
}

/* Header, data and status of a block request. */
static int iovec_3(vm_t *vm, unsigned i)
{
    struct guestmem_buffer buffers[] = {
        {place(i), 16}, {RAM_AT + RAM_BYTES / 2 + (i & 255) * 8, 512}, {RAM_AT + 8192, 1}};
    struct guestmem_iovec pieces[3];
    size_t count;

    return guestmem_ram_iovec(vm, buffers, 3, pieces, 3, &count);
}

static int section(vm_t *vm, unsigned i)
{
    (void)i;
    guestmem_read_begin(vm);
    guestmem_read_end(vm);
    return 0;
}

/* Inlined, so that a loop calls what it measures and nothing else. */
__attribute__((always_inline)) static inline void
measure(vm_t *vm, const char *name, const char *how, int (*call)(vm_t *vm, unsigned i))
{
    int failed = call(vm, 0);
    uint64_t start = counter_read();

    for (unsigned i = 0; i < CALLS; i++) {
        failed |= call(vm, i);
    }
    bench_row(name, (counter_read() - start) / CALLS, how, 0, "-");
    BENCH_REQUIRE(failed == 0);
}

static void measure_all(vm_t *vm, const char *how)
{
    measure(vm, "memcpy, 4 bytes", how, memcpy_4);
    measure(vm, "guestmem_ram_read, 4 bytes", how, read_4);
    measure(vm, "guestmem_ram_write, 4 bytes", how, write_4);
    measure(vm, "guestmem_ram_fill, 4 bytes", how, fill_4);
    measure(vm, "guestmem_ram_copy, 4 bytes", how, copy_4);
    measure(vm, "guestmem_ram_load_acquire, 2 bytes", how, load_acquire_2);
    measure(vm, "guestmem_ram_store_release, 2 bytes", how, store_release_2);
    measure(vm, "guestmem_ram_span and its check", how, span);
    measure(vm, "guestmem_ram_iovec, 1 buffer", how, iovec_1);
    measure(vm, "guestmem_ram_iovec, 3 buffers", how, iovec_3);
}

/* Calls are made in a loop of some 8 instructions. */
void bench_access_rows(void)
{
    vm_t *vm = bench_vm_new();

    __asm__ volatile("" : "+r"(four)); /* for all that the compiler knows, it is another number */
    BENCH_REQUIRE(vm_ram_register_at(vm, RAM_AT, RAM_BYTES, false) == 0);
    BENCH_REQUIRE(guestmem_ram_fill(vm, RAM_AT, 1, RAM_BYTES) == GUESTMEM_OK);
    measure_all(vm, "insn, 1 thread");
    BENCH_REQUIRE(guestmem_reader_register(vm) == GUESTMEM_OK);
    measure(vm, "open and close a read section", "insn", section);
    guestmem_read_begin(vm);
    measure_all(vm, "insn, section");
    guestmem_read_end(vm);
    BENCH_REQUIRE(guestmem_reader_unregister(vm) == GUESTMEM_OK);
    measure_all(vm, "insn, visitor");
    bench_vm_free(vm);
}

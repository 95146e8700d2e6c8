/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * What a device calls, on memory that was seen before, against a call of memcpy() for 4 bytes: in a
 * VM of one thread; in one that is shared, in a read section; and by a thread there that isn't
 * registered. The sides take turns, and a figure is the median of the ratios of neighbouring runs.
 */
#include "bench_vm.h"

#include <guestmem/access.h>
#include <guestmem/runtime.h>
#include <guestmem/threads.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 21, CALLS = 100000, PAGE = 4096 };

#define RAM ((uintptr_t)0x40000000)
#define RAM_BYTES ((size_t)64 << 20)
#define DEVICE ((uintptr_t)0x09000000)

static struct bench_vm bench;
static char mine[PAGE];
static char other[PAGE];
static uint64_t word;
static size_t four = 4;

/* ------------------------------------------------------------------------------ one call each */

/* Somewhere in a page, so that nothing can be reckoned out beforehand. */
static uintptr_t place(unsigned i)
{
    return RAM + (i & 255) * 8;
}

/* The C library's, as a VMM calls it that doesn't know the size when it is compiled. */
static int memcpy_4(unsigned i)
{
    memcpy(mine, other + (i & 255) * 8, four);
    return 0;
}

static int read_4(unsigned i)
{
    return guestmem_ram_read(&bench.vm, place(i), mine, 4);
}

static int write_4(unsigned i)
{
    return guestmem_ram_write(&bench.vm, place(i), mine, 4);
}

static int fill_4(unsigned i)
{
    return guestmem_ram_fill(&bench.vm, place(i), 1, 4);
}

static int copy_4(unsigned i)
{
    return guestmem_ram_copy(&bench.vm, place(i) + PAGE, place(i), 4);
}

static int load_4(unsigned i)
{
    return guestmem_ram_load(&bench.vm, place(i), 4, &word);
}

static int load_acquire_2(unsigned i)
{
    return guestmem_ram_load_acquire(&bench.vm, place(i), 2, &word);
}

static int store_4(unsigned i)
{
    return guestmem_ram_store(&bench.vm, place(i), 4, i);
}

static int store_release_2(unsigned i)
{
    return guestmem_ram_store_release(&bench.vm, place(i), 2, i & 0xffff);
}

static int span(unsigned i)
{
    struct guestmem_span span;

    return guestmem_ram_span(&bench.vm, place(i), 512, &span) ||
           !guestmem_span_is_valid(&bench.vm, &span);
}

/* Header, data and status of a block request. */
static int iovec_3(unsigned i)
{
    struct guestmem_buffer buffers[] = {
        {place(i), 16}, {RAM + (4 << 20) + place(i) % PAGE, 512}, {RAM + PAGE, 1}};
    struct guestmem_iovec pieces[4];
    size_t count;

    return guestmem_ram_iovec(&bench.vm, buffers, 3, pieces, 4, &count) || count != 3;
}

static int iovec_1(unsigned i)
{
    struct guestmem_buffer buffer = {place(i), 512};
    struct guestmem_iovec pieces[1];
    size_t count;

    return guestmem_ram_iovec(&bench.vm, &buffer, 1, pieces, 1, &count);
}

static int touch_4(unsigned i)
{
    return vm_ram_touch(&bench.vm, place(i), 4, vm_guest_ram_read_callback, mine);
}

static memory_fault_result_t nothing(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                     void *cookie)
{
    (void)vm;
    (void)vcpu;
    (void)addr;
    (void)size;
    (void)cookie;
    return FAULT_IGNORE;
}

static int fault(unsigned i)
{
    return vm_memory_handle_fault(&bench.vm, NULL, DEVICE + (i & 255) * 8, 4) != FAULT_IGNORE;
}

static int section(unsigned i)
{
    (void)i;
    guestmem_read_begin(&bench.vm);
    guestmem_read_end(&bench.vm);
    return 0;
}

/* ------------------------------------------------------------------------------------ measuring */

/* Inlined, so that a loop calls what it measures and nothing else. */
__attribute__((always_inline)) static inline double seconds_of(int (*call)(unsigned i))
{
    double start = bench_seconds();
    int failed = 0;

    for (unsigned i = 0; i < CALLS; i++) {
        failed |= call(i);
        __asm__ volatile("" : : "r"(mine) : "memory"); /* it is used */
    }
    bench_require(failed == 0, "make each call");
    return bench_seconds() - start;
}

#define LOOP(name)                  \
    static double loop_##name(void) \
    {                               \
        return seconds_of(name);    \
    }

LOOP(memcpy_4)
LOOP(read_4)
LOOP(write_4)
LOOP(fill_4)
LOOP(copy_4)
LOOP(load_4)
LOOP(load_acquire_2)
LOOP(store_4)
LOOP(store_release_2)
LOOP(span)
LOOP(iovec_1)
LOOP(iovec_3)
LOOP(touch_4)
LOOP(fault)
LOOP(section)

struct row {
    const char *name;
    double (*loop)(void);
};

static const struct row rows[] = {
    {"read_4", loop_read_4},   {"write_4", loop_write_4},
    {"fill_4", loop_fill_4},   {"copy_4", loop_copy_4},
    {"load_4", loop_load_4},   {"load_acquire_2", loop_load_acquire_2},
    {"store_4", loop_store_4}, {"store_release_2", loop_store_release_2},
    {"span", loop_span},       {"iovec_1", loop_iovec_1},
    {"iovec_3", loop_iovec_3}, {"touch_4", loop_touch_4},
    {"fault", loop_fault},
};

static void measure(const char *how, const struct row *row)
{
    double ratios[ROUNDS];
    char name[64];

    row->loop();
    for (unsigned i = 0; i < ROUNDS; i++) {
        double base = loop_memcpy_4();

        ratios[i] = row->loop() / base;
    }
    snprintf(name, sizeof(name), "device_%s%s_ratio", row->name, how);
    bench_result(name, bench_median(ratios, ROUNDS), "x");
}

static void measure_all(const char *how)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        measure(how, &rows[i]);
    }
}

static void measure_shared(void)
{
    const struct row open_and_close = {"section", loop_section};

    bench_require(guestmem_reader_register(&bench.vm) == GUESTMEM_OK, "register as a reader");
    guestmem_read_begin(&bench.vm);
    measure_all("_in_section");
    guestmem_read_end(&bench.vm);
    measure("", &open_and_close);
    bench_require(guestmem_reader_unregister(&bench.vm) == GUESTMEM_OK, "unregister");
    measure_all("_visitor");
}

int main(void)
{
    __asm__ volatile("" : "+r"(four)); /* for all that the compiler knows, it is another number */
    bench_vm_create(&bench, 2 * RAM_BYTES, 21);
    bench_require(vm_ram_register_at(&bench.vm, RAM, RAM_BYTES, false) == 0 &&
                      guestmem_ram_fill(&bench.vm, RAM, 1, RAM_BYTES) == GUESTMEM_OK &&
                      vm_reserve_memory_at(&bench.vm, DEVICE, PAGE, nothing, NULL) != NULL,
                  "have RAM and a device");
    measure_all("");
    measure_shared();
    bench_vm_destroy(&bench);
    return 0;
}

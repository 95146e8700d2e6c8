/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * What backing 1 GiB costs in kernel calls, cap slots and bytes, and what the VMM's view of it
 * adds. The environment counts: every invocation is in it, those of its own allocator included.
 * Bytes are the library's own book-keeping.
 */
#include "bench_vm.h"

#include <stdio.h>

enum { GUEST_BASE = 0x40000000, GUEST_BYTES = 1 << 30 };

struct cost {
    uint64_t invocations;
    uint64_t slots;
    size_t bytes;
};

static struct cost cost_now(struct bench_vm *bench)
{
    struct guestmem_host_counts counts;
    struct guestmem_stats stats;

    guestmem_host_count(bench->host, &counts);
    bench_require(guestmem_get_stats(&bench->vm, &stats) == GUESTMEM_OK, "read the statistics");
    return (struct cost){counts.invocations, counts.slots_used, stats.bytes};
}

static void report(const char *what, const char *size, struct cost before, struct cost after)
{
    char name[64];

    snprintf(name, sizeof(name), "%s_1gib_%s_invocations", what, size);
    bench_result(name, (double)(after.invocations - before.invocations), "invocations");
    snprintf(name, sizeof(name), "%s_1gib_%s_slots", what, size);
    bench_result(name, (double)(after.slots - before.slots), "slots");
    snprintf(name, sizeof(name), "%s_1gib_%s_bytes", what, size);
    bench_result(name, (double)(after.bytes - before.bytes), "bytes");
}

static int look(vm_t *vm, uintptr_t gpa, void *vaddr, size_t size, size_t offset, void *cookie)
{
    (void)vm;
    (void)gpa;
    (void)vaddr;
    (void)size;
    (void)offset;
    (void)cookie;
    return 0;
}

static void measure_map(const char *size, unsigned frame_bits)
{
    struct bench_vm bench;
    struct cost before;
    vm_memory_reservation_t *reservation;

    bench_vm_create(&bench, UINT64_C(4) << 30, frame_bits);
    before = cost_now(&bench);
    reservation = vm_reserve_memory_at(&bench.vm, GUEST_BASE, GUEST_BYTES,
                                       default_error_fault_callback, NULL);
    bench_require(reservation != NULL, "reserve 1 GiB");
    bench_require(map_frame_alloc_reservation(&bench.vm, reservation) == 0, "back 1 GiB");
    report("map", size, before, cost_now(&bench));
    bench_vm_destroy(&bench);
}

static void measure_ram(const char *size, unsigned frame_bits)
{
    struct bench_vm bench;
    struct cost before;
    struct cost between;

    bench_vm_create(&bench, UINT64_C(4) << 30, frame_bits);
    before = cost_now(&bench);
    bench_require(vm_ram_register_at(&bench.vm, GUEST_BASE, GUEST_BYTES, false) == 0,
                  "register 1 GiB of RAM");
    between = cost_now(&bench);
    report("ram", size, before, between);
    bench_require(vm_ram_touch(&bench.vm, GUEST_BASE, GUEST_BYTES, look, NULL) == 0,
                  "look at 1 GiB of RAM");
    report("alias", size, between, cost_now(&bench));
    bench_vm_destroy(&bench);
}

int main(void)
{
    static const struct {
        const char *name;
        unsigned bits;
    } sizes[] = {{"1g", 30}, {"2m", 21}, {"4k", 12}};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        measure_map(sizes[i].name, sizes[i].bits);
        measure_ram(sizes[i].name, sizes[i].bits);
    }
    return 0;
}

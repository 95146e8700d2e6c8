/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The rows. "Reference" is what the tree's own library takes, where that was measured, and after the
 * stroke the floor: the same kernel calls by hand.
 */
#include <string.h>

#include <sel4vm/guest_memory.h>
#include <sel4vm/guest_ram.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

#include <guestmem/guestmem.h>
#include <guestmem/runtime.h>

#include "bench.h"
#include "counter.h"

#define MIB ((size_t)1 << 20)
#define RAM_AT 0x40000000ul

static const size_t page = 4096;

static memory_fault_result_t handled(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length, void *cookie)
{
    (void)vm;
    (void)vcpu;
    (void)addr;
    (void)length;
    (void)cookie;
    return FAULT_HANDLED;
}

static void set_largest(vm_t *vm, unsigned bits)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.frame_bits_max = bits;
    BENCH_REQUIRE(guestmem_set_policy(vm, &policy) == GUESTMEM_OK);
}

/* A range that was mapped and is freed at the end, so that no other row gets memory that was used. */
struct mapped {
    vm_t *vm;
    vm_memory_reservation_t *res;
    size_t bytes;
};

static struct mapped map(size_t bytes, unsigned bits, const char *name, uint64_t most)
{
    struct mapped mapped = {bench_vm_new(), NULL, bytes};
    long slots = bench_slots;
    uint64_t cost;
    uint64_t start;

    set_largest(mapped.vm, bits);
    start = counter_read();
    mapped.res = vm_reserve_memory_at(mapped.vm, RAM_AT, bytes, handled, NULL);
    BENCH_REQUIRE(map_frame_alloc_reservation(mapped.vm, mapped.res) == 0);
    cost = counter_read() - start;
    bench_row(name, cost / (bytes / page), "insn per 4 KiB", most, bits > 12 ? "4561 / 391" : "4561 / 1009");
    bench_row("  slots", (uint64_t)(bench_slots - slots), "slots", bits > 12 ? 400 : bytes / page * 105 / 100,
              "3.02 a page");
    return mapped;
}

static void release(const struct mapped *mapped, const char *name, uint64_t most)
{
    long slots_with = bench_slots;
    uint64_t start = counter_read();

    BENCH_REQUIRE(vm_free_reserved_memory(mapped->vm, mapped->res) == 0);
    bench_row(name, (counter_read() - start) / (mapped->bytes / page), "insn per 4 KiB", most, "1455");
    bench_row("  slots given back", (uint64_t)(slots_with - bench_slots), "slots", 0, "1 of 3 a page");
    bench_vm_free(mapped->vm);
}

static void by_paddr(uintptr_t paddr, size_t tries, const char *name)
{
    vm_t *vm = bench_vm_new();
    vm_memory_reservation_t *res = vm_reserve_memory_at(vm, RAM_AT, 16 * MIB, handled, NULL);
    uint64_t cost = 0;
    int error = -1;

    for (size_t i = 0; error != 0 && i < tries; i++) {
        uint64_t start = counter_read();

        error = map_ut_alloc_reservation_with_base_paddr(vm, paddr + i * 16 * MIB, res);
        cost = counter_read() - start;
    }
    BENCH_REQUIRE(error == 0);
    bench_row(name, cost / (16 * MIB / page), "insn per 4 KiB", 450, "4969");
    bench_vm_free(vm);
}

static void create(void)
{
    enum { CALLS = 64 };
    vm_t *vm = bench_vm_new();
    uint64_t cost = 0;

    uint64_t start = counter_read();

    for (size_t i = 0; i < CALLS; i++) {
        BENCH_REQUIRE(create_allocated_reservation_frame(vm, RAM_AT + i * page, seL4_AllRights, handled,
                                                         NULL) != NULL);
    }
    cost = counter_read() - start;
    bench_row("create_allocated_reservation_frame", cost / CALLS, "insn a call", 6500, "8723");
    bench_vm_free(vm);
}

static void touch(void)
{
    static char buffer[16 << 20];
    enum { CALLS = 1000 };
    vm_t *vm = bench_vm_new();
    uint32_t word;
    uint64_t start;

    memset(buffer, 1, sizeof(buffer));
    BENCH_REQUIRE(vm_ram_register_at(vm, RAM_AT, sizeof(buffer), false) == 0);
    start = counter_read();
    BENCH_REQUIRE(vm_ram_touch(vm, RAM_AT, sizeof(buffer), vm_guest_ram_write_callback, buffer) == 0);
    bench_row("vm_ram_touch write of 16 MiB", (counter_read() - start) / (sizeof(buffer) / page),
              "insn per 4 KiB", 3500, "7488 / 3328");
    start = counter_read();
    for (size_t i = 0; i < CALLS; i++) {
        vm_ram_touch(vm, RAM_AT + i * 8192, sizeof(word), vm_guest_ram_read_callback, &word);
    }
    bench_row("vm_ram_touch 4-byte read", (counter_read() - start) / CALLS, "insn a call", 250, "4217");
    bench_vm_free(vm);
}

static void dispatch(size_t count, uint64_t most, const char *reference, bool anonymous)
{
    enum { CALLS = 10000 };
    static uintptr_t at[CALLS]; /* all over the reservations, and made beforehand */
    vm_t *vm = bench_vm_new();
    uint64_t start;
    uintptr_t addr;

    for (size_t i = 0; i < CALLS; i++) {
        at[i] = RAM_AT + i * 7919 % count * page;
    }
    if (anonymous) {
        BENCH_REQUIRE(vm_memory_make_anon(vm, RAM_AT, count * page) == 0);
    }
    for (size_t i = 0; i < count; i++) {
        vm_memory_reservation_t *res =
            anonymous ? vm_reserve_anon_memory(vm, page, 1, handled, NULL, &addr)
                      : vm_reserve_memory_at(vm, RAM_AT + i * page, page, handled, NULL);

        BENCH_REQUIRE(res != NULL);
    }
    start = counter_read();
    for (size_t i = 0; i < CALLS; i++) {
        vm_memory_handle_fault(vm, NULL, at[i], 4);
    }
    bench_row(anonymous ? "fault dispatch, anonymous" : "fault dispatch", (counter_read() - start) / CALLS,
              count == 10 ? "insn, 10" : count == 1000 ? "insn, 1,000" : "insn, 10,000", most, reference);
    bench_vm_free(vm);
}

static void reserve_many(bool descending, uint64_t most, const char *reference)
{
    enum { CALLS = 10000 };
    vm_t *vm = bench_vm_new();
    uint64_t start = counter_read();

    for (size_t i = 0; i < CALLS; i++) {
        size_t at = descending ? CALLS - 1 - i : i;

        BENCH_REQUIRE(vm_reserve_memory_at(vm, RAM_AT + at * page, page, handled, NULL) != NULL);
    }
    bench_row(descending ? "reserve 10,000, descending" : "reserve 10,000, ascending",
              (counter_read() - start) / CALLS, "insn each", most, reference);
    bench_vm_free(vm);
}

void bench_rows(void)
{
    struct mapped m16 = map(16 * MIB, 21, "reserve + map_frame_alloc, 16 MiB", 410);
    struct mapped m64 = map(64 * MIB, 21, "reserve + map_frame_alloc, 64 MiB", 410);
    struct mapped m256 = map(256 * MIB, 21, "reserve + map_frame_alloc, 256 MiB", 410);
    struct mapped small = map(16 * MIB, 12, "the same in 4 KiB frames, 16 MiB", 1300);

    by_paddr(0x40000000, 1, "map_ut_alloc_..._base_paddr, device");
    by_paddr(bench_fresh_ram, bench_fresh_bytes / (16 * MIB), "map_ut_alloc_..._base_paddr, RAM");
    create();
    touch();
    release(&m16, "free 16 MiB of 2 MiB frames", 10);
    release(&m64, "free 64 MiB of 2 MiB frames", 10);
    release(&m256, "free 256 MiB of 2 MiB frames", 10);
    release(&small, "free 16 MiB of 4 KiB frames", 700);
    dispatch(10, 80, "70", false);
    dispatch(1000, 150, "119", false);
    dispatch(10000, 185, "145", false);
    dispatch(10, 80, "122", true);
    dispatch(1000, 150, "5545", true);
    dispatch(10000, 185, "54675", true);
    reserve_many(false, 1000, "2258");
    reserve_many(true, 6000, "37083");
}

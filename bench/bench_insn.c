/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * bench-insn reserve|free|register asc|desc|rand: do one thing many times, to be counted by
 * callgrind. Everything counted happens inside bench_region(), which is where collection is
 * switched on; setting up and taking down are outside. Prints how many operations that was.
 */
#include "bench_vm.h"

#include <stdio.h>
#include <string.h>

enum {
    RESERVATION_COUNT = 10000,
    REGION_COUNT = 1000,
    PAGE = 4096,
    STRIDE = 16 * PAGE, /* neighbours don't touch, so none could be merged */
};

#define FIRST_GPA UINT64_C(0x80000000)

enum order { ORDER_ASCENDING, ORDER_DESCENDING, ORDER_RANDOM };

struct work {
    struct bench_vm bench;
    unsigned order[RESERVATION_COUNT];
    vm_memory_reservation_t *reservations[RESERVATION_COUNT];
};

static struct work work;

/* A permutation of 0..count-1; the random one is the same in every run. */
static void make_order(enum order order, unsigned count)
{
    uint32_t state = 20260101;

    for (unsigned i = 0; i < count; i++) {
        work.order[i] = order == ORDER_DESCENDING ? count - 1 - i : i;
    }
    for (unsigned i = count - 1; order == ORDER_RANDOM && i > 0; i--) {
        unsigned swap;
        unsigned other;

        state = state * 1664525u + 1013904223u;
        other = (unsigned)(((uint64_t)state * (i + 1)) >> 32);
        swap = work.order[i];
        work.order[i] = work.order[other];
        work.order[other] = swap;
    }
}

static bool reserve_one(unsigned i)
{
    work.reservations[i] = vm_reserve_memory_at(&work.bench.vm, FIRST_GPA + (uint64_t)i * STRIDE,
                                                PAGE, default_error_fault_callback, NULL);
    return work.reservations[i] != NULL;
}

static bool free_one(unsigned i)
{
    return vm_free_reserved_memory(&work.bench.vm, work.reservations[i]) == 0;
}

static bool register_one(unsigned i)
{
    return vm_ram_register_at(&work.bench.vm, FIRST_GPA + (uint64_t)i * STRIDE, PAGE, false) == 0;
}

static bool each(bool (*operation)(unsigned), unsigned count)
{
    bool done = true;

    for (unsigned i = 0; i < count && done; i++) {
        done = operation(work.order[i]);
    }
    return done;
}

bool bench_region(bool (*operation)(unsigned), unsigned count);

/* Named on callgrind's command line. */
BENCH_OWN_CALL bool bench_region(bool (*operation)(unsigned), unsigned count)
{
    return each(operation, count);
}

static bool parse_order(const char *text, enum order *order)
{
    static const char *const names[] = {"asc", "desc", "rand"};

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *order = (enum order)i;
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    enum order order;
    unsigned count = RESERVATION_COUNT;
    bool (*operation)(unsigned) = NULL;

    if (argc != 3 || !parse_order(argv[2], &order)) {
        fprintf(stderr, "usage: bench-insn reserve|free|register asc|desc|rand\n");
        return 2;
    }
    bench_vm_create(&work.bench, UINT64_C(256) << 20, 21);
    if (strcmp(argv[1], "reserve") == 0) {
        operation = reserve_one;
    } else if (strcmp(argv[1], "free") == 0) {
        operation = free_one;
        make_order(ORDER_ASCENDING, count);
        bench_require(each(reserve_one, count), "reserve what is to be freed");
    } else if (strcmp(argv[1], "register") == 0) {
        operation = register_one;
        count = REGION_COUNT;
    }
    bench_require(operation != NULL, "know the operation");
    make_order(order, count);
    bench_require(bench_region(operation, count), argv[1]);
    printf("%u\n", count);
    bench_vm_destroy(&work.bench);
    return 0;
}

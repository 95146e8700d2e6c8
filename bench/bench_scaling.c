/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * bench-scaling: lookups of a shared VM by its readers (guestmem/threads.h).
 *
 *   reader_*   one thread: a lookup in an open section, against a red-black tree's; what opening
 * and closing a section costs, and what a thread that never registered pays scaling_*  lookups a
 * second by 1, 2, 4 and 8 threads: readers with a section for each lookup, as for a vcpu's exit;
 * visitors; a mutex, and a rwlock, around the same index
 *
 * bench-scaling hit COUNT: look addresses of one of COUNT ranges up many times in an open section,
 * to be counted by callgrind, which collects in bench_region(). Prints how many that was.
 *
 * A reader's lookup is guestmem_reservation_at(), a lock's is the bare search. One thread's figures
 * are its own time on the processor; those of several are of the clock, so that waiting counts, and
 * the machine's other work does too.
 */
#include "bench_lookup.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <guestmem/threads.h>

#include "bench_vm.h"

enum {
    ROUND_COUNT = 21,
    CALL_COUNT = 20000,
    HOT_COUNT = 4,
    SCALING_RANGES = 200,
    SCALING_ROUNDS = 5,
    SCALING_USEC = 60000,
    THREADS_MAX = 8,
    TREE = 0, /* in the table of structures */
    INDEX = 2,
};

#define FIRST_BASE UINT64_C(0x40000000)
#define RANGE_STEP UINT64_C(0x3000) /* two pages, and one between them */
#define RANGE_SIZE UINT64_C(0x2000)

static vm_t *vm;
static volatile uintptr_t zero; /* makes an address depend on the answer before */
static uintptr_t addresses[CALL_COUNT];

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * UINT64_C(0x2545f4914f6cdd1d)) >> 32;
}

static double thread_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static memory_fault_result_t ignore(vm_t *of, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                    void *cookie)
{
    (void)of;
    (void)vcpu;
    (void)addr;
    (void)length;
    (void)cookie;
    return FAULT_IGNORE;
}

/* ------------------------------------------------------------------------------------- ranges */

/* So many reservations, in a shared VM with this thread as a reader. */
static void open_vm(struct bench_vm *bench, size_t count)
{
    bench_vm_create(bench, 0, 12);
    vm = &bench->vm;
    for (size_t i = 0; i < count; i++) {
        bench_require(
            vm_reserve_memory_at(vm, FIRST_BASE + i * RANGE_STEP, RANGE_SIZE, ignore, NULL) != NULL,
            "reserve");
    }
    bench_require(guestmem_reader_register(vm) == GUESTMEM_OK, "register");
}

static void close_vm(struct bench_vm *bench)
{
    bench_require(guestmem_reader_unregister(vm) == GUESTMEM_OK, "unregister");
    bench_vm_destroy(bench);
}

/* The same ranges in one of the structures to compare with; inserted in no order. */
static void *make(const struct lookup_structure *structure, struct lookup_ranges *ranges,
                  size_t count)
{
    unsigned *order = malloc(count * sizeof(*order));
    uint64_t state = 1;

    ranges->count = count;
    ranges->at = malloc(count * sizeof(ranges->at[0]));
    bench_require(order != NULL && ranges->at != NULL, "have memory");
    for (size_t i = 0; i < count; i++) {
        size_t other = random_next(&state) % (i + 1);

        ranges->at[i].base = FIRST_BASE + i * RANGE_STEP;
        ranges->at[i].last = ranges->at[i].base + (RANGE_SIZE - 1);
        ranges->at[i].item = &ranges->at[i];
        order[i] = order[other];
        order[other] = (unsigned)i;
    }
    ranges->order = order;
    return structure->make(ranges);
}

static void drop(const struct lookup_structure *structure, struct lookup_ranges *ranges, void *made)
{
    structure->drop(made);
    free((void *)ranges->order);
    free(ranges->at);
}

/* Addresses in `count` ranges, or in a few of them. */
static void choose(size_t count, bool hot, uint64_t *state)
{
    size_t few[HOT_COUNT];

    for (unsigned i = 0; i < HOT_COUNT; i++) {
        few[i] = random_next(state) % count;
    }
    for (size_t i = 0; i < CALL_COUNT; i++) {
        size_t range = hot ? few[random_next(state) % HOT_COUNT] : random_next(state) % count;

        addresses[i] = FIRST_BASE + range * RANGE_STEP + random_next(state) % RANGE_SIZE;
    }
}

/* --------------------------------------------------------------------------------- one thread */

/* Nanoseconds a lookup, each of which needs the answer before. */
static double latency(void)
{
    uintptr_t nothing = zero;
    double from = thread_seconds();
    uintptr_t found = 0;

    for (size_t i = 0; i < CALL_COUNT; i++) {
        found = (uintptr_t)guestmem_reservation_at(vm, addresses[i] + (found & nothing));
    }
    bench_require(found != 0, "find what is reserved");
    return (thread_seconds() - from) * 1e9 / (double)CALL_COUNT;
}

static double latency_of_tree(void *made)
{
    double from = thread_seconds();

    bench_require(lookup_structures[TREE].latency(made, addresses, CALL_COUNT, zero) != 0,
                  "find what is in the tree");
    return (thread_seconds() - from) * 1e9 / (double)CALL_COUNT;
}

static void measure_pattern(size_t count, bool hot, void *tree)
{
    double ours[ROUND_COUNT];
    double ratios[ROUND_COUNT];
    uint64_t state = 20261123;
    char name[64];

    for (unsigned round = 0; round < ROUND_COUNT; round++) {
        choose(count, hot, &state);
        latency_of_tree(tree);
        guestmem_read_begin(vm);
        latency();
        ours[round] = latency();
        guestmem_read_end(vm);
        ratios[round] = ours[round] / latency_of_tree(tree);
    }
    snprintf(name, sizeof(name), "reader_%s_%zu", hot ? "hot" : "uniform", count);
    bench_result(name, bench_median(ours, ROUND_COUNT), "ns");
    snprintf(name, sizeof(name), "reader_%s_%zu_ratio", hot ? "hot" : "uniform", count);
    bench_result(name, bench_median(ratios, ROUND_COUNT), "of the tree's");
}

static void measure_count(size_t count)
{
    struct lookup_ranges ranges;
    struct bench_vm bench;
    void *tree = make(&lookup_structures[TREE], &ranges, count);

    open_vm(&bench, count);
    measure_pattern(count, false, tree);
    measure_pattern(count, true, tree);
    close_vm(&bench);
    drop(&lookup_structures[TREE], &ranges, tree);
}

static double section_cost(void)
{
    double from = thread_seconds();

    for (size_t i = 0; i < CALL_COUNT; i++) {
        guestmem_read_begin(vm);
        guestmem_read_end(vm);
    }
    return (thread_seconds() - from) * 1e9 / (double)CALL_COUNT;
}

/* What a lookup costs as the thread is now, round after round with the others. */
struct costs {
    double section[ROUND_COUNT];
    double inside[ROUND_COUNT];
    double outside[ROUND_COUNT];
    double visitor[ROUND_COUNT];
};

static void measure_costs(void)
{
    static struct costs costs;
    struct bench_vm bench;
    uint64_t state = 7;

    open_vm(&bench, SCALING_RANGES);
    for (unsigned round = 0; round < ROUND_COUNT; round++) {
        choose(SCALING_RANGES, true, &state);
        costs.section[round] = section_cost();
        guestmem_read_begin(vm);
        costs.inside[round] = latency();
        guestmem_read_end(vm);
        costs.outside[round] = latency();
        bench_require(guestmem_reader_unregister(vm) == GUESTMEM_OK, "unregister");
        costs.visitor[round] = latency();
        bench_require(guestmem_reader_register(vm) == GUESTMEM_OK, "register");
    }
    bench_result("reader_section", bench_median(costs.section, ROUND_COUNT), "ns");
    bench_result("reader_lookup_in_section", bench_median(costs.inside, ROUND_COUNT), "ns");
    bench_result("reader_lookup_outside", bench_median(costs.outside, ROUND_COUNT), "ns");
    bench_result("reader_lookup_as_visitor", bench_median(costs.visitor, ROUND_COUNT), "ns");
    close_vm(&bench);
}

/* ------------------------------------------------------------------------------ several threads */

enum how { HOW_READER, HOW_VISITOR, HOW_MUTEX, HOW_RWLOCK, HOW_COUNT };

static const char *const how_names[] = {"reader", "visitor", "mutex", "rwlock"};

struct crowd {
    enum how how;
    void *index; /* behind the locks */
    pthread_mutex_t mutex;
    pthread_rwlock_t rwlock;
    pthread_barrier_t start;
    atomic_bool stop;
};

struct member {
    struct crowd *crowd;
    pthread_t thread;
    uint64_t lookups;
};

static uintptr_t look_up(struct crowd *crowd, uintptr_t addr)
{
    const struct lookup_structure *index = &lookup_structures[INDEX];
    uintptr_t found;

    switch (crowd->how) {
    case HOW_READER:
        guestmem_read_begin(vm);
        found = (uintptr_t)guestmem_reservation_at(vm, addr);
        guestmem_read_end(vm);
        break;
    case HOW_VISITOR:
        found = (uintptr_t)guestmem_reservation_at(vm, addr);
        break;
    case HOW_MUTEX:
        pthread_mutex_lock(&crowd->mutex);
        found = (uintptr_t)index->find(crowd->index, addr);
        pthread_mutex_unlock(&crowd->mutex);
        break;
    default:
        pthread_rwlock_rdlock(&crowd->rwlock);
        found = (uintptr_t)index->find(crowd->index, addr);
        pthread_rwlock_unlock(&crowd->rwlock);
        break;
    }
    return found;
}

static void *member_run(void *argument)
{
    struct member *member = argument;
    struct crowd *crowd = member->crowd;
    bool registers = crowd->how == HOW_READER;
    size_t at = (size_t)((uintptr_t)member / sizeof(*member) * 97 % CALL_COUNT);

    bench_require(!registers || guestmem_reader_register(vm) == GUESTMEM_OK, "register");
    pthread_barrier_wait(&crowd->start);
    while (!atomic_load_explicit(&crowd->stop, memory_order_relaxed)) {
        for (unsigned i = 0; i < 64; i++) {
            bench_require(look_up(crowd, addresses[at]) != 0, "find");
            at = at + 1 == CALL_COUNT ? 0 : at + 1;
        }
        member->lookups += 64;
    }
    bench_require(!registers || guestmem_reader_unregister(vm) == GUESTMEM_OK, "unregister");
    return NULL;
}

static double wall_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Millions of lookups a second, of all together. */
static double run_crowd(struct crowd *crowd, unsigned count)
{
    struct member members[THREADS_MAX] = {0};
    uint64_t lookups = 0;
    double from;

    atomic_store(&crowd->stop, false);
    pthread_barrier_init(&crowd->start, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) {
        members[i].crowd = crowd;
        bench_require(pthread_create(&members[i].thread, NULL, member_run, &members[i]) == 0,
                      "start a thread");
    }
    pthread_barrier_wait(&crowd->start);
    from = wall_seconds();
    usleep(SCALING_USEC);
    atomic_store(&crowd->stop, true);
    for (unsigned i = 0; i < count; i++) {
        pthread_join(members[i].thread, NULL);
        lookups += members[i].lookups;
    }
    pthread_barrier_destroy(&crowd->start);
    return (double)lookups / (wall_seconds() - from) / 1e6;
}

static void measure_crowds(struct crowd *crowd)
{
    static const unsigned counts[] = {1, 2, 4, 8};
    static double rates[HOW_COUNT][4][SCALING_ROUNDS];
    char name[64];

    for (unsigned round = 0; round < SCALING_ROUNDS; round++) {
        for (unsigned i = 0; i < 4 * HOW_COUNT; i++) {
            crowd->how = (enum how)(i % HOW_COUNT);
            rates[i % HOW_COUNT][i / HOW_COUNT][round] = run_crowd(crowd, counts[i / HOW_COUNT]);
        }
    }
    for (unsigned i = 0; i < 4 * HOW_COUNT; i++) {
        snprintf(name, sizeof(name), "scaling_%s_%u", how_names[i / 4], counts[i % 4]);
        bench_result(name, bench_median(rates[i / 4][i % 4], SCALING_ROUNDS), "M lookups/s");
    }
}

static void measure_scaling(void)
{
    struct crowd crowd = {.mutex = PTHREAD_MUTEX_INITIALIZER, .rwlock = PTHREAD_RWLOCK_INITIALIZER};
    struct lookup_ranges ranges;
    struct bench_vm bench;
    uint64_t state = 3;

    crowd.index = make(&lookup_structures[INDEX], &ranges, SCALING_RANGES);
    open_vm(&bench, SCALING_RANGES);
    choose(SCALING_RANGES, false, &state);
    measure_crowds(&crowd);
    close_vm(&bench);
    drop(&lookup_structures[INDEX], &ranges, crowd.index);
}

/* -------------------------------------------------------------------------------- instructions */

uintptr_t bench_region(void);

/* Named on callgrind's command line; must stay a call of its own. */
__attribute__((noinline)) uintptr_t bench_region(void)
{
    uintptr_t found = 0;

    for (size_t i = 0; i < CALL_COUNT; i++) {
        found += (uintptr_t)guestmem_reservation_at(vm, addresses[i]);
    }
    return found;
}

static int count_instructions(size_t count)
{
    struct bench_vm bench;

    open_vm(&bench, count);
    for (size_t i = 0; i < CALL_COUNT; i++) {
        addresses[i] = FIRST_BASE + count / 2 * RANGE_STEP + i % RANGE_SIZE;
    }
    guestmem_read_begin(vm);
    latency();
    bench_require(bench_region() != 0, "find what is reserved");
    guestmem_read_end(vm);
    printf("%u\n", CALL_COUNT);
    close_vm(&bench);
    return 0;
}

int main(int argc, char **argv)
{
    static const size_t counts[] = {8, 64, 200, 1000, 10000};

    if (argc == 3 && strcmp(argv[1], "hit") == 0 && strtoul(argv[2], NULL, 10) > 0) {
        return count_instructions(strtoul(argv[2], NULL, 10));
    }
    if (argc != 1) {
        fprintf(stderr, "usage: bench-scaling [hit COUNT]\n");
        return 2;
    }
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        measure_count(counts[i]);
    }
    measure_costs();
    measure_scaling();
    return 0;
}

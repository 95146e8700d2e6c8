/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * bench-lookup: from an address to what it belongs to, against a red-black tree. Structures take
 * turns in each round, every round has new addresses, and a figure is the median over the rounds; a
 * ratio is that of one round's two figures. Time is the thread's own on the processor.
 *
 * bench-lookup hit|search COUNT: look addresses of a hot set, or of all COUNT ranges, up many
 * times, to be counted by callgrind, which collects in bench_region(). Prints how many that was.
 */
#include "bench_lookup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_vm.h"

enum {
    PAGE = 4096,
    PAGES_MAX = 16, /* of a range, and of the gap behind it */
    ROUND_COUNT = 21,
    WARM_COUNT = 20000,
    CALL_COUNT = 20000,
    HOT_COUNT = 4,
    STRUCTURE_MAX = 16,
    CHANGES_A_ROUND = 4000,
    GUESTMEM = 1, /* in the table of structures; the tree is 0 */
};

#define FIRST_BASE UINT64_C(0x40000000)

enum pattern { PATTERN_UNIFORM, PATTERN_ZIPF, PATTERN_HOT, PATTERN_MISS, PATTERN_COUNT };

static const char *const pattern_names[] = {"uniform", "zipf", "hot", "miss"};

static uint64_t random_state = 20261123;

/* xorshift64*: the same in every run. */
static uint64_t random_next(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static size_t random_below(size_t below)
{
    return (size_t)(random_next() >> 32) % below;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void *need(size_t bytes)
{
    void *block = malloc(bytes);

    bench_require(block != NULL, "have memory");
    return block;
}

/* -------------------------------------------------------------------------------------- ranges */

static void shuffle(unsigned *order, size_t count)
{
    for (size_t i = count - 1; i > 0; i--) {
        size_t other = random_below(i + 1);
        unsigned swap = order[i];

        order[i] = order[other];
        order[other] = swap;
    }
}

/* Devices and memory of 1 to 16 pages, with as much between them. */
static void make_ranges(struct lookup_ranges *ranges, size_t count, bool shuffled)
{
    unsigned *order = need(count * sizeof(*order));
    uintptr_t at = FIRST_BASE;

    ranges->count = count;
    ranges->at = need(count * sizeof(ranges->at[0]));
    for (size_t i = 0; i < count; i++) {
        ranges->at[i].base = at;
        at += (1 + random_below(PAGES_MAX)) * PAGE;
        ranges->at[i].last = at - 1;
        ranges->at[i].item = &ranges->at[i];
        at += (1 + random_below(PAGES_MAX)) * PAGE;
        order[i] = (unsigned)i;
    }
    if (shuffled) {
        shuffle(order, count);
    }
    ranges->order = order;
}

static void drop_ranges(struct lookup_ranges *ranges)
{
    free((void *)ranges->order);
    free(ranges->at);
}

/* ----------------------------------------------------------------------------------- addresses */

static uintptr_t inside(const struct lookup_range *range)
{
    return range->base + random_below(range->last - range->base + 1);
}

/* In the gap behind a range, or in front of all. */
static uintptr_t outside(const struct lookup_ranges *ranges)
{
    size_t i = random_below(ranges->count);

    if (i + 1 == ranges->count) {
        return FIRST_BASE - 1 - random_below(PAGES_MAX * PAGE);
    }
    return ranges->at[i].last + 1 + random_below(ranges->at[i + 1].base - ranges->at[i].last - 1);
}

/* The k-th most frequent range comes 1/k as often as the first. That sum is nearly a logarithm, so
 * its inverse is nearly a power. */
static const struct lookup_range *zipf(const struct lookup_ranges *ranges)
{
    double where = (double)(random_next() >> 11) * 0x1p-53;
    size_t rank = (size_t)pow((double)ranges->count + 1, where) - 1;

    return &ranges->at[ranges->order[rank < ranges->count ? rank : ranges->count - 1]];
}

static void make_addresses(const struct lookup_ranges *ranges, enum pattern pattern, uintptr_t *at,
                           size_t count)
{
    const struct lookup_range *hot[HOT_COUNT];

    for (size_t i = 0; i < HOT_COUNT; i++) {
        hot[i] = &ranges->at[random_below(ranges->count)];
    }
    for (size_t i = 0; i < count; i++) {
        switch (pattern) {
        case PATTERN_ZIPF:
            at[i] = inside(zipf(ranges));
            break;
        case PATTERN_HOT: /* a device's registers */
            at[i] = hot[random_below(HOT_COUNT)]->base + random_below(PAGE);
            break;
        case PATTERN_MISS:
            at[i] = outside(ranges);
            break;
        default:
            at[i] = inside(&ranges->at[random_below(ranges->count)]);
            break;
        }
    }
}

/* ------------------------------------------------------------------------------------- lookups */

struct figures {
    double latency[STRUCTURE_MAX][ROUND_COUNT]; /* seconds a lookup */
    double throughput[STRUCTURE_MAX][ROUND_COUNT];
};

static volatile uintptr_t zero;
static volatile uintptr_t sink;

static void run_round(void *const *made, const uintptr_t *at, unsigned round,
                      struct figures *figures)
{
    for (unsigned i = 0; i < lookup_structure_count; i++) {
        unsigned s = (i + round) % lookup_structure_count;
        const struct lookup_structure *structure = &lookup_structures[s];
        double start;
        double middle;

        sink = structure->latency(made[s], at, WARM_COUNT, zero);
        start = now();
        sink = structure->latency(made[s], at + WARM_COUNT, CALL_COUNT, zero);
        middle = now();
        sink = structure->throughput(made[s], at + WARM_COUNT + CALL_COUNT, CALL_COUNT);
        figures->latency[s][round] = (middle - start) / (double)CALL_COUNT;
        figures->throughput[s][round] = (now() - middle) / (double)CALL_COUNT;
    }
}

static double median_ratio(const double *above, const double *below)
{
    double ratios[ROUND_COUNT];

    for (unsigned i = 0; i < ROUND_COUNT; i++) {
        ratios[i] = above[i] / below[i];
    }
    return bench_median(ratios, ROUND_COUNT);
}

static double median(const double *values)
{
    double copy[ROUND_COUNT];

    memcpy(copy, values, sizeof(copy));
    return bench_median(copy, ROUND_COUNT);
}

static void result(enum pattern pattern, size_t count, const char *structure, const char *what,
                   double value, const char *unit)
{
    char name[96];

    snprintf(name, sizeof(name), "lookup_%s_%zu%s%s_%s", pattern_names[pattern], count,
             structure[0] != '\0' ? "_" : "", structure, what);
    bench_result(name, value, unit);
}

static void report(enum pattern pattern, size_t count, const struct figures *figures)
{
    for (unsigned s = 0; s < lookup_structure_count; s++) {
        const char *name = lookup_structures[s].name;

        result(pattern, count, name, "ns", median(figures->latency[s]) * 1e9, "ns");
        if (s > 0) {
            result(pattern, count, name, "ratio",
                   median_ratio(figures->latency[s], figures->latency[0]), "x");
            result(pattern, count, name, "throughput_ratio",
                   median_ratio(figures->throughput[s], figures->throughput[0]), "x");
        }
    }
}

/* All answer alike, everywhere. */
static void check(const struct lookup_ranges *ranges, void *const *made)
{
    for (size_t i = 0; i < ranges->count; i++) {
        const struct lookup_range *range = &ranges->at[i];

        for (unsigned s = 0; s < lookup_structure_count; s++) {
            void *(*find)(void *, uintptr_t) = lookup_structures[s].find;

            bench_require(find(made[s], range->base) == range->item &&
                              find(made[s], range->last) == range->item &&
                              find(made[s], range->base - 1) == NULL &&
                              find(made[s], range->last + 1) == NULL,
                          "be answered alike by all structures");
        }
    }
}

static void measure_lookups(size_t count)
{
    size_t address_count = WARM_COUNT + 2 * CALL_COUNT;
    uintptr_t *at = need(address_count * sizeof(*at));
    struct figures *figures = need(PATTERN_COUNT * sizeof(*figures));
    struct lookup_ranges ranges;
    void *made[STRUCTURE_MAX];

    make_ranges(&ranges, count, true);
    for (unsigned s = 0; s < lookup_structure_count; s++) {
        made[s] = lookup_structures[s].make(&ranges);
    }
    check(&ranges, made);
    for (unsigned pattern = 0; pattern < PATTERN_COUNT; pattern++) {
        for (unsigned round = 0; round < ROUND_COUNT; round++) {
            make_addresses(&ranges, pattern, at, address_count);
            run_round(made, at, round, &figures[pattern]);
        }
        report(pattern, count, &figures[pattern]);
    }
    result(PATTERN_MISS, count, "", "hit_ratio",
           median_ratio(figures[PATTERN_MISS].latency[GUESTMEM],
                        figures[PATTERN_UNIFORM].latency[GUESTMEM]),
           "x");
    for (unsigned s = 0; s < lookup_structure_count; s++) {
        lookup_structures[s].drop(made[s]);
    }
    drop_ranges(&ranges);
    free(figures);
    free(at);
}

/* ------------------------------------------------------------------------------------- changes */

/* What reading the clock adds to a measured time. */
static double clock_cost(void)
{
    double least = 1;

    for (unsigned i = 0; i < 1000; i++) {
        double start = now();
        double cost = now() - start;

        least = cost < least ? cost : least;
    }
    return least;
}

/* A quarter of the ranges goes and comes again, as often as it takes. Seconds a change. */
static void run_changes(const struct lookup_structure *structure, void *made,
                        const struct lookup_ranges *ranges, unsigned *which, double *insertion,
                        double *removal)
{
    size_t part = ranges->count / 4;
    size_t turns = (CHANGES_A_ROUND + part - 1) / part;
    double cost = clock_cost();

    *insertion = 0;
    *removal = 0;
    for (size_t turn = 0; turn < turns; turn++) {
        double start;
        double middle;

        shuffle(which, ranges->count);
        start = now();
        structure->remove(made, ranges, which, part);
        middle = now();
        structure->insert(made, ranges, which, part);
        *insertion += now() - middle;
        *removal += middle - start;
    }
    *insertion = (*insertion - (double)turns * cost) / (double)(turns * part);
    *removal = (*removal - (double)turns * cost) / (double)(turns * part);
}

static void report_changes(const char *what, size_t count, const double *guestmem,
                           const double *tree)
{
    char name[64];

    snprintf(name, sizeof(name), "%s_%zu_tree_ns", what, count);
    bench_result(name, median(tree) * 1e9, "ns");
    snprintf(name, sizeof(name), "%s_%zu_ns", what, count);
    bench_result(name, median(guestmem) * 1e9, "ns");
    snprintf(name, sizeof(name), "%s_%zu_ratio", what, count);
    bench_result(name, median_ratio(guestmem, tree), "x");
}

static void measure_changes(size_t count)
{
    unsigned *which = need(count * sizeof(*which));
    struct lookup_ranges ranges;
    double insertion[2][ROUND_COUNT];
    double removal[2][ROUND_COUNT];
    void *made[2];

    make_ranges(&ranges, count, true);
    memcpy(which, ranges.order, count * sizeof(*which));
    for (unsigned s = 0; s < 2; s++) {
        made[s] = lookup_structures[s].make(&ranges);
    }
    for (unsigned round = 0; round < ROUND_COUNT; round++) {
        for (unsigned s = 0; s < 2; s++) {
            run_changes(&lookup_structures[s], made[s], &ranges, which, &insertion[s][round],
                        &removal[s][round]);
        }
    }
    report_changes("insert", count, insertion[GUESTMEM], insertion[0]);
    report_changes("remove", count, removal[GUESTMEM], removal[0]);
    for (unsigned s = 0; s < 2; s++) {
        lookup_structures[s].drop(made[s]);
    }
    drop_ranges(&ranges);
    free(which);
}

static void measure_bytes(size_t count, bool shuffled)
{
    const struct lookup_structure *structure = &lookup_structures[GUESTMEM];
    struct lookup_ranges ranges;
    char name[64];
    void *made;

    make_ranges(&ranges, count, shuffled);
    made = structure->make(&ranges);
    snprintf(name, sizeof(name), "index_%zu_%s_bytes", count, shuffled ? "rand" : "asc");
    bench_result(name, (double)lookup_index_bytes(made) / (double)count, "bytes each");
    structure->drop(made);
    drop_ranges(&ranges);
}

/* -------------------------------------------------------------------------------- instructions */

uintptr_t bench_region(void *made, const uintptr_t *at, size_t count);

/* Named on callgrind's command line. */
BENCH_OWN_CALL uintptr_t bench_region(void *made, const uintptr_t *at, size_t count)
{
    return lookup_structures[GUESTMEM].throughput(made, at, count);
}

/* A hot set that is remembered as a whole. */
static void make_hits(const struct lookup_ranges *ranges, void *made, uintptr_t *at, size_t count)
{
    bool all = false;

    while (!all) {
        make_addresses(ranges, PATTERN_HOT, at, count);
        sink = lookup_structures[GUESTMEM].throughput(made, at, count);
        all = true;
        for (size_t i = 0; i < count; i++) {
            all = all && lookup_remembers(made, at[i]);
        }
    }
}

static int count_instructions(bool hits, size_t count)
{
    uintptr_t *at = need(CALL_COUNT * sizeof(*at));
    struct lookup_ranges ranges;
    void *made;

    make_ranges(&ranges, count, true);
    made = lookup_structures[GUESTMEM].make(&ranges);
    if (hits) {
        make_hits(&ranges, made, at, CALL_COUNT);
    } else {
        make_addresses(&ranges, PATTERN_UNIFORM, at, CALL_COUNT);
    }
    sink = bench_region(made, at, CALL_COUNT);
    printf("%u\n", CALL_COUNT);
    lookup_structures[GUESTMEM].drop(made);
    drop_ranges(&ranges);
    free(at);
    return 0;
}

int main(int argc, char **argv)
{
    static const size_t counts[] = {8, 64, 200, 1000, 10000, 100000};
    enum { COUNTS = sizeof(counts) / sizeof(counts[0]) };
    size_t count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

    if (count > 0 && (strcmp(argv[1], "hit") == 0 || strcmp(argv[1], "search") == 0)) {
        return count_instructions(strcmp(argv[1], "hit") == 0, count);
    }
    if (argc != 1) {
        fprintf(stderr, "usage: bench-lookup [hit|search COUNT]\n");
        return 2;
    }
    bench_require(lookup_structure_count <= STRUCTURE_MAX, "have room for all structures");
    for (unsigned i = 0; i < COUNTS; i++) {
        measure_lookups(counts[i]);
        measure_bytes(counts[i], false);
        measure_bytes(counts[i], true);
        if (counts[i] >= 200 && counts[i] <= 10000) {
            measure_changes(counts[i]);
        }
    }
    return 0;
}

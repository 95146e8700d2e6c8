/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * threads-stress [seconds [readers [visitors [kept|window|none [seed]]]]]
 *
 * One writer and many readers for so long, registered ones and visitors. Prints what was done.
 * Exits with 1 at the first answer that was wrong, and when a thread gets nowhere.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stress.h"

static struct reader readers[THREADS_MAX];

/* A thread that waits for ever doesn't come to its end. */
static void watch(int signal)
{
    static const char text[] = "FAILED: some thread waits for ever\n";

    (void)signal;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(1);
}

static void signal_when_stuck(double seconds)
{
    signal(SIGALRM, watch);
    alarm((unsigned)(seconds * 4) + 60);
}

static void *time_is_up(void *seconds)
{
    usleep((useconds_t)(*(double *)seconds * 1e6));
    atomic_store(&world.stop, true);
    return NULL;
}

static void add(struct tally *sum, const struct tally *one)
{
    sum->lookups += one->lookups;
    sum->faults += one->faults;
    sum->accesses += one->accesses;
    sum->turns += one->turns;
    sum->sections += one->sections;
    sum->callbacks += one->callbacks;
    sum->changes += one->changes;
    sum->refusals += one->refusals;
    sum->too_late += one->too_late;
}

static void report(double seconds, unsigned count, const struct writer_tally *writer)
{
    struct tally sum = {0};
    uint64_t reads;
    uint64_t changes = writer->reserved + writer->mapped + writer->freed + writer->written +
                       writer->discarded + writer->populated + writer->rights;

    for (unsigned i = 0; i < count; i++) {
        add(&sum, &readers[i].tally);
    }
    reads = sum.lookups + sum.faults + sum.accesses + sum.turns;
    printf("readers: %" PRIu64 " operations checked: %" PRIu64 " lookups, %" PRIu64
           " faults, %" PRIu64 " accesses, %" PRIu64 " by turns; %" PRIu64 " sections; %" PRIu64
           " too late to be checked\n",
           reads, sum.lookups, sum.faults, sum.accesses, sum.turns, sum.sections, sum.too_late);
    printf("callbacks: %" PRIu64 ", of which %" PRIu64 " reserved, mapped and freed, %" PRIu64
           " were kept from freeing themselves\n",
           sum.callbacks, sum.changes, sum.refusals);
    printf("writer: %" PRIu64 " changes: %" PRIu64 " reserved, %" PRIu64 " mapped, %" PRIu64
           " freed; %" PRIu64 " pages of RAM written, %" PRIu64 " discarded, %" PRIu64
           " populated, %" PRIu64 " rights changed\n",
           changes, writer->reserved, writer->mapped, writer->freed, writer->written,
           writer->discarded, writer->populated, writer->rights);
    printf("%.1f s, %.2f million operations a second\n", seconds,
           (double)(reads + changes) / seconds / 1e6);
    if (reads == 0 || changes == 0 || sum.callbacks == 0 || sum.too_late > reads / 10) {
        give_up("too little was done, or checked");
    }
}

static enum guestmem_views views_of(const char *name)
{
    if (strcmp(name, "window") == 0) {
        return GUESTMEM_VIEWS_WINDOW;
    }
    return strcmp(name, "none") == 0 ? GUESTMEM_VIEWS_NONE : GUESTMEM_VIEWS_KEPT;
}

int main(int count, char **arguments)
{
    double seconds = count > 1 ? atof(arguments[1]) : 2;
    unsigned registered = count > 2 ? (unsigned)atoi(arguments[2]) : 3;
    unsigned visitors = count > 3 ? (unsigned)atoi(arguments[3]) : 2;
    enum guestmem_views views = views_of(count > 4 ? arguments[4] : "kept");
    uint32_t seed = count > 5 ? (uint32_t)strtoul(arguments[5], NULL, 0) : 1;
    struct writer_tally writer = {0};
    pthread_t threads[THREADS_MAX];
    pthread_t timer;

    if (registered + visitors > THREADS_MAX || seconds <= 0 || seed == 0) {
        give_up("usage: threads-stress [seconds [readers [visitors [kept|window|none [seed]]]]]");
    }
    signal_when_stuck(seconds);
    world_open(views);
    if (guestmem_reader_register(&world.vm) != GUESTMEM_OK) {
        give_up("the writer can't register");
    }
    for (unsigned i = 0; i < registered + visitors; i++) {
        readers[i] =
            (struct reader){.number = i, .registered = i < registered, .random = seed * 7919 + i};
        pthread_create(&threads[i], NULL, reader_run, &readers[i]);
    }
    pthread_create(&timer, NULL, time_is_up, &seconds);
    writer_run(&writer, seed);
    for (unsigned i = 0; i < registered + visitors; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_join(timer, NULL);
    writer_end();
    world_close();
    report(seconds, registered + visitors, &writer);
    return 0;
}

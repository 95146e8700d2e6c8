/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * soak [options]: VMs come and go, with every feature, while requests fail; what is in use is
 * measured and must not grow. Exit status: 0 flat; 1 not, or something failed; 2 not to be judged.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <utils/zf_log.h>

#include "series.h"
#include "soak.h"

enum { GENERATIONS = 4, STEPS = 400, BURST_STEPS = 60, MEASURE_EVERY = 32, STUCK_SECONDS = 120 };

static const struct guestmem_host_region regions[] = {
    {.paddr = DEVICE_BASE, .bytes = DEVICE_BYTES},
    {.paddr = 0x20000000, .bytes = 4 * MIB, .device_ram = true},
};

static struct flavour flavours[] = {
    {.name = "owns-devices",
     .roomy = true,
     .config = {.ram_bytes = 256 * MIB, .regions = regions, .region_count = 1, .cnode_bits = 16}},
    {.name = "device-ram",
     .roomy = true,
     .config = {.ram_bytes = 256 * MIB, .regions = regions, .region_count = 2, .cnode_bits = 16}},
    {.name = "boot-frames",
     .roomy = true,
     .config = {.ram_bytes = 256 * MIB,
                .regions = regions,
                .region_count = 1,
                .cnode_bits = 16,
                .flavour = GUESTMEM_HOST_BOOT_FRAMES}},
    {.name = "short-of-memory",
     .config = {.ram_bytes = 4 * MIB, .regions = regions, .region_count = 1, .cnode_bits = 14}},
    {.name = "short-of-slots",
     .config = {.ram_bytes = 64 * MIB, .regions = regions, .region_count = 1, .cnode_bits = 10}},
};

enum { FLAVOURS = sizeof(flavours) / sizeof(flavours[0]) };

enum leak { LEAK_NONE, LEAK_SLOT, LEAK_FD, LEAK_MAP, LEAK_BYTES };

static struct {
    double seconds;  /* 0: no end */
    uint64_t rounds; /* 0: no end */
    uint64_t only;   /* this round alone, from 1 */
    const char *folder;
    enum leak leak;
    bool quiet;
} options = {.seconds = 30 * 60, .folder = "."};

struct soak soak;

static volatile sig_atomic_t interrupted;
static uint64_t round_number;
static double started;
static pthread_t main_thread;

/* ------------------------------------------------------------------------------- reports */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool write_file(const char *name, void (*print)(FILE *))
{
    char path[512];
    FILE *file;
    bool done;

    snprintf(path, sizeof(path), "%s/%s", options.folder, name);
    file = fopen(path, "w");
    if (file == NULL) {
        fprintf(stderr, "soak: %s can't be written: %s\n", path, strerror(errno));
        return false;
    }
    print(file);
    done = ferror(file) == 0;
    if (fclose(file) != 0 || !done) {
        fprintf(stderr, "soak: %s can't be written to its end\n", path);
        return false;
    }
    return true;
}

static bool report(void)
{
    const struct totals *t = &soak.totals;
    char took[16];
    bool plotted;
    bool listed;

    if (!options.quiet) {
        plot_text(stdout);
    }
    series_time(now() - started, took);
    printf("seed %#" PRIx64 ": %s min, %" PRIu64 " environments, %" PRIu64 " quiet points, %" PRIu64
           " VMs (%" PRIu64 " more failed to come up)\n",
           soak.seed, took, t->rounds, t->quiet, t->vms, t->half_built);
    printf("%" PRIu64 " steps, %" PRIu64 " calls that a failure was looked for in, %" PRIu64
           " that failed; %" PRIu64 " guest runs; %" PRIu64 " bursts with 2 readers, %" PRIu64
           " reads\n",
           t->steps, t->calls, t->failed, t->guest_runs, t->bursts, t->read);
    plotted = write_file("soak.svg", plot_svg);
    listed = write_file("soak.csv", series_csv);
    return fflush(stdout) == 0 && plotted && listed;
}

void soak_fail(const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    fprintf(stderr, "soak: FAILED: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr,
            "\nsoak: in round %" PRIu64 " of seed %#" PRIx64 " (%s, step %" PRIu64
            "); --only %" PRIu64 " does that round alone\n",
            round_number, soak.seed, soak.flavour == NULL ? "" : soak.flavour->name,
            soak.totals.steps, round_number);
    if (pthread_equal(pthread_self(), main_thread)) {
        report();
    }
    _exit(1);
}

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static void on_alarm(int number)
{
    static const char text[] = "soak: FAILED: a round doesn't come to its end\n";

    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    abort();
}

/* --------------------------------------------------------------------------------- steps */

static void item_step(void)
{
    struct item *item = &soak.me->items[soak_below(ITEMS)];

    soak.totals.steps++;
    if (item->kind == ITEM_NONE) {
        item_make(item);
    } else if (soak_one_in(7)) {
        item_drop(item);
    } else if (item->kind == ITEM_RESERVED && !soak_one_in(4)) {
        item_back(item);
    } else {
        item_use(item);
    }
}

static void burst_steps(void)
{
    for (unsigned i = 0; i < BURST_STEPS && !interrupted; i++) {
        item_step();
    }
}

static void step(void)
{
    struct player *player = &soak.players[soak_below(PLAYERS)];

    soak.me = player;
    if (!player->live) {
        vm_up(player);
    } else if (soak_one_in(120)) {
        vm_down(player);
    } else if (player->runs && soak_one_in(12)) {
        guest_run(player);
    } else if (!soak.no_threads && soak_one_in(400)) {
        readers_burst(player, burst_steps);
    } else {
        item_step();
    }
}

static void generation(void)
{
    for (unsigned i = 0; i < STEPS && !interrupted; i++) {
        step();
        if (i % MEASURE_EVERY == 0) {
            series_at_work(soak.host, &soak.flavour->rest);
        }
    }
    series_at_work(soak.host, &soak.flavour->rest);
    for (size_t i = 0; i < PLAYERS; i++) {
        if (soak.players[i].live) {
            vm_down(&soak.players[i]);
        }
    }
    series_quiet(soak.host, &soak.flavour->rest);
    quiet_check();
}

/* -------------------------------------------------------------------------------- rounds */

/* What a run that leaks would do, once a round: it must be found. */
static void leak(void)
{
    volatile char *bytes;
    seL4_CPtr slot;

    switch (options.leak) {
    case LEAK_SLOT:
        SOAK_CHECK(vka_cspace_alloc(guestmem_host_vka(soak.host), &slot) == 0);
        break;
    case LEAK_FD:
        SOAK_CHECK(dup(STDIN_FILENO) >= 0);
        break;
    case LEAK_MAP: /* of two kinds, so that neighbours aren't made one */
        for (unsigned i = 0; i < 16; i++) {
            SOAK_CHECK(mmap(NULL, PAGE, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                            -1, 0) != MAP_FAILED);
        }
        break;
    case LEAK_BYTES:
        bytes = malloc(32 << 10);
        SOAK_CHECK(bytes != NULL);
        bytes[0] = 1;
        break;
    case LEAK_NONE:
        break;
    }
}

/* Of numbers that are alike, ones that aren't. */
static uint64_t scramble(uint64_t number)
{
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9u;
    number = (number ^ number >> 27) * 0x94d049bb133111ebu;
    return number ^ number >> 31;
}

static void one_round(void)
{
    alarm(STUCK_SECONDS);
    soak.random = scramble(soak.seed + round_number * 0x9e3779b97f4a7c15u) | 1;
    env_up(&flavours[round_number % FLAVOURS]);
    for (unsigned i = 0; i < GENERATIONS && !interrupted; i++) {
        if (i == 1) {
            leak();
        }
        generation();
    }
    env_down();
    soak.totals.rounds++;
    series_round(now() - started);
}

static bool is_over(void)
{
    return interrupted || (options.rounds != 0 && round_number >= options.rounds) ||
           (options.seconds != 0 && now() - started >= options.seconds);
}

static int judge(void)
{
    unsigned grown = 0;

    for (unsigned metric = 0; metric < METRICS; metric++) {
        struct verdict verdict = series_judge(metric);

        if (!verdict.is_flat) {
            printf("not flat: %s: %ju after warm-up, %ju in the last half; %ju more would be let "
                   "pass\n",
                   metric_info[metric].column, (uintmax_t)verdict.before, (uintmax_t)verdict.after,
                   (uintmax_t)verdict.allowed);
            grown++;
        }
    }
    if (grown > 0) {
        return 1;
    }
    if (series.count < SAMPLES_MIN) {
        printf("too short to be judged: %zu rounds, of %d at least\n", series.count, SAMPLES_MIN);
        return 2;
    }
    printf("flat: all %d figures\n", METRICS);
    return 0;
}

static void run(void)
{
    started = now();
    if (options.only != 0) {
        round_number = options.only;
        one_round();
        return;
    }
    do {
        round_number++;
        one_round();
    } while (!is_over());
}

/* ------------------------------------------------------------------------------- options */

static void usage(int status)
{
    fprintf(status == 0 ? stdout : stderr,
            "usage: soak [--minutes M | --seconds S] [--rounds N] [--only ROUND] [--seed SEED]\n"
            "            [--out FOLDER] [--no-threads] [--quiet] [--leak slot|fd|map|bytes]\n");
    exit(status);
}

static enum leak leak_of(const char *name)
{
    static const char *const names[] = {"", "slot", "fd", "map", "bytes"};

    for (unsigned i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return i;
        }
    }
    usage(2);
    return LEAK_NONE;
}

static double number_of(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (*text == '\0' || *end != '\0' || !(value > 0)) {
        fprintf(stderr, "soak: '%s' is no number above 0\n", text);
        usage(2);
    }
    return value;
}

static void parse(int count, char **arguments)
{
    static const struct option known[] = {
        {"minutes", 1, NULL, 'm'},    {"seconds", 1, NULL, 's'}, {"rounds", 1, NULL, 'r'},
        {"only", 1, NULL, 'y'},       {"seed", 1, NULL, 'S'},    {"out", 1, NULL, 'o'},
        {"no-threads", 0, NULL, 't'}, {"quiet", 0, NULL, 'q'},   {"leak", 1, NULL, 'l'},
        {"help", 0, NULL, 'h'},       {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(count, arguments, "", known, NULL)) != -1) {
        switch (c) {
        case 'm':
            options.seconds = number_of(optarg) * 60;
            break;
        case 's':
            options.seconds = number_of(optarg);
            break;
        case 'r':
            options.rounds = (uint64_t)number_of(optarg);
            options.seconds = 0;
            break;
        case 'y':
            options.only = (uint64_t)number_of(optarg);
            break;
        case 'S':
            soak.seed = strtoull(optarg, NULL, 0);
            break;
        case 'o':
            options.folder = optarg;
            break;
        case 't':
            soak.no_threads = true;
            break;
        case 'q':
            options.quiet = true;
            break;
        case 'l':
            options.leak = leak_of(optarg);
            break;
        default:
            usage(c == 'h' ? 0 : 2);
        }
    }
    if (optind != count) {
        usage(2);
    }
}

static void set_up(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};

    main_thread = pthread_self();
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGALRM, on_alarm);
    zf_log_set_output_level(ZF_LOG_FATAL); /* the library logs each failure */
    series_start();
    if (soak.seed == 0) {
        soak.seed = (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
    }
    printf("soak: seed %#" PRIx64 "\n", soak.seed);
    fflush(stdout);
    readers_start();
}

int main(int count, char **arguments)
{
    bool written;
    int status;

    parse(count, arguments);
    set_up();
    run();
    alarm(0);
    readers_stop();
    for (unsigned i = 0; i < FLAVOURS; i++) {
        guestmem_host_snapshot_free(flavours[i].first);
    }
    written = report();
    status = options.only != 0 ? 0 : judge();
    return written || status != 0 ? status : 1;
}

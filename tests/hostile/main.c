/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * hostile [--programs N] [--seed S] [--world W] [--verbose]
 *
 * Worlds follow from the seed and their number, and programs from their world: --world runs one
 * alone, and looks at all memory after each program.
 */
#define _GNU_SOURCE
#include "hostile.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <utils/util.h>

#define COUNT_OF(list) (sizeof(list) / sizeof(*(list)))

enum { TOLD_EACH = 10000 };
enum { RUNS_A_WORLD = 60, WATCHDOG_SECONDS = 60, MISSED_FROM = 4000 };

static char again[200]; /* how to do it again */

/* ------------------------------------------------------------------------------- failing */

static void print_program(const struct player *player, unsigned vcpu)
{
    const struct program *program = &player->program[vcpu];
    const seL4_UserContext *c = &program->context;
    const seL4_Word bases[] = {c->x18, c->x19, c->x20, c->x21, c->x22, c->x23,
                               c->x24, c->x25, c->x26, c->x27, c->x28};

    fprintf(stderr, "VM %u, vcpu %u%s%s, vectors 0x%" PRIx64 ", x29 0x%" PRIx64 ", x18..x28:",
            player->number, vcpu, program->mmu ? ", MMU on" : "",
            player->running ? ", running" : "", program->vbar, (uint64_t)c->x29);
    for (unsigned i = 0; i < 11; i++) {
        fprintf(stderr, " 0x%" PRIx64, (uint64_t)bases[i]);
    }
    fprintf(stderr, "\n/* %s */", "for an assembler");
    for (unsigned i = 0; i < program->count; i++) {
        fprintf(stderr, "%s0x%08x", i % 8 == 0 ? "\n.inst " : ", ", program->code[i]);
    }
    fprintf(stderr, "\n");
}

_Noreturn void fail(const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    fprintf(stderr, "hostile: FAILED after %" PRIu64 " programs: ", world.programs);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n%s, run %" PRIu64 " of it\n", again, world.number);
    for (unsigned i = 0; i < PLAYERS; i++) {
        for (unsigned vcpu = 0; vcpu < world.players[i].vcpu_count; vcpu++) {
            print_program(&world.players[i], vcpu);
        }
    }
    fflush(stderr);
    _exit(1);
}

static void say(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));

    (void)written;
}

/* A program that doesn't end, or the process that does. */
static void on_death(int signal)
{
    say(signal == SIGALRM ? "hostile: FAILED: it hangs\n" : "hostile: FAILED: it aborts\n");
    say(again);
    say("\n");
    _exit(1);
}

static void set_again(uint64_t number)
{
    snprintf(again, sizeof(again),
             "again: hostile --seed %" PRIu64 " --world %" PRIu64 " --verbose", world.seed, number);
}

/* ------------------------------------------------------------------------------- the run */

static void run_world(uint64_t number)
{
    random_start(world.seed, number);
    set_again(number);
    world.number = 0;
    world_begin();
    for (; world.number < RUNS_A_WORLD; world.number++) {
        struct player *player = &world.players[random_below(PLAYERS)];

        alarm(WATCHDOG_SECONDS);
        player_run(player);
        if (one_in(2)) {
            change_something(player);
        }
    }
    world_end();
}

/* What must have happened in a run that is long enough, beyond what the others say. */
static void expect_rows(void)
{
    static const char *const ends[] = {"stopped",           "access", "fetch",
                                       "populating failed", "trap",   "guest CPU",
                                       "of all its blocks"};
    static const char *const results[] = {"faults handled", "faults unhandled", "faults restarted",
                                          "faults ignored", "faults with an error"};
    static const char *const at[] = {"emulated", "hole", "no rights", "read-only"};
    static const char *const answers[] = {
        "handled, data", "handled, no data", "handled, later", "handled, twice",  "restart",
        "ignore",        "unhandled",        "error",          "other registers", "stop"};
    static const char *const changes[] = {"trade",
                                          "rights: all",
                                          "rights: none",
                                          "rights: read-only",
                                          "discard",
                                          "populate",
                                          "read",
                                          "touch",
                                          "views given back",
                                          "write",
                                          "load and store",
                                          "copy",
                                          "buffers",
                                          "free: refused, inside",
                                          "make: failed",
                                          "created page again",
                                          "failing requests"};
    static const char *const accesses[] = {"atomic",
                                           "swap",
                                           "compare and swap",
                                           "compare and swap pair",
                                           "load acquire",
                                           "store release",
                                           "load exclusive",
                                           "store exclusive",
                                           "load pair",
                                           "store pair",
                                           "load exclusive pair",
                                           "store exclusive pair",
                                           "prefetch",
                                           "vector structure"};
    static const char *const exits[] = {"access", "access, opaque",  "trap",       "WFI", "slice",
                                        "kicked", "outside windows", "can't go on"};

    for (unsigned i = 0; i < COUNT_OF(results); i++) {
        count_expect_all(results[i], at, COUNT_OF(at));
    }
    count_expect_all("made", kind_names + 1, KINDS - 1);
    count_expect_all("freed", kind_names + 1, KINDS - 1);
    count_expect_all("faults at", kind_names, KINDS);
    count_expect_all("answers", answers, COUNT_OF(answers));
    count_expect_all("changes", changes, COUNT_OF(changes));
    count_expect_all("other accesses", accesses, COUNT_OF(accesses));
    count_expect_all("ends", ends, COUNT_OF(ends));
    count_expect_all("exits", exits, COUNT_OF(exits));
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run_all(uint64_t programs)
{
    double start = seconds();
    double took;
    bool all;

    expect_rows();
    for (uint64_t number = 0; world.programs < programs; number++) {
        uint64_t before = world.programs;

        run_world(number);
        if (world.programs / TOLD_EACH != before / TOLD_EACH) {
            fprintf(stderr, "hostile: %" PRIu64 " programs\n", world.programs);
        }
    }
    took = seconds() - start;
    all = count_print();
    printf("seed %" PRIu64 ": %" PRIu64 " programs in %.1f s, %.0f/s: no guest saw or changed what "
           "isn't its own\n",
           world.seed, world.programs, took, (double)world.programs / took);
    if (!all && programs >= MISSED_FROM) {
        printf("hostile: FAILED: some of what it is for never happened\n");
        return 1;
    }
    return 0;
}

static uint64_t number_of(const char *text)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0') {
        fprintf(stderr, "hostile: '%s' is no number\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"programs", required_argument, NULL, 'p'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"world", required_argument, NULL, 'w'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    uint64_t programs = 1000;
    uint64_t only = UINT64_MAX;
    int option;

    world.seed = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            programs = number_of(optarg);
            break;
        case 's':
            world.seed = number_of(optarg);
            break;
        case 'w':
            only = number_of(optarg);
            world.look_always = true;
            break;
        case 'v':
            world.verbose = true;
            break;
        default:
            fprintf(stderr, "usage: hostile [--programs N] [--seed S] [--world W] [--verbose]\n");
            return 2;
        }
    }
    zf_log_set_output_level(world.verbose ? ZF_LOG_ERROR : ZF_LOG_NONE);
    signal(SIGALRM, on_death);
    signal(SIGABRT, on_death);
    signal(SIGSEGV, on_death); /* the engine hands on what is not its own */
    signal(SIGBUS, on_death);
    signal(SIGILL, on_death);
    signal(SIGTRAP, on_death);
    if (only != UINT64_MAX) {
        run_world(only);
        printf("nothing wrong in world %" PRIu64 "\n", only);
        return 0;
    }
    return run_all(programs);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Linked into every test program in the place of cmocka's runner. By the environment:
 *
 *      GM_MUTANT=n            mutant n is alive
 *      GM_MUTANT_CASES=i:t,…  run these cases only, in this order, each for at most t ms of
 * processor time; end at the first one that fails GM_MUTANT_COVER=path   run all cases; write to
 * path, a line each: number, CPU ms, sites reached
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gm_mutant.h"
#include "gm_mutant_sites.h"

unsigned gm_mutant;
unsigned char gm_mutant_seen[GM_MUTANT_SITES];

/* Programs without cmocka link this, too. */
int __real__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown)
    __attribute__((weak));
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown);

static bool has_cases;

static unsigned long used_ms(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (unsigned long)((usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
}

static void limit_ms(unsigned long ms)
{
    struct itimerval limit = {.it_value = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)}};

    setitimer(ITIMER_PROF, &limit, NULL);
}

static void tell(FILE *out, size_t number, unsigned long ms)
{
    fprintf(out, "%zu %lu", number, ms);
    for (size_t site = 0; site < GM_MUTANT_SITES; site++) {
        if (gm_mutant_seen[site]) {
            fprintf(out, " %zu", site);
        }
    }
    fputc('\n', out);
}

/* A program without cmocka is one case. */
static void tell_all(void)
{
    FILE *out = has_cases ? NULL : fopen(getenv("GM_MUTANT_COVER"), "w");

    if (out != NULL) {
        tell(out, 0, used_ms());
        fclose(out);
    }
}

__attribute__((constructor)) static void choose(void)
{
    const char *number = getenv("GM_MUTANT");

    gm_mutant = number != NULL ? (unsigned)strtoul(number, NULL, 10) : 0;
    if (getenv("GM_MUTANT_COVER") != NULL) {
        atexit(tell_all);
    }
}

static int cover(FILE *out, const char *name, const struct CMUnitTest *tests, size_t count,
                 CMFixtureFunction setup, CMFixtureFunction teardown)
{
    int failed = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned long start = used_ms();

        memset(gm_mutant_seen, 0, sizeof(gm_mutant_seen));
        failed += __real__cmocka_run_group_tests(name, &tests[i], 1, setup, teardown) != 0;
        tell(out, i, used_ms() - start);
    }
    return failed;
}

static int run_some(const char *list, const char *name, const struct CMUnitTest *tests,
                    size_t count, CMFixtureFunction setup, CMFixtureFunction teardown)
{
    while (*list != '\0') {
        char *end;
        size_t number = strtoul(list, &end, 10);

        limit_ms(strtoul(end + 1, &end, 10));
        if (number >= count ||
            __real__cmocka_run_group_tests(name, &tests[number], 1, setup, teardown) != 0) {
            _exit(1);
        }
        limit_ms(0);
        list = *end == ',' ? end + 1 : end;
    }
    _exit(0); /* what the mutant breaks at the program's end is no test's finding */
}

int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown)
{
    const char *path = getenv("GM_MUTANT_COVER");
    const char *list = getenv("GM_MUTANT_CASES");
    FILE *out = path != NULL ? fopen(path, "w") : NULL;
    int failed;

    has_cases = true;
    if (path != NULL && out == NULL) {
        perror(path);
        return 1;
    }
    if (out != NULL) {
        failed = cover(out, name, tests, count, setup, teardown);
        return fclose(out) != 0 ? 1 : failed;
    }
    return list != NULL ? run_some(list, name, tests, count, setup, teardown)
                        : __real__cmocka_run_group_tests(name, tests, count, setup, teardown);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The runner on the host: each case is a cmocka test. A failed check jumps out of the case, so the
 * environment of a case that failed is closed in cmocka's teardown, unchecked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gm_test.h"

struct run {
    const struct gm_case *test;
    struct gm_env *env;
    char name[200];
};

static struct run *current;

void gm_test_fail(const char *file, int line, const char *format, ...)
{
    char text[500];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (gm_test_get_context()[0] != '\0') {
        print_error("in %s:\n", gm_test_get_context());
    }
    print_error("%s\n", text);
    if (current->env != NULL) {
        gm_env_failure_text(current->env, text, sizeof(text));
        print_error("last failure: %s\n", text[0] != '\0' ? text : "none");
    }
    _fail(file, line);
    abort(); /* not reached: cmocka jumps */
}

void gm_test_skip(const char *reason)
{
    fprintf(stderr, "skipped: %s: %s\n", current->name, reason);
    _skip(__FILE__, __LINE__);
    abort(); /* not reached: cmocka jumps */
}

void gm_test_unchecked(const char *reason)
{
    static const struct run *last_run;
    static const char *last_reason;

    if (last_run != current || last_reason != reason) {
        fprintf(stderr, "skipped: %s: a check: %s\n", current->name, reason);
        last_run = current;
        last_reason = reason;
    }
}

static void run_case(void **state)
{
    struct run *run = *state;
    const char *reason = NULL;

    current = run;
    gm_test_context("%s", "");
    run->env = gm_env_open(&run->test->options, &reason);
    if (run->env == NULL) {
        GM_FAIL("no environment: %s", reason);
    }
    run->test->function(run->env, gm_env_new_vm(run->env));
    gm_env_fail(run->env, 0, 0, false);
    gm_env_close_checked(run->env);
    run->env = NULL;
}

static int close_failed(void **state)
{
    struct run *run = *state;

    if (run->env != NULL) {
        gm_env_close(run->env);
        run->env = NULL;
    }
    return 0;
}

static bool selected(const char *name, int argc, char **argv)
{
    if (argc <= 1) {
        return true;
    }
    for (int i = 1; i < argc; i++) {
        if (strstr(name, argv[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static size_t case_count(const struct gm_suite *const *suites)
{
    size_t count = 0;

    for (; *suites != NULL; suites++) {
        count += (*suites)->count;
    }
    return count;
}

/* The selected cases, in order; their number is the result. */
static size_t collect(const struct gm_suite *const *suites, int argc, char **argv, struct run *runs,
                      struct CMUnitTest *tests)
{
    size_t count = 0;

    for (; *suites != NULL; suites++) {
        for (size_t i = 0; i < (*suites)->count; i++) {
            struct run *run = &runs[count];

            run->test = &(*suites)->cases[i];
            snprintf(run->name, sizeof(run->name), "%s.%s", (*suites)->name, run->test->name);
            if (selected(run->name, argc, argv)) {
                tests[count++] = (struct CMUnitTest){run->name, run_case, NULL, close_failed, run};
            }
        }
    }
    return count;
}

int gm_test_run(int argc, char **argv, const struct gm_suite *const *suites)
{
    size_t most = case_count(suites) + 1;
    struct run *runs = calloc(most, sizeof(*runs));
    struct CMUnitTest *tests = calloc(most, sizeof(*tests));
    int failed = 1;
    size_t count;

    if (runs != NULL && tests != NULL) {
        count = collect(suites, argc, argv, runs, tests);
        if (count == 0) {
            fprintf(stderr, "no case has such a name\n");
        } else {
            failed = _cmocka_run_group_tests("cases", tests, count, NULL, NULL);
        }
    }
    free(tests);
    free(runs);
    return failed;
}

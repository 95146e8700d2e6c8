/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The runner on the real kernel: a loop that prints a line a case. A failed check jumps out of the
 * case, whose environment is then closed unchecked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gm_test.h"
#include "gm_test_sel4.h"

enum outcome { PASSED = 1, SKIPPED, FAILED };
enum { REASONS = 4 };

static struct {
    char name[200];
    struct gm_env *env;
    jmp_buf end;
    const char *skipped;
    const char *leak;
    const char *unchecked[REASONS];
    unsigned unchecked_count;
} current;

void gm_test_fail(const char *file, int line, const char *format, ...)
{
    char text[500];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    printf("FAIL  %s\n", current.name);
    if (gm_test_get_context()[0] != '\0') {
        printf("    in %s:\n", gm_test_get_context());
    }
    printf("    %s:%d: %s\n", file, line, text);
    if (current.env != NULL) {
        gm_env_failure_text(current.env, text, sizeof(text));
        printf("    last failure: %s\n", text[0] != '\0' ? text : "none");
    }
    longjmp(current.end, FAILED);
}

void gm_test_skip(const char *reason)
{
    current.skipped = reason;
    longjmp(current.end, SKIPPED);
}

void gm_test_unchecked(const char *reason)
{
    for (unsigned i = 0; i < current.unchecked_count; i++) {
        if (current.unchecked[i] == reason) {
            return;
        }
    }
    if (current.unchecked_count < REASONS) {
        current.unchecked[current.unchecked_count++] = reason;
    }
}

void gm_test_note_leak(const char *what)
{
    current.leak = what;
}

static void run_case(const struct gm_case *test)
{
    const char *reason = NULL;

    current.env = gm_env_open(&test->options, &reason);
    if (current.env == NULL) {
        gm_test_skip(reason);
    }
    test->function(current.env, gm_env_new_vm(current.env));
    gm_env_fail(current.env, 0, 0, false);
    gm_env_close_checked(current.env);
    current.env = NULL;
    if (current.leak != NULL) {
        GM_FAIL("%s", current.leak);
    }
}

static enum outcome try(const struct gm_case *test)
{
    int outcome = setjmp(current.end);

    if (outcome != 0) {
        return (enum outcome)outcome;
    }
    run_case(test);
    return PASSED;
}

/* A case that was skipped half way leaves nothing behind either. */
static bool close_skipped(void)
{
    if (setjmp(current.end) != 0) {
        return false;
    }
    gm_env_fail(current.env, 0, 0, false);
    gm_env_close_checked(current.env);
    current.env = NULL;
    return true;
}

static enum outcome close_up(enum outcome outcome)
{
    if (current.env != NULL && outcome == SKIPPED && !close_skipped()) {
        outcome = FAILED;
    }
    if (current.env != NULL) {
        gm_env_fail(current.env, 0, 0, false);
        gm_env_close(current.env);
        current.env = NULL;
    }
    return outcome;
}

static void report(enum outcome outcome, struct gm_test_totals *totals)
{
    if (outcome == PASSED) {
        printf("pass  %s\n", current.name);
    } else if (outcome == SKIPPED) {
        printf("skip  %s\n    skipped: %s\n", current.name, current.skipped);
    }
    for (unsigned i = 0; i < current.unchecked_count && outcome == PASSED; i++) {
        printf("    skipped: a check: %s\n", current.unchecked[i]);
    }
    totals->passed += outcome == PASSED;
    totals->partly += outcome == PASSED && current.unchecked_count > 0;
    totals->skipped += outcome == SKIPPED;
    totals->failed += outcome == FAILED;
    totals->cases++;
}

void gm_test_run_all(const struct gm_suite *const *suites, const char *part,
                     struct gm_test_totals *totals)
{
    for (; *suites != NULL; suites++) {
        for (size_t i = 0; i < (*suites)->count; i++) {
            const struct gm_case *test = &(*suites)->cases[i];

            memset(&current, 0, sizeof(current));
            snprintf(current.name, sizeof(current.name), "%s.%s", (*suites)->name, test->name);
            if (part == NULL || strstr(current.name, part) != NULL) {
                gm_test_context("%s", "");
                report(close_up(try(test)), totals);
            }
        }
    }
}

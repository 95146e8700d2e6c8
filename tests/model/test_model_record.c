/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The comparison with the kernel's record: it is green, and it is red for any one answer altered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record.h"

static struct model_taken taken;
static char *record;
static char *serial_log;

static int take_40(void **state)
{
    (void)state;
    record = model_read_file(MODEL_RECORD "/pa40/answers.txt");
    serial_log = model_read_file(MODEL_RECORD "/pa40/serial.log");
    model_take(40, &taken);
    return 0;
}

static int take_44(void **state)
{
    (void)state;
    record = model_read_file(MODEL_RECORD "/pa44/answers.txt");
    serial_log = model_read_file(MODEL_RECORD "/pa44/serial.log");
    model_take(44, &taken);
    return 0;
}

static int give_back(void **state)
{
    (void)state;
    model_taken_free(&taken);
    free(record);
    free(serial_log);
    return 0;
}

static void model_answers_as_the_kernel_did(void **state)
{
    (void)state;
    assert_int_equal(model_record_compare(record, &taken, stdout), 0);
}

static void there_are_as_many_answers_as_promised(void **state)
{
    (void)state;
    assert_true(taken.totals.scripted >= 400);
    assert_true(taken.totals.answers >= 20000);
    assert_int_equal(taken.totals.answers, taken.count);
}

/* Where the line number k of the record begins */
static char *line_of(char *text, size_t k)
{
    for (; k > 0; k--) {
        text = strchr(text, '\n') + 1;
    }
    return text;
}

static void one_altered_answer_is_a_difference(void **state)
{
    (void)state;
    for (size_t k = 0; k < taken.count; k += 997) {
        char *last = strchr(line_of(record, k), '\n') - 1;
        char was = *last;

        *last = was == '0' ? '1' : '0';
        assert_int_equal(model_record_compare(record, &taken, NULL), 1);
        *last = was;
    }
    assert_int_equal(model_record_compare(record, &taken, NULL), 0);
}

static void a_missing_answer_is_a_difference(void **state)
{
    char *last = line_of(record, taken.count - 1);
    char was = *last;

    (void)state;
    *last = '\0';
    assert_int_equal(model_record_compare(record, &taken, NULL), 1);
    *last = was;
    assert_true(model_record_compare(line_of(record, 1), &taken, NULL) > 0);
    assert_int_equal(model_record_compare("", &taken, NULL), taken.count);
}

static void an_additional_answer_is_a_difference(void **state)
{
    static const char line[] = "random.9999 1 0\n";
    char *longer = malloc(strlen(record) + sizeof(line));

    (void)state;
    assert_non_null(longer);
    strcpy(longer, record);
    strcat(longer, line);
    assert_int_equal(model_record_compare(longer, &taken, NULL), 1);
    free(longer);
}

/* The record is what the serial log has between its two marks, byte for byte. */
static void record_is_the_serial_log(void **state)
{
    const char *begin = strstr(serial_log, "model: begin\n");
    const char *end = strstr(serial_log, "model: end, ");
    char totals[MODEL_LINE_MAX];

    (void)state;
    assert_non_null(begin);
    assert_non_null(end);
    begin = strchr(begin, '\n') + 1;
    assert_int_equal(end - begin, strlen(record));
    assert_memory_equal(begin, record, strlen(record));
    model_totals_format(totals, sizeof(totals), &taken.totals);
    assert_int_equal(strlen(end), strlen(totals) + 1);
    assert_memory_equal(end, totals, strlen(totals));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_answers_as_the_kernel_did),
        cmocka_unit_test(there_are_as_many_answers_as_promised),
        cmocka_unit_test(one_altered_answer_is_a_difference),
        cmocka_unit_test(a_missing_answer_is_a_difference),
        cmocka_unit_test(an_additional_answer_is_a_difference),
        cmocka_unit_test(record_is_the_serial_log),
    };

    return cmocka_run_group_tests_name("three levels", tests, take_40, give_back) +
           cmocka_run_group_tests_name("four levels", tests, take_44, give_back);
}

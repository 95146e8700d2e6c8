/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "toy.h"

static void two_is_even_and_three_is_not(void **state)
{
    (void)state;
    assert_true(toy_is_even(2));
    assert_false(toy_is_even(3));
}

static void the_sum_is_of_all(void **state)
{
    static const unsigned numbers[] = {1, 2, 4};

    (void)state;
    assert_int_equal(toy_sum(numbers, 3), 7);
}

static void the_larger_one_is_the_most(void **state)
{
    (void)state;
    assert_int_equal(toy_most(1, 2), 2);
    assert_int_equal(toy_most(2, 1), 2);
    assert_int_equal(toy_most(2, 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_is_even_and_three_is_not),
        cmocka_unit_test(the_sum_is_of_all),
        cmocka_unit_test(the_larger_one_is_the_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

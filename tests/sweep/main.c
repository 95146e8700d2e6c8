/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "sweep.h"

int main(int argc, char **argv)
{
    static const struct gm_suite *const suites[] = {&coverage_suite, &sweep_suite, NULL};
    int failed = gm_test_run(argc, argv, suites);

    sweep_report();
    return failed;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <utils/util.h>

#include "sweep.h"

/* The library logs each failure: thousands of lines here, which would only bury one that matters. */
int main(int argc, char **argv)
{
    static const struct gm_suite *const suites[] = {&coverage_suite, &sweep_suite, NULL};
    int failed;

    zf_log_set_output_level(ZF_LOG_FATAL);
    failed = gm_test_run(argc, argv, suites);
    sweep_report();
    return failed;
}

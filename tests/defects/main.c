/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "suites.h"

int main(int argc, char **argv)
{
    return gm_test_run(argc, argv, defect_suites);
}

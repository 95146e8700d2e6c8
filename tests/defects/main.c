/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "defects.h"

int main(int argc, char **argv)
{
    static const struct gm_suite *const suites[] = {
        &reservation_defects, &mapping_defects, &scale_defects,   &ram_defects,  &helper_defects,
        &bad_range_suite,     &bad_frame_suite, &bad_vspace_suite, &rights_suite,
        &frees_suite,         NULL,
    };

    return gm_test_run(argc, argv, suites);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "suites.h"

#include "defects.h"

const struct gm_suite *const defect_suites[] = {
    &reservation_defects, &mapping_defects, &scale_defects,   &ram_defects,  &helper_defects,
    &bad_range_suite,     &bad_frame_suite, &bad_vspace_suite, &rights_suite, NULL,
};

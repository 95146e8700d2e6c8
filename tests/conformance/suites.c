/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "suites.h"

#include "conformance.h"

const struct gm_suite *const conformance_suites[] = {
    &reserve_suite,  &anonymous_suite,  &fault_suite,        &iterator_suite,     &array_suite,
    &create_suite,   &by_address_suite, &memory_suite,       &ram_suite,          &ram_marks_suite,
    &touch_suite,    &translate_suite,  &vspace_suite,       &vspace_share_suite, &vms_suite,
    &shortage_suite, &access_suite,     &access_views_suite, &threads_suite,      NULL,
};

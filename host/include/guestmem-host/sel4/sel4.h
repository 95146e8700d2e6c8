/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * seL4's interface as far as the host environment stands for it: types, boot information and the
 * invocations on memory objects.
 */
#pragma once

#include <sel4/bootinfo_types.h>
#include <sel4/constants.h>
#include <sel4/errors.h>
#include <sel4/macros.h>
#include <sel4/objecttype.h>
#include <sel4/types.h>
#include <interfaces/sel4_client.h>

/* Let another thread run. */
void seL4_Yield(void);

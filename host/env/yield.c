/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <sched.h>

#include <sel4/sel4.h>

void seL4_Yield(void)
{
    sched_yield();
}

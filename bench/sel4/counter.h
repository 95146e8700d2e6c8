/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The processor's cycle counter. Under QEMU's -icount shift=0 a cycle is an instruction, exactly.
 */
#pragma once

#include <stdint.h>

/* Start it. */
void counter_start(void);

/* Cycles since then. */
static inline uint64_t counter_read(void)
{
    uint64_t cycles;

    __asm__ volatile("isb; mrs %0, pmccntr_el0" : "=r"(cycles)::"memory");
    return cycles;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "counter.h"

void counter_start(void)
{
    uint64_t control;

    __asm__ volatile("mrs %0, pmcr_el0" : "=r"(control));
    control |= 1u | 1u << 2 | 1u << 6; /* enable, reset the cycle counter, 64 bits */
    __asm__ volatile("msr pmcr_el0, %0" ::"r"(control));
    __asm__ volatile("msr pmcntenset_el0, %0" ::"r"(UINT64_C(1) << 31));
    __asm__ volatile("msr pmccfiltr_el0, %0" ::"r"(UINT64_C(1) << 27)); /* count the kernel, at EL2, too */
    __asm__ volatile("isb");
}

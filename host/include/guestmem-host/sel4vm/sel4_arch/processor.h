/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Processor modes and exception classes of AArch64: Arm ARM DDI 0487, "SPSR_EL2" and "ESR_EL2".
 */
#pragma once

#include <sel4/sel4.h>
#include <sel4vm/arch/processor.h>

typedef enum processor_mode {
    PMODE_EL3h = 13,
    PMODE_EL3t = 12,
    PMODE_EL2h = 9,
    PMODE_EL2t = 8,
    PMODE_EL1h = 5,
    PMODE_EL1t = 4,
    PMODE_EL0t = 0
} processor_mode_t;

#define seL4_UnknownSyscall_ARG0 seL4_UnknownSyscall_X0

#define HSR_UNKNOWN_EXCEPTION (0x0)
#define HSR_WFx_EXCEPTION (0x1)
#define HSR_CP15_32_EXCEPTION (0x3)
#define HSR_CP15_64_EXCEPTION (0x4)
#define HSR_CP14_32_EXCEPTION (0x5)
#define HSR_CP14_LC_32_EXCEPTION (0x6)
#define HSR_SIMD_EXCEPTION (0x7)
#define HSR_CP10_EXCEPTION (0x8)
#define HSR_CP14_EXCEPTION (0xC)
#define HSR_ILLEGAL_EXCEPTION (0xE)
#define HSR_SVC_32_EXCEPTION (0x11)
#define HSR_HVC_32_EXCEPTION (0x12)
#define HSR_SMC_32_EXCEPTION (0x13)
#define HSR_SVC_64_EXCEPTION (0x15)
#define HSR_HVC_64_EXCEPTION (0x16)
#define HSR_SMC_64_EXCEPTION (0x17)
#define HSR_SYSREG_64_EXCEPTION (0x18)
#define HSR_IMPL_DEF_EXCEPTION (0x1f)
#define HSR_IABT_LOW_EXCEPTION (0x20)
#define HSR_IABT_CURR_EXCEPTION (0x21)
#define HSR_PC_ALIGN_EXCEPTION (0x22)
#define HSR_DABT_LOW_EXCEPTION (0x24)
#define HSR_DABT_CUR_EXCEPTION (0x25)
#define HSR_SP_ALIGN_EXCEPTION (0x26)
#define HSR_FP32_EXCEPTION (0x28)
#define HSR_FP64_EXCEPTION (0x2C)
#define HSR_SERROR_EXCEPTION (0x2F)
#define HSR_BRK_LOW_EXCEPTION (0x30)
#define HSR_BRK_CUR_EXCEPTION (0x31)
#define HSR_SWSTEP_LOW_EXCEPTION (0x32)
#define HSR_SWSTEP_CUR_EXCEPTION (0x33)
#define HSR_WATCHPT_LOW_EXCEPTION (0x34)
#define HSR_WATCHPT_CUR_EXCEPTION (0x35)
#define HSR_SWBRK_32_EXCEPTION (0x38)
#define HSW_VECTOR_32_EXCEPTION (0x3a)
#define HSR_SWBRK_64_EXCEPTION (0x3c)

#define HSR_REASON_UNKNOWN "Unknown Exception Class"

/* The class's name, by class. Listed in order, because C++ has no designators for arrays. */
#if defined(__GNUC__)
__attribute__((unused))
#endif
static const char *hsr_reasons[HSR_MAX_EXCEPTION] = {
    /* 0x00 */ "HSR_UNKNOWN_EXCEPTION",
    /* 0x01 */ "HSR_WFx_EXCEPTION",
    /* 0x02 */ HSR_REASON_UNKNOWN,
    /* 0x03 */ "HSR_CP15_32_EXCEPTION",
    /* 0x04 */ "HSR_CP15_64_EXCEPTION",
    /* 0x05 */ "HSR_CP14_32_EXCEPTION",
    /* 0x06 */ "HSR_CP14_LC_32_EXCEPTION",
    /* 0x07 */ "HSR_SIMD_EXCEPTION",
    /* 0x08 */ "HSR_CP10_EXCEPTION",
    /* 0x09 */ HSR_REASON_UNKNOWN,
    /* 0x0a */ HSR_REASON_UNKNOWN,
    /* 0x0b */ HSR_REASON_UNKNOWN,
    /* 0x0c */ "HSR_CP14_EXCEPTION",
    /* 0x0d */ HSR_REASON_UNKNOWN,
    /* 0x0e */ "HSR_ILLEGAL_EXCEPTION",
    /* 0x0f */ HSR_REASON_UNKNOWN,
    /* 0x10 */ HSR_REASON_UNKNOWN,
    /* 0x11 */ "HSR_SVC_32_EXCEPTION",
    /* 0x12 */ "HSR_HVC_32_EXCEPTION",
    /* 0x13 */ "HSR_SMC_32_EXCEPTION",
    /* 0x14 */ HSR_REASON_UNKNOWN,
    /* 0x15 */ "HSR_SVC_64_EXCEPTION",
    /* 0x16 */ "HSR_HVC_64_EXCEPTION",
    /* 0x17 */ "HSR_SMC_64_EXCEPTION",
    /* 0x18 */ "HSR_SYSREG_64_EXCEPTION",
    /* 0x19 */ HSR_REASON_UNKNOWN,
    /* 0x1a */ HSR_REASON_UNKNOWN,
    /* 0x1b */ HSR_REASON_UNKNOWN,
    /* 0x1c */ HSR_REASON_UNKNOWN,
    /* 0x1d */ HSR_REASON_UNKNOWN,
    /* 0x1e */ HSR_REASON_UNKNOWN,
    /* 0x1f */ "HSR_IMPL_DEF_EXCEPTION",
    /* 0x20 */ "HSR_IABT_LOW_EXCEPTION",
    /* 0x21 */ "HSR_IABT_CURR_EXCEPTION",
    /* 0x22 */ "HSR_PC_ALIGN_EXCEPTION",
    /* 0x23 */ HSR_REASON_UNKNOWN,
    /* 0x24 */ "HSR_DABT_LOW_EXCEPTION",
    /* 0x25 */ "HSR_DABT_CUR_EXCEPTION",
    /* 0x26 */ "HSR_SP_ALIGN_EXCEPTION",
    /* 0x27 */ HSR_REASON_UNKNOWN,
    /* 0x28 */ "HSR_FP32_EXCEPTION",
    /* 0x29 */ HSR_REASON_UNKNOWN,
    /* 0x2a */ HSR_REASON_UNKNOWN,
    /* 0x2b */ HSR_REASON_UNKNOWN,
    /* 0x2c */ "HSR_FP64_EXCEPTION",
    /* 0x2d */ HSR_REASON_UNKNOWN,
    /* 0x2e */ HSR_REASON_UNKNOWN,
    /* 0x2f */ "HSR_SERROR_EXCEPTION",
    /* 0x30 */ "HSR_BRK_LOW_EXCEPTION",
    /* 0x31 */ "HSR_BRK_CUR_EXCEPTION",
    /* 0x32 */ "HSR_SWSTEP_LOW_EXCEPTION",
    /* 0x33 */ "HSR_SWSTEP_CUR_EXCEPTION",
    /* 0x34 */ "HSR_WATCHPT_LOW_EXCEPTION",
    /* 0x35 */ "HSR_WATCHPT_CUR_EXCEPTION",
    /* 0x36 */ HSR_REASON_UNKNOWN,
    /* 0x37 */ HSR_REASON_UNKNOWN,
    /* 0x38 */ "HSR_SWBRK_32_EXCEPTION",
    /* 0x39 */ HSR_REASON_UNKNOWN,
    /* 0x3a */ "HSW_VECTOR_32_EXCEPTION",
    /* 0x3b */ HSR_REASON_UNKNOWN,
    /* 0x3c */ "HSR_SWBRK_64_EXCEPTION",
    /* 0x3d */ HSR_REASON_UNKNOWN,
    /* 0x3e */ HSR_REASON_UNKNOWN,
};

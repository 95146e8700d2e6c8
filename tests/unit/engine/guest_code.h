/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A64 instructions for guests of a few lines, as an assembler gives them.
 */
#pragma once

enum guest_code {
    GC_NOP = 0xd503201f,
    GC_WFI = 0xd503207f,
    GC_UDF = 0x00000000,
    GC_RET = 0xd65f03c0,
    GC_SPIN = 0x14000000,  /* b . */
    GC_BR_X1 = 0xd61f0020, /* br x1 */
    GC_ERET = 0xd69f03e0,
    GC_MSR_VBAR_X6 = 0xd518c006,     /* msr vbar_el1, x6 */
    GC_ADD_X1_8 = 0x91002021,        /* add x1, x1, #8 */
    GC_LDR_X0 = 0xf9400020,          /* ldr x0, [x1] */
    GC_LDR_W2 = 0xb9400022,          /* ldr w2, [x1] */
    GC_LDR_W3 = 0xb9400023,          /* ldr w3, [x1] */
    GC_LDR_W0_AT_2 = 0xb8402020,     /* ldur w0, [x1, #2] */
    GC_LDR_X0_AT_6 = 0xf8406020,     /* ldur x0, [x1, #6] */
    GC_STR_X2_AT_5 = 0xf8005022,     /* stur x2, [x1, #5] */
    GC_LDP_X2_X3 = 0xa9400c22u,      /* ldp x2, x3, [x1] */
    GC_STP_W2_W3_POST = 0x28820c22,  /* stp w2, w3, [x1], #16 */
    GC_LDRSB_X2 = 0x39800022,        /* ldrsb x2, [x1] */
    GC_LDRB_W2 = 0x39400022,         /* ldrb w2, [x1] */
    GC_LDRH_W2_AT_2 = 0x79400422,    /* ldrh w2, [x1, #2] */
    GC_STR_W2 = 0xb9000022,          /* str w2, [x1] */
    GC_STRB_W2 = 0x39000022,         /* strb w2, [x1] */
    GC_STR_X2 = 0xf9000022,          /* str x2, [x1] */
    GC_STR_X2_PRE_8 = 0xf8008c22,    /* str x2, [x1, #8]! */
    GC_STR_XZR = 0xf900003f,         /* str xzr, [x1] */
    GC_LDR_W0_X2 = 0xb8627820,       /* ldr w0, [x1, x2, lsl #2] */
    GC_LDR_W0_W2_SXTW = 0xb862d820,  /* ldr w0, [x1, w2, sxtw #2] */
    GC_LDR_Q0 = 0x3dc00020,          /* ldr q0, [x1] */
    GC_STR_Q0 = 0x3d800020,          /* str q0, [x1] */
    GC_LDXR_X2 = 0xc85f7c22,         /* ldxr x2, [x1] */
    GC_STXR_W5_X2 = 0xc8057c22,      /* stxr w5, x2, [x1] */
    GC_LDAR_W2 = 0x88dffc22,         /* ldar w2, [x1] */
    GC_STLR_W2 = 0x889ffc22,         /* stlr w2, [x1] */
    GC_LDXP_W2_W3 = 0x887f0c22,      /* ldxp w2, w3, [x1] */
    GC_LDP_S0_S1 = 0x2d400420,       /* ldp s0, s1, [x1] */
    GC_LDPSW_AT_8 = 0x69410c22,      /* ldpsw x2, x3, [x1, #8] */
    GC_LDUR_X2_MINUS_1 = 0xf85ff022, /* ldur x2, [x1, #-1] */
    GC_LDR_X2_PC_8 = 0x58000042,     /* ldr x2, . + 8 */
    GC_LDR_D3_AT_16 = 0xfd400823,    /* ldr d3, [x1, #16] */
    GC_LDTR_W2 = 0xb8400822,         /* ldtr w2, [x1] */
    GC_PRFM = 0xf9800020,            /* prfm pldl1keep, [x1] */
    GC_LD1 = 0x4c407020,             /* ld1 {v0.16b}, [x1] */
    GC_LDADD = 0xf8210062,           /* ldadd x1, x2, [x3] */
    GC_CAS = 0xc8a17c62,             /* cas x1, x2, [x3] */
    GC_CASP = 0x48227cc4,            /* casp x2, x3, x4, x5, [x6] */
};

#define GC_HVC(n) (0xd4000002u | (unsigned)(n) << 5)
#define GC_SMC(n) (0xd4000003u | (unsigned)(n) << 5)

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What an AArch64 load or store does, from its 32 bits: Arm ARM DDI 0487, "Loads and stores". A
 * trapped access of the guest CPU comes in parts (8 bytes as two of 4, unaligned ones as aligned
 * supersets or single bytes); only the instruction says which access they belong to.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum decode_address {
    DECODE_BASE_IMMEDIATE, /* Xn + immediate */
    DECODE_BASE_REGISTER,  /* Xn + extended Rm, shifted */
    DECODE_PC_RELATIVE,    /* pc + immediate */
};

struct decode_memory {
    bool load;
    bool store; /* an exclusive store is both: the guest CPU reads before it writes */
    bool vector;
    unsigned bytes;        /* of an element: 1, 2, 4 or 8 */
    unsigned count;        /* elements, at ascending addresses */
    unsigned per_register; /* elements in one register: 2 for 128-bit vectors, else 1 */
    unsigned rt[2];        /* 31: zero register */
    bool joined;           /* one element of 8 bytes made of two 4-byte registers */
    enum decode_address address;
    unsigned rn; /* 31: stack pointer */
    int64_t immediate;
    unsigned rm;
    unsigned option; /* of the extension, as encoded */
    unsigned shift;
};

/* False: not a load or store of the kinds above (prefetches, atomics, structures, others). */
bool decode_memory(uint32_t insn, struct decode_memory *op);

/* True for an instruction behind which the guest CPU always starts a new block. */
bool decode_is_branch(uint32_t insn);

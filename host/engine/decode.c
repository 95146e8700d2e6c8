/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "decode.h"

#include <string.h>

static uint32_t bits(uint32_t insn, unsigned high, unsigned low)
{
    return insn >> low & (uint32_t)((UINT64_C(1) << (high - low + 1)) - 1);
}

static int64_t signed_bits(uint32_t insn, unsigned high, unsigned low)
{
    uint64_t sign = UINT64_C(1) << (high - low);

    return (int64_t)((bits(insn, high, low) ^ sign) - sign);
}

/* An access of 2^scale bytes a register; 16 bytes are two elements. */
static void set_size(struct decode_memory *op, unsigned scale, unsigned registers)
{
    op->per_register = scale == 4 ? 2 : 1;
    op->bytes = scale == 4 ? 8 : 1U << scale;
    op->count = registers * op->per_register;
}

/* LDXR, STXR, LDXP, STXP and LDAR, STLR. */
static bool decode_exclusive(uint32_t insn, struct decode_memory *op)
{
    unsigned size = bits(insn, 31, 30);
    bool ordered = bits(insn, 23, 23);
    bool pair = bits(insn, 21, 21);

    if (pair && (ordered || size < 2)) {
        return false; /* compare and swap */
    }
    op->load = bits(insn, 22, 22);
    op->store = !op->load;
    set_size(op, size, pair ? 2 : 1);
    if (pair && size == 2) { /* the guest CPU makes one access of it */
        op->joined = true;
        set_size(op, 3, 1);
    }
    if (op->store && !ordered) {
        op->load = true;
    }
    return true;
}

static bool decode_literal(uint32_t insn, struct decode_memory *op)
{
    unsigned opc = bits(insn, 31, 30);

    op->load = true;
    op->address = DECODE_PC_RELATIVE;
    op->immediate = signed_bits(insn, 23, 5) * 4;
    if (opc == 3) {
        return false; /* prefetch, or unallocated */
    }
    set_size(op, op->vector ? 2 + opc : (opc == 1 ? 3 : 2), 1);
    return true;
}

static bool decode_pair(uint32_t insn, struct decode_memory *op)
{
    unsigned opc = bits(insn, 31, 30);
    unsigned scale = op->vector ? 2 + opc : (opc == 2 ? 3 : 2);

    if (opc == 3) {
        return false;
    }
    op->load = bits(insn, 22, 22);
    op->store = !op->load;
    op->immediate = bits(insn, 24, 23) == 1 ? 0 : signed_bits(insn, 21, 15) * (1 << scale);
    set_size(op, scale, 2);
    return true;
}

static bool decode_register_offset(uint32_t insn, struct decode_memory *op, unsigned scale)
{
    op->address = DECODE_BASE_REGISTER;
    op->rm = bits(insn, 20, 16);
    op->option = bits(insn, 15, 13);
    op->shift = bits(insn, 12, 12) ? scale : 0;
    return (op->option & 2) != 0;
}

static bool decode_single(uint32_t insn, struct decode_memory *op)
{
    unsigned size = bits(insn, 31, 30);
    unsigned opc = bits(insn, 23, 22);
    unsigned scale = op->vector ? size | (opc & 2) << 1 : size;
    unsigned index = bits(insn, 11, 10);

    if (scale > 4 || (!op->vector && (size == 3 ? opc >= 2 : size == 2 && opc == 3))) {
        return false; /* prefetch, or unallocated */
    }
    op->load = op->vector ? opc & 1 : opc != 0;
    op->store = !op->load;
    set_size(op, scale, 1);
    if (bits(insn, 24, 24)) {
        op->immediate = (int64_t)bits(insn, 21, 10) << scale;
        return true;
    }
    if (bits(insn, 21, 21)) {
        return index == 2 && decode_register_offset(insn, op, scale);
    }
    op->immediate = index == 1 ? 0 : signed_bits(insn, 20, 12);
    return true;
}

bool decode_memory(uint32_t insn, struct decode_memory *op)
{
    memset(op, 0, sizeof(*op));
    op->vector = bits(insn, 26, 26);
    op->rt[0] = bits(insn, 4, 0);
    op->rt[1] = bits(insn, 14, 10);
    op->rn = bits(insn, 9, 5);
    if ((insn & 0x3f000000) == 0x08000000) {
        return decode_exclusive(insn, op);
    }
    if ((insn & 0x3b000000) == 0x18000000) {
        return decode_literal(insn, op);
    }
    if ((insn & 0x3a000000) == 0x28000000) {
        return decode_pair(insn, op);
    }
    return (insn & 0x3a000000) == 0x38000000 && decode_single(insn, op);
}

bool decode_is_branch(uint32_t insn)
{
    /* B and BL; CBZ, CBNZ, TBZ, TBNZ, B.cond; BR, BLR, RET, ERET; exceptions. */
    return (insn & 0x7c000000) == 0x14000000 || (insn & 0x7c000000) == 0x34000000 ||
           (insn & 0xff000000) == 0x54000000 || (insn & 0xfe000000) == 0xd6000000 ||
           (insn & 0xff000000) == 0xd4000000;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decode.h"
#include "guest_code.h"

struct expected {
    uint32_t insn;
    bool load;
    bool store;
    unsigned bytes;
    unsigned count;
    int64_t immediate;
};

static const struct expected singles[] = {
    {GC_LDR_X0, true, false, 8, 1, 0},           {GC_LDR_W2, true, false, 4, 1, 0},
    {GC_LDR_W0_AT_2, true, false, 4, 1, 2},      {GC_LDR_X0_AT_6, true, false, 8, 1, 6},
    {GC_STR_X2_AT_5, false, true, 8, 1, 5},      {GC_LDRSB_X2, true, false, 1, 1, 0},
    {GC_LDRB_W2, true, false, 1, 1, 0},          {GC_LDRH_W2_AT_2, true, false, 2, 1, 2},
    {GC_STR_W2, false, true, 4, 1, 0},           {GC_STRB_W2, false, true, 1, 1, 0},
    {GC_STR_X2_PRE_8, false, true, 8, 1, 8},     {GC_STR_XZR, false, true, 8, 1, 0},
    {GC_LDUR_X2_MINUS_1, true, false, 8, 1, -1}, {GC_LDR_X2_PC_8, true, false, 8, 1, 8},
    {GC_LDR_D3_AT_16, true, false, 8, 1, 16},    {GC_LDTR_W2, true, false, 4, 1, 0},
    {GC_LDAR_W2, true, false, 4, 1, 0},          {GC_STLR_W2, false, true, 4, 1, 0},
    {GC_LDXR_X2, true, false, 8, 1, 0},          {GC_STXR_W5_X2, true, true, 8, 1, 0},
};

static const struct expected several[] = {
    {GC_LDP_X2_X3, true, false, 8, 2, 0},  {GC_STP_W2_W3_POST, false, true, 4, 2, 0},
    {GC_LDR_Q0, true, false, 8, 2, 0},     {GC_STR_Q0, false, true, 8, 2, 0},
    {GC_LDP_S0_S1, true, false, 4, 2, 0},  {GC_LDPSW_AT_8, true, false, 4, 2, 8},
    {GC_LDXP_W2_W3, true, false, 8, 1, 0},
};

static void check(const struct expected *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct decode_memory op;

        assert_true(decode_memory(expected[i].insn, &op));
        assert_int_equal(op.load, expected[i].load);
        assert_int_equal(op.store, expected[i].store);
        assert_int_equal(op.bytes, expected[i].bytes);
        assert_int_equal(op.count, expected[i].count);
        assert_int_equal(op.immediate, expected[i].immediate);
    }
}

static void single_accesses_have_their_size_direction_and_offset(void **state)
{
    (void)state;
    check(singles, sizeof(singles) / sizeof(singles[0]));
}

static void pairs_and_vectors_are_several_elements(void **state)
{
    struct decode_memory op;

    (void)state;
    check(several, sizeof(several) / sizeof(several[0]));
    assert_true(decode_memory(GC_LDR_Q0, &op));
    assert_int_equal(op.per_register, 2);
    assert_true(decode_memory(GC_LDXP_W2_W3, &op));
    assert_true(op.joined);
    assert_int_equal(op.rt[0], 2);
    assert_int_equal(op.rt[1], 3);
}

static void register_offsets_are_extended_and_shifted(void **state)
{
    struct decode_memory op;

    (void)state;
    assert_true(decode_memory(GC_LDR_W0_X2, &op));
    assert_int_equal(op.address, DECODE_BASE_REGISTER);
    assert_int_equal(op.rm, 2);
    assert_int_equal(op.option, 3);
    assert_int_equal(op.shift, 2);
    assert_true(decode_memory(GC_LDR_W0_W2_SXTW, &op));
    assert_int_equal(op.option, 6);
}

static void what_is_no_plain_load_or_store_is_refused(void **state)
{
    static const uint32_t others[] = {GC_PRFM, GC_LD1,  GC_LDADD, GC_CAS,      GC_CASP,
                                      GC_NOP,  GC_SPIN, GC_UDF,   GC_ADD_X1_8, GC_SMC(0)};
    struct decode_memory op;

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(decode_memory(others[i], &op));
    }
}

static void branches_and_exceptions_end_a_block(void **state)
{
    static const uint32_t ends[] = {GC_SPIN,    GC_BR_X1,   GC_RET,     GC_ERET,   GC_SMC(1),
                                    0xb4000000, 0x54000000, 0x36080000, 0x94000001};

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        assert_true(decode_is_branch(ends[i]));
    }
    assert_false(decode_is_branch(GC_NOP));
    assert_false(decode_is_branch(GC_LDR_X0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_accesses_have_their_size_direction_and_offset),
        cmocka_unit_test(pairs_and_vectors_are_several_elements),
        cmocka_unit_test(register_offsets_are_extended_and_shifted),
        cmocka_unit_test(what_is_no_plain_load_or_store_is_refused),
        cmocka_unit_test(branches_and_exceptions_end_a_block),
    };

    return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}

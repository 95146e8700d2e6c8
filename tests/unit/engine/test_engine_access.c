/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Accesses to devices, and to memory in windows and outside of them, that changes or not.
 */
#include "machine.h"

#include <string.h>

/* ---------------------------------------------------------------------------- device accesses */

static void an_eight_byte_access_is_one(void **state)
{
    struct machine *m = *state;

    m->context.x1 = DEVICE;
    m->context.x2 = UINT64_C(0x1122334455667788);
    (void)RUN(m, GC_LDR_X0, GC_STR_X2, GC_HVC(0));
    assert_int_equal(m->seen_count, 2);
    assert_seen(m, 0, DEVICE, 8, false);
    assert_int_equal(m->seen[0].pc, RAM);
    assert_seen(m, 1, DEVICE, 8, true);
    assert_int_equal(m->seen[1].pc, RAM + 4);
    assert_int_equal(m->seen[1].data, UINT64_C(0x1122334455667788));
    assert_int_equal(m->context.x0, device_data(DEVICE, 8));
}

static void equal_loads_in_a_row_are_two_accesses(void **state)
{
    struct machine *m = *state;

    m->context.x1 = DEVICE + 4;
    (void)RUN(m, GC_LDR_W2, GC_LDR_W2, GC_LDR_W3, GC_HVC(0));
    assert_int_equal(m->seen_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_seen(m, i, DEVICE + 4, 4, false);
        assert_int_equal(m->seen[i].pc, RAM + 4 * i);
    }
}

static void unaligned_accesses_come_in_natural_pieces(void **state)
{
    struct machine *m = *state;

    m->context.x1 = DEVICE;
    m->context.x2 = UINT64_C(0x8877665544332211);
    (void)RUN(m, GC_LDR_X0_AT_6, GC_STR_X2_AT_5, GC_HVC(0));
    assert_int_equal(m->seen_count, 7);
    assert_seen(m, 0, DEVICE + 6, 2, false);
    assert_seen(m, 1, DEVICE + 8, 4, false);
    assert_seen(m, 2, DEVICE + 12, 2, false);
    assert_int_equal(m->context.x0, device_data(DEVICE + 6, 8));
    assert_seen(m, 3, DEVICE + 5, 1, true);
    assert_int_equal(m->seen[3].data, 0x11);
    assert_seen(m, 4, DEVICE + 6, 2, true);
    assert_int_equal(m->seen[4].data, 0x3322);
    assert_seen(m, 5, DEVICE + 8, 4, true);
    assert_int_equal(m->seen[5].data, 0x77665544);
    assert_seen(m, 6, DEVICE + 12, 1, true);
    assert_int_equal(m->seen[6].data, 0x88);
}

static void an_access_across_pages_is_whole_for_the_guest(void **state)
{
    struct machine *m = *state;

    m->context.x1 = DEVICE + 0x1000 - 6 - 4;
    (void)RUN(m, GC_LDR_X0_AT_6, GC_HVC(0));
    assert_int_equal(m->seen_count, 2);
    assert_seen(m, 0, DEVICE + 0xffc, 4, false);
    assert_seen(m, 1, DEVICE + 0x1000, 4, false);
    assert_int_equal(m->context.x0, device_data(DEVICE + 0xffc, 8));
}

static void pairs_and_vectors_are_an_access_a_register(void **state)
{
    struct machine *m = *state;

    m->context.x1 = DEVICE;
    (void)RUN(m, GC_LDP_X2_X3, GC_STP_W2_W3_POST, GC_LDR_Q0, GC_STR_Q0, GC_HVC(0));
    assert_int_equal(m->seen_count, 8);
    assert_seen(m, 0, DEVICE, 8, false);
    assert_seen(m, 1, DEVICE + 8, 8, false);
    assert_seen(m, 2, DEVICE, 4, true);
    assert_seen(m, 3, DEVICE + 4, 4, true);
    assert_seen(m, 4, DEVICE + 16, 8, false);
    assert_seen(m, 7, DEVICE + 24, 8, true);
    assert_int_equal(m->seen[7].data, device_data(DEVICE + 24, 8));
    assert_int_equal(m->context.x3, device_data(DEVICE + 8, 8));
    assert_int_equal(m->context.x1, DEVICE + 16);
}

static void narrow_loads_fill_the_register_as_the_instruction_says(void **state)
{
    struct machine *m = *state;

    m->context.x1 = DEVICE + 0xf8;
    m->context.x2 = UINT64_MAX;
    (void)RUN(m, GC_LDRSB_X2, GC_HVC(0));
    assert_int_equal(m->context.x2, (uint64_t)(int64_t)(int8_t)0xf8);
    (void)RUN(m, GC_LDRB_W2, GC_HVC(0));
    assert_int_equal(m->context.x2, 0xf8);
}

static void exclusives_on_a_device_end(void **state)
{
    struct machine *m = *state;

    m->context.x1 = DEVICE;
    (void)RUN(m, GC_LDXR_X2, GC_STXR_W5_X2, GC_LDAR_W2, GC_STLR_W2, GC_HVC(0));
    assert_int_equal(m->context.x5, 0);
    assert_seen(m, m->seen_count - 1, DEVICE, 4, true);
    assert_int_equal(m->seen[m->seen_count - 1].pc, RAM + 12);
}

static void an_unknown_instruction_on_a_device_is_taken_as_it_comes(void **state)
{
    struct machine *m = *state;
    uint64_t end = DEVICE;

    m->context.x1 = DEVICE;
    (void)RUN(m, GC_LD1, GC_HVC(0));
    for (unsigned i = 0; i < m->seen_count; i++) {
        assert_int_equal(m->seen[i].address, end);
        end += m->seen[i].size;
    }
    assert_int_equal(end, DEVICE + 16);
}

/* ------------------------------------------------------------------------------------ windows */

static void a_read_only_frame_is_read_and_traps_each_write_with_its_data(void **state)
{
    struct machine *m = *state;

    m->context.x1 = READ_ONLY + 0x10;
    m->context.x2 = UINT64_C(0xaabbccdd00112233);
    (void)RUN(m, GC_STR_X2, GC_STR_W2, GC_STRB_W2, GC_LDR_X0, GC_HVC(0));
    assert_int_equal(m->seen_count, 3);
    assert_seen(m, 0, READ_ONLY + 0x10, 8, true);
    assert_int_equal(m->seen[0].data, UINT64_C(0xaabbccdd00112233));
    assert_int_equal(m->seen[0].pc, RAM);
    assert_seen(m, 1, READ_ONLY + 0x10, 4, true);
    assert_seen(m, 2, READ_ONLY + 0x10, 1, true);
    assert_int_equal(m->seen[2].pc, RAM + 8);
    assert_int_equal(m->context.x0, device_data(0x10, 8));
    assert_int_equal(m->read_only[0x10], 0x10);
}

static void unaligned_writes_to_a_read_only_frame_come_once(void **state)
{
    struct machine *m = *state;

    m->context.x1 = READ_ONLY + 0x20;
    (void)RUN(m, GC_STR_X2_AT_5, GC_STR_X2_AT_5, GC_HVC(0));
    assert_int_equal(m->seen_count, 8);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(m->seen[i].pc, RAM + i / 4 * 4);
        assert_int_equal(m->seen[i].address, m->seen[i % 4].address);
    }
}

static void an_access_across_a_frame_and_a_hole_is_whole_for_the_guest(void **state)
{
    struct machine *m = *state;

    m->context.x1 = HOLE - 6 - 3;
    (void)RUN(m, GC_LDR_X0_AT_6, GC_HVC(0));
    assert_int_equal(m->seen_count, 2);
    assert_seen(m, 0, HOLE, 4, false);
    assert_seen(m, 1, HOLE + 4, 1, false);
    assert_int_equal(m->context.x0, 0x0403020100fffefd);
    m->context.x2 = UINT64_C(0x8877665544332211);
    m->context.x1 = HOLE - 5 - 3;
    (void)RUN(m, GC_STR_X2_AT_5, GC_HVC(0));
    assert_int_equal(m->seen_count, 4);
    assert_seen(m, 0, HOLE - 3, 1, true);
    assert_seen(m, 1, HOLE - 2, 2, true);
    assert_seen(m, 2, HOLE, 4, true);
    assert_int_equal(m->seen[2].data, 0x77665544);
    assert_seen(m, 3, HOLE + 4, 1, true);
}

static void a_hole_in_a_window_is_a_device(void **state)
{
    struct machine *m = *state;

    m->context.x1 = HOLE;
    (void)RUN(m, GC_LDR_X0, GC_LDR_X0_AT_6, GC_STR_X2, GC_LDXR_X2, GC_STXR_W5_X2, GC_HVC(0));
    assert_seen(m, 0, HOLE, 8, false);
    assert_seen(m, 1, HOLE + 6, 2, false);
    assert_seen(m, 3, HOLE + 12, 2, false);
    assert_seen(m, 4, HOLE, 8, true);
    assert_int_equal(m->context.x0, device_data(HOLE + 6, 8));
    assert_int_equal(m->context.x2, device_data(HOLE, 8));
}

static void an_unknown_instruction_in_a_hole_is_a_fault_of_the_guest(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;
    uint64_t value;

    m->context.x1 = HOLE;
    m->context.x6 = VECTORS;
    exit = RUN(m, GC_MSR_VBAR_X6, GC_LD1);
    assert_int_equal(exit.kind, ENGINE_EXIT_OPAQUE);
    assert_int_equal(exit.address, HOLE);
    engine_cpu_answer(m->cpu, ENGINE_ABORT, 0);
    exit = go_on(m);
    assert_int_equal(exit.hsr & 0xffff, 255);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_ESR, &value), 0);
    assert_int_equal(value >> 26, 0x25);
}

static void an_abort_without_vectors_is_the_end(void **state)
{
    struct machine *m = *state;

    m->context.x1 = HOLE;
    assert_int_equal(RUN(m, GC_LD1).kind, ENGINE_EXIT_OPAQUE);
    engine_cpu_answer(m->cpu, ENGINE_ABORT, 0);
    assert_int_equal(go_on(m).kind, ENGINE_EXIT_BROKEN);
}

static void a_restarted_access_uses_the_frame_that_is_there_now(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;
    uint64_t *hole;

    m->context.x1 = HOLE;
    m->context.x2 = 0x42;
    memcpy(m->ram, (uint32_t[]){GC_STR_X2, GC_LDR_X0, GC_HVC(0)}, 12);
    engine_cpu_set_context(m->cpu, &m->context);
    engine_cpu_run(m->cpu, SLICE, &exit);
    assert_int_equal(exit.kind, ENGINE_EXIT_MEMORY);
    hole = fake_stage2_map(m->host, HOLE, 0x1000, true);
    engine_cpu_answer(m->cpu, ENGINE_RESTART, 0);
    assert_int_equal(go_on(m).kind, ENGINE_EXIT_TRAP);
    assert_int_equal(m->seen_count, 0);
    assert_int_equal(hole[0], 0x42);
    assert_int_equal(m->context.x0, 0x42);
}

static void a_frame_taken_away_is_a_hole_at_once(void **state)
{
    struct machine *m = *state;

    m->context.x1 = READ_ONLY;
    (void)RUN(m, GC_LDR_X0, GC_HVC(0));
    assert_int_equal(m->seen_count, 0);
    fake_stage2_unmap(m->host, READ_ONLY);
    engine_invalidate(m->engine, READ_ONLY, 0x1000);
    (void)RUN(m, GC_LDR_X0, GC_HVC(0));
    assert_int_equal(m->seen_count, 1);
}

static void a_frame_that_becomes_read_only_traps_writes(void **state)
{
    struct machine *m = *state;
    uint64_t *page = fake_stage2_map(m->host, HOLE, 0x1000, true);

    m->context.x1 = HOLE;
    m->context.x2 = 1;
    (void)RUN(m, GC_STR_X2, GC_HVC(0));
    assert_int_equal(page[0], 1);
    fake_stage2_protect(m->host, HOLE, false);
    engine_invalidate(m->engine, HOLE, 0x1000);
    m->context.x2 = 2;
    (void)RUN(m, GC_STR_X2, GC_HVC(0));
    assert_int_equal(m->seen_count, 1);
    assert_int_equal(page[0], 1);
}

static void code_that_changes_under_the_guest_runs_as_it_is_now(void **state)
{
    struct machine *m = *state;

    assert_int_equal(RUN(m, GC_HVC(1)).hsr & 0xffff, 1);
    assert_int_equal(RUN(m, GC_HVC(2)).hsr & 0xffff, 2);
}

/* ------------------------------------------------------------------------------ outside windows */

static void memory_outside_windows_works_and_asks_for_one(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;
    bool asked = false;

    m->context.x1 = OUTSIDE;
    m->context.x2 = 7;
    (void)RUN(m, GC_LDR_X0, GC_STR_X2, GC_HVC(0));
    assert_int_equal(m->context.x0, UINT64_C(0x15120f0c09060300));
    assert_int_equal(m->outside[0], 7);
    memcpy(m->ram, (uint32_t[]){GC_LDR_X0, GC_SPIN | 0x3ffffff}, 8); /* b to the load */
    engine_invalidate(m->engine, RAM, 0x1000);
    m->context.pc = RAM;
    engine_cpu_set_context(m->cpu, &m->context);
    for (unsigned i = 0; i < 100 && !asked; i++) {
        engine_cpu_run(m->cpu, 1000, &exit);
        asked = exit.kind == ENGINE_EXIT_OUTSIDE;
    }
    assert_true(asked);
    assert_int_equal(exit.address, OUTSIDE);
    assert_int_equal(engine_window_add(m->engine, OUTSIDE, 0x1000), 0);
    engine_cpu_run(m->cpu, 1000, &exit);
    assert_int_equal(exit.kind, ENGINE_EXIT_SLICE);
}

static void code_outside_windows_runs(void **state)
{
    struct machine *m = *state;

    memcpy(m->outside, (uint32_t[]){GC_ADD_X1_8, GC_HVC(3)}, 8);
    m->context.x1 = OUTSIDE;
    assert_int_equal(RUN(m, GC_BR_X1).hsr & 0xffff, 3);
    assert_int_equal(m->context.x1, OUTSIDE + 8);
}

static void a_jump_to_nowhere_says_where(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    m->context.x1 = NOWHERE;
    exit = RUN(m, GC_BR_X1);
    assert_int_equal(exit.kind, ENGINE_EXIT_MEMORY);
    assert_true(exit.fetch);
    assert_int_equal(exit.address, NOWHERE);
    assert_int_equal(exit.pc, NOWHERE);
}

static void a_jump_into_a_hole_of_a_window_says_where(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    m->context.x1 = HOLE + 0x20;
    exit = RUN(m, GC_BR_X1);
    assert_int_equal(exit.kind, ENGINE_EXIT_MEMORY);
    assert_true(exit.fetch);
    assert_int_equal(exit.address, HOLE + 0x20);
    assert_int_equal(exit.pc, HOLE + 0x20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_set_up, machine_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_eight_byte_access_is_one),
        TEST(equal_loads_in_a_row_are_two_accesses),
        TEST(unaligned_accesses_come_in_natural_pieces),
        TEST(an_access_across_pages_is_whole_for_the_guest),
        TEST(pairs_and_vectors_are_an_access_a_register),
        TEST(narrow_loads_fill_the_register_as_the_instruction_says),
        TEST(exclusives_on_a_device_end),
        TEST(an_unknown_instruction_on_a_device_is_taken_as_it_comes),
        TEST(a_read_only_frame_is_read_and_traps_each_write_with_its_data),
        TEST(unaligned_writes_to_a_read_only_frame_come_once),
        TEST(an_access_across_a_frame_and_a_hole_is_whole_for_the_guest),
        TEST(a_hole_in_a_window_is_a_device),
        TEST(an_unknown_instruction_in_a_hole_is_a_fault_of_the_guest),
        TEST(an_abort_without_vectors_is_the_end),
        TEST(a_restarted_access_uses_the_frame_that_is_there_now),
        TEST(a_frame_taken_away_is_a_hole_at_once),
        TEST(a_frame_that_becomes_read_only_traps_writes),
        TEST(code_that_changes_under_the_guest_runs_as_it_is_now),
        TEST(memory_outside_windows_works_and_asks_for_one),
        TEST(code_outside_windows_runs),
        TEST(a_jump_to_nowhere_says_where),
        TEST(a_jump_into_a_hole_of_a_window_says_where),
    };

    return cmocka_run_group_tests_name("engine_access", tests, NULL, NULL);
}

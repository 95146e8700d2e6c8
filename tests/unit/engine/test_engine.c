/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest CPU over a stage 2 of three ranges:
 *
 *   0x00001000  a page, read-only, in a window     byte i is i
 *   0x00002000  nothing, in the same window
 *   0x05000000  a page in no window                byte i is 3 * i
 *   0x40000000  RAM, a window; code at its start, vectors at 1 MiB (hvc #255 for the guest's
 * exceptions)
 *
 * Everything else is a device whose bytes are the low bytes of their addresses.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine.h"
#include "fake_stage2.h"
#include "guest_code.h"

#define READ_ONLY UINT64_C(0x1000)
#define HOLE UINT64_C(0x2000)
#define OUTSIDE UINT64_C(0x05000000)
#define DEVICE UINT64_C(0x09000000)
#define RAM UINT64_C(0x40000000)
#define RAM_BYTES UINT64_C(0x400000)
#define VECTORS (RAM + 0x100000)
#define NOWHERE UINT64_C(0xdead0000)

enum { SLICE = 100000, SEEN_MAX = 16, EL1H = 0x3c5 };

struct machine {
    struct guestmem_host *host;
    struct engine *engine;
    struct engine_cpu *cpu;
    uint8_t *ram;
    uint8_t *read_only;
    uint8_t *outside;
    seL4_UserContext context;
    struct engine_exit seen[SEEN_MAX]; /* the accesses of the last run() */
    unsigned seen_count;
};

static int machine_set_up(void **state)
{
    struct machine *m = calloc(1, sizeof(*m));
    uint32_t hvc = GC_HVC(255);

    assert_non_null(m);
    m->host = fake_stage2_create();
    m->read_only = fake_stage2_map(m->host, READ_ONLY, 0x1000, false);
    m->ram = fake_stage2_map(m->host, RAM, RAM_BYTES, true);
    m->outside = fake_stage2_map(m->host, OUTSIDE, 0x1000, true);
    for (unsigned i = 0; i < 0x1000; i++) {
        m->read_only[i] = (uint8_t)i;
        m->outside[i] = (uint8_t)(3 * i);
    }
    memcpy(m->ram + (VECTORS - RAM) + 0x200, &hvc, sizeof(hvc));
    assert_int_equal(engine_create(m->host, 1, &m->engine), 0);
    assert_int_equal(engine_window_add(m->engine, READ_ONLY, 0x2000), 0);
    assert_int_equal(engine_window_add(m->engine, RAM, RAM_BYTES), 0);
    assert_int_equal(engine_cpu_create(m->engine, &m->cpu), 0);
    m->context.pc = RAM;
    m->context.spsr = EL1H;
    *state = m;
    return 0;
}

static int machine_tear_down(void **state)
{
    struct machine *m = *state;

    engine_cpu_destroy(m->cpu);
    engine_destroy(m->engine);
    fake_stage2_destroy(m->host);
    free(m);
    return 0;
}

static uint64_t device_data(uint64_t address, unsigned size)
{
    uint64_t data = 0;

    for (unsigned i = 0; i < size; i++) {
        data |= (uint64_t)(uint8_t)(address + i) << i * 8;
    }
    return data;
}

/* Run on until something other than a device's access comes. */
static struct engine_exit go_on(struct machine *m)
{
    struct engine_exit exit;

    for (;;) {
        engine_cpu_run(m->cpu, SLICE, &exit);
        if (exit.kind == ENGINE_EXIT_MEMORY && !exit.fetch) {
            assert_true(m->seen_count < SEEN_MAX);
            m->seen[m->seen_count++] = exit;
            engine_cpu_answer(m->cpu, ENGINE_ADVANCE, device_data(exit.address, exit.size));
        } else if (exit.kind != ENGINE_EXIT_SLICE && exit.kind != ENGINE_EXIT_OUTSIDE) {
            engine_cpu_get_context(m->cpu, &m->context);
            return exit;
        }
    }
}

#define RUN(m, ...) run(m, (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}))

static struct engine_exit run(struct machine *m, const uint32_t *code, size_t bytes)
{
    memcpy(m->ram, code, bytes);
    engine_invalidate(m->engine, RAM, 0x1000);
    m->seen_count = 0;
    m->context.pc = RAM;
    engine_cpu_set_context(m->cpu, &m->context);
    return go_on(m);
}

static void assert_seen(const struct machine *m, unsigned i, uint64_t address, unsigned size,
                        bool write)
{
    assert_true(i < m->seen_count);
    assert_int_equal(m->seen[i].address, address);
    assert_int_equal(m->seen[i].size, size);
    assert_int_equal(m->seen[i].write, write);
}

/* ------------------------------------------------------------------------------------ traps */

static void hvc_smc_and_wfi_come_out_at_their_instruction(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit = RUN(m, GC_NOP, GC_HVC(7));

    assert_int_equal(exit.kind, ENGINE_EXIT_TRAP);
    assert_int_equal(exit.hsr, 0x16u << 26 | 1u << 25 | 7);
    assert_int_equal(exit.pc, RAM + 4);
    exit = RUN(m, GC_SMC(9));
    assert_int_equal(exit.kind, ENGINE_EXIT_TRAP);
    assert_int_equal(exit.hsr, 0x17u << 26 | 1u << 25 | 9);
    assert_int_equal(exit.pc, RAM);
    exit = RUN(m, GC_NOP, GC_NOP, GC_WFI);
    assert_int_equal(exit.kind, ENGINE_EXIT_WAIT);
    assert_int_equal(exit.hsr >> 26, 1);
    assert_int_equal(exit.pc, RAM + 8);
}

static void the_guests_own_exceptions_go_to_its_vectors(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;
    uint64_t value;

    m->context.x6 = VECTORS;
    exit = RUN(m, GC_MSR_VBAR_X6, GC_UDF);
    assert_int_equal(exit.hsr & 0xffff, 255);
    assert_int_equal(exit.pc, VECTORS + 0x200);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_ELR_EL1, &value), 0);
    assert_int_equal(value, RAM + 4);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_ESR, &value), 0);
    assert_int_equal(value >> 26, 0);
}

static void an_exception_without_vectors_is_the_end(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit = RUN(m, GC_UDF);

    assert_int_equal(exit.kind, ENGINE_EXIT_BROKEN);
    assert_non_null(exit.why);
    assert_int_equal(exit.pc, RAM);
}

/* ------------------------------------------------------------------------------- registers */

static void registers_keep_what_they_are_given(void **state)
{
    struct machine *m = *state;
    seL4_UserContext context = {.pc = RAM, .sp = 0x1234, .spsr = EL1H};
    seL4_UserContext got;
    seL4_Word *words = (seL4_Word *)&context;
    uint64_t value;

    for (unsigned i = 3; i < sizeof(context) / sizeof(*words); i++) {
        words[i] = UINT64_C(0x1122334400000000) + i;
    }
    assert_int_equal(engine_cpu_set_register(m->cpu, seL4_VCPUReg_SP_EL1, 0x5678), 0);
    assert_int_equal(engine_cpu_set_context(m->cpu, &context), 0);
    engine_cpu_get_context(m->cpu, &got);
    assert_memory_equal(&got, &context, sizeof(got));
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_SP_EL1, &value), 0);
    assert_int_equal(value, 0x5678);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_Num, &value), -EINVAL);
}

static void a_mode_that_a_guest_may_not_have_is_el0(void **state)
{
    struct machine *m = *state;
    seL4_UserContext context = {.pc = RAM, .spsr = 0x3cd};
    seL4_UserContext got;

    engine_cpu_set_context(m->cpu, &context);
    engine_cpu_get_context(m->cpu, &got);
    assert_int_equal(got.spsr & 15, 0);
}

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

/* --------------------------------------------------------------------------- stopping and waiting
 */

static void a_spinning_guest_is_stopped_by_its_slice_and_by_a_kick(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    memcpy(m->ram, (uint32_t[]){GC_SPIN}, 4);
    engine_cpu_set_context(m->cpu, &m->context);
    engine_cpu_run(m->cpu, 1000, &exit);
    assert_int_equal(exit.kind, ENGINE_EXIT_SLICE);
    engine_cpu_get_context(m->cpu, &m->context);
    assert_int_equal(m->context.pc, RAM);
    engine_cpu_kick(m->cpu);
    engine_cpu_run(m->cpu, 1000, &exit);
    assert_int_equal(exit.kind, ENGINE_EXIT_KICKED);
}

static void two_cpus_wait_with_accesses_at_once(void **state)
{
    struct machine *m = *state;
    struct engine_cpu *other;
    struct engine_exit exit;
    seL4_UserContext context = {.pc = RAM, .spsr = EL1H, .x1 = HOLE};

    assert_int_equal(engine_cpu_create(m->engine, &other), 0);
    memcpy(m->ram, (uint32_t[]){GC_LDR_X0, GC_HVC(0)}, 8);
    engine_cpu_set_context(m->cpu, &context);
    engine_cpu_set_context(other, &context);
    engine_cpu_run(m->cpu, SLICE, &exit);
    engine_cpu_run(other, SLICE, &exit);
    engine_cpu_answer(m->cpu, ENGINE_ADVANCE, 1);
    engine_cpu_answer(other, ENGINE_ADVANCE, 2);
    engine_cpu_run(m->cpu, SLICE, &exit);
    engine_cpu_run(other, SLICE, &exit);
    engine_cpu_get_context(m->cpu, &context);
    assert_int_equal(context.x0, 1);
    engine_cpu_get_context(other, &context);
    assert_int_equal(context.x0, 2);
    engine_cpu_destroy(other);
}

static void new_registers_give_a_waiting_access_up(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    m->context.x1 = DEVICE;
    m->context.x2 = 5;
    memcpy(m->ram, (uint32_t[]){GC_LDR_X0, GC_STR_X2, GC_HVC(0), GC_HVC(1)}, 16);
    engine_cpu_set_context(m->cpu, &m->context);
    engine_cpu_run(m->cpu, SLICE, &exit);
    assert_int_equal(exit.kind, ENGINE_EXIT_MEMORY);
    engine_cpu_get_context(m->cpu, &m->context);
    assert_int_equal(m->context.pc, RAM);
    m->context.pc = RAM + 12;
    m->context.x2 = 99;
    engine_cpu_set_context(m->cpu, &m->context);
    engine_cpu_answer(m->cpu, ENGINE_ADVANCE, 0);
    assert_int_equal(go_on(m).hsr & 0xffff, 1);
    assert_int_equal(m->seen_count, 0);
    assert_int_equal(m->context.x2, 99);
}

static void a_cpu_that_waits_can_be_destroyed(void **state)
{
    struct machine *m = *state;
    struct engine_cpu *other;
    struct engine_exit exit;
    seL4_UserContext context = {.pc = RAM, .spsr = EL1H, .x1 = DEVICE};

    memcpy(m->ram, (uint32_t[]){GC_LDR_X0, GC_HVC(0)}, 8);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(engine_cpu_create(m->engine, &other), 0);
        context.x1 = i == 0 ? DEVICE : HOLE;
        engine_cpu_set_context(other, &context);
        engine_cpu_run(other, SLICE, &exit);
        assert_int_equal(exit.kind, ENGINE_EXIT_MEMORY);
        engine_cpu_destroy(other);
    }
}

static void a_skipped_load_leaves_its_register(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    m->context.x1 = DEVICE;
    m->context.x0 = UINT64_C(0x0123456789abcdef);
    memcpy(m->ram, (uint32_t[]){GC_LDR_X0, GC_HVC(0)}, 8);
    engine_cpu_set_context(m->cpu, &m->context);
    engine_cpu_run(m->cpu, SLICE, &exit);
    engine_cpu_answer(m->cpu, ENGINE_SKIP, 0);
    assert_int_equal(go_on(m).kind, ENGINE_EXIT_TRAP);
    assert_int_equal(m->context.x0, UINT64_C(0x0123456789abcdef));
}

/* ------------------------------------------------------------------------- the guest's own MMU */

#define TABLE (RAM + 0x200000)
#define VIRTUAL_RAM UINT64_C(0x80000000)
#define VIRTUAL_LOW UINT64_C(0xc0000000)

/* 1 GiB blocks: RAM at itself and at 2 GiB, what is at 0 at 3 GiB. */
static void turn_mmu_on(struct machine *m)
{
    const uint64_t block = 1 | UINT64_C(1) << 10; /* valid, accessed; memory type 0 */
    uint64_t table[4] = {0, RAM | block, RAM | block, 0 | block};

    memcpy(m->ram + (TABLE - RAM), table, sizeof(table));
    assert_int_equal(engine_cpu_set_register(m->cpu, seL4_VCPUReg_MAIR, 0xff), 0);
    assert_int_equal(engine_cpu_set_register(m->cpu, seL4_VCPUReg_TTBR0, TABLE), 0);
    assert_int_equal(engine_cpu_set_register(m->cpu, seL4_VCPUReg_TCR, 25), 0); /* 39 bits */
    assert_int_equal(engine_cpu_set_register(m->cpu, seL4_VCPUReg_SCTLR, 0x30d00801), 0);
}

static struct engine_exit run_virtual(struct machine *m, const uint32_t *code, size_t bytes)
{
    memcpy(m->ram, code, bytes);
    engine_invalidate(m->engine, RAM, 0x1000);
    m->seen_count = 0;
    m->context.pc = VIRTUAL_RAM;
    engine_cpu_set_context(m->cpu, &m->context);
    return go_on(m);
}

#define RUN_VIRTUAL(m, ...) \
    run_virtual(m, (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}))

static void with_the_mmu_on_accesses_have_guest_physical_addresses(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    turn_mmu_on(m);
    m->context.x1 = VIRTUAL_LOW + DEVICE;
    m->context.x2 = 0x77;
    exit = RUN_VIRTUAL(m, GC_LDR_X0, GC_STR_X2_AT_5, GC_HVC(4));
    assert_int_equal(exit.kind, ENGINE_EXIT_TRAP);
    assert_int_equal(exit.pc, VIRTUAL_RAM + 8);
    assert_int_equal(exit.hsr & 0xffff, 4);
    assert_int_equal(m->seen_count, 5);
    assert_seen(m, 0, DEVICE, 8, false);
    assert_int_equal(m->seen[0].pc, VIRTUAL_RAM);
    assert_seen(m, 1, DEVICE + 5, 1, true);
    assert_int_equal(m->seen[1].data, 0x77);
    assert_int_equal(m->context.x0, device_data(DEVICE, 8));
}

static void with_the_mmu_on_read_only_frames_and_holes_trap(void **state)
{
    struct machine *m = *state;

    turn_mmu_on(m);
    m->context.x1 = VIRTUAL_LOW + READ_ONLY + 8;
    m->context.x2 = 0x1234;
    (void)RUN_VIRTUAL(m, GC_STR_X2, GC_LDR_X0, GC_HVC(0));
    assert_int_equal(m->seen_count, 1);
    assert_seen(m, 0, READ_ONLY + 8, 8, true);
    assert_int_equal(m->seen[0].data, 0x1234);
    assert_int_equal(m->context.x0, device_data(8, 8));
    m->context.x1 = VIRTUAL_LOW + HOLE - 6 - 3;
    (void)RUN_VIRTUAL(m, GC_LDR_X0_AT_6, GC_HVC(0));
    assert_int_equal(m->seen_count, 2);
    assert_int_equal(m->context.x0, 0x0403020100fffefd);
}

static void with_the_mmu_on_changed_code_runs_as_it_is_now(void **state)
{
    struct machine *m = *state;

    turn_mmu_on(m);
    assert_int_equal(RUN_VIRTUAL(m, GC_HVC(1)).hsr & 0xffff, 1);
    assert_int_equal(RUN_VIRTUAL(m, GC_HVC(2)).hsr & 0xffff, 2);
}

static void with_the_mmu_on_a_jump_to_nowhere_says_where(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    turn_mmu_on(m);
    m->context.x1 = VIRTUAL_LOW + 0x06000000;
    exit = RUN_VIRTUAL(m, GC_BR_X1);
    assert_int_equal(exit.kind, ENGINE_EXIT_MEMORY);
    assert_true(exit.fetch);
    assert_int_equal(exit.address, 0x06000000);
    assert_int_equal(exit.pc, VIRTUAL_LOW + 0x06000000);
}

static void an_access_that_the_guests_tables_refuse_goes_to_its_vectors(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;
    uint64_t value;

    turn_mmu_on(m);
    m->context.x6 = VIRTUAL_RAM + (VECTORS - RAM);
    m->context.x1 = 0x1230;
    exit = RUN_VIRTUAL(m, GC_MSR_VBAR_X6, GC_NOP, GC_STR_X2);
    assert_int_equal(exit.hsr & 0xffff, 255);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_ESR, &value), 0);
    assert_int_equal(value >> 26, 0x25);
    assert_int_equal(value & 0x40, 0x40);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_FAR, &value), 0);
    assert_int_equal(value, 0x1230);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_ELR_EL1, &value), 0);
    assert_int_equal(value, VIRTUAL_RAM + 8);
}

/* ------------------------------------------------------------------------------ not the guest's */

static sigjmp_buf jumped;

static void jump(int signal)
{
    siglongjmp(jumped, signal);
}

static void segfault(void)
{
    volatile int *nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    *nothing = 1;
}

static void a_segfault_that_isnt_the_guests_goes_to_the_handler_before(void **state)
{
    struct machine *m = *state;
    struct sigaction action = {.sa_handler = jump};
    struct sigaction before;
    volatile int caught = 0;

    sigaction(SIGSEGV, &action, &before);
    (void)RUN(m, GC_HVC(0));
    for (volatile int i = 0; i < 2; i++) {
        if (sigsetjmp(jumped, 1) == 0) {
            segfault();
        } else {
            caught++;
        }
        (void)RUN(m, GC_HVC(0));
    }
    sigaction(SIGSEGV, &before, NULL);
    assert_int_equal(caught, 2);
}

static void without_a_handler_before_a_segfault_kills(void **state)
{
    struct machine *m = *state;
    int status;
    pid_t child = fork();

    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        (void)RUN(m, GC_HVC(0));
        segfault();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_set_up, machine_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hvc_smc_and_wfi_come_out_at_their_instruction),
        TEST(the_guests_own_exceptions_go_to_its_vectors),
        TEST(an_exception_without_vectors_is_the_end),
        TEST(registers_keep_what_they_are_given),
        TEST(a_mode_that_a_guest_may_not_have_is_el0),
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
        TEST(a_spinning_guest_is_stopped_by_its_slice_and_by_a_kick),
        TEST(two_cpus_wait_with_accesses_at_once),
        TEST(new_registers_give_a_waiting_access_up),
        TEST(a_cpu_that_waits_can_be_destroyed),
        TEST(a_skipped_load_leaves_its_register),
        TEST(with_the_mmu_on_accesses_have_guest_physical_addresses),
        TEST(with_the_mmu_on_read_only_frames_and_holes_trap),
        TEST(with_the_mmu_on_changed_code_runs_as_it_is_now),
        TEST(with_the_mmu_on_a_jump_to_nowhere_says_where),
        TEST(an_access_that_the_guests_tables_refuse_goes_to_its_vectors),
        TEST(a_segfault_that_isnt_the_guests_goes_to_the_handler_before),
        TEST(without_a_handler_before_a_segfault_kills),
    };

    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}

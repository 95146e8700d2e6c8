/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest CPU where something is short, late or odd: memory for its views, mappings under it,
 * registers that come while an access waits, signals of others.
 */
#include "../vm/failing_system.h"
#include "machine.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "decode.h"

enum {
    SVC_9 = 0xd4000121,         /* svc #9 */
    BRK_7 = 0xd42000e0,         /* brk #7 */
    STRH_W2 = 0x79000022,       /* strh w2, [x1] */
    LDRH_W2 = 0x79400022,       /* ldrh w2, [x1] */
    PRFM_LITERAL = 0xd8000040,  /* prfm pldl1keep, . + 8 */
    PAIR_RESERVED = 0xe9400c22, /* opc 11: none of the pairs */
    CLASS_SVC64 = 0x15,
    CLASS_BRK64 = 0x3c,
};

/* ------------------------------------------------------------------------------- running out */

/* Run until it goes: each request on the way fails once, and nothing but "no memory" comes of it.
 */
static struct engine_exit run_short_of_memory(struct machine *m, unsigned *failures)
{
    struct engine_exit exit;
    bool struck = true;

    for (*failures = 0; struck; ++*failures) {
        system_fail(*failures + 1);
        engine_cpu_run(m->cpu, SLICE, &exit);
        system_rest();
        struck = system_failed();
        if (struck) {
            assert_int_equal(exit.kind, ENGINE_EXIT_BROKEN);
            assert_string_equal(exit.why, "no memory");
        }
    }
    return exit;
}

static void new_windows_that_find_no_memory_come_later(void **state)
{
    struct machine *m = *state;
    unsigned failures;

    (void)RUN(m, GC_NOP, GC_HVC(0));
    memcpy(m->ram, (uint32_t[]){GC_LDR_X0, GC_HVC(5)}, 8);
    m->context.pc = RAM;
    m->context.x1 = OUTSIDE;
    engine_cpu_set_context(m->cpu, &m->context);
    assert_int_equal(engine_window_add(m->engine, OUTSIDE, 0x1000), 0);
    assert_int_equal(engine_window_add(m->engine, OUTSIDE + 0x10000, 0x1000), 0);
    /* The frames that come under the guest afterwards are asked for as well, and do come. */
    for (failures = 1;; failures++) {
        struct engine_exit exit;

        system_fail(failures);
        engine_cpu_run(m->cpu, SLICE, &exit);
        system_rest();
        if (exit.kind != ENGINE_EXIT_BROKEN) {
            assert_int_equal(exit.hsr & 0xffff, 5);
            break;
        }
        assert_true(system_failed());
        assert_string_equal(exit.why, "no memory");
    }
    assert_true(failures > 6);
    engine_cpu_get_context(m->cpu, &m->context);
    assert_int_equal(m->context.x0, UINT64_C(0x15120f0c09060300));
}

static void registers_for_a_waiting_access_need_memory_and_are_kept(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;
    unsigned failures;

    memcpy(m->ram, (uint32_t[]){GC_LDR_X0, GC_SPIN}, 8);
    m->context.x1 = DEVICE;
    engine_cpu_set_context(m->cpu, &m->context);
    engine_cpu_run(m->cpu, SLICE, &exit);
    assert_int_equal(exit.kind, ENGINE_EXIT_MEMORY);
    m->context.x2 = 99;
    engine_cpu_set_context(m->cpu, &m->context);
    engine_cpu_get_context(m->cpu, &m->context);
    assert_int_equal(m->context.x2, 99);
    engine_cpu_answer(m->cpu, ENGINE_ADVANCE, 0); /* the load is given up: behind it */
    exit = run_short_of_memory(m, &failures);
    assert_true(failures > 3);
    assert_int_equal(exit.kind, ENGINE_EXIT_SLICE);
    engine_cpu_get_context(m->cpu, &m->context);
    assert_int_equal(m->context.pc, RAM + 4);
    assert_int_equal(m->context.x2, 99);
}

static void an_abort_for_the_guest_needs_memory(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    m->context.x1 = HOLE;
    m->context.x6 = VECTORS;
    assert_int_equal(RUN(m, GC_MSR_VBAR_X6, GC_LD1).kind, ENGINE_EXIT_OPAQUE);
    engine_cpu_answer(m->cpu, ENGINE_ABORT, 0);
    system_fail(1);
    engine_cpu_run(m->cpu, SLICE, &exit);
    system_rest();
    assert_int_equal(exit.kind, ENGINE_EXIT_BROKEN);
    assert_string_equal(exit.why, "no memory");
    assert_int_equal(go_on(m).hsr & 0xffff, 255);
}

/* Too many mappings in the process: the view's go, and the frame comes. */
static void a_frame_that_finds_no_mapping_comes_after_the_others_went(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    memcpy(m->ram, (uint32_t[]){GC_STR_X2, GC_LDR_X0, GC_HVC(4)}, 12);
    m->context.x1 = RAM + 0x10000;
    m->context.x2 = 0x1234;
    engine_cpu_set_context(m->cpu, &m->context);
    system_fail(1);
    engine_cpu_run(m->cpu, SLICE, &exit);
    system_rest();
    assert_true(system_failed());
    assert_int_equal(exit.hsr & 0xffff, 4);
    engine_cpu_get_context(m->cpu, &m->context);
    assert_int_equal(m->context.x0, 0x1234);
    assert_int_equal(m->ram[0x10000], 0x34);
}

static void an_answer_that_finds_no_mapping_comes_later(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    memcpy(m->ram, (uint32_t[]){GC_LDR_X0, GC_HVC(4)}, 8);
    m->context.x1 = HOLE;
    engine_cpu_set_context(m->cpu, &m->context);
    engine_cpu_run(m->cpu, SLICE, &exit);
    assert_int_equal(exit.kind, ENGINE_EXIT_MEMORY);
    engine_cpu_answer(m->cpu, ENGINE_ADVANCE, 77);
    system_fail(1);
    engine_cpu_run(m->cpu, SLICE, &exit);
    system_rest();
    assert_true(system_failed());
    assert_int_equal(exit.kind, ENGINE_EXIT_BROKEN);
    assert_non_null(strstr(exit.why, "mapping"));
    assert_int_equal(go_on(m).hsr & 0xffff, 4);
    assert_int_equal(m->seen_count, 0); /* the answer was there */
    assert_int_equal(m->context.x0, 77);
}

static void windows_are_limited(void **state)
{
    struct machine *m = *state;
    int err = 0;
    unsigned added = 0;

    while (err == 0 && added < 1000) {
        err = engine_window_add(m->engine, DEVICE + added * UINT64_C(0x10000), 0x1000);
        added += err == 0;
    }
    assert_int_equal(err, -ENOSPC);
    assert_true(added > 100);
    m->context.x1 = READ_ONLY;
    assert_int_equal(RUN(m, GC_LDR_X0, GC_HVC(6)).hsr & 0xffff, 6);
    assert_int_equal(m->context.x0, UINT64_C(0x0706050403020100));
}

/* ------------------------------------------------------------------------------- beginning and end
 */

static void an_engine_takes_its_cpus_with_it(void **state)
{
    struct machine *m = *state;
    struct engine *engine;
    struct engine_cpu *cpus[3];
    struct system_use before = system_use(), after;

    for (unsigned first = 0; first < 3; first++) { /* one by hand, the others with the engine */
        assert_int_equal(engine_create(m->host, 1, &engine), 0);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(engine_cpu_create(engine, &cpus[i]), 0);
        }
        engine_cpu_destroy(cpus[first]);
        engine_destroy(engine);
        after = system_use();
        assert_int_equal(after.blocks, before.blocks);
    }
    engine_cpu_destroy(NULL);
    engine_destroy(NULL);
}

/* ------------------------------------------------------------------------------- exceptions */

static void assert_raised(struct machine *m, uint32_t insn, unsigned class, unsigned number)
{
    uint64_t value;

    m->context.x6 = VECTORS;
    assert_int_equal(RUN(m, GC_MSR_VBAR_X6, insn, GC_NOP).hsr & 0xffff, 255);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_ESR, &value), 0);
    assert_int_equal(value >> 26, class);
    assert_int_equal(value & 0xffff, number);
}

static void system_calls_and_breakpoints_are_the_guests(void **state)
{
    struct machine *m = *state;
    uint64_t value;

    assert_raised(m, SVC_9, CLASS_SVC64, 9);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_ELR_EL1, &value), 0);
    assert_int_equal(value, RAM + 8); /* behind it */
    assert_raised(m, BRK_7, CLASS_BRK64, 7);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_ELR_EL1, &value), 0);
    assert_int_equal(value, RAM + 4); /* at it */
}

static void vectors_that_fault_without_end_end_with_the_slice(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    memcpy(m->ram, (uint32_t[]){GC_MSR_VBAR_X6, GC_UDF}, 8);
    memset(m->ram + 0x20000, 0, 0x1000);
    m->context.x6 = RAM + 0x20000;
    engine_cpu_set_context(m->cpu, &m->context);
    for (unsigned i = 0; i < 3; i++) {
        engine_cpu_run(m->cpu, 50, &exit);
        assert_int_equal(exit.kind, ENGINE_EXIT_SLICE);
        assert_int_equal(exit.pc, RAM + 0x20200);
    }
}

static void registers_that_are_none_are_refused(void **state)
{
    struct machine *m = *state;

    assert_int_equal(engine_cpu_set_register(m->cpu, seL4_VCPUReg_Num, 1), -EINVAL);
}

/* --------------------------------------------------------------------------------- accesses */

static void every_size_works_outside_windows(void **state)
{
    struct machine *m = *state;

    m->context.x1 = OUTSIDE + 8;
    m->context.x2 = UINT64_C(0x8877665544332211);
    (void)RUN(m, GC_STR_X2, GC_STR_W2, STRH_W2, GC_STRB_W2, GC_HVC(0));
    assert_memory_equal(m->outside + 8, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
    m->context.x2 = UINT64_C(0xeeddccbbaa998877);
    (void)RUN(m, GC_STR_W2, GC_HVC(0));
    assert_memory_equal(m->outside + 8, "\x77\x88\x99\xaa\x55\x66\x77\x88", 8);
    m->outside[9] = 1;
    (void)RUN(m, LDRH_W2, GC_HVC(0));
    assert_int_equal(m->context.x2, 0x0177);
    (void)RUN(m, STRH_W2, GC_LDRB_W2, GC_HVC(0));
    assert_int_equal(m->context.x2, 0x77);
    m->context.x2 = 0x42;
    (void)RUN(m, GC_STRB_W2, GC_LDR_W2, GC_HVC(0));
    assert_int_equal(m->context.x2, 0xaa990142);
    assert_int_equal(m->seen_count, 0);
}

static void a_signed_index_goes_backwards(void **state)
{
    struct machine *m = *state;

    m->context.x1 = DEVICE + 0x10;
    m->context.x2 = UINT32_MAX; /* -1 as a word */
    (void)RUN(m, GC_LDR_W0_W2_SXTW, GC_HVC(0));
    assert_seen(m, 0, DEVICE + 0xc, 4, false);
    assert_int_equal(m->seen[0].pc, RAM);
}

static void what_is_no_load_is_not_taken_for_one(void **state)
{
    struct decode_memory memory;

    (void)state;
    assert_false(decode_memory(PRFM_LITERAL, &memory));
    assert_false(decode_memory(PAIR_RESERVED, &memory));
}

/* ------------------------------------------------------------------------------ not the guest's */

static volatile sig_atomic_t trapped;

static void count(int signal, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    trapped += signal == SIGTRAP || signal == SIGSEGV;
    errno = EXDEV;
}

static void signals_of_others_go_to_the_handler_before(void **state)
{
    struct machine *m = *state;
    const int signals[] = {SIGTRAP, SIGSEGV};

    for (unsigned i = 0; i < 2; i++) {
        struct sigaction action = {.sa_sigaction = count, .sa_flags = SA_SIGINFO};
        struct sigaction before;

        sigaction(signals[i], &action, &before);
        (void)RUN(m, GC_HVC(0));
        trapped = 0;
        errno = 0;
        raise(signals[i]);
        assert_int_equal(trapped, 1);
        assert_int_equal(errno, 0);
        sigaction(signals[i], &before, NULL);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_set_up, machine_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(new_windows_that_find_no_memory_come_later),
        TEST(registers_for_a_waiting_access_need_memory_and_are_kept),
        TEST(an_abort_for_the_guest_needs_memory),
        TEST(a_frame_that_finds_no_mapping_comes_after_the_others_went),
        TEST(an_answer_that_finds_no_mapping_comes_later),
        TEST(windows_are_limited),
        TEST(an_engine_takes_its_cpus_with_it),
        TEST(system_calls_and_breakpoints_are_the_guests),
        TEST(vectors_that_fault_without_end_end_with_the_slice),
        TEST(registers_that_are_none_are_refused),
        TEST(every_size_works_outside_windows),
        TEST(a_signed_index_goes_backwards),
        TEST(what_is_no_load_is_not_taken_for_one),
        TEST(signals_of_others_go_to_the_handler_before),
    };

    return cmocka_run_group_tests_name("engine_edges", tests, NULL, NULL);
}

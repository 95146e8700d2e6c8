/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest CPU in itself: traps, registers, stopping, waiting, signals that aren't its own.
 */
#include "machine.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* In memory, across the end of it, at a device, in a hole: nobody is asked for such an instruction. */
static void code_at_an_odd_address_is_an_exception_of_the_guests(void **state)
{
    const uint64_t places[] = {RAM + 0x1002, HOLE - 2, DEVICE + 1, NOWHERE + 0xffe};
    struct machine *m = *state;
    uint64_t value;

    for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
        m->context.x6 = VECTORS;
        m->context.x1 = places[i];
        assert_int_equal(RUN(m, GC_MSR_VBAR_X6, GC_BR_X1).hsr & 0xffff, 255);
        assert_int_equal(m->seen_count, 0);
        assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_ESR, &value), 0);
        assert_int_equal(value >> 26, 0x22);
        assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_ELR_EL1, &value), 0);
        assert_int_equal(value, places[i]);
        assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_FAR, &value), 0);
        assert_int_equal(value, places[i]);
    }
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
        TEST(code_at_an_odd_address_is_an_exception_of_the_guests),
        TEST(an_exception_without_vectors_is_the_end),
        TEST(registers_keep_what_they_are_given),
        TEST(a_mode_that_a_guest_may_not_have_is_el0),
        TEST(a_spinning_guest_is_stopped_by_its_slice_and_by_a_kick),
        TEST(two_cpus_wait_with_accesses_at_once),
        TEST(new_registers_give_a_waiting_access_up),
        TEST(a_cpu_that_waits_can_be_destroyed),
        TEST(a_skipped_load_leaves_its_register),
        TEST(a_segfault_that_isnt_the_guests_goes_to_the_handler_before),
        TEST(without_a_handler_before_a_segfault_kills),
    };

    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}

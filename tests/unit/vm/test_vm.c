/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * VMs and vcpus: their making and their end, registers, traps, waiting, stopping.
 */
#define _GNU_SOURCE
#include "vm_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sel4vm/guest_vm_exits.h>
#include <sel4vm/guest_vm_util.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

enum {
    GC_LDXR_W2 = 0x885f7c22,    /* ldxr w2, [x1]      */
    GC_ADD_W2_1 = 0x11000442,   /* add w2, w2, #1     */
    GC_STXR_W3_W2 = 0x88037c22, /* stxr w3, w2, [x1]  */
    GC_CBNZ_W3_BACK_3 = 0x35ffffa3,
    GC_SUBS_X4 = 0xf1000484, /* subs x4, x4, #1    */
    GC_BNE_BACK_5 = 0x54ffff61,
    GC_BNE_BACK_2 = 0x54ffffc1,
    GC_CBZ_W0_BACK_1 = 0x34ffffe0,
};

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ------------------------------------------------------------------------- beginning and end */

static void a_vm_leaves_nothing_behind(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(fixture->host);
    struct guestmem_host_snapshot *after;

    assert_int_equal(fixture_vm_init(fixture, &fixture->vm, "test"), 0);
    fixture_ram(&fixture->vm);
    fixture->vcpu = vm_create_vcpu(&fixture->vm, 100);
    assert_int_equal(
        vm_register_unhandled_vcpu_fault_callback(fixture->vcpu, fixture_vcpu_callback, fixture),
        0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_NOP, GC_HVC(0)), 0);
    assert_int_equal(guestmem_host_vm_destroy(&fixture->vm), 0);
    after = guestmem_host_snapshot(fixture->host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

static void vm_init_that_fails_leaves_nothing_behind(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(fixture->host);
    unsigned failures = 0;
    int err;

    do {
        struct guestmem_host_snapshot *after;

        guestmem_host_fail(fixture->host, GUESTMEM_HOST_FAIL_ANY, failures + 1, false);
        err = fixture_vm_init(fixture, &fixture->vm, "test");
        if (guestmem_host_failed(fixture->host, NULL)) {
            failures++;
            assert_int_equal(err, -1);
            after = guestmem_host_snapshot(fixture->host);
            assert_true(guestmem_host_snapshot_same(before, after, stderr));
            guestmem_host_snapshot_free(after);
        }
    } while (err != 0);
    guestmem_host_fail(fixture->host, GUESTMEM_HOST_FAIL_ANY, 0, false);
    assert_true(failures >= 3);
    guestmem_host_snapshot_free(before);
}

static void arguments_that_are_missing_are_refused(void **state)
{
    struct fixture *fixture = *state;
    vm_t *vm = &fixture->vm;

    assert_int_equal(vm_init(NULL, NULL, NULL, *guestmem_host_vspace(fixture->host), NULL, 0, "x"),
                     -1);
    assert_int_equal(fixture_vm_init(fixture, vm, NULL), -1);
    assert_null(vm_create_vcpu(vm, 1));
    assert_int_equal(vm_run(vm), -1);
    assert_int_equal(vm_run(NULL), -1);
    assert_int_equal(vcpu_start(NULL), -1);
    assert_int_equal(vm_assign_vcpu_target(NULL, 0), -1);
    assert_int_equal(vm_register_unhandled_mem_fault_callback(NULL, NULL, NULL), -1);
    assert_int_equal(vm_register_notification_callback(vm, NULL, NULL), -1);
    assert_int_equal(vm_register_smc_handler_callback(vm, NULL), -1);
    assert_int_equal(vm_register_unhandled_vcpu_fault_callback(NULL, NULL, NULL), -1);
    assert_int_equal(guestmem_host_vm_destroy(NULL), 0);
}

static void a_vm_is_made_once(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(fixture_vm_init(fixture, &fixture->vm, "again"), -1);
    assert_string_equal(fixture->vm.vm_name, "test");
}

static void D36_vcpus_are_numbered_per_vm(void **state)
{
    struct fixture *fixture = *state;
    vm_t other;

    assert_int_equal(fixture_vm_init(fixture, &other, "other"), 0);
    assert_int_equal(fixture->vcpu->vcpu_id, 0);
    for (unsigned i = 0; i < CONFIG_MAX_NUM_NODES; i++) {
        vm_vcpu_t *vcpu = vm_create_vcpu(&other, 1);

        assert_non_null(vcpu);
        assert_int_equal(vcpu->vcpu_id, i);
        assert_ptr_equal(other.vcpus[i], vcpu);
    }
    assert_null(vm_create_vcpu(&other, 1));
    assert_int_equal(guestmem_host_vm_destroy(&other), 0);
}

static void a_core_belongs_to_one_vcpu(void **state)
{
    struct fixture *fixture = *state;
    vm_vcpu_t *second = vm_create_vcpu(&fixture->vm, 1);

    assert_ptr_equal(vm_find_free_unassigned_vcpu(&fixture->vm), fixture->vcpu);
    assert_int_equal(vm_assign_vcpu_target(fixture->vcpu, 0), 0);
    assert_int_equal(vm_assign_vcpu_target(second, 0), -1);
    assert_int_equal(vm_assign_vcpu_target(second, 1), 0);
    assert_ptr_equal(vm_vcpu_for_target_cpu(&fixture->vm, 1), second);
    assert_int_equal(vm_assign_vcpu_target(second, -1), 0);
    assert_int_equal(second->target_cpu, -1);
}

static void a_vm_without_a_started_vcpu_does_not_run(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_host_vm_exit exit;

    assert_int_equal(vm_run(&fixture->vm), -1);
    guestmem_host_vm_get_exit(&fixture->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_NO_VCPU);
    assert_int_equal(fixture->vm.run.exit_reason, VM_GUEST_ERROR_EXIT);
}

/* ------------------------------------------------------------------------------ registers */

static void registers_are_set_one_by_one(void **state)
{
    struct fixture *fixture = *state;
    uintptr_t value = 0;

    assert_int_equal(vm_set_thread_context_reg(fixture->vcpu, 0, 0x1234), 0);
    assert_int_equal(vm_get_thread_context_reg(fixture->vcpu, 0, &value), 0);
    assert_int_equal(value, 0x1234);
    assert_int_equal(fixture_context(fixture).pc, 0x1234);
    assert_int_equal(vm_get_thread_context_reg(fixture->vcpu, 36, &value), -1);
    assert_int_equal(vm_set_thread_context_reg(fixture->vcpu, 36, 1), -1);
    assert_int_equal(vm_set_arm_vcpu_reg(fixture->vcpu, seL4_VCPUReg_VBAR, 0x8000), 0);
    assert_int_equal(vm_get_arm_vcpu_reg(fixture->vcpu, seL4_VCPUReg_VBAR, &value), 0);
    assert_int_equal(value, 0x8000);
    assert_int_equal(vm_get_arm_vcpu_reg(fixture->vcpu, seL4_VCPUReg_Num, &value), -1);
}

/* ------------------------------------------------------------------------------ traps */

static void smc_and_hvc_reach_the_vcpu_callback(void **state)
{
    struct fixture *fixture = *state;

    fixture->context.x0 = 5;
    assert_int_equal(FIXTURE_RUN(fixture, GC_SMC(3), GC_HVC(0)), 0);
    assert_int_equal(fixture->hsr >> 26, 0x16);
    assert_int_equal(fixture_context(fixture).pc, FIXTURE_RAM + 8);
    assert_true(is_vcpu_online(fixture->vcpu));
}

static int refuse(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    struct fixture *fixture = cookie;

    (void)vcpu;
    fixture->hsr = hsr;
    return -1;
}

static void a_refused_trap_is_an_error_that_says_where(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_host_vm_exit exit;
    char text[200];

    assert_int_equal(vm_register_unhandled_vcpu_fault_callback(fixture->vcpu, refuse, fixture), 0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_NOP, GC_SMC(3)), -1);
    guestmem_host_vm_get_exit(&fixture->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_TRAP);
    assert_int_equal(exit.hsr, 0x17u << 26 | 1u << 25 | 3);
    assert_int_equal(exit.pc, FIXTURE_RAM + 4);
    assert_true(guestmem_host_vm_exit_text(&exit, text, sizeof(text)) > 0);
    assert_non_null(strstr(text, "SMC"));
    assert_non_null(strstr(text, "0x40000004"));
    assert_int_equal(vm_register_unhandled_vcpu_fault_callback(fixture->vcpu, NULL, NULL), 0);
    assert_int_equal(vm_run(&fixture->vm), -1);
}

static int refuse_and_stop(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    (void)hsr;
    (void)cookie;
    guestmem_host_vm_stop(vcpu->vm);
    return -1;
}

static void a_callback_that_stops_the_vm_ends_it_without_error(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_host_vm_exit exit;

    assert_int_equal(
        vm_register_unhandled_vcpu_fault_callback(fixture->vcpu, refuse_and_stop, NULL), 0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_SMC(0)), 0);
    guestmem_host_vm_get_exit(&fixture->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_STOPPED);
}

static int answer_smc(vm_vcpu_t *vcpu, seL4_UserContext *regs)
{
    (void)vcpu;
    regs->x0 += 100;
    return regs->x1 == 1 ? -1 : 0;
}

static void an_smc_handler_answers_in_registers(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(vm_register_smc_handler_callback(&fixture->vm, answer_smc), 0);
    fixture->context.x0 = 11;
    assert_int_equal(FIXTURE_RUN(fixture, GC_SMC(0), GC_HVC(0)), 0);
    assert_int_equal(fixture_context(fixture).x0, 111);
    fixture->context.x1 = 1;
    assert_int_equal(FIXTURE_RUN(fixture, GC_SMC(0), GC_HVC(0)), -1);
}

static void wfi_does_not_spin(void **state)
{
    struct fixture *fixture = *state;
    double wall = seconds(CLOCK_MONOTONIC);
    double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);

    fixture->context.x4 = 100;
    assert_int_equal(FIXTURE_RUN(fixture, GC_WFI, GC_SUBS_X4, GC_BNE_BACK_2, GC_HVC(0)), 0);
    wall = seconds(CLOCK_MONOTONIC) - wall;
    cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    assert_true(wall > 0.09);
    assert_true(cpu < wall / 2);
}

static void wfi_needs_no_callback(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(vm_register_unhandled_vcpu_fault_callback(fixture->vcpu, NULL, NULL), 0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_WFI, GC_HVC(0)), -1);
    assert_int_equal(fixture_context(fixture).pc, FIXTURE_RAM + 4);
}

/* ------------------------------------------------------------------------------ stopping */

static void *stop_soon(void *vm)
{
    usleep(20000);
    guestmem_host_vm_stop(vm);
    return NULL;
}

static void a_spinning_vm_is_stopped_from_a_thread_and_goes_on(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread;

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&thread, NULL, stop_soon, &fixture->vm), 0);
        assert_int_equal(i == 0 ? FIXTURE_RUN(fixture, GC_SPIN) : vm_run(&fixture->vm), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(fixture_context(fixture).pc, FIXTURE_RAM);
    }
}

static vm_t *alarm_vm;

static void on_alarm(int signal)
{
    (void)signal;
    guestmem_host_vm_stop(alarm_vm);
}

static void a_waiting_vm_is_stopped_from_a_signal_handler(void **state)
{
    struct fixture *fixture = *state;
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval soon = {.it_value = {.tv_usec = 20000}};

    alarm_vm = &fixture->vm;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    fixture->context.x4 = 1000000;
    assert_int_equal(FIXTURE_RUN(fixture, GC_WFI, GC_SUBS_X4, GC_BNE_BACK_2, GC_HVC(0)), 0);
    signal(SIGALRM, SIG_DFL);
}

static void a_stop_before_the_run_ends_the_run(void **state)
{
    struct fixture *fixture = *state;

    guestmem_host_vm_stop(&fixture->vm);
    assert_int_equal(FIXTURE_RUN(fixture, GC_SPIN), 0);
}

/* ------------------------------------------------------------------------------ several */

static sem_t notified;

static int count_notification(vm_t *vm, seL4_Word badge, seL4_MessageInfo_t tag, void *cookie)
{
    struct fixture *fixture = cookie;

    (void)tag;
    fixture->calls++;
    sem_post(&notified);
    if (badge & 2) {
        guestmem_host_vm_stop(vm);
    }
    return badge & 4 ? -1 : 0;
}

static void *notify_soon(void *vm)
{
    usleep(10000);
    guestmem_host_vm_notify(vm, 1);
    sem_wait(&notified); /* else the two badges may come as one, as a notification's do */
    guestmem_host_vm_notify(vm, 2);
    return NULL;
}

static void notifications_reach_a_running_vm(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_host_vm_exit exit;
    pthread_t thread;

    assert_int_equal(sem_init(&notified, 0, 0), 0);
    assert_int_equal(vm_register_notification_callback(&fixture->vm, count_notification, fixture),
                     0);
    assert_int_equal(pthread_create(&thread, NULL, notify_soon, &fixture->vm), 0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_SPIN), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(fixture->calls, 2);
    guestmem_host_vm_notify(&fixture->vm, 4);
    assert_int_equal(vm_run(&fixture->vm), -1);
    guestmem_host_vm_get_exit(&fixture->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_NOTIFICATION);
}

static int stop_when_both_are_done(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    struct fixture *fixture = cookie;

    (void)hsr;
    if (++fixture->calls == 2) {
        guestmem_host_vm_stop(vcpu->vm);
    }
    return 0; /* not advanced: it waits from now on */
}

static void two_vcpus_count_with_exclusives_and_lose_nothing(void **state)
{
    struct fixture *fixture = *state;
    vm_vcpu_t *second = vm_create_vcpu(&fixture->vm, 1);
    uint32_t zero = 0;

    fixture->context.x1 = FIXTURE_DATA;
    fixture->context.x4 = 300000;
    fixture_write(&fixture->vm, FIXTURE_DATA, &zero, sizeof(zero));
    assert_int_equal(
        vm_register_unhandled_vcpu_fault_callback(second, stop_when_both_are_done, fixture), 0);
    assert_int_equal(
        vm_register_unhandled_vcpu_fault_callback(fixture->vcpu, stop_when_both_are_done, fixture),
        0);
    assert_int_equal(vm_set_thread_context(second, fixture->context), 0);
    assert_int_equal(vcpu_start(second), 0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDXR_W2, GC_ADD_W2_1, GC_STXR_W3_W2, GC_CBNZ_W3_BACK_3,
                                 GC_SUBS_X4, GC_BNE_BACK_5, GC_HVC(1)),
                     0);
    assert_int_equal(fixture->calls, 2);
    assert_int_equal(fixture_read(&fixture->vm, FIXTURE_DATA, 4), 600000);
}

static int tell(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    (void)vcpu;
    (void)hsr;
    sem_post(cookie);
    return 0;
}

static void *run_other(void *vm)
{
    return vm_run(vm) == 0 ? vm : NULL;
}

static void two_vms_run_on_two_threads(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = {.host = fixture->host, .context = fixture->context};
    uint32_t code[] = {GC_SUBS_X4, GC_HVC(0), GC_SUBS_X4, GC_SPIN | 0x3ffffff};
    pthread_t thread;
    sem_t runs;
    void *result;

    assert_int_equal(fixture_vm_init(&other, &other.vm, "other"), 0);
    fixture_ram(&other.vm);
    other.vcpu = vm_create_vcpu(&other.vm, 1);
    fixture_write(&other.vm, FIXTURE_RAM, code, sizeof(code));
    assert_int_equal(vm_set_thread_context(other.vcpu, other.context), 0);
    assert_int_equal(vcpu_start(other.vcpu), 0);
    assert_int_equal(sem_init(&runs, 0, 0), 0);
    assert_int_equal(vm_register_unhandled_vcpu_fault_callback(other.vcpu, tell, &runs), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_other, &other.vm), 0);
    sem_wait(&runs);
    fixture->context.x4 = 2000000;
    assert_int_equal(FIXTURE_RUN(fixture, GC_SUBS_X4, 0x54ffffe1, GC_HVC(0)), 0);
    guestmem_host_vm_stop(&other.vm);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_non_null(result);
    assert_int_not_equal(fixture_context(&other).x4, 0);
    assert_int_equal(guestmem_host_vm_destroy(&other.vm), 0);
}

static int destroy_inside(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    struct fixture *fixture = cookie;

    (void)hsr;
    fixture->calls = guestmem_host_vm_destroy(vcpu->vm) == -EBUSY;
    guestmem_host_vm_stop(vcpu->vm);
    return 0;
}

static memory_fault_result_t stop_without_answer(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr,
                                                 size_t size, void *cookie)
{
    (void)vcpu;
    (void)addr;
    (void)size;
    (void)cookie;
    guestmem_host_vm_stop(vm);
    return FAULT_HANDLED;
}

static void *run_with_signal_stack(void *argument)
{
    struct fixture *fixture = argument;
    static uint8_t bytes[65536];
    stack_t own = {.ss_sp = bytes, .ss_size = sizeof(bytes)};
    stack_t before;

    assert_int_equal(sigaltstack(&own, &before), 0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_STR_X2, GC_HVC(0)), 0);
    assert_int_equal(fixture->hsr, 0); /* not yet at its end */
    assert_int_equal(sigaltstack(&before, NULL), 0);
    return NULL;
}

static void an_access_that_goes_on_in_another_thread_leaves_its_signal_stack(void **state)
{
    struct fixture *fixture = *state;
    stack_t before;
    stack_t after;
    pthread_t thread;

    assert_non_null(create_allocated_reservation_frame(&fixture->vm, FIXTURE_DEVICE, seL4_CanRead,
                                                       stop_without_answer, NULL));
    fixture->context.x1 = FIXTURE_DEVICE;
    assert_int_equal(pthread_create(&thread, NULL, run_with_signal_stack, fixture), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sigaltstack(NULL, &before), 0);
    advance_vcpu_fault(fixture->vcpu);
    assert_int_equal(vm_run(&fixture->vm), 0);
    assert_int_equal(fixture->hsr >> 26, 0x16);
    assert_int_equal(sigaltstack(NULL, &after), 0);
    assert_ptr_equal(after.ss_sp, before.ss_sp);
    assert_int_equal(after.ss_flags, before.ss_flags);
}

static void a_running_vm_is_not_destroyed(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(
        vm_register_unhandled_vcpu_fault_callback(fixture->vcpu, destroy_inside, fixture), 0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_HVC(0)), 0);
    assert_int_equal(fixture->calls, 1);
}

#define BARE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_vm_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BARE(a_vm_leaves_nothing_behind),
        BARE(vm_init_that_fails_leaves_nothing_behind),
        BARE(arguments_that_are_missing_are_refused),
        TEST(a_vm_is_made_once),
        TEST(D36_vcpus_are_numbered_per_vm),
        TEST(a_core_belongs_to_one_vcpu),
        TEST(a_vm_without_a_started_vcpu_does_not_run),
        TEST(registers_are_set_one_by_one),
        TEST(smc_and_hvc_reach_the_vcpu_callback),
        TEST(a_refused_trap_is_an_error_that_says_where),
        TEST(a_callback_that_stops_the_vm_ends_it_without_error),
        TEST(an_smc_handler_answers_in_registers),
        TEST(wfi_does_not_spin),
        TEST(wfi_needs_no_callback),
        TEST(a_spinning_vm_is_stopped_from_a_thread_and_goes_on),
        TEST(a_waiting_vm_is_stopped_from_a_signal_handler),
        TEST(a_stop_before_the_run_ends_the_run),
        TEST(notifications_reach_a_running_vm),
        TEST(two_vcpus_count_with_exclusives_and_lose_nothing),
        TEST(two_vms_run_on_two_threads),
        TEST(an_access_that_goes_on_in_another_thread_leaves_its_signal_stack),
        TEST(a_running_vm_is_not_destroyed),
    };

    return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
}

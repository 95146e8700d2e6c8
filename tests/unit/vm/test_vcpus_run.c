/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * vm_run() of several vcpus, in turns and in parallel: who gets to run, what ends it and how, and
 * what may be done from callbacks and from other threads.
 */
#define _GNU_SOURCE
#include "vcpus_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <sel4vm/guest_vm_util.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

#include "vcpus_code.h"

enum { GC_B_BACK_1 = 0x17ffffff /* b . - 4 */ };

static const uint32_t spin[] = {GC_SPIN};

static void start_both(struct vcpus *vcpus, const uint32_t *code, size_t bytes)
{
    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        vcpus_code(vcpus, n, code, bytes);
        vcpus_start(vcpus, n);
    }
}

/* ------------------------------------------------------------------------------- the mode */

static int set_mode(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    unsigned *refusals = cookie;

    (void)hsr;
    *refusals += guestmem_host_vm_set_parallel(vcpu->vm, true) == -EBUSY;
    guestmem_host_vm_stop(vcpu->vm);
    return 0;
}

static void the_mode_is_for_the_next_run(void **state)
{
    struct vcpus *vcpus = *state;
    const uint32_t code[] = {GC_HVC(1)};
    unsigned refusals = 0;
    vm_t none;

    memset(&none, 0, sizeof(none));
    assert_int_equal(guestmem_host_vm_set_parallel(NULL, true), -EINVAL);
    assert_int_equal(guestmem_host_vm_set_parallel(&none, true), -EINVAL);
    assert_int_equal(vm_register_unhandled_vcpu_fault_callback(vcpus->vcpu[0], set_mode, &refusals),
                     0);
    VCPUS_CODE(vcpus, 0, code);
    vcpus_start(vcpus, 0);
    assert_int_equal(vm_run(&vcpus->base.vm), 0);
    assert_int_equal(refusals, 1);
}

static void *stop_soon(void *vm)
{
    usleep(3000);
    guestmem_host_vm_stop(vm);
    return NULL;
}

static void a_vm_changes_from_one_mode_to_the_other(void **state)
{
    struct vcpus *vcpus = *state;
    vm_t *vm = &vcpus->base.vm;
    pthread_t thread;

    vcpus->context[0].x1 = VCPUS_DATA;
    vcpus->context[0].x2 = 1000;
    vcpus->context[0].x3 = 10000;
    vcpus->context[1] = vcpus->context[0];
    vcpus->context[1].pc += VCPUS_CODE_BYTES;
    vcpus->context[1].x0 = 1;
    start_both(vcpus, code_hammer, sizeof(code_hammer));
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(guestmem_host_vm_set_parallel(vm, (i % 2 == 0) != vcpus->parallel), 0);
        assert_int_equal(pthread_create(&thread, NULL, stop_soon, vm), 0);
        assert_int_equal(vm_run(vm), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(vcpus->failed, 0);
    }
    assert_true(vcpus_context(vcpus, 0).x3 < 10000);
    assert_true(vcpus_context(vcpus, 1).x3 < 10000);
}

static memory_fault_result_t stop_and_wait(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                           void *cookie)
{
    atomic_uint *stores = cookie;

    (void)vcpu;
    (void)addr;
    (void)size;
    atomic_fetch_add(stores, 1);
    guestmem_host_vm_stop(vm);
    return FAULT_HANDLED;
}

/* It is met in one thread and goes on in another, deep in the guest CPU. */
static void an_access_waits_over_a_change_of_the_mode(void **state)
{
    struct vcpus *vcpus = *state;
    const uint32_t store[] = {GC_STR_X2, GC_LDR_X0, GC_HVC(0)};
    vm_t *vm = &vcpus->base.vm;
    atomic_uint stores = 0;

    assert_non_null(
        create_allocated_reservation_frame(vm, 0x10000000, seL4_CanRead, stop_and_wait, &stores));
    VCPUS_CODE(vcpus, 0, store);
    vcpus->context[0].x1 = 0x10000000;
    vcpus->context[0].x2 = 5;
    vcpus_start(vcpus, 0);
    vcpus->expected = 1;
    assert_int_equal(vm_run(vm), 0);
    assert_int_equal(guestmem_host_vm_set_parallel(vm, !vcpus->parallel), 0);
    advance_vcpu_fault(vcpus->vcpu[0]);
    vcpus_run(vcpus);
    assert_int_equal(stores, 1);
    assert_int_equal(vcpus_context(vcpus, 0).x0, 0);
}

/* ------------------------------------------------------------------------------- being served */

struct share {
    atomic_uint accesses;
    unsigned wanted;
};

static memory_fault_result_t count_some(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                        void *cookie)
{
    struct share *share = cookie;

    (void)addr;
    (void)size;
    if (atomic_fetch_add(&share->accesses, 1) + 1 == share->wanted) {
        guestmem_host_vm_stop(vm);
    }
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

/* One spins; the other one's accesses don't cost it its turn each. */
static void a_vcpu_with_many_exits_gets_its_share(void **state)
{
    struct vcpus *vcpus = *state;
    const uint32_t store[] = {GC_STR_X2, GC_B_BACK_1};
    struct share share = {.wanted = 20000};
    vm_t *vm = &vcpus->base.vm;
    uint64_t start;
    struct timespec now;

    assert_non_null(vm_reserve_memory_at(vm, FIXTURE_DEVICE, 0x1000, count_some, &share));
    VCPUS_CODE(vcpus, 0, store);
    VCPUS_CODE(vcpus, 1, spin);
    vcpus->context[0].x1 = FIXTURE_DEVICE;
    vcpus_start(vcpus, 0);
    vcpus_start(vcpus, 1);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    start = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    assert_int_equal(vm_run(vm), 0);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    start = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 - start;
    assert_int_equal(share.accesses, share.wanted);
    /* Twenty slices of the spinning one, a few milliseconds each; 20,000 would take a minute. */
    assert_true(start < 10000);
}

/* The same between VMs: this one makes nothing but exits, and the other one comes to its end. */
static void *run_vm(void *vm)
{
    return vm_run(vm) == 0 ? vm : NULL;
}

static void a_vm_with_many_exits_lets_another_run(void **state)
{
    struct vcpus *vcpus = *state;
    const uint32_t store[] = {GC_STR_X2, GC_B_BACK_1};
    struct share share = {.wanted = 0};
    struct fixture other = {.host = vcpus->base.host};
    pthread_t thread;
    void *result;

    assert_non_null(
        vm_reserve_memory_at(&vcpus->base.vm, FIXTURE_DEVICE, 0x1000, count_some, &share));
    vcpus->context[0].x1 = FIXTURE_DEVICE;
    vcpus->context[1].x1 = FIXTURE_DEVICE;
    start_both(vcpus, store, sizeof(store));
    assert_int_equal(fixture_vm_init(&other, &other.vm, "other"), 0);
    fixture_ram(&other.vm);
    other.vcpu = vm_create_vcpu(&other.vm, 1);
    assert_int_equal(
        vm_register_unhandled_vcpu_fault_callback(other.vcpu, fixture_vcpu_callback, &other), 0);
    other.context.pc = FIXTURE_RAM;
    other.context.spsr = FIXTURE_EL1H;
    other.context.x1 = VCPUS_DATA;
    other.context.x2 = 1000;
    other.context.x3 = 100;
    fixture_write(&other.vm, FIXTURE_RAM, code_hammer, sizeof(code_hammer));
    assert_int_equal(vm_set_thread_context(other.vcpu, other.context), 0);
    assert_int_equal(vcpu_start(other.vcpu), 0);
    assert_int_equal(guestmem_host_vm_set_parallel(&other.vm, vcpus->parallel), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_vm, &vcpus->base.vm), 0);
    while (share.accesses == 0) {
        usleep(1000);
    }
    assert_int_equal(vm_run(&other.vm), 0);
    guestmem_host_vm_stop(&vcpus->base.vm);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_non_null(result);
    assert_int_equal(other.hsr & 0xffff, 0);
    assert_int_equal(guestmem_host_vm_destroy(&other.vm), 0);
}

/* While a thread has the turn, no vcpu runs. */
static void who_enters_is_alone(void **state)
{
    struct vcpus *vcpus = *state;
    pthread_t thread;
    void *result;

    vcpus_clear(vcpus, VCPUS_DATA, 0x1000);
    vcpus->context[0].x1 = VCPUS_DATA;
    vcpus->context[0].x2 = VCPUS_DATA + 8;
    vcpus->context[0].x3 = VCPUS_DATA + 16;
    vcpus->context[1] = vcpus->context[0];
    vcpus->context[1].pc += VCPUS_CODE_BYTES;
    start_both(vcpus, code_progress, sizeof(code_progress));
    assert_int_equal(pthread_create(&thread, NULL, run_vm, &vcpus->base.vm), 0);
    for (unsigned i = 0; i < 50; i++) {
        uint64_t before;

        guestmem_host_vm_enter();
        guestmem_host_vm_enter();
        before = fixture_read(&vcpus->base.vm, VCPUS_DATA + 8, 8);
        usleep(1000);
        assert_int_equal(fixture_read(&vcpus->base.vm, VCPUS_DATA + 8, 8), before);
        guestmem_host_vm_leave();
        guestmem_host_vm_leave();
        usleep(500);
    }
    guestmem_host_vm_stop(&vcpus->base.vm);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_non_null(result);
    assert_true(fixture_read(&vcpus->base.vm, VCPUS_DATA + 8, 8) > 0);
}

/* ------------------------------------------------------------------------------- its end */

static void a_stop_from_a_thread_stops_all(void **state)
{
    struct vcpus *vcpus = *state;
    pthread_t thread;

    start_both(vcpus, spin, sizeof(spin));
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(pthread_create(&thread, NULL, stop_soon, &vcpus->base.vm), 0);
        assert_int_equal(vm_run(&vcpus->base.vm), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(vcpus_context(vcpus, 0).pc, FIXTURE_RAM);
        assert_int_equal(vcpus_context(vcpus, 1).pc, FIXTURE_RAM + VCPUS_CODE_BYTES);
    }
}

static void an_error_of_one_ends_the_run_for_all(void **state)
{
    struct vcpus *vcpus = *state;
    struct guestmem_host_vm_exit exit;
    const uint32_t load[] = {GC_NOP, GC_LDR_X0, GC_HVC(0)};
    struct share share = {.wanted = 1};

    VCPUS_CODE(vcpus, 0, spin);
    VCPUS_CODE(vcpus, 1, load);
    vcpus->context[1].x1 = FIXTURE_DEVICE;
    vcpus_start(vcpus, 0);
    vcpus_start(vcpus, 1);
    assert_int_equal(vm_run(&vcpus->base.vm), -1);
    guestmem_host_vm_get_exit(&vcpus->base.vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_ACCESS);
    assert_int_equal(exit.vcpu, 1);
    assert_int_equal(exit.address, FIXTURE_DEVICE);
    assert_int_equal(exit.pc, FIXTURE_RAM + VCPUS_CODE_BYTES + 4);
    assert_non_null(
        vm_reserve_memory_at(&vcpus->base.vm, FIXTURE_DEVICE, 0x1000, count_some, &share));
    assert_int_equal(vm_run(&vcpus->base.vm), 0); /* the access is made again */
    assert_int_equal(share.accesses, 1);
}

/* Both have errors at once: one of them is told, and none is lost. */
static void errors_of_both_are_one(void **state)
{
    struct vcpus *vcpus = *state;
    struct guestmem_host_vm_exit exit;
    const uint32_t load[] = {GC_LDR_X0, GC_HVC(0)};
    struct share share = {.wanted = 3};

    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        vcpus->context[n].x1 = FIXTURE_DEVICE + n * 0x10;
    }
    start_both(vcpus, load, sizeof(load));
    assert_int_equal(vm_run(&vcpus->base.vm), -1);
    guestmem_host_vm_get_exit(&vcpus->base.vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_ACCESS);
    assert_int_equal(exit.address, FIXTURE_DEVICE + exit.vcpu * 0x10);
    assert_non_null(
        vm_reserve_memory_at(&vcpus->base.vm, FIXTURE_DEVICE, 0x1000, count_some, &share));
    vcpus_run(vcpus);
    assert_int_equal(share.accesses, 2);
}

static void without_a_started_vcpu_it_does_not_run(void **state)
{
    struct vcpus *vcpus = *state;
    struct guestmem_host_vm_exit exit;

    assert_int_equal(vm_run(&vcpus->base.vm), -1);
    guestmem_host_vm_get_exit(&vcpus->base.vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_NO_VCPU);
}

static int stop_at_badge(vm_t *vm, seL4_Word badge, seL4_MessageInfo_t tag, void *cookie)
{
    atomic_uint *calls = cookie;

    (void)tag;
    atomic_fetch_add(calls, 1);
    if (badge & 2) {
        guestmem_host_vm_stop(vm);
    }
    return badge & 4 ? -1 : 0;
}

static void *notify(void *vm)
{
    usleep(5000);
    guestmem_host_vm_notify(vm, 1);
    usleep(20000);
    guestmem_host_vm_notify(vm, 2);
    return NULL;
}

static void notifications_come_beside_the_vcpus(void **state)
{
    struct vcpus *vcpus = *state;
    struct guestmem_host_vm_exit exit;
    atomic_uint calls = 0;
    pthread_t thread;

    start_both(vcpus, spin, sizeof(spin));
    assert_int_equal(vm_register_notification_callback(&vcpus->base.vm, stop_at_badge, &calls), 0);
    assert_int_equal(pthread_create(&thread, NULL, notify, &vcpus->base.vm), 0);
    assert_int_equal(vm_run(&vcpus->base.vm), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_in_range(calls, 1, 2); /* two badges may come as one */
    guestmem_host_vm_notify(&vcpus->base.vm, 4);
    assert_int_equal(vm_run(&vcpus->base.vm), -1);
    guestmem_host_vm_get_exit(&vcpus->base.vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_NOTIFICATION);
}

/* ------------------------------------------------------------------------------- callbacks */

/* As PSCI's CPU_ON: vcpu 0 starts vcpu 1 at the address in x2, with x3 in its x0. */
static int cpu_on(vm_vcpu_t *vcpu, seL4_UserContext *regs)
{
    vm_vcpu_t *other = vcpu->vm->vcpus[1];
    seL4_UserContext context = {
        .pc = regs->x2, .spsr = FIXTURE_EL1H, .x0 = regs->x3, .x1 = VCPUS_DATA};

    if (is_vcpu_online(other) || vm_set_thread_context(other, context) != 0) {
        return -1;
    }
    regs->x0 = 0;
    return vcpu_start(other);
}

static void a_callback_starts_another_vcpu(void **state)
{
    struct vcpus *vcpus = *state;
    const uint32_t first[] = {GC_SMC(0), GC_LDR_X0, 0xb4ffffe0 /* cbz x0, . - 4 */, GC_HVC(0)};
    const uint32_t second[] = {0xf9000020 /* str x0, [x1] */, GC_HVC(0)};

    vcpus_clear(vcpus, VCPUS_DATA, 8);
    assert_int_equal(vm_register_smc_handler_callback(&vcpus->base.vm, cpu_on), 0);
    VCPUS_CODE(vcpus, 0, first);
    VCPUS_CODE(vcpus, 1, second);
    vcpus->context[0].x1 = VCPUS_DATA;
    vcpus->context[0].x2 = FIXTURE_RAM + VCPUS_CODE_BYTES;
    vcpus->context[0].x3 = 0x1234;
    vcpus_start(vcpus, 0);
    vcpus_run(vcpus);
    assert_int_equal(vcpus_context(vcpus, 0).x0, 0x1234);
    assert_true(is_vcpu_online(vcpus->vcpu[1]));
}

/* vcpu 0's access waits until vcpu 1's comes. */
static vm_vcpu_t *_Atomic waiting;

static memory_fault_result_t answer_the_other(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr,
                                              size_t size, void *cookie)
{
    (void)vm;
    (void)addr;
    (void)size;
    (void)cookie;
    if (vcpu->vcpu_id == 0) {
        waiting = vcpu;
        return FAULT_HANDLED;
    }
    if (waiting == NULL) {
        return FAULT_RESTART;
    }
    set_vcpu_fault_data(waiting, 0x77);
    advance_vcpu_fault(waiting);
    set_vcpu_fault_data(vcpu, 0x88);
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static void a_vcpu_answers_for_another(void **state)
{
    struct vcpus *vcpus = *state;
    const uint32_t load[] = {GC_LDR_X0, GC_HVC(0)};

    waiting = NULL;
    assert_non_null(
        vm_reserve_memory_at(&vcpus->base.vm, FIXTURE_DEVICE, 0x1000, answer_the_other, NULL));
    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        vcpus->context[n].x1 = FIXTURE_DEVICE;
    }
    start_both(vcpus, load, sizeof(load));
    vcpus_run(vcpus);
    assert_int_equal(vcpus_context(vcpus, 0).x0, 0x77);
    assert_int_equal(vcpus_context(vcpus, 1).x0, 0x88);
}

static void a_vcpu_wakes_from_its_wfi(void **state)
{
    struct vcpus *vcpus = *state;
    const uint32_t wake[] = {GC_NOP, GC_STR_X2, GC_HVC(0)};

    vcpus_clear(vcpus, VCPUS_DATA, 8);
    VCPUS_CODE(vcpus, 0, code_wait_for_word);
    VCPUS_CODE(vcpus, 1, wake);
    vcpus->context[0].x1 = VCPUS_DATA;
    vcpus->context[1].x1 = VCPUS_DATA;
    vcpus->context[1].x2 = 1;
    vcpus_start(vcpus, 0);
    vcpus_start(vcpus, 1);
    vcpus_run(vcpus);
}

struct refusals {
    atomic_int context;
    atomic_int vcpu;
    atomic_int run;
    atomic_int destroy;
    vm_t *other;
};

static memory_fault_result_t try_it_all(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                        void *cookie)
{
    struct refusals *refusals = cookie;
    seL4_UserContext context;

    (void)addr;
    (void)size;
    refusals->context = vm_get_thread_context(vm->vcpus[1], &context);
    refusals->vcpu = vm_create_vcpu(vm, 1) == NULL;
    refusals->run = vm_run(refusals->other);
    refusals->destroy = guestmem_host_vm_destroy(vm);
    if (vm_get_thread_context(vcpu, &context) != 0) {
        refusals->context = 0;
    }
    guestmem_host_vm_stop(vm);
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static void what_a_parallel_vm_refuses_its_callbacks(void **state)
{
    struct vcpus *vcpus = *state;
    const uint32_t load[] = {GC_LDR_X0, GC_SPIN};
    vm_t other;
    struct refusals refusals = {.other = &other};

    assert_int_equal(fixture_vm_init(&vcpus->base, &other, "other"), 0);
    assert_non_null(
        vm_reserve_memory_at(&vcpus->base.vm, FIXTURE_DEVICE, 0x1000, try_it_all, &refusals));
    VCPUS_CODE(vcpus, 0, load);
    VCPUS_CODE(vcpus, 1, spin);
    vcpus->context[0].x1 = FIXTURE_DEVICE;
    vcpus_start(vcpus, 0);
    vcpus_start(vcpus, 1);
    assert_int_equal(vm_run(&vcpus->base.vm), 0);
    assert_int_equal(refusals.context, -1);
    assert_int_equal(refusals.vcpu, 1);
    assert_int_equal(refusals.run, -1);
    assert_int_equal(refusals.destroy, -EBUSY);
    assert_int_equal(guestmem_host_vm_destroy(&other), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(the_mode_is_for_the_next_run),
        BOTH_WAYS(a_vm_changes_from_one_mode_to_the_other),
        BOTH_WAYS(an_access_waits_over_a_change_of_the_mode),
        BOTH_WAYS(a_vcpu_with_many_exits_gets_its_share),
        BOTH_WAYS(a_vm_with_many_exits_lets_another_run),
        BOTH_WAYS(who_enters_is_alone),
        BOTH_WAYS(a_stop_from_a_thread_stops_all),
        BOTH_WAYS(an_error_of_one_ends_the_run_for_all),
        BOTH_WAYS(errors_of_both_are_one),
        BOTH_WAYS(without_a_started_vcpu_it_does_not_run),
        BOTH_WAYS(notifications_come_beside_the_vcpus),
        BOTH_WAYS(a_callback_starts_another_vcpu),
        BOTH_WAYS(a_vcpu_answers_for_another),
        BOTH_WAYS(a_vcpu_wakes_from_its_wfi),
        IN_PARALLEL(what_a_parallel_vm_refuses_its_callbacks),
    };

    return cmocka_run_group_tests_name("vcpus_run", tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The VMM's loop: notifications, replies, then one vcpu that can run, for a slice.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <guestmem/threads.h>
#include <sel4vm/boot.h>
#include <sel4vm/guest_vm.h>
#include <sel4vm/guest_vm_exits.h>
#include <utils/util.h>

#include "runtime.h"
#include "turns.h"

/* What an exit counts for, in blocks: else a vcpu that only makes exits would never be done. */
enum { EXIT_BLOCKS = 100 };

/* What the thread serves: all vcpus of a VM, or one. */
static _Thread_local const struct runtime *here;
static _Thread_local const struct fault *only;

bool run_serves(const struct fault *fault)
{
    return only != NULL ? only == fault : here == fault->runtime && !fault->runtime->is_parallel;
}

void run_serve_only(const struct fault *fault)
{
    only = fault;
}

enum run_turn run_fail(struct runtime *runtime, enum guestmem_host_vm_reason reason,
                       const char *why)
{
    exit_why(runtime, &(struct guestmem_host_vm_exit){.reason = reason, .why = why});
    ZF_LOGE("VM '%s': %s", runtime->vm->vm_name, why);
    return TURN_FAIL;
}

/* --------------------------------------------------------------------------- what has happened */

enum run_turn run_notifications(struct runtime *runtime)
{
    seL4_Word badges = atomic_exchange(&runtime->badges, 0);
    vm_t *vm = runtime->vm;
    seL4_MessageInfo_t tag = seL4_MessageInfo_new(0, 0, 0, 0);

    if (badges == 0) {
        return TURN_ON;
    }
    __atomic_store_n(&vm->run.exit_reason, VM_GUEST_NOTIFICATION_EXIT, __ATOMIC_RELAXED);
    if (vm->run.notification_callback == NULL) {
        return run_fail(runtime, GUESTMEM_HOST_VM_NOTIFICATION,
                        "a notification came and nobody takes them");
    }
    if (vm->run.notification_callback(vm, badges, tag, vm->run.notification_callback_cookie) != 0) {
        return run_fail(runtime, GUESTMEM_HOST_VM_NOTIFICATION,
                        "the notification callback gave an error");
    }
    return TURN_ON;
}

/* Give the replies that have come, and end the idling that is over. The number of vcpus that are
 * on. */
static unsigned refresh(struct runtime *runtime, bool woken)
{
    unsigned on = 0;

    for (unsigned i = 0; i < runtime->vm->num_vcpus; i++) {
        struct fault *fault = runtime_vcpu(runtime, i);

        if (fault->state == VCPU_FAULTED) {
            exit_reply(fault);
        } else if (fault->state == VCPU_IDLE && (woken || runtime_now() >= fault->idle_until)) {
            fault->state = VCPU_READY;
        }
        on += fault->state != VCPU_OFF;
    }
    return on;
}

/* The vcpu that ran last, if its slice isn't used up; else the next one that can run; or NULL. */
static struct fault *choose(struct runtime *runtime)
{
    unsigned count = runtime->vm->num_vcpus;

    if (runtime->left > 0 && runtime_vcpu(runtime, runtime->turn)->state == VCPU_READY) {
        return runtime_vcpu(runtime, runtime->turn);
    }
    for (unsigned i = 1; i <= count; i++) {
        unsigned n = (runtime->turn + i) % count;

        if (runtime_vcpu(runtime, n)->state == VCPU_READY) {
            runtime->turn = n;
            runtime->left = SLICE_BLOCKS;
            return runtime_vcpu(runtime, n);
        }
    }
    return NULL;
}

/* --------------------------------------------------------------------------- nothing to do */

/* Milliseconds until the first idle vcpu goes on, rounded up; -1: none is idle. */
static int idle_timeout(const struct runtime *runtime)
{
    uint64_t now = runtime_now();
    int timeout = -1;

    for (unsigned i = 0; i < runtime->vm->num_vcpus; i++) {
        const struct fault *fault = runtime_vcpu(runtime, i);

        if (fault->state == VCPU_IDLE) {
            int left = fault->idle_until > now ? (int)((fault->idle_until - now) / 1000000 + 1) : 0;

            timeout = timeout < 0 || left < timeout ? left : timeout;
        }
    }
    return timeout;
}

void run_reset_event(struct runtime *runtime)
{
    uint64_t count;
    ssize_t got = read(runtime->event, &count, sizeof(count));

    (void)got;
}

/* Sleep until something wakes the VM. True if something did, false after an idle vcpu's time. */
static bool sleep_until_woken(struct runtime *runtime)
{
    struct pollfd event = {.fd = runtime->event, .events = POLLIN};
    unsigned depth = turns_give_up();
    bool woken = poll(&event, 1, idle_timeout(runtime)) != 0;

    turns_take_back(depth);
    if (event.revents & POLLIN) {
        run_reset_event(runtime);
    }
    return woken;
}

/* --------------------------------------------------------------------------- the loop */

static unsigned less(unsigned blocks, unsigned used)
{
    return blocks > used ? blocks - used : 0;
}

/* Run the vcpu for what is left of its slice. It goes on with that after an exit that was answered
 * at once; and other VMs have their turns after a slice's time, whoever used it. */
static enum run_turn run_one(struct runtime *runtime, struct fault *fault)
{
    struct engine_exit exit;
    unsigned used;
    int err;

    engine_cpu_run(fault->cpu, runtime->left, &exit);
    used = runtime->left - exit.left + EXIT_BLOCKS;
    runtime->left = less(runtime->left, used);
    runtime->passed = less(runtime->passed, used);
    guestmem_read_begin(runtime->vm);
    err = exit_handle(fault, &exit);
    guestmem_read_end(runtime->vm);
    if (err != 0) {
        return TURN_FAIL;
    }
    if (runtime->passed == 0) {
        runtime->passed = SLICE_BLOCKS;
        turns_pass();
    }
    return TURN_ON;
}

static enum run_turn take_turn(struct runtime *runtime, bool *woken)
{
    struct fault *fault;
    unsigned on;

    if (run_notifications(runtime) != TURN_ON) {
        return TURN_FAIL;
    }
    on = refresh(runtime, *woken);
    *woken = false;
    if (atomic_exchange(&runtime->stop, false)) {
        return TURN_STOP;
    }
    fault = on > 0 ? choose(runtime) : NULL;
    if (fault != NULL) {
        return run_one(runtime, fault);
    }
    if (on == 0 && runtime->vm->run.notification_callback == NULL) {
        return run_fail(runtime, GUESTMEM_HOST_VM_NO_VCPU, "no vcpu is started");
    }
    *woken = sleep_until_woken(runtime);
    return TURN_ON;
}

static enum run_turn run_in_turns(struct runtime *runtime)
{
    enum run_turn turn = TURN_ON;
    bool woken = true;

    runtime->left = 0;
    runtime->passed = SLICE_BLOCKS;
    while (turn == TURN_ON) {
        turn = take_turn(runtime, &woken);
    }
    return turn;
}

/* The first reader makes the VM shared, so it is made before there are other threads. EBUSY: the
 * caller of vm_run() is one already. */
static int become_reader(struct runtime *runtime)
{
    runtime->shared = runtime->shared || runtime->parallel;
    return runtime->shared ? guestmem_reader_register(runtime->vm) : GUESTMEM_EBUSY;
}

static enum run_turn run_by_mode(struct runtime *runtime)
{
    enum run_turn turn;
    int reader = become_reader(runtime);

    if (reader != GUESTMEM_OK && reader != GUESTMEM_EBUSY) {
        return run_fail(runtime, GUESTMEM_HOST_VM_CPU, guestmem_strerror(reader));
    }
    exit_update_windows(runtime);
    turn = runtime->parallel ? run_parallel(runtime) : run_in_turns(runtime);
    if (reader == GUESTMEM_OK) {
        (void)guestmem_reader_unregister(runtime->vm);
    }
    return turn;
}

static int run(struct runtime *runtime)
{
    enum run_turn turn;

    atomic_store(&runtime->failed, false);
    turn = run_by_mode(runtime);
    /* A callback that stops the VM may well answer that it failed. */
    if (turn == TURN_STOP || atomic_exchange(&runtime->stop, false)) {
        runtime->exit = (struct guestmem_host_vm_exit){.reason = GUESTMEM_HOST_VM_STOPPED};
        return 0;
    }
    runtime->vm->run.exit_reason = VM_GUEST_ERROR_EXIT;
    return -1;
}

int vm_run(vm_t *vm)
{
    struct runtime *runtime = vm == NULL ? NULL : runtime_of(vm);
    const struct runtime *before = here;
    int result;

    if (runtime == NULL) {
        ZF_LOGE("vm_run: no VM");
        return -1;
    }
    if (turns_are_borrowed()) {
        ZF_LOGE("vm_run: not from a callback of a VM that runs in parallel");
        return -1;
    }
    guestmem_host_vm_enter();
    if (atomic_exchange(&runtime->running, true)) {
        guestmem_host_vm_leave();
        ZF_LOGE("vm_run: the VM '%s' runs already", vm->vm_name);
        return -1;
    }
    here = runtime;
    result = run(runtime);
    here = before;
    atomic_store(&runtime->running, false);
    guestmem_host_vm_leave();
    return result;
}

int vcpu_start(vm_vcpu_t *vcpu)
{
    struct fault *fault = vcpu == NULL ? NULL : vcpu->vcpu_arch.fault;
    int off = VCPU_OFF;
    /* MPIDR: bit 31 is always one; the lowest field is the number among the VM's vcpus. */
    uint64_t mpidr = UINT64_C(1) << 31;

    if (fault == NULL) {
        ZF_LOGE("vcpu_start: no vcpu");
        return -1;
    }
    if (atomic_load(&fault->state) != VCPU_OFF) {
        return 0;
    }
    mpidr |= vcpu->vcpu_id == BOOT_VCPU || vcpu->target_cpu < 0 ? vcpu->vcpu_id
                                                                : (unsigned)vcpu->target_cpu;
    if (engine_cpu_set_register(fault->cpu, seL4_VCPUReg_VMPIDR_EL2, mpidr) != 0) {
        ZF_LOGE("vcpu_start: the guest CPU refused its number");
        return -1;
    }
    vcpu->vcpu_online = true;
    if (atomic_compare_exchange_strong(&fault->state, &off, VCPU_READY) && !run_serves(fault)) {
        runtime_wake(fault->runtime);
    }
    return 0;
}

/* --------------------------------------------------------------------------- callbacks */

int vm_register_unhandled_mem_fault_callback(vm_t *vm,
                                             unhandled_mem_fault_callback_fn fault_handler,
                                             void *cookie)
{
    if (vm == NULL) {
        ZF_LOGE("vm_register_unhandled_mem_fault_callback: no VM");
        return -1;
    }
    vm->mem.unhandled_mem_fault_handler = fault_handler;
    vm->mem.unhandled_mem_fault_cookie = cookie;
    return 0;
}

int vm_register_notification_callback(vm_t *vm, notification_callback_fn notification_callback,
                                      void *cookie)
{
    if (vm == NULL || notification_callback == NULL) {
        ZF_LOGE("vm_register_notification_callback: no VM or no callback");
        return -1;
    }
    vm->run.notification_callback = notification_callback;
    vm->run.notification_callback_cookie = cookie;
    return 0;
}

int vm_register_unhandled_vcpu_fault_callback(vm_vcpu_t *vcpu,
                                              unhandled_vcpu_fault_callback_fn vcpu_fault_callback,
                                              void *cookie)
{
    if (vcpu == NULL) {
        ZF_LOGE("vm_register_unhandled_vcpu_fault_callback: no vcpu");
        return -1;
    }
    vcpu->vcpu_arch.unhandled_vcpu_callback = vcpu_fault_callback;
    vcpu->vcpu_arch.unhandled_vcpu_callback_cookie = cookie;
    return 0;
}

int vm_register_smc_handler_callback(vm_t *vm, smc_handler_callback_fn vm_smc_handler)
{
    if (vm == NULL || vm_smc_handler == NULL) {
        ZF_LOGE("vm_register_smc_handler_callback: no VM or no handler");
        return -1;
    }
    vm->arch.vm_smc_handler = vm_smc_handler;
    return 0;
}

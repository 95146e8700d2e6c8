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

#include <sel4vm/boot.h>
#include <sel4vm/guest_vm.h>
#include <sel4vm/guest_vm_exits.h>
#include <utils/util.h>

#include "runtime.h"
#include "turns.h"

/* Blocks of guest code: a millisecond or two. */
enum { SLICE_BLOCKS = 100000 };

enum turn { TURN_ON, TURN_STOP, TURN_FAIL };

static _Thread_local const struct runtime *here;

bool run_is_here(const struct runtime *runtime)
{
    return here == runtime;
}

static struct fault *vcpu_at(const struct runtime *runtime, unsigned i)
{
    return runtime->vm->vcpus[i]->vcpu_arch.fault;
}

static enum turn fail(struct runtime *runtime, enum guestmem_host_vm_reason reason, const char *why)
{
    runtime->exit = (struct guestmem_host_vm_exit){.reason = reason, .why = why};
    ZF_LOGE("VM '%s': %s", runtime->vm->vm_name, why);
    return TURN_FAIL;
}

/* --------------------------------------------------------------------------- what has happened */

static enum turn notifications(struct runtime *runtime)
{
    seL4_Word badges = atomic_exchange(&runtime->badges, 0);
    vm_t *vm = runtime->vm;
    seL4_MessageInfo_t tag = seL4_MessageInfo_new(0, 0, 0, 0);

    if (badges == 0) {
        return TURN_ON;
    }
    vm->run.exit_reason = VM_GUEST_NOTIFICATION_EXIT;
    if (vm->run.notification_callback == NULL) {
        return fail(runtime, GUESTMEM_HOST_VM_NOTIFICATION,
                    "a notification came and nobody takes them");
    }
    if (vm->run.notification_callback(vm, badges, tag, vm->run.notification_callback_cookie) != 0) {
        return fail(runtime, GUESTMEM_HOST_VM_NOTIFICATION,
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
        struct fault *fault = vcpu_at(runtime, i);

        if (fault->state == VCPU_FAULTED) {
            exit_reply(fault);
        } else if (fault->state == VCPU_IDLE && (woken || runtime_now() >= fault->idle_until)) {
            fault->state = VCPU_READY;
        }
        on += fault->state != VCPU_OFF;
    }
    return on;
}

/* The next vcpu that can run, after the one that ran last; or NULL. */
static struct fault *choose(struct runtime *runtime)
{
    unsigned count = runtime->vm->num_vcpus;

    for (unsigned i = 1; i <= count; i++) {
        unsigned n = (runtime->turn + i) % count;

        if (vcpu_at(runtime, n)->state == VCPU_READY) {
            runtime->turn = n;
            return vcpu_at(runtime, n);
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
        const struct fault *fault = vcpu_at(runtime, i);

        if (fault->state == VCPU_IDLE) {
            int left = fault->idle_until > now ? (int)((fault->idle_until - now) / 1000000 + 1) : 0;

            timeout = timeout < 0 || left < timeout ? left : timeout;
        }
    }
    return timeout;
}

/* Sleep until something wakes the VM. True if something did, false after an idle vcpu's time. */
static bool sleep_until_woken(struct runtime *runtime)
{
    struct pollfd event = {.fd = runtime->event, .events = POLLIN};
    uint64_t count;
    unsigned depth = turns_give_up();
    bool woken = poll(&event, 1, idle_timeout(runtime)) != 0;

    turns_take_back(depth);
    if (event.revents & POLLIN) {
        ssize_t got = read(runtime->event, &count, sizeof(count));

        (void)got; /* it only resets the event */
    }
    return woken;
}

/* --------------------------------------------------------------------------- the loop */

static enum turn run_one(struct fault *fault)
{
    struct engine_exit exit;

    engine_cpu_run(fault->cpu, SLICE_BLOCKS, &exit);
    if (exit_handle(fault, &exit) != 0) {
        return TURN_FAIL;
    }
    if (exit.kind == ENGINE_EXIT_SLICE) {
        turns_pass();
    }
    return TURN_ON;
}

static enum turn take_turn(struct runtime *runtime, bool *woken)
{
    struct fault *fault;
    unsigned on;

    if (notifications(runtime) != TURN_ON) {
        return TURN_FAIL;
    }
    on = refresh(runtime, *woken);
    *woken = false;
    if (atomic_exchange(&runtime->stop, false)) {
        return TURN_STOP;
    }
    fault = on > 0 ? choose(runtime) : NULL;
    if (fault != NULL) {
        return run_one(fault);
    }
    if (on == 0 && runtime->vm->run.notification_callback == NULL) {
        return fail(runtime, GUESTMEM_HOST_VM_NO_VCPU, "no vcpu is started");
    }
    *woken = sleep_until_woken(runtime);
    return TURN_ON;
}

static int loop(struct runtime *runtime)
{
    enum turn turn = TURN_ON;
    bool woken = true;

    exit_update_windows(runtime);
    while (turn == TURN_ON) {
        turn = take_turn(runtime, &woken);
    }
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
    guestmem_host_vm_enter();
    if (runtime->running) {
        guestmem_host_vm_leave();
        ZF_LOGE("vm_run: the VM '%s' runs already", vm->vm_name);
        return -1;
    }
    runtime->running = true;
    here = runtime;
    result = loop(runtime);
    here = before;
    runtime->running = false;
    guestmem_host_vm_leave();
    return result;
}

int vcpu_start(vm_vcpu_t *vcpu)
{
    struct fault *fault = vcpu == NULL ? NULL : vcpu->vcpu_arch.fault;
    /* MPIDR: bit 31 is always one; the lowest field is the number among the VM's vcpus. */
    uint64_t mpidr = UINT64_C(1) << 31;

    if (fault == NULL) {
        ZF_LOGE("vcpu_start: no vcpu");
        return -1;
    }
    if (fault->state != VCPU_OFF) {
        return 0;
    }
    mpidr |= vcpu->vcpu_id == BOOT_VCPU || vcpu->target_cpu < 0 ? vcpu->vcpu_id
                                                                : (unsigned)vcpu->target_cpu;
    if (engine_cpu_set_register(fault->cpu, seL4_VCPUReg_VMPIDR_EL2, mpidr) != 0) {
        ZF_LOGE("vcpu_start: the guest CPU refused its number");
        return -1;
    }
    vcpu->vcpu_online = true;
    fault->state = VCPU_READY;
    if (!run_is_here(fault->runtime)) {
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

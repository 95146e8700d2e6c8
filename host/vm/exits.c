/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a vcpu's run ended with, and what the VMM's callbacks make of it.
 */
#include <inttypes.h>
#include <string.h>

#include <guestmem/guestmem.h>
#include <guestmem/runtime.h>
#include <sel4vm/arch/guest_arm_context.h>
#include <sel4vm/guest_vcpu_fault.h>
#include <sel4vm/guest_vm_exits.h>
#include <sel4vm/sel4_arch/processor.h>
#include <utils/util.h>

#include "runtime.h"

enum { INSN_BYTES = 4, PAGE_BYTES = 4096, IDLE_NANOSECONDS = 1000000 };

/* --------------------------------------------------------------------------------- windows */

struct window_visit {
    struct engine *engine;
    bool ram;
};

static int window_visit(const struct guestmem_map_entry *entry, void *cookie)
{
    struct window_visit *visit = cookie;
    uintptr_t base = entry->base & ~(uintptr_t)(PAGE_BYTES - 1);
    uintptr_t last = entry->base + (entry->size - 1);
    bool backed = entry->lazy;

    for (int i = 0; i < GUESTMEM_SIZE_COUNT; i++) {
        backed = backed || entry->frames[i] > 0;
    }
    if (!backed || entry->kind == GUESTMEM_KIND_POOL ||
        (entry->kind == GUESTMEM_KIND_RAM) != visit->ram) {
        return 0;
    }
    /* Whatever finds no place works outside windows, slower. */
    (void)engine_window_add(visit->engine, base, (last | (PAGE_BYTES - 1)) - base + 1);
    return 0;
}

void exit_update_windows(struct runtime *runtime)
{
    struct window_visit visit = {.engine = runtime->engine, .ram = true};

    (void)guestmem_walk(runtime->vm, window_visit, &visit);
    visit.ram = false;
    (void)guestmem_walk(runtime->vm, window_visit, &visit);
}

static void reply(struct fault *fault, enum fault_reply value)
{
    int none = REPLY_NONE;

    /* One that the callback gave already stands. */
    (void)atomic_compare_exchange_strong(&fault->reply, &none, (int)value);
}

/* --------------------------------------------------------------------------------- endings */

void exit_why(struct runtime *runtime, const struct guestmem_host_vm_exit *exit)
{
    if (!atomic_exchange(&runtime->failed, true)) {
        runtime->exit = *exit;
    }
}

/* Another vm_run() asks again. */
static int end_for(struct fault *fault, enum guestmem_host_vm_reason reason, int error,
                   const char *why)
{
    const struct engine_exit *exit = &fault->exit;
    char text[200];
    struct guestmem_host_vm_exit end = {
        .reason = reason,
        .vcpu = fault->vcpu.vcpu_id,
        .pc = exit->pc,
        .address = exit->address,
        .size = exit->size,
        .write = exit->write,
        .fetch = exit->fetch,
        .data = exit->data,
        .hsr = exit->hsr,
        .error = error,
        .why = why,
    };

    exit_why(fault->runtime, &end);
    guestmem_host_vm_exit_text(&end, text, sizeof(text));
    ZF_LOGE("VM '%s': %s", fault->runtime->vm->vm_name, text);
    reply(fault, REPLY_RESTART);
    return -1;
}

static int end_with(struct fault *fault, enum guestmem_host_vm_reason reason, const char *why)
{
    return end_for(fault, reason, 0, why);
}

/* In parallel the last one stands. */
static void set_reason(struct fault *fault, int reason)
{
    __atomic_store_n(&fault->runtime->vm->run.exit_reason, reason, __ATOMIC_RELAXED);
}

static int end_access(struct fault *fault, const char *why)
{
    return end_with(fault, fault->exit.fetch ? GUESTMEM_HOST_VM_FETCH : GUESTMEM_HOST_VM_ACCESS,
                    why);
}

/* Lazy memory that can't be had now. The access stays as it is, so that nothing wrong is ever read.
 */
static int end_populate(struct fault *fault, int error)
{
    return end_for(fault, GUESTMEM_HOST_VM_POPULATE, error, guestmem_strerror(error));
}

/* What populating at this access failed with; GUESTMEM_OK: that isn't what failed. */
static int populate_error(struct fault *fault)
{
    vm_t *vm = fault->runtime->vm;
    const struct guestmem_failure *failure = guestmem_last_failure(vm);
    struct guestmem_stats stats;

    if (failure == NULL || guestmem_get_stats(vm, &stats) != GUESTMEM_OK ||
        stats.faults_failed == fault->faults_failed) {
        return GUESTMEM_OK;
    }
    fault->faults_failed = stats.faults_failed;
    return failure->base == fault->exit.address && failure->size == fault->exit.size
               ? failure->error
               : GUESTMEM_OK;
}

static int end_error(struct fault *fault)
{
    int error = populate_error(fault);

    return error != GUESTMEM_OK ? end_populate(fault, error)
                                : end_access(fault, "its handler gave an error");
}

/* --------------------------------------------------------------------------------- accesses */

static memory_fault_result_t ask(struct fault *fault)
{
    vm_t *vm = fault->runtime->vm;
    uintptr_t addr = fault->exit.address;
    size_t size = fault->exit.size;
    memory_fault_result_t result = vm_memory_handle_fault(vm, &fault->vcpu, addr, size);

    if (result == FAULT_UNHANDLED && vm->mem.unhandled_mem_fault_handler != NULL) {
        result = vm->mem.unhandled_mem_fault_handler(vm, &fault->vcpu, addr, size,
                                                     vm->mem.unhandled_mem_fault_cookie);
    }
    return result;
}

/* The data of a read, out of its lanes. */
static uint64_t read_data(const struct fault *fault)
{
    uint64_t data = fault->data >> (fault->exit.address & 3) * 8;

    return fault->exit.size < 8 ? data & ((UINT64_C(1) << fault->exit.size * 8) - 1) : data;
}

static memory_fault_result_t ask_watched(struct fault *fault)
{
    struct runtime *runtime = fault->runtime;
    const struct engine_exit *exit = &fault->exit;
    struct guestmem_host_vm_fault seen = {
        .pc = exit->pc,
        .address = exit->address,
        .size = exit->size,
        .write = exit->write,
        .fetch = exit->fetch,
        .start_ns = runtime_now(),
    };

    seen.result = ask(fault);
    seen.end_ns = runtime_now();
    seen.data = exit->write ? exit->data : read_data(fault);
    pthread_mutex_lock(&runtime->watch_lock);
    runtime->watcher(runtime->vm, &seen, runtime->watcher_cookie);
    pthread_mutex_unlock(&runtime->watch_lock);
    return seen.result;
}

static int access_handle(struct fault *fault)
{
    set_reason(fault, VM_GUEST_MMIO_EXIT);
    switch (fault->runtime->watcher == NULL ? ask(fault) : ask_watched(fault)) {
    case FAULT_RESTART:
        reply(fault, REPLY_RESTART);
        return 0;
    case FAULT_HANDLED:
        return fault->exit.fetch ? end_access(fault, "a device has no instructions") : 0;
    case FAULT_IGNORE:
        reply(fault, REPLY_SKIP);
        return fault->exit.fetch ? end_access(fault, "an instruction can't be skipped unread") : 0;
    case FAULT_ERROR:
        return end_error(fault);
    default:
        return end_access(fault, "nothing is there");
    }
}

static bool is_allowed(const struct fault *fault)
{
    struct guestmem_host_leaf leaf;

    return guestmem_host_translate(fault->runtime->host,
                                   fault->runtime->vm->mem.vm_vspace_root.cptr, fault->exit.address,
                                   &leaf) &&
           (fault->exit.write ? leaf.write : leaf.read);
}

/* Only memory that waits to be populated can answer an access that nobody can describe. */
static int opaque_handle(struct fault *fault)
{
    int error = guestmem_populate(fault->runtime->vm, fault->exit.address, 1);

    if (error != GUESTMEM_OK && error != GUESTMEM_EUNMAPPED) {
        return end_populate(fault, error);
    }
    reply(fault, is_allowed(fault) ? REPLY_RESTART : REPLY_ABORT);
    return 0;
}

/* --------------------------------------------------------------------------------- traps */

static int smc_handle(struct fault *fault, smc_handler_callback_fn handler)
{
    seL4_UserContext regs;

    if (vm_get_thread_context(&fault->vcpu, &regs) != 0 || handler(&fault->vcpu, &regs) != 0 ||
        vm_set_thread_context(&fault->vcpu, regs) != 0) {
        return end_with(fault, GUESTMEM_HOST_VM_TRAP, "the SMC handler failed");
    }
    reply(fault, REPLY_ADVANCE);
    return 0;
}

static int trap_handle(struct fault *fault)
{
    const struct vm_vcpu_arch *arch = &fault->vcpu.vcpu_arch;
    smc_handler_callback_fn smc = fault->runtime->vm->arch.vm_smc_handler;
    uint32_t hsr = fault->exit.hsr;

    set_reason(fault, VM_GUEST_UNKNOWN_EXIT);
    if (HSR_EXCEPTION_CLASS(hsr) == HSR_SMC_64_EXCEPTION && smc != NULL) {
        return smc_handle(fault, smc);
    }
    if (arch->unhandled_vcpu_callback != NULL) {
        if (arch->unhandled_vcpu_callback(&fault->vcpu, hsr,
                                          arch->unhandled_vcpu_callback_cookie) != 0) {
            return end_with(fault, GUESTMEM_HOST_VM_TRAP, "its handler gave an error");
        }
        return 0;
    }
    if (atomic_load(&fault->kind) == PENDING_WAIT) {
        reply(fault, REPLY_ADVANCE);
        return 0;
    }
    return end_with(fault, GUESTMEM_HOST_VM_TRAP, "there is no handler");
}

/* --------------------------------------------------------------------------------- all of them */

static void pend(struct fault *fault, enum pending kind)
{
    fault->data = kind == PENDING_ACCESS && fault->exit.write ? fault->exit.data : 0;
    atomic_store(&fault->reply, REPLY_NONE);
    atomic_store(&fault->kind, kind);
    atomic_store(&fault->state, VCPU_FAULTED);
}

int exit_handle(struct fault *fault, const struct engine_exit *exit)
{
    fault->exit = *exit;
    switch (exit->kind) {
    case ENGINE_EXIT_MEMORY:
        pend(fault, PENDING_ACCESS);
        return access_handle(fault);
    case ENGINE_EXIT_OPAQUE:
        pend(fault, PENDING_ACCESS);
        return opaque_handle(fault);
    case ENGINE_EXIT_TRAP:
        pend(fault, PENDING_TRAP);
        return trap_handle(fault);
    case ENGINE_EXIT_WAIT:
        pend(fault, PENDING_WAIT);
        return trap_handle(fault);
    case ENGINE_EXIT_OUTSIDE:
        exit_update_windows(fault->runtime);
        return 0;
    case ENGINE_EXIT_BROKEN:
        return end_with(fault, GUESTMEM_HOST_VM_CPU, exit->why);
    case ENGINE_EXIT_SLICE:
    case ENGINE_EXIT_KICKED:
        return 0;
    }
    return end_with(fault, GUESTMEM_HOST_VM_CPU, "the guest CPU stopped for a reason unknown");
}

static void answer_access(struct fault *fault, enum fault_reply value)
{
    static const enum engine_answer answers[] = {
        [REPLY_ADVANCE] = ENGINE_ADVANCE,
        [REPLY_RESTART] = ENGINE_RESTART,
        [REPLY_SKIP] = ENGINE_SKIP,
        [REPLY_ABORT] = ENGINE_ABORT,
    };

    engine_cpu_answer(fault->cpu, answers[value], fault->exit.write ? 0 : read_data(fault));
}

static void step_over(struct fault *fault)
{
    seL4_UserContext regs;

    engine_cpu_get_context(fault->cpu, &regs);
    regs.pc += INSN_BYTES;
    (void)engine_cpu_set_context(fault->cpu, &regs);
}

void exit_reply(struct fault *fault)
{
    enum fault_reply value = (enum fault_reply)atomic_load(&fault->reply);
    enum pending kind = (enum pending)atomic_load(&fault->kind);
    int state = VCPU_READY;

    if (value == REPLY_NONE) {
        return;
    }
    atomic_store(&fault->kind, PENDING_NOTHING);
    if (kind == PENDING_ACCESS) {
        answer_access(fault, value);
    } else if (value == REPLY_ADVANCE) {
        step_over(fault);
        if (kind == PENDING_WAIT) {
            state = VCPU_IDLE;
            fault->idle_until = runtime_now() + IDLE_NANOSECONDS;
        }
    }
    atomic_store(&fault->state, state);
}

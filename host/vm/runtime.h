/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the VM runtime keeps beside a vm_t, shared by its files.
 *
 * A vcpu is in one of these states:
 *
 *   OFF --vcpu_start--> READY --exit--> FAULTED --reply, from the callback or later--> READY
 *                         ^                                                              |
 *                         +------------- IDLE, a while or until something happens <--WFI-+
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <guestmem/host.h>
#include <guestmem/host_vm.h>
#include <sel4vm/guest_vm.h>

#include "../engine/engine.h"

enum vcpu_state { VCPU_OFF, VCPU_READY, VCPU_FAULTED, VCPU_IDLE };

enum pending { PENDING_NOTHING, PENDING_ACCESS, PENDING_TRAP, PENDING_WAIT };

enum fault_reply { REPLY_NONE, REPLY_ADVANCE, REPLY_RESTART, REPLY_SKIP, REPLY_ABORT };

/* A vcpu with its guest CPU and the fault it waits with; vm_vcpu_t points to it, and is in it. */
struct fault {
    vm_vcpu_t vcpu;
    struct runtime *runtime;
    struct engine_cpu *cpu;
    enum vcpu_state state;
    uint64_t idle_until; /* nanoseconds of the monotonic clock */
    enum pending kind;
    struct engine_exit exit; /* what the fault is */
    seL4_Word data;          /* a write's; of a read, what was set, in its lanes */
    atomic_int reply;        /* enum fault_reply; set from any thread */
};

struct runtime {
    vm_t *vm;
    struct runtime *next;
    struct guestmem_host *host;
    struct engine *engine;
    int event; /* eventfd: wakes vm_run() */
    atomic_bool stop;
    atomic_ulong badges;
    bool running;
    unsigned turn; /* the vcpu that ran last */
    struct guestmem_host_vm_exit exit;
    uint64_t faults_failed; /* guestmem_stats', when looked at last */
    guestmem_host_vm_fault_fn watcher; /* NULL: nobody watches */
    void *watcher_cookie;
};

/* NULL for a VM that vm_init() didn't make. Safe in signal handlers. */
struct runtime *runtime_of(const vm_t *vm);

/* Add and remove; the VM's engine and address space are the caller's. */
int runtime_add(vm_t *vm, struct guestmem_host *host, struct runtime **result);
void runtime_remove(struct runtime *runtime);

/* Make vm_run() look around. From any thread, and from signal handlers. */
void runtime_wake(struct runtime *runtime);

/* exits.c: handle what a vcpu's run ended with. 0: go on; -1: runtime->exit says why not. */
int exit_handle(struct fault *fault, const struct engine_exit *exit);

/* exits.c: a FAULTED vcpu that has its reply goes on. */
void exit_reply(struct fault *fault);

/* exits.c: windows over all memory that the guest has by now. */
void exit_update_windows(struct runtime *runtime);

/* run.c: whether the calling thread is in this VM's vm_run(), and needn't wake it. */
bool run_is_here(const struct runtime *runtime);

uint64_t runtime_now(void);

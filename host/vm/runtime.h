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
 *
 * Once it isn't OFF, the one thread that serves it moves it on: vm_run()'s, or in parallel its own.
 */
#pragma once

#include <pthread.h>
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
    atomic_int state;        /* enum vcpu_state */
    uint64_t idle_until;     /* nanoseconds of the monotonic clock */
    unsigned idle_since;     /* the gang's wakes when it began */
    atomic_int kind;         /* enum pending */
    struct engine_exit exit; /* what the fault is */
    seL4_Word data;          /* a write's; of a read, what was set, in its lanes */
    atomic_int reply;        /* enum fault_reply; set from any thread */
    uint64_t faults_failed;  /* guestmem_stats', when looked at last */
    bool has_thread;         /* in parallel */
    pthread_t thread;
};

/* The threads of a parallel vm_run(): that of its caller, who oversees, and one a vcpu. */
struct gang {
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    atomic_bool open; /* vcpus may run; looked at without the lock too */
    bool ending;
    unsigned inside; /* vcpus that run, or are in callbacks */
    unsigned asking; /* vcpus that could run, were it open */
    unsigned wakes;  /* things that happened */
};

struct runtime {
    vm_t *vm;
    struct runtime *next;
    struct guestmem_host *host;
    struct engine *engine;
    int event; /* eventfd: wakes vm_run() */
    atomic_bool stop;
    atomic_ulong badges;
    atomic_bool running;
    unsigned turn;           /* the vcpu that ran last, */
    unsigned left;           /* what is left of its slice, */
    unsigned passed;         /* and of the VM's */
    bool parallel;           /* what vm_run() is to do, */
    bool shared;             /* whether it ever did: then threads are better readers, */
    atomic_bool is_parallel; /* and whether it does now */
    atomic_bool woken;
    struct gang gang;
    atomic_bool failed; /* `exit` says why: of several failures the first */
    struct guestmem_host_vm_exit exit;
    pthread_mutex_t watch_lock;
    guestmem_host_vm_fault_fn watcher; /* NULL: nobody watches */
    void *watcher_cookie;
};

enum run_turn { TURN_ON, TURN_STOP, TURN_FAIL };

/* Blocks of guest code: a millisecond or two. */
enum { SLICE_BLOCKS = 100000 };

/* NULL for a VM that vm_init() didn't make. Safe in signal handlers. */
struct runtime *runtime_of(const vm_t *vm);

/* Add and remove; the VM's engine and address space are the caller's. */
int runtime_add(vm_t *vm, struct guestmem_host *host, struct runtime **result);
void runtime_remove(struct runtime *runtime);

/* Make vm_run() look around. From any thread, and from signal handlers. */
void runtime_wake(struct runtime *runtime);

/* exits.c: why the VM's run ends, unless something said so before. */
void exit_why(struct runtime *runtime, const struct guestmem_host_vm_exit *exit);

/* exits.c: handle what a vcpu's run ended with. 0: go on; -1: runtime->exit says why not. */
int exit_handle(struct fault *fault, const struct engine_exit *exit);

/* exits.c: a FAULTED vcpu that has its reply goes on. */
void exit_reply(struct fault *fault);

/* exits.c: windows over all memory that the guest has by now. */
void exit_update_windows(struct runtime *runtime);

/* run.c: whether the calling thread serves the vcpu, so that nobody needs waking for it. */
bool run_serves(const struct fault *fault);
void run_serve_only(const struct fault *fault);

/* run.c: the steps of both ways to run. */
enum run_turn run_fail(struct runtime *runtime, enum guestmem_host_vm_reason reason,
                       const char *why);
enum run_turn run_notifications(struct runtime *runtime);
void run_reset_event(struct runtime *runtime);

/* parallel.c: the same with a thread a vcpu. */
enum run_turn run_parallel(struct runtime *runtime);
int gang_init(struct gang *gang);
void gang_destroy(struct gang *gang);

static inline struct fault *runtime_vcpu(const struct runtime *runtime, unsigned i)
{
    return runtime->vm->vcpus[i]->vcpu_arch.fault;
}

uint64_t runtime_now(void);

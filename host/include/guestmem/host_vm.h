/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The VM runtime on the host: what sel4vm's interface has no call for.
 *
 * vm_run() is the VMM's loop. It runs the VM's vcpus in turns and makes every callback itself, on
 * the thread that called it; so a VM's memory has one thread. guestmem_host_vm_set_parallel() has
 * it run them on a thread each. VMs may run on several threads: they take turns, as on one core,
 * and while one of them runs or has a callback no other does. A thread that works on the
 * environment beside running VMs takes the same turns with guestmem_host_vm_enter().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sel4/sel4.h>
#include <sel4vm/guest_vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------ several vcpus */

/*
 * How the next vm_run() serves the VM's vcpus. Returns 0; -EINVAL: no VM; -EBUSY: it runs.
 *
 * In turns, the default: one vcpu at a time runs guest code, and another's turn comes between two
 * of its blocks, so what a block of guest code does is seen whole by the others: exclusives and
 * atomic instructions are exact (but that a store-exclusive goes by the value: one that was changed
 * and changed back meanwhile lets it succeed), all is in order, and barriers have nothing to do.
 *
 * In parallel: each vcpu has a thread, and they run guest code at once. It is for speed, and for
 * finding races in a VMM; what the guest CPU is made of doesn't promise an SMP machine:
 *   - Exclusives (LDXR, STXR and others) and atomic instructions (LDADD, CAS, SWP and others) are
 *     not atomic between vcpus: updates get lost, and a lock that is made of them may let two in,
 *     or nobody any more.
 *   - Barriers, acquire and release order nothing. The host's order, which on x86-64 lets only a
 *     load overtake an earlier store, is what guests get.
 *   - Aligned loads and stores of up to 8 bytes are whole.
 *   - What changes code for a vcpu, or its translations, reaches it at its next block: the VMM's
 *     changes, and another vcpu's TLBI and IC of the broadcasting kinds.
 *
 * What a VMM sees in parallel:
 *   - Callbacks of several vcpus run at once, each on its vcpu's thread; those of notifications on
 *     the thread that called vm_run(). The VM's memory is shared (guestmem/threads.h, which has
 *     rules for callbacks), and all these threads are its readers while vm_run() runs. Only the
 *     fault watcher is called by one at a time.
 *   - A stop, and an error of one vcpu, end vm_run() for all: it returns when the callbacks that
 *     run have ended. guestmem_host_vm_get_exit() tells the first error.
 *   - A callback may start another vcpu, having set its registers. Those of a vcpu that runs can't
 *     be got or set from another thread (-1).
 *   - Vcpus aren't made, and vm_run() isn't called for other VMs, from callbacks.
 */
int guestmem_host_vm_set_parallel(vm_t *vm, bool parallel);

/* --------------------------------------------------------------------------------- from outside */

/*
 * End vm_run(), or the next one if none runs: it returns 0, also when the callback that calls this
 * then answers with an error. The VM stays as it is, and another vm_run() goes on with it.
 * From any thread, any callback, and from signal handlers.
 */
void guestmem_host_vm_stop(vm_t *vm);

/*
 * Have vm_run() call the VM's notification callback with `badge`, soon. Badges that come before it
 * does are or-ed together, as a notification's are. From any thread, and from signal handlers.
 */
void guestmem_host_vm_notify(vm_t *vm, seL4_Word badge);

/* Wait until no VM runs, and keep it so until guestmem_host_vm_leave(). Not needed in callbacks;
 * calls may be nested. */
void guestmem_host_vm_enter(void);
void guestmem_host_vm_leave(void);

/*
 * The VMM changed guest code in [base, base + size) that the guest may have run before. Not needed
 * for memory that is new to the guest, or whose mapping changed. From any thread.
 */
void guestmem_host_vm_code_changed(vm_t *vm, uintptr_t base, size_t size);

/* ------------------------------------------------------------------------- why vm_run() returned
 */

enum guestmem_host_vm_reason {
    GUESTMEM_HOST_VM_NOT_RUN,  /* it hasn't */
    GUESTMEM_HOST_VM_STOPPED,  /* guestmem_host_vm_stop(); the only one with which vm_run() is 0 */
    GUESTMEM_HOST_VM_ACCESS,   /* a guest access that nobody handled, or whose handler gave
                                  FAULT_ERROR */
    GUESTMEM_HOST_VM_FETCH,    /* the guest jumped to where no instruction can be read */
    GUESTMEM_HOST_VM_POPULATE, /* lazy memory that the guest came to couldn't be populated: `error`
                                  says what was short. Once it isn't, vm_run() goes on. */
    GUESTMEM_HOST_VM_TRAP,     /* an SMC, HVC or WFI that nobody handled, or whose handler failed */
    GUESTMEM_HOST_VM_NOTIFICATION, /* the notification callback failed, or there is none */
    GUESTMEM_HOST_VM_CPU,          /* the guest CPU can't go on; `why` says it */
    GUESTMEM_HOST_VM_NO_VCPU,      /* no vcpu is started, and no callback could start one */
};

struct guestmem_host_vm_exit {
    enum guestmem_host_vm_reason reason;
    unsigned vcpu;    /* whose doing it was */
    uint64_t pc;      /* guest-virtual address of the instruction */
    uint64_t address; /* guest-physical, of the access or fetch */
    unsigned size;    /* bytes; 0: not known, since the instruction can't be taken apart */
    bool write;
    bool fetch;
    uint64_t data;   /* of a write */
    uint32_t hsr;    /* the syndrome (ESR_EL2) of a trap */
    int error;       /* enum guestmem_error of GUESTMEM_HOST_VM_POPULATE */
    const char *why; /* static text, or NULL */
};

void guestmem_host_vm_get_exit(vm_t *vm, struct guestmem_host_vm_exit *exit);

/* The same as a sentence in `text`. Returns its length as snprintf() does. */
int guestmem_host_vm_exit_text(const struct guestmem_host_vm_exit *exit, char *text, size_t size);

/* ------------------------------------------------------------------------------ watching faults */

/* A guest access that came to the VM's memory, with the answer. Times are CLOCK_MONOTONIC's. */
struct guestmem_host_vm_fault {
    uint64_t pc;
    uint64_t address; /* guest-physical */
    unsigned size;    /* bytes */
    bool write;
    bool fetch;
    uint64_t data; /* of a write; of a read, what the callback had set when it returned */
    memory_fault_result_t result;
    uint64_t start_ns;
    uint64_t end_ns;
};

typedef void (*guestmem_host_vm_fault_fn)(vm_t *vm, const struct guestmem_host_vm_fault *fault,
                                          void *cookie);

/* Call `seen` after each of them, those that only populate included; NULL: no more. It may look at
 * the VM, and not change it. */
void guestmem_host_vm_watch_faults(vm_t *vm, guestmem_host_vm_fault_fn seen, void *cookie);

/* -------------------------------------------------------------------------------------- the end */

/*
 * Take the whole VM down: vcpus in any state, guest CPU, memory (guestmem_destroy()), the root of
 * its address space, its name. Accepts NULL, a zeroed VM and one that vm_init() failed on. Returns
 * 0; -EBUSY: it runs.
 */
int guestmem_host_vm_destroy(vm_t *vm);

#ifdef __cplusplus
}
#endif

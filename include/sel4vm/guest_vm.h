/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The VM object. Used where no seL4 tree supplies this header: names, types and order of the fields
 * are those of the tree's, so that VMM code compiles against either.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <autoconf.h>
#include <platsupport/io.h>
#include <sel4/sel4.h>
#include <simple/simple.h>
#include <vka/object.h>
#include <vka/vka.h>
#include <vspace/vspace.h>

#include <sel4vm/arch/guest_vm_arch.h>
#include <sel4vm/guest_memory.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vm vm_t;
typedef struct vm_vcpu vm_vcpu_t;
typedef struct vm_mem vm_mem_t;
typedef struct vm_ram_region vm_ram_region_t;
typedef struct vm_run vm_run_t;
typedef struct vm_arch vm_arch_t;

/* Asked when no reservation holds the accessed range, or its callback answers FAULT_UNHANDLED. */
typedef memory_fault_result_t (*unhandled_mem_fault_callback_fn)(vm_t *vm, vm_vcpu_t *vcpu,
                                                                 uintptr_t paddr, size_t len,
                                                                 void *cookie);

/* Asked when a message arrives at the host endpoint that isn't from a vcpu. */
typedef int (*notification_callback_fn)(vm_t *vm, seL4_Word badge, seL4_MessageInfo_t tag,
                                        void *cookie);

/* A range of guest RAM; see guest_ram.h. */
struct vm_ram_region {
    uintptr_t start;
    size_t size;
    int allocated;
};

/* The VM's memory. */
struct vm_mem {
    vspace_t vm_vspace;          /* the guest's address space; addresses in it are gpas */
    vka_object_t vm_vspace_root; /* its root table; owned by whoever made it */
    vspace_t vmm_vspace;         /* the VMM's own */
    int num_ram_regions;
    struct vm_ram_region *ram_regions;
    vm_memory_reservation_cookie_t *reservation_cookie;
    unhandled_mem_fault_callback_fn unhandled_mem_fault_handler;
    void *unhandled_mem_fault_cookie;
    int clean_cache;
    int map_one_to_one;
};

struct vm_tcb {
    vka_object_t tcb;
    vka_object_t sc;
    vka_object_t sched_ctrl;
    int priority;
};

struct vm_vcpu {
    struct vm *vm;
    vka_object_t vcpu;
    struct vm_tcb tcb;
    unsigned int vcpu_id; /* index within its VM */
    int target_cpu;       /* core that it is assigned to, or -1 */
    bool vcpu_online;
    struct vm_vcpu_arch vcpu_arch;
};

struct vm_run {
    int exit_reason;
    notification_callback_fn notification_callback;
    void *notification_callback_cookie;
};

struct vm_cspace {
    vka_object_t cspace_obj;
    seL4_Word cspace_root_data;
};

struct vm {
    struct vm_arch arch;
    unsigned int num_vcpus;
    struct vm_vcpu *vcpus[CONFIG_MAX_NUM_NODES];
    struct vm_mem mem;
    struct vm_run run;
    struct vm_cspace cspace;
    seL4_CPtr host_endpoint;
    vka_t *vka;
    ps_io_ops_t *io_ops;
    simple_t *simple;
    seL4_Word entry;
    char *vm_name;
    unsigned int vm_id;
    bool vm_initialised;
};

/* Run the VM until it stops. Returns 0 after a clean stop, -1 after an error. */
int vm_run(vm_t *vm);

/* Let a vcpu run; its context must have been set. Returns 0 or -1. */
int vcpu_start(vm_vcpu_t *vcpu);

/* Set, or with NULL remove, the handler of memory faults that nothing else handles. Returns 0 or
 * -1. */
int vm_register_unhandled_mem_fault_callback(vm_t *vm,
                                             unhandled_mem_fault_callback_fn fault_handler,
                                             void *cookie);

/* Set the handler of messages at the host endpoint that come from no vcpu. Returns 0 or -1. */
int vm_register_notification_callback(vm_t *vm, notification_callback_fn notification_callback,
                                      void *cookie);

#ifdef __cplusplus
}
#endif

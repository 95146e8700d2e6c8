/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The Arm part of the VM object; see sel4vm/guest_vm.h.
 */
#pragma once

#include <stdint.h>

#include <autoconf.h>
#include <sel4/sel4.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fault fault_t;
typedef struct vm vm_t;
typedef struct vm_vcpu vm_vcpu_t;

/* Answers a guest's SMC; `regs` holds its arguments and takes its results. 0, or non-zero to stop.
 */
typedef int (*smc_handler_callback_fn)(vm_vcpu_t *vcpu, seL4_UserContext *regs);

/* Asked for each vcpu exit that nothing else handles; `hsr` is the syndrome (ESR_EL2). 0 = handled.
 */
typedef int (*unhandled_vcpu_fault_callback_fn)(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie);

#define VM_CSPACE_SIZE_BITS 4
#define VM_FAULT_EP_SLOT 1
#define VM_CSPACE_SLOT (VM_FAULT_EP_SLOT + CONFIG_MAX_NUM_NODES)

struct vm_arch {
    smc_handler_callback_fn vm_smc_handler;
};

struct vm_vcpu_arch {
    fault_t *fault;
    unhandled_vcpu_fault_callback_fn unhandled_vcpu_callback;
    void *unhandled_vcpu_callback_cookie;
};

/* Set, or with NULL remove, the handler of vcpu exits that nothing else handles. Returns 0 or -1.
 */
int vm_register_unhandled_vcpu_fault_callback(vm_vcpu_t *vcpu,
                                              unhandled_vcpu_fault_callback_fn vcpu_fault_callback,
                                              void *cookie);

/* Set the handler of the guest's SMC calls. Returns 0 or -1. */
int vm_register_smc_handler_callback(vm_t *vm, smc_handler_callback_fn vm_smc_handler);

#ifdef __cplusplus
}
#endif

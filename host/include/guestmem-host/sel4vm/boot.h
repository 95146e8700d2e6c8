/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Making a VM and its vcpus.
 */
#pragma once

#include <simple/simple.h>
#include <vka/vka.h>
#include <vspace/vspace.h>

#include <sel4vm/guest_vm.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BOOT_VCPU 0

/*
 * Make a VM without memory and vcpus: its address space, and the book-keeping of its memory.
 *   Needs:   `vka`, `host_simple`, `io_ops` and a copy of `name` stay with the VM until
 *            guestmem_host_vm_destroy() (guestmem/host_vm.h).
 *   Returns: 0, or -1 and nothing is left behind.
 */
int vm_init(vm_t *vm, vka_t *vka, simple_t *host_simple, vspace_t host_vspace, ps_io_ops_t *io_ops,
            seL4_CPtr host_endpoint, const char *name);

/*
 * Make a vcpu. It gets the VM's next index, from 0, and is assigned to no core. `priority` is kept
 * in vcpu->tcb.priority; on the host it changes nothing. Owns:    the VM owns it. Returns: the
 * vcpu, or NULL: CONFIG_MAX_NUM_NODES are there already, or no memory.
 */
vm_vcpu_t *vm_create_vcpu(vm_t *vm, int priority);

/* Assign a vcpu to a core that none of the VM's other vcpus has; -1 unassigns it. Returns 0 or -1.
 */
int vm_assign_vcpu_target(vm_vcpu_t *vcpu, int target_cpu);

#ifdef __cplusplus
}
#endif

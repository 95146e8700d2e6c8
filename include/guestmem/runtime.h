/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the other files of a VM library call: bring-up of the guest's address space, and the way in
 * for the guest's memory faults. VMMs don't need this header.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <sel4vm/guest_vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make `new_vspace` the guest address space under the root table `page_directory`, which must be
 * assigned to an ASID pool, empty, and stay alive until after guestmem_destroy() or
 * vspace_tear_down(). All addresses of this vspace are gpas. Every function of it is set; each does
 * what vspace/vspace.h says or fails and logs why.
 *   Needs:   `vmm` and `vka` to outlive the space; `loader` is not used.
 *   Returns: 0 or -1.
 */
int vm_init_guest_vspace(vspace_t *loader, vspace_t *vmm, vspace_t *new_vspace, vka_t *vka,
                         seL4_CPtr page_directory);

/*
 * Answer a guest access to [addr, addr + size) that stage 2 did not allow: populate what is lazy
 * (FAULT_RESTART), else ask the callback of the reservation that holds the whole range, else
 * FAULT_UNHANDLED. The caller asks the VM's unhandled handler. An access to lazy memory that is
 * there by now, since another vcpu's came first, is to be tried again too. Where lazy memory can't
 * be populated, for want of a frame, say, the answer is FAULT_ERROR, guestmem_last_failure() names
 * access and reason, and nothing has changed: a VM library stops the VM there, and lets the vcpu do
 * the same access again when its VMM goes on. Threads: guestmem/threads.h.
 */
memory_fault_result_t vm_memory_handle_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr,
                                             size_t size);

/* vm_map_reservation() that always maps at once, whatever the policy says. Returns 0 or -1. */
int map_vm_memory_reservation(vm_t *vm, vm_memory_reservation_t *vm_reservation,
                              memory_map_iterator_fn map_iterator, void *map_cookie);

#ifdef __cplusplus
}
#endif

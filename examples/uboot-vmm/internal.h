/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of this VMM share with each other.
 */
#pragma once

#include "uboot_vmm.h"

/* Fault callbacks; their cookies are the VMM (uart, absent) or the area (dropped). */
memory_fault_result_t uboot_vmm_uart_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                           void *cookie);
memory_fault_result_t uboot_vmm_absent_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                             void *cookie);
memory_fault_result_t uboot_vmm_dropped_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr,
                                              size_t size, void *cookie);
memory_fault_result_t uboot_vmm_nowhere_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr,
                                              size_t size, void *cookie);
int uboot_vmm_vcpu_exit(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie);

/* Begin and end of an access that came to the VMM: note, answer, and ask whether to stop. */
void uboot_vmm_event_begin(vm_vcpu_t *vcpu, const char *area, uintptr_t addr, size_t size,
                           struct uboot_vmm_event *event);
memory_fault_result_t uboot_vmm_event_end(struct uboot_vmm *vmm, vm_vcpu_t *vcpu,
                                          const struct uboot_vmm_event *event);

/* The guest shall run no further, for this reason; a first one stays. 0: it will not; -1: it will
 * not if the callback fails, so that it must. */
int uboot_vmm_end_with(struct uboot_vmm *vmm, enum uboot_vmm_end end);

/* The VMM that a VM is part of. */
struct uboot_vmm *uboot_vmm_of(vm_t *vm);

/* view.c: the windows, made before anything else is mapped in the VMM. */
int uboot_vmm_windows_make(struct uboot_vmm *vmm);
void uboot_vmm_windows_drop(struct uboot_vmm *vmm);

/* memory.c: make all areas; put firmware and device tree into them; take all down. */
int uboot_vmm_memory_make(struct uboot_vmm *vmm);
int uboot_vmm_memory_load(struct uboot_vmm *vmm);
void uboot_vmm_memory_drop(struct uboot_vmm *vmm);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#pragma once

#include <sel4vm/guest_memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A fault callback for ranges that the guest must not fault on: always FAULT_ERROR. */
memory_fault_result_t default_error_fault_callback(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t fault_addr,
                                                   size_t fault_length, void *cookie);

#ifdef __cplusplus
}
#endif

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A vcpu's registers. While the vcpu waits with a fault they are those at the faulting instruction;
 * what is set then takes effect when the vcpu goes on. Setting any during a memory fault gives up
 * the rest of that instruction. All return 0 or -1.
 */
#pragma once

#include <stdint.h>

#include <sel4/sel4.h>
#include <sel4vm/guest_vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The thread's registers. `sp` is SP_EL0 (SP_EL1 is a vcpu register, below). The mode in `spsr` is
 * EL0t, EL1t or EL1h; any other value runs at EL0, as the kernel has it.
 */
int vm_set_thread_context(vm_vcpu_t *vcpu, seL4_UserContext context);
int vm_get_thread_context(vm_vcpu_t *vcpu, seL4_UserContext *context);

/* One of them; `reg` counts the words of seL4_UserContext from 0, which is pc. */
int vm_set_thread_context_reg(vm_vcpu_t *vcpu, unsigned int reg, uintptr_t value);
int vm_get_thread_context_reg(vm_vcpu_t *vcpu, unsigned int reg, uintptr_t *value);

/* A register of the virtual processor; `reg` is a seL4_VCPUReg. -1 for one that the guest CPU on
 * the host doesn't have. */
int vm_set_arm_vcpu_reg(vm_vcpu_t *vcpu, seL4_Word reg, uintptr_t value);
int vm_get_arm_vcpu_reg(vm_vcpu_t *vcpu, seL4_Word reg, uintptr_t *value);

#ifdef __cplusplus
}
#endif

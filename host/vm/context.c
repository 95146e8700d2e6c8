/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <sel4vm/arch/guest_arm_context.h>

#include <string.h>

#include <utils/util.h>

#include "runtime.h"

/* Registers of a vcpu that runs on another thread are in flux. */
static struct engine_cpu *cpu_of(vm_vcpu_t *vcpu, const char *call)
{
    struct fault *fault = vcpu == NULL ? NULL : vcpu->vcpu_arch.fault;

    if (fault == NULL) {
        ZF_LOGE("%s: no vcpu", call);
        return NULL;
    }
    if (atomic_load(&fault->runtime->is_parallel) && !run_serves(fault) &&
        atomic_load(&fault->state) == VCPU_READY) {
        ZF_LOGE("%s: vcpu %u runs on another thread", call, vcpu->vcpu_id);
        return NULL;
    }
    return fault->cpu;
}

int vm_get_thread_context(vm_vcpu_t *vcpu, seL4_UserContext *context)
{
    struct engine_cpu *cpu = cpu_of(vcpu, "vm_get_thread_context");

    if (cpu == NULL || context == NULL) {
        return -1;
    }
    engine_cpu_get_context(cpu, context);
    return 0;
}

int vm_set_thread_context(vm_vcpu_t *vcpu, seL4_UserContext context)
{
    struct engine_cpu *cpu = cpu_of(vcpu, "vm_set_thread_context");
    seL4_UserContext now;

    if (cpu == NULL) {
        return -1;
    }
    engine_cpu_get_context(cpu, &now);
    if (memcmp(&now, &context, sizeof(now)) == 0) {
        return 0; /* a waiting access needn't be given up for nothing */
    }
    return engine_cpu_set_context(cpu, &context) == 0 ? 0 : -1;
}

static bool is_word(unsigned int reg)
{
    return reg < sizeof(seL4_UserContext) / sizeof(seL4_Word);
}

int vm_get_thread_context_reg(vm_vcpu_t *vcpu, unsigned int reg, uintptr_t *value)
{
    seL4_UserContext context;

    if (!is_word(reg) || value == NULL || vm_get_thread_context(vcpu, &context) != 0) {
        return -1;
    }
    *value = ((const seL4_Word *)&context)[reg];
    return 0;
}

int vm_set_thread_context_reg(vm_vcpu_t *vcpu, unsigned int reg, uintptr_t value)
{
    seL4_UserContext context;

    if (!is_word(reg) || vm_get_thread_context(vcpu, &context) != 0) {
        return -1;
    }
    ((seL4_Word *)&context)[reg] = value;
    return vm_set_thread_context(vcpu, context);
}

int vm_set_arm_vcpu_reg(vm_vcpu_t *vcpu, seL4_Word reg, uintptr_t value)
{
    struct engine_cpu *cpu = cpu_of(vcpu, "vm_set_arm_vcpu_reg");

    return cpu != NULL && engine_cpu_set_register(cpu, reg, value) == 0 ? 0 : -1;
}

int vm_get_arm_vcpu_reg(vm_vcpu_t *vcpu, seL4_Word reg, uintptr_t *value)
{
    struct engine_cpu *cpu = cpu_of(vcpu, "vm_get_arm_vcpu_reg");
    uint64_t word;

    if (cpu == NULL || value == NULL || engine_cpu_get_register(cpu, reg, &word) != 0) {
        return -1;
    }
    *value = word;
    return 0;
}

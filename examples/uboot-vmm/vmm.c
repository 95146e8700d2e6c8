/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The VM from its first call to its last, and the vcpu's exits that aren't about memory.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sel4vm/arch/guest_arm_context.h>
#include <sel4vm/boot.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vm/guest_vcpu_fault.h>

#include "internal.h"

enum {
    VCPU_PRIORITY = 100,
    SPSR_EL1H_MASKED = 0x3c5, /* EL1, its own stack pointer, D, A, I, F masked */
    CLASS_WFX = 0x01,         /* exception classes of ESR_EL2 (Arm ARM) */
    CLASS_HVC = 0x16,
    CLASS_SMC = 0x17,
    CLASS_SYSREG = 0x18,
    ISS_CNTPCT_READ = 3 << 20 | 1 << 17 | 3 << 14 | 14 << 10 | 1, /* op0 op2 op1 CRn, a read */
    ISS_REGISTER = 0x1f << 5,
    ISS_MASK = 0x1ffffff,
};

enum psci {
    PSCI_VERSION = 0x84000000,
    PSCI_SYSTEM_OFF = 0x84000008,
    PSCI_SYSTEM_RESET = 0x84000009,
    PSCI_0_2 = 2,
};

int uboot_vmm_fail(struct uboot_vmm *vmm, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(vmm->error, sizeof(vmm->error), format, args);
    va_end(args);
    return -1;
}

int uboot_vmm_end_with(struct uboot_vmm *vmm, enum uboot_vmm_end end)
{
    if (vmm->end == UBOOT_VMM_RUNNING) {
        vmm->end = end;
    }
    if (vmm->config.environment.stop == NULL) {
        return -1;
    }
    vmm->config.environment.stop(&vmm->vm);
    return 0;
}

/* -------------------------------------------------------------------------------- vcpu exits */

static int psci_call(struct uboot_vmm *vmm, seL4_UserContext *regs)
{
    switch ((uint32_t)regs->x0) {
    case PSCI_SYSTEM_OFF:
        return uboot_vmm_end_with(vmm, UBOOT_VMM_POWEROFF);
    case PSCI_SYSTEM_RESET:
        return uboot_vmm_end_with(vmm, UBOOT_VMM_RESET);
    case PSCI_VERSION:
        regs->x0 = PSCI_0_2;
        return 0;
    default:
        regs->x0 = (seL4_Word)-1; /* not supported */
        return 0;
    }
}

/* Where general register n is in the context; 31 is the zero register. */
static const uint8_t context_index[31] = {
#define AT(reg) offsetof(seL4_UserContext, reg) / sizeof(seL4_Word)
    AT(x0),  AT(x1),  AT(x2),  AT(x3),  AT(x4),  AT(x5),  AT(x6),  AT(x7),
    AT(x8),  AT(x9),  AT(x10), AT(x11), AT(x12), AT(x13), AT(x14), AT(x15),
    AT(x16), AT(x17), AT(x18), AT(x19), AT(x20), AT(x21), AT(x22), AT(x23),
    AT(x24), AT(x25), AT(x26), AT(x27), AT(x28), AT(x29), AT(x30),
#undef AT
};

/* A kernel that doesn't export the counter traps each read of it. */
static int counter_read(struct uboot_vmm *vmm, uint32_t iss, seL4_UserContext *regs)
{
    uint32_t reg = (iss & ISS_REGISTER) >> 5;

    if ((iss & ~(uint32_t)ISS_REGISTER) != ISS_CNTPCT_READ) {
        return -1;
    }
    if (reg < 31) {
        ((seL4_Word *)regs)[context_index[reg]] = vmm->config.environment.counter();
    }
    return 0;
}

static int exit_answer(struct uboot_vmm *vmm, uint32_t hsr, seL4_UserContext *regs)
{
    switch (hsr >> 26) {
    case CLASS_WFX: /* there is nothing to wait for: the guest polls */
        return 0;
    case CLASS_HVC:
    case CLASS_SMC:
        return psci_call(vmm, regs);
    case CLASS_SYSREG:
        return counter_read(vmm, hsr & ISS_MASK, regs);
    default:
        return -1;
    }
}

int uboot_vmm_vcpu_exit(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    struct uboot_vmm *vmm = cookie;
    seL4_UserContext regs;

    if (vm_get_thread_context(vcpu, &regs) != 0) {
        return -1;
    }
    if (exit_answer(vmm, hsr, &regs) != 0) {
        if (vmm->end == UBOOT_VMM_RUNNING) {
            vmm->fault = (struct uboot_vmm_event){.area = "vcpu", .data = hsr, .pc = regs.pc};
        }
        return uboot_vmm_end_with(vmm, UBOOT_VMM_EXCEPTION);
    }
    if (vm_set_thread_context(vcpu, regs) != 0) {
        return -1;
    }
    advance_vcpu_fault(vcpu);
    return 0;
}

/* ------------------------------------------------------------------------------------ the VM */

static int vm_make(struct uboot_vmm *vmm)
{
    const struct uboot_vmm_environment *environment = &vmm->config.environment;

    if (vm_init(&vmm->vm, environment->vka, environment->simple, *environment->vspace,
                environment->io_ops, environment->endpoint, "uboot") != 0) {
        return uboot_vmm_fail(vmm, "vm_init failed");
    }
    vmm->initialised = true;
    vmm->vm.mem.clean_cache = 1; /* the guest starts with its caches off */
    if (vmm->config.prepare != NULL &&
        vmm->config.prepare(&vmm->vm, vmm->config.prepare_cookie) != 0) {
        return uboot_vmm_fail(vmm, "the preparation of the VM failed");
    }
    vm_register_unhandled_mem_fault_callback(&vmm->vm, uboot_vmm_nowhere_fault, vmm);
    return 0;
}

static int vcpu_make(struct uboot_vmm *vmm)
{
    seL4_UserContext regs = {.pc = 0, .spsr = SPSR_EL1H_MASKED, .x0 = UBOOT_VMM_RAM_BASE};

    vmm->vcpu = vm_create_vcpu(&vmm->vm, VCPU_PRIORITY);
    if (vmm->vcpu == NULL || vm_assign_vcpu_target(vmm->vcpu, 0) != 0 ||
        vm_register_unhandled_vcpu_fault_callback(vmm->vcpu, uboot_vmm_vcpu_exit, vmm) != 0 ||
        vm_set_thread_context(vmm->vcpu, regs) != 0) {
        return uboot_vmm_fail(vmm, "can't make the vcpu");
    }
    return 0;
}

int uboot_vmm_create(struct uboot_vmm *vmm, const struct uboot_vmm_config *config)
{
    memset(vmm, 0, sizeof(*vmm));
    vmm->config = *config;
    vmm->uart_next = -1;
    if (config->firmware_bytes == 0 || config->firmware_bytes > UBOOT_VMM_FLASH_BYTES) {
        return uboot_vmm_fail(vmm, "firmware of %zu bytes: the flash holds 1 to %d",
                              config->firmware_bytes, UBOOT_VMM_FLASH_BYTES);
    }
    if (vm_make(vmm) != 0 || uboot_vmm_windows_make(vmm) != 0 || uboot_vmm_memory_make(vmm) != 0 ||
        uboot_vmm_memory_load(vmm) != 0) {
        return -1;
    }
    return vcpu_make(vmm);
}

int uboot_vmm_run(struct uboot_vmm *vmm)
{
    int err;

    if (vcpu_start(vmm->vcpu) != 0) {
        vmm->end = UBOOT_VMM_FAILED;
        return uboot_vmm_fail(vmm, "can't start the vcpu");
    }
    err = vm_run(&vmm->vm);
    if (vmm->end == UBOOT_VMM_RUNNING) {
        vmm->end = err != 0 ? UBOOT_VMM_FAILED : UBOOT_VMM_STOPPED;
    }
    return vmm->end == UBOOT_VMM_POWEROFF || vmm->end == UBOOT_VMM_RESET ? 0 : -1;
}

void uboot_vmm_destroy(struct uboot_vmm *vmm)
{
    if (vmm->initialised) {
        uboot_vmm_memory_drop(vmm);
    }
}

const char *uboot_vmm_callback_name(memory_fault_callback_fn callback)
{
    if (callback == uboot_vmm_uart_fault) {
        return "pl011";
    }
    if (callback == uboot_vmm_absent_fault) {
        return "all-ones";
    }
    if (callback == uboot_vmm_dropped_fault) {
        return "drop-writes";
    }
    return callback == default_error_fault_callback ? "error" : "-";
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <inttypes.h>
#include <stdio.h>

#include <guestmem/host_vm.h>
#include <sel4vm/sel4_arch/processor.h>

static const char *trap_name(uint32_t hsr)
{
    switch (HSR_EXCEPTION_CLASS(hsr)) {
    case HSR_SMC_64_EXCEPTION:
        return "SMC";
    case HSR_HVC_64_EXCEPTION:
        return "HVC";
    case HSR_WFx_EXCEPTION:
        return "WFI";
    default:
        return "trap";
    }
}

/* "write of 8 bytes" */
static void say_access(char *text, size_t size, const struct guestmem_host_vm_exit *exit)
{
    const char *what = exit->fetch ? "fetch" : exit->write ? "write" : "read";

    if (exit->size == 0) {
        snprintf(text, size, "%s", what);
    } else {
        snprintf(text, size, "%s of %u bytes", what, exit->size);
    }
}

static int access_text(const struct guestmem_host_vm_exit *exit, const char *why, char *text,
                       size_t size)
{
    bool lazy = exit->reason == GUESTMEM_HOST_VM_POPULATE;
    char what[40];

    if (exit->reason == GUESTMEM_HOST_VM_FETCH) {
        return snprintf(text, size,
                        "vcpu %u jumped to 0x%" PRIx64 " (guest-physical 0x%" PRIx64 "): %s",
                        exit->vcpu, exit->pc, exit->address, why);
    }
    say_access(what, sizeof(what), exit);
    return snprintf(text, size, "vcpu %u's %s at 0x%" PRIx64 ", pc 0x%" PRIx64 ": %s%s", exit->vcpu,
                    what, exit->address, exit->pc, lazy ? "lazy memory can't be populated: " : "",
                    why);
}

int guestmem_host_vm_exit_text(const struct guestmem_host_vm_exit *exit, char *text, size_t size)
{
    const char *why = exit->why != NULL ? exit->why : "no reason is known";

    switch (exit->reason) {
    case GUESTMEM_HOST_VM_NOT_RUN:
        return snprintf(text, size, "the VM hasn't run");
    case GUESTMEM_HOST_VM_STOPPED:
        return snprintf(text, size, "the VM was stopped");
    case GUESTMEM_HOST_VM_ACCESS:
    case GUESTMEM_HOST_VM_FETCH:
    case GUESTMEM_HOST_VM_POPULATE:
        return access_text(exit, why, text, size);
    case GUESTMEM_HOST_VM_TRAP:
        return snprintf(text, size, "vcpu %u's %s, hsr 0x%" PRIx32 ", pc 0x%" PRIx64 ": %s",
                        exit->vcpu, trap_name(exit->hsr), exit->hsr, exit->pc, why);
    case GUESTMEM_HOST_VM_CPU:
        return snprintf(text, size, "vcpu %u can't go on at pc 0x%" PRIx64 ": %s", exit->vcpu,
                        exit->pc, why);
    case GUESTMEM_HOST_VM_NOTIFICATION:
    case GUESTMEM_HOST_VM_NO_VCPU:
        break;
    }
    return snprintf(text, size, "%s", why);
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * A C++ program that calls, or could call, a function of each public header: it links only if the
 * headers say that they are C's.
 */
#include <cstdio>

#include <guestmem/guestmem.h>
#include <guestmem/host.h>
#include <guestmem/host_vm.h>
#include <guestmem/runtime.h>
#include <sel4/sel4.h>
#include <sel4vm/arch/guest_arm_context.h>
#include <sel4vm/arch/guest_vm_arch.h>
#include <sel4vm/boot.h>
#include <sel4vm/guest_iospace.h>
#include <sel4vm/guest_memory.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vm/guest_ram.h>
#include <sel4vm/guest_vcpu_fault.h>
#include <sel4vm/guest_vm.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

#define ADDRESS(function) reinterpret_cast<void (*)()>(function)

int main()
{
    void (*volatile functions[])() = {
        ADDRESS(guestmem_destroy),
        ADDRESS(guestmem_host_vm_destroy),
        ADDRESS(vm_memory_handle_fault),
        ADDRESS(seL4_Untyped_Retype),
        ADDRESS(vm_set_thread_context),
        ADDRESS(vm_register_unhandled_vcpu_fault_callback),
        ADDRESS(vm_init),
        ADDRESS(vm_guest_add_iospace),
        ADDRESS(vm_reserve_memory_at),
        ADDRESS(default_error_fault_callback),
        ADDRESS(vm_ram_touch),
        ADDRESS(advance_vcpu_fault),
        ADDRESS(vm_run),
        ADDRESS(map_frame_alloc_reservation),
    };
    guestmem_host *host = nullptr;
    unsigned missing = 0;

    for (auto function : functions) {
        missing += function == nullptr;
    }
    if (missing != 0 || guestmem_host_create(nullptr, &host) != 0) {
        std::printf("failed\n");
        return 1;
    }
    guestmem_host_destroy(host);
    return 0;
}

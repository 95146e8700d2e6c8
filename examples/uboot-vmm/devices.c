/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the guest's accesses do where no memory answers them.
 */
#include <guestmem/guestmem.h>
#include <sel4vm/guest_vcpu_fault.h>

#include "internal.h"

struct uboot_vmm *uboot_vmm_of(vm_t *vm)
{
    void *vmm = (char *)vm - offsetof(struct uboot_vmm, vm);

    return vmm;
}

void uboot_vmm_event_begin(vm_vcpu_t *vcpu, const char *area, uintptr_t addr, size_t size,
                           struct uboot_vmm_event *event)
{
    *event = (struct uboot_vmm_event){
        .area = area,
        .addr = addr,
        .size = size,
        .pc = get_vcpu_fault_ip(vcpu),
        .is_read = is_vcpu_read_fault(vcpu),
    };
    if (!event->is_read) {
        event->data = get_vcpu_fault_data(vcpu);
    }
}

memory_fault_result_t uboot_vmm_event_end(struct uboot_vmm *vmm, vm_vcpu_t *vcpu,
                                          const struct uboot_vmm_event *event)
{
    if (event->is_read) {
        set_vcpu_fault_data(vcpu, event->data);
    }
    if (vmm->config.stop_asked != NULL && vmm->config.stop_asked(vmm->config.stop_cookie) &&
        uboot_vmm_end_with(vmm, UBOOT_VMM_STOPPED) != 0) {
        return FAULT_ERROR;
    }
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

/* -------------------------------------------------------------------------------------- PL011 */

enum {
    UART_DR = 0x00,
    UART_FR = 0x18,
    UART_ID = 0xfe0,
    UART_FR_RX_EMPTY = 1 << 4,
    UART_FR_TX_EMPTY = 1 << 7,
};

static bool uart_has_input(struct uboot_vmm *vmm)
{
    if (vmm->uart_next < 0) {
        vmm->uart_next = vmm->config.console.get(vmm->config.console.cookie);
    }
    return vmm->uart_next >= 0;
}

static uint32_t uart_take(struct uboot_vmm *vmm)
{
    uint32_t byte = uart_has_input(vmm) ? (uint32_t)vmm->uart_next : 0;

    vmm->uart_next = -1;
    return byte;
}

static uint32_t uart_read(struct uboot_vmm *vmm, uint32_t reg)
{
    static const uint8_t id[8] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    if (reg == UART_DR) {
        return uart_take(vmm);
    }
    if (reg == UART_FR) {
        return UART_FR_TX_EMPTY | (uart_has_input(vmm) ? 0 : UART_FR_RX_EMPTY);
    }
    return reg >= UART_ID ? id[(reg - UART_ID) / 4] : vmm->uart[reg / 4];
}

static void uart_write(struct uboot_vmm *vmm, uint32_t reg, uint32_t data)
{
    if (reg == UART_DR) {
        vmm->config.console.put((char)data, vmm->config.console.cookie);
    } else if (reg != UART_FR && reg < UART_ID) {
        vmm->uart[reg / 4] = data;
    }
}

memory_fault_result_t uboot_vmm_uart_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                           void *cookie)
{
    struct uboot_vmm *vmm = uboot_vmm_of(vm);
    uint32_t reg = addr & 0xffc;
    struct uboot_vmm_event event;

    (void)cookie;
    uboot_vmm_event_begin(vcpu, "uart", addr, size, &event);
    if (event.is_read) {
        event.data = uart_read(vmm, reg);
    } else {
        uart_write(vmm, reg, (uint32_t)event.data);
    }
    return uboot_vmm_event_end(vmm, vcpu, &event);
}

/* ------------------------------------------------------------------------------------- others */

memory_fault_result_t uboot_vmm_absent_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                             void *cookie)
{
    struct uboot_vmm *vmm = cookie;
    struct uboot_vmm_event event;

    (void)vm;
    uboot_vmm_event_begin(vcpu, "absent", addr, size, &event);
    if (event.is_read) {
        event.data = ~(seL4_Word)0;
    }
    return uboot_vmm_event_end(vmm, vcpu, &event);
}

/* A write that the page's rights forbid: noted, and dropped. */
memory_fault_result_t uboot_vmm_dropped_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr,
                                              size_t size, void *cookie)
{
    struct uboot_vmm_area *area = cookie;
    struct uboot_vmm_event event;

    uboot_vmm_event_begin(vcpu, area->name, addr, size, &event);
    if (event.is_read) {
        return FAULT_ERROR;
    }
    area->writes++;
    area->last_write = addr;
    area->last_data = event.data;
    return uboot_vmm_event_end(uboot_vmm_of(vm), vcpu, &event);
}

memory_fault_result_t uboot_vmm_nowhere_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr,
                                              size_t size, void *cookie)
{
    struct uboot_vmm *vmm = cookie;

    (void)vm;
    uboot_vmm_event_begin(vcpu, "nowhere", addr, size, &vmm->fault);
    return uboot_vmm_end_with(vmm, UBOOT_VMM_NOWHERE) == 0 ? FAULT_RESTART : FAULT_ERROR;
}

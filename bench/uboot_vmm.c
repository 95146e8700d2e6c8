/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * U-Boot through the VMM runtime: what a VMM does and no more. RAM and flash are registered and
 * written through the VMM's view, the flash is then read-only to the guest, the PL011 is a fault
 * callback.
 */
#include "uboot.h"

#include "bench_vm.h"

#include <sel4vm/arch/guest_arm_context.h>
#include <sel4vm/boot.h>
#include <sel4vm/guest_vcpu_fault.h>
#include <stdio.h>
#include <string.h>

enum { HOST_RAM_BYTES = 512 << 20, VCPU_PRIORITY = 100, SPSR_EL1H_MASKED = 0x3c5 };

struct board {
    struct bench_vm bench;
    struct uboot_console *console;
    double start;
    double seconds;
};

static memory_fault_result_t access_pl011(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                          void *cookie)
{
    struct board *board = cookie;
    uint64_t offset = addr - UBOOT_PL011_BASE;

    (void)size;
    if (is_vcpu_read_fault(vcpu)) {
        set_vcpu_fault_data(vcpu, uboot_pl011_read(board->console, offset));
    } else {
        uboot_pl011_write(board->console, offset, get_vcpu_fault_data(vcpu));
        if (board->console->at_prompt) {
            board->seconds = bench_seconds() - board->start;
            guestmem_host_vm_stop(vm);
        }
    }
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static void fill(struct board *board, uintptr_t base, const struct uboot_image *image)
{
    bench_require(vm_ram_touch(&board->bench.vm, base, image->size, vm_guest_ram_write_callback,
                               image->bytes) == 0,
                  "write guest memory");
}

static void make_memory(struct board *board, const struct uboot_image *firmware,
                        const struct uboot_image *dtb)
{
    vm_t *vm = &board->bench.vm;

    bench_require(vm_ram_register_at(vm, UBOOT_RAM_BASE, UBOOT_RAM_BYTES, false) == 0,
                  "register RAM");
    bench_require(vm_ram_register_at(vm, UBOOT_FLASH_BASE, UBOOT_FLASH_BYTES, false) == 0,
                  "register flash");
    fill(board, UBOOT_FLASH_BASE, firmware);
    fill(board, UBOOT_RAM_BASE, dtb);
    bench_require(guestmem_set_rights(vm, UBOOT_FLASH_BASE, UBOOT_FLASH_BYTES, seL4_CanRead) ==
                      GUESTMEM_OK,
                  "make the flash read-only");
    bench_require(
        vm_reserve_memory_at(vm, UBOOT_PL011_BASE, UBOOT_PL011_BYTES, access_pl011, board) != NULL,
        "reserve the PL011");
}

static memory_fault_result_t ignore_write(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                          void *cookie)
{
    (void)vm;
    (void)addr;
    (void)size;
    (void)cookie;
    if (is_vcpu_read_fault(vcpu)) {
        return FAULT_ERROR;
    }
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

double uboot_run_vmm(const struct uboot_image *firmware, const struct uboot_image *dtb,
                     struct uboot_console *console)
{
    static struct board board;
    seL4_UserContext context = {
        .pc = UBOOT_FLASH_BASE, .spsr = SPSR_EL1H_MASKED, .x0 = UBOOT_RAM_BASE};
    vm_vcpu_t *vcpu;

    board = (struct board){.console = console, .start = bench_seconds(), .seconds = -1};
    bench_vm_create(&board.bench, HOST_RAM_BYTES, 21);
    vcpu = vm_create_vcpu(&board.bench.vm, VCPU_PRIORITY);
    bench_require(vcpu != NULL && vm_assign_vcpu_target(vcpu, 0) == 0, "create a vcpu");
    make_memory(&board, firmware, dtb);
    bench_require(vm_register_unhandled_mem_fault_callback(&board.bench.vm, ignore_write, NULL) ==
                      0,
                  "register the handler of writes to the flash");
    bench_require(vm_set_thread_context(vcpu, context) == 0 && vcpu_start(vcpu) == 0,
                  "start the vcpu");
    bench_require(vm_run(&board.bench.vm) == 0, "run the guest");
    bench_vm_destroy(&board.bench);
    return board.seconds;
}

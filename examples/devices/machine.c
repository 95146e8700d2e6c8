/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "machine.h"

#include <stdio.h>
#include <string.h>

#include <guestmem/access.h>
#include <guestmem/guestmem.h>
#include <sel4vm/arch/guest_arm_context.h>
#include <sel4vm/boot.h>
#include <sel4vm/guest_ram.h>

enum {
    VCPU_PRIORITY = 100,
    SPSR_EL1H_MASKED = 0x3c5, /* EL1, its own stack pointer, no interrupts */
};

/* -------------------------------------------------------------------------------------- board */

static void note_result(struct machine *machine, uint32_t value)
{
    uint32_t part = value >> 16;

    if (part < MACHINE_PARTS) {
        machine->results[part] = (int)(value & 0xffff);
        machine->told++;
    }
}

/* True: the guest is done. */
static bool board_write(struct machine *machine, const struct mmio_access *access)
{
    bool end = MMIO_AT(access->offset, access->size) == MMIO_AT(BOARD_END, 4);

    device_lock_take(&machine->lock);
    machine->ended |= end;
    if (MMIO_AT(access->offset, access->size) == MMIO_AT(BOARD_RESULT, 4)) {
        note_result(machine, (uint32_t)access->value);
    }
    device_lock_give(&machine->lock);
    return end;
}

static memory_fault_result_t board_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t gpa, size_t size,
                                         void *cookie)
{
    struct machine *machine = cookie;
    struct mmio_access access = mmio_begin(vcpu, gpa - MACHINE_BOARD, size);

    if (access.write && board_write(machine, &access)) {
        if (machine->environment.stop == NULL) {
            return FAULT_ERROR;
        }
        machine->environment.stop(vm);
    }
    return mmio_end(vcpu, &access);
}

/* -------------------------------------------------------------------------------------- making */

static int make_ram(vm_t *vm, bool lazy)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.populate = lazy ? GUESTMEM_POPULATE_LAZY : GUESTMEM_POPULATE_EAGER;
    if (guestmem_set_policy(vm, &policy) != GUESTMEM_OK) {
        return -1;
    }
    return vm_ram_register_at(vm, MACHINE_RAM, MACHINE_RAM_BYTES, false);
}

static int make_devices(struct machine *machine)
{
    vm_t *vm = &machine->vm;

    if (counter_create(&machine->counter, vm, MACHINE_COUNTER) != 0 ||
        mailbox_create(&machine->mailbox, vm, MACHINE_MAILBOX) != 0 ||
        disk_create(&machine->disk, vm, MACHINE_DISK) != 0) {
        return -1;
    }
    machine->board = vm_reserve_memory_at(vm, MACHINE_BOARD, BOARD_BYTES, board_fault, machine);
    return machine->board == NULL ? -1 : 0;
}

int machine_create(struct machine *machine, const struct machine_environment *environment,
                   bool lazy)
{
    memset(machine, 0, sizeof(*machine));
    machine->environment = *environment;
    memset(machine->results, 0xff, sizeof(machine->results));
    if (vm_init(&machine->vm, environment->vka, environment->simple, *environment->vspace,
                environment->io_ops, environment->endpoint, "devices") != 0) {
        return -1;
    }
    return make_ram(&machine->vm, lazy) == 0 && make_devices(machine) == 0 ? 0 : -1;
}

static int load(vm_t *vm, const uint32_t *program, size_t bytes)
{
    if (guestmem_ram_write(vm, MACHINE_RAM, program, bytes) != GUESTMEM_OK) {
        return -1;
    }
    return guestmem_ram_sync_code(vm, MACHINE_RAM, bytes);
}

int machine_run(struct machine *machine, const uint32_t *program, size_t bytes)
{
    seL4_UserContext regs = {.pc = MACHINE_RAM, .spsr = SPSR_EL1H_MASKED};

    machine->vcpu = vm_create_vcpu(&machine->vm, VCPU_PRIORITY);
    if (load(&machine->vm, program, bytes) != 0 || machine->vcpu == NULL ||
        vm_assign_vcpu_target(machine->vcpu, 0) != 0 ||
        vm_set_thread_context(machine->vcpu, regs) != 0 || vcpu_start(machine->vcpu) != 0) {
        return -1;
    }
    return vm_run(&machine->vm) == 0 || machine->ended ? 0 : -1;
}

void machine_destroy(struct machine *machine)
{
    guestmem_destroy(&machine->vm);
}

/* ------------------------------------------------------------------------------------ telling */

/* Returns whether it failed. */
static int print_part(int step)
{
    if (step == 0) {
        printf("         the guest found everything as it expects\n");
    } else if (step > 0) {
        printf("         the guest found something else at its step %d\n", step);
    } else {
        printf("         the guest didn't get there\n");
    }
    return step != 0;
}

static void print_memory(vm_t *vm)
{
    struct guestmem_stats stats;

    if (guestmem_get_stats(vm, &stats) == GUESTMEM_OK) {
        printf("memory   %d MiB of RAM, of which %zu MiB were used and so populated\n",
               MACHINE_RAM_BYTES >> 20, stats.frames[1] * 2);
        printf("         %llu accesses of the guest came to the VMM\n",
               (unsigned long long)stats.faults);
    }
}

int machine_print(struct machine *machine)
{
    const struct counter *counter = &machine->counter;
    const struct mailbox *mailbox = &machine->mailbox;
    const struct disk *disk = &machine->disk;
    int failed;

    printf("counter  %u accesses, %u of them in sizes that its registers don't have\n",
           counter->accesses, counter->refused);
    failed = print_part(machine->results[0]);
    printf("mailbox  rang %u times, with %u message of a length that can't be\n", mailbox->rings,
           mailbox->refused);
    printf("         the last good one: \"%s\"\n", mailbox->last);
    failed += print_part(machine->results[1]);
    printf("disk     %u read, %u written, %u request answered with an error, %u resets asked for\n",
           disk->reads, disk->writes, disk->failed, disk->resets_asked);
    failed += print_part(machine->results[2]);
    print_memory(&machine->vm);
    return failed;
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The baseline: U-Boot on Unicorn and nothing else. Flash and RAM are one flat mapping each, made
 * once; no hook runs while the guest does, but for the flash's ignored writes.
 */
#include "uboot.h"

#include "bench_vm.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unicorn/unicorn.h>

enum { COPROC_EL3 = 6, COPROC_EL2 = 4 };
enum { SCR_EL3_NS = 1 << 0, SCR_EL3_RW = 1 << 10 };
#define HCR_EL2_RW (UINT64_C(1) << 31)

struct machine {
    uc_engine *engine;
    struct uboot_console *console;
    uint8_t *flash;
    uint8_t *ram;
};

static uint64_t read_pl011(uc_engine *engine, uint64_t offset, unsigned size, void *cookie)
{
    const struct machine *machine = cookie;

    (void)engine;
    (void)size;
    return uboot_pl011_read(machine->console, offset);
}

static void write_pl011(uc_engine *engine, uint64_t offset, unsigned size, uint64_t value,
                        void *cookie)
{
    const struct machine *machine = cookie;

    (void)size;
    uboot_pl011_write(machine->console, offset, value);
    if (machine->console->at_prompt) {
        uc_emu_stop(engine);
    }
}

static bool ignore_flash_write(uc_engine *engine, uc_mem_type type, uint64_t address, int size,
                               int64_t value, void *cookie)
{
    (void)engine;
    (void)type;
    (void)address;
    (void)size;
    (void)value;
    (void)cookie;
    return true;
}

static uc_err set_system_register(uc_engine *engine, uint32_t op1, uint32_t crm, uint32_t op2,
                                  uint64_t value)
{
    uc_arm64_cp_reg reg = {.crn = 1, .crm = crm, .op0 = 3, .op1 = op1, .op2 = op2, .val = value};

    return uc_reg_write(engine, UC_ARM64_REG_CP_REG, &reg);
}

/* Without these two the firmware's MMU set-up ends in an endless abort. */
static uc_err set_execution_state(uc_engine *engine)
{
    uc_err err = set_system_register(engine, COPROC_EL3, 1, 0, SCR_EL3_RW | SCR_EL3_NS);

    return err ? err : set_system_register(engine, COPROC_EL2, 1, 0, HCR_EL2_RW);
}

static uc_err build(struct machine *machine)
{
    uc_hook hook;
    uint64_t dtb_base = UBOOT_RAM_BASE;
    uc_err err = uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &machine->engine);

    err = err ? err : set_execution_state(machine->engine);
    err = err ? err
              : uc_mem_map_ptr(machine->engine, UBOOT_FLASH_BASE, UBOOT_FLASH_BYTES, UC_PROT_ALL,
                               machine->flash);
    err = err ? err
              : uc_mem_protect(machine->engine, UBOOT_FLASH_BASE, UBOOT_FLASH_BYTES,
                               UC_PROT_READ | UC_PROT_EXEC);
    err = err ? err
              : uc_mem_map_ptr(machine->engine, UBOOT_RAM_BASE, UBOOT_RAM_BYTES, UC_PROT_ALL,
                               machine->ram);
    err = err ? err
              : uc_mmio_map(machine->engine, UBOOT_PL011_BASE, UBOOT_PL011_BYTES, read_pl011,
                            machine, write_pl011, machine);
    err = err ? err
              : uc_hook_add(machine->engine, &hook, UC_HOOK_MEM_WRITE_PROT,
                            (void *)ignore_flash_write, NULL, 1, 0);
    return err ? err : uc_reg_write(machine->engine, UC_ARM64_REG_X0, &dtb_base);
}

static void *map_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static double run(struct machine *machine, const struct uboot_image *firmware,
                  const struct uboot_image *dtb, double start)
{
    uc_err err;

    memcpy(machine->flash, firmware->bytes, firmware->size);
    memcpy(machine->ram, dtb->bytes, dtb->size);
    err = build(machine);
    err = err ? err : uc_emu_start(machine->engine, UBOOT_FLASH_BASE, UINT64_MAX, 0, 0);
    if (err || !machine->console->at_prompt) {
        fprintf(stderr, "bare Unicorn: %s, %s\n", uc_strerror(err),
                machine->console->at_prompt ? "at the prompt" : "no prompt");
        return -1;
    }
    return bench_seconds() - start;
}

double uboot_run_bare(const struct uboot_image *firmware, const struct uboot_image *dtb,
                      struct uboot_console *console)
{
    double start = bench_seconds();
    struct machine machine = {.console = console,
                              .flash = map_memory(UBOOT_FLASH_BYTES),
                              .ram = map_memory(UBOOT_RAM_BYTES)};
    double seconds = -1;

    if (machine.flash != NULL && machine.ram != NULL) {
        seconds = run(&machine, firmware, dtb, start);
    } else {
        perror("bare Unicorn: memory");
    }
    if (machine.engine != NULL) {
        uc_close(machine.engine);
    }
    if (machine.ram != NULL) {
        munmap(machine.ram, UBOOT_RAM_BYTES);
    }
    if (machine.flash != NULL) {
        munmap(machine.flash, UBOOT_FLASH_BYTES);
    }
    return seconds;
}

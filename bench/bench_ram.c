/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * 1 GiB of guest RAM, ready for use: through the library, and as a bare mapping of a memfd that is
 * given to the engine. On both sides the clock stops when every page has memory behind it, the VMM
 * has read a byte of each page, and the guest has read a word of each 2 MiB. The sides take turns,
 * each run in a process of its own.
 */
#define _GNU_SOURCE
#include "bench_vm.h"

#include <sel4vm/arch/guest_arm_context.h>
#include <sel4vm/boot.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unicorn/unicorn.h>
#include <unistd.h>

enum { PAIRS = 9, PAGE = 4096, VCPU_PRIORITY = 100, SPSR_EL1H_MASKED = 0x3c5 };

#define RAM_BASE UINT64_C(0x40000000)
#define RAM_BYTES (UINT64_C(1) << 30)
#define RAM_END (RAM_BASE + RAM_BYTES)

/* x0 goes from the RAM's start to its end, x1. */
static uint32_t guest_code[] = {
    0xf9400002, /* 1: ldr  x2, [x0]                */
    0x91480000, /*    add  x0, x0, #0x200, lsl #12 */
    0xeb01001f, /*    cmp  x0, x1                  */
    0x54ffffa3, /*    b.lo 1b                      */
    0xd4000003, /*    smc  #0                      */
};

static void require_populated(int memfd)
{
    struct stat memory;

    bench_require(fstat(memfd, &memory) == 0, "look at the memfd");
    bench_require((uint64_t)memory.st_blocks * 512 >= RAM_BYTES, "have memory behind every page");
}

/* ------------------------------------------------------------------------------------- bare */

static uint64_t run_guest_bare(uc_engine *engine)
{
    uint64_t x0 = RAM_BASE;
    uint64_t x1 = RAM_END;
    uint64_t smc = RAM_BASE + sizeof(guest_code) - sizeof(guest_code[0]);
    uc_err err = uc_reg_write(engine, UC_ARM64_REG_X0, &x0);

    err = err ? err : uc_reg_write(engine, UC_ARM64_REG_X1, &x1);
    err = err ? err : uc_emu_start(engine, RAM_BASE, smc, 0, 0);
    err = err ? err : uc_reg_read(engine, UC_ARM64_REG_X0, &x0);
    bench_require(err == UC_ERR_OK, uc_strerror(err));
    return x0;
}

static void make_ready_bare(void *shared)
{
    double *seconds = shared;
    uc_engine *engine;
    volatile const uint8_t *ram;
    double start;
    int memfd;

    bench_require(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &engine) == UC_ERR_OK, "open the engine");
    start = bench_seconds();
    memfd = memfd_create("bench", MFD_CLOEXEC);
    bench_require(memfd >= 0 && ftruncate(memfd, RAM_BYTES) == 0, "make a memfd");
    ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memfd, 0);
    bench_require(ram != MAP_FAILED, "map the memfd");
    memcpy((void *)ram, guest_code, sizeof(guest_code));
    bench_require(uc_mem_map_ptr(engine, RAM_BASE, RAM_BYTES, UC_PROT_ALL, (void *)ram) ==
                      UC_ERR_OK,
                  "map RAM into the engine");
    for (uint64_t offset = 0; offset < RAM_BYTES; offset += PAGE) {
        (void)ram[offset];
    }
    bench_require(run_guest_bare(engine) == RAM_END, "let the guest read all its RAM");
    *seconds = bench_seconds() - start;
    require_populated(memfd);
}

/* ------------------------------------------------------------------------------ the library */

static int read_byte(vm_t *vm, uintptr_t gpa, void *vaddr, size_t size, size_t offset, void *cookie)
{
    (void)vm;
    (void)gpa;
    (void)size;
    (void)offset;
    (void)cookie;
    (void)*(volatile const uint8_t *)vaddr;
    return 0;
}

static int stop_at_smc(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    (void)hsr;
    *(bool *)cookie = true;
    guestmem_host_vm_stop(vcpu->vm);
    return 0;
}

static vm_vcpu_t *make_vcpu(vm_t *vm, bool *stopped)
{
    seL4_UserContext context = {
        .pc = RAM_BASE, .spsr = SPSR_EL1H_MASKED, .x0 = RAM_BASE, .x1 = RAM_END};
    vm_vcpu_t *vcpu = vm_create_vcpu(vm, VCPU_PRIORITY);

    bench_require(vcpu != NULL && vm_assign_vcpu_target(vcpu, 0) == 0, "create a vcpu");
    bench_require(vm_register_unhandled_vcpu_fault_callback(vcpu, stop_at_smc, stopped) == 0 &&
                      vm_set_thread_context(vcpu, context) == 0,
                  "set the vcpu up");
    return vcpu;
}

static void make_ready_guestmem(void *shared)
{
    double *seconds = shared;
    static struct bench_vm bench;
    seL4_UserContext context;
    vm_t *vm = &bench.vm;
    bool stopped = false;
    vm_vcpu_t *vcpu;
    double start;

    bench_vm_create(&bench, 2 * RAM_BYTES, 21);
    vcpu = make_vcpu(vm, &stopped);
    start = bench_seconds();
    bench_require(vm_ram_register_at(vm, RAM_BASE, RAM_BYTES, false) == 0, "register 1 GiB");
    bench_require(vm_ram_touch(vm, RAM_BASE, sizeof(guest_code), vm_guest_ram_write_callback,
                               guest_code) == 0,
                  "write the guest's code");
    bench_require(vm_ram_touch(vm, RAM_BASE, RAM_BYTES, read_byte, NULL) == 0,
                  "let the VMM read all RAM");
    bench_require(vcpu_start(vcpu) == 0, "start the vcpu");
    bench_require(vm_run(vm) == 0, "run the guest");
    *seconds = bench_seconds() - start;
    bench_require(stopped && vm_get_thread_context(vcpu, &context) == 0 && context.x0 == RAM_END,
                  "let the guest read all its RAM");
    require_populated(guestmem_host_memfd(bench.host));
    bench_vm_destroy(&bench);
}

int main(void)
{
    double ratios[PAIRS], bare[PAIRS], ours[PAIRS];
    double *seconds = bench_share(sizeof(*seconds));

    for (unsigned i = 0; i < PAIRS; i++) {
        bench_run_apart(make_ready_bare, seconds);
        bare[i] = *seconds;
        bench_run_apart(make_ready_guestmem, seconds);
        ours[i] = *seconds;
        ratios[i] = ours[i] / bare[i];
    }
    bench_result("ram_1gib_ready_bare", bench_median(bare, PAIRS), "s");
    bench_result("ram_1gib_ready", bench_median(ours, PAIRS), "s");
    bench_result("ram_1gib_ready_ratio", bench_median(ratios, PAIRS), "x");
    return 0;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <allocman/bootstrap.h>
#include <allocman/vka.h>
#include <platsupport/io.h>
#include <sel4platsupport/bootinfo.h>
#include <sel4platsupport/platsupport.h>
#include <sel4utils/vspace.h>
#include <simple-default/simple-default.h>

#include <guestmem/guestmem.h>
#include <guestmem/runtime.h>

#include "bench.h"

long bench_slots;
uintptr_t bench_fresh_ram;
size_t bench_fresh_bytes;

static char pool[48 << 20];
static simple_t simple;
static vka_t tree_vka;
static vka_t counting_vka;
static vspace_t vspace;
static sel4utils_alloc_data_t vspace_data;
static ps_io_ops_t io_ops;

static int count_alloc(void *data, seL4_CPtr *slot)
{
    int error = tree_vka.cspace_alloc(data, slot);

    bench_slots += error == 0;
    return error;
}

static void count_free(void *data, seL4_CPtr slot)
{
    tree_vka.cspace_free(data, slot);
    bench_slots--;
}

/* The largest untyped of normal memory: the rows take theirs from it. */
static uintptr_t largest_untyped(size_t *bits)
{
    uintptr_t largest = 0;

    *bits = 0;
    for (int i = 0; i < simple_get_untyped_count(&simple); i++) {
        size_t size_bits;
        uintptr_t paddr;
        bool device;

        simple_get_nth_untyped(&simple, i, &size_bits, &paddr, &device);
        if (!device && size_bits > *bits) {
            *bits = size_bits;
            largest = paddr;
        }
    }
    return largest;
}

/*
 * The kernel clears an untyped when it is retyped for the first time, and again when all that was made
 * of it is gone. So that no row pays for that: take every other untyped away, then split the largest,
 * which clears it once; each row uses what no other used before.
 */
static void clear_memory(void)
{
    vka_object_t taken;
    size_t bits;
    uintptr_t largest = largest_untyped(&bits);

    for (int i = 0; i < simple_get_untyped_count(&simple); i++) {
        size_t size_bits;
        uintptr_t paddr;
        bool device;

        simple_get_nth_untyped(&simple, i, &size_bits, &paddr, &device);
        if (!device && paddr != largest) {
            vka_alloc_untyped_at(&tree_vka, size_bits, paddr, &taken); /* refused where some is in use */
        }
    }
    bench_require(vka_alloc_untyped(&tree_vka, seL4_LargePageBits + 3, &taken) == 0, "split the largest untyped");
    bench_fresh_ram = largest;
    bench_fresh_bytes = (size_t)1 << bits;
}

void bench_setup(void)
{
    seL4_BootInfo *info = platsupport_get_bootinfo();
    allocman_t *allocman;

    simple_default_init_bootinfo(&simple, info);
    allocman = bootstrap_use_current_simple(&simple, sizeof(pool), pool);
    bench_require(allocman != NULL, "bring up the allocator");
    allocman_make_vka(&tree_vka, allocman);
    counting_vka = tree_vka;
    counting_vka.cspace_alloc = count_alloc;
    counting_vka.cspace_free = count_free;
    bench_require(sel4utils_bootstrap_vspace_with_bootinfo_leaky(&vspace, &vspace_data, simple_get_pd(&simple),
                                                                 &tree_vka, info) == 0,
                  "bring up the address space");
    bench_require(platsupport_serial_setup_simple(&vspace, &simple, &tree_vka) == 0, "bring up the console");
    bench_require(ps_new_stdlib_malloc_ops(&io_ops.malloc_ops) == 0, "bring up malloc");
    clear_memory();
}

vm_t *bench_vm_new(void)
{
    vm_t *vm = calloc(1, sizeof(*vm));

    bench_require(vm != NULL, "make a VM");
    vm->vka = &counting_vka;
    vm->simple = &simple;
    vm->io_ops = &io_ops;
    vm->mem.vmm_vspace = vspace;
    bench_require(vm_memory_init(vm) == 0, "make a VM's book-keeping");
    bench_require(vka_alloc_vspace_root(vm->vka, &vm->mem.vm_vspace_root) == 0, "make a VM's root table");
    bench_require(simple_ASIDPool_assign(&simple, vm->mem.vm_vspace_root.cptr) == 0, "assign it to a pool");
    bench_require(vm_init_guest_vspace(&vm->mem.vmm_vspace, &vm->mem.vmm_vspace, &vm->mem.vm_vspace, vm->vka,
                                       vm->mem.vm_vspace_root.cptr) == 0,
                  "make a VM's address space");
    return vm;
}

void bench_vm_free(vm_t *vm)
{
    bench_require(guestmem_destroy(vm) == GUESTMEM_OK, "destroy the VM");
    vka_free_object(vm->vka, &vm->mem.vm_vspace_root);
    free(vm);
}

void bench_require(bool ok, const char *what)
{
    if (!ok) {
        printf("BENCH FAILED: %s\n", what);
        abort();
    }
}

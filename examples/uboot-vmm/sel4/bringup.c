/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Physical addresses, of QEMU's virt machine with 2 GiB:
 *
 *   0x09030000  PL061, a device with registers that keep what is written
 *   0x50000000  "identity": RAM that the kernel sets aside for guests, as device untyped
 *   0x90000000  the window: normal memory, taken by address
 */
#include "bringup.h"

#include <allocman/bootstrap.h>
#include <allocman/vka.h>
#include <platsupport/io.h>
#include <sel4platsupport/bootinfo.h>
#include <sel4platsupport/platsupport.h>
#include <sel4utils/vspace.h>
#include <simple-default/simple-default.h>
#include <vka/object.h>

enum {
    POOL_BYTES = 4 << 20, /* the allocator's book-keeping */
    DEVICE_PAGE = 0x09030000,
    IDENTITY_BASE = 0x50000000,
    RANGE_BYTES = 0x203000, /* of identity and window: one large frame, and small ones */
};

static const uintptr_t window_base = 0x90000000;

static char pool[POOL_BYTES];
static simple_t simple;
static vka_t vka;
static vspace_t vspace;
static sel4utils_alloc_data_t vspace_data;
static ps_io_ops_t io_ops;

/* The kernel's virtual counter stands still for vcpus that don't run, so that it is behind what we
 * read last whenever the guest has run: no guest may see time go back. */
static uint64_t counter(void)
{
    static uint64_t last;
    uint64_t now;

    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(now)::"memory");
    if (now > last) {
        last = now;
    }
    return last;
}

static const char *bring_up_allocator(void)
{
    seL4_BootInfo *info = platsupport_get_bootinfo();
    allocman_t *allocman;

    simple_default_init_bootinfo(&simple, info);
    allocman = bootstrap_use_current_simple(&simple, sizeof(pool), pool);
    if (allocman == NULL) {
        return "can't bring up the allocator";
    }
    allocman_make_vka(&vka, allocman);
    if (sel4utils_bootstrap_vspace_with_bootinfo_leaky(&vspace, &vspace_data,
                                                       simple_get_pd(&simple), &vka, info) != 0) {
        return "can't bring up the address space";
    }
    return NULL;
}

const char *bringup(struct uboot_vmm_environment *environment)
{
    const char *error = bring_up_allocator();
    vka_object_t endpoint;

    if (error != NULL) {
        return error;
    }
    if (platsupport_serial_setup_simple(&vspace, &simple, &vka) != 0) {
        return "can't bring up the console";
    }
    if (ps_new_stdlib_malloc_ops(&io_ops.malloc_ops) != 0 ||
        vka_alloc_endpoint(&vka, &endpoint) != 0) {
        return "no memory for an endpoint";
    }
    *environment = (struct uboot_vmm_environment){
        .vka = &vka,
        .simple = &simple,
        .vspace = &vspace,
        .io_ops = &io_ops,
        .endpoint = endpoint.cptr,
        .device_page = DEVICE_PAGE,
        .identity = {IDENTITY_BASE, RANGE_BYTES},
        .window = {window_base, RANGE_BYTES},
        .counter = counter,
        .stop = NULL, /* the tree's vm_run() ends when a callback fails, and not otherwise */
    };
    return NULL;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The example as root task: brings allocator, address space and console up, runs the guest, says
 * what happened. The last line begins with "devices:".
 */
#include <stdio.h>

#include <allocman/bootstrap.h>
#include <allocman/vka.h>
#include <platsupport/io.h>
#include <sel4/sel4.h>
#include <sel4platsupport/bootinfo.h>
#include <sel4platsupport/platsupport.h>
#include <sel4utils/vspace.h>
#include <simple-default/simple-default.h>
#include <utils/util.h>
#include <vka/object.h>

#include "machine.h"

enum { POOL_BYTES = 4 << 20 }; /* the allocator's book-keeping */

static const uint32_t guest[] = {
#include "guest_words.h"
};

static char pool[POOL_BYTES];
static simple_t simple;
static vka_t vka;
static vspace_t vspace;
static sel4utils_alloc_data_t vspace_data;
static ps_io_ops_t io_ops;
static struct machine machine;

static const char *bring_up(struct machine_environment *environment)
{
    seL4_BootInfo *info = platsupport_get_bootinfo();
    allocman_t *allocman;
    vka_object_t endpoint;

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
    if (platsupport_serial_setup_simple(&vspace, &simple, &vka) != 0) {
        return "can't bring up the console";
    }
    if (ps_new_stdlib_malloc_ops(&io_ops.malloc_ops) != 0 ||
        vka_alloc_endpoint(&vka, &endpoint) != 0) {
        return "no memory for an endpoint";
    }
    *environment = (struct machine_environment){
        .vka = &vka,
        .simple = &simple,
        .vspace = &vspace,
        .io_ops = &io_ops,
        .endpoint = endpoint.cptr,
        .stop = NULL, /* the tree's vm_run() ends when a callback fails, and not otherwise */
    };
    return NULL;
}

int main(void)
{
    struct machine_environment environment;
    const char *error = bring_up(&environment);
    int failed = -1;

    if (error != NULL) {
        printf("devices: %s\n", error);
    } else if (machine_create(&machine, &environment, true) == 0 &&
               machine_run(&machine, guest, sizeof(guest)) == 0) {
        failed = machine_print(&machine);
    }
    machine_destroy(&machine);
    printf("devices: %s\n", failed == 0 ? "all is well" : "something failed");
    seL4_TCB_Suspend(seL4_CapInitThreadTCB); /* nobody is there to return to */
    return 0;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The example on a Linux host: brings the environment up, runs the guest, says what happened.
 * sel4/main.c is its counterpart on the kernel.
 */
#include <stdio.h>
#include <string.h>

#include <guestmem/host.h>
#include <guestmem/host_vm.h>

#include "machine.h"

static const uint32_t guest[] = {
#include "guest_words.h"
};

static int run(struct machine *machine, struct guestmem_host *host)
{
    struct machine_environment environment = {
        .vka = guestmem_host_vka(host),
        .simple = guestmem_host_simple(host),
        .vspace = guestmem_host_vspace(host),
        .io_ops = guestmem_host_io_ops(host),
        .endpoint = guestmem_host_endpoint(host),
        .stop = guestmem_host_vm_stop,
    };
    int failed = -1;

    if (machine_create(machine, &environment, true) == 0 &&
        machine_run(machine, guest, sizeof(guest)) == 0) {
        failed = machine_print(machine);
    }
    machine_destroy(machine);
    guestmem_host_vm_destroy(&machine->vm); /* the vcpu, and what else the host made */
    return failed;
}

int main(void)
{
    static struct machine machine;
    struct guestmem_host *host;
    int failed;
    int err = guestmem_host_create(NULL, &host);

    if (err != 0) {
        fprintf(stderr, "devices: can't bring up the environment: %s\n", strerror(-err));
        return 1;
    }
    failed = run(&machine, host);
    guestmem_host_destroy(host);
    return failed == 0 ? 0 : 1;
}

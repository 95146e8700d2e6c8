/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A small VM with the three example devices, made of public interfaces only: the same source on a
 * Linux host and as a root task on the kernel. What differs comes in as the environment.
 *
 *   0x09000000  counter   an emulated device of 16 bytes,
 *   0x09000010  board     and another one in the same page: the guest's results, and its end
 *   0x09001000  mailbox   two shared pages
 *   0x09003000  disk      a ring in RAM, and registers
 *   0x40000000  RAM       the program, and whatever it likes
 */
#pragma once

#include <sel4vm/guest_vm.h>

#include "counter.h"
#include "disk.h"
#include "mailbox.h"

enum {
    MACHINE_COUNTER = 0x09000000,
    MACHINE_BOARD = 0x09000010,
    MACHINE_MAILBOX = 0x09001000,
    MACHINE_DISK = 0x09003000,
    MACHINE_RAM = 0x40000000,
    MACHINE_RAM_BYTES = 4 << 20,
    MACHINE_PARTS = 3,
};

enum {                     /* the board's registers, of 4 bytes */
       BOARD_RESULT = 0x0, /* write: a part's number * 65536, + the step that failed or 0 */
       BOARD_END = 0x4,    /* write: the guest is done */
       BOARD_BYTES = 0x8,
};

struct machine_environment {
    vka_t *vka;
    simple_t *simple;
    vspace_t *vspace;
    ps_io_ops_t *io_ops;
    seL4_CPtr endpoint;
    void (*stop)(vm_t *vm); /* ends vm_run() with 0; NULL where a failing callback must do */
};

struct machine {
    struct machine_environment environment;
    vm_t vm;
    vm_vcpu_t *vcpu;
    struct counter counter;
    struct mailbox mailbox;
    struct disk disk;
    device_lock lock;           /* of what the board notes: */
    bool ended;                 /* the guest said so, and didn't just stop */
    unsigned told;              /* results that came, */
    int results[MACHINE_PARTS]; /* by part: -1, the step that failed, or 0 */
    vm_memory_reservation_t *board;
};

/* Memory and devices, but no vcpu yet. `lazy`: RAM is populated as it is used. Returns 0 or -1;
 * machine_destroy() takes back what there is, either way. */
int machine_create(struct machine *machine, const struct machine_environment *environment,
                   bool lazy);

/* Put the program at the start of RAM, and run it to its end. Once a machine. Returns 0 or -1. */
int machine_run(struct machine *machine, const uint32_t *program, size_t bytes);

/* Memory and devices. Vcpus go the way that their VM library has for them. */
void machine_destroy(struct machine *machine);

/* A few lines about what happened. Returns how many parts of the guest's program failed. */
int machine_print(struct machine *machine);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The examples' machine with a guest that makes the accesses that a test names, one after the
 * other, by the instructions that a driver would have.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <guestmem/access.h>
#include <guestmem/host.h>
#include <guestmem/host_vm.h>

#include "machine.h"

struct fixture {
    struct guestmem_host *host;
    struct machine_environment environment;
    struct machine machine;
    bool running;
};

/* cmocka's set-up and tear-down: a machine of lazy RAM, its guest not started. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* One access. What a read finds comes into `value`. */
struct guest_access {
    uint64_t address;
    uint64_t value;
    unsigned size;
    bool write;
};

enum { GUEST_ACCESSES_MAX = 64 };

/* Have the guest make them, in order; vm_run()'s result. */
int guest_does(struct fixture *fixture, struct guest_access *accesses, size_t count);

/* One of them, which must succeed. */
uint64_t guest_reads(struct fixture *fixture, uint64_t address, unsigned size);
void guest_writes(struct fixture *fixture, uint64_t address, unsigned size, uint64_t value);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * An emulated device: a counter that the guest adds to.
 *
 *   offset  bytes  register
 *   0x00    8      COUNT    read, write; also as two halves of 4
 *   0x08    4      ADD      write: COUNT += value, if CONTROL says so; reads as 0
 *   0x0c    2      LIMIT    read, write
 *   0x0e    1      CONTROL  read, write: bit 0, adding is on
 *   0x0f    1      STATUS   read: bit 0, COUNT has reached LIMIT; writing 1 clears it
 *
 * Any other access reads as 0 and writes nothing.
 */
#pragma once

#include <sel4vm/guest_vm.h>

#include "mmio.h"

enum {
    COUNTER_COUNT = 0x00,
    COUNTER_COUNT_HIGH = 0x04,
    COUNTER_ADD = 0x08,
    COUNTER_LIMIT = 0x0c,
    COUNTER_CONTROL = 0x0e,
    COUNTER_STATUS = 0x0f,
    COUNTER_BYTES = 0x10,
};

struct counter {
    device_lock lock;
    uintptr_t base;
    uint64_t count;
    uint16_t limit;
    uint8_t control;
    uint8_t status;
    unsigned accesses;
    unsigned refused; /* of them: no such register, or not in this size */
    vm_memory_reservation_t *reservation;
};

/* The device at guest address `base`; it lives as long as the VM's memory. Returns 0 or -1. */
int counter_create(struct counter *counter, vm_t *vm, uintptr_t base);

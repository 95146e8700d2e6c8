/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A driver of the disk: registers are accessed by the guest, so that each notification is a fault
 * like any other; the ring is written from outside.
 */
#pragma once

#include "ring.h"

enum {
    SIZE = 64,
    RING = MACHINE_RAM + 0x100000,
    HEADER = MACHINE_RAM + 0x110000,
    STATUS = MACHINE_RAM + 0x110100,
    DATA = MACHINE_RAM + 0x120000,
    MORE_RAM = 0x50000000,
    MORE_RAM_BYTES = 0x200000,
    UNTOUCHED = 0xee,
};

struct driver {
    struct fixture *fixture;
    struct machine *machine;
    struct disk *disk;
    vm_t *vm;
    struct ring ring;
};

/* One that is ready for requests. */
struct driver driver_for(void **state);

/* Reset the device, and start it anew with an empty ring. */
void driver_restart(struct driver *driver);

/* The steps of it: features, words 0 and 1; the queue as `ring` says. */
void driver_negotiate(struct driver *driver, uint32_t low, uint32_t high);
void driver_start_queue(struct driver *driver);

/* Registers. */
uint64_t driver_get(struct driver *driver, uint64_t offset);
void driver_set(struct driver *driver, uint64_t offset, uint64_t value);
void driver_set_address(struct driver *driver, uint64_t offset, uint64_t address);
bool driver_sees_reset(struct driver *driver);

/* Header, one buffer, status, as most drivers have them; and notify. */
void driver_request(struct driver *driver, uint32_t what, uint64_t sector, uint64_t data,
                    uint32_t length);

/* The steps of it. */
void driver_put_header(struct driver *driver, uint32_t what, uint64_t sector);
void driver_notify(struct driver *driver, uint16_t head);

/* The last request's status byte; that the last one came back, with so many bytes. */
unsigned driver_status(struct driver *driver);
void driver_expect_bytes(struct driver *driver, uint32_t bytes);

uint8_t driver_byte_at(struct driver *driver, uint64_t gpa);

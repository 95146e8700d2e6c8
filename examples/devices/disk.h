/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A block device over a ring, with virtio's registers (virtio 1.2: sections 4.2.2 MMIO, 5.2 block
 * device), for drivers that poll: there is no interrupt.
 *
 *      the guest writes QUEUE_NOTIFY
 *         -> disk.c          the registers, and each chain of the ring
 *            queue.c         out of the ring, into the ring
 *            disk_request.c  what a chain asks for
 *
 * A request that can't be done is answered with its status byte. If even that has no place, or the
 * ring can't be believed, the device asks to be reset (DISK_NEEDS_RESET) and touches nothing more
 * until it is.
 */
#pragma once

#include <sel4vm/guest_vm.h>

#include "mmio.h"
#include "queue.h"

enum {
    DISK_BYTES = 0x200, /* of registers */
    DISK_SECTOR = 512,
    DISK_SECTORS = 64,
    DISK_SEGMENTS_MAX = 14,       /* buffers of data in a request, */
    DISK_SEGMENT_BYTES = 1 << 20, /* and what one may have: the driver is told */
    /* With header and status. A buffer of less than a view's 2 MiB gives two pieces at most. */
    DISK_PIECES_MAX = 2 * (DISK_SEGMENTS_MAX + 2),
};

/* Registers, by offset: all of 4 bytes, but the configuration. */
enum {
    DISK_MAGIC = 0x00,
    DISK_VERSION = 0x04,
    DISK_DEVICE = 0x08,
    DISK_VENDOR = 0x0c,
    DISK_FEATURES = 0x10,
    DISK_FEATURES_PAGE = 0x14,
    DISK_DRIVER_FEATURES = 0x20,
    DISK_DRIVER_PAGE = 0x24,
    DISK_QUEUE = 0x30,
    DISK_QUEUE_SIZE_MAX = 0x34,
    DISK_QUEUE_SIZE = 0x38,
    DISK_QUEUE_READY = 0x44,
    DISK_QUEUE_NOTIFY = 0x50,
    DISK_INTERRUPT = 0x60,
    DISK_INTERRUPT_ACK = 0x64,
    DISK_STATUS = 0x70,
    DISK_DESCRIPTORS = 0x80, /* low half; the high one is behind it */
    DISK_AVAILABLE = 0x90,
    DISK_USED = 0xa0,
    DISK_GENERATION = 0xfc,
    DISK_CONFIG = 0x100,
};

enum { /* of DISK_STATUS */
       DISK_ACKNOWLEDGE = 0x01,
       DISK_DRIVER = 0x02,
       DISK_DRIVER_OK = 0x04,
       DISK_FEATURES_OK = 0x08,
       DISK_NEEDS_RESET = 0x40,
};

enum { /* what a request asks for, and its status byte */
       DISK_READ = 0,
       DISK_WRITE = 1,
       DISK_FLUSH = 4,
       DISK_GET_ID = 8,
       DISK_DONE = 0,
       DISK_ERROR = 1,
       DISK_UNKNOWN = 2,
};

struct disk {
    device_lock lock;
    vm_t *vm;
    uintptr_t base;
    struct queue queue;
    uint32_t queue_selected;
    bool ready;
    uint32_t status;
    uint32_t interrupt;
    uint32_t features_page, driver_page;
    uint64_t driver_features;
    unsigned reads, writes, failed; /* requests */
    unsigned resets_asked;
    vm_memory_reservation_t *reservation;
    uint8_t sectors[DISK_SECTORS * DISK_SECTOR];
};

/* The device at guest address `base`, its sectors zero; it lives as long as the VM's memory.
 * Returns 0 or -1. */
int disk_create(struct disk *disk, vm_t *vm, uintptr_t base);

/* Do what the chain asks for. False: there is no place for its status. `written`: what its writable
 * buffers hold now. */
bool disk_request(struct disk *disk, const struct chain *chain, uint32_t *written);

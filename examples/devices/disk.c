/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "disk.h"

#include <string.h>

#include <guestmem/threads.h>

enum {
    MAGIC = 0x74726976, /* "virt" */
    VENDOR = 0x534d4d47,
    BLOCK_DEVICE = 2,
    USED_BUFFERS = 1, /* of DISK_INTERRUPT */
};

static const uint64_t feature_size_max = UINT64_C(1) << 1;
static const uint64_t feature_segments_max = UINT64_C(1) << 2;
static const uint64_t feature_flush = UINT64_C(1) << 9;
static const uint64_t feature_indirect = UINT64_C(1) << 28;
static const uint64_t feature_version_1 = UINT64_C(1) << 32;

static uint64_t features(void)
{
    return feature_size_max | feature_segments_max | feature_flush | feature_indirect |
           feature_version_1;
}

/* ------------------------------------------------------------------------------------ the ring */

static void ask_for_reset(struct disk *disk)
{
    disk->status |= DISK_NEEDS_RESET;
    disk->resets_asked++;
}

/* In one section: what it looks up stays. One call serves a ring's worth, so that a guest that goes
 * on adding can't keep us. */
static void serve(struct disk *disk)
{
    guestmem_read_begin(disk->vm);
    for (uint32_t served = 0; served < disk->queue.size; served++) {
        struct chain chain;
        uint32_t written;
        enum queue_result result = queue_take(&disk->queue, &chain);

        if (result == QUEUE_EMPTY) {
            break;
        }
        if (result == QUEUE_BROKEN || !disk_request(disk, &chain, &written) ||
            !queue_put(&disk->queue, chain.head, written)) {
            ask_for_reset(disk);
            break;
        }
        disk->interrupt |= USED_BUFFERS;
    }
    guestmem_read_end(disk->vm);
}

static void notify(struct disk *disk)
{
    if (disk->ready && (disk->status & DISK_DRIVER_OK) && !(disk->status & DISK_NEEDS_RESET)) {
        serve(disk);
    }
}

/* --------------------------------------------------------------------------------- registers */

static void reset(struct disk *disk)
{
    disk->queue = (struct queue){.vm = disk->vm};
    disk->ready = false;
    disk->status = 0;
    disk->interrupt = 0;
    disk->driver_features = 0;
    disk->features_page = 0;
    disk->driver_page = 0;
    disk->queue_selected = 0;
}

static void set_status(struct disk *disk, uint32_t status)
{
    bool fits = !(disk->driver_features & ~features()) && disk->driver_features & feature_version_1;

    if (status == 0) {
        reset(disk);
        return;
    }
    if (!fits) {
        status &= ~(uint32_t)DISK_FEATURES_OK; /* the driver looks whether it stayed */
    }
    disk->status |= status & ~(uint32_t)DISK_NEEDS_RESET;
}

static void set_ready(struct disk *disk, bool ready)
{
    if (ready && disk->ready) {
        return;
    }
    disk->queue.indirect = disk->driver_features & feature_indirect;
    disk->ready = ready && queue_start(&disk->queue) == 0;
    if (ready && !disk->ready) {
        ask_for_reset(disk);
    }
}

static void set_half(uint64_t *value, bool high, uint64_t half)
{
    *value = high ? (*value & UINT32_MAX) | half << 32 : (*value & ~(uint64_t)UINT32_MAX) | half;
}

/* Of the queue that is selected, and while it isn't in use. */
static void write_queue(struct disk *disk, size_t offset, uint64_t value)
{
    bool high = offset & 4;

    switch (offset) {
    case DISK_QUEUE_SIZE:
        disk->queue.size = (uint32_t)value;
        break;
    case DISK_DESCRIPTORS:
    case DISK_DESCRIPTORS + 4:
        set_half(&disk->queue.descriptors, high, value);
        break;
    case DISK_AVAILABLE:
    case DISK_AVAILABLE + 4:
        set_half(&disk->queue.available, high, value);
        break;
    case DISK_USED:
    case DISK_USED + 4:
        set_half(&disk->queue.used, high, value);
        break;
    default:
        break;
    }
}

static void write_register(struct disk *disk, size_t offset, uint32_t value)
{
    switch (offset) {
    case DISK_FEATURES_PAGE:
        disk->features_page = value;
        break;
    case DISK_DRIVER_PAGE:
        disk->driver_page = value;
        break;
    case DISK_DRIVER_FEATURES:
        if (disk->driver_page < 2 && !(disk->status & DISK_FEATURES_OK)) {
            set_half(&disk->driver_features, disk->driver_page == 1, value);
        }
        break;
    case DISK_QUEUE:
        disk->queue_selected = value;
        break;
    case DISK_QUEUE_NOTIFY:
        notify(disk);
        break;
    case DISK_INTERRUPT_ACK:
        disk->interrupt &= ~value;
        break;
    case DISK_STATUS:
        set_status(disk, value);
        break;
    case DISK_QUEUE_READY:
        if (disk->queue_selected == 0) {
            set_ready(disk, value & 1);
        }
        break;
    default:
        if (disk->queue_selected == 0 && !disk->ready) {
            write_queue(disk, offset, value);
        }
    }
}

static uint32_t read_register(const struct disk *disk, size_t offset)
{
    switch (offset) {
    case DISK_MAGIC:
        return MAGIC;
    case DISK_VERSION:
        return 2;
    case DISK_DEVICE:
        return BLOCK_DEVICE;
    case DISK_VENDOR:
        return VENDOR;
    case DISK_FEATURES:
        return disk->features_page < 2 ? (uint32_t)(features() >> disk->features_page * 32) : 0;
    case DISK_QUEUE_SIZE_MAX:
        return disk->queue_selected == 0 ? QUEUE_SIZE_MAX : 0;
    case DISK_QUEUE_READY:
        return disk->queue_selected == 0 && disk->ready;
    case DISK_INTERRUPT:
        return disk->interrupt;
    case DISK_STATUS:
        return disk->status;
    default:
        return 0; /* DISK_GENERATION too: the configuration doesn't change */
    }
}

/* Any bytes of it. */
static uint64_t read_config(size_t offset, size_t size)
{
    const struct {
        uint64_t sectors;
        uint32_t segment_bytes;
        uint32_t segments;
    } config = {guestmem_le(DISK_SECTORS, 8), (uint32_t)guestmem_le(DISK_SEGMENT_BYTES, 4),
                (uint32_t)guestmem_le(DISK_SEGMENTS_MAX, 4)};
    uint64_t value = 0;

    if (offset < sizeof(config) && size <= sizeof(config) - offset) {
        memcpy(&value, (const char *)&config + offset, size);
    }
    return guestmem_le(value, 8);
}

static memory_fault_result_t disk_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t gpa, size_t size,
                                        void *cookie)
{
    struct disk *disk = cookie;
    struct mmio_access access = mmio_begin(vcpu, gpa - disk->base, size);

    (void)vm;
    device_lock_take(&disk->lock);
    if (access.offset >= DISK_CONFIG && !access.write) {
        access.value = read_config(access.offset - DISK_CONFIG, access.size);
    } else if (access.size == 4 && access.write) {
        write_register(disk, access.offset, (uint32_t)access.value);
    } else if (access.size == 4) {
        access.value = read_register(disk, access.offset);
    }
    device_lock_give(&disk->lock);
    return mmio_end(vcpu, &access);
}

int disk_create(struct disk *disk, vm_t *vm, uintptr_t base)
{
    memset(disk, 0, sizeof(*disk));
    disk->vm = vm;
    disk->base = base;
    reset(disk);
    disk->reservation = vm_reserve_memory_at(vm, base, DISK_BYTES, disk_fault, disk);
    return disk->reservation == NULL ? -1 : 0;
}

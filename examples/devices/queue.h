/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The device's side of a virtio 1 split ring, in the guest's RAM.
 *
 *   descriptors            available (the guest's)      used (ours)
 *   +------+-----+------+  +-------+-------+--------+  +-------+-------+--------------+
 *   | addr | len | next |  | flags | index | heads  |  | flags | index | head, length |
 *   +------+-----+------+  +-------+-------+--------+  +-------+-------+--------------+
 *      16 bytes each         2        2     2 each        2        2     4 + 4 each
 *
 * Nothing in there is believed: each number is read once, checked, and never looked at again. What
 * the buffers of a chain name is for guestmem_ram_iovec() to find out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestmem/access.h>

enum { QUEUE_SIZE_MAX = 64 };

struct queue {
    vm_t *vm;
    uint32_t size;                         /* descriptors: a power of two, 1 to QUEUE_SIZE_MAX */
    uint64_t descriptors, available, used; /* guest addresses */
    bool indirect;                         /* the guest may use tables of descriptors */
    uint16_t taken;                        /* chains, since the start, modulo 2^16 */
    uint16_t put;                          /* of them given back */
    uint64_t generation; /* of the VM's memory when the ring was found to be RAM */
};

/* A request: buffers in order, as the guest names them. */
struct chain {
    uint16_t head;
    size_t count;
    size_t readable_count; /* of the buffers: those that the device reads, before those it writes */
    struct guestmem_buffer buffers[QUEUE_SIZE_MAX];
    uint64_t readable; /* bytes of the former */
    uint64_t writable; /* and of the latter */
};

enum queue_result {
    QUEUE_EMPTY,
    QUEUE_CHAIN,
    QUEUE_BROKEN, /* nothing in it can be believed any more: the driver has to start it anew */
};

/* Start with what the driver has set. Returns 0, or -1: size, alignment or addresses can't be. */
int queue_start(struct queue *queue);

/* The next chain that the driver made available. */
enum queue_result queue_take(struct queue *queue, struct chain *chain);

/* Give it back, with `written` bytes in its writable buffers. False: the ring is broken. */
bool queue_put(struct queue *queue, uint16_t head, uint32_t written);

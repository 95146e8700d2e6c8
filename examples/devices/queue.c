/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "queue.h"

#include <guestmem/threads.h>

/* Names and numbers are virtio's (version 1.2, section 2.7). */
enum {
    DESCRIPTOR_NEXT = 1,
    DESCRIPTOR_WRITE = 2,
    DESCRIPTOR_INDIRECT = 4,
    INDEX = 2, /* offset of the index in both rings, */
    RING = 4,  /* and of their entries */
};

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

_Static_assert(sizeof(struct descriptor) == 16, "as it lies in guest memory");

struct table {
    uint64_t base;
    uint32_t count;
};

/* ------------------------------------------------------------------------------ the ring itself */

static bool is_ram(vm_t *vm, uint64_t base, size_t size)
{
    struct guestmem_buffer area = {base, size};
    struct guestmem_iovec pieces[2]; /* it is small: it crosses one border of views at most */
    size_t count;

    return guestmem_ram_iovec(vm, &area, 1, pieces, 2, &count) == GUESTMEM_OK;
}

/* The other calls of guestmem/access.h reach all of the guest's memory, what it may only read too;
 * so that it can't have us write there, the ring must be RAM. */
static bool ring_is_ram(struct queue *queue)
{
    uint64_t generation = guestmem_generation(queue->vm);

    if (generation == queue->generation) {
        return true;
    }
    if (!is_ram(queue->vm, queue->descriptors, queue->size * sizeof(struct descriptor)) ||
        !is_ram(queue->vm, queue->available, RING + queue->size * 2) ||
        !is_ram(queue->vm, queue->used, RING + queue->size * 8)) {
        return false;
    }
    queue->generation = generation;
    return true;
}

int queue_start(struct queue *queue)
{
    uint32_t size = queue->size;

    if (size == 0 || size > QUEUE_SIZE_MAX || (size & (size - 1)) != 0) {
        return -1;
    }
    if (queue->descriptors % 16 != 0 || queue->available % 2 != 0 || queue->used % 4 != 0) {
        return -1;
    }
    queue->taken = 0;
    queue->put = 0;
    queue->generation = ~UINT64_C(0); /* none that there ever is */
    return ring_is_ram(queue) ? 0 : -1;
}

/* ---------------------------------------------------------------------------------- chains */

static bool read_descriptor(struct queue *queue, const struct table *table, uint32_t at,
                            struct descriptor *descriptor)
{
    if (guestmem_ram_read(queue->vm, table->base + at * sizeof(*descriptor), descriptor,
                          sizeof(*descriptor)) != GUESTMEM_OK) {
        return false;
    }
    descriptor->address = guestmem_le(descriptor->address, 8);
    descriptor->length = (uint32_t)guestmem_le(descriptor->length, 4);
    descriptor->flags = (uint16_t)guestmem_le(descriptor->flags, 2);
    descriptor->next = (uint16_t)guestmem_le(descriptor->next, 2);
    return true;
}

static bool chain_add(struct chain *chain, const struct descriptor *descriptor, size_t most)
{
    bool write = descriptor->flags & DESCRIPTOR_WRITE;

    if (chain->count == most || (!write && chain->count > chain->readable_count)) {
        return false;
    }
    chain->readable_count += !write;
    chain->buffers[chain->count++] =
        (struct guestmem_buffer){descriptor->address, descriptor->length};
    *(write ? &chain->writable : &chain->readable) += descriptor->length;
    return true;
}

/* The table that a descriptor of the ring names. Where it lies is the guest's word, so that it must
 * be RAM like the ring. */
static bool find_table(struct queue *queue, const struct descriptor *descriptor,
                       struct table *table)
{
    uint32_t count = descriptor->length / (uint32_t)sizeof(struct descriptor);

    *table = (struct table){descriptor->address, count};
    return queue->indirect && !(descriptor->flags & DESCRIPTOR_NEXT) && count <= queue->size &&
           descriptor->length % sizeof(struct descriptor) == 0 &&
           is_ram(queue->vm, descriptor->address, descriptor->length);
}

static bool walk(struct queue *queue, struct chain *chain)
{
    struct table table = {queue->descriptors, queue->size};
    bool in_ring = true;
    uint32_t at = chain->head;
    struct descriptor descriptor;

    /* Each turn lengthens the chain, which is as long as the ring at most, or goes into a table,
     * which happens once: a loop ends. */
    for (;;) {
        if (at >= table.count || !read_descriptor(queue, &table, at, &descriptor)) {
            return false;
        }
        if (descriptor.flags & DESCRIPTOR_INDIRECT) {
            if (!in_ring || !find_table(queue, &descriptor, &table)) {
                return false;
            }
            in_ring = false;
            at = 0;
            continue;
        }
        if (!chain_add(chain, &descriptor, queue->size)) {
            return false;
        }
        if (!(descriptor.flags & DESCRIPTOR_NEXT)) {
            return true;
        }
        at = descriptor.next;
    }
}

/* ------------------------------------------------------------------------------ taking, putting */

enum queue_result queue_take(struct queue *queue, struct chain *chain)
{
    uint64_t index;
    uint64_t head;

    /* acquire: the chains up to the index, as the driver wrote them before it */
    if (!ring_is_ram(queue) ||
        guestmem_ram_load_acquire(queue->vm, queue->available + INDEX, 2, &index) != GUESTMEM_OK) {
        return QUEUE_BROKEN;
    }
    index = guestmem_le(index, 2);
    if (index == queue->taken) {
        return QUEUE_EMPTY;
    }
    if ((uint16_t)(index - queue->taken) > queue->size ||
        guestmem_ram_load(queue->vm,
                          queue->available + RING + (uint64_t)2 * (queue->taken % queue->size), 2,
                          &head) != GUESTMEM_OK) {
        return QUEUE_BROKEN;
    }
    *chain = (struct chain){.head = (uint16_t)guestmem_le(head, 2)};
    queue->taken++;
    return walk(queue, chain) ? QUEUE_CHAIN : QUEUE_BROKEN;
}

bool queue_put(struct queue *queue, uint16_t head, uint32_t written)
{
    uint64_t entry = queue->used + RING + (uint64_t)8 * (queue->put % queue->size);

    if (!ring_is_ram(queue) ||
        guestmem_ram_store(queue->vm, entry, 4, guestmem_le(head, 4)) != GUESTMEM_OK ||
        guestmem_ram_store(queue->vm, entry + 4, 4, guestmem_le(written, 4)) != GUESTMEM_OK) {
        return false;
    }
    queue->put++;
    /* release: entry and buffers before the index that tells of them */
    return guestmem_ram_store_release(queue->vm, queue->used + INDEX, 2,
                                      guestmem_le(queue->put, 2)) == GUESTMEM_OK;
}

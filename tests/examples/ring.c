/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "ring.h"

struct ring ring_at(vm_t *vm, uint64_t base, uint32_t size)
{
    return (struct ring){
        .vm = vm,
        .descriptors = base,
        .available = base + 0x400,
        .used = base + 0x800,
        .size = size,
    };
}

static void put(vm_t *vm, uint64_t gpa, uint64_t value, size_t size)
{
    assert_int_equal(guestmem_ram_write(vm, gpa, &value, size), 0);
}

static uint32_t get(vm_t *vm, uint64_t gpa, size_t size)
{
    uint32_t value = 0;

    assert_int_equal(guestmem_ram_read(vm, gpa, &value, size), 0);
    return value;
}

void table_describe(vm_t *vm, uint64_t table, uint32_t at, uint64_t address, uint32_t length,
                    uint16_t flags, uint16_t next)
{
    put(vm, table + at * 16, address, 8);
    put(vm, table + at * 16 + 8, length, 4);
    put(vm, table + at * 16 + 12, flags, 2);
    put(vm, table + at * 16 + 14, next, 2);
}

void ring_describe(struct ring *ring, uint32_t at, uint64_t address, uint32_t length,
                   uint16_t flags, uint16_t next)
{
    table_describe(ring->vm, ring->descriptors, at, address, length, flags, next);
}

void ring_set_index(struct ring *ring, uint16_t index)
{
    ring->offered = index;
    put(ring->vm, ring->available + 2, index, 2);
}

void ring_offer(struct ring *ring, uint16_t head)
{
    put(ring->vm, ring->available + 4 + ring->offered % ring->size * 2, head, 2);
    ring_set_index(ring, (uint16_t)(ring->offered + 1));
}

uint16_t ring_used_index(struct ring *ring)
{
    return (uint16_t)get(ring->vm, ring->used + 2, 2);
}

uint32_t ring_used_head(struct ring *ring, uint16_t at)
{
    return get(ring->vm, ring->used + 4 + at % ring->size * 8, 4);
}

uint32_t ring_used_bytes(struct ring *ring, uint16_t at)
{
    return get(ring->vm, ring->used + 8 + at % ring->size * 8, 4);
}

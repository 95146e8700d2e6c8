/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The driver's side of a ring, written from outside the guest, so that it can be as wrong as one
 * likes.
 */
#pragma once

#include <stdint.h>

#include "fixture.h"
#include "queue.h"

enum {
    NEXT = 1, /* flags of descriptors */
    WRITE = 2,
    INDIRECT = 4,
};

struct ring {
    vm_t *vm;
    uint64_t descriptors, available, used;
    uint32_t size;
    uint16_t offered;
};

/* A ring in RAM at `base`, of at most 64 descriptors. */
struct ring ring_at(vm_t *vm, uint64_t base, uint32_t size);

void ring_describe(struct ring *ring, uint32_t at, uint64_t address, uint32_t length,
                   uint16_t flags, uint16_t next);

/* The same in a table of its own. */
void table_describe(vm_t *vm, uint64_t table, uint32_t at, uint64_t address, uint32_t length,
                    uint16_t flags, uint16_t next);

void ring_offer(struct ring *ring, uint16_t head);
void ring_set_index(struct ring *ring, uint16_t index);

/* What the device has put there. */
uint16_t ring_used_index(struct ring *ring);
uint32_t ring_used_head(struct ring *ring, uint16_t at);
uint32_t ring_used_bytes(struct ring *ring, uint16_t at);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "counter.h"

#include <string.h>

/* False: there is no such register. */
static bool counter_read(const struct counter *counter, struct mmio_access *access)
{
    switch (MMIO_AT(access->offset, access->size)) {
    case MMIO_AT(COUNTER_COUNT, 8):
    case MMIO_AT(COUNTER_COUNT, 4): /* mmio_end() takes the low half */
        access->value = counter->count;
        return true;
    case MMIO_AT(COUNTER_COUNT_HIGH, 4):
        access->value = counter->count >> 32;
        return true;
    case MMIO_AT(COUNTER_LIMIT, 2):
        access->value = counter->limit;
        return true;
    case MMIO_AT(COUNTER_CONTROL, 1):
        access->value = counter->control;
        return true;
    case MMIO_AT(COUNTER_STATUS, 1):
        access->value = counter->status;
        return true;
    default:
        return access->offset == COUNTER_ADD && access->size == 4;
    }
}

static void counter_set(struct counter *counter, uint64_t count)
{
    counter->count = count;
    if (count >= counter->limit) {
        counter->status = 1;
    }
}

static bool counter_write(struct counter *counter, const struct mmio_access *access)
{
    const uint64_t low_half = UINT32_MAX;

    switch (MMIO_AT(access->offset, access->size)) {
    case MMIO_AT(COUNTER_COUNT, 8):
        counter_set(counter, access->value);
        return true;
    case MMIO_AT(COUNTER_COUNT, 4):
        counter_set(counter, (counter->count & ~low_half) | access->value);
        return true;
    case MMIO_AT(COUNTER_COUNT_HIGH, 4):
        counter_set(counter, (counter->count & low_half) | access->value << 32);
        return true;
    case MMIO_AT(COUNTER_ADD, 4):
        counter_set(counter, counter->count + (counter->control ? access->value : 0));
        return true;
    case MMIO_AT(COUNTER_LIMIT, 2):
        counter->limit = (uint16_t)access->value;
        return true;
    case MMIO_AT(COUNTER_CONTROL, 1):
        counter->control = access->value & 1;
        return true;
    case MMIO_AT(COUNTER_STATUS, 1):
        counter->status &= (uint8_t)~access->value;
        return true;
    default:
        return false;
    }
}

static memory_fault_result_t counter_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t gpa, size_t size,
                                           void *cookie)
{
    struct counter *counter = cookie;
    struct mmio_access access = mmio_begin(vcpu, gpa - counter->base, size);
    bool known;

    (void)vm;
    device_lock_take(&counter->lock);
    known = access.write ? counter_write(counter, &access) : counter_read(counter, &access);
    counter->accesses++;
    counter->refused += !known;
    device_lock_give(&counter->lock);
    return mmio_end(vcpu, &access);
}

int counter_create(struct counter *counter, vm_t *vm, uintptr_t base)
{
    memset(counter, 0, sizeof(*counter));
    counter->base = base;
    counter->limit = UINT16_MAX;
    counter->reservation = vm_reserve_memory_at(vm, base, COUNTER_BYTES, counter_fault, counter);
    return counter->reservation == NULL ? -1 : 0;
}

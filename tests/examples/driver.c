/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "driver.h"

uint64_t driver_get(struct driver *driver, uint64_t offset)
{
    return guest_reads(driver->fixture, MACHINE_DISK + offset, 4);
}

void driver_set(struct driver *driver, uint64_t offset, uint64_t value)
{
    guest_writes(driver->fixture, MACHINE_DISK + offset, 4, value);
}

void driver_set_address(struct driver *driver, uint64_t offset, uint64_t address)
{
    driver_set(driver, offset, address & UINT32_MAX);
    driver_set(driver, offset + 4, address >> 32);
}

void driver_negotiate(struct driver *driver, uint32_t low, uint32_t high)
{
    driver_set(driver, DISK_STATUS, 0);
    driver_set(driver, DISK_STATUS, DISK_ACKNOWLEDGE | DISK_DRIVER);
    driver_set(driver, DISK_DRIVER_PAGE, 0);
    driver_set(driver, DISK_DRIVER_FEATURES, low);
    driver_set(driver, DISK_DRIVER_PAGE, 1);
    driver_set(driver, DISK_DRIVER_FEATURES, high);
    driver_set(driver, DISK_STATUS, DISK_ACKNOWLEDGE | DISK_DRIVER | DISK_FEATURES_OK);
}

void driver_start_queue(struct driver *driver)
{
    struct ring *ring = &driver->ring;

    driver_set(driver, DISK_QUEUE, 0);
    driver_set(driver, DISK_QUEUE_SIZE, ring->size);
    driver_set_address(driver, DISK_DESCRIPTORS, ring->descriptors);
    driver_set_address(driver, DISK_AVAILABLE, ring->available);
    driver_set_address(driver, DISK_USED, ring->used);
    driver_set(driver, DISK_QUEUE_READY, 1);
    driver_set(driver, DISK_STATUS, driver_get(driver, DISK_STATUS) | DISK_DRIVER_OK);
}

struct driver driver_for(void **state)
{
    struct fixture *fixture = *state;
    struct driver driver = {
        .fixture = fixture,
        .machine = &fixture->machine,
        .disk = &fixture->machine.disk,
        .vm = &fixture->machine.vm,
    };

    driver.ring = ring_at(driver.vm, RING, SIZE);
    driver_negotiate(&driver, 1 << 28, 1);
    assert_int_equal(driver_get(&driver, DISK_STATUS) & DISK_FEATURES_OK, DISK_FEATURES_OK);
    driver_start_queue(&driver);
    assert_int_equal(driver_get(&driver, DISK_QUEUE_READY), 1);
    return driver;
}

void driver_restart(struct driver *driver)
{
    guestmem_ram_fill(driver->vm, RING, 0, 0x1000);
    driver->ring.offered = 0;
    driver_negotiate(driver, 1 << 28, 1);
    driver_start_queue(driver);
}

void driver_put_header(struct driver *driver, uint32_t what, uint64_t sector)
{
    uint64_t header[2] = {what, sector};

    assert_int_equal(guestmem_ram_write(driver->vm, HEADER, header, sizeof(header)), 0);
    assert_int_equal(guestmem_ram_fill(driver->vm, STATUS, UNTOUCHED, 1), 0);
}

unsigned driver_status(struct driver *driver)
{
    uint8_t status;

    assert_int_equal(guestmem_ram_read(driver->vm, STATUS, &status, 1), 0);
    return status;
}

void driver_notify(struct driver *driver, uint16_t head)
{
    ring_offer(&driver->ring, head);
    driver_set(driver, DISK_QUEUE_NOTIFY, 0);
}

void driver_request(struct driver *driver, uint32_t what, uint64_t sector, uint64_t data,
                    uint32_t length)
{
    uint16_t direction = what == DISK_WRITE ? 0 : WRITE;

    driver_put_header(driver, what, sector);
    ring_describe(&driver->ring, 0, HEADER, 16, NEXT, 1);
    ring_describe(&driver->ring, 1, data, length, NEXT | direction, 2);
    ring_describe(&driver->ring, 2, STATUS, 1, WRITE, 0);
    driver_notify(driver, 0);
}

void driver_expect_bytes(struct driver *driver, uint32_t bytes)
{
    uint16_t last = (uint16_t)(driver->ring.offered - 1);

    assert_int_equal(ring_used_index(&driver->ring), driver->ring.offered);
    assert_int_equal(ring_used_bytes(&driver->ring, last), bytes);
}

bool driver_sees_reset(struct driver *driver)
{
    return driver_get(driver, DISK_STATUS) & DISK_NEEDS_RESET;
}

uint8_t driver_byte_at(struct driver *driver, uint64_t gpa)
{
    uint8_t byte;

    assert_int_equal(guestmem_ram_read(driver->vm, gpa, &byte, 1), 0);
    return byte;
}

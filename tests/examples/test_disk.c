/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The disk of the examples: requests as drivers make them, and as none should. Registers are
 * accessed by the guest, so that each notification is a fault like any other.
 */
#include <string.h>

#include <guestmem/guestmem.h>
#include <sel4vm/boot.h>
#include <sel4vm/guest_ram.h>

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

/* ------------------------------------------------------------------------------------ the driver
 */

static uint64_t reg(struct driver *driver, uint64_t offset)
{
    return guest_reads(driver->fixture, MACHINE_DISK + offset, 4);
}

static void set(struct driver *driver, uint64_t offset, uint64_t value)
{
    guest_writes(driver->fixture, MACHINE_DISK + offset, 4, value);
}

static void set_address(struct driver *driver, uint64_t offset, uint64_t address)
{
    set(driver, offset, address & UINT32_MAX);
    set(driver, offset + 4, address >> 32);
}

static void negotiate(struct driver *driver, uint32_t low, uint32_t high)
{
    set(driver, DISK_STATUS, 0);
    set(driver, DISK_STATUS, DISK_ACKNOWLEDGE | DISK_DRIVER);
    set(driver, DISK_DRIVER_PAGE, 0);
    set(driver, DISK_DRIVER_FEATURES, low);
    set(driver, DISK_DRIVER_PAGE, 1);
    set(driver, DISK_DRIVER_FEATURES, high);
    set(driver, DISK_STATUS, DISK_ACKNOWLEDGE | DISK_DRIVER | DISK_FEATURES_OK);
}

static void start_queue(struct driver *driver)
{
    struct ring *ring = &driver->ring;

    set(driver, DISK_QUEUE, 0);
    set(driver, DISK_QUEUE_SIZE, ring->size);
    set_address(driver, DISK_DESCRIPTORS, ring->descriptors);
    set_address(driver, DISK_AVAILABLE, ring->available);
    set_address(driver, DISK_USED, ring->used);
    set(driver, DISK_QUEUE_READY, 1);
    set(driver, DISK_STATUS, reg(driver, DISK_STATUS) | DISK_DRIVER_OK);
}

static struct driver driver_for(void **state)
{
    struct fixture *fixture = *state;
    struct driver driver = {
        .fixture = fixture,
        .machine = &fixture->machine,
        .disk = &fixture->machine.disk,
        .vm = &fixture->machine.vm,
    };

    driver.ring = ring_at(driver.vm, RING, SIZE);
    negotiate(&driver, 1 << 28, 1);
    assert_int_equal(reg(&driver, DISK_STATUS) & DISK_FEATURES_OK, DISK_FEATURES_OK);
    start_queue(&driver);
    assert_int_equal(reg(&driver, DISK_QUEUE_READY), 1);
    return driver;
}

static void restart(struct driver *driver)
{
    guestmem_ram_fill(driver->vm, RING, 0, 0x1000);
    driver->ring.offered = 0;
    negotiate(driver, 1 << 28, 1);
    start_queue(driver);
}

static void put_header(struct driver *driver, uint32_t what, uint64_t sector)
{
    uint64_t header[2] = {what, sector};

    assert_int_equal(guestmem_ram_write(driver->vm, HEADER, header, sizeof(header)), 0);
    assert_int_equal(guestmem_ram_fill(driver->vm, STATUS, UNTOUCHED, 1), 0);
}

static unsigned status_of(struct driver *driver)
{
    uint8_t status;

    assert_int_equal(guestmem_ram_read(driver->vm, STATUS, &status, 1), 0);
    return status;
}

static void notify(struct driver *driver, uint16_t head)
{
    ring_offer(&driver->ring, head);
    set(driver, DISK_QUEUE_NOTIFY, 0);
}

/* Header, one buffer, status, as most drivers have them. */
static void request(struct driver *driver, uint32_t what, uint64_t sector, uint64_t data,
                    uint32_t length)
{
    uint16_t direction = what == DISK_WRITE ? 0 : WRITE;

    put_header(driver, what, sector);
    ring_describe(&driver->ring, 0, HEADER, 16, NEXT, 1);
    ring_describe(&driver->ring, 1, data, length, NEXT | direction, 2);
    ring_describe(&driver->ring, 2, STATUS, 1, WRITE, 0);
    notify(driver, 0);
}

/* The last one came back, with so many bytes. */
static void expect_bytes(struct driver *driver, uint32_t bytes)
{
    uint16_t last = (uint16_t)(driver->ring.offered - 1);

    assert_int_equal(ring_used_index(&driver->ring), driver->ring.offered);
    assert_int_equal(ring_used_bytes(&driver->ring, last), bytes);
}

static bool asks_for_reset(struct driver *driver)
{
    return reg(driver, DISK_STATUS) & DISK_NEEDS_RESET;
}

static uint8_t byte_at(struct driver *driver, uint64_t gpa)
{
    uint8_t byte;

    assert_int_equal(guestmem_ram_read(driver->vm, gpa, &byte, 1), 0);
    return byte;
}

/* -------------------------------------------------------------------------------- as it should be
 */

static void a_driver_finds_what_it_looks_for(void **state)
{
    struct driver driver = driver_for(state);

    assert_int_equal(reg(&driver, DISK_MAGIC), 0x74726976);
    assert_int_equal(reg(&driver, DISK_VERSION), 2);
    assert_int_equal(reg(&driver, DISK_DEVICE), 2);
    assert_int_equal(reg(&driver, DISK_QUEUE_SIZE_MAX), QUEUE_SIZE_MAX);
    assert_int_equal(guest_reads(driver.fixture, MACHINE_DISK + DISK_CONFIG, 8), DISK_SECTORS);
    assert_int_equal(guest_reads(driver.fixture, MACHINE_DISK + DISK_CONFIG, 1), DISK_SECTORS);
    assert_int_equal(reg(&driver, DISK_CONFIG + 4), 0);
    assert_int_equal(reg(&driver, DISK_CONFIG + 12), DISK_SEGMENTS_MAX);
    assert_int_equal(reg(&driver, DISK_CONFIG + 16), 0);
    set(&driver, DISK_QUEUE, 1);
    assert_int_equal(reg(&driver, DISK_QUEUE_SIZE_MAX), 0);
}

static void what_is_written_is_read_again(void **state)
{
    struct driver driver = driver_for(state);
    uint8_t back[3 * DISK_SECTOR];
    uint8_t sent[3 * DISK_SECTOR];

    for (unsigned i = 0; i < sizeof(sent); i++) {
        sent[i] = (uint8_t)(i * 7);
    }
    assert_int_equal(guestmem_ram_write(driver.vm, DATA, sent, sizeof(sent)), 0);
    request(&driver, DISK_WRITE, 61, DATA, sizeof(sent));
    assert_int_equal(status_of(&driver), DISK_DONE);
    expect_bytes(&driver, 1);
    request(&driver, DISK_READ, 61, DATA + 0x10000, sizeof(back));
    assert_int_equal(status_of(&driver), DISK_DONE);
    expect_bytes(&driver, sizeof(back) + 1);
    assert_int_equal(guestmem_ram_read(driver.vm, DATA + 0x10000, back, sizeof(back)), 0);
    assert_memory_equal(back, sent, sizeof(sent));
    assert_int_equal(byte_at(&driver, DATA + 0x10000 + sizeof(back)), 0);
    assert_int_equal(reg(&driver, DISK_INTERRUPT), 1);
    set(&driver, DISK_INTERRUPT_ACK, 1);
    assert_int_equal(reg(&driver, DISK_INTERRUPT), 0);
}

/* Header of 3 + 13 bytes, data of 500 + 12, over a border of views, the status with the data. */
static void buffers_may_be_cut_anywhere(void **state)
{
    struct driver driver = driver_for(state);
    const uint64_t split = MACHINE_RAM + 0x200000 - 100;
    uint8_t back[DISK_SECTOR + 1];

    memset(driver.disk->sectors + 9 * DISK_SECTOR, 0x5a, DISK_SECTOR);
    put_header(&driver, DISK_READ, 9);
    ring_describe(&driver.ring, 4, HEADER, 3, NEXT, 9);
    ring_describe(&driver.ring, 9, HEADER + 3, 13, NEXT, 2);
    ring_describe(&driver.ring, 2, split, 500, NEXT | WRITE, 3);
    ring_describe(&driver.ring, 3, split + 500, 13, WRITE, 0);
    notify(&driver, 4);
    expect_bytes(&driver, DISK_SECTOR + 1);
    assert_int_equal(guestmem_ram_read(driver.vm, split, back, sizeof(back)), 0);
    for (unsigned i = 0; i < DISK_SECTOR; i++) {
        assert_int_equal(back[i], 0x5a);
    }
    assert_int_equal(back[DISK_SECTOR], DISK_DONE);
}

static void other_requests_are_answered_too(void **state)
{
    struct driver driver = driver_for(state);
    char id[20];

    request(&driver, DISK_GET_ID, 0, DATA, sizeof(id));
    expect_bytes(&driver, sizeof(id) + 1);
    assert_int_equal(guestmem_ram_read(driver.vm, DATA, id, sizeof(id)), 0);
    assert_string_equal(id, "guestmem-example");
    request(&driver, DISK_GET_ID, 0, DATA, 19);
    assert_int_equal(status_of(&driver), DISK_ERROR);
    expect_bytes(&driver, 0);
    put_header(&driver, DISK_FLUSH, 0);
    ring_describe(&driver.ring, 0, HEADER, 16, NEXT, 1);
    ring_describe(&driver.ring, 1, STATUS, 1, WRITE, 0);
    notify(&driver, 0);
    assert_int_equal(status_of(&driver), DISK_DONE);
    expect_bytes(&driver, 1);
    put_header(&driver, 99, 0);
    notify(&driver, 0);
    assert_int_equal(status_of(&driver), DISK_UNKNOWN);
    assert_false(asks_for_reset(&driver));
}

/* The device populates what it is shown, and no more. */
static void lazy_ram_is_populated_as_the_device_uses_it(void **state)
{
    struct driver driver = driver_for(state);
    struct guestmem_stats before;
    struct guestmem_stats after;

    assert_int_equal(vm_ram_register_at(driver.vm, MORE_RAM, MORE_RAM_BYTES, false), 0);
    put_header(&driver, DISK_READ, 0);
    assert_int_equal(guestmem_get_stats(driver.vm, &before), 0);
    request(&driver, DISK_READ, 0, MORE_RAM, DISK_SECTOR);
    assert_int_equal(guestmem_get_stats(driver.vm, &after), 0);
    assert_int_equal(status_of(&driver), DISK_DONE);
    assert_int_equal(after.frames[1], before.frames[1] + 1);
    assert_int_equal(after.frames[0], before.frames[0]);
}

static void a_device_is_used_only_when_features_are_agreed_on(void **state)
{
    struct driver driver = driver_for(state);

    negotiate(&driver, 1u << 31, 1); /* one that wasn't offered */
    assert_int_equal(reg(&driver, DISK_STATUS) & DISK_FEATURES_OK, 0);
    negotiate(&driver, 0, 0); /* virtio before version 1 */
    assert_int_equal(reg(&driver, DISK_STATUS) & DISK_FEATURES_OK, 0);
    negotiate(&driver, 0, 1);
    assert_int_equal(reg(&driver, DISK_STATUS) & DISK_FEATURES_OK, DISK_FEATURES_OK);
    driver.ring.offered = 0;
    request(&driver, DISK_READ, 0, DATA, DISK_SECTOR); /* not ready */
    assert_int_equal(ring_used_index(&driver.ring), 0);
    assert_int_equal(status_of(&driver), UNTOUCHED);
}

static void an_agreement_on_tables_is_kept(void **state)
{
    struct driver driver = driver_for(state);

    negotiate(&driver, 0, 1);
    start_queue(&driver);
    table_describe(driver.vm, DATA, 0, HEADER, 16, NEXT, 1);
    table_describe(driver.vm, DATA, 1, STATUS, 1, WRITE, 0);
    put_header(&driver, DISK_FLUSH, 0);
    ring_describe(&driver.ring, 0, DATA, 32, INDIRECT, 0);
    notify(&driver, 0);
    assert_true(asks_for_reset(&driver));
    restart(&driver);
    table_describe(driver.vm, DATA, 0, HEADER, 16, NEXT, 1);
    ring_describe(&driver.ring, 0, DATA, 32, INDIRECT, 0);
    notify(&driver, 0);
    assert_int_equal(status_of(&driver), DISK_DONE);
}

/* ----------------------------------------------------------------------- buffers that can't be */

/* Answered with an error, nothing moved; and the device goes on. */
static void refused_buffer(struct driver *driver, const char *what, uint64_t address,
                           uint32_t length)
{
    unsigned failed = driver->disk->failed;

    print_message("%s\n", what);
    memset(driver->disk->sectors, 0x77, sizeof(driver->disk->sectors));
    request(driver, DISK_READ, 0, address, length);
    assert_int_equal(status_of(driver), DISK_ERROR);
    expect_bytes(driver, length == 0); /* the status, where nothing should have been before it */
    assert_int_equal(driver->disk->failed, failed + 1);
    request(driver, DISK_WRITE, 0, address, length);
    assert_int_equal(status_of(driver), DISK_ERROR);
    expect_bytes(driver, 1);
    for (unsigned i = 0; i < sizeof(driver->disk->sectors); i++) {
        assert_int_equal(driver->disk->sectors[i], 0x77);
    }
    assert_false(asks_for_reset(driver));
    request(driver, DISK_READ, 0, DATA, DISK_SECTOR);
    assert_int_equal(status_of(driver), DISK_DONE);
}

static void buffers_that_are_not_ram_are_refused(void **state)
{
    struct driver driver = driver_for(state);
    const uint64_t end = MACHINE_RAM + MACHINE_RAM_BYTES;

    refused_buffer(&driver, "in a device", MACHINE_COUNTER, DISK_SECTOR);
    refused_buffer(&driver, "in this device", MACHINE_DISK, DISK_SECTOR);
    refused_buffer(&driver, "in a shared page", MACHINE_MAILBOX, DISK_SECTOR);
    refused_buffer(&driver, "in a read-only page", MACHINE_MAILBOX + MAILBOX_PAGE, DISK_SECTOR);
    refused_buffer(&driver, "nowhere", 0, DISK_SECTOR);
    refused_buffer(&driver, "behind RAM", end, DISK_SECTOR);
    refused_buffer(&driver, "over the end of RAM", end - 1, DISK_SECTOR);
    refused_buffer(&driver, "over the start of RAM", MACHINE_RAM - 1, DISK_SECTOR);
    refused_buffer(&driver, "outside the guest's space", UINT64_C(1) << 40, DISK_SECTOR);
    refused_buffer(&driver, "wraps", UINT64_MAX - 100, DISK_SECTOR);
    refused_buffer(&driver, "ends where addresses end", UINT64_MAX - DISK_SECTOR + 1, DISK_SECTOR);
    refused_buffer(&driver, "empty", DATA, 0);
    refused_buffer(&driver, "huge", MACHINE_RAM, UINT32_MAX);
    assert_int_equal(byte_at(&driver, end - 1), 0); /* nothing moved there */
}

/* The inbox holds what the VMM wrote: reading a disk into it must not change it. */
static void pages_that_the_guest_may_not_write_are_not_written(void **state)
{
    struct driver driver = driver_for(state);

    memset(driver.machine->mailbox.inbox, 0x11, MAILBOX_PAGE);
    refused_buffer(&driver, "in the inbox", MACHINE_MAILBOX + MAILBOX_PAGE, DISK_SECTOR);
    for (unsigned i = 0; i < MAILBOX_PAGE; i++) {
        assert_int_equal(((const char *)driver.machine->mailbox.inbox)[i], 0x11);
    }
}

static void another_vms_ram_is_not_reached(void **state)
{
    struct driver driver = driver_for(state);
    struct machine_environment *environment = &driver.fixture->environment;
    static vm_t other;
    uint64_t word;

    assert_int_equal(vm_init(&other, environment->vka, environment->simple, *environment->vspace,
                             environment->io_ops, environment->endpoint, "other"),
                     0);
    assert_int_equal(vm_ram_register_at(&other, MORE_RAM, MORE_RAM_BYTES, false), 0);
    assert_int_equal(guestmem_ram_store(&other, MORE_RAM, 8, 0x1234), 0);
    refused_buffer(&driver, "another VM's", MORE_RAM, DISK_SECTOR);
    assert_int_equal(guestmem_ram_load(&other, MORE_RAM, 8, &word), 0);
    assert_int_equal(word, 0x1234);
    assert_int_equal(guestmem_host_vm_destroy(&other), 0);
    memset(&other, 0, sizeof(other));
}

/* A sector in so many buffers, none behind the one before. */
static void read_in_buffers(struct driver *driver, uint16_t buffers)
{
    put_header(driver, DISK_READ, 0);
    ring_describe(&driver->ring, 0, HEADER, 16, NEXT, 1);
    for (uint16_t i = 1; i <= buffers; i++) {
        ring_describe(&driver->ring, i, DATA + i * 1024,
                      i < buffers ? 8 : DISK_SECTOR - (buffers - 1) * 8, NEXT | WRITE, i + 1);
    }
    ring_describe(&driver->ring, buffers + 1, STATUS, 1, WRITE, 0);
    notify(driver, 0);
}

static void more_pieces_than_were_agreed_on_are_refused(void **state)
{
    struct driver driver = driver_for(state);

    read_in_buffers(&driver, DISK_SEGMENTS_MAX);
    assert_int_equal(status_of(&driver), DISK_DONE);
    read_in_buffers(&driver, DISK_PIECES_MAX - 2); /* all that there is room for */
    assert_int_equal(status_of(&driver), DISK_DONE);
    read_in_buffers(&driver, DISK_PIECES_MAX - 1);
    assert_int_equal(status_of(&driver), DISK_ERROR);
    expect_bytes(&driver, 0);
}

static void sectors_that_are_not_there_are_refused(void **state)
{
    static const uint64_t sectors[] = {DISK_SECTORS, UINT64_MAX, UINT64_MAX / DISK_SECTOR,
                                       UINT64_MAX / DISK_SECTOR + 1, UINT64_C(1) << 55};
    struct driver driver = driver_for(state);

    for (unsigned i = 0; i < 5; i++) {
        request(&driver, DISK_READ, sectors[i], DATA, DISK_SECTOR);
        assert_int_equal(status_of(&driver), DISK_ERROR);
    }
    request(&driver, DISK_READ, DISK_SECTORS - 1, DATA, 2 * DISK_SECTOR);
    assert_int_equal(status_of(&driver), DISK_ERROR);
    request(&driver, DISK_READ, 0, DATA, DISK_SECTOR - 1);
    assert_int_equal(status_of(&driver), DISK_ERROR);
    request(&driver, DISK_READ, 0, DATA, DISK_SECTOR * DISK_SECTORS);
    assert_int_equal(status_of(&driver), DISK_DONE);
}

static void without_memory_the_request_fails_and_the_device_lives(void **state)
{
    struct driver driver = driver_for(state);

    assert_int_equal(vm_ram_register_at(driver.vm, MORE_RAM, MORE_RAM_BYTES, false), 0);
    guest_reads(driver.fixture, DATA, 8);
    put_header(&driver, DISK_READ, 0); /* what is needed is there, but for the buffer */
    guestmem_host_fail(driver.fixture->host, GUESTMEM_HOST_FAIL_OBJECT, 1, true);
    request(&driver, DISK_READ, 0, MORE_RAM, DISK_SECTOR);
    assert_true(guestmem_host_failed(driver.fixture->host, NULL));
    guestmem_host_fail(driver.fixture->host, 0, 0, false);
    assert_int_equal(status_of(&driver), DISK_ERROR);
    assert_false(asks_for_reset(&driver));
    request(&driver, DISK_READ, 0, MORE_RAM, DISK_SECTOR);
    assert_int_equal(status_of(&driver), DISK_DONE);
}

/* ------------------------------------------------------------------- what can't be answered at all
 */

/* The device has stopped: it asks to be reset, serves nothing more, and after a reset all is well.
 */
static void expect_stopped(struct driver *driver)
{
    uint16_t used = ring_used_index(&driver->ring);

    assert_true(asks_for_reset(driver));
    request(driver, DISK_READ, 0, DATA, DISK_SECTOR);
    assert_int_equal(ring_used_index(&driver->ring), used);
    assert_int_equal(status_of(driver), UNTOUCHED);
    set(driver, DISK_STATUS, DISK_ACKNOWLEDGE | DISK_NEEDS_RESET);
    assert_true(asks_for_reset(driver));
    restart(driver);
    assert_false(asks_for_reset(driver));
    request(driver, DISK_READ, 0, DATA, DISK_SECTOR);
    assert_int_equal(status_of(driver), DISK_DONE);
}

static void a_loop_stops_the_device(void **state)
{
    struct driver driver = driver_for(state);

    ring_describe(&driver.ring, 0, HEADER, 16, NEXT, 1);
    ring_describe(&driver.ring, 1, DATA, DISK_SECTOR, NEXT | WRITE, 1);
    notify(&driver, 0);
    expect_stopped(&driver);
}

static void a_number_outside_the_ring_stops_the_device(void **state)
{
    struct driver driver = driver_for(state);

    notify(&driver, SIZE);
    expect_stopped(&driver);
    ring_describe(&driver.ring, 0, HEADER, 16, NEXT, 0xffff);
    notify(&driver, 0);
    expect_stopped(&driver);
}

static void an_index_that_jumps_stops_the_device(void **state)
{
    struct driver driver = driver_for(state);

    ring_set_index(&driver.ring, SIZE + 1);
    set(&driver, DISK_QUEUE_NOTIFY, 0);
    expect_stopped(&driver);
}

static void a_ring_that_cannot_be_stops_the_device(void **state)
{
    struct driver driver = driver_for(state);
    struct ring good = driver.ring;

    driver.ring.available += 1;
    negotiate(&driver, 0, 1);
    start_queue(&driver);
    assert_int_equal(reg(&driver, DISK_QUEUE_READY), 0);
    assert_true(asks_for_reset(&driver));
    driver.ring = good;
    driver.ring.used = MACHINE_MAILBOX + MAILBOX_PAGE; /* the VMM's to write, not the guest's */
    negotiate(&driver, 0, 1);
    start_queue(&driver);
    assert_true(asks_for_reset(&driver));
    driver.ring = good;
    expect_stopped(&driver);
}

static void a_request_without_place_for_its_status_stops_the_device(void **state)
{
    static const uint64_t places[] = {0, MACHINE_MAILBOX + MAILBOX_PAGE, MACHINE_COUNTER,
                                      UINT64_MAX};
    struct driver driver = driver_for(state);

    for (unsigned i = 0; i < 4; i++) {
        put_header(&driver, DISK_READ, 0);
        ring_describe(&driver.ring, 0, HEADER, 16, NEXT, 1);
        ring_describe(&driver.ring, 1, places[i], 1, WRITE, 0);
        notify(&driver, 0);
        expect_stopped(&driver);
    }
    ring_describe(&driver.ring, 0, HEADER, 16, 0, 0); /* none at all */
    notify(&driver, 0);
    expect_stopped(&driver);
}

static void a_short_header_is_an_error(void **state)
{
    struct driver driver = driver_for(state);

    put_header(&driver, DISK_FLUSH, 0);
    ring_describe(&driver.ring, 0, HEADER, 15, NEXT, 1);
    ring_describe(&driver.ring, 1, STATUS, 1, WRITE, 0);
    notify(&driver, 0);
    assert_int_equal(status_of(&driver), DISK_ERROR);
    ring_describe(&driver.ring, 2, STATUS, 1, WRITE, 0);
    put_header(&driver, DISK_FLUSH, 0);
    notify(&driver, 2);
    assert_int_equal(status_of(&driver), DISK_ERROR);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_driver_finds_what_it_looks_for),
        CASE(what_is_written_is_read_again),
        CASE(buffers_may_be_cut_anywhere),
        CASE(other_requests_are_answered_too),
        CASE(lazy_ram_is_populated_as_the_device_uses_it),
        CASE(a_device_is_used_only_when_features_are_agreed_on),
        CASE(an_agreement_on_tables_is_kept),
        CASE(buffers_that_are_not_ram_are_refused),
        CASE(pages_that_the_guest_may_not_write_are_not_written),
        CASE(another_vms_ram_is_not_reached),
        CASE(more_pieces_than_were_agreed_on_are_refused),
        CASE(sectors_that_are_not_there_are_refused),
        CASE(without_memory_the_request_fails_and_the_device_lives),
        CASE(a_loop_stops_the_device),
        CASE(a_number_outside_the_ring_stops_the_device),
        CASE(an_index_that_jumps_stops_the_device),
        CASE(a_ring_that_cannot_be_stops_the_device),
        CASE(a_request_without_place_for_its_status_stops_the_device),
        CASE(a_short_header_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

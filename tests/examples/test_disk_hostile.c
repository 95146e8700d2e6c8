/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The disk of the examples, as no driver should use it.
 */
#include <string.h>

#include <guestmem/guestmem.h>
#include <sel4vm/boot.h>
#include <sel4vm/guest_ram.h>

#include "driver.h"

/* ----------------------------------------------------------------------- buffers that can't be */

/* Answered with an error, nothing moved; and the device goes on. */
static void refused_buffer(struct driver *driver, const char *what, uint64_t address,
                           uint32_t length)
{
    unsigned failed = driver->disk->failed;

    print_message("%s\n", what);
    memset(driver->disk->sectors, 0x77, sizeof(driver->disk->sectors));
    driver_request(driver, DISK_READ, 0, address, length);
    assert_int_equal(driver_status(driver), DISK_ERROR);
    driver_expect_bytes(driver,
                        length == 0); /* the status, where nothing should have been before it */
    assert_int_equal(driver->disk->failed, failed + 1);
    driver_request(driver, DISK_WRITE, 0, address, length);
    assert_int_equal(driver_status(driver), DISK_ERROR);
    driver_expect_bytes(driver, 1);
    for (unsigned i = 0; i < sizeof(driver->disk->sectors); i++) {
        assert_int_equal(driver->disk->sectors[i], 0x77);
    }
    assert_false(driver_sees_reset(driver));
    driver_request(driver, DISK_READ, 0, DATA, DISK_SECTOR);
    assert_int_equal(driver_status(driver), DISK_DONE);
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
    assert_int_equal(driver_byte_at(&driver, end - 1), 0); /* nothing moved there */
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
    driver_put_header(driver, DISK_READ, 0);
    ring_describe(&driver->ring, 0, HEADER, 16, NEXT, 1);
    for (uint16_t i = 1; i <= buffers; i++) {
        ring_describe(&driver->ring, i, DATA + i * 1024u,
                      i < buffers ? 8 : DISK_SECTOR - (buffers - 1u) * 8, NEXT | WRITE, i + 1);
    }
    ring_describe(&driver->ring, buffers + 1, STATUS, 1, WRITE, 0);
    driver_notify(driver, 0);
}

static void more_pieces_than_were_agreed_on_are_refused(void **state)
{
    struct driver driver = driver_for(state);

    read_in_buffers(&driver, DISK_SEGMENTS_MAX);
    assert_int_equal(driver_status(&driver), DISK_DONE);
    read_in_buffers(&driver, DISK_PIECES_MAX - 2); /* all that there is room for */
    assert_int_equal(driver_status(&driver), DISK_DONE);
    read_in_buffers(&driver, DISK_PIECES_MAX - 1);
    assert_int_equal(driver_status(&driver), DISK_ERROR);
    driver_expect_bytes(&driver, 0);
}

static void sectors_that_are_not_there_are_refused(void **state)
{
    static const uint64_t sectors[] = {DISK_SECTORS, UINT64_MAX, UINT64_MAX / DISK_SECTOR,
                                       UINT64_MAX / DISK_SECTOR + 1, UINT64_C(1) << 55};
    struct driver driver = driver_for(state);

    for (unsigned i = 0; i < 5; i++) {
        driver_request(&driver, DISK_READ, sectors[i], DATA, DISK_SECTOR);
        assert_int_equal(driver_status(&driver), DISK_ERROR);
    }
    driver_request(&driver, DISK_READ, DISK_SECTORS - 1, DATA, 2 * DISK_SECTOR);
    assert_int_equal(driver_status(&driver), DISK_ERROR);
    driver_request(&driver, DISK_READ, 0, DATA, DISK_SECTOR - 1);
    assert_int_equal(driver_status(&driver), DISK_ERROR);
    driver_request(&driver, DISK_READ, 0, DATA, DISK_SECTOR * DISK_SECTORS);
    assert_int_equal(driver_status(&driver), DISK_DONE);
}

static void without_memory_the_request_fails_and_the_device_lives(void **state)
{
    struct driver driver = driver_for(state);

    assert_int_equal(vm_ram_register_at(driver.vm, MORE_RAM, MORE_RAM_BYTES, false), 0);
    guest_reads(driver.fixture, DATA, 8);
    driver_put_header(&driver, DISK_READ, 0); /* what is needed is there, but for the buffer */
    guestmem_host_fail(driver.fixture->host, GUESTMEM_HOST_FAIL_OBJECT, 1, true);
    driver_request(&driver, DISK_READ, 0, MORE_RAM, DISK_SECTOR);
    assert_true(guestmem_host_failed(driver.fixture->host, NULL));
    guestmem_host_fail(driver.fixture->host, 0, 0, false);
    assert_int_equal(driver_status(&driver), DISK_ERROR);
    assert_false(driver_sees_reset(&driver));
    driver_request(&driver, DISK_READ, 0, MORE_RAM, DISK_SECTOR);
    assert_int_equal(driver_status(&driver), DISK_DONE);
}

/* --------------------------------------------------------------- what can't be answered at all */

/* The device has stopped: it asks to be reset, serves nothing more, and after a reset all is well.
 */
static void expect_stopped(struct driver *driver)
{
    uint16_t used = ring_used_index(&driver->ring);

    assert_true(driver_sees_reset(driver));
    driver_request(driver, DISK_READ, 0, DATA, DISK_SECTOR);
    assert_int_equal(ring_used_index(&driver->ring), used);
    assert_int_equal(driver_status(driver), UNTOUCHED);
    driver_set(driver, DISK_STATUS, DISK_ACKNOWLEDGE | DISK_NEEDS_RESET);
    assert_true(driver_sees_reset(driver));
    driver_restart(driver);
    assert_false(driver_sees_reset(driver));
    driver_request(driver, DISK_READ, 0, DATA, DISK_SECTOR);
    assert_int_equal(driver_status(driver), DISK_DONE);
}

static void a_loop_stops_the_device(void **state)
{
    struct driver driver = driver_for(state);

    ring_describe(&driver.ring, 0, HEADER, 16, NEXT, 1);
    ring_describe(&driver.ring, 1, DATA, DISK_SECTOR, NEXT | WRITE, 1);
    driver_notify(&driver, 0);
    expect_stopped(&driver);
}

static void a_number_outside_the_ring_stops_the_device(void **state)
{
    struct driver driver = driver_for(state);

    driver_notify(&driver, SIZE);
    expect_stopped(&driver);
    ring_describe(&driver.ring, 0, HEADER, 16, NEXT, 0xffff);
    driver_notify(&driver, 0);
    expect_stopped(&driver);
}

static void an_index_that_jumps_stops_the_device(void **state)
{
    struct driver driver = driver_for(state);

    ring_set_index(&driver.ring, SIZE + 1);
    driver_set(&driver, DISK_QUEUE_NOTIFY, 0);
    expect_stopped(&driver);
}

static void a_ring_that_cannot_be_stops_the_device(void **state)
{
    struct driver driver = driver_for(state);
    struct ring good = driver.ring;

    driver.ring.available += 1;
    driver_negotiate(&driver, 0, 1);
    driver_start_queue(&driver);
    assert_int_equal(driver_get(&driver, DISK_QUEUE_READY), 0);
    assert_true(driver_sees_reset(&driver));
    driver.ring = good;
    driver.ring.used = MACHINE_MAILBOX + MAILBOX_PAGE; /* the VMM's to write, not the guest's */
    driver_negotiate(&driver, 0, 1);
    driver_start_queue(&driver);
    assert_true(driver_sees_reset(&driver));
    driver.ring = good;
    expect_stopped(&driver);
}

static void a_request_without_place_for_its_status_stops_the_device(void **state)
{
    static const uint64_t places[] = {0, MACHINE_MAILBOX + MAILBOX_PAGE, MACHINE_COUNTER,
                                      UINT64_MAX};
    struct driver driver = driver_for(state);

    for (unsigned i = 0; i < 4; i++) {
        driver_put_header(&driver, DISK_READ, 0);
        ring_describe(&driver.ring, 0, HEADER, 16, NEXT, 1);
        ring_describe(&driver.ring, 1, places[i], 1, WRITE, 0);
        driver_notify(&driver, 0);
        expect_stopped(&driver);
    }
    ring_describe(&driver.ring, 0, HEADER, 16, 0, 0); /* none at all */
    driver_notify(&driver, 0);
    expect_stopped(&driver);
}

/* A status behind data: where the data can't be reached, nobody knows where the status is. */
static void a_status_is_written_alone_or_with_all_of_the_rest(void **state)
{
    struct driver driver = driver_for(state);

    driver_put_header(&driver, DISK_READ, 0);
    ring_describe(&driver.ring, 0, HEADER, 16, NEXT, 1);
    ring_describe(&driver.ring, 1, 0, DISK_SECTOR, NEXT | WRITE, 2);
    ring_describe(&driver.ring, 2, STATUS, 2, WRITE, 0);
    driver_notify(&driver, 0);
    assert_int_equal(driver_status(&driver), UNTOUCHED);
    expect_stopped(&driver);
}

static void nothing_is_served_before_the_driver_says_so(void **state)
{
    struct driver driver = driver_for(state);

    driver_negotiate(&driver, 0, 1);
    driver_set(&driver, DISK_QUEUE_READY, 1); /* nothing set: no ring */
    assert_true(driver_sees_reset(&driver));
    driver_restart(&driver);
    driver_set(&driver, DISK_STATUS, 0);
    driver_negotiate(&driver, 1 << 28, 1);
    driver_set(&driver, DISK_QUEUE_SIZE, SIZE);
    driver_set_address(&driver, DISK_DESCRIPTORS, driver.ring.descriptors);
    driver_set_address(&driver, DISK_AVAILABLE, driver.ring.available);
    driver_set_address(&driver, DISK_USED, driver.ring.used);
    driver_set(&driver, DISK_QUEUE_READY, 1);
    driver_request(&driver, DISK_READ, 0, DATA, DISK_SECTOR);
    assert_int_equal(driver_status(&driver), UNTOUCHED);
    driver_set(&driver, DISK_STATUS, driver_get(&driver, DISK_STATUS) | DISK_DRIVER_OK);
    driver_set(&driver, DISK_QUEUE_NOTIFY, 0);
    assert_int_equal(driver_status(&driver), DISK_DONE);
}

static void a_driver_cannot_say_that_the_device_needs_a_reset(void **state)
{
    struct driver driver = driver_for(state);

    driver_set(&driver, DISK_STATUS, driver_get(&driver, DISK_STATUS) | DISK_NEEDS_RESET);
    assert_false(driver_sees_reset(&driver));
    driver_request(&driver, DISK_READ, 0, DATA, DISK_SECTOR);
    assert_int_equal(driver_status(&driver), DISK_DONE);
}

static void a_short_header_is_an_error(void **state)
{
    struct driver driver = driver_for(state);

    driver_put_header(&driver, DISK_FLUSH, 0);
    ring_describe(&driver.ring, 0, HEADER, 15, NEXT, 1);
    ring_describe(&driver.ring, 1, STATUS, 1, WRITE, 0);
    driver_notify(&driver, 0);
    assert_int_equal(driver_status(&driver), DISK_ERROR);
    ring_describe(&driver.ring, 2, STATUS, 1, WRITE, 0);
    driver_put_header(&driver, DISK_FLUSH, 0);
    driver_notify(&driver, 2);
    assert_int_equal(driver_status(&driver), DISK_ERROR);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        CASE(a_status_is_written_alone_or_with_all_of_the_rest),
        CASE(nothing_is_served_before_the_driver_says_so),
        CASE(a_driver_cannot_say_that_the_device_needs_a_reset),
        CASE(a_short_header_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

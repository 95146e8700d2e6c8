/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The disk of the examples, as drivers use it.
 */
#include <string.h>

#include <guestmem/guestmem.h>
#include <sel4vm/guest_ram.h>

#include "driver.h"

static void a_driver_finds_what_it_looks_for(void **state)
{
    struct driver driver = driver_for(state);

    assert_int_equal(driver_get(&driver, DISK_MAGIC), 0x74726976);
    assert_int_equal(driver_get(&driver, DISK_VERSION), 2);
    assert_int_equal(driver_get(&driver, DISK_DEVICE), 2);
    assert_int_equal(driver_get(&driver, DISK_QUEUE_SIZE_MAX), QUEUE_SIZE_MAX);
    assert_int_equal(guest_reads(driver.fixture, MACHINE_DISK + DISK_CONFIG, 8), DISK_SECTORS);
    assert_int_equal(guest_reads(driver.fixture, MACHINE_DISK + DISK_CONFIG, 1), DISK_SECTORS);
    assert_int_equal(driver_get(&driver, DISK_CONFIG + 4), 0);
    assert_int_equal(driver_get(&driver, DISK_CONFIG + 12), DISK_SEGMENTS_MAX);
    assert_int_equal(driver_get(&driver, DISK_CONFIG + 16), 0);
    driver_set(&driver, DISK_QUEUE, 1);
    assert_int_equal(driver_get(&driver, DISK_QUEUE_SIZE_MAX), 0);
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
    driver_request(&driver, DISK_WRITE, 61, DATA, sizeof(sent));
    assert_int_equal(driver_status(&driver), DISK_DONE);
    driver_expect_bytes(&driver, 1);
    driver_request(&driver, DISK_READ, 61, DATA + 0x10000, sizeof(back));
    assert_int_equal(driver_status(&driver), DISK_DONE);
    driver_expect_bytes(&driver, sizeof(back) + 1);
    assert_int_equal(guestmem_ram_read(driver.vm, DATA + 0x10000, back, sizeof(back)), 0);
    assert_memory_equal(back, sent, sizeof(sent));
    assert_int_equal(driver_byte_at(&driver, DATA + 0x10000 + sizeof(back)), 0);
    assert_int_equal(driver_get(&driver, DISK_INTERRUPT), 1);
    driver_set(&driver, DISK_INTERRUPT_ACK, 1);
    assert_int_equal(driver_get(&driver, DISK_INTERRUPT), 0);
}

/* Header of 3 + 13 bytes, data of 500 + 12, over a border of views, the status with the data. */
static void buffers_may_be_cut_anywhere(void **state)
{
    struct driver driver = driver_for(state);
    const uint64_t split = MACHINE_RAM + 0x200000 - 100;
    uint8_t back[DISK_SECTOR + 1];

    memset(driver.disk->sectors + 9 * DISK_SECTOR, 0x5a, DISK_SECTOR);
    driver_put_header(&driver, DISK_READ, 9);
    ring_describe(&driver.ring, 4, HEADER, 3, NEXT, 9);
    ring_describe(&driver.ring, 9, HEADER + 3, 13, NEXT, 2);
    ring_describe(&driver.ring, 2, split, 500, NEXT | WRITE, 3);
    ring_describe(&driver.ring, 3, split + 500, 13, WRITE, 0);
    driver_notify(&driver, 4);
    driver_expect_bytes(&driver, DISK_SECTOR + 1);
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

    driver_request(&driver, DISK_GET_ID, 0, DATA, sizeof(id));
    driver_expect_bytes(&driver, sizeof(id) + 1);
    assert_int_equal(guestmem_ram_read(driver.vm, DATA, id, sizeof(id)), 0);
    assert_string_equal(id, "guestmem-example");
    driver_request(&driver, DISK_GET_ID, 0, DATA, 19);
    assert_int_equal(driver_status(&driver), DISK_ERROR);
    driver_expect_bytes(&driver, 0);
    driver_put_header(&driver, DISK_FLUSH, 0);
    ring_describe(&driver.ring, 0, HEADER, 16, NEXT, 1);
    ring_describe(&driver.ring, 1, STATUS, 1, WRITE, 0);
    driver_notify(&driver, 0);
    assert_int_equal(driver_status(&driver), DISK_DONE);
    driver_expect_bytes(&driver, 1);
    driver_put_header(&driver, 99, 0);
    driver_notify(&driver, 0);
    assert_int_equal(driver_status(&driver), DISK_UNKNOWN);
    assert_false(driver_sees_reset(&driver));
}

/* The device populates what it is shown, and no more. */
static void lazy_ram_is_populated_as_the_device_uses_it(void **state)
{
    struct driver driver = driver_for(state);
    struct guestmem_stats before;
    struct guestmem_stats after;

    assert_int_equal(vm_ram_register_at(driver.vm, MORE_RAM, MORE_RAM_BYTES, false), 0);
    driver_put_header(&driver, DISK_READ, 0);
    assert_int_equal(guestmem_get_stats(driver.vm, &before), 0);
    driver_request(&driver, DISK_READ, 0, MORE_RAM, DISK_SECTOR);
    assert_int_equal(guestmem_get_stats(driver.vm, &after), 0);
    assert_int_equal(driver_status(&driver), DISK_DONE);
    assert_int_equal(after.frames[1], before.frames[1] + 1);
    assert_int_equal(after.frames[0], before.frames[0]);
}

static void a_device_is_used_only_when_features_are_agreed_on(void **state)
{
    struct driver driver = driver_for(state);

    driver_negotiate(&driver, 1u << 31, 1); /* one that wasn't offered */
    assert_int_equal(driver_get(&driver, DISK_STATUS) & DISK_FEATURES_OK, 0);
    driver_negotiate(&driver, 0, 0); /* virtio before version 1 */
    assert_int_equal(driver_get(&driver, DISK_STATUS) & DISK_FEATURES_OK, 0);
    driver_negotiate(&driver, 0, 1);
    assert_int_equal(driver_get(&driver, DISK_STATUS) & DISK_FEATURES_OK, DISK_FEATURES_OK);
    driver.ring.offered = 0;
    driver_request(&driver, DISK_READ, 0, DATA, DISK_SECTOR); /* not ready */
    assert_int_equal(ring_used_index(&driver.ring), 0);
    assert_int_equal(driver_status(&driver), UNTOUCHED);
}

static void an_agreement_on_tables_is_kept(void **state)
{
    struct driver driver = driver_for(state);

    driver_negotiate(&driver, 0, 1);
    driver_start_queue(&driver);
    table_describe(driver.vm, DATA, 0, HEADER, 16, NEXT, 1);
    table_describe(driver.vm, DATA, 1, STATUS, 1, WRITE, 0);
    driver_put_header(&driver, DISK_FLUSH, 0);
    ring_describe(&driver.ring, 0, DATA, 32, INDIRECT, 0);
    driver_notify(&driver, 0);
    assert_true(driver_sees_reset(&driver));
    driver_restart(&driver);
    table_describe(driver.vm, DATA, 0, HEADER, 16, NEXT, 1);
    ring_describe(&driver.ring, 0, DATA, 32, INDIRECT, 0);
    driver_notify(&driver, 0);
    assert_int_equal(driver_status(&driver), DISK_DONE);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

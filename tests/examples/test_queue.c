/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The device's side of a ring, and drivers that mean it ill.
 */
#include <string.h>

#include <guestmem/guestmem.h>
#include <sel4vm/guest_ram.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

#include "ring.h"

enum {
    SIZE = 8,
    RING = MACHINE_RAM + 0x100000,
    DATA = MACHINE_RAM + 0x110000,
    TABLE = MACHINE_RAM + 0x120000,
    MORE_RAM = 0x50000000,
    MORE_RAM_BYTES = 0x200000,
};

static vm_t *vm_of(void **state)
{
    return &((struct fixture *)*state)->machine.vm;
}

static struct queue queue_for(const struct ring *ring)
{
    return (struct queue){
        .vm = ring->vm,
        .size = ring->size,
        .descriptors = ring->descriptors,
        .available = ring->available,
        .used = ring->used,
        .indirect = true,
    };
}

static void start(void **state, struct ring *ring, struct queue *queue)
{
    *ring = ring_at(vm_of(state), RING, SIZE);
    *queue = queue_for(ring);
    assert_int_equal(queue_start(queue), 0);
}

/* ----------------------------------------------------------------------------- as it should be */

static void a_chain_is_taken_in_order_and_given_back(void **state)
{
    struct ring ring;
    struct queue queue;
    struct chain chain;

    start(state, &ring, &queue);
    ring_describe(&ring, 2, DATA, 10, NEXT, 5);
    ring_describe(&ring, 5, DATA + 0x100, 20, NEXT, 1);
    ring_describe(&ring, 1, DATA + 0x200, 30, NEXT | WRITE, 7);
    ring_describe(&ring, 7, DATA + 0x300, 40, WRITE, 0);
    assert_int_equal(queue_take(&queue, &chain), QUEUE_EMPTY);
    ring_offer(&ring, 2);
    assert_int_equal(queue_take(&queue, &chain), QUEUE_CHAIN);
    assert_int_equal(chain.head, 2);
    assert_int_equal(chain.count, 4);
    assert_int_equal(chain.readable_count, 2);
    assert_int_equal(chain.readable, 30);
    assert_int_equal(chain.writable, 70);
    assert_int_equal(chain.buffers[2].base, DATA + 0x200);
    assert_int_equal(chain.buffers[3].size, 40);
    assert_true(queue_put(&queue, chain.head, 70));
    assert_int_equal(ring_used_index(&ring), 1);
    assert_int_equal(ring_used_head(&ring, 0), 2);
    assert_int_equal(ring_used_bytes(&ring, 0), 70);
    assert_int_equal(queue_take(&queue, &chain), QUEUE_EMPTY);
}

static void indexes_go_on_over_their_16_bits(void **state)
{
    struct ring ring;
    struct queue queue;
    struct chain chain;

    start(state, &ring, &queue);
    for (uint32_t i = 0; i < 70000; i++) {
        uint16_t head = i % SIZE;

        ring_describe(&ring, head, DATA + i % 1000, 1 + i % 100, 0, 0);
        ring_offer(&ring, head);
        assert_int_equal(queue_take(&queue, &chain), QUEUE_CHAIN);
        assert_int_equal(chain.readable, 1 + i % 100);
        assert_true(queue_put(&queue, chain.head, i));
        assert_int_equal(ring_used_index(&ring), (uint16_t)(i + 1));
        assert_int_equal(ring_used_bytes(&ring, (uint16_t)i), i);
    }
}

static void a_full_ring_is_taken_whole(void **state)
{
    struct ring ring;
    struct queue queue;
    struct chain chain;

    start(state, &ring, &queue);
    for (uint16_t i = 0; i < SIZE; i++) {
        ring_describe(&ring, i, DATA, 1, 0, 0);
        ring_offer(&ring, i);
    }
    for (uint16_t i = 0; i < SIZE; i++) {
        assert_int_equal(queue_take(&queue, &chain), QUEUE_CHAIN);
        assert_int_equal(chain.head, i);
    }
    assert_int_equal(queue_take(&queue, &chain), QUEUE_EMPTY);
}

static void a_chain_may_go_on_in_a_table_anywhere_in_ram(void **state)
{
    struct ring ring;
    struct queue queue;
    struct chain chain;
    const uint64_t table = MACHINE_RAM + 0x200000 - 24; /* over a border of views, not aligned */

    start(state, &ring, &queue);
    ring_describe(&ring, 0, DATA, 1, NEXT, 1);
    ring_describe(&ring, 1, table, 3 * 16, INDIRECT, 0);
    table_describe(ring.vm, table, 0, DATA, 2, NEXT, 2);
    table_describe(ring.vm, table, 2, DATA, 4, NEXT | WRITE, 1);
    table_describe(ring.vm, table, 1, DATA, 8, WRITE, 0);
    ring_offer(&ring, 0);
    assert_int_equal(queue_take(&queue, &chain), QUEUE_CHAIN);
    assert_int_equal(chain.count, 4);
    assert_int_equal(chain.readable, 3);
    assert_int_equal(chain.writable, 12);
}

/* ------------------------------------------------------------------------- rings that can't be */

static void sizes_that_cannot_be_are_refused(void **state)
{
    static const uint32_t sizes[] = {0, 3, 65, 128, 0x10000, 0x10008, UINT32_MAX};
    struct ring ring = ring_at(vm_of(state), RING, SIZE);
    struct queue queue = queue_for(&ring);

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        queue.size = sizes[i];
        assert_int_equal(queue_start(&queue), -1);
    }
    queue.size = QUEUE_SIZE_MAX;
    assert_int_equal(queue_start(&queue), 0);
    queue.size = 1;
    assert_int_equal(queue_start(&queue), 0);
}

static void a_ring_that_is_not_aligned_is_refused(void **state)
{
    struct ring ring = ring_at(vm_of(state), RING, SIZE);
    struct queue good = queue_for(&ring);
    struct queue queue = good;

    queue.descriptors += 8;
    assert_int_equal(queue_start(&queue), -1);
    queue = good;
    queue.available += 1;
    assert_int_equal(queue_start(&queue), -1);
    queue = good;
    queue.used += 2;
    assert_int_equal(queue_start(&queue), -1);
}

/* Each part of the ring in turn. */
static void refused_at(void **state, uint64_t place)
{
    struct ring ring = ring_at(vm_of(state), RING, SIZE);
    struct queue good = queue_for(&ring);
    struct queue queue = good;

    queue.descriptors = place;
    assert_int_equal(queue_start(&queue), -1);
    queue = good;
    queue.available = place;
    assert_int_equal(queue_start(&queue), -1);
    queue = good;
    queue.used = place;
    assert_int_equal(queue_start(&queue), -1);
    assert_int_equal(queue_start(&good), 0);
}

static void a_ring_that_is_not_all_ram_is_refused(void **state)
{
    refused_at(state, 0);
    refused_at(state, MACHINE_COUNTER);
    refused_at(state, MACHINE_MAILBOX);                      /* the guest's to write, but not RAM */
    refused_at(state, MACHINE_MAILBOX + MAILBOX_PAGE);       /* the guest may only read it */
    refused_at(state, MACHINE_RAM - 16);                     /* begins before RAM */
    refused_at(state, MACHINE_RAM + MACHINE_RAM_BYTES - 16); /* ends behind it */
    refused_at(state, UINT64_MAX - 15);                      /* wraps */
    refused_at(state, UINT64_C(1) << 40);
}

static void a_ring_whose_ram_is_freed_is_broken(void **state)
{
    vm_t *vm = vm_of(state);
    struct ring ring = ring_at(vm, MORE_RAM, SIZE);
    struct queue queue = queue_for(&ring);
    struct chain chain;

    assert_int_equal(vm_ram_register_at(vm, MORE_RAM, MORE_RAM_BYTES, false), 0);
    assert_int_equal(queue_start(&queue), 0);
    ring_describe(&ring, 0, DATA, 1, 0, 0);
    ring_offer(&ring, 0);
    assert_int_equal(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, MORE_RAM)), 0);
    assert_int_equal(queue_take(&queue, &chain), QUEUE_BROKEN);
    assert_false(queue_put(&queue, 0, 0));
}

/* What the VMM can write and the guest can't isn't written because the guest's ring was there. */
static void a_ring_where_another_page_is_by_now_is_broken(void **state)
{
    vm_t *vm = vm_of(state);
    struct ring ring = ring_at(vm, MORE_RAM, SIZE);
    struct queue queue = queue_for(&ring);
    const char *page;

    assert_int_equal(vm_ram_register_at(vm, MORE_RAM, MORE_RAM_BYTES, false), 0);
    assert_int_equal(queue_start(&queue), 0);
    assert_int_equal(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, MORE_RAM)), 0);
    page = create_allocated_reservation_frame(vm, MORE_RAM, seL4_CanRead,
                                              default_error_fault_callback, NULL);
    assert_non_null(page);
    assert_false(queue_put(&queue, 0, 0x55555555));
    for (unsigned i = 0; i < 4096; i++) {
        assert_int_equal(page[i], 0);
    }
}

/* ------------------------------------------------------------------------ chains that can't be */

static void expect_broken(struct ring *ring, struct queue *queue, uint16_t head)
{
    struct chain chain;

    ring_offer(ring, head);
    assert_int_equal(queue_take(queue, &chain), QUEUE_BROKEN);
}

static void a_chain_with_a_loop_ends(void **state)
{
    struct ring ring;
    struct queue queue;

    start(state, &ring, &queue);
    ring_describe(&ring, 0, DATA, 1, NEXT, 0);
    expect_broken(&ring, &queue, 0);
    start(state, &ring, &queue);
    ring_set_index(&ring, 0);
    for (uint16_t i = 0; i < SIZE; i++) {
        ring_describe(&ring, i, DATA, 1, NEXT, (uint16_t)((i + 1) % SIZE));
    }
    expect_broken(&ring, &queue, 3);
}

static void numbers_outside_the_ring_are_refused(void **state)
{
    static const uint16_t numbers[] = {SIZE, 100, 0x8000, 0xffff};

    for (unsigned i = 0; i < 4; i++) {
        struct ring ring;
        struct queue queue;

        start(state, &ring, &queue);
        ring_set_index(&ring, 0);
        expect_broken(&ring, &queue, numbers[i]);
        start(state, &ring, &queue);
        ring_set_index(&ring, 0);
        ring_describe(&ring, 0, DATA, 1, NEXT, numbers[i]);
        expect_broken(&ring, &queue, 0);
    }
}

static void an_index_that_jumps_is_refused(void **state)
{
    struct ring ring;
    struct queue queue;
    struct chain chain;

    start(state, &ring, &queue);
    ring_set_index(&ring, SIZE + 1);
    assert_int_equal(queue_take(&queue, &chain), QUEUE_BROKEN);
    ring_set_index(&ring, 0xffff); /* back by one */
    assert_int_equal(queue_take(&queue, &chain), QUEUE_BROKEN);
}

static void a_buffer_to_read_behind_one_to_write_is_refused(void **state)
{
    struct ring ring;
    struct queue queue;

    start(state, &ring, &queue);
    ring_describe(&ring, 0, DATA, 0, NEXT | WRITE, 1);
    ring_describe(&ring, 1, DATA, 1, 0, 0);
    expect_broken(&ring, &queue, 0);
}

struct table_case {
    const char *what;
    uint64_t address;
    uint32_t length;
    uint16_t flags;
};

static void tables_that_cannot_be_are_refused(void **state)
{
    static const struct table_case cases[] = {
        {"empty", TABLE, 0, INDIRECT},
        {"not of whole descriptors", TABLE, 24, INDIRECT},
        {"larger than the ring", TABLE, (SIZE + 1) * 16, INDIRECT},
        {"huge", TABLE, 0xfffffff0, INDIRECT},
        {"and a next one", TABLE, 16, INDIRECT | NEXT},
        {"in a device", MACHINE_COUNTER, 16, INDIRECT},
        {"in a page that isn't RAM", MACHINE_MAILBOX, 16, INDIRECT},
        {"nowhere", 0, 16, INDIRECT},
        {"wraps", UINT64_MAX - 15, 32, INDIRECT},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ring ring;
        struct queue queue;

        print_message("%s\n", cases[i].what);
        start(state, &ring, &queue);
        ring_set_index(&ring, 0);
        table_describe(ring.vm, TABLE, 0, DATA, 1, 0, 0);
        ring_describe(&ring, 0, cases[i].address, cases[i].length, cases[i].flags, 1);
        ring_describe(&ring, 1, DATA, 1, 0, 0);
        expect_broken(&ring, &queue, 0);
    }
}

static void a_table_in_a_table_is_refused(void **state)
{
    struct ring ring;
    struct queue queue;

    start(state, &ring, &queue);
    ring_describe(&ring, 0, TABLE, 32, INDIRECT, 0);
    table_describe(ring.vm, TABLE, 0, TABLE, 32, INDIRECT, 0);
    expect_broken(&ring, &queue, 0);
}

static void a_table_is_refused_where_none_were_agreed_on(void **state)
{
    struct ring ring;
    struct queue queue;

    start(state, &ring, &queue);
    queue.indirect = false;
    table_describe(ring.vm, TABLE, 0, DATA, 1, 0, 0);
    ring_describe(&ring, 0, TABLE, 16, INDIRECT, 0);
    expect_broken(&ring, &queue, 0);
}

static void tables_do_not_make_a_chain_longer_than_the_ring(void **state)
{
    struct ring ring;
    struct queue queue;

    start(state, &ring, &queue);
    for (uint16_t i = 0; i < SIZE; i++) {
        table_describe(ring.vm, TABLE, i, DATA, 1, i < SIZE - 1 ? NEXT : 0, i + 1);
    }
    ring_describe(&ring, 0, DATA, 1, NEXT, 1);
    ring_describe(&ring, 1, TABLE, SIZE * 16, INDIRECT, 0);
    expect_broken(&ring, &queue, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_chain_is_taken_in_order_and_given_back),
        CASE(indexes_go_on_over_their_16_bits),
        CASE(a_full_ring_is_taken_whole),
        CASE(a_chain_may_go_on_in_a_table_anywhere_in_ram),
        CASE(sizes_that_cannot_be_are_refused),
        CASE(a_ring_that_is_not_aligned_is_refused),
        CASE(a_ring_that_is_not_all_ram_is_refused),
        CASE(a_ring_whose_ram_is_freed_is_broken),
        CASE(a_ring_where_another_page_is_by_now_is_broken),
        CASE(a_chain_with_a_loop_ends),
        CASE(numbers_outside_the_ring_are_refused),
        CASE(an_index_that_jumps_is_refused),
        CASE(a_buffer_to_read_behind_one_to_write_is_refused),
        CASE(tables_that_cannot_be_are_refused),
        CASE(a_table_in_a_table_is_refused),
        CASE(a_table_is_refused_where_none_were_agreed_on),
        CASE(tables_do_not_make_a_chain_longer_than_the_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

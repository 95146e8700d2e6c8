/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Readers, visitors, epochs and parcels, a step at a time, by one thread. What several threads make
 * of it is in tests/threads.
 */
#include "unit_vm.h"

#include <guestmem/access.h>
#include <guestmem/threads.h>

#include "reader.h"

#define BASE ((uintptr_t)0x40000000)

static struct gm_reader *share(struct unit *u)
{
    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_OK);
    return gm_reader_here(u->space);
}

static void share_and_leave(struct unit *u)
{
    share(u);
    assert_int_equal(guestmem_reader_unregister(&u->vm), GUESTMEM_OK);
}

static uint64_t visitors(struct unit *u)
{
    return u->space->readers.visitors[0] + u->space->readers.visitors[1];
}

static uint64_t heap(struct unit *u)
{
    struct guestmem_host_counts counts;

    guestmem_host_count(u->host, &counts);
    return counts.malloc_bytes;
}

static void sections_cost_nothing_until_the_vm_is_shared(void **state)
{
    struct unit *u = *state;
    struct gm_section section = gm_section_begin(u->space);

    assert_null(section.reader);
    assert_int_equal(section.visited, 0);
    assert_int_equal(visitors(u), 0);
    assert_ptr_equal(gm_section_recent(u->space, &section), &u->space->recent);
    gm_section_end(u->space, &section);
    assert_int_equal(visitors(u), 0);
}

static void a_visitor_is_counted_and_has_no_cache(void **state)
{
    struct unit *u = *state;
    struct gm_section section;
    struct gm_section inner;

    share_and_leave(u);
    section = gm_section_begin(u->space);
    assert_null(section.reader);
    assert_int_equal(section.visited, gm_readers_epoch(u->space));
    assert_int_equal(u->space->readers.visitors[section.visited & 1], 1);
    inner = gm_section_begin(u->space);
    assert_int_equal(visitors(u), 2);
    assert_null(gm_section_recent(u->space, &section));
    gm_section_end(u->space, &inner);
    assert_int_equal(visitors(u), 1);
    gm_section_end(u->space, &section);
    assert_int_equal(visitors(u), 0);
}

static void a_reader_announces_the_epoch_of_its_outermost_section(void **state)
{
    struct unit *u = *state;
    struct gm_reader *reader = share(u);
    struct gm_section outer = gm_section_begin(u->space);
    struct gm_section inner = gm_section_begin(u->space);

    assert_ptr_equal(outer.reader, reader);
    assert_ptr_equal(gm_section_recent(u->space, &outer), &reader->recent);
    assert_int_equal(visitors(u), 0);
    assert_int_equal(reader->epoch, gm_readers_epoch(u->space));
    gm_section_end(u->space, &inner);
    assert_int_equal(reader->epoch, gm_readers_epoch(u->space));
    gm_section_end(u->space, &outer);
    assert_int_equal(reader->epoch, 0);
}

/* The epoch moves on once, to the one behind the reader's, and no further. */
static void an_epoch_ends_when_its_readers_have_left(void **state)
{
    struct unit *u = *state;
    struct gm_reader *reader = share(u);
    uint64_t epoch = gm_readers_epoch(u->space);
    struct gm_section section = gm_section_begin(u->space);

    assert_false(gm_readers_have_left(u->space, epoch));
    assert_int_equal(gm_readers_epoch(u->space), epoch + 1);
    assert_false(gm_readers_have_left(u->space, epoch));
    assert_int_equal(gm_readers_epoch(u->space), epoch + 1);
    gm_section_end(u->space, &section);
    assert_int_equal(reader->epoch, 0);
    assert_true(gm_readers_have_left(u->space, epoch));
    assert_true(gm_readers_epoch(u->space) >= epoch + 2);
}

static void an_epoch_ends_when_its_visitors_have_left(void **state)
{
    struct unit *u = *state;

    share_and_leave(u);
    for (unsigned parity = 0; parity < 4; parity++) {
        uint64_t epoch = gm_readers_epoch(u->space);
        struct gm_section section = gm_section_begin(u->space);

        assert_false(gm_readers_have_left(u->space, epoch));
        assert_int_equal(gm_readers_epoch(u->space), epoch + 1);
        gm_section_end(u->space, &section);
        assert_true(gm_readers_have_left(u->space, epoch));
        if (gm_readers_epoch(u->space) == epoch + 2) {
            assert_true(gm_readers_have_left(u->space, epoch + 1)); /* the other parity */
        }
    }
}

static void sections_end_while_a_thread_waits_and_begin_again(void **state)
{
    struct unit *u = *state;
    struct gm_reader *reader = share(u);
    struct gm_section section = gm_section_begin(u->space);
    uint64_t epoch = gm_readers_epoch(u->space);
    unsigned depth;

    gm_readers_pause_here();
    assert_int_equal(reader->epoch, 0);
    assert_true(gm_readers_have_left(u->space, epoch));
    gm_readers_resume_here();
    assert_int_equal(reader->epoch, gm_readers_epoch(u->space));
    assert_int_not_equal(reader->epoch, epoch);

    epoch = gm_readers_epoch(u->space);
    depth = gm_reader_set_aside(reader);
    assert_int_equal(depth, 1);
    assert_int_equal(reader->depth, 0);
    assert_int_equal(reader->epoch, 0);
    assert_int_equal(gm_reader_set_aside(reader), 0);
    gm_reader_put_back(reader, 0);
    assert_int_equal(reader->epoch, 0);
    assert_true(gm_readers_have_left(u->space, epoch));
    gm_reader_put_back(reader, depth);
    assert_int_equal(reader->depth, 1);
    assert_int_equal(reader->epoch, gm_readers_epoch(u->space));
    gm_section_end(u->space, &section);
    gm_readers_resume_here();
    assert_int_equal(reader->epoch, 0);
}

static void what_is_retired_goes_when_its_readers_have_left(void **state)
{
    struct unit *u = *state;
    uint64_t before = heap(u);
    struct gm_section section;
    void *parcel = gm_parcel_new(u->space, 100);

    assert_true(heap(u) >= before + 100);
    gm_parcel_retire(u->space, parcel, 0); /* nobody else is there */
    assert_int_equal(heap(u), before);

    share(u);
    before = heap(u);
    section = gm_section_begin(u->space);
    gm_parcel_retire(u->space, gm_parcel_new(u->space, 100), gm_readers_epoch(u->space));
    gm_parcels_collect(u->space);
    assert_true(heap(u) >= before + 100);
    gm_section_end(u->space, &section);
    gm_parcels_collect(u->space);
    assert_int_equal(heap(u), before);
    gm_parcel_retire(u->space, gm_parcel_new(u->space, 100), gm_readers_epoch(u->space));
    gm_readers_wait(u->space);
    assert_int_equal(heap(u), before);
    gm_parcel_retire(u->space, gm_parcel_new(u->space, 100), gm_readers_epoch(u->space));
}

static unsigned waits;

/* Called while somebody is still in a section: it ends it. */
static void end_section(void *cookie)
{
    struct unit *u = unit_of(cookie);

    waits++;
    u->space->readers.visitors[0] = 0;
    u->space->readers.visitors[1] = 0;
}

static void who_waits_calls_the_hook_with_its_cookie(void **state)
{
    struct unit *u = *state;
    struct gm_section section;
    uint64_t epoch;

    share_and_leave(u);
    assert_int_equal(guestmem_set_wait(&u->vm, end_section, &u->vm), GUESTMEM_OK);
    section = gm_section_begin(u->space);
    epoch = section.visited;
    waits = 0;
    gm_readers_wait(u->space);
    assert_int_equal(waits, 1);
    assert_true(gm_readers_epoch(u->space) >= epoch + 2);
    gm_readers_wait(u->space);
    assert_int_equal(waits, 1);
}

static void generations_and_failures_are_of_a_vm(void **state)
{
    struct unit *u = *state;
    const struct guestmem_failure *failure;

    assert_int_equal(guestmem_generation(NULL), 0);
    share(u);
    failure = guestmem_last_failure(&u->vm);
    assert_ptr_equal(failure, &gm_reader_here(u->space)->reported);
    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_EBUSY);
    unit_check_failure(u, GUESTMEM_EBUSY);
    assert_true(failure->base == 0 && failure->size == 0);
    assert_int_equal(guestmem_reader_unregister(&u->vm), GUESTMEM_OK);
    assert_ptr_equal(guestmem_last_failure(&u->vm), &u->space->reported);
    assert_int_equal(guestmem_reader_unregister(&u->vm), GUESTMEM_EINVAL);
    assert_true(u->space->reported.base == 0 && u->space->reported.size == 0);
}

/* ------------------------------------------------------------------------ the index of a shared VM
 */

static uintptr_t next;

/* It fails for want of bytes only. */
static int reserve_one(struct unit *u)
{
    if (vm_reserve_memory_at(&u->vm, next, PAGE, unit_fault, NULL) == NULL) {
        unit_check_failure(u, GUESTMEM_ENOMEM);
        return -1;
    }
    return 0;
}

static void free_one(struct unit *u)
{
    assert_int_equal(vm_free_reserved_memory(&u->vm, guestmem_reservation_at(&u->vm, next)), 0);
}

static int register_one(struct unit *u)
{
    return vm_ram_register_at(&u->vm, next, 3 * PAGE, false);
}

/* At every filling of two chunks: in front, behind, and between. */
static void a_shared_index_takes_a_range_or_leaves_no_byte(void **state)
{
    struct unit *u = *state;
    size_t failed = 0;

    share(u);
    for (uintptr_t i = 0; i < 70; i++) {
        next = BASE + (i * 37 % 71) * 16 * PAGE;
        failed += unit_fail_each(u, i % 4 == 3 ? register_one : reserve_one, free_one);
        assert_non_null(guestmem_reservation_at(&u->vm, next));
    }
    assert_true(failed > 70);
    for (uintptr_t i = 0; i < 70; i++) {
        next = BASE + (i * 53 % 71) * 16 * PAGE;
        if (guestmem_reservation_at(&u->vm, next) != NULL) {
            free_one(u);
        }
        assert_null(guestmem_reservation_at(&u->vm, next));
    }
}

/* The same in a VM that becomes shared when it has many. */
static int share_it(struct unit *u)
{
    int error = guestmem_reader_register(&u->vm);

    if (error != GUESTMEM_OK) {
        assert_int_equal(error, GUESTMEM_ENOMEM);
        unit_check_failure(u, GUESTMEM_ENOMEM);
    }
    return error;
}

static void leave_it(struct unit *u)
{
    assert_int_equal(guestmem_reader_unregister(&u->vm), GUESTMEM_OK);
}

static void a_vm_becomes_shared_or_leaves_no_byte(void **state)
{
    struct unit *u = *state;

    for (uintptr_t i = 0; i < 40; i++) {
        next = BASE + i * 16 * PAGE;
        assert_int_equal(i % 4 == 3 ? register_one(u) : reserve_one(u), 0);
    }
    assert_true(unit_fail_each(u, share_it, leave_it) > 1);
    for (uintptr_t i = 0; i < 40; i++) {
        next = BASE + i * 16 * PAGE;
        assert_non_null(guestmem_reservation_at(&u->vm, next));
        free_one(u);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(sections_cost_nothing_until_the_vm_is_shared),
        UNIT_TEST(a_visitor_is_counted_and_has_no_cache),
        UNIT_TEST(a_reader_announces_the_epoch_of_its_outermost_section),
        UNIT_TEST(an_epoch_ends_when_its_readers_have_left),
        UNIT_TEST(an_epoch_ends_when_its_visitors_have_left),
        UNIT_TEST(sections_end_while_a_thread_waits_and_begin_again),
        UNIT_TEST(what_is_retired_goes_when_its_readers_have_left),
        UNIT_TEST(who_waits_calls_the_hook_with_its_cookie),
        UNIT_TEST(generations_and_failures_are_of_a_vm),
        UNIT_TEST(a_shared_index_takes_a_range_or_leaves_no_byte),
        UNIT_TEST(a_vm_becomes_shared_or_leaves_no_byte),
    };

    return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}

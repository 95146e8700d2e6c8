/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Accesses where part of a range was seen before, where views don't lie side by side, and to code.
 */
#include "unit_vm.h"

#include <guestmem/access.h>

#define BASE (4 * MIB)
#define UPPER (BASE + 4 * PAGE)
#define END (BASE + 8 * PAGE)

static uint8_t bytes[8 * PAGE];
static uint8_t back[8 * PAGE];

static void make_ram(struct unit *u)
{
    unit_policy(u, 12, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 4 * PAGE, false), 0);
    assert_int_equal(vm_ram_register_at(&u->vm, UPPER, 4 * PAGE, false), 0);
}

/* Behind the library's back, so that it has seen nothing of it. */
static uint8_t *page_of(struct unit *u, uintptr_t gpa)
{
    struct guestmem_host_leaf leaf;

    assert_true(unit_leaf(u, gpa, &leaf));
    return guestmem_host_phys(u->host, leaf.paddr, PAGE);
}

static void put_pattern(struct unit *u)
{
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    for (uintptr_t at = 0; at < sizeof(bytes); at += PAGE) {
        memcpy(page_of(u, BASE + at), bytes + at, PAGE);
    }
}

static void check_all(struct unit *u)
{
    for (uintptr_t at = 0; at < sizeof(bytes); at += PAGE) {
        assert_memory_equal(page_of(u, BASE + at), bytes + at, PAGE);
    }
}

static void see(struct unit *u, uintptr_t gpa)
{
    assert_int_equal(guestmem_ram_read(&u->vm, gpa, back, 1), GUESTMEM_OK);
}

static void copy_and_check(struct unit *u, uintptr_t to, uintptr_t from, size_t size)
{
    assert_int_equal(guestmem_ram_copy(&u->vm, BASE + to, BASE + from, size), GUESTMEM_OK);
    memmove(bytes + to, bytes + from, size);
    check_all(u);
}

static void a_copy_of_which_a_part_was_seen_moves_each_byte_once(void **state)
{
    struct unit *u = *state;

    make_ram(u);
    put_pattern(u);
    see(u, BASE);
    copy_and_check(u, 100, 300, 6 * PAGE);
}

static void a_copy_upwards_of_which_a_part_was_seen_moves_each_byte_once(void **state)
{
    struct unit *u = *state;

    make_ram(u);
    put_pattern(u);
    see(u, UPPER);
    copy_and_check(u, 300, 100, 6 * PAGE);
}

/* The upper half is seen first, and something else before the lower one. */
static void a_copy_crosses_views_that_are_apart(void **state)
{
    struct unit *u = *state;

    make_ram(u);
    assert_int_equal(vm_ram_register_at(&u->vm, 2 * GIB, PAGE, false), 0);
    put_pattern(u);
    see(u, UPPER);
    see(u, 2 * GIB);
    see(u, BASE);
    copy_and_check(u, 10, 11, 8 * PAGE - 20);
    copy_and_check(u, 11, 10, 8 * PAGE - 20);
    copy_and_check(u, PAGE, 2 * PAGE + 5, 5 * PAGE);
    copy_and_check(u, 2 * PAGE + 5, PAGE, 5 * PAGE);
    copy_and_check(u, 4 * PAGE - 1, 4 * PAGE, 1);
    copy_and_check(u, 4 * PAGE, 4 * PAGE - 1, 1);
}

static void a_copy_that_fails_moves_nothing_and_names_the_range(void **state)
{
    struct unit *u = *state;
    const struct guestmem_failure *failure = guestmem_last_failure(&u->vm);

    make_ram(u);
    put_pattern(u);
    see(u, BASE);
    see(u, UPPER);
    assert_int_equal(guestmem_ram_copy(&u->vm, BASE, END - PAGE, PAGE + 1), GUESTMEM_EUNMAPPED);
    assert_int_equal(failure->base, END - PAGE);
    assert_int_equal(failure->size, PAGE + 1);
    assert_int_equal(guestmem_ram_copy(&u->vm, END - PAGE, BASE, PAGE + 2), GUESTMEM_EUNMAPPED);
    assert_int_equal(failure->base, END - PAGE);
    assert_int_equal(failure->size, PAGE + 2);
    assert_int_equal(guestmem_ram_write(&u->vm, END - 1, back, 2), GUESTMEM_EUNMAPPED);
    assert_int_equal(failure->base, END - 1);
    assert_int_equal(failure->size, 2);
    check_all(u);
}

/* Once from the start, once from what was used last. */
static void what_is_no_word_is_refused_where_it_was_just_seen(void **state)
{
    struct unit *u = *state;
    uint64_t value = 42;

    make_ram(u);
    put_pattern(u);
    for (unsigned i = 0; i < 4; i++) {
        see(u, BASE);
        assert_int_equal(guestmem_ram_store(&u->vm, BASE, 3, 1), GUESTMEM_EINVAL);
        see(u, BASE);
        assert_int_equal(guestmem_ram_store_release(&u->vm, BASE + 2, 4, 1), GUESTMEM_EINVAL);
        see(u, BASE);
        assert_int_equal(guestmem_ram_load(&u->vm, BASE + 1, 2, &value), GUESTMEM_EINVAL);
        see(u, BASE);
        assert_int_equal(guestmem_ram_load_acquire(&u->vm, BASE, 5, &value), GUESTMEM_EINVAL);
        unit_check_failure(u, GUESTMEM_EINVAL);
        assert_int_equal(value, 42);
        check_all(u);
    }
}

/* ------------------------------------------------------------------------------------ code */

static uint64_t calls(struct unit *u)
{
    struct guestmem_host_counts counts;

    guestmem_host_count(u->host, &counts);
    return counts.invocations;
}

/* That a call cleans and invalidates so many frames: two kernel calls each. */
#define SYNCS(u, frames, call)                              \
    do {                                                    \
        uint64_t before_ = calls(u);                        \
        assert_int_equal(call, GUESTMEM_OK);                \
        assert_int_equal(calls(u) - before_, 2 * (frames)); \
    } while (0)

static void code_is_synced_frame_by_frame(void **state)
{
    struct unit *u = *state;

    make_ram(u);
    put_pattern(u);
    assert_int_equal(guestmem_ram_read(&u->vm, BASE, back, sizeof(back)), GUESTMEM_OK);
    SYNCS(u, 0, guestmem_ram_write(&u->vm, BASE, bytes, PAGE));
    SYNCS(u, 0, guestmem_ram_copy(&u->vm, BASE, UPPER, PAGE));
    u->vm.mem.clean_cache = 1;
    for (unsigned i = 0; i < 3; i++) {
        SYNCS(u, 1, guestmem_ram_write(&u->vm, BASE, bytes, PAGE));
        SYNCS(u, 2, guestmem_ram_write(&u->vm, BASE + PAGE - 1, bytes, 2));
        SYNCS(u, 3, guestmem_ram_write(&u->vm, UPPER - PAGE - 1, bytes, PAGE + 2));
        SYNCS(u, 1, guestmem_ram_copy(&u->vm, BASE, UPPER, PAGE));
        SYNCS(u, 2, guestmem_ram_copy(&u->vm, BASE + 1, UPPER, PAGE));
        SYNCS(u, 8, guestmem_ram_fill(&u->vm, BASE, 1, 8 * PAGE));
        SYNCS(u, 0, guestmem_ram_read(&u->vm, BASE, back, 8 * PAGE));
    }
    u->vm.mem.clean_cache = 0;
    SYNCS(u, 8, guestmem_ram_sync_code(&u->vm, BASE, 8 * PAGE));
    SYNCS(u, 2, guestmem_ram_sync_code(&u->vm, UPPER - 1, 2));
    SYNCS(u, 0, guestmem_ram_fill(&u->vm, BASE, 1, 8 * PAGE));
}

/* --------------------------------------------------------------------------- spans and lists */

/* Whether the list of what is now seen is the same as when it was shown. */
static void a_list_has_a_piece_for_each_view_that_is_apart(void **state)
{
    struct unit *u = *state;
    struct guestmem_buffer buffers[] = {{BASE, 8 * PAGE}, {UPPER - 8, 16}, {BASE + 3, PAGE}};
    struct guestmem_iovec shown[8];
    struct guestmem_iovec seen[8];
    size_t count = 0;
    size_t again = 0;
    size_t bytes_told = 0;

    make_ram(u);
    assert_int_equal(vm_ram_register_at(&u->vm, 2 * GIB, PAGE, false), 0);
    put_pattern(u);
    see(u, UPPER);
    see(u, 2 * GIB);
    assert_int_equal(guestmem_ram_iovec(&u->vm, buffers, 3, shown, 8, &count), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_iovec(&u->vm, buffers, 3, seen, 8, &again), GUESTMEM_OK);
    assert_int_equal(count, again);
    assert_memory_equal(shown, seen, count * sizeof(shown[0]));
    for (size_t i = 0; i < count; i++) {
        bytes_told += shown[i].iov_len;
    }
    assert_int_equal(bytes_told, 8 * PAGE + 16 + PAGE);
    assert_memory_equal(shown[0].iov_base, bytes, shown[0].iov_len);
    assert_memory_equal(shown[count - 1].iov_base, bytes + 3, PAGE);
    assert_int_equal(guestmem_ram_iovec(&u->vm, buffers, 3, seen, count - 1, &again),
                     GUESTMEM_ENOMEM);
}

static void a_list_of_which_one_is_missing_names_it(void **state)
{
    struct unit *u = *state;
    struct guestmem_buffer buffers[] = {{BASE, PAGE}, {END - 8, 16}, {UPPER, PAGE}};
    const struct guestmem_failure *failure = guestmem_last_failure(&u->vm);
    struct guestmem_iovec pieces[8];
    size_t count = 77;

    make_ram(u);
    for (unsigned seen = 0; seen < 2; seen++) {
        assert_int_equal(guestmem_ram_iovec(&u->vm, buffers, 3, pieces, 8, &count),
                         GUESTMEM_EUNMAPPED);
        assert_int_equal(failure->base, END - 8);
        assert_int_equal(failure->size, 16);
        assert_int_equal(count, 77);
        assert_int_equal(guestmem_ram_read(&u->vm, BASE, back, sizeof(back)), GUESTMEM_OK);
    }
    assert_int_equal(guestmem_ram_iovec(&u->vm, NULL, 3, pieces, 8, &count), GUESTMEM_EINVAL);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_int_equal(failure->size, 0);
}

/* A read behind it finds what the span's use has left. */
static void a_span_is_found_again_where_it_was_seen(void **state)
{
    struct unit *u = *state;
    struct guestmem_span shown;
    struct guestmem_span seen;

    make_ram(u);
    put_pattern(u);
    assert_int_equal(guestmem_ram_span(&u->vm, BASE + 5, 3 * PAGE, &shown), GUESTMEM_OK);
    assert_memory_equal(shown.address, bytes + 5, shown.size);
    assert_int_equal(guestmem_ram_span(&u->vm, BASE + 5, shown.size, &seen), GUESTMEM_OK);
    assert_ptr_equal(seen.address, shown.address);
    assert_int_equal(seen.size, shown.size);
    assert_int_equal(guestmem_ram_span(&u->vm, END - 1, 2, &seen), GUESTMEM_EUNMAPPED);
    assert_int_equal(guestmem_ram_span(&u->vm, BASE, 1, NULL), GUESTMEM_EINVAL);
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_true(guestmem_span_is_valid(&u->vm, &shown));
    assert_int_equal(vm_free_reserved_memory(&u->vm, guestmem_reservation_at(&u->vm, BASE)), 0);
    assert_false(guestmem_span_is_valid(&u->vm, &shown));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_copy_of_which_a_part_was_seen_moves_each_byte_once),
        UNIT_TEST(a_copy_upwards_of_which_a_part_was_seen_moves_each_byte_once),
        UNIT_TEST(a_copy_crosses_views_that_are_apart),
        UNIT_TEST(a_copy_that_fails_moves_nothing_and_names_the_range),
        UNIT_TEST(what_is_no_word_is_refused_where_it_was_just_seen),
        UNIT_TEST(code_is_synced_frame_by_frame),
        UNIT_TEST(a_list_has_a_piece_for_each_view_that_is_apart),
        UNIT_TEST(a_list_of_which_one_is_missing_names_it),
        UNIT_TEST(a_span_is_found_again_where_it_was_seen),
    };

    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Noting where the VMM sees guest memory, merging, forgetting; and that what was seen is found
 * again without asking anybody for anything.
 */
#include "unit_vm.h"

#include <guestmem/access.h>
#include <guestmem/threads.h>

#include "seen.h"

#define BASE ((uintptr_t)0x40000000)
#define VIEW ((char *)0x7f0000000000)

/* A reservation that is nowhere but here: only its bounds are looked at. */
static const vm_memory_reservation_t res = {.base = BASE + 0x500, .size = 64 * PAGE};

static struct gm_seen_part part_of(uintptr_t base, uintptr_t last, const char *address,
                                   unsigned slot)
{
    return (struct gm_seen_part){
        .base = base, .last = last, .item = gm_seen_item(address, base & ~(PAGE - 1), true, slot)};
}

/* Note pages [from, to) of the reservation, seen from VIEW + `skew` on. */
static void note(struct unit *u, size_t from, size_t to, size_t skew)
{
    uintptr_t base = from == 0 ? res.base : BASE + from * PAGE;
    uintptr_t last = BASE + to * PAGE - 1 < gm_last(&res) ? BASE + to * PAGE - 1 : gm_last(&res);
    struct gm_seen_part part = part_of(base, last, VIEW + skew + from * PAGE, 0);

    gm_seen_note(u->space, &res, &part);
}

static size_t count(struct unit *u)
{
    const struct gm_range_index *seen = gm_index_root(&u->space->seen);
    struct gm_range_pos pos;
    size_t n = 0;

    for (bool more = gm_range_index_first(seen, &pos); more;
         more = gm_range_index_next(seen, &pos)) {
        n++;
    }
    return n;
}

/* That an address is seen, in a part with these bounds; or not at all, with both 0. */
static void check(struct unit *u, uintptr_t gpa, uintptr_t base, uintptr_t last, size_t skew)
{
    struct gm_seen_part part;
    bool found = gm_seen_find(u->space, gm_index_root(&u->space->seen), gpa, &part);

    assert_int_equal(found, last != 0);
    if (found) {
        assert_int_equal(part.base, base);
        assert_int_equal(part.last, last);
        assert_ptr_equal(gm_seen_address(&part, gpa), VIEW + skew + (gpa - BASE));
        assert_true(gm_seen_is_ram(&part));
    }
}

static void forget_all(struct unit *u)
{
    gm_seen_forget(u->space, 0, UINTPTR_MAX);
    assert_int_equal(count(u), 0);
}

/*
 *      [0x500 ... page 1][2 3]    [6]        -> one, and one
 *                         [4 5]              -> one
 */
static void parts_that_go_on_become_one(void **state)
{
    struct unit *u = *state;

    note(u, 0, 2, 0);
    check(u, BASE + 0x500, BASE + 0x500, BASE + 2 * PAGE - 1, 0);
    check(u, BASE + 0x4ff, 0, 0, 0);
    note(u, 2, 4, 0);
    assert_int_equal(count(u), 1);
    note(u, 6, 7, 0);
    assert_int_equal(count(u), 2);
    check(u, BASE + 4 * PAGE, 0, 0, 0);
    note(u, 4, 6, 0);
    assert_int_equal(count(u), 1);
    check(u, BASE + 3 * PAGE, BASE + 0x500, BASE + 7 * PAGE - 1, 0);
    note(u, 60, 65, 0);
    check(u, BASE + 64 * PAGE, BASE + 60 * PAGE, gm_last(&res), 0);
    forget_all(u);
}

static void parts_seen_elsewhere_stay_apart(void **state)
{
    struct unit *u = *state;

    note(u, 0, 2, 0);
    note(u, 2, 4, 64 * PAGE);
    note(u, 4, 6, 0);
    assert_int_equal(count(u), 3);
    check(u, BASE + 2 * PAGE, BASE + 2 * PAGE, BASE + 4 * PAGE - 1, 64 * PAGE);
    check(u, BASE + 5 * PAGE, BASE + 4 * PAGE, BASE + 6 * PAGE - 1, 0);
    forget_all(u);
}

static void noting_what_is_noted_changes_nothing(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_counts before;
    struct guestmem_host_counts after;

    note(u, 4, 16, 0);
    guestmem_host_count(u->host, &before);
    note(u, 4, 16, 0);
    note(u, 6, 8, 0);
    note(u, 4, 5, 0);
    note(u, 15, 16, 0);
    guestmem_host_count(u->host, &after);
    assert_int_equal(after.mallocs, before.mallocs);
    assert_int_equal(count(u), 1);
    check(u, BASE + 9 * PAGE, BASE + 4 * PAGE, BASE + 16 * PAGE - 1, 0);
    note(u, 2, 20, 0); /* around it */
    assert_int_equal(count(u), 1);
    check(u, BASE + 9 * PAGE, BASE + 2 * PAGE, BASE + 20 * PAGE - 1, 0);
    note(u, 18, 24, 0); /* over its end */
    note(u, 1, 4, 0);   /* and its start */
    check(u, BASE + 9 * PAGE, BASE + 1 * PAGE, BASE + 24 * PAGE - 1, 0);
    assert_int_equal(count(u), 1);
    forget_all(u);
}

static void neighbours_of_other_reservations_stay_apart(void **state)
{
    struct unit *u = *state;
    const vm_memory_reservation_t other = {.base = BASE + 8 * PAGE, .size = 8 * PAGE};
    struct gm_seen_part part = part_of(BASE + 8 * PAGE, BASE + 16 * PAGE - 1, VIEW + 8 * PAGE, 0);

    note(u, 4, 8, 0);
    gm_seen_note(u->space, &other, &part);
    assert_int_equal(count(u), 2);
    forget_all(u);
}

/*
 *      [0x500 ... page 7][8 ... 15]     [20 ... 23]
 *                    xxxxxxx                                -> [0x500 ... 6]   [10 ... 15]   [20
 * ... 23]
 */
static void forgetting_leaves_the_rest(void **state)
{
    struct unit *u = *state;

    note(u, 0, 8, 0);
    note(u, 8, 16, 64 * PAGE);
    note(u, 20, 24, 0);
    gm_seen_forget(u->space, BASE + 16 * PAGE, BASE + 20 * PAGE - 1);
    assert_int_equal(count(u), 3);
    gm_seen_forget(u->space, BASE + 7 * PAGE, BASE + 10 * PAGE - 1);
    assert_int_equal(count(u), 3);
    check(u, BASE + 6 * PAGE, BASE + 0x500, BASE + 7 * PAGE - 1, 0);
    check(u, BASE + 7 * PAGE, 0, 0, 0);
    check(u, BASE + 9 * PAGE, 0, 0, 0);
    check(u, BASE + 10 * PAGE, BASE + 10 * PAGE, BASE + 16 * PAGE - 1, 64 * PAGE);
    gm_seen_forget(u->space, BASE + 2 * PAGE, BASE + 4 * PAGE - 1);
    assert_int_equal(count(u), 4);
    check(u, BASE + PAGE, BASE + 0x500, BASE + 2 * PAGE - 1, 0);
    check(u, BASE + 3 * PAGE, 0, 0, 0);
    check(u, BASE + 5 * PAGE, BASE + 4 * PAGE, BASE + 7 * PAGE - 1, 0);
    forget_all(u);
}

static void forgetting_without_bytes_may_take_out_more(void **state)
{
    struct unit *u = *state;

    note(u, 0, 8, 0);
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, 1, true);
    gm_seen_forget(u->space, BASE + 2 * PAGE, BASE + 4 * PAGE - 1);
    guestmem_host_fail(u->host, 0, 0, false);
    check(u, BASE + 3 * PAGE, 0, 0, 0);
    assert_int_equal(count(u), 0);
    forget_all(u);
}

/* Readers find all the time what was noted before: only the gaps are filled in. */
static void in_a_shared_vm_only_gaps_are_noted(void **state)
{
    struct unit *u = *state;

    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_OK);
    note(u, 4, 8, 0);
    note(u, 12, 16, 0);
    note(u, 2, 20, 0);
    assert_int_equal(count(u), 5);
    for (size_t page = 2; page < 20; page++) {
        static const size_t edges[] = {2, 4, 8, 12, 16, 20};
        size_t i = 0;

        while (edges[i + 1] <= page) {
            i++;
        }
        check(u, BASE + page * PAGE + 5, BASE + edges[i] * PAGE, BASE + edges[i + 1] * PAGE - 1, 0);
    }
    note(u, 2, 20, 0);
    note(u, 0, 3, 0);
    assert_int_equal(count(u), 6);
    check(u, BASE + PAGE, BASE + 0x500, BASE + 2 * PAGE - 1, 0);
    forget_all(u);
    assert_int_equal(guestmem_reader_unregister(&u->vm), GUESTMEM_OK);
}

static void without_bytes_nothing_is_noted_and_nothing_lost(void **state)
{
    struct unit *u = *state;

    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, 1, true);
    note(u, 4, 8, 0);
    guestmem_host_fail(u->host, 0, 0, false);
    assert_int_equal(count(u), 0);
    note(u, 4, 8, 0);
    assert_int_equal(count(u), 1);
    forget_all(u);
}

/* ------------------------------------------------------------- through the public functions */

static int read_unnoted(struct unit *u)
{
    uint8_t byte;

    return guestmem_ram_read(&u->vm, BASE + 2 * MIB - 1, &byte, 1);
}

/* An access that can't note what it saw works all the same, now and later. */
static void an_access_without_bytes_to_note_it_works(void **state)
{
    struct unit *u = *state;
    uint8_t bytes[16];

    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 4 * MIB, false), 0);
    assert_int_equal(guestmem_ram_fill(&u->vm, BASE, 0, 4 * MIB), GUESTMEM_OK);
    gm_seen_forget(u->space, 0, UINTPTR_MAX);
    gm_generation_next(u->space);
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, 1, true);
    assert_int_equal(read_unnoted(u), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_read(&u->vm, BASE + 2 * MIB - 8, bytes, 16), GUESTMEM_OK);
    assert_int_equal(
        vm_ram_touch(&u->vm, BASE + 2 * MIB - 8, 16, vm_guest_ram_read_callback, bytes), 0);
    guestmem_host_fail(u->host, 0, 0, false);
    assert_int_equal(count(u), 0);
    assert_int_equal(read_unnoted(u), GUESTMEM_OK);
    assert_int_equal(count(u), 1);
}

static void large_frames_side_by_side_are_one_part(void **state)
{
    struct unit *u = *state;
    struct gm_seen_part part;

    unit_policy(u, seL4_LargePageBits, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 32 * MIB, false), 0);
    assert_int_equal(guestmem_ram_fill(&u->vm, BASE, 7, 32 * MIB), GUESTMEM_OK);
    assert_int_equal(count(u), 1);
    assert_true(gm_seen_find(u->space, gm_index_root(&u->space->seen), BASE + MIB, &part));
    assert_int_equal(part.base, BASE);
    assert_int_equal(part.last, BASE + 32 * MIB - 1);
}

/* Page by page, in an order in which nothing goes on at first. */
static void small_frames_become_one_part_whatever_the_order(void **state)
{
    struct unit *u = *state;
    uint64_t value;

    unit_policy(u, seL4_PageBits, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 64 * PAGE, false), 0);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(guestmem_ram_load(&u->vm, BASE + i * 37 % 64 * PAGE, 8, &value),
                         GUESTMEM_OK);
    }
    assert_int_equal(count(u), 1);
}

static void what_was_seen_allocates_nothing(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_counts before;
    struct guestmem_host_counts after;
    uint8_t *bytes = malloc(8 * MIB);
    struct guestmem_iovec pieces[4];
    struct guestmem_span span;
    size_t n;

    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 4 * MIB, false), 0);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE + 4 * MIB, 4 * MIB, false), 0);
    assert_int_equal(guestmem_ram_read(&u->vm, BASE, bytes, 8 * MIB), GUESTMEM_OK);
    guestmem_host_count(u->host, &before);
    assert_int_equal(guestmem_ram_write(&u->vm, BASE + 5, bytes, 7 * MIB), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_copy(&u->vm, BASE + MIB, BASE + 3, 6 * MIB), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_span(&u->vm, BASE + MIB, 4 * MIB, &span), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_iovec(&u->vm,
                                        (struct guestmem_buffer[]){{BASE, MIB}, {BASE + MIB, 9}}, 2,
                                        pieces, 4, &n),
                     GUESTMEM_OK);
    assert_int_equal(
        vm_ram_touch(&u->vm, BASE + 3 * MIB, 2 * MIB, vm_guest_ram_write_callback, bytes), 0);
    guestmem_host_count(u->host, &after);
    assert_int_equal(after.mallocs, before.mallocs);
    assert_int_equal(after.invocations, before.invocations);
    assert_int_equal(after.slot_allocs, before.slot_allocs);
    assert_int_equal(after.object_allocs, before.object_allocs);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(parts_that_go_on_become_one),
        UNIT_TEST(parts_seen_elsewhere_stay_apart),
        UNIT_TEST(noting_what_is_noted_changes_nothing),
        UNIT_TEST(neighbours_of_other_reservations_stay_apart),
        UNIT_TEST(forgetting_leaves_the_rest),
        UNIT_TEST(forgetting_without_bytes_may_take_out_more),
        UNIT_TEST(in_a_shared_vm_only_gaps_are_noted),
        UNIT_TEST(without_bytes_nothing_is_noted_and_nothing_lost),
        UNIT_TEST(an_access_without_bytes_to_note_it_works),
        UNIT_TEST(large_frames_side_by_side_are_one_part),
        UNIT_TEST(small_frames_become_one_part_whatever_the_order),
        UNIT_TEST(what_was_seen_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

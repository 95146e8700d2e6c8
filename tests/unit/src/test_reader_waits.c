/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Readers of a shared VM and what waits for them, on one thread: a visitor's section stands for a
 * reader that doesn't go on, and the wait hook is where it goes on.
 */
#include "unit_vm.h"

#include <guestmem/threads.h>

#define BASE ((uintptr_t)0x40000000)

/* More reservations than any first capacity of the index holds. */
enum { MANY = 2000 };

static uintptr_t at(unsigned i)
{
    return BASE + i * 2 * PAGE;
}

/* Share the VM; the test's thread is no reader of it afterwards, but a visitor. */
static void share(struct unit *u)
{
    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_OK);
    assert_int_equal(guestmem_reader_unregister(&u->vm), GUESTMEM_OK);
}

static void free_at(struct unit *u, uintptr_t base)
{
    vm_memory_reservation_t *res = guestmem_reservation_at(&u->vm, base);

    assert_non_null(res);
    assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    assert_null(guestmem_reservation_at(&u->vm, base));
}

static memory_fault_result_t count_faults(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                          void *cookie)
{
    (void)vm;
    (void)vcpu;
    (void)addr;
    (void)length;
    (*(unsigned *)cookie)++;
    return FAULT_HANDLED;
}

/* A visitor that leaves when somebody waits for it, and what it sees just before. */
struct visitor {
    struct unit *u;
    struct gm_section section;
    uintptr_t faults_at; /* 0: nowhere */
    memory_fault_result_t answer;
    unsigned waits;
};

static void leave_when_waited_for(void *cookie)
{
    struct visitor *visitor = cookie;

    if (visitor->waits++ == 0) {
        if (visitor->faults_at != 0) {
            visitor->answer = vm_memory_handle_fault(&visitor->u->vm, NULL, visitor->faults_at, 4);
        }
        gm_section_end(visitor->u->space, &visitor->section);
    }
}

static void visit(struct unit *u, struct visitor *visitor)
{
    visitor->u = u;
    assert_int_equal(guestmem_set_wait(&u->vm, leave_when_waited_for, visitor), GUESTMEM_OK);
    visitor->section = gm_section_begin(u->space);
}

/* ------------------------------------------------------------------------ of no VM */

static void nothing_is_read_of_a_vm_without_memory(void **state)
{
    vm_t none = {0};

    (void)state;
    assert_int_equal(guestmem_generation(&none), 0);
    guestmem_read_begin(&none);
    guestmem_read_end(&none);
    assert_null(gm_thread.readers);
    assert_int_equal(guestmem_reader_register(&none), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_reader_unregister(&none), GUESTMEM_EINVAL);
    assert_int_equal(guestmem_set_wait(&none, NULL, NULL), GUESTMEM_EINVAL);
}

static memory_fault_result_t register_inside(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr,
                                             size_t length, void *cookie)
{
    (void)vcpu;
    (void)addr;
    (void)length;
    *(int *)cookie = guestmem_reader_register(vm);
    return FAULT_HANDLED;
}

/* The callback's own call began when nothing was counted yet. */
static void a_vm_is_not_shared_from_inside_a_callback(void **state)
{
    struct unit *u = *state;
    int answer = GUESTMEM_OK;

    assert_non_null(vm_reserve_memory_at(&u->vm, BASE, PAGE, register_inside, &answer));
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE, 4), FAULT_HANDLED);
    assert_int_equal(answer, GUESTMEM_EBUSY);
    unit_check_failure(u, GUESTMEM_EBUSY);
    assert_false(u->space->readers.shared);
    assert_null(gm_thread.readers);
    share(u);
}

/* --------------------------------------------------------------------------- waiting */

/* Its pieces of the index are then what nobody reclaims before the VM ends. */
static void a_removal_that_had_to_wait_leaves_nothing_behind(void **state)
{
    struct unit *u = *state;
    struct visitor visitor = {0};
    vm_memory_reservation_t *res;

    share(u);
    res = unit_reserve(u, at(0), PAGE);
    unit_reserve(u, at(1), PAGE);
    free_at(u, at(1));
    visit(u, &visitor);
    assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    assert_int_equal(visitor.waits, 1);
    assert_null(guestmem_reservation_at(&u->vm, at(0)));
}

/* What is freed is dead before it is out of the index: a fault that finds it there is nobody's. */
static void a_fault_that_finds_what_is_being_freed_does_not_enter_it(void **state)
{
    struct unit *u = *state;
    struct visitor visitor = {.faults_at = BASE, .answer = FAULT_ERROR};
    vm_memory_reservation_t *res;
    unsigned faults = 0;

    share(u);
    res = vm_reserve_memory_at(&u->vm, BASE, PAGE, count_faults, &faults);
    visit(u, &visitor);
    unit_reserve(u, at(4), PAGE); /* replaces a version that the visitor may have in hand */
    assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    assert_true(visitor.waits > 0);
    assert_int_equal(visitor.answer, FAULT_UNHANDLED);
    assert_int_equal(faults, 0);
    assert_null(guestmem_reservation_at(&u->vm, BASE));
    assert_non_null(guestmem_reservation_at(&u->vm, at(4)));
}

/* ------------------------------------------------------------------ the index's versions */

static void check_all(struct unit *u, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const vm_memory_reservation_t *res = guestmem_reservation_at(&u->vm, at(i) + PAGE - 1);

        assert_non_null(res);
        assert_int_equal(res->base, at(i));
        assert_null(guestmem_reservation_at(&u->vm, at(i) + PAGE));
    }
}

/* A call that reserves and then finds no memory. */
static void register_in_vain(struct unit *u, uintptr_t base)
{
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_OBJECT, 1, true);
    assert_int_equal(vm_ram_register_at(&u->vm, base, PAGE, false), -1);
    assert_true(guestmem_host_failed(u->host, NULL));
    guestmem_host_fail(u->host, 0, 0, false);
    assert_null(guestmem_reservation_at(&u->vm, base));
}

/* A spare version that is smaller than the present one could not take its place. */
static void check_spare(const struct unit *u)
{
    const struct gm_index *index = &u->space->index;

    assert_true(index->spare == NULL || index->spare->capacity >= index->present->capacity);
}

/* Where the index had to grow for it, too. */
static void an_insertion_that_is_undone_costs_nothing(void **state)
{
    struct unit *u = *state;
    unsigned grown = 0;

    share(u);
    for (unsigned i = 0; i < MANY; i++) {
        size_t capacity = u->space->index.present->capacity;
        struct guestmem_host_counts before;
        struct guestmem_host_counts after;

        guestmem_host_count(u->host, &before);
        register_in_vain(u, at(i));
        guestmem_host_count(u->host, &after);
        assert_true(after.malloc_bytes <= before.malloc_bytes);
        assert_int_equal(u->space->index.present->capacity, capacity);
        check_spare(u);
        unit_reserve(u, at(i), PAGE);
        grown += u->space->index.present->capacity > capacity;
    }
    assert_true(grown > 1);
    check_all(u, MANY);
}

/* The same where readers still have what the change before replaced, so that there was no spare. */
static void nor_does_it_where_readers_keep_the_version_before(void **state)
{
    struct unit *u = *state;

    share(u);
    for (unsigned i = 0; i < MANY; i++) {
        struct visitor visitor = {0};

        visit(u, &visitor);
        unit_reserve(u, at(i), PAGE);
        register_in_vain(u, at(i + 1));
        assert_true(visitor.waits > 0);
        check_spare(u);
    }
    check_all(u, MANY);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY / 2; i++) {
            free_at(u, at(i));
            check_spare(u);
        }
        for (unsigned i = 0; i < MANY / 2; i++) {
            unit_reserve(u, at(i), PAGE);
            check_spare(u);
        }
        check_all(u, MANY);
    }
}

/* With a visitor inside all the time nothing can be reclaimed: each insertion takes new pieces. */
static void an_insertion_that_finds_no_memory_for_a_version_changes_nothing(void **state)
{
    struct unit *u = *state;
    struct gm_section section;
    unsigned failed = 0;

    share(u);
    section = gm_section_begin(u->space);
    for (unsigned i = 0; i < 400; i++) {
        vm_memory_reservation_t *res = NULL;

        for (unsigned k = 1; res == NULL; k++) {
            guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, k, false);
            res = vm_reserve_memory_at(&u->vm, at(i), PAGE, unit_fault, NULL);
            if (res == NULL) {
                unit_check_failure(u, GUESTMEM_ENOMEM);
                assert_null(guestmem_reservation_at(&u->vm, at(i)));
                assert_int_equal(u->space->stats.reservations, i);
                failed++;
            }
            guestmem_host_fail(u->host, 0, 0, false);
        }
    }
    gm_section_end(u->space, &section);
    assert_true(failed > 800); /* a version and a chunk each, at least */
    check_all(u, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(nothing_is_read_of_a_vm_without_memory),
        UNIT_TEST(a_vm_is_not_shared_from_inside_a_callback),
        UNIT_TEST(a_removal_that_had_to_wait_leaves_nothing_behind),
        UNIT_TEST(a_fault_that_finds_what_is_being_freed_does_not_enter_it),
        UNIT_TEST(an_insertion_that_is_undone_costs_nothing),
        UNIT_TEST(nor_does_it_where_readers_keep_the_version_before),
        UNIT_TEST(an_insertion_that_finds_no_memory_for_a_version_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

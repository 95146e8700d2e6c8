/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * vm->mem.ram_regions against a model of one letter a unit of memory.
 */
#include "unit_vm.h"

#include "ram_regions.h"

#define TOP UINTPTR_MAX

enum { UNITS = 48, GRAIN = 0x700 };

/* '.' no RAM, 'f' free, 'a' allocated. */
struct model {
    uintptr_t start;
    char unit[UNITS + 1];
};

static uintptr_t base_of(const struct model *m, size_t unit)
{
    return m->start + unit * GRAIN;
}

static struct model new_model(uintptr_t start)
{
    struct model m = {.start = start};

    memset(m.unit, '.', UNITS);
    return m;
}

static size_t run_of(const struct model *m, size_t from)
{
    size_t to = from;

    while (to < UNITS && m->unit[to] == m->unit[from]) {
        to++;
    }
    return to - from;
}

/* The array is the model's runs, and has the room that unregistering all of it may take. */
static void check(struct unit *u, const struct model *m)
{
    const struct vm_mem *mem = &u->vm.mem;
    size_t region = 0;

    for (size_t i = 0; i < UNITS; i += run_of(m, i)) {
        if (m->unit[i] != '.') {
            assert_true(region < (size_t)mem->num_ram_regions);
            assert_true(mem->ram_regions[region].start == base_of(m, i));
            assert_int_equal(mem->ram_regions[region].size, run_of(m, i) * GRAIN);
            assert_int_equal(mem->ram_regions[region].allocated, m->unit[i] == 'a');
            region++;
        }
    }
    assert_int_equal(mem->num_ram_regions, region);
    assert_int_equal(u->space->ram_count, region);
    assert_true(region + u->space->ram_reservations <= u->space->ram_room.capacity ||
                u->space->ram_reservations == 0);
}

static void add(struct unit *u, struct model *m, size_t from, size_t to)
{
    assert_int_equal(gm_ram_prepare(u->space), GUESTMEM_OK);
    gm_ram_add(u->space, base_of(m, from), (to - from) * GRAIN);
    gm_room_settle(u->space);
    memset(&m->unit[from], 'f', to - from);
    check(u, m);
}

static void remove_ram(struct unit *u, struct model *m, size_t from, size_t to)
{
    gm_ram_remove(u->space, base_of(m, from), (to - from) * GRAIN);
    memset(&m->unit[from], '.', to - from);
    check(u, m);
}

static void mark(struct unit *u, struct model *m, size_t from, size_t to, bool allocated)
{
    assert_int_equal(gm_ram_make_room(u->space), GUESTMEM_OK);
    gm_ram_mark(u->space, base_of(m, from), (to - from) * GRAIN, allocated);
    gm_room_settle(u->space);
    memset(&m->unit[from], allocated ? 'a' : 'f', to - from);
    check(u, m);
}

/* |  f  |      |  f  |   and then what is between:   |        f        | */
static void neighbours_of_one_kind_merge(void **state)
{
    struct unit *u = *state;
    struct model m = new_model(0x500);

    add(u, &m, 0, 4);
    add(u, &m, 8, 12);
    assert_int_equal(u->vm.mem.num_ram_regions, 2);
    add(u, &m, 4, 8);
    assert_int_equal(u->vm.mem.num_ram_regions, 1);
    mark(u, &m, 2, 10, true);
    assert_int_equal(u->vm.mem.num_ram_regions, 3);
    mark(u, &m, 2, 10, false);
    assert_int_equal(u->vm.mem.num_ram_regions, 1);
}

/* What was registered apart is unregistered apart, though it was merged: from the middle first. */
static void unregistering_splits_and_never_allocates(void **state)
{
    struct unit *u = *state;
    struct model m = new_model(0);

    for (size_t i = 0; i < UNITS; i++) {
        add(u, &m, i, i + 1);
    }
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_ANY, 1, true);
    for (size_t i = 1; i < UNITS; i += 2) {
        remove_ram(u, &m, i, i + 1);
    }
    for (size_t i = 0; i < UNITS; i += 2) {
        remove_ram(u, &m, i, i + 1);
    }
    assert_false(guestmem_host_failed(u->host, NULL));
}

/* Part of what goes is allocated, part free. */
static void unregistering_takes_both_kinds(void **state)
{
    struct unit *u = *state;
    struct model m = new_model(TOP - UNITS * GRAIN + 1);

    add(u, &m, 0, 16);
    add(u, &m, 16, UNITS);
    mark(u, &m, 4, 8, true);
    mark(u, &m, 12, 20, true);
    remove_ram(u, &m, 0, 16);
    remove_ram(u, &m, 16, UNITS);
}

static void ram_that_ends_with_the_address_space_is_covered(void **state)
{
    struct unit *u = *state;
    struct model m = new_model(TOP - UNITS * GRAIN + 1);

    add(u, &m, UNITS - 4, UNITS);
    assert_true(gm_ram_covers(u->space, TOP, 1));
    assert_true(gm_ram_covers(u->space, base_of(&m, UNITS - 4), 4 * GRAIN));
    assert_false(gm_ram_covers(u->space, base_of(&m, UNITS - 4) - 1, 2));
    assert_false(gm_ram_covers(u->space, 0, 1));
    mark(u, &m, UNITS - 1, UNITS, true);
    assert_true(gm_ram_covers(u->space, base_of(&m, UNITS - 4), 4 * GRAIN));
    assert_true(gm_ram_covers_kind(u->space, TOP, 1, true));
    assert_false(gm_ram_covers_kind(u->space, TOP - GRAIN, 2, true));
    remove_ram(u, &m, UNITS - 4, UNITS);
}

/* Each iterator registers more RAM before its own is noted; unregistering must still have its room.
 */
static void registrations_inside_one_another_keep_room_for_unregistering(void **state)
{
    struct unit *u = *state;
    struct model m = new_model(0);

    for (size_t depth = 1; depth < 10; depth++) {
        for (size_t i = 0; i < depth; i++) {
            assert_int_equal(gm_ram_prepare(u->space), GUESTMEM_OK);
        }
        for (size_t i = 0; i < depth; i++) {
            gm_ram_add(u->space, base_of(&m, 2 * i), GRAIN);
            m.unit[2 * i] = 'f';
            check(u, &m);
        }
        for (size_t i = 0; i < depth; i++) {
            remove_ram(u, &m, 2 * i, 2 * i + 1);
        }
        gm_room_drop(u->space, &u->space->ram_room, &u->vm.mem.ram_regions,
                     sizeof(struct vm_ram_region));
    }
    assert_int_equal(gm_ram_prepare(u->space), GUESTMEM_OK);
    gm_ram_abandon(u->space);
    assert_int_equal(u->space->ram_pending, 0);
}

#define NESTED ((uintptr_t)0x40000000)

static void register_more(struct unit *u, uintptr_t addr)
{
    uintptr_t base = NESTED + (addr & 0xfffff) * 4;

    if (addr < NESTED) {
        assert_int_equal(vm_ram_register_at_custom_iterator(&u->vm, base, PAGE, unit_give, u), 0);
    }
}

static void an_iterator_may_register_ram_itself(void **state)
{
    struct unit *u = *state;

    u->give_hook = register_more;
    assert_int_equal(vm_ram_register_at_custom_iterator(&u->vm, 0x1000, 9 * PAGE, unit_give, u), 0);
    assert_int_equal(u->vm.mem.num_ram_regions, 10);
    for (size_t i = 0; i < 9; i++) {
        uintptr_t base = NESTED + (0x1000 + i * PAGE) * 4;

        assert_int_equal(vm_free_reserved_memory(&u->vm, guestmem_reservation_at(&u->vm, base)), 0);
    }
    assert_int_equal(u->vm.mem.num_ram_regions, 1);
    assert_int_equal(u->vm.mem.ram_regions[0].size, 9 * PAGE);
}

static void no_memory_changes_nothing(void **state)
{
    struct unit *u = *state;
    struct model m = new_model(0x1000);

    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, 1, true);
    assert_int_equal(gm_ram_prepare(u->space), GUESTMEM_ENOMEM);
    assert_int_equal(u->space->ram_pending, 0);
    check(u, &m);
}

/* ---- long random sequences of registrations and marks ---- */

struct registered {
    size_t from;
    size_t to;
};

static void random_mark(struct unit *u, struct model *m, struct unit_random *random)
{
    size_t from = unit_random_below(random, UNITS);
    size_t most = run_of(m, from);
    size_t to = from + 1 + unit_random_below(random, most);
    bool allocated = m->unit[from] == 'a';

    assert_int_equal(gm_ram_covers_kind(u->space, base_of(m, from), GRAIN, true), allocated);
    assert_int_equal(gm_ram_covers(u->space, base_of(m, from), most * GRAIN), m->unit[from] != '.');
    if (m->unit[from] != '.') {
        mark(u, m, from, to, !allocated);
    }
}

static void run_random(struct unit *u, uint64_t seed, uintptr_t start)
{
    struct unit_random random = {seed};
    struct model m = new_model(start);
    struct registered ram[UNITS];
    size_t count = 0;

    for (unsigned i = 0; i < 10000; i++) {
        size_t from = unit_random_below(&random, UNITS);
        size_t size = 1 + unit_random_below(&random, 5);

        if (unit_random_below(&random, 2) == 0) {
            random_mark(u, &m, &random);
        } else if (m.unit[from] == '.' && run_of(&m, from) >= size) {
            add(u, &m, from, from + size);
            ram[count++] = (struct registered){from, from + size};
        } else if (count > 0) {
            size_t which = unit_random_below(&random, count);

            remove_ram(u, &m, ram[which].from, ram[which].to);
            ram[which] = ram[--count];
        }
    }
    while (count-- > 0) {
        remove_ram(u, &m, ram[count].from, ram[count].to);
    }
}

static void random_sequences_answer_as_the_model(void **state)
{
    struct unit *u = *state;

    run_random(u, 31, 0);
    run_random(u, 32, 0x500);
    run_random(u, 33, TOP - UNITS * GRAIN + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(neighbours_of_one_kind_merge),
        UNIT_TEST(unregistering_splits_and_never_allocates),
        UNIT_TEST(unregistering_takes_both_kinds),
        UNIT_TEST(ram_that_ends_with_the_address_space_is_covered),
        UNIT_TEST(registrations_inside_one_another_keep_room_for_unregistering),
        UNIT_TEST(an_iterator_may_register_ram_itself),
        UNIT_TEST(no_memory_changes_nothing),
        UNIT_TEST(random_sequences_answer_as_the_model),
    };

    return cmocka_run_group_tests_name("ram_regions", tests, NULL, NULL);
}

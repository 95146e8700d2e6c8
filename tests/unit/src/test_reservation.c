/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Who may stand next to whom: byte ranges, shared pages, backed pages. Against a model of one
 * letter a byte of a few pages.
 */
#include "unit_vm.h"

static memory_fault_result_t answer(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                    void *cookie)
{
    (void)vm;
    (void)vcpu;
    (void)addr;
    (void)length;
    (void)cookie;
    return FAULT_IGNORE;
}

/*
 *      page   |  0x9000                         |  0xa000
 *             [ uart 0x100 ][ rtc 0x100 ]   [timer      ]
 */
static void emulated_devices_share_pages(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *uart = unit_reserve(u, 0x9000, 0x100);

    unit_reserve(u, 0x9100, 0x100);
    unit_reserve(u, 0x9f00, 0x200);
    assert_null(vm_reserve_memory_at(&u->vm, 0x91ff, 1, unit_fault, NULL));
    unit_check_failure(u, GUESTMEM_ETAKEN);
    assert_int_equal(guestmem_last_failure(&u->vm)->other_base, 0x9100);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, uart), -1);
    unit_check_failure(u, GUESTMEM_ETAKEN);
    assert_int_not_equal(guestmem_last_failure(&u->vm)->other_base, 0x9000);
}

static void nothing_is_reserved_on_a_page_that_is_backed(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, 0x9100, 0x1000);

    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
    assert_null(vm_reserve_memory_at(&u->vm, 0x9000, 0x100, unit_fault, NULL));
    unit_check_failure(u, GUESTMEM_ETAKEN);
    assert_int_equal(guestmem_last_failure(&u->vm)->other_base, 0x9100);
    assert_null(vm_reserve_memory_at(&u->vm, 0xa100, 1, unit_fault, NULL));
    unit_reserve(u, 0x8fff, 1);
    unit_reserve(u, 0xb000, 1);
    assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    unit_reserve(u, 0x9000, 0x100);
    unit_reserve(u, 0xafff, 1);
}

static void reserve_beside(struct unit *u, uintptr_t addr)
{
    (void)addr;
    assert_null(vm_reserve_memory_at(&u->vm, 0x9000, 0x80, unit_fault, NULL));
    unit_check_failure(u, GUESTMEM_ETAKEN);
}

/* The page is spoken for as soon as its frame is asked for. */
static void nothing_is_reserved_on_a_page_while_it_is_being_backed(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, 0x9100, 0x80);

    u->give_hook = reserve_beside;
    assert_int_equal(vm_map_reservation(&u->vm, res, unit_give, u), 0);
}

static void map_again(struct unit *u, uintptr_t addr)
{
    vm_memory_reservation_t *res = guestmem_reservation_at(&u->vm, addr);

    u->give_hook = NULL;
    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), -1);
    unit_check_failure(u, GUESTMEM_EBUSY);
    assert_int_equal(vm_free_reserved_memory(&u->vm, res), -1);
    unit_check_failure(u, GUESTMEM_EBUSY);
}

static void a_reservation_is_backed_once(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res = unit_reserve(u, 0x9000, PAGE);

    u->give_hook = map_again;
    assert_int_equal(vm_map_reservation(&u->vm, res, unit_give, u), 0);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), -1);
    unit_check_failure(u, GUESTMEM_EMAPPED);
    assert_int_equal(u->frame_count, 1);
}

static void a_reservation_needs_a_callback_and_bytes(void **state)
{
    struct unit *u = *state;
    uintptr_t addr;

    assert_null(vm_reserve_memory_at(&u->vm, 0x9000, PAGE, NULL, NULL));
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_null(vm_reserve_memory_at(&u->vm, 0x9000, 0, unit_fault, NULL));
    unit_check_failure(u, GUESTMEM_EINVAL);
    assert_null(vm_reserve_anon_memory(&u->vm, PAGE, 1, NULL, NULL, &addr));
    assert_null(vm_reserve_anon_memory(&u->vm, PAGE, 1, unit_fault, NULL, NULL));
}

static void its_range_is_told_as_it_was_asked_for(void **state)
{
    struct unit *u = *state;
    uintptr_t addr = 1;
    size_t size = 1;

    vm_get_reservation_memory_region(unit_reserve(u, 0x9123, 0x2345), &addr, &size);
    assert_int_equal(addr, 0x9123);
    assert_int_equal(size, 0x2345);
    vm_get_reservation_memory_region(unit_reserve(u, 0x1, 1), NULL, NULL);
    vm_get_reservation_memory_region(NULL, &addr, &size);
    assert_int_equal(addr + size, 0);
}

/* ---- faults: which accesses reach which callback ---- */

static void only_accesses_wholly_inside_are_dispatched(void **state)
{
    struct unit *u = *state;

    assert_non_null(vm_reserve_memory_at(&u->vm, 0x9000, 0x100, answer, NULL));
    assert_non_null(vm_reserve_memory_at(&u->vm, u->space->last - 7, 8, answer, NULL));
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, 0x9000, 1), FAULT_IGNORE);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, 0x90f8, 8), FAULT_IGNORE);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, 0x9000, 0x100), FAULT_IGNORE);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, 0x90f9, 8), FAULT_UNHANDLED); /* D01 */
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, 0x8fff, 2), FAULT_UNHANDLED);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, 0x9100, 1), FAULT_UNHANDLED);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, 0x9000, 0), FAULT_UNHANDLED);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, 0x9001, SIZE_MAX), FAULT_UNHANDLED);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, u->space->last, 1), FAULT_IGNORE);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, u->space->last, 2), FAULT_UNHANDLED);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, UINTPTR_MAX, 1), FAULT_UNHANDLED);
    assert_int_equal(u->space->stats.faults, 11);
    assert_int_equal(u->space->stats.faults_unhandled, 7);
}

/* A callback may reserve, back and free others; what it adds is there at the access's second try.
 */
static memory_fault_result_t map_on_demand(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                           void *cookie)
{
    vm_memory_reservation_t *res = vm_reserve_memory_at(vm, addr + MIB, PAGE, answer, NULL);

    (void)vcpu;
    (void)length;
    assert_non_null(res);
    assert_int_equal(map_frame_alloc_reservation(vm, res), 0);
    assert_int_equal(vm_free_reserved_memory(vm, cookie), 0);
    return FAULT_RESTART;
}

static void a_callback_may_change_the_map_around_it(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *other = unit_reserve(u, 0x20000, PAGE);

    assert_non_null(vm_reserve_memory_at(&u->vm, 0x9000, PAGE, map_on_demand, other));
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, 0x9000, 4), FAULT_RESTART);
    unit_check_leaf(u, 0x9000 + MIB, 12);
    assert_null(guestmem_reservation_at(&u->vm, 0x20000));
}

/* ---- random claims against the model ---- */

enum { SPAN = 6 * 4096, RESERVED_MAX = 64 };

struct claim {
    uintptr_t base;
    size_t size;
    bool backed;
    vm_memory_reservation_t *res;
};

struct model {
    struct claim claim[RESERVED_MAX];
    size_t count;
};

static uintptr_t page_of(uintptr_t addr)
{
    return addr & ~(PAGE - 1);
}

static bool share_a_page(const struct claim *a, const struct claim *b)
{
    return page_of(a->base) <= page_of(b->base + b->size - 1) &&
           page_of(b->base) <= page_of(a->base + a->size - 1);
}

static bool overlap(const struct claim *a, const struct claim *b)
{
    return a->base < b->base + b->size && b->base < a->base + a->size;
}

static bool may_reserve(const struct model *m, const struct claim *claim)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct claim *other = &m->claim[i];

        if (overlap(claim, other) || (other->backed && share_a_page(claim, other))) {
            return false;
        }
    }
    return m->count < RESERVED_MAX;
}

static bool may_back(const struct model *m, const struct claim *claim)
{
    for (size_t i = 0; i < m->count; i++) {
        if (&m->claim[i] != claim && share_a_page(claim, &m->claim[i])) {
            return false;
        }
    }
    return !claim->backed;
}

static void try_reserve(struct unit *u, struct model *m, struct unit_random *random,
                        uintptr_t start)
{
    struct claim claim = {.base = start + unit_random_below(random, SPAN - 1)};
    bool may;

    claim.size = 1 + unit_random_below(random, unit_random_below(random, 2) ? 64 : 5000);
    if (claim.size > start + SPAN - claim.base) {
        claim.size = start + SPAN - claim.base;
    }
    may = may_reserve(m, &claim);
    claim.res = m->count == RESERVED_MAX
                    ? NULL
                    : vm_reserve_memory_at(&u->vm, claim.base, claim.size, unit_fault, NULL);
    assert_int_equal(claim.res != NULL, may);
    if (may) {
        m->claim[m->count++] = claim;
    }
}

static void run_random(struct unit *u, uint64_t seed, uintptr_t start)
{
    struct unit_random random = {seed};
    struct model m = {.count = 0};

    for (unsigned i = 0; i < 3000; i++) {
        struct claim *claim = &m.claim[unit_random_below(&random, m.count + (m.count == 0))];

        switch (m.count == 0 ? 0 : unit_random_below(&random, 5)) {
        case 0:
        case 1:
            try_reserve(u, &m, &random, start);
            break;
        case 2: {
            bool may = may_back(&m, claim);

            assert_int_equal(map_frame_alloc_reservation(&u->vm, claim->res) == 0, may);
            claim->backed = claim->backed || may;
            break;
        }
        default:
            assert_int_equal(vm_free_reserved_memory(&u->vm, claim->res), 0);
            *claim = m.claim[--m.count];
            break;
        }
    }
    while (m.count > 0) {
        assert_int_equal(vm_free_reserved_memory(&u->vm, m.claim[--m.count].res), 0);
    }
    assert_int_equal(u->space->stats.tables + u->space->stats.untypeds + u->space->stats.slots, 0);
}

static void random_claims_are_granted_as_the_model_grants_them(void **state)
{
    struct unit *u = *state;

    run_random(u, 71, 0);
    run_random(u, 72, 2 * MIB - 3 * PAGE);
    run_random(u, 73, u->space->last - SPAN + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(emulated_devices_share_pages),
        UNIT_TEST(nothing_is_reserved_on_a_page_that_is_backed),
        UNIT_TEST(nothing_is_reserved_on_a_page_while_it_is_being_backed),
        UNIT_TEST(a_reservation_is_backed_once),
        UNIT_TEST(a_reservation_needs_a_callback_and_bytes),
        UNIT_TEST(its_range_is_told_as_it_was_asked_for),
        UNIT_TEST(only_accesses_wholly_inside_are_dispatched),
        UNIT_TEST(a_callback_may_change_the_map_around_it),
        UNIT_TEST(random_claims_are_granted_as_the_model_grants_them),
    };

    return cmocka_run_group_tests_name("reservation", tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the proved functions require (proof/README.md) holds whenever the library calls them,
 * whatever the public functions are given. The linker puts a check in front of each one
 * (--wrap), and the tests ask for what is sound and for what isn't.
 */
#include "unit_vm.h"

#include "extent.h"
#include "frame_plan.h"
#include "range_alloc.h"

#define POOL ((uintptr_t)0x40000000)
#define BASE ((uintptr_t)0x20000000)

/* How often each was called since the test began: a check that never ran shows nothing. */
static struct {
    size_t fit;
    size_t take;
    size_t give;
    size_t donate;
    size_t piece;
    size_t around;
    size_t extents;
    size_t free;
} calls;

static struct unit *unit; /* of the test that runs */

static int setup(void **state)
{
    int error = unit_setup(state);

    memset(&calls, 0, sizeof(calls));
    unit = *state;
    return error;
}

/* ---- free ranges ---- */

static void check_list(const struct gm_range_alloc *alloc)
{
    for (size_t i = 0; i < alloc->count; i++) {
        assert_true(alloc->range[i].base <= alloc->range[i].last);
        assert_true(i == 0 || (alloc->range[i - 1].last < alloc->range[i].base &&
                               alloc->range[i].base - alloc->range[i - 1].last > 1));
    }
}

static void check_room(const struct gm_range_alloc *alloc)
{
    assert_ptr_equal(alloc, &unit->space->pools.free);
    assert_true(alloc->count < unit->space->pools.free_room.capacity);
}

static void check_not_free(const struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    assert_true(base <= last);
    for (size_t i = 0; i < alloc->count; i++) {
        assert_true(alloc->range[i].last < base || last < alloc->range[i].base);
    }
}

bool __real_gm_range_alloc_fit(const struct gm_range_alloc *alloc, size_t size, size_t align,
                               uintptr_t *base);
bool __wrap_gm_range_alloc_fit(const struct gm_range_alloc *alloc, size_t size, size_t align,
                               uintptr_t *base);
bool __wrap_gm_range_alloc_fit(const struct gm_range_alloc *alloc, size_t size, size_t align,
                               uintptr_t *base)
{
    calls.fit++;
    check_list(alloc);
    assert_true(size > 0);
    assert_true(align > 0 && (align & (align - 1)) == 0);
    return __real_gm_range_alloc_fit(alloc, size, align, base);
}

void __real_gm_range_alloc_take(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last);
void __wrap_gm_range_alloc_take(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last);
void __wrap_gm_range_alloc_take(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    size_t holds = 0;

    calls.take++;
    check_list(alloc);
    check_room(alloc);
    assert_true(base <= last && alloc->taken < SIZE_MAX);
    for (size_t i = 0; i < alloc->count; i++) {
        holds += alloc->range[i].base <= base && last <= alloc->range[i].last;
    }
    assert_int_equal(holds, 1);
    __real_gm_range_alloc_take(alloc, base, last);
}

void __real_gm_range_alloc_give(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last);
void __wrap_gm_range_alloc_give(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last);
void __wrap_gm_range_alloc_give(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    calls.give++;
    check_list(alloc);
    check_room(alloc);
    check_not_free(alloc, base, last);
    assert_true(alloc->taken > 0);
    __real_gm_range_alloc_give(alloc, base, last);
}

void __real_gm_range_alloc_donate(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last);
void __wrap_gm_range_alloc_donate(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last);
void __wrap_gm_range_alloc_donate(struct gm_range_alloc *alloc, uintptr_t base, uintptr_t last)
{
    calls.donate++;
    check_list(alloc);
    check_room(alloc);
    check_not_free(alloc, base, last);
    assert_true(alloc->donated < SIZE_MAX);
    __real_gm_range_alloc_donate(alloc, base, last);
}

/* ---- frames ---- */

static void check_plan(uintptr_t base, uintptr_t last, unsigned largest)
{
    assert_true(base <= last);
    assert_true(base % PAGE == 0 && last % PAGE == PAGE - 1);
    assert_true(largest < GM_ARCH_SIZE_COUNT);
}

struct gm_piece __real_gm_plan_piece(uintptr_t base, uintptr_t last, uintptr_t skew,
                                     unsigned largest);
struct gm_piece __wrap_gm_plan_piece(uintptr_t base, uintptr_t last, uintptr_t skew,
                                     unsigned largest);
struct gm_piece __wrap_gm_plan_piece(uintptr_t base, uintptr_t last, uintptr_t skew,
                                     unsigned largest)
{
    calls.piece++;
    check_plan(base, last, largest);
    return __real_gm_plan_piece(base, last, skew, largest);
}

struct gm_piece __real_gm_plan_around(uintptr_t addr, uintptr_t base, uintptr_t last,
                                      uintptr_t skew, unsigned largest);
struct gm_piece __wrap_gm_plan_around(uintptr_t addr, uintptr_t base, uintptr_t last,
                                      uintptr_t skew, unsigned largest);
struct gm_piece __wrap_gm_plan_around(uintptr_t addr, uintptr_t base, uintptr_t last,
                                      uintptr_t skew, unsigned largest)
{
    calls.around++;
    check_plan(base, last, largest);
    assert_true(base <= addr && addr <= last);
    return __real_gm_plan_around(addr, base, last, skew, largest);
}

/* ---- extents ---- */

static void check_extents(const struct gm_extents *list)
{
    uint64_t end = 0;

    calls.extents++;
    for (size_t i = 0; i < list->count; i++) {
        const struct gm_extent *extent = &list->at[i];

        assert_true(extent->size < GM_ARCH_SIZE_COUNT);
        assert_true(extent->count > 0);
        assert_true(extent->page >= end);
        end = gm_extent_end(extent);
        assert_true(end <= (uint64_t)1 << 32);
    }
}

size_t __real_gm_extents_above(const struct gm_extents *list, uint64_t page);
size_t __wrap_gm_extents_above(const struct gm_extents *list, uint64_t page);
size_t __wrap_gm_extents_above(const struct gm_extents *list, uint64_t page)
{
    check_extents(list);
    return __real_gm_extents_above(list, page);
}

struct gm_extent *__real_gm_extents_find(const struct gm_extents *list, uint64_t page);
struct gm_extent *__wrap_gm_extents_find(const struct gm_extents *list, uint64_t page);
struct gm_extent *__wrap_gm_extents_find(const struct gm_extents *list, uint64_t page)
{
    check_extents(list);
    return __real_gm_extents_find(list, page);
}

bool __real_gm_extents_edge(const struct gm_extents *list, uint64_t page);
bool __wrap_gm_extents_edge(const struct gm_extents *list, uint64_t page);
bool __wrap_gm_extents_edge(const struct gm_extents *list, uint64_t page)
{
    check_extents(list);
    return __real_gm_extents_edge(list, page);
}

bool __real_gm_extents_free(const struct gm_extents *list, uint64_t from, uint64_t to);
bool __wrap_gm_extents_free(const struct gm_extents *list, uint64_t from, uint64_t to);
bool __wrap_gm_extents_free(const struct gm_extents *list, uint64_t from, uint64_t to)
{
    calls.free++;
    check_extents(list);
    assert_true(from < to);
    return __real_gm_extents_free(list, from, to);
}

/* ---- the tests ---- */

static vm_memory_reservation_t *anonymous(struct unit *u, size_t size, size_t align)
{
    uintptr_t addr;

    return vm_reserve_anon_memory(&u->vm, size, align, unit_fault, NULL, &addr);
}

static void first_fit_is_never_asked_for_nothing(void **state)
{
    static const size_t aligns[] = {0, 3, 6, PAGE + 1, SIZE_MAX, SIZE_MAX - PAGE + 1 + PAGE / 2};
    static const size_t sizes[] = {0, SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - (PAGE - 1)};
    struct unit *u = *state;

    assert_int_equal(vm_memory_make_anon(&u->vm, POOL, 16 * PAGE), 0);
    for (size_t i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
        assert_null(anonymous(u, PAGE, aligns[i]));
        unit_check_failure(u, GUESTMEM_EINVAL);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_null(anonymous(u, sizes[i], 1));
    }
    assert_int_equal(calls.fit, 0);
    assert_non_null(anonymous(u, 1, 1));
    assert_non_null(anonymous(u, PAGE, 8 * PAGE));
    assert_null(anonymous(u, PAGE, (size_t)1 << 63));
    assert_int_equal(calls.fit, 3);
}

/* Alignment leaves a hole on both sides of each piece: as many free ranges as can be. */
static void what_is_taken_is_free_and_there_is_room(void **state)
{
    enum { PIECES = 200 };
    struct unit *u = *state;
    struct unit_random random = {7};

    assert_int_equal(vm_memory_make_anon(&u->vm, POOL + PAGE, (2 * PIECES + 1) * PAGE), 0);
    for (size_t i = 0; i < PIECES; i++) {
        assert_non_null(anonymous(u, 1 + unit_random_below(&random, PAGE), 2 * PAGE));
    }
    assert_int_equal(calls.take, PIECES);
    assert_int_equal(u->space->pools.free.count, PIECES + 1);
    assert_null(anonymous(u, PAGE + 1, 1));
    assert_int_equal(calls.take, PIECES);
}

/* What fails after first fit has found a place takes nothing. */
static void nothing_is_taken_for_a_reservation_that_fails(void **state)
{
    struct unit *u = *state;

    assert_int_equal(vm_memory_make_anon(&u->vm, POOL, 16 * PAGE), 0);
    for (uint64_t k = 1; k <= 2; k++) {
        guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, k, true);
        assert_null(anonymous(u, PAGE, 1));
        assert_int_equal(calls.take, 0);
    }
    guestmem_host_fail(u->host, 0, 0, false);
    assert_non_null(anonymous(u, PAGE, 1));
    assert_int_equal(calls.take, 1);
}

static void only_what_was_taken_is_given_back(void **state)
{
    enum { PIECES = 48 };
    struct unit *u = *state;
    struct unit_random random = {3};
    vm_memory_reservation_t *res[PIECES] = {0};
    size_t given = 0;

    assert_int_equal(vm_memory_make_anon(&u->vm, POOL, 64 * PAGE), 0);
    for (unsigned i = 0; i < 2000; i++) {
        size_t at = unit_random_below(&random, PIECES);
        bool anon = at % 3 != 0;

        if (res[at] != NULL) {
            assert_int_equal(vm_free_reserved_memory(&u->vm, res[at]), 0);
            assert_int_equal(vm_free_reserved_memory(&u->vm, res[at]), -1); /* once */
            given += anon;
            res[at] = NULL;
        } else if (anon) {
            res[at] = anonymous(u, 1 + unit_random_below(&random, 3 * PAGE), 1);
        } else {
            res[at] = unit_reserve(u, BASE + at * PAGE, 1 + unit_random_below(&random, PAGE));
        }
        assert_int_equal(calls.give, given);
    }
    assert_true(given > PIECES);
}

static void what_is_donated_meets_nothing(void **state)
{
    struct unit *u = *state;
    struct unit_random random = {5};
    size_t donated = 0;

    unit_reserve(u, POOL + 20 * PAGE + 5, 100);
    for (unsigned i = 0; i < 400; i++) {
        uintptr_t base = POOL + unit_random_below(&random, 64 * PAGE);
        size_t size = unit_random_below(&random, 3 * PAGE);

        donated += vm_memory_make_anon(&u->vm, base, size) == 0;
        assert_int_equal(calls.donate, donated);
        (void)anonymous(u, 1 + unit_random_below(&random, PAGE), 1);
    }
    assert_int_equal(vm_memory_make_anon(&u->vm, u->space->last + 1, 2 * PAGE), -1);
    assert_int_equal(vm_memory_make_anon(&u->vm, POOL + 64 * MIB, SIZE_MAX), -1);
    unit_check_failure(u, GUESTMEM_ERANGE);
    assert_int_equal(calls.donate, donated);
    assert_true(donated > 8 && donated < 400);
}

/* The sizes that a policy may name are the frames'; others never reach the plan. */
static void only_frame_sizes_are_planned(void **state)
{
    struct unit *u = *state;
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    for (unsigned bits = 0; bits < 70; bits++) {
        bool good = bits == 12 || bits == 21 || bits == 30;
        vm_memory_reservation_t *res;

        policy.frame_bits_max = bits;
        policy.populate = bits % 2 ? GUESTMEM_POPULATE_LAZY : GUESTMEM_POPULATE_EAGER;
        res = unit_reserve(u, BASE + 0x700, 3 * MIB);
        assert_int_equal(guestmem_set_policy(&u->vm, &policy),
                         good ? GUESTMEM_OK : GUESTMEM_EINVAL);
        assert_int_equal(guestmem_reservation_set_policy(&u->vm, res, &policy),
                         good ? GUESTMEM_OK : GUESTMEM_EINVAL);
        assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
        assert_int_equal(guestmem_populate(&u->vm, BASE + 0x700, 3 * MIB), GUESTMEM_OK);
        assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    }
    assert_true(calls.piece > 70);
}

/* Whole pages, wherever the range begins and ends, also where the guest's space does. */
static void whole_pages_of_the_reservation_are_planned(void **state)
{
    struct unit *u = *state;
    struct unit_random random = {11};

    for (unsigned i = 0; i < 200; i++) {
        size_t size = 1 + unit_random_below(&random, 3 * MIB);
        uintptr_t base = i % 8 == 0   ? 0
                         : i % 8 == 1 ? u->space->last - (size - 1)
                                      : BASE + unit_random_below(&random, MIB);
        uintptr_t at = base + unit_random_below(&random, size);
        vm_memory_reservation_t *res;

        unit_policy(u, i % 3 ? 21 : 30, i % 2 ? GUESTMEM_POPULATE_LAZY : GUESTMEM_POPULATE_EAGER);
        res = unit_reserve(u, base, size);
        assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
        if (i % 2) {
            assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, at, 1), FAULT_RESTART);
        }
        assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    }
    assert_true(calls.piece > 100 && calls.around >= 100);
}

/* A source at given addresses has any distance from the guest's: nothing wraps unseen. */
static void frames_by_address_are_planned_inside_the_reservation(void **state)
{
    struct unit *u = *state;
    struct unit_random random = {13};

    for (unsigned i = 0; i < 200; i++) {
        uintptr_t offset = unit_random_below(&random, 64) * PAGE;
        uintptr_t base = BASE + unit_random_below(&random, 64) * PAGE + i;
        size_t size = 1 + unit_random_below(&random, 3 * MIB);
        vm_memory_reservation_t *res = unit_reserve(u, base, size);

        assert_int_equal(map_ut_alloc_reservation_with_base_paddr(
                             &u->vm, UNIT_RAM_BASE + 32 * MIB + offset + i % PAGE, res),
                         0);
        assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    }
    assert_true(calls.piece >= 200);
}

static int count_touched(vm_t *vm, uintptr_t gpa, void *vmm, size_t size, size_t offset,
                         void *cookie)
{
    (void)vm;
    (void)gpa;
    (void)vmm;
    (void)offset;
    *(size_t *)cookie += size;
    return 0;
}

/* One change at random, of a range that may be nonsense. */
static void change(struct unit *u, struct unit_random *random, size_t *touched)
{
    uintptr_t unit_size = unit_random_below(random, 2) ? PAGE : 2 * MIB;
    uintptr_t base = BASE + unit_random_below(random, 8 * MIB / unit_size) * unit_size;
    size_t size = unit_random_below(random, 3 * MIB / unit_size + 1) * unit_size;

    if (unit_random_below(random, 4) == 0) {
        size += unit_random_below(random, PAGE);
    }
    switch (unit_random_below(random, 5)) {
    case 0:
        (void)vm_memory_handle_fault(&u->vm, NULL, base, 1);
        break;
    case 1:
        (void)guestmem_populate(&u->vm, base, size);
        break;
    case 2:
        (void)guestmem_set_rights(&u->vm, base, size,
                                  unit_random_below(random, 2) ? seL4_AllRights : seL4_CanRead);
        break;
    case 3:
        (void)guestmem_ram_discard(&u->vm, base, size);
        break;
    default:
        (void)vm_ram_touch(&u->vm, base, size % (64 * PAGE), count_touched, touched);
        break;
    }
}

static void change_often(struct unit *u, uint64_t seed, enum guestmem_discarded discarded)
{
    struct unit_random random = {seed};
    struct guestmem_policy policy;
    size_t touched = 0;

    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.discarded = discarded;
    policy.populate_around_bits = 14;
    policy.views = GUESTMEM_VIEWS_WINDOW;
    policy.view_bytes_max = 4 * MIB;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 5 * MIB + 3 * PAGE, false), 0);
    for (unsigned i = 0; i < 1500; i++) {
        change(u, &random, &touched);
    }
    assert_true(touched > 0);
    assert_true(calls.extents > 1500 && calls.free > 100);
}

static void extents_are_in_order_whenever_they_are_asked(void **state)
{
    change_often(*state, 17, GUESTMEM_DISCARDED_POPULATES);
}

static void so_they_are_where_what_was_discarded_stays_away(void **state)
{
    change_often(*state, 19, GUESTMEM_DISCARDED_REFUSES);
}

/* Frames that callers bring: of no size, no number, or no place. */
static void only_frames_that_are_some_become_extents(void **state)
{
    struct unit *u = *state;
    vspace_t *vspace = &u->vm.mem.vm_vspace;
    vm_memory_reservation_t *res = unit_reserve(u, BASE, 2 * MIB);
    reservation_t range = vspace_reserve_range_at(vspace, (void *)POOL, 4 * MIB, seL4_AllRights, 1);
    seL4_CPtr cap = unit_frame(u, 21);

    assert_non_null(range.res);
    for (size_t bits = 0; bits < 70; bits++) {
        if (bits != 12 && bits != 21 && bits != 30) {
            assert_int_equal(vm_map_reservation_frames(&u->vm, res, &cap, 1, bits), -1);
            unit_check_failure(u, GUESTMEM_EINVAL);
            assert_int_not_equal(
                vspace_map_pages_at_vaddr(vspace, &cap, NULL, (void *)POOL, 1, bits, range), 0);
            assert_int_not_equal(vspace_new_pages_at_vaddr(vspace, (void *)POOL, 1, bits, range),
                                 0);
        }
    }
    assert_int_not_equal(vspace->new_pages_at_vaddr(vspace, (void *)POOL, 0, 12, range, false), 0);
    assert_int_not_equal(vspace_new_pages_at_vaddr(vspace, (void *)POOL, SIZE_MAX, 12, range), 0);
    assert_int_equal(calls.free, 0);
    assert_int_equal(vspace_new_pages_at_vaddr(vspace, (void *)POOL, 3, 12, range), 0);
    assert_int_equal(vm_map_reservation_frames(&u->vm, res, &cap, 1, 21), 0);
    assert_true(calls.free > 0);
}

/* Nor ones that overlap, or that hang over an end of the reservation. */
static void frames_that_overlap_become_no_extents(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *res;

    unit_policy(u, 21, GUESTMEM_POPULATE_LAZY);
    res = unit_reserve(u, BASE + PAGE, 4 * MIB);
    assert_int_equal(vm_map_reservation(&u->vm, res, unit_give, u), 0);
    assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, BASE + 3 * MIB + PAGE, 1), FAULT_RESTART);
    u->give_bits = 21;
    for (uintptr_t at = BASE + MIB; at <= BASE + 4 * MIB; at += MIB) {
        assert_int_not_equal(vm_memory_handle_fault(&u->vm, NULL, at, 1), FAULT_RESTART);
        unit_check_no_leaf(u, at);
    }
    u->give_bits = 12;
    for (uintptr_t at = BASE + PAGE; at < BASE + 4 * MIB + PAGE; at += 37 * PAGE) {
        assert_int_equal(vm_memory_handle_fault(&u->vm, NULL, at, 1), FAULT_RESTART);
    }
    assert_true(calls.free > 30);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, unit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_fit_is_never_asked_for_nothing),
        TEST(what_is_taken_is_free_and_there_is_room),
        TEST(nothing_is_taken_for_a_reservation_that_fails),
        TEST(only_what_was_taken_is_given_back),
        TEST(what_is_donated_meets_nothing),
        TEST(only_frame_sizes_are_planned),
        TEST(whole_pages_of_the_reservation_are_planned),
        TEST(frames_by_address_are_planned_inside_the_reservation),
        TEST(extents_are_in_order_whenever_they_are_asked),
        TEST(so_they_are_where_what_was_discarded_stays_away),
        TEST(only_frames_that_are_some_become_extents),
        TEST(frames_that_overlap_become_no_extents),
    };

    return cmocka_run_group_tests_name("preconditions", tests, NULL, NULL);
}

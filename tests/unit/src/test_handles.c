/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Where reservations live, and which pointers are one.
 */
#include "unit_vm.h"

#include "handles.h"

enum { MANY = 500 };

static void handles_are_zeroed_live_and_apart(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *handles[MANY];
    static const vm_memory_reservation_t zero;

    for (size_t i = 0; i < MANY; i++) {
        handles[i] = gm_handle_new(u->space);
        assert_non_null(handles[i]);
        assert_memory_equal(handles[i], &zero, sizeof(zero));
        memset(handles[i], 0xff, sizeof(*handles[i]));
        assert_true(gm_handle_is_live(u->space, handles[i]));
    }
    for (size_t i = 0; i < MANY; i++) {
        gm_handle_drop(u->space, handles[(i * 37) % MANY]);
        assert_int_equal(u->space->handles.count == 0, i == MANY - 1);
    }
    gm_room_settle(u->space);
    assert_int_equal(u->space->stats.bytes, 0);
}

static void only_the_handles_of_this_space_are_live(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *a = gm_handle_new(u->space);
    vm_memory_reservation_t *b = gm_handle_new(u->space);
    vm_memory_reservation_t other;

    assert_false(gm_handle_is_live(u->space, NULL));
    assert_false(gm_handle_is_live(u->space, &other));
    assert_false(gm_handle_is_live(u->space, (void *)UINTPTR_MAX));
    assert_false(gm_handle_is_live(u->space, (void *)((char *)a + 1)));
    assert_false(gm_handle_is_live(u->space, (void *)((char *)a - 8)));
    gm_handle_drop(u->space, a);
    assert_false(gm_handle_is_live(u->space, a));
    assert_true(gm_handle_is_live(u->space, b));
    gm_handle_drop(u->space, b);
    assert_false(gm_handle_is_live(u->space, b)); /* its block is gone, and isn't read */
}

/* Every address around a block: live exactly at the places in use. */
static void every_pointer_into_a_block_is_told_apart(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *handles[16];
    char *first;

    for (size_t i = 0; i < 16; i++) {
        handles[i] = gm_handle_new(u->space);
    }
    gm_handle_drop(u->space, handles[3]);
    gm_handle_drop(u->space, handles[15]);
    first = (char *)handles[0];
    for (ptrdiff_t at = -64; at < (ptrdiff_t)(17 * sizeof(*handles[0])); at++) {
        bool live = false;

        for (size_t i = 0; i < 16; i++) {
            live = live || (i != 3 && i != 15 && first + at == (char *)handles[i]);
        }
        assert_int_equal(gm_handle_is_live(u->space, (void *)(first + at)), live);
    }
    assert_ptr_equal(gm_handle_new(u->space), handles[3]);
    for (size_t i = 0; i < 15; i++) {
        gm_handle_drop(u->space, handles[i]);
    }
}

static void no_memory_makes_no_handle_and_leaves_no_byte(void **state)
{
    struct unit *u = *state;

    for (uint64_t k = 1; k <= 2; k++) {
        guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_MALLOC, k, false);
        assert_null(gm_handle_new(u->space));
        guestmem_host_fail(u->host, 0, 0, false);
        gm_room_revert(u->space);
        assert_int_equal(u->space->stats.bytes, 0);
    }
}

static void random_handles_come_and_go(void **state)
{
    struct unit *u = *state;
    struct unit_random random = {61};
    vm_memory_reservation_t *handles[MANY] = {0};

    for (unsigned i = 0; i < 20000; i++) {
        size_t at = unit_random_below(&random, MANY);

        if (handles[at] == NULL) {
            handles[at] = gm_handle_new(u->space);
            handles[at]->base = at;
        } else {
            assert_true(gm_handle_is_live(u->space, handles[at]));
            assert_int_equal(handles[at]->base, at);
            gm_handle_drop(u->space, handles[at]);
            handles[at] = NULL;
        }
        gm_room_settle(u->space);
    }
    for (size_t i = 0; i < MANY; i++) {
        if (handles[i] != NULL) {
            gm_handle_drop(u->space, handles[i]);
        }
    }
    assert_int_equal(u->space->stats.bytes, 0);
}

/* An allocator whose blocks come in an order of the test's own. */
struct arena {
    max_align_t bytes[64][512];
    size_t order[64];
    size_t count;
};

static int arena_take(void *cookie, size_t size, void **block)
{
    struct arena *arena = cookie;

    assert_true(size <= sizeof(arena->bytes[0]) && arena->count < 64);
    *block = arena->bytes[arena->order[arena->count++]];
    return 0;
}

static int arena_give(void *cookie, size_t size, void *block)
{
    (void)cookie;
    memset(block, 0xdd, size);
    return 0;
}

/* Blocks are found by address, whatever the order in which they came. */
static void blocks_may_come_from_any_address(void **state)
{
    struct unit *u = *state;
    ps_malloc_ops_t ops = u->space->ops;
    struct arena *arena = calloc(1, sizeof(*arena));
    vm_memory_reservation_t *handles[320];

    for (size_t i = 0; i < 64; i++) {
        arena->order[i] = i * 27 % 64;
    }
    u->space->ops = (ps_malloc_ops_t){.malloc = arena_take, .free = arena_give, .cookie = arena};
    for (size_t i = 0; i < 320; i++) {
        handles[i] = gm_handle_new(u->space);
        for (size_t k = 0; k <= i; k++) {
            assert_true(gm_handle_is_live(u->space, handles[k]));
        }
        gm_room_settle(u->space);
    }
    for (size_t i = 0; i < 320; i++) {
        gm_handle_drop(u->space, handles[(i * 7) % 320]);
        assert_false(gm_handle_is_live(u->space, handles[(i * 7) % 320]));
    }
    assert_int_equal(u->space->stats.bytes, 0);
    u->space->ops = ops;
    free(arena);
}

/* Through the interface: each is refused with an error of its own, and nothing is read or changed.
 */
static void stale_and_foreign_handles_are_refused_by_every_call(void **state)
{
    struct unit *u = *state;
    vm_memory_reservation_t *stale = unit_reserve(u, 0x1000, PAGE);
    vm_memory_reservation_t *bad[3] = {stale, (void *)u, NULL};
    struct guestmem_policy policy;
    seL4_CPtr cap = 1;

    unit_reserve(u, 0x4000, PAGE);
    assert_int_equal(vm_free_reserved_memory(&u->vm, stale), 0);
    for (size_t i = 0; i < 3; i++) {
        int error = bad[i] == NULL ? GUESTMEM_EINVAL : GUESTMEM_ESTALE;

        assert_int_equal(vm_free_reserved_memory(&u->vm, bad[i]), -1);
        unit_check_failure(u, error);
        assert_int_equal(vm_map_reservation(&u->vm, bad[i], unit_give, u), -1);
        unit_check_failure(u, error);
        assert_int_equal(map_vm_memory_reservation(&u->vm, bad[i], unit_give, u), -1);
        unit_check_failure(u, error);
        assert_int_equal(vm_map_reservation_frames(&u->vm, bad[i], &cap, 1, 12), -1);
        unit_check_failure(u, error);
        assert_int_equal(map_frame_alloc_reservation(&u->vm, bad[i]), -1);
        unit_check_failure(u, error);
        assert_int_equal(map_maybe_device_reservation(&u->vm, bad[i]), -1);
        unit_check_failure(u, error);
        assert_int_equal(map_ut_alloc_reservation(&u->vm, bad[i]), -1);
        unit_check_failure(u, error);
        assert_int_equal(map_ut_alloc_reservation_with_base_paddr(&u->vm, 0x1000, bad[i]), -1);
        unit_check_failure(u, error);
        assert_int_equal(guestmem_map_iterator(&u->vm, bad[i], unit_give, unit_release, u), error);
        unit_check_failure(u, error);
        guestmem_policy_default(&policy);
        assert_int_equal(guestmem_reservation_set_policy(&u->vm, bad[i], &policy), error);
        unit_check_failure(u, error);
        assert_int_equal(guestmem_reservation_get_policy(&u->vm, bad[i], &policy), error);
    }
    assert_int_equal(u->give_calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(handles_are_zeroed_live_and_apart),
        UNIT_TEST(only_the_handles_of_this_space_are_live),
        UNIT_TEST(every_pointer_into_a_block_is_told_apart),
        UNIT_TEST(no_memory_makes_no_handle_and_leaves_no_byte),
        UNIT_TEST(random_handles_come_and_go),
        UNIT_TEST(blocks_may_come_from_any_address),
        UNIT_TEST(stale_and_foreign_handles_are_refused_by_every_call),
    };

    return cmocka_run_group_tests_name("handles", tests, NULL, NULL);
}

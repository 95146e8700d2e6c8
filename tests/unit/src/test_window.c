/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of views that aren't kept: who goes, who stays, and that going takes nothing.
 */
#include "unit_vm.h"

#include <guestmem/access.h>

#include "alias.h"
#include "window.h"

#define BASE ((uintptr_t)0x40000000)
#define VIEW (2 * MIB)

static void set_window(struct unit *u, size_t bytes_max)
{
    struct guestmem_policy policy;

    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    policy.views = GUESTMEM_VIEWS_WINDOW;
    policy.view_bytes_max = bytes_max;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
}

/* RAM of `count` large frames, in small ones where `bits` says so. */
static void make_ram(struct unit *u, size_t count, unsigned bits)
{
    unit_policy(u, bits, GUESTMEM_POPULATE_EAGER);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, count * VIEW, false), 0);
}

static void use(struct unit *u, size_t view)
{
    uint64_t value;

    assert_int_equal(guestmem_ram_load(&u->vm, BASE + view * VIEW + 64, 4, &value), GUESTMEM_OK);
}

static bool is_seen(struct unit *u, size_t view)
{
    const vm_memory_reservation_t *res = guestmem_reservation_at(&u->vm, BASE);

    return gm_extents_find(&res->backing->alias, view * (VIEW / PAGE)) != NULL;
}

/* That exactly these views are there, as a number with a bit for each. */
static void check_seen(struct unit *u, unsigned views)
{
    unsigned seen = 0;

    for (unsigned i = 0; i < 8; i++) {
        seen |= (unsigned)is_seen(u, i) << i;
    }
    assert_int_equal(seen, views);
}

static void uses_of_one_view_count_as_those_of_several(void **state)
{
    struct unit *u = *state;

    make_ram(u, 8, seL4_LargePageBits);
    set_window(u, 3 * VIEW);
    use(u, 0);
    use(u, 1);
    use(u, 2);
    for (unsigned i = 0; i < 5; i++) {
        use(u, 0);
    }
    use(u, 1);
    use(u, 0);
    use(u, 3);
    check_seen(u, 1 << 0 | 1 << 1 | 1 << 3);
    use(u, 4);
    check_seen(u, 1 << 0 | 1 << 3 | 1 << 4);
}

/* Evicting cuts runs of slots in two, with nothing to be had from anybody. */
static void evicting_takes_nothing(void **state)
{
    struct unit *u = *state;

    make_ram(u, 8, seL4_LargePageBits);
    set_window(u, 8 * VIEW);
    assert_int_equal(guestmem_ram_fill(&u->vm, BASE, 1, 8 * VIEW), GUESTMEM_OK);
    check_seen(u, 0xff);
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_ANY, 1, true);
    for (unsigned i = 1; i < 8; i += 2) {
        vm_memory_reservation_t *res = u->space->window->at[i].res;
        uint32_t page = u->space->window->at[i].page;

        gm_alias_remove(u->space, res, page, page + VIEW / PAGE);
    }
    assert_false(guestmem_host_failed(u->host, NULL));
    guestmem_host_fail(u->host, 0, 0, false);
    assert_int_equal(u->space->window->views, 4);
    assert_int_equal(u->space->window->bytes, 4 * VIEW);
    assert_int_equal(guestmem_ram_fill(&u->vm, BASE, 2, 8 * VIEW), GUESTMEM_OK);
    check_seen(u, 0xff);
}

static int access_in_window(struct unit *u)
{
    return guestmem_ram_fill(&u->vm, BASE + VIEW - PAGE, 3, 2 * PAGE);
}

static void forget_views(struct unit *u)
{
    gm_alias_drop(u->space, guestmem_reservation_at(&u->vm, BASE));
}

static void a_view_in_the_window_is_made_whole_or_not_at_all(void **state)
{
    struct unit *u = *state;

    make_ram(u, 2, seL4_PageBits);
    set_window(u, 2 * VIEW);
    assert_true(unit_fail_each(u, access_in_window, forget_views) > 4);
}

/* There are places for as many views of single pages as of large frames, and some more. */
static void small_views_are_bounded_by_their_number(void **state)
{
    struct unit *u = *state;
    size_t places;
    uint64_t value;

    unit_policy(u, seL4_PageBits, GUESTMEM_POPULATE_EAGER);
    set_window(u, 2 * VIEW);
    places = u->space->window->count - 1;
    assert_in_range(places, 8, 100);
    for (size_t i = 0; i < places + 8; i++) {
        assert_int_equal(vm_ram_register_at(&u->vm, BASE + i * 2 * PAGE, PAGE, false), 0);
        assert_int_equal(guestmem_ram_load(&u->vm, BASE + i * 2 * PAGE, 8, &value), GUESTMEM_OK);
        assert_true(u->space->window->views <= places);
    }
    assert_int_equal(u->space->window->views, places);
    assert_int_equal(guestmem_ram_load(&u->vm, BASE, 8, &value), GUESTMEM_OK);
}

static void what_is_pinned_or_held_stays(void **state)
{
    struct unit *u = *state;
    struct gm_window *window;

    make_ram(u, 8, seL4_LargePageBits);
    set_window(u, 3 * VIEW);
    use(u, 0);
    use(u, 1);
    use(u, 2);
    window = u->space->window;
    gm_window_pin(u->space, 1);
    gm_window_pin(u->space, 1);
    gm_window_hold(u->space, 2);
    use(u, 3);
    check_seen(u, 1 << 0 | 1 << 1 | 1 << 3);
    gm_window_unpin(u->space, 1);
    use(u, 4);
    check_seen(u, 1 << 0 | 1 << 3 | 1 << 4); /* what was held was so until that call ended */
    gm_window_unpin(u->space, 1);
    use(u, 5);
    use(u, 6);
    use(u, 7);
    check_seen(u, 1 << 5 | 1 << 6 | 1 << 7);
    assert_int_equal(window->views, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(uses_of_one_view_count_as_those_of_several),
        UNIT_TEST(evicting_takes_nothing),
        UNIT_TEST(a_view_in_the_window_is_made_whole_or_not_at_all),
        UNIT_TEST(small_views_are_bounded_by_their_number),
        UNIT_TEST(what_is_pinned_or_held_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

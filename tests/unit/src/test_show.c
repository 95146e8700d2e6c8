/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Touching memory while the callback takes it away, piece after piece, whatever becomes of views; and a
 * window all of whose views are in use.
 */
#include "unit_vm.h"

#include <guestmem/access.h>
#include <guestmem/threads.h>

#include "window.h"

#define BASE ((uintptr_t)0x40000000)
#define OTHER ((uintptr_t)0x50000000)
#define VIEW (2 * MIB)

static int set_views(struct unit *u, enum guestmem_views views, size_t bytes_max)
{
    struct guestmem_policy policy;

    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    policy.views = views;
    policy.view_bytes_max = bytes_max;
    return guestmem_set_policy(&u->vm, &policy);
}

static void make_ram(struct unit *u, uintptr_t base, size_t size)
{
    assert_int_equal(vm_ram_register_at(&u->vm, base, size, false), 0);
}

static void free_at(struct unit *u, uintptr_t base)
{
    assert_int_equal(vm_free_reserved_memory(&u->vm, guestmem_reservation_at(&u->vm, base)), 0);
}

/* ------------------------------------------------------------- callbacks that take memory away */

/* Two RAM regions of a page each; what the touch of the first does to the second, and how often it
 * was called. */
struct taker {
    struct unit *u;
    void (*take)(struct unit *u);
    unsigned calls;
};

static int touch(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset, void *cookie)
{
    struct taker *taker = cookie;

    (void)vm;
    (void)size;
    (void)offset;
    taker->calls++;
    *(uint8_t *)vaddr = (uint8_t)taker->calls;
    if (addr == BASE) {
        taker->take(taker->u);
    }
    return 0;
}

static void check_gone(struct unit *u, void (*take)(struct unit *u))
{
    struct taker taker = {.u = u, .take = take};

    assert_int_equal(vm_ram_touch(&u->vm, BASE, 2 * PAGE, touch, &taker), -1);
    unit_check_failure(u, GUESTMEM_EUNMAPPED);
    assert_int_equal(taker.calls, 1);
}

static void reserve_instead(struct unit *u)
{
    free_at(u, BASE + PAGE);
    unit_reserve(u, BASE + PAGE, PAGE);
}

static void map_instead(struct unit *u)
{
    reserve_instead(u);
    assert_int_equal(
        map_frame_alloc_reservation(&u->vm, guestmem_reservation_at(&u->vm, BASE + PAGE)), 0);
}

static void what_takes_the_place_of_touched_ram_is_not_touched(void **state)
{
    struct unit *u = *state;

    make_ram(u, BASE, PAGE);
    make_ram(u, BASE + PAGE, PAGE);
    check_gone(u, reserve_instead);
    free_at(u, BASE + PAGE);
    make_ram(u, BASE + PAGE, PAGE);
    check_gone(u, map_instead);
}

static void map_instead_and_use(struct unit *u)
{
    map_instead(u);
    assert_int_equal(guestmem_ram_store(&u->vm, BASE + PAGE, 8, 0x77), GUESTMEM_OK);
}

/* Even where the VMM sees it: it is the VMM's own doing, and no RAM. */
static void nor_is_it_where_it_was_used_meanwhile(void **state)
{
    struct unit *u = *state;
    uint64_t value = 0;

    make_ram(u, BASE, PAGE);
    make_ram(u, BASE + PAGE, PAGE);
    check_gone(u, map_instead_and_use);
    free_at(u, BASE + PAGE);
    make_ram(u, BASE + PAGE, PAGE);
    assert_int_equal(guestmem_ram_fill(&u->vm, BASE, 0, 2 * PAGE), GUESTMEM_OK);
    check_gone(u, map_instead_and_use); /* now that all of it was seen before */
    assert_int_equal(guestmem_ram_load(&u->vm, BASE + PAGE, 8, &value), GUESTMEM_OK);
    assert_int_equal(value, 0x77);
}

static void discard_the_next(struct unit *u)
{
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + PAGE, PAGE), GUESTMEM_OK);
}

static void pages_discarded_before_their_view_is_made_again_are_gone(void **state)
{
    struct unit *u = *state;

    make_ram(u, BASE, PAGE);
    make_ram(u, BASE + PAGE, PAGE);
    assert_int_equal(set_views(u, GUESTMEM_VIEWS_NONE, 0), GUESTMEM_OK);
    check_gone(u, discard_the_next);
}

/* --------------------------------------------------------------------- from inside an iterator */

static void free_a_third(struct unit *u)
{
    free_at(u, OTHER);
}

static struct taker inner;

static void touch_inside(struct unit *u, uintptr_t addr)
{
    (void)addr;
    inner.u = u;
    inner.take = free_a_third;
    inner.calls = 0;
    assert_int_equal(vm_ram_touch(&u->vm, BASE, 2 * PAGE, touch, &inner), 0);
}

/* The call outside decides whether what was made for it stays: the one inside leaves that to it. */
static void a_touch_inside_an_iterator_makes_its_views_again(void **state)
{
    struct unit *u = *state;
    uint64_t value;

    make_ram(u, BASE, PAGE);
    make_ram(u, BASE + PAGE, PAGE);
    unit_reserve(u, OTHER, PAGE);
    assert_int_equal(set_views(u, GUESTMEM_VIEWS_NONE, 0), GUESTMEM_OK);
    u->give_hook = touch_inside;
    assert_int_equal(vm_map_reservation(&u->vm, unit_reserve(u, OTHER + MIB, PAGE), unit_give, u), 0);
    assert_int_equal(inner.calls, 2);
    assert_int_equal(guestmem_ram_load(&u->vm, BASE + PAGE, 1, &value), GUESTMEM_OK);
    assert_int_equal(value, 2);
    assert_null(guestmem_reservation_at(&u->vm, OTHER));
}

/* ----------------------------------------------------------------------------- the window */

static void free_and_use_another(struct unit *u)
{
    uint64_t value;

    free_at(u, BASE);
    assert_int_equal(guestmem_ram_load(&u->vm, OTHER, 8, &value), GUESTMEM_OK);
}

/* The place of a view that went with its memory may be another's by the time it is let go. */
static void a_place_that_changed_hands_is_not_let_go_twice(void **state)
{
    struct unit *u = *state;
    struct taker taker = {.u = u, .take = free_and_use_another};

    make_ram(u, BASE, PAGE);
    make_ram(u, BASE + PAGE, PAGE);
    make_ram(u, OTHER, PAGE);
    assert_int_equal(set_views(u, GUESTMEM_VIEWS_WINDOW, VIEW), GUESTMEM_OK);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, PAGE, touch, &taker), 0);
    assert_int_equal(taker.calls, 1);
    for (unsigned i = 1; i < u->space->window->count; i++) {
        assert_int_equal(u->space->window->at[i].pins, 0);
    }
}

/* Kept views, then a window, then kept ones again. */
static int change_views(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset,
                        void *cookie)
{
    struct taker *taker = cookie;

    (void)vm;
    (void)addr;
    (void)size;
    (void)offset;
    *(uint8_t *)vaddr = 1;
    assert_int_equal(set_views(taker->u,
                               taker->calls == 0 ? GUESTMEM_VIEWS_WINDOW : GUESTMEM_VIEWS_KEPT, VIEW),
                     GUESTMEM_OK);
    taker->calls++;
    return 0;
}

/* In a shared VM a touch is no reason to keep views; the second change takes the third piece's. */
static void a_touch_ends_where_its_callback_takes_its_views_away(void **state)
{
    struct unit *u = *state;
    struct taker taker = {.u = u};
    uint8_t bytes[3];

    make_ram(u, BASE, 3 * PAGE);
    assert_int_equal(guestmem_ram_fill(&u->vm, BASE, 0, 3 * PAGE), GUESTMEM_OK);
    assert_int_equal(guestmem_reader_register(&u->vm), GUESTMEM_OK);
    guestmem_read_begin(&u->vm);
    assert_int_equal(vm_ram_touch(&u->vm, BASE, 3 * PAGE, change_views, &taker), -1);
    guestmem_read_end(&u->vm);
    assert_int_equal(taker.calls, 2);
    assert_null(u->space->window);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(guestmem_ram_read(&u->vm, BASE + i * PAGE, &bytes[i], 1), GUESTMEM_OK);
        assert_int_equal(bytes[i], i < 2);
    }
    assert_int_equal(guestmem_reader_unregister(&u->vm), GUESTMEM_OK);
}

/* Nothing can be evicted where callbacks have all that there is. */
static void a_window_whose_views_are_all_in_use_has_no_room(void **state)
{
    struct unit *u = *state;
    unsigned places;
    uint64_t value;

    assert_int_equal(set_views(u, GUESTMEM_VIEWS_WINDOW, VIEW), GUESTMEM_OK);
    places = (unsigned)u->space->window->count;
    for (unsigned i = 1; i <= places; i++) {
        make_ram(u, BASE + 2 * i * PAGE, PAGE);
    }
    for (unsigned i = 1; i < places; i++) {
        assert_int_equal(guestmem_ram_load(&u->vm, BASE + 2 * i * PAGE, 8, &value), GUESTMEM_OK);
        gm_window_pin(u->space, i);
    }
    assert_int_equal(guestmem_ram_load(&u->vm, BASE + 2 * places * PAGE, 8, &value), GUESTMEM_EVMM);
    unit_check_failure(u, GUESTMEM_EVMM);
    gm_window_unpin(u->space, 3);
    assert_int_equal(guestmem_ram_load(&u->vm, BASE + 2 * places * PAGE, 8, &value), GUESTMEM_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(what_takes_the_place_of_touched_ram_is_not_touched),
        UNIT_TEST(nor_is_it_where_it_was_used_meanwhile),
        UNIT_TEST(pages_discarded_before_their_view_is_made_again_are_gone),
        UNIT_TEST(a_touch_inside_an_iterator_makes_its_views_again),
        UNIT_TEST(a_place_that_changed_hands_is_not_let_go_twice),
        UNIT_TEST(a_touch_ends_where_its_callback_takes_its_views_away),
        UNIT_TEST(a_window_whose_views_are_all_in_use_has_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

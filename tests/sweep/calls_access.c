/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * guestmem/access.h.
 */
#include <guestmem/access.h>

#include "sweep.h"

enum { RANGE = 4 };

static uint8_t bytes[RANGE * 4096];

/* Two reservations, the second of which isn't RAM; lazy, with small frames. */
static void have_lazy(struct sweep *sweep)
{
    sweep_set_policy(sweep->vm, GUESTMEM_POPULATE_LAZY, GM_BITS_4K);
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT, 4 * GM_PAGE, false), 0);
    GM_CHECK_EQ(map_frame_alloc_reservation(
                    sweep->vm, sweep_reserve(sweep->vm, CALL_AT + 4 * GM_PAGE, 4 * GM_PAGE)),
                0);
}

static void have_eager(struct sweep *sweep)
{
    sweep_set_policy(sweep->vm, GUESTMEM_POPULATE_EAGER, GM_BITS_4K);
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT, 4 * GM_PAGE, false), 0);
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT + 4 * GM_PAGE, 4 * GM_PAGE, false), 0);
}

/* Some of it is populated and seen. */
static void have_some_seen(struct sweep *sweep)
{
    have_lazy(sweep);
    GM_CHECK_EQ(guestmem_ram_read(sweep->vm, CALL_AT + 3 * GM_PAGE, bytes, 1), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_read(sweep->vm, CALL_AT + 5 * GM_PAGE, bytes, 1), GUESTMEM_OK);
}

static void have_all_seen(struct sweep *sweep)
{
    have_eager(sweep);
    GM_CHECK_EQ(guestmem_ram_read(sweep->vm, CALL_AT + 2 * GM_PAGE, bytes, RANGE * GM_PAGE),
                GUESTMEM_OK);
}

static void have_window(struct sweep *sweep)
{
    struct guestmem_policy policy;

    have_lazy(sweep);
    GM_CHECK_EQ(guestmem_get_policy(sweep->vm, &policy), GUESTMEM_OK);
    policy.views = GUESTMEM_VIEWS_WINDOW;
    policy.view_bytes_max = 16 * GM_MIB;
    GM_CHECK_EQ(guestmem_set_policy(sweep->vm, &policy), GUESTMEM_OK);
}

static void have_no_views(struct sweep *sweep)
{
    struct guestmem_policy policy;

    have_lazy(sweep);
    GM_CHECK_EQ(guestmem_get_policy(sweep->vm, &policy), GUESTMEM_OK);
    policy.views = GUESTMEM_VIEWS_NONE;
    GM_CHECK_EQ(guestmem_set_policy(sweep->vm, &policy), GUESTMEM_OK);
}

static void have_code(struct sweep *sweep)
{
    have_lazy(sweep);
    sweep->vm->mem.clean_cache = 1;
}

static bool read_some(struct sweep *sweep)
{
    return guestmem_ram_read(sweep->vm, CALL_AT + 2 * GM_PAGE + 8, bytes, RANGE * GM_PAGE - 16) ==
           GUESTMEM_OK;
}

static bool write_some(struct sweep *sweep)
{
    return guestmem_ram_write(sweep->vm, CALL_AT + 2 * GM_PAGE + 8, bytes, RANGE * GM_PAGE - 16) ==
           GUESTMEM_OK;
}

static bool fill_some(struct sweep *sweep)
{
    return guestmem_ram_fill(sweep->vm, CALL_AT + 3 * GM_PAGE, 0, 2 * GM_PAGE) == GUESTMEM_OK;
}

static bool copy_some(struct sweep *sweep)
{
    return guestmem_ram_copy(sweep->vm, CALL_AT + 5 * GM_PAGE + 3, CALL_AT + 1, 2 * GM_PAGE) ==
           GUESTMEM_OK;
}

static bool sync_some(struct sweep *sweep)
{
    return guestmem_ram_sync_code(sweep->vm, CALL_AT + 3 * GM_PAGE + 3, 2 * GM_PAGE) == GUESTMEM_OK;
}

static bool load_one(struct sweep *sweep)
{
    uint64_t value;

    return guestmem_ram_load(sweep->vm, CALL_AT + 8, 8, &value) == GUESTMEM_OK;
}

static bool load_acquire_one(struct sweep *sweep)
{
    uint64_t value;

    return guestmem_ram_load_acquire(sweep->vm, CALL_AT + 8, 2, &value) == GUESTMEM_OK;
}

static bool store_one(struct sweep *sweep)
{
    return guestmem_ram_store(sweep->vm, CALL_AT + 8, 4, 1) == GUESTMEM_OK;
}

static bool store_release_one(struct sweep *sweep)
{
    return guestmem_ram_store_release(sweep->vm, CALL_AT + 9, 1, 1) == GUESTMEM_OK;
}

static bool span_some(struct sweep *sweep)
{
    struct guestmem_span span;

    return guestmem_ram_span(sweep->vm, CALL_AT + 3 * GM_PAGE, 2 * GM_PAGE, &span) == GUESTMEM_OK;
}

static bool list_some(struct sweep *sweep)
{
    static const struct guestmem_buffer buffers[] = {
        {CALL_AT + GM_PAGE, 16}, {CALL_AT + 3 * GM_PAGE, GM_PAGE}, {CALL_AT, 2 * GM_PAGE}};
    struct guestmem_iovec pieces[8];
    size_t count;

    return guestmem_ram_iovec(sweep->vm, buffers, 3, pieces, 8, &count) == GUESTMEM_OK;
}

static bool set_window(struct sweep *sweep)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.views = GUESTMEM_VIEWS_WINDOW;
    policy.view_bytes_max = 8 * GM_MIB;
    return guestmem_set_policy(sweep->vm, &policy) == GUESTMEM_OK;
}

static const struct sweep_call calls[] = {
    {"guestmem_ram_read", "lazy", have_lazy, read_some, 0},
    {"guestmem_ram_read", "some is there", have_some_seen, read_some, 0},
    {"guestmem_ram_read", "seen", have_all_seen, read_some, SWEEP_ASKS_NOTHING},
    {"guestmem_ram_read", "in a window", have_window, read_some, 0},
    {"guestmem_ram_write", "not seen", have_eager, write_some, 0},
    {"guestmem_ram_write", "seen", have_all_seen, write_some, SWEEP_ASKS_NOTHING},
    {"guestmem_ram_write", "of code", have_code, write_some, 0},
    {"guestmem_ram_write", "without views", have_no_views, write_some, 0},
    {"guestmem_ram_fill", "some is there", have_some_seen, fill_some, 0},
    {"guestmem_ram_copy", "lazy", have_lazy, copy_some, 0},
    {"guestmem_ram_copy", "in a window", have_window, copy_some, 0},
    {"guestmem_ram_sync_code", "lazy", have_lazy, sync_some, 0},
    {"guestmem_ram_load", "lazy", have_lazy, load_one, 0},
    {"guestmem_ram_load_acquire", "not seen", have_eager, load_acquire_one, 0},
    {"guestmem_ram_store", "lazy", have_lazy, store_one, 0},
    {"guestmem_ram_store_release", "without views", have_no_views, store_release_one, 0},
    {"guestmem_ram_span", "lazy", have_lazy, span_some, 0},
    {"guestmem_ram_span", "in a window", have_window, span_some, 0},
    {"guestmem_ram_iovec", "lazy", have_lazy, list_some, 0},
    {"guestmem_ram_iovec", "in a window", have_window, list_some, 0},
    {"guestmem_set_policy", "that makes a window", have_all_seen, set_window, 0},
};
const struct sweep_table sweep_access_calls = SWEEP_TABLE(calls);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * guestmem/threads.h.
 */
#include <guestmem/threads.h>

#include "sweep.h"

/* In a VM that has reservations of its own: what is there has to be made one that can be shared. */
static void reserve_some(struct sweep *sweep)
{
    for (size_t i = 0; i < 20; i++) {
        sweep_reserve(sweep->vm, CALL_AT + i * GM_PAGE, GM_PAGE);
    }
    if (gm_env_is_shared()) {
        GM_CHECK_EQ(guestmem_reader_unregister(sweep->vm), GUESTMEM_OK);
    }
}

static bool enter(struct sweep *sweep)
{
    return guestmem_reader_register(sweep->vm) == GUESTMEM_OK;
}

static void enter_first(struct sweep *sweep)
{
    reserve_some(sweep);
    GM_CHECK(enter(sweep));
}

static bool leave(struct sweep *sweep)
{
    return guestmem_reader_unregister(sweep->vm) == GUESTMEM_OK;
}

static bool set_wait(struct sweep *sweep)
{
    return guestmem_set_wait(sweep->vm, NULL, NULL) == GUESTMEM_OK;
}

static const struct sweep_call calls[] = {
    {"guestmem_reader_register", "with reservations", reserve_some, enter, 0},
    {"guestmem_reader_unregister", "with reservations", enter_first, leave, SWEEP_ASKS_NOTHING},
    {"guestmem_set_wait", "the default", NULL, set_wait, SWEEP_ASKS_NOTHING},
};
const struct sweep_table sweep_threads_calls = SWEEP_TABLE(calls);

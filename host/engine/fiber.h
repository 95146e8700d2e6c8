/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A function on a stack of its own, which can stop in its middle and go on later. A guest's access
 * that needs an answer is met deep inside the guest CPU; with this, the VMM's loop gets it as an
 * ordinary return, and the access waits on its stack for as long as the answer takes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fiber;

/* A fiber that will run `body(cookie)`, which must never return. NULL: no memory. */
struct fiber *fiber_create(void (*body)(void *cookie), void *cookie);

/* May be called while the fiber stands in its middle; what it holds there is not unwound. */
void fiber_destroy(struct fiber *fiber);

/* Forget where the fiber stands: the next fiber_enter() starts its body anew. */
void fiber_reset(struct fiber *fiber);

/* Run the fiber, from outside it, until it calls fiber_leave(). */
void fiber_enter(struct fiber *fiber);

/* Return from fiber_enter(); comes back with the next one. Only on the fiber's own stack. */
void fiber_leave(struct fiber *fiber);

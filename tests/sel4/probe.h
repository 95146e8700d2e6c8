/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a guest sees, seen from inside: a thread that runs some instructions in the guest's address
 * space, and reports to the root task how it ended. The code and its buffer are mapped there while
 * the probe is in, with page tables of their own where the guest has none, and nowhere else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sel4/sel4.h>

#define PROBE_GPA 0x7f12345000ul /* code, and the buffer behind it: no case has anything there */
#define PROBE_BYTES 4096ul

enum probe_end { PROBE_DONE, PROBE_NOT_MAPPED, PROBE_NO_RIGHT, PROBE_ODD };

struct probe_answer {
    enum probe_end end;
    uintptr_t addr;  /* with a fault: where, */
    unsigned level;  /* and at which level of the tables the walk ended */
    unsigned status; /* the syndrome, for messages */
};

/* Make the thread and its pages. */
void probe_start(void);

/* Go into a guest's space, or into the root task's own (seL4_CapInitThreadVSpace). False: something
 * is in the way. */
bool probe_enter(seL4_CPtr space);
void probe_leave(void);

/* Copy up to PROBE_BYTES between `addr` and the buffer. */
struct probe_answer probe_read(uintptr_t addr, size_t size);
struct probe_answer probe_write(uintptr_t addr, size_t size);
/* Read a byte and write it back. */
struct probe_answer probe_rewrite(uintptr_t addr);

/* The buffer, as the root task sees it. */
void *probe_buffer(void);

/* Show a frame in the root task by a copy of its cap; NULL if it isn't a frame of this size. */
void *probe_show(seL4_CPtr frame, size_t bits);
void probe_hide(void);

/* Map a frame itself in the root task, and unmap it again. False: it can't be mapped. */
bool probe_try_map(seL4_CPtr frame, size_t bits);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A VM with memory that is lazy, and ways to have none for it.
 *
 *      TWIN   there from the start
 *      LAZY   RAM in frames of 4 KiB, none of which is there but the last (so that tables are)
 *      LENT   frames of the VMM's, with bytes in all of them, mapped at their first use;
 * lazy_lend()
 */
#pragma once

#include "vm_fixture.h"

#include <vka/object.h>

#define TWIN UINT64_C(0x50000000)
#define LAZY UINT64_C(0x51000000)
#define LENT UINT64_C(0x52000000)

enum { PAGE = 4096, PAGES = 2, OBJECTS_MAX = 64 };

struct world {
    struct fixture *fixture;
    vka_object_t taken[OBJECTS_MAX]; /* all memory; the last ones are of 4 KiB */
    size_t taken_count;
    seL4_CPtr lent[PAGES];
    vka_object_t lent_frames[PAGES];
    vm_memory_reservation_t *lent_res;
};

/* cmocka's set-up and tear-down; the state is a world. */
int lazy_set_up(void **state);
int lazy_tear_down(void **state);

/* Take all memory. Give 4 KiB of it back (false: there is none left to give), or all. */
void lazy_starve(struct world *world);
bool lazy_give_one_back(struct world *world);
void lazy_feed(struct world *world);

/* Fill the lent frames and reserve LENT for them: world->lent_res. */
void lazy_lend(struct world *world);
void *lazy_frame_bytes(struct world *world, seL4_CPtr frame);

/* Something for every byte, and never zero. */
void lazy_pattern(uint8_t *bytes, size_t size, unsigned seed);

/* Frames of 4 KiB that the VM has. */
size_t lazy_frames(vm_t *vm);

/* Why the VM stopped, which is lazy memory that couldn't be had. */
struct guestmem_host_vm_exit lazy_stopped(struct world *world);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The root task that the cases run in: what it was given at boot, and what it sets aside of it.
 *
 *      device untyped   [RAM_PADDR device RAM][DEVICE_PADDR device][boot frames ... ]
 *      root CNode       [boot][boot frames][slots of composed systems][the tree's allocator ... ]
 *
 * The tree's allocator owns all memory, device memory included. Boot frames are what a statically
 * composed system gets: 4 KiB frames made at boot, which no allocator has.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sel4/sel4.h>
#include <simple/simple.h>
#include <vka/vka.h>
#include <vspace/vspace.h>

/* RAM of QEMU's virt machine that the kernel's own description of it sets aside as device untyped. */
#define ROOT_RAM_PADDR 0x4c000000ul /* the allocator hands it out as device RAM */
#define ROOT_RAM_BITS 24
#define ROOT_DEVICE_PADDR 0x50000000ul /* stands for a device: by address only */
#define ROOT_DEVICE_BITS 23
#define ROOT_BOOT_DEVICE_PADDR 0x54000000ul /* the same two, in boot frames */
#define ROOT_BOOT_RAM_PADDR 0x58000000ul

#define ROOT_POOL_SLOT_BITS 13 /* slots of a composed system, at most */

struct root {
    simple_t simple;
    vka_t vka;       /* the tree's allocator, uncounted: for the tests' own needs */
    vspace_t vspace; /* the root task's own */
    seL4_CPtr endpoint;
    seL4_CPtr scratch; /* a free slot */
    seL4_CPtr pool_slots;
    uintptr_t nowhere; /* a MiB of physical addresses that no untyped covers */
    cspacepath_t boot_device; /* the first cap of each run of boot frames */
    cspacepath_t boot_ram;
};
extern struct root root;

/* Bring all of it up; stops with a message if that can't be done. */
void root_start(void);

/* The path of a slot of the root CNode. */
cspacepath_t root_path(seL4_CPtr slot);

/* Stop with a message unless `ok`. */
void root_require(bool ok, const char *what);

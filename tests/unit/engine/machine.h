/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest CPU over a stage 2 of three ranges:
 *
 *   0x00001000  a page, read-only, in a window     byte i is i
 *   0x00002000  nothing, in the same window
 *   0x05000000  a page in no window                byte i is 3 * i
 *   0x40000000  RAM, a window; code at its start, vectors at 1 MiB (hvc #255 for the guest's
 *               exceptions)
 *
 * Everything else is a device whose bytes are the low bytes of their addresses.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine.h"
#include "fake_stage2.h"
#include "guest_code.h"

#define READ_ONLY UINT64_C(0x1000)
#define HOLE UINT64_C(0x2000)
#define OUTSIDE UINT64_C(0x05000000)
#define DEVICE UINT64_C(0x09000000)
#define RAM UINT64_C(0x40000000)
#define RAM_BYTES UINT64_C(0x400000)
#define VECTORS (RAM + 0x100000)
#define NOWHERE UINT64_C(0xdead0000)

enum { SLICE = 100000, SEEN_MAX = 16, EL1H = 0x3c5 };

struct machine {
    struct guestmem_host *host;
    struct engine *engine;
    struct engine_cpu *cpu;
    uint8_t *ram;
    uint8_t *read_only;
    uint8_t *outside;
    seL4_UserContext context;
    struct engine_exit seen[SEEN_MAX]; /* the accesses of the last run() */
    unsigned seen_count;
};

int machine_set_up(void **state);
int machine_tear_down(void **state);

/* What the device says. */
uint64_t device_data(uint64_t address, unsigned size);

/* Run on until something other than a device's access comes. */
struct engine_exit go_on(struct machine *m);

/* The same, with code put at RAM's start. */
#define RUN(m, ...) run(m, (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}))
struct engine_exit run(struct machine *m, const uint32_t *code, size_t bytes);

/* The i-th access to the device in the last run. */
void assert_seen(const struct machine *m, unsigned i, uint64_t address, unsigned size, bool write);

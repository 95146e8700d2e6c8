/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * What every bench needs: a host environment with a VM in it, and result lines.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestmem/guestmem.h>
#include <guestmem/host.h>
#include <guestmem/host_vm.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vm/guest_ram.h>
#include <sel4vm/guest_vm.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

struct bench_vm {
    struct guestmem_host *host;
    vm_t vm;
};

/* Stops the bench with a message on failure: a bench has nobody to report to. */
void bench_vm_create(struct bench_vm *bench, uint64_t ram_bytes, unsigned frame_bits_max);
void bench_vm_destroy(struct bench_vm *bench);

/* Stop the bench, saying what should have held, unless `held`. */
void bench_require(bool held, const char *what);

/* For a function that must stay a call of its own, under its own name. clang makes no clones. */
#if defined(__clang__)
#define BENCH_OWN_CALL __attribute__((noinline))
#else
#define BENCH_OWN_CALL __attribute__((noinline, noclone))
#endif

/* Zeroed memory that processes of bench_run_apart() share with this one. Never freed. */
void *bench_share(size_t bytes);

/* Run it in a process of its own, that starts from nothing and leaves nothing warm behind. */
void bench_run_apart(void (*run)(void *shared), void *shared);

void bench_result(const char *name, double value, const char *unit);

/* Seconds of processor time that this process has used. Every run is one thread that never waits, so
 * on an idle machine that is the time it takes; on a busy one, other programs' turns don't count. */
double bench_seconds(void);
double bench_median(double *values, unsigned count); /* sorts them */

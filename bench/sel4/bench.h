/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A root task that measures the library on the kernel, one row an operation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sel4vm/guest_vm.h>

/* Counted by a vka that wraps the tree's allocator: slots taken and not given back. */
extern long bench_slots;

/* Normal memory that no row has used yet lies somewhere in here. */
extern uintptr_t bench_fresh_ram;
extern size_t bench_fresh_bytes;

/* A VM's memory without vcpus, over the tree's allocator. */
vm_t *bench_vm_new(void);
void bench_vm_free(vm_t *vm);

/* Allocator, VMM vspace, memory cleared once, so that no row pays for the kernel's first clearing. */
void bench_setup(void);

/* Print one row: a value, the most that it may be (0: anything), and what the reference takes. */
void bench_row(const char *name, uint64_t value, const char *unit, uint64_t most, const char *reference);

/* All rows; those of access to guest memory. */
void bench_rows(void);
void bench_access_rows(void);

#define BENCH_REQUIRE(what) bench_require((what), #what)
void bench_require(bool ok, const char *what);

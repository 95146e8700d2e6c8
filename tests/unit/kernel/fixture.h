/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * An environment for each test, and short words for invocations. Raw slots start at SLOT, far from
 * those that the vka hands out.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <guestmem/host.h>

enum { SLOT = 500000, ROOT = seL4_CapInitThreadCNode, DEPTH = seL4_WordBits };

#define DEVICE_BASE UINT64_C(0x10000000)
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define assert_ok(call) assert_int_equal((call), seL4_NoError)
#define assert_answer(call, error) assert_int_equal((call), (error))
#define test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

extern struct guestmem_host *host;
extern vka_t *vka;

/* 4 GiB of normal memory, 64 MiB of devices, owned by the vka. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

seL4_CPtr untyped(unsigned bits);
seL4_CPtr device_untyped(unsigned bits); /* at DEVICE_BASE */
seL4_Error retype(seL4_CPtr from, seL4_Word type, seL4_Word bits, seL4_CPtr slot, seL4_Word count);
seL4_CPtr make(seL4_CPtr from, seL4_Word type, seL4_Word bits, seL4_CPtr slot); /* must succeed */
seL4_Error copy(seL4_CPtr from, seL4_CPtr to, seL4_CapRights_t rights);
seL4_Error delete_cap(seL4_CPtr slot);
seL4_Error revoke_cap(seL4_CPtr slot);
bool is_empty(seL4_CPtr slot); /* a slot that a cap could be moved into */

/* A space with an ASID, and the tables that 4 KiB leaves at gpa need. */
seL4_CPtr space(void);
void tables(seL4_CPtr root, uint64_t gpa);
seL4_Error map(seL4_CPtr frame, seL4_CPtr root, uint64_t gpa, seL4_CapRights_t rights);
bool leaf_at(seL4_CPtr root, uint64_t gpa, struct guestmem_host_leaf *leaf);
uint64_t paddr_of(seL4_CPtr frame);
uint8_t *bytes_of(seL4_CPtr frame);

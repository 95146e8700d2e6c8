/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A host environment, and VMs with 16 MiB of RAM at 0x40000000 whose code stands at its start.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <guestmem/guestmem.h>
#include <guestmem/host.h>
#include <guestmem/host_vm.h>
#include <sel4vm/arch/guest_arm_context.h>
#include <sel4vm/boot.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vm/guest_ram.h>
#include <sel4vm/guest_vcpu_fault.h>

#include "../engine/guest_code.h"

#define FIXTURE_RAM UINT64_C(0x40000000)
#define FIXTURE_RAM_BYTES UINT64_C(0x1000000)
#define FIXTURE_DATA (FIXTURE_RAM + 0x100000)
#define FIXTURE_DEVICE UINT64_C(0x09000000)

enum { FIXTURE_EL1H = 0x3c5 };

struct fixture {
    struct guestmem_host *host;
    vm_t vm;
    vm_vcpu_t *vcpu;
    seL4_UserContext context; /* what the vcpu starts with */
    unsigned calls;           /* of a test's callback */
    unsigned step;
    uint32_t hsr;
};

/* cmocka's set-up and tear-down: an environment; with fixture_vm_set_up() a VM with one vcpu too.
 */
int fixture_set_up(void **state);
int fixture_vm_set_up(void **state);
int fixture_tear_down(void **state);

int fixture_vm_init(struct fixture *fixture, vm_t *vm, const char *name);
void fixture_ram(vm_t *vm);
void fixture_write(vm_t *vm, uintptr_t gpa, const void *bytes, size_t size);
uint64_t fixture_read(vm_t *vm, uintptr_t gpa, size_t size);

/* Put code at the RAM's start, start the vcpu with fixture->context, run: vm_run()'s result. At HVC
 * 0 the fixture's vcpu callback stops the VM; others go on, and leave their syndrome in
 * fixture->hsr. */
#define FIXTURE_RUN(fixture, ...) \
    fixture_run((fixture), (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}))
int fixture_run(struct fixture *fixture, const uint32_t *code, size_t bytes);

/* The vcpu's registers afterwards. */
seL4_UserContext fixture_context(struct fixture *fixture);

int fixture_vcpu_callback(vm_vcpu_t *vcpu, uint32_t hsr, void *fixture);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "vm_fixture.h"

#include <stdlib.h>
#include <string.h>

int fixture_set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    assert_int_equal(guestmem_host_create(NULL, &fixture->host), 0);
    fixture->context.pc = FIXTURE_RAM;
    fixture->context.spsr = FIXTURE_EL1H;
    *state = fixture;
    return 0;
}

int fixture_vm_init(struct fixture *fixture, vm_t *vm, const char *name)
{
    return vm_init(vm, guestmem_host_vka(fixture->host), guestmem_host_simple(fixture->host),
                   *guestmem_host_vspace(fixture->host), guestmem_host_io_ops(fixture->host),
                   guestmem_host_endpoint(fixture->host), name);
}

void fixture_ram(vm_t *vm)
{
    assert_int_equal(vm_ram_register_at(vm, FIXTURE_RAM, FIXTURE_RAM_BYTES, false), 0);
}

int fixture_vm_set_up(void **state)
{
    struct fixture *fixture;

    fixture_set_up(state);
    fixture = *state;
    assert_int_equal(fixture_vm_init(fixture, &fixture->vm, "test"), 0);
    fixture_ram(&fixture->vm);
    fixture->vcpu = vm_create_vcpu(&fixture->vm, 100);
    assert_non_null(fixture->vcpu);
    assert_int_equal(
        vm_register_unhandled_vcpu_fault_callback(fixture->vcpu, fixture_vcpu_callback, fixture),
        0);
    return 0;
}

int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(guestmem_host_vm_destroy(&fixture->vm), 0);
    guestmem_host_destroy(fixture->host);
    free(fixture);
    return 0;
}

void fixture_write(vm_t *vm, uintptr_t gpa, const void *bytes, size_t size)
{
    assert_int_equal(vm_ram_touch(vm, gpa, size, vm_guest_ram_write_callback, (void *)bytes), 0);
}

uint64_t fixture_read(vm_t *vm, uintptr_t gpa, size_t size)
{
    uint64_t value = 0;

    assert_int_equal(vm_ram_touch(vm, gpa, size, vm_guest_ram_read_callback, &value), 0);
    return value;
}

int fixture_vcpu_callback(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    struct fixture *fixture = cookie;

    fixture->hsr = hsr;
    advance_vcpu_fault(vcpu);
    if (hsr >> 26 == 0x16 && (hsr & 0xffff) == 0) {
        guestmem_host_vm_stop(vcpu->vm);
    }
    return 0;
}

int fixture_run(struct fixture *fixture, const uint32_t *code, size_t bytes)
{
    fixture_write(&fixture->vm, FIXTURE_RAM, code, bytes);
    guestmem_host_vm_code_changed(&fixture->vm, FIXTURE_RAM, bytes);
    assert_int_equal(vm_set_thread_context(fixture->vcpu, fixture->context), 0);
    assert_int_equal(vcpu_start(fixture->vcpu), 0);
    return vm_run(&fixture->vm);
}

seL4_UserContext fixture_context(struct fixture *fixture)
{
    seL4_UserContext context;

    assert_int_equal(vm_get_thread_context(fixture->vcpu, &context), 0);
    return context;
}

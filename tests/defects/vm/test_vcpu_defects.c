/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * D36, D37: what is near guest memory in the VM runtime, on the host. Guests run here.
 */
#include <string.h>

#include "../../unit/vm/vm_fixture.h"

/* What a device's callback saw; its cookie. */
struct device {
    vm_vcpu_t *vcpu;
    unsigned count;
    uintptr_t first;
};

static memory_fault_result_t answer(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size, void *cookie)
{
    struct device *device = cookie;

    assert_ptr_equal(vcpu->vm, vm);
    assert_in_range(size, 1, 8);
    assert_int_equal(addr & (size - 1), 0);
    device->vcpu = vcpu;
    device->first = device->count == 0 ? addr : device->first;
    device->count++;
    if (is_vcpu_read_fault(vcpu)) {
        assert_int_equal(set_vcpu_fault_data(vcpu, 0x5a5a5a5a), 0);
    }
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static void make_device(struct fixture *fixture, struct device *device)
{
    memset(device, 0, sizeof(*device));
    assert_non_null(vm_reserve_memory_at(&fixture->vm, FIXTURE_DEVICE, 0x40, answer, device));
    fixture->context.x1 = FIXTURE_DEVICE + 0x10;
}

/* With the defect the second VM's first vcpu is number 1, and its faults arrive at another's endpoint slot. */
static void D36_each_vm_counts_its_own_vcpus(void **state)
{
    struct fixture *first = *state;
    struct fixture second = {.host = first->host, .context = first->context};
    struct device devices[2];

    assert_int_equal(fixture_vm_init(&second, &second.vm, "second"), 0);
    fixture_ram(&second.vm);
    second.vcpu = vm_create_vcpu(&second.vm, 100);
    assert_non_null(second.vcpu);
    assert_int_equal(vm_register_unhandled_vcpu_fault_callback(second.vcpu, fixture_vcpu_callback, &second), 0);
    assert_int_equal(first->vcpu->vcpu_id, 0);
    assert_int_equal(second.vcpu->vcpu_id, 0);
    make_device(first, &devices[0]);
    make_device(&second, &devices[1]);
    assert_int_equal(FIXTURE_RUN(&second, GC_LDR_W2, GC_HVC(0)), 0);
    assert_int_equal(devices[1].count, 1);
    assert_ptr_equal(devices[1].vcpu, second.vcpu);
    assert_int_equal(devices[0].count, 0);
    assert_int_equal(FIXTURE_RUN(first, GC_LDR_W2, GC_LDR_W2, GC_HVC(0)), 0);
    assert_int_equal(devices[0].count, 2);
    assert_ptr_equal(devices[0].vcpu, first->vcpu);
    assert_int_equal(devices[1].count, 1);
    assert_int_equal(guestmem_host_vm_destroy(&second.vm), 0);
}

/* With the defect an assertion ends the VMM at the first of these. */
static void D37_no_form_of_access_stops_the_vmm(void **state)
{
    static const struct {
        uint32_t code;
        unsigned accesses; /* at least */
    } forms[] = {
        {GC_STR_X2_AT_5, 2},    {GC_LDR_W0_AT_2, 1}, {GC_LDR_X0_AT_6, 2},     {GC_LDP_X2_X3, 2},
        {GC_STP_W2_W3_POST, 2}, {GC_LDRSB_X2, 1},    {GC_LDRH_W2_AT_2, 1},    {GC_STR_X2_PRE_8, 1},
        {GC_LDR_Q0, 2},         {GC_STR_Q0, 2},      {GC_LDUR_X2_MINUS_1, 2}, {GC_LDP_S0_S1, 2},
        {GC_LDPSW_AT_8, 2},     {GC_LDTR_W2, 1},     {GC_LDR_D3_AT_16, 1},    {GC_STR_XZR, 1},
    };
    struct fixture *fixture = *state;
    struct device device;

    make_device(fixture, &device);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        device.count = 0;
        assert_int_equal(FIXTURE_RUN(fixture, forms[i].code, GC_HVC(0)), 0);
        assert_true(device.count >= forms[i].accesses);
        assert_in_range(device.first, FIXTURE_DEVICE + 8, FIXTURE_DEVICE + 0x20);
    }
}

/* The same where no reservation holds all of it: that guest stops, and the VMM goes on with others. */
static void D37_an_access_that_nobody_answers_stops_that_guest_only(void **state)
{
    struct fixture *fixture = *state;
    struct device device;

    make_device(fixture, &device);
    fixture->context.x1 = FIXTURE_DEVICE + 0x40 - 10;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0_AT_6, GC_HVC(0)), -1);
    fixture->context.x1 = FIXTURE_DEVICE + 0x1000 - 3;
    assert_int_equal(FIXTURE_RUN(fixture, GC_STR_X2_AT_5, GC_HVC(0)), -1);
    fixture->context.x1 = FIXTURE_DEVICE + 0x10;
    device.count = 0;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_W2, GC_HVC(0)), 0);
    assert_int_equal(device.count, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(D36_each_vm_counts_its_own_vcpus, fixture_vm_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(D37_no_form_of_access_stops_the_vmm, fixture_vm_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(D37_an_access_that_nobody_answers_stops_that_guest_only, fixture_vm_set_up,
                                        fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

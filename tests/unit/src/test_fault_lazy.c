/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Faults where memory is populated already: whether the guest tries again, or the callback decides. And
 * population where the lists of what is there have to grow.
 */
#include "unit_vm.h"

#define BASE ((uintptr_t)0x40000000)

static unsigned called;

static memory_fault_result_t count_calls(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                         void *cookie)
{
    (void)vm;
    (void)vcpu;
    (void)addr;
    (void)length;
    (void)cookie;
    called++;
    return FAULT_HANDLED;
}

static void set_policy(struct unit *u, enum guestmem_memory_type type)
{
    struct guestmem_policy policy;

    assert_int_equal(guestmem_get_policy(&u->vm, &policy), GUESTMEM_OK);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.frame_bits_max = 12;
    policy.memory_type = type;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
}

static void map_lazy(struct unit *u, size_t size)
{
    vm_memory_reservation_t *res =
        vm_reserve_memory_at(&u->vm, BASE, size, count_calls, NULL);

    assert_non_null(res);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
    called = 0;
}

static memory_fault_result_t fault(struct unit *u, uintptr_t addr)
{
    return vm_memory_handle_fault(&u->vm, NULL, addr, 8);
}

/* Another vcpu's fault has populated it meanwhile: nothing keeps this access from it any more. */
static void an_access_to_two_open_pages_is_tried_again(void **state)
{
    struct unit *u = *state;

    set_policy(u, GUESTMEM_MEMORY_AUTO);
    map_lazy(u, 2 * PAGE);
    assert_int_equal(fault(u, BASE + PAGE - 4), FAULT_RESTART);
    unit_check_leaf(u, BASE, 12);
    unit_check_leaf(u, BASE + PAGE, 12);
    assert_int_equal(fault(u, BASE + PAGE - 4), FAULT_RESTART);
    assert_int_equal(called, 0);
    assert_int_equal(guestmem_set_rights(&u->vm, BASE + PAGE, PAGE, seL4_CanRead), GUESTMEM_OK);
    assert_int_equal(fault(u, BASE), FAULT_RESTART);
    assert_int_equal(fault(u, BASE + PAGE - 4), FAULT_HANDLED);
    assert_int_equal(called, 1);
}

/* A guest's access to device memory may fault by its kind alone. */
static void an_access_to_populated_device_memory_is_the_callbacks(void **state)
{
    struct unit *u = *state;

    set_policy(u, GUESTMEM_MEMORY_DEVICE);
    map_lazy(u, PAGE);
    assert_int_equal(fault(u, BASE), FAULT_RESTART);
    assert_int_equal(called, 0);
    assert_int_equal(fault(u, BASE), FAULT_HANDLED);
    assert_int_equal(called, 1);
}

static unsigned next;

static int populate_next(struct unit *u)
{
    return guestmem_populate(&u->vm, BASE + next * 4 * PAGE, 2 * PAGE);
}

static void go_back(struct unit *u)
{
    assert_int_equal(guestmem_ram_discard(&u->vm, BASE + next * 4 * PAGE, 2 * PAGE), GUESTMEM_OK);
}

/* What comes later comes frame by frame, noted in a list that grows now and then. */
static void each_frame_is_noted_or_given_back(void **state)
{
    struct unit *u = *state;
    const struct gm_memory *memory;
    size_t requests = 0;

    set_policy(u, GUESTMEM_MEMORY_AUTO);
    assert_int_equal(vm_ram_register_at(&u->vm, BASE, 64 * 4 * PAGE, false), 0);
    memory = &guestmem_reservation_at(&u->vm, BASE)->backing->memory;
    for (next = 0; next < 40; next++) {
        requests += unit_fail_each(u, populate_next, go_back);
        unit_check_leaf(u, BASE + next * 4 * PAGE, 12);
        unit_check_no_leaf(u, BASE + next * 4 * PAGE + 2 * PAGE);
        assert_int_equal(memory->untypeds.count, 0);
        assert_int_equal(memory->singles.count, 2 * (next + 1));
    }
    assert_true(requests > 40 * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(an_access_to_two_open_pages_is_tried_again),
        UNIT_TEST(an_access_to_populated_device_memory_is_the_callbacks),
        UNIT_TEST(each_frame_is_noted_or_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

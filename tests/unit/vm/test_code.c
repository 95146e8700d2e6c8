/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The VMM replaces code that the guest has run: what runs next is the new code.
 */
#include "vm_fixture.h"

#include <guestmem/access.h>
#include <string.h>

enum {
    MOVZ_X0_1 = 0xd2800020,
    MOVZ_X0_2 = 0xd2800040,
    RET = 0xd65f03c0,
    BLR_X5 = 0xd63f00a0,
};

#define FUNCTION (FIXTURE_RAM + 0x1000) /* what is replaced; x5 */
#define SPARE                                                                           \
    (FIXTURE_RAM + 0x200000) /* in another frame: the new code, to be copied from there \
                              */

static const uint32_t before[] = {MOVZ_X0_1, RET};
static const uint32_t after[] = {MOVZ_X0_2, RET};

/* How a test replaces the code. */
static void (*replace)(vm_t *vm);

static void write_it(vm_t *vm)
{
    vm->mem.clean_cache = 1;
    assert_int_equal(guestmem_ram_write(vm, FUNCTION, after, sizeof(after)), GUESTMEM_OK);
}

static void copy_it(vm_t *vm)
{
    vm->mem.clean_cache = 1;
    assert_int_equal(guestmem_ram_copy(vm, FUNCTION, SPARE, sizeof(after)), GUESTMEM_OK);
}

static void fill_it(vm_t *vm)
{
    vm->mem.clean_cache = 1;
    assert_int_equal(guestmem_ram_fill(vm, FUNCTION, 0x11, sizeof(after)), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_write(vm, FUNCTION, after, sizeof(after)), GUESTMEM_OK);
}

static void store_and_sync_it(vm_t *vm)
{
    assert_int_equal(guestmem_ram_store(vm, FUNCTION, 4, after[0]), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_sync_code(vm, FUNCTION, 4), GUESTMEM_OK);
}

static void write_without_views(vm_t *vm)
{
    struct guestmem_policy policy;

    assert_int_equal(guestmem_get_policy(vm, &policy), GUESTMEM_OK);
    policy.views = GUESTMEM_VIEWS_NONE;
    assert_int_equal(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
    write_it(vm);
}

static void write_only(vm_t *vm)
{
    assert_int_equal(guestmem_ram_write(vm, FUNCTION, after, sizeof(after)), GUESTMEM_OK);
}

static int replace_at_hvc_1(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    if ((hsr & 0xffff) == 1) {
        replace(vcpu->vm);
        advance_vcpu_fault(vcpu);
        return 0;
    }
    return fixture_vcpu_callback(vcpu, hsr, cookie);
}

/* The guest calls the function, lets the VMM replace it, and calls it again: what that gave. */
static uint64_t run(struct fixture *fixture, void (*how)(vm_t *vm))
{
    replace = how;
    fixture->vm.mem.clean_cache = 0;
    fixture->context.x5 = FUNCTION;
    fixture_write(&fixture->vm, FUNCTION, before, sizeof(before));
    fixture_write(&fixture->vm, SPARE, after, sizeof(after));
    assert_int_equal(
        vm_register_unhandled_vcpu_fault_callback(fixture->vcpu, replace_at_hvc_1, fixture), 0);
    assert_int_equal(FIXTURE_RUN(fixture, BLR_X5, GC_HVC(1), BLR_X5, GC_HVC(0)), 0);
    return fixture_context(fixture).x0;
}

static void code_that_was_written_runs(void **state)
{
    assert_int_equal(run(*state, write_it), 2);
}

static void code_that_was_copied_runs(void **state)
{
    assert_int_equal(run(*state, copy_it), 2);
}

static void code_that_was_filled_over_does_not_run(void **state)
{
    assert_int_equal(run(*state, fill_it), 2);
}

static void code_that_was_stored_runs_after_syncing(void **state)
{
    assert_int_equal(run(*state, store_and_sync_it), 2);
}

static void code_that_was_written_without_keeping_a_view_runs(void **state)
{
    assert_int_equal(run(*state, write_without_views), 2);
}

/* Or the tests above would show nothing: the engine keeps what it made of the old code. */
static void without_syncing_the_old_code_goes_on(void **state)
{
    assert_int_equal(run(*state, write_only), 1);
}

static void syncing_costs_two_invocations_a_frame(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_host_counts counts;
    uint64_t invocations;

    fixture->vm.mem.clean_cache = 1;
    assert_int_equal(guestmem_ram_write(&fixture->vm, FUNCTION, after, sizeof(after)), GUESTMEM_OK);
    guestmem_host_count(fixture->host, &counts);
    invocations = counts.invocations;
    assert_int_equal(guestmem_ram_write(&fixture->vm, FUNCTION, after, sizeof(after)), GUESTMEM_OK);
    guestmem_host_count(fixture->host, &counts);
    assert_int_equal(counts.invocations, invocations + 2); /* data out, instructions dropped */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(code_that_was_written_runs, fixture_vm_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(code_that_was_copied_runs, fixture_vm_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(code_that_was_filled_over_does_not_run, fixture_vm_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(code_that_was_stored_runs_after_syncing, fixture_vm_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(code_that_was_written_without_keeping_a_view_runs,
                                        fixture_vm_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(without_syncing_the_old_code_goes_on, fixture_vm_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(syncing_costs_two_invocations_a_frame, fixture_vm_set_up,
                                        fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

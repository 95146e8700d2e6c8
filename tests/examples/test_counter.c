/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The emulated device of the examples, and what the guide says of emulated devices.
 */
#include "fixture.h"

#include <pthread.h>
#include <sched.h>

#include <guestmem/threads.h>
#include <sel4vm/arch/guest_arm_context.h>
#include <sel4vm/boot.h>

static struct counter *counter_of(struct fixture *fixture)
{
    return &fixture->machine.counter;
}

static void registers_are_accessed_in_their_sizes(void **state)
{
    struct fixture *fixture = *state;

    guest_writes(fixture, MACHINE_COUNTER + COUNTER_CONTROL, 1, 1);
    guest_writes(fixture, MACHINE_COUNTER + COUNTER_LIMIT, 2, 0x1234);
    guest_writes(fixture, MACHINE_COUNTER + COUNTER_COUNT, 8, 0x100000000);
    guest_writes(fixture, MACHINE_COUNTER + COUNTER_ADD, 4, 0xffffffff);
    assert_int_equal(guest_reads(fixture, MACHINE_COUNTER + COUNTER_CONTROL, 1), 1);
    assert_int_equal(guest_reads(fixture, MACHINE_COUNTER + COUNTER_LIMIT, 2), 0x1234);
    assert_int_equal(guest_reads(fixture, MACHINE_COUNTER + COUNTER_COUNT, 8), 0x1ffffffff);
    assert_int_equal(guest_reads(fixture, MACHINE_COUNTER + COUNTER_COUNT, 4), 0xffffffff);
    assert_int_equal(guest_reads(fixture, MACHINE_COUNTER + COUNTER_COUNT_HIGH, 4), 1);
    assert_int_equal(guest_reads(fixture, MACHINE_COUNTER + COUNTER_STATUS, 1), 1);
    guest_writes(fixture, MACHINE_COUNTER + COUNTER_COUNT, 4, 5);
    guest_writes(fixture, MACHINE_COUNTER + COUNTER_COUNT_HIGH, 4, 6);
    assert_int_equal(guest_reads(fixture, MACHINE_COUNTER + COUNTER_COUNT, 8), 0x600000005);
    guest_writes(fixture, MACHINE_COUNTER + COUNTER_COUNT, 4, 7);
    assert_int_equal(guest_reads(fixture, MACHINE_COUNTER + COUNTER_COUNT, 8), 0x600000007);
    assert_int_equal(counter_of(fixture)->refused, 0);
}

/* Bits of the register that is stored, above the access's size, don't get into the device. */
static void only_the_bytes_of_an_access_count(void **state)
{
    struct fixture *fixture = *state;

    guest_writes(fixture, MACHINE_COUNTER + COUNTER_LIMIT, 2, 0xaaaabbbbccccdddd);
    assert_int_equal(counter_of(fixture)->limit, 0xdddd);
    guest_writes(fixture, MACHINE_COUNTER + COUNTER_CONTROL, 1, 0xffff00);
    assert_int_equal(counter_of(fixture)->control, 0);
}

static void other_sizes_read_as_zero_and_write_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct counter *counter = counter_of(fixture);

    guest_writes(fixture, MACHINE_COUNTER + COUNTER_COUNT, 8, 0x1122334455667788);
    counter->status = 0;
    assert_int_equal(guest_reads(fixture, MACHINE_COUNTER + COUNTER_COUNT, 2), 0);
    assert_int_equal(guest_reads(fixture, MACHINE_COUNTER + COUNTER_COUNT + 1, 1), 0);
    assert_int_equal(guest_reads(fixture, MACHINE_COUNTER + COUNTER_ADD, 8), 0);
    assert_int_equal(guest_reads(fixture, MACHINE_COUNTER + COUNTER_CONTROL, 2), 0);
    guest_writes(fixture, MACHINE_COUNTER + COUNTER_LIMIT, 4, 0xffffffff);
    guest_writes(fixture, MACHINE_COUNTER + COUNTER_ADD, 1, 1);
    assert_int_equal(counter->count, 0x1122334455667788);
    assert_int_equal(counter->limit, UINT16_MAX);
    assert_int_equal(counter->control, 0);
    assert_int_equal(counter->status, 0);
    assert_int_equal(counter->refused, 6);
}

static void what_lies_behind_the_device_is_nobodys(void **state)
{
    struct fixture *fixture = *state;
    struct guest_access access = {.address = MACHINE_BOARD + BOARD_BYTES, .size = 4};
    struct guestmem_host_vm_exit exit;

    assert_int_equal(guest_does(fixture, &access, 1), -1);
    guestmem_host_vm_get_exit(&fixture->machine.vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_ACCESS);
    assert_int_equal(exit.address, MACHINE_BOARD + BOARD_BYTES);
}

/* --------------------------------------------------------------------------- two vcpus at once */

enum { VCPUS = 2, ADDS = 10000 };

static const uint32_t adder[] = {
    0xb9000820, /* again:  str w0, [x1, #COUNTER_ADD] */
    0xf1000442, /*         subs x2, x2, #1 */
    0x54ffffc1, /*         b.ne again */
    0xf9400023, /* wait:   ldr x3, [x1] */
    0xeb04007f, /*         cmp x3, x4 */
    0x54ffffc1, /*         b.ne wait */
    0xb90000bf, /*         str wzr, [x5] */
    0x14000000, /*         b . */
};

static void start(vm_t *vm)
{
    seL4_UserContext regs = {.pc = MACHINE_RAM,
                             .spsr = 0x3c5,
                             .x0 = 1,
                             .x1 = MACHINE_COUNTER,
                             .x2 = ADDS,
                             .x4 = VCPUS * ADDS,
                             .x5 = MACHINE_BOARD + BOARD_END};
    vm_vcpu_t *vcpu = vm_create_vcpu(vm, 100);

    assert_non_null(vcpu);
    assert_int_equal(vm_set_thread_context(vcpu, regs), 0);
    assert_int_equal(vcpu_start(vcpu), 0);
}

static void add_with_vcpus(struct fixture *fixture, bool parallel)
{
    vm_t *vm = &fixture->machine.vm;

    counter_of(fixture)->control = 1;
    assert_int_equal(guestmem_ram_write(vm, MACHINE_RAM, adder, sizeof(adder)), 0);
    assert_int_equal(guestmem_ram_sync_code(vm, MACHINE_RAM, sizeof(adder)), 0);
    for (unsigned i = 0; i < VCPUS; i++) {
        start(vm);
    }
    assert_int_equal(guestmem_host_vm_set_parallel(vm, parallel), 0);
    assert_int_equal(vm_run(vm), 0);
    assert_int_equal(counter_of(fixture)->count, VCPUS * ADDS);
}

static void vcpus_in_turns_lose_no_addition(void **state)
{
    add_with_vcpus(*state, false);
}

static void vcpus_in_parallel_lose_no_addition(void **state)
{
    add_with_vcpus(*state, true);
}

/* ------------------------------------------------------------------------------- the lock itself
 */

static struct {
    device_lock lock;
    volatile unsigned count;
} guarded;

static void *add_under_the_lock(void *unused)
{
    for (unsigned i = 0; i < ADDS; i++) {
        unsigned count;

        device_lock_take(&guarded.lock);
        count = guarded.count;
        if (i % 16 == 0) {
            sched_yield(); /* the best time for another one to come in */
        }
        guarded.count = count + 1;
        device_lock_give(&guarded.lock);
    }
    return unused;
}

static void a_devices_lock_lets_one_in_at_a_time(void **state)
{
    pthread_t other;

    (void)state;
    assert_int_equal(pthread_create(&other, NULL, add_under_the_lock, NULL), 0);
    add_under_the_lock(NULL);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(guarded.count, 2 * ADDS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(registers_are_accessed_in_their_sizes),
        CASE(only_the_bytes_of_an_access_count),
        CASE(other_sizes_read_as_zero_and_write_nothing),
        CASE(what_lies_behind_the_device_is_nobodys),
        CASE(vcpus_in_turns_lose_no_addition),
        CASE(vcpus_in_parallel_lose_no_addition),
        CASE(a_devices_lock_lets_one_in_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

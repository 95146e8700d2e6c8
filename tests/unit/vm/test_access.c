/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest accesses and what becomes of them: each result of a fault callback, the data and its lanes,
 * answers that come later, memory that appears and disappears.
 */
#define _GNU_SOURCE
#include "vm_fixture.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <sel4vmmplatsupport/guest_memory_util.h>

enum {
    GC_LDRB_W2_AT_3 = 0x39400c22, /* ldrb w2, [x1, #3] */
    GC_LDRH_W3_AT_2 = 0x79400423, /* ldrh w3, [x1, #2] */
    GC_STRB_W2_AT_1 = 0x39000422, /* strb w2, [x1, #1] */
    GC_LDR_W0_AT_4 = 0xb9400420,  /* ldr w0, [x1, #4]  */
};

enum { SEEN_MAX = 16 };

struct seen {
    uintptr_t addr;
    size_t size;
    uintptr_t ip;
    seL4_Word data;
    seL4_Word mask;
    seL4_Word emulated;
    bool read;
};

static struct {
    struct seen seen[SEEN_MAX];
    unsigned count;
    memory_fault_result_t result;
    seL4_Word answer;
    bool advance;
    vm_vcpu_t *vcpu;
} device;

static memory_fault_result_t device_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                          void *cookie)
{
    struct seen *seen = &device.seen[device.count++];

    (void)vm;
    (void)cookie;
    assert_true(device.count < SEEN_MAX);
    assert_int_equal(get_vcpu_fault_address(vcpu), addr);
    assert_int_equal(get_vcpu_fault_size(vcpu), size);
    device.vcpu = vcpu;
    *seen = (struct seen){
        .addr = addr,
        .size = size,
        .ip = get_vcpu_fault_ip(vcpu),
        .data = get_vcpu_fault_data(vcpu),
        .mask = get_vcpu_fault_data_mask(vcpu),
        .read = is_vcpu_read_fault(vcpu),
    };
    if (seen->read) {
        assert_int_equal(set_vcpu_fault_data(vcpu, device.answer), 0);
    }
    seen->emulated = emulate_vcpu_fault(vcpu, 0xeeeeeeeeeeeeeeee);
    if (device.advance) {
        advance_vcpu_fault(vcpu);
    }
    return device.result;
}

static void device_make(struct fixture *fixture, memory_fault_result_t result, seL4_Word answer)
{
    memset(&device, 0, sizeof(device));
    device.result = result;
    device.answer = answer;
    device.advance = result == FAULT_HANDLED;
    fixture->context.x1 = FIXTURE_DEVICE;
    assert_non_null(
        vm_reserve_memory_at(&fixture->vm, FIXTURE_DEVICE, 0x20, device_fault, fixture));
}

/* --------------------------------------------------------------------------- data and lanes */

static void reads_take_their_bytes_from_the_lane(void **state)
{
    struct fixture *fixture = *state;

    device_make(fixture, FAULT_HANDLED, 0x44332211);
    assert_int_equal(
        FIXTURE_RUN(fixture, GC_LDRB_W2_AT_3, GC_LDRH_W3_AT_2, GC_LDR_W0_AT_4, GC_HVC(0)), 0);
    assert_int_equal(device.count, 3);
    assert_int_equal(device.seen[0].addr, FIXTURE_DEVICE + 3);
    assert_int_equal(device.seen[0].size, 1);
    assert_int_equal(device.seen[0].mask, 0xff000000);
    assert_int_equal(device.seen[0].emulated, 0xeeeeeeeeeeeeee44);
    assert_int_equal(device.seen[0].ip, FIXTURE_RAM);
    assert_int_equal(device.seen[1].mask, 0xffff0000);
    assert_int_equal(device.seen[2].mask, 0xffffffff);
    assert_int_equal(device.seen[2].ip, FIXTURE_RAM + 8);
    assert_int_equal(fixture_context(fixture).x2, 0x44);
    assert_int_equal(fixture_context(fixture).x3, 0x4433);
    assert_int_equal(fixture_context(fixture).x0, 0x44332211);
}

static void writes_bring_their_bytes_lowest(void **state)
{
    struct fixture *fixture = *state;

    device_make(fixture, FAULT_HANDLED, 0);
    fixture->context.x2 = 0x1122334455667788;
    assert_int_equal(
        FIXTURE_RUN(fixture, GC_STRB_W2_AT_1, GC_STR_W2, GC_STR_X2, GC_STR_XZR, GC_HVC(0)), 0);
    assert_int_equal(device.count, 4);
    assert_false(device.seen[0].read);
    assert_int_equal(device.seen[0].data, 0x88);
    assert_int_equal(device.seen[0].mask, 0xff00);
    assert_int_equal(device.seen[0].emulated, 0xeeeeeeeeeeee88ee);
    assert_int_equal(device.seen[1].data, 0x55667788);
    assert_int_equal(device.seen[2].data, 0x1122334455667788);
    assert_int_equal(device.seen[2].size, 8);
    assert_int_equal(device.seen[3].data, 0);
}

static void loads_extend_as_the_instruction_says(void **state)
{
    struct fixture *fixture = *state;

    device_make(fixture, FAULT_HANDLED, 0x80);
    fixture->context.x2 = 0x1111111111111111;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDRSB_X2, GC_HVC(0)), 0);
    assert_int_equal(fixture_context(fixture).x2, 0xffffffffffffff80);
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDRB_W2, GC_HVC(0)), 0);
    assert_int_equal(fixture_context(fixture).x2, 0x80);
}

static void D37_unaligned_pairs_and_vectors_are_natural_accesses(void **state)
{
    struct fixture *fixture = *state;

    device_make(fixture, FAULT_HANDLED, 0);
    assert_int_equal(
        FIXTURE_RUN(fixture, GC_STR_X2_AT_5, GC_LDP_X2_X3, GC_STR_X2_PRE_8, GC_STR_Q0, GC_HVC(0)),
        0);
    assert_int_equal(device.count, 9);
    for (unsigned i = 0; i < device.count; i++) {
        assert_int_equal(device.seen[i].addr % device.seen[i].size, 0);
    }
}

static void D37_an_access_over_a_reservations_end_is_nobodys(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_host_vm_exit exit;

    device_make(fixture, FAULT_HANDLED, 0);
    fixture->context.x1 = FIXTURE_DEVICE + 0x20 - 6 - 4;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0_AT_6, GC_HVC(0)), -1);
    assert_int_equal(device.count, 1);
    guestmem_host_vm_get_exit(&fixture->vm, &exit);
    assert_int_equal(exit.address, FIXTURE_DEVICE + 0x20);
}

/* --------------------------------------------------------------------------- results */

static void an_ignored_access_is_skipped(void **state)
{
    struct fixture *fixture = *state;

    device_make(fixture, FAULT_IGNORE, 0x5555);
    fixture->context.x0 = 0x1234567890;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_STR_X2, GC_HVC(0)), 0);
    assert_int_equal(device.count, 2);
    assert_int_equal(fixture_context(fixture).x0, 0x1234567890);
}

static void an_error_stops_the_vm_and_says_where(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_host_vm_exit exit;

    device_make(fixture, FAULT_ERROR, 0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_NOP, GC_STR_W2, GC_HVC(0)), -1);
    guestmem_host_vm_get_exit(&fixture->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_ACCESS);
    assert_int_equal(exit.address, FIXTURE_DEVICE);
    assert_int_equal(exit.pc, FIXTURE_RAM + 4);
    assert_int_equal(exit.size, 4);
    assert_true(exit.write);
    device.result = FAULT_HANDLED;
    device.advance = true;
    assert_int_equal(vm_run(&fixture->vm), 0); /* asks again */
    assert_int_equal(device.count, 2);
}

static memory_fault_result_t unhandled_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                             void *cookie)
{
    (void)cookie;
    return device_fault(vm, vcpu, addr, size, NULL);
}

static void what_nobody_handles_goes_to_the_unhandled_handler(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_host_vm_exit exit;

    device_make(fixture, FAULT_HANDLED, 0x77);
    fixture->context.x1 = 0x08000000;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_W2, GC_HVC(0)), -1);
    guestmem_host_vm_get_exit(&fixture->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_ACCESS);
    assert_int_equal(exit.address, 0x08000000);
    assert_int_equal(vm_register_unhandled_mem_fault_callback(&fixture->vm, unhandled_fault, NULL),
                     0);
    assert_int_equal(vm_run(&fixture->vm), 0);
    assert_int_equal(fixture_context(fixture).x2, 0x77);
    assert_int_equal(vm_register_unhandled_mem_fault_callback(&fixture->vm, NULL, NULL), 0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_W2, GC_HVC(0)), -1);
}

static memory_fault_result_t map_on_demand(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                           void *cookie)
{
    struct fixture *fixture = cookie;
    vm_memory_reservation_t *res;

    (void)vcpu;
    (void)size;
    fixture->calls++;
    res = vm_reserve_memory_at(vm, addr & ~(uintptr_t)0xfff, 0x1000, default_error_fault_callback,
                               NULL);
    return res != NULL && map_frame_alloc_reservation(vm, res) == 0 ? FAULT_RESTART : FAULT_ERROR;
}

static void a_callback_may_map_and_restart(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(vm_register_unhandled_mem_fault_callback(&fixture->vm, map_on_demand, fixture),
                     0);
    fixture->context.x1 = 0x20000000;
    fixture->context.x2 = 0x1234;
    assert_int_equal(FIXTURE_RUN(fixture, GC_STR_X2, GC_LDR_X0, GC_HVC(0)), 0);
    assert_int_equal(fixture->calls, 1);
    assert_int_equal(fixture_context(fixture).x0, 0x1234);
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), 0);
    assert_int_equal(fixture->calls, 1);
    assert_int_equal(fixture_context(fixture).x0, 0x1234);
}

static memory_fault_result_t restart_always(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                            void *cookie)
{
    struct fixture *fixture = cookie;

    (void)vcpu;
    (void)addr;
    (void)size;
    if (++fixture->calls == 1000) {
        guestmem_host_vm_stop(vm);
    }
    return FAULT_RESTART;
}

static void restarting_for_ever_can_be_stopped(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(
        vm_register_unhandled_mem_fault_callback(&fixture->vm, restart_always, fixture), 0);
    fixture->context.x1 = 0x20000000;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), 0);
    assert_int_equal(fixture->calls, 1000);
}

/* --------------------------------------------------------------------------- later */

static int answer_notification(vm_t *vm, seL4_Word badge, seL4_MessageInfo_t tag, void *cookie)
{
    (void)vm;
    (void)badge;
    (void)tag;
    (void)cookie;
    set_vcpu_fault_data(device.vcpu, 0xabcd);
    advance_vcpu_fault(device.vcpu);
    return 0;
}

static void *notify_soon(void *vm)
{
    usleep(20000);
    guestmem_host_vm_notify(vm, 1);
    return NULL;
}

static void *answer_soon(void *cookie)
{
    (void)cookie;
    usleep(20000);
    set_vcpu_fault_data(device.vcpu, 0xdcba);
    advance_vcpu_fault(device.vcpu);
    return NULL;
}

static void an_answer_may_come_from_a_notification(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread;

    device_make(fixture, FAULT_HANDLED, 0);
    device.advance = false;
    assert_int_equal(vm_register_notification_callback(&fixture->vm, answer_notification, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, notify_soon, &fixture->vm), 0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_W2, GC_HVC(0)), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(device.count, 1);
    assert_int_equal(fixture_context(fixture).x2, 0xabcd);
}

static memory_fault_result_t answered_by_thread(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr,
                                                size_t size, void *cookie)
{
    pthread_t *thread = cookie;

    (void)vm;
    (void)addr;
    (void)size;
    device.vcpu = vcpu;
    assert_int_equal(pthread_create(thread, NULL, answer_soon, NULL), 0);
    return FAULT_HANDLED;
}

static void an_answer_may_come_from_another_thread(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread;

    assert_non_null(
        vm_reserve_memory_at(&fixture->vm, FIXTURE_DEVICE, 0x1000, answered_by_thread, &thread));
    fixture->context.x1 = FIXTURE_DEVICE;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_W2, GC_HVC(0)), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(fixture_context(fixture).x2, 0xdcba);
}

static memory_fault_result_t stop_unanswered(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                             void *cookie)
{
    struct fixture *fixture = cookie;

    (void)addr;
    (void)size;
    fixture->calls++;
    device.vcpu = vcpu;
    guestmem_host_vm_stop(vm);
    return FAULT_HANDLED;
}

static void an_access_waits_over_a_stop_and_its_answer_counts(void **state)
{
    struct fixture *fixture = *state;

    assert_non_null(
        vm_reserve_memory_at(&fixture->vm, FIXTURE_DEVICE, 0x1000, stop_unanswered, fixture));
    fixture->context.x1 = FIXTURE_DEVICE;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_W2, GC_HVC(0)), 0);
    assert_int_equal(fixture_context(fixture).pc, FIXTURE_RAM);
    assert_int_equal(set_vcpu_fault_data(device.vcpu, 0x99), 0);
    advance_vcpu_fault(device.vcpu);
    assert_int_equal(vm_run(&fixture->vm), 0);
    assert_int_equal(fixture->calls, 1);
    assert_int_equal(fixture_context(fixture).x2, 0x99);
}

static void a_vm_with_a_waiting_access_can_be_destroyed(void **state)
{
    struct fixture *fixture = *state;

    assert_non_null(
        vm_reserve_memory_at(&fixture->vm, FIXTURE_DEVICE, 0x1000, stop_unanswered, fixture));
    fixture->context.x1 = FIXTURE_DEVICE;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_W2, GC_HVC(0)), 0);
    assert_int_equal(guestmem_host_vm_destroy(&fixture->vm), 0);
}

static void without_a_fault_the_calls_do_nothing(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(get_vcpu_fault_address(fixture->vcpu), 0);
    assert_int_equal(get_vcpu_fault_ip(fixture->vcpu), 0);
    assert_int_equal(get_vcpu_fault_data(fixture->vcpu), 0);
    assert_int_equal(get_vcpu_fault_data_mask(fixture->vcpu), 0);
    assert_int_equal(get_vcpu_fault_size(fixture->vcpu), 0);
    assert_false(is_vcpu_read_fault(fixture->vcpu));
    assert_int_equal(set_vcpu_fault_data(fixture->vcpu, 1), -1);
    assert_int_equal(emulate_vcpu_fault(fixture->vcpu, 7), 7);
    advance_vcpu_fault(fixture->vcpu);
    restart_vcpu_fault(fixture->vcpu);
    assert_int_equal(FIXTURE_RUN(fixture, GC_HVC(0)), 0);
}

/* --------------------------------------------------------------------------- memory that changes
 */

static void a_read_only_page_shows_the_vmms_writes_and_traps_the_guests(void **state)
{
    struct fixture *fixture = *state;
    volatile uint64_t *page;

    memset(&device, 0, sizeof(device));
    device.result = FAULT_HANDLED;
    device.advance = true;
    page = create_allocated_reservation_frame(&fixture->vm, 0x10000000, seL4_CanRead, device_fault,
                                              NULL);
    assert_non_null((void *)page);
    fixture->context.x1 = 0x10000000;
    fixture->context.x2 = 0x4242;
    *page = 0x11;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_STR_X2, GC_HVC(0)), 0);
    assert_int_equal(fixture_context(fixture).x0, 0x11);
    assert_int_equal(device.count, 1);
    assert_int_equal(device.seen[0].data, 0x4242);
    assert_int_equal(*page, 0x11);
    *page = 0x22;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), 0);
    assert_int_equal(fixture_context(fixture).x0, 0x22);
}

static void memory_that_is_freed_is_nobodys_and_may_be_a_device_then(void **state)
{
    struct fixture *fixture = *state;
    vm_memory_reservation_t *res = vm_reserve_memory_at(&fixture->vm, FIXTURE_DEVICE, 0x1000,
                                                        default_error_fault_callback, NULL);

    assert_int_equal(map_frame_alloc_reservation(&fixture->vm, res), 0);
    fixture->context.x1 = FIXTURE_DEVICE;
    assert_int_equal(FIXTURE_RUN(fixture, GC_STR_X2, GC_HVC(0)), 0);
    assert_int_equal(vm_free_reserved_memory(&fixture->vm, res), 0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), -1);
    device_make(fixture, FAULT_HANDLED, 0x3131);
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), 0);
    assert_int_equal(fixture_context(fixture).x0, 0x3131);
}

static memory_fault_result_t add_and_free(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                          void *cookie)
{
    vm_memory_reservation_t *res =
        vm_reserve_memory_at(vm, 0x30000000, 0x200000, default_error_fault_callback, NULL);

    (void)addr;
    (void)size;
    (void)cookie;
    assert_non_null(res);
    assert_int_equal(map_frame_alloc_reservation(vm, res), 0);
    assert_int_equal(vm_free_reserved_memory(vm, res), 0);
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static void reservations_come_and_go_while_the_guest_runs(void **state)
{
    struct fixture *fixture = *state;

    assert_non_null(vm_reserve_memory_at(&fixture->vm, FIXTURE_DEVICE, 0x1000, add_and_free, NULL));
    fixture->context.x1 = FIXTURE_DEVICE;
    fixture->context.x4 = 50;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_W2, 0xf1000484, 0x54ffffc1, GC_HVC(0)), 0);
    assert_int_equal(fixture_context(fixture).x4, 0);
}

static void small_devices_share_a_page(void **state)
{
    struct fixture *fixture = *state;

    device_make(fixture, FAULT_HANDLED, 0x10);
    assert_non_null(
        vm_reserve_memory_at(&fixture->vm, FIXTURE_DEVICE + 0x20, 8, device_fault, NULL));
    fixture->context.x1 = FIXTURE_DEVICE + 0x1c;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_W2, GC_LDR_W0_AT_4, GC_HVC(0)), 0);
    assert_int_equal(device.count, 2);
    assert_int_equal(device.seen[0].addr, FIXTURE_DEVICE + 0x1c);
    assert_int_equal(device.seen[1].addr, FIXTURE_DEVICE + 0x20);
}

static void ram_may_start_unaligned(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(vm_ram_register_at(&fixture->vm, 0x500, 0x9fb00, false), 0);
    fixture->context.x1 = 0x500;
    fixture->context.x2 = 0x600d;
    assert_int_equal(FIXTURE_RUN(fixture, GC_STR_X2, GC_LDR_X0, GC_HVC(0)), 0);
    assert_int_equal(fixture_context(fixture).x0, 0x600d);
    assert_int_equal(fixture_read(&fixture->vm, 0x500, 8), 0x600d);
}

static void lazy_memory_is_populated_by_any_instruction(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_policy policy;
    struct guestmem_stats stats;

    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.frame_bits_max = 12;
    assert_int_equal(guestmem_set_policy(&fixture->vm, &policy), 0);
    assert_int_equal(vm_ram_register_at(&fixture->vm, 0x50000000, 0x10000, false), 0);
    fixture->context.x1 = 0x50000000;
    assert_int_equal(FIXTURE_RUN(fixture, GC_STR_X2_PRE_8, GC_HVC(0)), 0);
    fixture->context.x1 = 0x50001000;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LD1, GC_HVC(0)), 0);
    fixture->context.x1 = 0x50003000 - 6 - 4; /* across two pages */
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0_AT_6, GC_HVC(0)), 0);
    fixture->context.x1 = 0x50004000 - 5 - 3;
    assert_int_equal(FIXTURE_RUN(fixture, GC_STR_X2_AT_5, GC_HVC(0)), 0);
    assert_int_equal(guestmem_get_stats(&fixture->vm, &stats), 0);
    assert_int_equal(stats.frames[0], 5);
    assert_int_equal(stats.faults_populated, 4); /* LD1 asks for its page without being a fault */
}

static void a_jump_to_nowhere_is_reported(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_host_vm_exit exit;
    char text[200];

    fixture->context.x1 = 0xdead0000;
    assert_int_equal(FIXTURE_RUN(fixture, GC_BR_X1), -1);
    guestmem_host_vm_get_exit(&fixture->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_FETCH);
    assert_int_equal(exit.pc, 0xdead0000);
    assert_int_equal(exit.address, 0xdead0000);
    guestmem_host_vm_exit_text(&exit, text, sizeof(text));
    assert_non_null(strstr(text, "jumped to 0xdead0000"));
    device_make(fixture, FAULT_HANDLED, GC_NOP);
    assert_int_equal(FIXTURE_RUN(fixture, GC_BR_X1), -1);
    guestmem_host_vm_get_exit(&fixture->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_FETCH);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_vm_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_take_their_bytes_from_the_lane),
        TEST(writes_bring_their_bytes_lowest),
        TEST(loads_extend_as_the_instruction_says),
        TEST(D37_unaligned_pairs_and_vectors_are_natural_accesses),
        TEST(D37_an_access_over_a_reservations_end_is_nobodys),
        TEST(an_ignored_access_is_skipped),
        TEST(an_error_stops_the_vm_and_says_where),
        TEST(what_nobody_handles_goes_to_the_unhandled_handler),
        TEST(a_callback_may_map_and_restart),
        TEST(restarting_for_ever_can_be_stopped),
        TEST(an_answer_may_come_from_a_notification),
        TEST(an_answer_may_come_from_another_thread),
        TEST(an_access_waits_over_a_stop_and_its_answer_counts),
        TEST(a_vm_with_a_waiting_access_can_be_destroyed),
        TEST(without_a_fault_the_calls_do_nothing),
        TEST(a_read_only_page_shows_the_vmms_writes_and_traps_the_guests),
        TEST(memory_that_is_freed_is_nobodys_and_may_be_a_device_then),
        TEST(reservations_come_and_go_while_the_guest_runs),
        TEST(small_devices_share_a_page),
        TEST(ram_may_start_unaligned),
        TEST(lazy_memory_is_populated_by_any_instruction),
        TEST(a_jump_to_nowhere_is_reported),
    };

    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}

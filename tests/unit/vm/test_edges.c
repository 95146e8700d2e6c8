/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What VMMs ask of a VM beside running it: its parts, exits as sentences, ends in any order, calls
 * at the wrong time.
 */
#include "vm_fixture.h"

#include <string.h>

#include <sel4vm/guest_vm_exits.h>
#include <sel4vm/guest_vm_util.h>

static void a_vms_parts_can_be_asked_for(void **state)
{
    struct fixture *fixture = *state;
    vm_t *vm = &fixture->vm;

    assert_ptr_equal(vm_get_vspace(vm), &vm->mem.vm_vspace);
    assert_ptr_equal(vm_get_vmm_vspace(vm), &vm->mem.vmm_vspace);
    assert_int_equal(vspace_get_root(vm_get_vspace(vm)), vm->mem.vm_vspace_root.cptr);
    assert_int_equal(vspace_get_root(vm_get_vmm_vspace(vm)), seL4_CapInitThreadVSpace);
    assert_int_equal(vm_get_vcpu_tcb(fixture->vcpu), fixture->vcpu->tcb.tcb.cptr);
    assert_int_equal(vm_get_vcpu(vm, 0), fixture->vcpu->vcpu.cptr);
    fixture->vcpu->vcpu.cptr = 5;
    assert_int_equal(vm_get_vcpu(vm, 0), 5);
    fixture->vcpu->vcpu.cptr = 0;
    assert_int_equal(vm_get_vcpu(vm, -1), seL4_CapNull);
    assert_int_equal(vm_get_vcpu(vm, 1), seL4_CapNull);
}

static void assert_text(struct guestmem_host_vm_exit exit, const char *text)
{
    char got[200];
    int length = guestmem_host_vm_exit_text(&exit, got, sizeof(got));

    assert_string_equal(got, text);
    assert_int_equal(length, strlen(text));
}

static void every_exit_is_a_sentence(void **state)
{
    struct guestmem_host_vm_exit exit = {.vcpu = 2, .pc = 0x40, .why = "because"};

    (void)state;
    exit.reason = GUESTMEM_HOST_VM_NOT_RUN;
    assert_text(exit, "the VM hasn't run");
    exit.reason = GUESTMEM_HOST_VM_STOPPED;
    assert_text(exit, "the VM was stopped");
    exit.reason = GUESTMEM_HOST_VM_TRAP;
    exit.hsr = 0x01u << 26;
    assert_text(exit, "vcpu 2's WFI, hsr 0x4000000, pc 0x40: because");
    exit.hsr = 0x3cu << 26;
    assert_text(exit, "vcpu 2's trap, hsr 0xf0000000, pc 0x40: because");
    exit.reason = GUESTMEM_HOST_VM_NO_VCPU;
    assert_text(exit, "because");
    exit.reason = GUESTMEM_HOST_VM_NOTIFICATION;
    exit.why = NULL;
    assert_text(exit, "no reason is known");
}

static void vms_end_in_any_order(void **state)
{
    enum { VMS = 4 };
    static const unsigned order[VMS] = {1, 3, 0, 2};
    struct fixture *fixture = *state;
    vm_t vms[VMS];
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(fixture->host);
    struct guestmem_host_snapshot *after;

    memset(vms, 0, sizeof(vms));
    for (unsigned i = 0; i < VMS; i++) {
        assert_int_equal(fixture_vm_init(fixture, &vms[i], "one of many"), 0);
    }
    for (unsigned i = 0; i < VMS; i++) {
        assert_int_equal(guestmem_host_vm_destroy(&vms[order[i]]), 0);
        for (unsigned k = i + 1; k < VMS; k++) { /* those that are left are found */
            assert_int_equal(guestmem_host_vm_set_parallel(&vms[order[k]], false), 0);
        }
        assert_int_not_equal(guestmem_host_vm_set_parallel(&vms[order[i]], false), 0);
    }
    after = guestmem_host_snapshot(fixture->host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

static void a_notification_that_nobody_takes_ends_the_run(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_host_vm_exit exit;

    guestmem_host_vm_notify(&fixture->vm, 4);
    assert_int_equal(FIXTURE_RUN(fixture, GC_SPIN), -1);
    guestmem_host_vm_get_exit(&fixture->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_NOTIFICATION);
    assert_int_equal(FIXTURE_RUN(fixture, GC_HVC(0)), 0); /* it came once */
}

static int run_again(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    struct fixture *fixture = cookie;

    fixture->calls++;
    assert_int_equal(vm_run(vcpu->vm), -1);
    return fixture_vcpu_callback(vcpu, hsr, fixture);
}

static void a_vm_that_runs_is_not_run_again(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(vm_register_unhandled_vcpu_fault_callback(fixture->vcpu, run_again, fixture),
                     0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_HVC(0)), 0);
    assert_int_equal(fixture->calls, 1);
}

static void without_a_vcpu_there_are_no_registers(void **state)
{
    struct fixture *fixture = *state;
    seL4_UserContext context = {.pc = 0x1234};

    assert_int_equal(vm_get_thread_context(NULL, &context), -1);
    assert_int_equal(context.pc, 0x1234);
    assert_int_equal(vm_set_thread_context(NULL, context), -1);
    assert_int_equal(vm_get_thread_context(fixture->vcpu, NULL), -1);
}

/* No two free slots side by side where they are looked for: the halves of an untyped go into slots
 * one by one. */
static void memory_is_split_into_slots_that_lie_apart(void **state)
{
    enum { SLOTS = 70000 };
    struct fixture *fixture = *state;
    vka_t *vka = guestmem_host_vka(fixture->host);
    struct guestmem_host_snapshot *before = guestmem_host_snapshot(fixture->host);
    struct guestmem_host_snapshot *after;
    static seL4_CPtr slots[SLOTS];
    vka_object_t object;

    for (unsigned i = 0; i < SLOTS; i++) {
        assert_int_equal(vka_cspace_alloc(vka, &slots[i]), 0);
    }
    for (unsigned i = 0; i < SLOTS; i += 2) {
        vka_cspace_free(vka, slots[i]);
    }
    assert_int_equal(vka_alloc_untyped(vka, 12, &object), 0);
    assert_int_not_equal(vka_object_paddr(vka, &object), VKA_NO_PADDR);
    vka_free_object(vka, &object);
    for (unsigned i = 1; i < SLOTS; i += 2) {
        vka_cspace_free(vka, slots[i]);
    }
    after = guestmem_host_snapshot(fixture->host);
    assert_true(guestmem_host_snapshot_same(before, after, stderr));
    guestmem_host_snapshot_free(before);
    guestmem_host_snapshot_free(after);
}

static void caps_that_no_slot_is_for_are_refused(void **state)
{
    struct fixture *fixture = *state;
    const seL4_CPtr beyond = (seL4_CPtr)1 << 40;
    uint8_t *page = vspace_new_pages(guestmem_host_vspace(fixture->host), seL4_AllRights, 1, 12);
    struct guestmem_host_leaf leaf;

    assert_int_equal(seL4_ARM_Page_Unmap(beyond), seL4_InvalidCapability);
    assert_int_equal(seL4_ARM_Page_GetAddress(beyond).error, seL4_InvalidCapability);
    assert_int_equal(seL4_CNode_Delete(beyond, 1, seL4_WordBits), seL4_InvalidCapability);
    assert_int_equal(seL4_ARM_ASIDPool_Assign(seL4_CapInitThreadASIDPool, beyond),
                     seL4_InvalidCapability);
    assert_false(guestmem_host_translate(fixture->host, beyond, 0, &leaf));
    assert_true(
        guestmem_host_translate(fixture->host, seL4_CapInitThreadVSpace, (uintptr_t)page, &leaf));
    assert_false(guestmem_host_translate(fixture->host, seL4_CapInitThreadVSpace,
                                         (uintptr_t)page + 4096, &leaf));
    assert_false(guestmem_host_translate(fixture->host, seL4_CapInitThreadVSpace, 4096, &leaf));
}

#define BARE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_vm_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_vms_parts_can_be_asked_for),
        TEST(every_exit_is_a_sentence),
        BARE(vms_end_in_any_order),
        TEST(a_notification_that_nobody_takes_ends_the_run),
        TEST(a_vm_that_runs_is_not_run_again),
        TEST(without_a_vcpu_there_are_no_registers),
        BARE(memory_is_split_into_slots_that_lie_apart),
        BARE(caps_that_no_slot_is_for_are_refused),
    };

    return cmocka_run_group_tests_name("edges", tests, NULL, NULL);
}

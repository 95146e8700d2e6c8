/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * VMs as wholes: bring-up, their end, several of them.
 */
#include <string.h>

#include <guestmem/runtime.h>

#include "conformance.h"

static int init_vspace(vm_t *vm)
{
    return vm_init_guest_vspace(&vm->mem.vmm_vspace, &vm->mem.vmm_vspace, &vm->mem.vm_vspace,
                                vm->vka, vm->mem.vm_vspace_root.cptr);
}

/* Everything that a VM can have at once. */
static void furnish(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights};
    uintptr_t addr;
    char byte;

    GM_CHECK_EQ(vm_memory_make_anon(vm, 0xc0000000, 16 * GM_MIB), 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 8 * GM_MIB, false), 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, 0x500, 0x9fb00, false), 0);
    GM_CHECK_NE(vm_ram_register(vm, GM_MIB), 0);
    GM_CHECK_NE(vm_ram_allocate(vm, GM_MIB), 0);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 3 * GM_MIB, 1, vm_guest_ram_read_callback, &byte), 0);
    GM_CHECK_NOT_NULL(create_allocated_reservation_frame(vm, 0xa0000000, seL4_CanRead,
                                                         default_error_fault_callback, NULL));
    GM_CHECK_NOT_NULL(
        vm_reserve_anon_memory(vm, 0x300, 1, default_error_fault_callback, NULL, &addr));
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, 0xb0000000, 2 * GM_MIB + 1)), 0);
    GM_CHECK_EQ(vm_map_reservation(vm, reserve(vm, 0xb1000000, 3 * GM_PAGE), gm_giver_next, &giver),
                0);
    GM_CHECK_NOT_NULL(vspace_new_pages(&vm->mem.vm_vspace, seL4_AllRights, 2, GM_BITS_4K));
    reserve(vm, 0xb2000000, 0x10);
}

static void a_vm_can_be_brought_up_memory_first(struct gm_env *env, vm_t *vm)
{
    vm_t *other = gm_env_blank_vm(env);

    (void)vm;
    GM_CHECK_EQ(vm_memory_init(other), 0);
    GM_CHECK_EQ(init_vspace(other), 0);
    furnish(env, other);
}

static void a_vm_can_be_brought_up_vspace_first(struct gm_env *env, vm_t *vm)
{
    vm_t *other = gm_env_blank_vm(env);

    (void)vm;
    GM_CHECK_EQ(init_vspace(other), 0);
    GM_CHECK_EQ(vm_memory_init(other), 0);
    furnish(env, other);
}

static void a_vm_that_is_only_half_up_refuses_and_goes_away(struct gm_env *env, vm_t *vm)
{
    vm_t *first = gm_env_blank_vm(env);
    vm_t *second = gm_env_blank_vm(env);

    (void)vm;
    GM_CHECK(refused(first, BASE, GM_PAGE));
    GM_CHECK_EQ(vm_memory_init(first), 0);
    GM_CHECK(refused(first, BASE, GM_PAGE));
    GM_CHECK_EQ(init_vspace(second), 0);
    GM_CHECK(refused(second, BASE, GM_PAGE));
    GM_CHECK_EQ(vm_ram_register_at(second, BASE, GM_PAGE, false), -1);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(second, BASE, GM_PAGE), 0);
}

static void bringing_up_without_what_it_needs_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_t *other = gm_env_blank_vm(env);
    vspace_t *vmm = &other->mem.vmm_vspace;
    vspace_t *guest = &other->mem.vm_vspace;
    seL4_CPtr root = other->mem.vm_vspace_root.cptr;

    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(vm_memory_init(NULL), -1);
        GM_CHECK_EQ(vm_memory_init(vm), -1); /* it is initialised */
        GM_CHECK_EQ(vm_init_guest_vspace(vmm, NULL, guest, other->vka, root), -1);
        GM_CHECK_EQ(vm_init_guest_vspace(vmm, vmm, NULL, other->vka, root), -1);
        GM_CHECK_EQ(vm_init_guest_vspace(vmm, vmm, guest, NULL, root), -1);
        GM_CHECK_EQ(vm_init_guest_vspace(vmm, vmm, guest, other->vka, seL4_CapNull), -1);
    });
}

static void a_vm_in_full_use_leaves_nothing_behind(struct gm_env *env, vm_t *vm)
{
    struct gm_env_snapshot *before = gm_env_snapshot(env);
    vm_t *other = gm_env_new_vm(env);

    (void)vm;
    GM_CHECK_EQ(vm_ram_register_at(other, BASE, 8 * GM_MIB, false), 0);
    GM_CHECK_EQ(map_ut_alloc_reservation(other, reserve(other, env->device_base, 2 * GM_MIB)), 0);
    GM_CHECK_NOT_NULL(create_allocated_reservation_frame(other, 0, seL4_CanRead,
                                                         default_error_fault_callback, NULL));
    gm_env_drop_vm(env, other);
    gm_env_check_same(env, before);
}

static void a_furnished_vm_in_each_environment_leaves_nothing_behind(struct gm_env *env, vm_t *vm)
{
    furnish(env, vm);
    GM_CHECK_EQ(map_ut_alloc_reservation(vm, reserve(vm, env->device_base + GM_PAGE, 3 * GM_PAGE)),
                0);
}

static void vms_have_spaces_of_their_own(struct gm_env *env, vm_t *vm)
{
    vm_t *other = gm_env_new_vm(env);

    furnish(env, vm);
    furnish(env, other);
    if (gm_test_guest_write(env, vm, BASE, "one", 3) &&
        gm_test_guest_write(env, other, BASE, "two", 3)) {
        char seen[3];

        GM_CHECK(gm_test_guest_read(env, vm, BASE, seen, 3));
        GM_CHECK_BYTES(seen, "one", 3);
    }
    gm_env_drop_vm(env, other);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    GM_CHECK(refused(vm, 0xb2000000, 1));
}

static void eight_vms_come_and_go_in_any_order(struct gm_env *env, vm_t *vm)
{
    enum { COUNT = 8 };
    vm_t *vms[COUNT];

    (void)vm;
    for (unsigned i = 0; i < COUNT; i++) {
        vms[i] = gm_env_new_vm(env);
        GM_CHECK_EQ(vm_ram_register_at(vms[i], BASE, 4 * GM_MIB, false), 0);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        gm_env_drop_vm(env, vms[i * 3 % COUNT]);
    }
}

static void memory_of_a_vm_that_is_gone_comes_cleared(struct gm_env *env, vm_t *vm)
{
    static uint8_t secret[GM_PAGE];

    (void)vm;
    memset(secret, 0x5e, sizeof(secret));
    for (int i = 0; i < 4; i++) {
        vm_t *other = gm_env_new_vm(env);

        GM_CHECK_EQ(vm_ram_register_at(other, BASE, env->device_ram_bytes + 4 * GM_MIB, false), 0);
        GM_CHECK_GUEST_FILLED(env, other, BASE, 0, env->device_ram_bytes + 4 * GM_MIB);
        for (size_t at = 0; at < env->device_ram_bytes + 4 * GM_MIB; at += 512 * GM_KIB) {
            gm_test_guest_write(env, other, BASE + at, secret, sizeof(secret));
        }
        gm_env_drop_vm(env, other);
    }
}

static void a_device_goes_from_vm_to_vm(struct gm_env *env, vm_t *vm)
{
    vm_t *other = gm_env_new_vm(env);
    vm_memory_reservation_t *here = reserve(vm, env->device_base, 2 * GM_MIB);
    vm_memory_reservation_t *there = reserve(other, env->device_base, 2 * GM_MIB);

    GM_CHECK_EQ(map_ut_alloc_reservation(vm, here), 0);
    CHANGES_NOTHING(env, GM_CHECK_EQ(map_ut_alloc_reservation(other, there), -1));
    GM_CHECK_EQ(vm_free_reserved_memory(vm, here), 0);
    GM_CHECK_EQ(map_ut_alloc_reservation(other, there), 0);
    GM_CHECK_LEAF(env, other, env->device_base, GM_BITS_2M, "rw", true);
}

static const struct gm_case cases[] = {
    GM_CASE(a_vm_can_be_brought_up_memory_first),
    GM_CASE(a_vm_can_be_brought_up_vspace_first),
    GM_CASE(a_vm_that_is_only_half_up_refuses_and_goes_away),
    GM_CASE(bringing_up_without_what_it_needs_is_refused),
    GM_CASE(a_vm_in_full_use_leaves_nothing_behind),
    GM_CASE(a_furnished_vm_in_each_environment_leaves_nothing_behind),
    GM_CASE_WITH(a_furnished_vm_in_each_environment_leaves_nothing_behind, .boot_frames = true),
    GM_CASE_WITH(a_furnished_vm_in_each_environment_leaves_nothing_behind, .device_ram = true),
    GM_CASE(vms_have_spaces_of_their_own),
    GM_CASE(eight_vms_come_and_go_in_any_order),
    GM_CASE_WITH(memory_of_a_vm_that_is_gone_comes_cleared, .device_ram = true),
    GM_CASE(a_device_goes_from_vm_to_vm),
};

const struct gm_suite vms_suite = GM_SUITE("vms", cases);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * D29 to D34: the six helpers.
 */
#include <string.h>

#include "defects.h"

static void *create_allocated(struct gm_env *env, vm_t *vm)
{
    (void)env;
    return create_allocated_reservation_frame(vm, BASE, seL4_CanRead, default_error_fault_callback, NULL);
}

static void *create_device(struct gm_env *env, vm_t *vm)
{
    return create_device_reservation_frame(vm, env->device_base, seL4_AllRights, default_error_fault_callback, NULL);
}

static void *map_anywhere(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = guestmem_reservation_at(vm, 2 * BASE);

    (void)env;
    return map_frame_alloc_reservation(vm, res) == 0 ? res : NULL;
}

static void *map_maybe_device(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = guestmem_reservation_at(vm, 2 * BASE);

    (void)env;
    return map_maybe_device_reservation(vm, res) == 0 ? res : NULL;
}

static void *map_at_paddr(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = guestmem_reservation_at(vm, 2 * BASE);

    return map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, res) == 0 ? res : NULL;
}

static void *map_identity(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = guestmem_reservation_at(vm, env->device_base + GM_MIB);

    return map_ut_alloc_reservation(vm, res) == 0 ? res : NULL;
}

/* Let each request of these kinds fail once, and with `sticky` all behind it; how many failures came through. */
static unsigned fail_each(struct gm_env *env, vm_t *vm, void *(*helper)(struct gm_env *env, vm_t *vm), unsigned kinds,
                          bool sticky)
{
    unsigned failures = 0;

    for (uint64_t k = 1;; k++) {
        struct gm_env_snapshot *before = gm_env_snapshot(env);
        void *result;

        gm_env_fail(env, kinds, k, sticky);
        result = helper(env, vm);
        gm_env_fail(env, 0, 0, false);
        if (result != NULL) {
            gm_env_snapshot_free(before);
            return failures;
        }
        gm_env_check_same(env, before);
        failures++;
    }
}

/* With the defect the error path frees an address on the stack: the allocator breaks, or the VMM stops. */
static void D29_each_helper_survives_its_own_failures(struct gm_env *env, vm_t *vm)
{
    void *(*const helpers[])(struct gm_env *env, vm_t *vm) = {
        create_allocated, create_device, map_anywhere, map_maybe_device, map_at_paddr, map_identity,
    };
    const unsigned kinds = gm_env_fail_kinds(env);

    for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
        vm_t *other = gm_env_new_vm(env);

        reserve(other, 2 * BASE, 3 * GM_PAGE);
        reserve(other, env->device_base + GM_MIB, 3 * GM_PAGE);
        GM_CHECK(fail_each(env, other, helpers[i], kinds, true) > 2);
        gm_env_drop_vm(env, other);
        CHANGES_NOTHING(env, other = gm_env_new_vm(env); reserve(other, 2 * BASE, 3 * GM_PAGE);
                        reserve(other, env->device_base + GM_MIB, 3 * GM_PAGE);
                        fail_each(env, other, helpers[i], kinds, false); gm_env_drop_vm(env, other));
    }
    (void)vm;
}

/* With the defect the VMM's view of cacheable memory is uncached. */
static void D30_guest_and_vmm_see_a_page_with_the_same_attributes(struct gm_env *env, vm_t *vm)
{
    uint8_t *allocated = create_allocated(env, vm);
    void *device = create_device(env, vm);
    struct gm_env_leaf leaf;

    GM_CHECK_NOT_NULL(allocated);
    GM_CHECK_NOT_NULL(device);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "r", false);
    GM_CHECK_LEAF(env, vm, env->device_base, GM_BITS_4K, "rw", true);
    memset(allocated, 0x3c, GM_PAGE);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0x3c, GM_PAGE);
    if (gm_env_vmm_view(env, allocated, &leaf) == GM_VIEW_BLIND) {
        GM_SKIP("what the VMM's pages are mapped with can't be told here");
    }
    GM_CHECK_EQ(gm_env_vmm_view(env, allocated, &leaf), GM_VIEW_LEAF);
    GM_CHECK(!leaf.device && leaf.read && leaf.write);
    GM_CHECK_EQ(gm_env_vmm_view(env, device, &leaf), GM_VIEW_LEAF);
    GM_CHECK(leaf.device && leaf.read && leaf.write);
    GM_CHECK_EQ(leaf.paddr, env->device_base);
}

static int note_view(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset, void *view)
{
    (void)vm;
    (void)addr;
    (void)size;
    (void)offset;
    *(void **)view = vaddr;
    return 0;
}

/* The same for the views that touching makes: of RAM, and of RAM that a policy maps as device memory. */
static void D30_the_views_of_ram_have_the_guests_attributes(struct gm_env *env, vm_t *vm)
{
    struct guestmem_policy policy;
    struct gm_env_leaf leaf;
    void *view = NULL;

    for (unsigned device = 0; device <= 1; device++) {
        uintptr_t at = BASE + device * GM_MIB;

        guestmem_policy_default(&policy);
        policy.memory_type = device ? GUESTMEM_MEMORY_DEVICE : GUESTMEM_MEMORY_AUTO;
        GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
        GM_CHECK_EQ(vm_ram_register_at(vm, at, GM_PAGE, false), 0);
        GM_CHECK_LEAF(env, vm, at, GM_BITS_4K, "rw", device != 0);
        GM_CHECK_EQ(vm_ram_touch(vm, at, 1, note_view, &view), 0);
        if (gm_env_vmm_view(env, view, &leaf) == GM_VIEW_BLIND) {
            GM_SKIP("what the VMM's pages are mapped with can't be told here");
        }
        GM_CHECK_EQ(gm_env_vmm_view(env, view, &leaf), GM_VIEW_LEAF);
        GM_CHECK_EQ(leaf.device, device != 0);
    }
}

/* With the defect the frame is freed while the VMM still has it, or a slot with a live cap, or the untyped is lost. */
static void D31_a_create_that_fails_late_gives_everything_back(struct gm_env *env, vm_t *vm)
{
    const unsigned kinds = gm_env_fail_kinds(env);

    if ((kinds & GM_FAIL_VMM_MAP) == 0) {
        GM_SKIP("the VMM's vspace can't be made to fail here");
    }
    GM_CHECK(fail_each(env, vm, create_allocated, GM_FAIL_VMM_MAP, true) >= 1);
    GM_CHECK_EQ(guestmem_created_destroy(vm, BASE), GUESTMEM_OK);
    /* with a block of pages there, a call has nothing else to try */
    GM_CHECK_NOT_NULL(create_allocated_reservation_frame(vm, BASE + GM_PAGE, seL4_CanRead,
                                                         default_error_fault_callback, NULL));
    GM_CHECK(fail_each(env, vm, create_allocated, GM_FAIL_VMM_MAP, false) >= 1);
    GM_CHECK(fail_each(env, vm, create_device, GM_FAIL_VMM_MAP, false) >= 1);
    GM_CHECK_EQ(guestmem_created_destroy(vm, BASE), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_created_destroy(vm, env->device_base), GUESTMEM_OK);
    GM_CHECK(fail_each(env, vm, create_device, GM_FAIL_SLOT, false) >= 2);
    gm_env_fail(env, GM_FAIL_VMM_MAP, 1, false);
    GM_CHECK_NULL(create_allocated(env, vm));
    gm_env_fail(env, 0, 0, false);
    CHECK_FAILURE(vm, GUESTMEM_EVMM, "create_allocated_reservation_frame");
}

/* With the defect caps, slots and cookies stay behind, and there is no call to destroy the page. */
static void D32_what_create_made_can_be_destroyed(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, for (unsigned i = 0; i < 50; i++) {
        GM_CHECK_NOT_NULL(create_allocated(env, vm));
        GM_CHECK_NOT_NULL(create_device(env, vm));
        GM_CHECK_EQ(guestmem_created_destroy(vm, BASE), GUESTMEM_OK);
        GM_CHECK_NO_LEAF(env, vm, BASE);
        GM_CHECK_EQ(guestmem_created_destroy(vm, env->device_base), GUESTMEM_OK);
    });
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_created_destroy(vm, BASE), GUESTMEM_EUNMAPPED));
    CHECK_FAILURE(vm, GUESTMEM_EUNMAPPED, "guestmem_created_destroy");
}

/* With the defect the pages behind the first are lost for everybody. */
static void D33_the_first_page_of_a_devices_memory_costs_no_other(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, for (unsigned page = 0; page < 8; page++) {
        uintptr_t at = env->device_base + page * GM_PAGE;

        GM_CHECK_NOT_NULL(
            create_device_reservation_frame(vm, at, seL4_AllRights, default_error_fault_callback, NULL));
        GM_CHECK_PADDR(env, vm, at, at);
    } for (unsigned page = 0; page < 8; page++) {
        GM_CHECK_EQ(guestmem_created_destroy(vm, env->device_base + page * GM_PAGE), GUESTMEM_OK);
    });
}

/* And the untyped is whole again for whoever wants all of it. */
static void D33_a_devices_untyped_is_whole_again_behind_a_page(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_MIB);

    GM_CHECK_NOT_NULL(create_device(env, vm));
    GM_CHECK_EQ(guestmem_created_destroy(vm, env->device_base), GUESTMEM_OK);
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, res), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", true);
}

/* With the defect the mapping's own page tables take the memory behind the first page. */
static void D34_a_base_in_normal_memory_is_backed_to_its_end(struct gm_env *env, vm_t *vm)
{
    uintptr_t paddr = gm_env_free_paddr(env, 17);
    vm_memory_reservation_t *res;

    limit_frames(vm, GM_BITS_4K);
    res = reserve(vm, BASE + 0x100, 32 * GM_PAGE - 0x200);
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, paddr + 0x100, res), 0);
    for (unsigned page = 0; page < 32; page++) {
        GM_CHECK_PADDR(env, vm, BASE + page * GM_PAGE, paddr + page * GM_PAGE);
    }
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, paddr, reserve(vm, BASE, 32 * GM_PAGE)), 0);
}

static const struct gm_case cases[] = {
    GM_CASE(D29_each_helper_survives_its_own_failures),
    GM_CASE_WITH(D29_each_helper_survives_its_own_failures, .boot_frames = true),
    GM_CASE(D30_guest_and_vmm_see_a_page_with_the_same_attributes),
    GM_CASE(D30_the_views_of_ram_have_the_guests_attributes),
    GM_CASE(D31_a_create_that_fails_late_gives_everything_back),
    GM_CASE(D32_what_create_made_can_be_destroyed),
    GM_CASE_WITH(D32_what_create_made_can_be_destroyed, .boot_frames = true),
    GM_CASE(D33_the_first_page_of_a_devices_memory_costs_no_other),
    GM_CASE_WITH(D33_the_first_page_of_a_devices_memory_costs_no_other, .boot_frames = true),
    GM_CASE(D33_a_devices_untyped_is_whole_again_behind_a_page),
    GM_CASE(D34_a_base_in_normal_memory_is_backed_to_its_end),
};
const struct gm_suite helper_defects = GM_SUITE("helpers", cases);

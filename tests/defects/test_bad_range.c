/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Bad input: handles, sizes, ranges, and calls at the wrong time. Each is refused with an error of
 * its own, and changes nothing.
 */
#include <string.h>

#include <sel4vm/guest_iospace.h>

#include "defects.h"

/* A call that must answer `answer`, fail as `code`, and change nothing. */
#define REFUSED(env, vm, call, answer, code, name)                                                 \
    do {                                                                                           \
        CHANGES_NOTHING(env, GM_CHECK_EQ((intptr_t)(call), (intptr_t)(answer)));                   \
        CHECK_FAILURE(vm, code, name);                                                             \
    } while (0)

static int never_visit(const struct guestmem_map_entry *entry, void *cookie)
{
    (void)entry;
    (void)cookie;
    return 77;
}

static int never_touch(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset, void *cookie)
{
    (void)vm;
    (void)addr;
    (void)vaddr;
    (void)size;
    (void)offset;
    (void)cookie;
    return 77;
}

static void never_release(vm_t *vm, seL4_CPtr frame, size_t size_bits, void *cookie)
{
    (void)vm;
    (void)frame;
    (void)size_bits;
    (void)cookie;
    GM_FAIL("a frame was released that nobody gave");
}

/* All calls of the compatible interface with this VM, which has no memory. */
static void check_compatible(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights};
    uintptr_t addr = 1;
    size_t size = 1;
    seL4_CPtr cap = 1;

    GM_CHECK_NULL(vm_reserve_memory_at(vm, BASE, GM_PAGE, default_error_fault_callback, NULL));
    GM_CHECK_NULL(vm_reserve_anon_memory(vm, GM_PAGE, 1, default_error_fault_callback, NULL, &addr));
    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, GM_PAGE), -1);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, NULL), -1);
    GM_CHECK_EQ(vm_map_reservation(vm, NULL, gm_giver_next, &giver), -1);
    GM_CHECK_EQ(map_vm_memory_reservation(vm, NULL, gm_giver_next, &giver), -1);
    GM_CHECK_EQ(vm_map_reservation_frames(vm, NULL, &cap, 1, GM_BITS_4K), -1);
    GM_CHECK_EQ(vm_memory_handle_fault(vm, NULL, BASE, 4), FAULT_ERROR);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE, 1, never_touch, NULL), -1);
    GM_CHECK_EQ(vm_ram_find_largest_free_region(vm, &addr, &size), -1);
    GM_CHECK_EQ(vm_ram_register(vm, GM_PAGE), 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_PAGE, false), -1);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_PAGE, true), -1);
    GM_CHECK_EQ(vm_ram_register_at_custom_iterator(vm, BASE, GM_PAGE, gm_giver_next, &giver), -1);
    vm_ram_mark_allocated(vm, BASE, GM_PAGE);
    vm_ram_free(vm, BASE, GM_PAGE);
    GM_CHECK_EQ(vm_ram_allocate(vm, GM_PAGE), 0);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, 1), 0);
    GM_CHECK_EQ(vm_guest_add_iospace(vm, NULL, 1), -1);
    GM_CHECK_EQ(giver.calls, 0);
    GM_CHECK_EQ(addr, 1);
    GM_CHECK_EQ(size, 1);
}

static void check_helpers(vm_t *vm)
{
    GM_CHECK_NULL(create_allocated_reservation_frame(vm, BASE, seL4_AllRights, default_error_fault_callback, NULL));
    GM_CHECK_NULL(create_device_reservation_frame(vm, BASE, seL4_AllRights, default_error_fault_callback, NULL));
    GM_CHECK_EQ(map_ut_alloc_reservation_with_base_paddr(vm, BASE, NULL), -1);
    GM_CHECK_EQ(map_ut_alloc_reservation(vm, NULL), -1);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, NULL), -1);
    GM_CHECK_EQ(map_maybe_device_reservation(vm, NULL), -1);
}

static void check_beyond(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env};
    struct guestmem_policy policy;
    struct guestmem_stats stats;

    guestmem_policy_default(&policy);
    GM_CHECK_NULL(guestmem_last_failure(vm));
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_get_policy(vm, &policy), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_reservation_set_policy(vm, NULL, &policy), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_reservation_get_policy(vm, NULL, &policy), GUESTMEM_EINVAL);
    GM_CHECK_NULL(guestmem_reservation_at(vm, BASE));
    GM_CHECK_EQ(guestmem_map_iterator(vm, NULL, gm_giver_next, never_release, &giver), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_populate(vm, BASE, GM_PAGE), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_set_rights(vm, BASE, GM_PAGE, seL4_CanRead), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_created_destroy(vm, BASE), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_ram_mark(vm, BASE, GM_PAGE, true), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_ram_discard(vm, BASE, GM_PAGE), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_get_stats(vm, &stats), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_walk(vm, never_visit, NULL), GUESTMEM_EINVAL);
}

static void no_vm_is_an_error_everywhere(struct gm_env *env, vm_t *vm)
{
    (void)vm;
    CHANGES_NOTHING(env, check_compatible(env, NULL); check_helpers(NULL); check_beyond(env, NULL));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_memory_init(NULL), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_destroy(NULL), GUESTMEM_EINVAL));
}

static void a_vm_whose_memory_is_not_initialised_is_an_error_everywhere(struct gm_env *env, vm_t *vm)
{
    vm_t *blank = gm_env_blank_vm(env);

    (void)vm;
    CHANGES_NOTHING(env, check_compatible(env, blank); check_helpers(blank); check_beyond(env, blank));
    blank->io_ops = NULL;
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_memory_init(blank), -1));
}

static void a_guest_vspace_needs_all_it_is_made_of(struct gm_env *env, vm_t *vm)
{
    vm_t *blank = gm_env_blank_vm(env);
    vspace_t *vmm = &blank->mem.vmm_vspace;
    vspace_t *own = &blank->mem.vm_vspace;
    seL4_CPtr root = blank->mem.vm_vspace_root.cptr;

    (void)vm;
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_init_guest_vspace(vmm, NULL, own, blank->vka, root), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_init_guest_vspace(vmm, vmm, NULL, blank->vka, root), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_init_guest_vspace(vmm, vmm, own, NULL, root), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_init_guest_vspace(vmm, vmm, own, blank->vka, 0), -1));
}

static void ranges_of_no_bytes_are_refused(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = 1;

    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_MIB, false), 0);
    GM_CHECK_EQ(vm_memory_make_anon(vm, 2 * BASE, GM_MIB), 0);
    REFUSED(env, vm, vm_reserve_memory_at(vm, 4 * BASE, 0, default_error_fault_callback, NULL), NULL,
            GUESTMEM_EINVAL, "vm_reserve_memory_at");
    REFUSED(env, vm, vm_reserve_anon_memory(vm, 0, 1, default_error_fault_callback, NULL, &addr), NULL,
            GUESTMEM_EINVAL, "vm_reserve_anon_memory");
    REFUSED(env, vm, vm_memory_make_anon(vm, 4 * BASE, 0), -1, GUESTMEM_EINVAL, "vm_memory_make_anon");
    REFUSED(env, vm, vm_ram_touch(vm, BASE, 0, never_touch, NULL), -1, GUESTMEM_EINVAL, "vm_ram_touch");
    REFUSED(env, vm, vm_ram_register(vm, 0), 0, GUESTMEM_EINVAL, "vm_ram_register");
    REFUSED(env, vm, vm_ram_register_at(vm, 4 * BASE, 0, false), -1, GUESTMEM_EINVAL, "vm_ram_register_at");
    REFUSED(env, vm, vm_ram_allocate(vm, 0), 0, GUESTMEM_EINVAL, "vm_ram_allocate");
    REFUSED(env, vm, guestmem_populate(vm, BASE, 0), GUESTMEM_EINVAL, GUESTMEM_EINVAL, "guestmem_populate");
    REFUSED(env, vm, guestmem_set_rights(vm, BASE, 0, seL4_CanRead), GUESTMEM_EINVAL, GUESTMEM_EINVAL,
            "guestmem_set_rights");
    REFUSED(env, vm, guestmem_ram_discard(vm, BASE, 0), GUESTMEM_EINVAL, GUESTMEM_EINVAL, "guestmem_ram_discard");
    REFUSED(env, vm, guestmem_ram_mark(vm, BASE, 0, true), GUESTMEM_EINVAL, GUESTMEM_EINVAL, "guestmem_ram_mark");
    GM_CHECK_EQ(addr, 1);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 0), FAULT_UNHANDLED);
}

static void ranges_that_wrap_or_leave_the_space_are_refused(struct gm_env *env, vm_t *vm)
{
    const uintptr_t end = env->guest_end;
    vm_memory_reservation_t *res = reserve(vm, end - 2 * GM_PAGE, 2 * GM_PAGE);
    uintptr_t addr = 1;

    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_MIB, false), 0);
    GM_CHECK_EQ(vm_memory_make_anon(vm, 2 * BASE, GM_MIB), 0);
    REFUSED(env, vm, vm_reserve_anon_memory(vm, SIZE_MAX, 1, default_error_fault_callback, NULL, &addr), NULL,
            GUESTMEM_ERANGE, "vm_reserve_anon_memory");
    REFUSED(env, vm, vm_ram_touch(vm, BASE, SIZE_MAX, never_touch, NULL), -1, GUESTMEM_ERANGE, "vm_ram_touch");
    REFUSED(env, vm, vm_ram_register(vm, SIZE_MAX), 0, GUESTMEM_ERANGE, "vm_ram_register");
    REFUSED(env, vm, vm_ram_allocate(vm, SIZE_MAX), 0, GUESTMEM_ERANGE, "vm_ram_allocate");
    REFUSED(env, vm, guestmem_populate(vm, BASE, SIZE_MAX), GUESTMEM_ERANGE, GUESTMEM_ERANGE, "guestmem_populate");
    REFUSED(env, vm, guestmem_populate(vm, end, 1), GUESTMEM_ERANGE, GUESTMEM_ERANGE, "guestmem_populate");
    REFUSED(env, vm, guestmem_set_rights(vm, BASE, SIZE_MAX, seL4_CanRead), GUESTMEM_ERANGE, GUESTMEM_ERANGE,
            "guestmem_set_rights");
    REFUSED(env, vm, guestmem_ram_discard(vm, end - GM_PAGE, 2 * GM_PAGE), GUESTMEM_ERANGE, GUESTMEM_ERANGE,
            "guestmem_ram_discard");
    REFUSED(env, vm, create_allocated_reservation_frame(vm, end, seL4_AllRights, default_error_fault_callback, NULL),
            NULL, GUESTMEM_ERANGE, "create_allocated_reservation_frame");
    REFUSED(env, vm, map_ut_alloc_reservation_with_base_paddr(vm, UINTPTR_MAX - GM_PAGE + 1, res), -1,
            GUESTMEM_ERANGE, "map_ut_alloc_reservation_with_base_paddr");
}

static void calls_without_a_callback_or_an_iterator_are_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);
    struct gm_giver giver = {.env = env};
    uintptr_t addr = 1;
    size_t size;

    GM_CHECK_EQ(vm_memory_make_anon(vm, 2 * BASE, GM_MIB), 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, 4 * BASE, GM_PAGE, false), 0);
    REFUSED(env, vm, vm_reserve_memory_at(vm, 8 * BASE, GM_PAGE, NULL, NULL), NULL, GUESTMEM_EINVAL,
            "vm_reserve_memory_at");
    REFUSED(env, vm, vm_reserve_anon_memory(vm, GM_PAGE, 1, NULL, NULL, &addr), NULL, GUESTMEM_EINVAL,
            "vm_reserve_anon_memory");
    REFUSED(env, vm, vm_reserve_anon_memory(vm, GM_PAGE, 1, default_error_fault_callback, NULL, NULL), NULL,
            GUESTMEM_EINVAL, "vm_reserve_anon_memory");
    REFUSED(env, vm, vm_map_reservation(vm, res, NULL, NULL), -1, GUESTMEM_EINVAL, "vm_map_reservation");
    REFUSED(env, vm, map_vm_memory_reservation(vm, res, NULL, NULL), -1, GUESTMEM_EINVAL,
            "map_vm_memory_reservation");
    REFUSED(env, vm, vm_map_reservation_frames(vm, res, NULL, 1, GM_BITS_4K), -1, GUESTMEM_EINVAL,
            "vm_map_reservation_frames");
    REFUSED(env, vm, vm_ram_register_at_custom_iterator(vm, 8 * BASE, GM_PAGE, NULL, NULL), -1, GUESTMEM_EINVAL,
            "vm_ram_register_at_custom_iterator");
    REFUSED(env, vm, guestmem_map_iterator(vm, res, NULL, never_release, NULL), GUESTMEM_EINVAL, GUESTMEM_EINVAL,
            "guestmem_map_iterator");
    REFUSED(env, vm, guestmem_map_iterator(vm, res, gm_giver_next, NULL, &giver), GUESTMEM_EINVAL, GUESTMEM_EINVAL,
            "guestmem_map_iterator");
    REFUSED(env, vm, create_allocated_reservation_frame(vm, 8 * BASE, seL4_AllRights, NULL, NULL), NULL,
            GUESTMEM_EINVAL, "create_allocated_reservation_frame");
    REFUSED(env, vm, create_device_reservation_frame(vm, env->device_base, seL4_AllRights, NULL, NULL), NULL,
            GUESTMEM_EINVAL, "create_device_reservation_frame");
    REFUSED(env, vm, vm_ram_touch(vm, 4 * BASE, 1, NULL, NULL), -1, GUESTMEM_EINVAL, "vm_ram_touch");
    REFUSED(env, vm, vm_ram_find_largest_free_region(vm, NULL, &size), -1, GUESTMEM_EINVAL,
            "vm_ram_find_largest_free_region");
    GM_CHECK_EQ(guestmem_walk(vm, NULL, NULL), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_get_stats(vm, NULL), GUESTMEM_EINVAL);
    GM_CHECK_EQ(giver.calls, 0);
}

static void addresses_that_are_not_aligned_are_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);

    REFUSED(env, vm,
            create_allocated_reservation_frame(vm, 2 * BASE + 8, seL4_AllRights, default_error_fault_callback, NULL),
            NULL, GUESTMEM_EINVAL, "create_allocated_reservation_frame");
    REFUSED(env, vm,
            create_device_reservation_frame(vm, env->device_base + 0x800, seL4_AllRights,
                                            default_error_fault_callback, NULL),
            NULL, GUESTMEM_EINVAL, "create_device_reservation_frame");
    REFUSED(env, vm, map_ut_alloc_reservation_with_base_paddr(vm, env->device_base + 0x10, res), -1,
            GUESTMEM_EINVAL, "map_ut_alloc_reservation_with_base_paddr");
    REFUSED(env, vm, vm_memory_make_anon(vm, 2 * BASE + 1, GM_PAGE), -1, GUESTMEM_EINVAL, "vm_memory_make_anon");
}

static void a_policy_out_of_range_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);
    struct guestmem_policy bad[7];

    for (size_t i = 0; i < 7; i++) {
        guestmem_policy_default(&bad[i]);
    }
    bad[0].frame_bits_max = 13;
    bad[1].populate = (enum guestmem_populate)7;
    bad[2].memory_type = (enum guestmem_memory_type)3;
    bad[3].discarded = (enum guestmem_discarded)-1;
    bad[4].call_bytes_max = 0;
    bad[5].untyped_bits_max = 11;
    bad[6].untyped_bits_max = 64;
    for (size_t i = 0; i < 7; i++) {
        REFUSED(env, vm, guestmem_set_policy(vm, &bad[i]), GUESTMEM_EINVAL, GUESTMEM_EINVAL, "guestmem_set_policy");
        REFUSED(env, vm, guestmem_reservation_set_policy(vm, res, &bad[i]), GUESTMEM_EINVAL, GUESTMEM_EINVAL,
                "guestmem_reservation_set_policy");
    }
    REFUSED(env, vm, guestmem_set_policy(vm, NULL), GUESTMEM_EINVAL, GUESTMEM_EINVAL, "guestmem_set_policy");
    GM_CHECK_EQ(guestmem_get_policy(vm, NULL), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_reservation_get_policy(vm, res, NULL), GUESTMEM_EINVAL);
}

/* Every call that takes a reservation, with one that isn't this VM's. */
static void check_handle(struct gm_env *env, vm_t *vm, vm_memory_reservation_t *res, int code)
{
    struct gm_giver giver = {.env = env};
    struct guestmem_policy policy;
    seL4_CPtr cap = 1;

    guestmem_policy_default(&policy);
    REFUSED(env, vm, vm_free_reserved_memory(vm, res), -1, code, "vm_free_reserved_memory");
    REFUSED(env, vm, vm_map_reservation(vm, res, gm_giver_next, &giver), -1, code, "vm_map_reservation");
    REFUSED(env, vm, map_vm_memory_reservation(vm, res, gm_giver_next, &giver), -1, code,
            "map_vm_memory_reservation");
    REFUSED(env, vm, vm_map_reservation_frames(vm, res, &cap, 1, GM_BITS_4K), -1, code,
            "vm_map_reservation_frames");
    REFUSED(env, vm, map_frame_alloc_reservation(vm, res), -1, code, "map_frame_alloc_reservation");
    REFUSED(env, vm, map_maybe_device_reservation(vm, res), -1, code, "map_maybe_device_reservation");
    REFUSED(env, vm, map_ut_alloc_reservation(vm, res), -1, code, "map_ut_alloc_reservation");
    REFUSED(env, vm, map_ut_alloc_reservation_with_base_paddr(vm, env->device_base, res), -1, code,
            "map_ut_alloc_reservation_with_base_paddr");
    REFUSED(env, vm, guestmem_map_iterator(vm, res, gm_giver_next, never_release, &giver), code, code,
            "guestmem_map_iterator");
    REFUSED(env, vm, guestmem_reservation_set_policy(vm, res, &policy), code, code,
            "guestmem_reservation_set_policy");
    GM_CHECK_EQ(guestmem_reservation_get_policy(vm, res, &policy), code);
    GM_CHECK_EQ(giver.calls, 0);
}

static void reservations_that_are_null_stale_or_foreign_are_refused(struct gm_env *env, vm_t *vm)
{
    vm_t *other = gm_env_new_vm(env);
    vm_memory_reservation_t *foreign = reserve(other, BASE, GM_PAGE);
    vm_memory_reservation_t *stale;
    uintptr_t addr = 1;
    size_t size = 1;

    reserve(vm, 2 * BASE, GM_PAGE); /* one that stays, so that book-keeping does too */
    stale = reserve(vm, BASE, GM_PAGE);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, stale), 0);
    check_handle(env, vm, NULL, GUESTMEM_EINVAL);
    check_handle(env, vm, foreign, GUESTMEM_ESTALE);
    check_handle(env, vm, stale, GUESTMEM_ESTALE);
    check_handle(env, vm, (vm_memory_reservation_t *)&addr, GUESTMEM_ESTALE);
    check_handle(env, vm, (vm_memory_reservation_t *)((char *)foreign + 1), GUESTMEM_ESTALE);
    vm_get_reservation_memory_region(NULL, &addr, &size);
    GM_CHECK_EQ(addr, 0);
    GM_CHECK_EQ(size, 0);
    vm_get_reservation_memory_region(foreign, NULL, NULL);
}

static void a_second_free_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_PAGE);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    REFUSED(env, vm, vm_free_reserved_memory(vm, res), -1, GUESTMEM_ESTALE, "vm_free_reserved_memory");
}

static void what_is_claimed_is_named_when_it_is_claimed_again(struct gm_env *env, vm_t *vm)
{
    reserve(vm, BASE, 0x1800);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, 2 * BASE, 0x800)), 0);
    GM_CHECK_EQ(vm_memory_make_anon(vm, 4 * BASE, GM_MIB), 0);
    REFUSED(env, vm, vm_reserve_memory_at(vm, BASE + 0x17ff, 8, default_error_fault_callback, NULL), NULL,
            GUESTMEM_ETAKEN, "vm_reserve_memory_at");
    GM_CHECK_EQ(guestmem_last_failure(vm)->base, BASE + 0x17ff);
    GM_CHECK_EQ(guestmem_last_failure(vm)->size, 8);
    GM_CHECK_EQ(guestmem_last_failure(vm)->other_base, BASE);
    GM_CHECK_EQ(guestmem_last_failure(vm)->other_size, 0x1800);
    REFUSED(env, vm, vm_reserve_memory_at(vm, 2 * BASE + 0x900, 8, default_error_fault_callback, NULL), NULL,
            GUESTMEM_ETAKEN, "vm_reserve_memory_at");
    GM_CHECK_EQ(guestmem_last_failure(vm)->other_base, 2 * BASE);
    REFUSED(env, vm, vm_reserve_memory_at(vm, 4 * BASE + 0x5000, 8, default_error_fault_callback, NULL), NULL,
            GUESTMEM_ETAKEN, "vm_reserve_memory_at");
    GM_CHECK_EQ(guestmem_last_failure(vm)->other_base, 4 * BASE);
    REFUSED(env, vm, vm_memory_make_anon(vm, 4 * BASE - GM_PAGE, 2 * GM_PAGE), -1, GUESTMEM_ETAKEN,
            "vm_memory_make_anon");
    REFUSED(env, vm, vm_ram_register_at(vm, BASE - GM_PAGE, 4 * GM_PAGE, false), -1, GUESTMEM_ETAKEN,
            "vm_ram_register_at");
    REFUSED(env, vm,
            create_allocated_reservation_frame(vm, 2 * BASE, seL4_AllRights, default_error_fault_callback, NULL), NULL,
            GUESTMEM_ETAKEN, "create_allocated_reservation_frame");
}

/* A callback that tries to free its own reservation, and everything. */
struct freeing {
    vm_memory_reservation_t *res;
    vm_memory_reservation_t *other;
    unsigned calls;
};

static memory_fault_result_t free_own(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length, void *cookie)
{
    struct freeing *freeing = cookie;

    (void)vcpu;
    (void)addr;
    (void)length;
    freeing->calls++;
    GM_CHECK_EQ(vm_free_reserved_memory(vm, freeing->res), -1);
    CHECK_FAILURE(vm, GUESTMEM_EBUSY, "vm_free_reserved_memory");
    GM_CHECK_EQ(guestmem_destroy(vm), GUESTMEM_EBUSY);
    CHECK_FAILURE(vm, GUESTMEM_EBUSY, "guestmem_destroy");
    if (freeing->other != NULL) {
        GM_CHECK_EQ(vm_free_reserved_memory(vm, freeing->other), 0);
        freeing->other = NULL;
    }
    return FAULT_RESTART;
}

static void a_callback_cannot_free_its_own_reservation_but_others(struct gm_env *env, vm_t *vm)
{
    struct freeing freeing = {0};

    freeing.res = vm_reserve_memory_at(vm, BASE, GM_PAGE, free_own, &freeing);
    GM_CHECK_NOT_NULL(freeing.res);
    CHANGES_NOTHING(env, freeing.other = reserve(vm, 2 * BASE, GM_PAGE);
                    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_RESTART));
    CHANGES_NOTHING(env, GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_RESTART));
    GM_CHECK_EQ(freeing.calls, 2);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, freeing.res), 0);
}

static void what_this_kernel_cannot_do_says_so(struct gm_env *env, vm_t *vm)
{
    REFUSED(env, vm, vm_guest_add_iospace(vm, env->vmm, env->endpoint), -1, GUESTMEM_ENOSUP, "vm_guest_add_iospace");
}

static const struct gm_case cases[] = {
    GM_CASE(no_vm_is_an_error_everywhere),
    GM_CASE(a_vm_whose_memory_is_not_initialised_is_an_error_everywhere),
    GM_CASE(a_guest_vspace_needs_all_it_is_made_of),
    GM_CASE(ranges_of_no_bytes_are_refused),
    GM_CASE(ranges_that_wrap_or_leave_the_space_are_refused),
    GM_CASE(calls_without_a_callback_or_an_iterator_are_refused),
    GM_CASE(addresses_that_are_not_aligned_are_refused),
    GM_CASE(a_policy_out_of_range_is_refused),
    GM_CASE(reservations_that_are_null_stale_or_foreign_are_refused),
    GM_CASE(a_second_free_is_refused),
    GM_CASE(what_is_claimed_is_named_when_it_is_claimed_again),
    GM_CASE(a_callback_cannot_free_its_own_reservation_but_others),
    GM_CASE(what_this_kernel_cannot_do_says_so),
};
const struct gm_suite bad_range_suite = GM_SUITE("bad_range", cases);

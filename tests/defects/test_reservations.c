/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * D01, D02, D06, D07, D11 to D14, D16, D18, D19: claiming ranges and giving them back.
 */
#include <string.h>

#include "defects.h"

/* With the defect the callback is called for bytes that aren't its reservation's. */
static void D01_an_access_that_straddles_a_reservations_end_reaches_nobody(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};

    (void)env;
    GM_CHECK_NOT_NULL(vm_reserve_memory_at(vm, BASE, 0x1000, gm_fault_note, &log));
    for (uintptr_t addr = BASE + 0x1000 - 7; addr < BASE + 0x1000; addr++) {
        GM_CHECK_EQ(gm_env_fault(vm, addr, 8), FAULT_UNHANDLED);
    }
    GM_CHECK_EQ(gm_env_fault(vm, BASE - 1, 2), FAULT_UNHANDLED);
    GM_CHECK_EQ(log.count, 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x1000 - 8, 8), FAULT_HANDLED);
    GM_CHECK_EQ(log.count, 1);
}

/* With the defect each round leaves an index node's bytes behind. */
static void D02_reserving_and_freeing_leaves_no_bytes(struct gm_env *env, vm_t *vm)
{
    CHANGES_NOTHING(env, for (unsigned i = 0; i < 1000; i++) {
        GM_CHECK_EQ(vm_free_reserved_memory(vm, reserve(vm, BASE + i * 0x1000, 0x1000)), 0);
    });
}

/* The same where the freed one isn't the last. */
static void D02_freeing_between_others_leaves_no_bytes(struct gm_env *env, vm_t *vm)
{
    for (unsigned i = 0; i < 100; i++) {
        reserve(vm, BASE + i * 0x10000, 0x1000);
    }
    GM_CHECK_EQ(vm_free_reserved_memory(vm, reserve(vm, BASE + 0x8000, 0x1000)), 0);
    CHANGES_NOTHING(env, for (unsigned i = 0; i < 1000; i++) {
        GM_CHECK_EQ(vm_free_reserved_memory(vm, reserve(vm, BASE + 0x8000 + i % 100 * 0x10000, 0x1000)), 0);
    });
}

static vm_memory_reservation_t *reserve_anon(vm_t *vm, size_t size, size_t align, uintptr_t *addr)
{
    return vm_reserve_anon_memory(vm, size, align, default_error_fault_callback, NULL, addr);
}

/* With the defect the address lies below the region. */
static void D06_an_alignment_that_the_pool_cannot_meet_is_refused(struct gm_env *env, vm_t *vm)
{
    const uintptr_t pool = BASE + GM_PAGE;
    uintptr_t addr = 1;

    GM_CHECK_EQ(vm_memory_make_anon(vm, pool, 64 * GM_KIB), 0);
    CHANGES_NOTHING(env, GM_CHECK_NULL(reserve_anon(vm, GM_PAGE, GM_MIB, &addr)));
    CHANGES_NOTHING(env, GM_CHECK_NULL(reserve_anon(vm, GM_PAGE, (size_t)1 << 63, &addr)));
    GM_CHECK_EQ(addr, 1);
}

/* The same alignment, larger than the region, where the region's start happens to have it. */
static void D06_a_large_alignment_that_the_pool_meets_is_given(struct gm_env *env, vm_t *vm)
{
    uintptr_t addr = 0;

    (void)env;
    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, 64 * GM_KIB), 0);
    GM_CHECK_NOT_NULL(reserve_anon(vm, GM_PAGE, GM_MIB, &addr));
    GM_CHECK_EQ(addr, BASE);
    GM_CHECK_NULL(reserve_anon(vm, GM_PAGE, GM_MIB, &addr));
}

/* With the defect an alignment of 0 divides by zero: the VMM dies. */
static void D06_an_alignment_that_is_no_power_of_two_is_refused(struct gm_env *env, vm_t *vm)
{
    static const size_t bad[] = {0, 3, 0x1800, SIZE_MAX};
    uintptr_t addr = 1;

    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, GM_MIB), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHANGES_NOTHING(env, GM_CHECK_NULL(reserve_anon(vm, GM_PAGE, bad[i], &addr)));
        CHECK_FAILURE(vm, GUESTMEM_EINVAL, "vm_reserve_anon_memory");
    }
    GM_CHECK_EQ(addr, 1);
    GM_CHECK_NOT_NULL(reserve_anon(vm, GM_PAGE, 1, &addr));
}

/* With the defect the reservation is made, and mapping it maps nothing and answers 0. */
static void D07_a_range_that_wraps_or_leaves_the_space_is_refused(struct gm_env *env, vm_t *vm)
{
    const struct {
        uintptr_t base;
        size_t size;
    } bad[] = {
        {UINTPTR_MAX - 0xfff, 0x1000}, {UINTPTR_MAX - 0xfff, 0x2000},  {BASE, SIZE_MAX},
        {BASE, SIZE_MAX - BASE + 1},   {env->guest_end - 0x1000, 0x1001}, {env->guest_end, 0x1000},
        {(uintptr_t)1 << 44, 0x1000},  {1, SIZE_MAX},                  {0, (size_t)env->guest_end + 1},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHANGES_NOTHING(env, GM_CHECK_NULL(vm_reserve_memory_at(vm, bad[i].base, bad[i].size,
                                                                default_error_fault_callback, NULL)));
        CHECK_FAILURE(vm, GUESTMEM_ERANGE, "vm_reserve_memory_at");
        CHANGES_NOTHING(env, GM_CHECK_EQ(vm_memory_make_anon(vm, bad[i].base, bad[i].size), -1));
        CHECK_FAILURE(vm, GUESTMEM_ERANGE, "vm_memory_make_anon");
        CHANGES_NOTHING(env, GM_CHECK_EQ(vm_ram_register_at(vm, bad[i].base, bad[i].size, false), -1));
        CHECK_FAILURE(vm, GUESTMEM_ERANGE, "vm_ram_register_at");
    }
}

static void D07_the_last_page_of_the_space_can_be_backed(struct gm_env *env, vm_t *vm)
{
    uintptr_t last = env->guest_end - GM_PAGE;

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, last, GM_PAGE)), 0);
    GM_CHECK_LEAF(env, vm, last, GM_BITS_4K, "rw", false);
}

/* With the defect the second call fails, but has taken a frame. */
static void D11_backing_what_is_backed_takes_nothing(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights};
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_PAGE);
    seL4_CPtr caps[2];

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    gm_env_frames(env, GM_BITS_4K, 2, caps);
    CHANGES_NOTHING(env, GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), -1));
    CHECK_FAILURE(vm, GUESTMEM_EMAPPED, "map_frame_alloc_reservation");
    CHANGES_NOTHING(env, GM_CHECK_EQ(map_maybe_device_reservation(vm, res), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(map_ut_alloc_reservation(vm, res), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), -1));
    GM_CHECK_EQ(giver.calls, 0);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 2, GM_BITS_4K), -1));
    CHECK_FAILURE(vm, GUESTMEM_EMAPPED, "vm_map_reservation_frames");
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
}

/* With the defect the free fails, or the pool runs out. */
static void D12_anonymous_reservations_are_freed_and_used_again(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res[16];
    uintptr_t addr[16];
    uintptr_t whole = 0;

    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, 16 * GM_PAGE), 0);
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < 16; i++) {
            res[i] = reserve_anon(vm, GM_PAGE, GM_PAGE, &addr[i]);
            GM_CHECK_NOT_NULL(res[i]);
            GM_CHECK_EQ(map_frame_alloc_reservation(vm, res[i]), 0);
        }
        GM_CHECK_NULL(reserve_anon(vm, GM_PAGE, GM_PAGE, &whole));
        for (unsigned i = 0; i < 16; i++) {
            GM_CHECK_EQ(vm_free_reserved_memory(vm, res[(i * 7 + round) % 16]), 0);
        }
    }
    GM_CHECK_NOT_NULL(reserve_anon(vm, 16 * GM_PAGE, GM_PAGE, &whole));
    GM_CHECK_EQ(whole, BASE);
    GM_CHECK_NO_LEAF(env, vm, BASE);
}

/* With the defect the range stays taken after the failure. */
static void D13_a_failed_donation_leaves_its_range_free(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *in_the_way = reserve(vm, BASE + 0x8000, 0x100);
    uintptr_t addr = 0;

    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, GM_MIB), -1));
    CHECK_FAILURE(vm, GUESTMEM_ETAKEN, "vm_memory_make_anon");
    GM_CHECK_EQ(guestmem_last_failure(vm)->other_base, BASE + 0x8000);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, in_the_way), 0);
    if (gm_env_fail_kinds(env) & GM_FAIL_MALLOC) {
        for (uint64_t k = 1;; k++) {
            struct gm_env_snapshot *before = gm_env_snapshot(env);

            gm_env_fail(env, GM_FAIL_MALLOC, k, false);
            if (vm_memory_make_anon(vm, BASE, GM_MIB) == 0) {
                gm_env_snapshot_free(before);
                GM_CHECK(k > 1);
                break;
            }
            gm_env_fail(env, 0, 0, false);
            gm_env_check_same(env, before);
            GM_CHECK_EQ(vm_free_reserved_memory(vm, reserve(vm, BASE, GM_MIB)), 0);
        }
        gm_env_fail(env, 0, 0, false);
    } else {
        GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, GM_MIB), 0);
    }
    GM_CHECK_NOT_NULL(reserve_anon(vm, GM_MIB, 1, &addr));
    GM_CHECK_EQ(addr, BASE);
}

/* With the defect the second claim fails. */
static void D14_a_range_with_a_whole_2_mib_in_it_can_be_claimed_again(struct gm_env *env, vm_t *vm)
{
    for (unsigned i = 0; i < 3; i++) {
        CHANGES_NOTHING(env, GM_CHECK_EQ(vm_free_reserved_memory(vm, reserve(vm, BASE - GM_PAGE, 6 * GM_MIB)), 0));
    }
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, BASE - GM_PAGE, 6 * GM_MIB)), 0);
}

/* A VM with something of everything in it, some of it half done. */
static void build(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights, .fail_at = 3};
    seL4_CPtr caps[4];
    uintptr_t addr;

    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE + GM_GIB, 16 * GM_MIB), 0);
    GM_CHECK_NOT_NULL(reserve_anon(vm, 0x123, 1, &addr));
    GM_CHECK_NE(vm_ram_register(vm, 3 * GM_MIB), 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, 0x500, GM_MIB, false), 0);
    GM_CHECK_EQ(vm_ram_touch(vm, 0x1000, 0x5000, vm_guest_ram_write_callback, (char[0x5000]){0}), 0);
    GM_CHECK_EQ(guestmem_ram_discard(vm, 0x3000, 0x2000), GUESTMEM_OK);
    GM_CHECK_NOT_NULL(create_allocated_reservation_frame(vm, BASE, seL4_CanRead, default_error_fault_callback, NULL));
    GM_CHECK_NOT_NULL(
        create_device_reservation_frame(vm, env->device_base, seL4_AllRights, default_error_fault_callback, NULL));
    GM_CHECK_EQ(vm_map_reservation(vm, reserve(vm, BASE + 0x10000, 0x4000), gm_giver_next, &giver), -1);
    gm_env_frames(env, GM_BITS_4K, 4, caps);
    GM_CHECK_EQ(vm_map_reservation_frames(vm, reserve(vm, BASE + 0x20000, 0x4000), caps, 4, GM_BITS_4K), 0);
    set_populate(vm, GUESTMEM_POPULATE_LAZY);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, BASE + 0x30000, 0x8000)), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x32000, 4), FAULT_RESTART);
    GM_CHECK_NOT_NULL(vspace_new_pages(&vm->mem.vm_vspace, seL4_AllRights, 3, GM_BITS_4K));
    GM_CHECK_NOT_NULL(vspace_reserve_range_at(&vm->mem.vm_vspace, (void *)(BASE + 0x50000), 0x3000, seL4_CanRead, 1).res);
}

/* With the defect there is no call for it: all of this stays taken. */
static void D16_a_vms_memory_can_be_taken_down_in_any_state(struct gm_env *env, vm_t *vm)
{
    size_t frames = gm_env_frame_count(env);
    vm_t *other;

    build(env, vm);
    frames = gm_env_frame_count(env) - frames;
    CHANGES_NOTHING(env, other = gm_env_new_vm(env); gm_env_drop_vm(env, other));
    GM_CHECK_EQ(guestmem_destroy(vm), GUESTMEM_OK);
    GM_CHECK_NULL(vm->mem.reservation_cookie);
    GM_CHECK_EQ(guestmem_destroy(vm), GUESTMEM_OK);
    GM_CHECK_EQ(frames, 6); /* the caller's are all there, and unmapped: checked when the case ends */
}

/* A VM that is half built can be taken down too. */
static void D16_a_vm_without_reservations_or_without_a_vspace_can_be_taken_down(struct gm_env *env, vm_t *vm)
{
    (void)vm;
    CHANGES_NOTHING(env, vm_t *blank = gm_env_blank_vm(env); gm_env_drop_vm(env, blank));
    CHANGES_NOTHING(env, vm_t *blank = gm_env_blank_vm(env); GM_CHECK_EQ(vm_memory_init(blank), 0);
                    gm_env_drop_vm(env, blank));
    CHANGES_NOTHING(env, vm_t *blank = gm_env_blank_vm(env);
                    GM_CHECK_EQ(vm_init_guest_vspace(&blank->mem.vmm_vspace, &blank->mem.vmm_vspace,
                                                     &blank->mem.vm_vspace, blank->vka,
                                                     blank->mem.vm_vspace_root.cptr),
                                0);
                    GM_CHECK_NOT_NULL(vspace_new_pages(&blank->mem.vm_vspace, seL4_AllRights, 2, GM_BITS_4K));
                    gm_env_drop_vm(env, blank));
}

/* With the limit the second claim fails. */
static void D18_two_reservations_share_a_page(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log uart = {.answer = FAULT_HANDLED};
    struct gm_fault_log timer = {.answer = FAULT_IGNORE};
    vm_memory_reservation_t *res;

    res = vm_reserve_memory_at(vm, BASE + 0x100, 0x100, gm_fault_note, &uart);
    GM_CHECK_NOT_NULL(res);
    GM_CHECK_NOT_NULL(vm_reserve_memory_at(vm, BASE + 0x200, 0xe00, gm_fault_note, &timer));
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x1fc, 4), FAULT_HANDLED);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x200, 4), FAULT_IGNORE);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x1fe, 4), FAULT_UNHANDLED);
    CHANGES_NOTHING(env, GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), -1));
    CHECK_FAILURE(vm, GUESTMEM_ETAKEN, "map_frame_alloc_reservation");
    GM_CHECK_EQ(guestmem_last_failure(vm)->other_base, BASE + 0x200);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x200, 4), FAULT_IGNORE);
}

/* With the limit some of these are refused, since the VMM's kernel has something there. */
static void D19_every_page_of_the_guests_space_can_be_claimed_and_backed(struct gm_env *env, vm_t *vm)
{
    for (uintptr_t gpa = GM_PAGE; gpa < env->guest_end; gpa <<= 1) {
        GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, gpa, GM_PAGE)), 0);
        GM_CHECK_LEAF(env, vm, gpa, GM_BITS_4K, "rw", false);
    }
    for (uintptr_t gib = 3 * GM_GIB; gib < env->guest_end; gib += 60 * GM_GIB) {
        GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, gib, GM_PAGE)), 0);
        GM_CHECK_LEAF(env, vm, gib, GM_BITS_4K, "rw", false);
    }
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, 0, GM_PAGE)), 0);
    GM_CHECK_LEAF(env, vm, 0, GM_BITS_4K, "rw", false);
}

static const struct gm_case cases[] = {
    GM_CASE(D01_an_access_that_straddles_a_reservations_end_reaches_nobody),
    GM_CASE(D02_reserving_and_freeing_leaves_no_bytes),
    GM_CASE(D02_freeing_between_others_leaves_no_bytes),
    GM_CASE(D06_an_alignment_that_the_pool_cannot_meet_is_refused),
    GM_CASE(D06_a_large_alignment_that_the_pool_meets_is_given),
    GM_CASE(D06_an_alignment_that_is_no_power_of_two_is_refused),
    GM_CASE(D07_a_range_that_wraps_or_leaves_the_space_is_refused),
    GM_CASE(D07_the_last_page_of_the_space_can_be_backed),
    GM_CASE(D11_backing_what_is_backed_takes_nothing),
    GM_CASE(D12_anonymous_reservations_are_freed_and_used_again),
    GM_CASE(D13_a_failed_donation_leaves_its_range_free),
    GM_CASE(D14_a_range_with_a_whole_2_mib_in_it_can_be_claimed_again),
    GM_CASE(D16_a_vms_memory_can_be_taken_down_in_any_state),
    GM_CASE(D16_a_vm_without_reservations_or_without_a_vspace_can_be_taken_down),
    GM_CASE(D18_two_reservations_share_a_page),
    GM_CASE(D19_every_page_of_the_guests_space_can_be_claimed_and_backed),
};
const struct gm_suite reservation_defects = GM_SUITE("reservations", cases);

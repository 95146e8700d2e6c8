/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * D10: built with CONFIG_LIB_SEL4VM_DEFER_MEMORY_MAP, as a program of its own.
 */
#include "defects.h"

#if !defined(CONFIG_LIB_SEL4VM_DEFER_MEMORY_MAP)
#error "this program is about the configuration that defers mapping"
#endif

/* With the defect the setting does nothing: all is mapped at once. */
static void D10_the_setting_defers_mapping(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights};

    GM_CHECK_EQ(vm_map_reservation(vm, reserve(vm, BASE, 8 * GM_PAGE), gm_giver_next, &giver), 0);
    GM_CHECK_EQ(giver.calls, 0);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 2 * GM_PAGE, 4), FAULT_RESTART);
    GM_CHECK_EQ(giver.calls, 1);
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_PAGE, GM_BITS_4K, "rw", false);
    GM_CHECK_NO_LEAF(env, vm, BASE + 3 * GM_PAGE);
    GM_CHECK_EQ(map_vm_memory_reservation(vm, reserve(vm, 2 * BASE, GM_PAGE), gm_giver_next, &giver), 0);
    GM_CHECK_LEAF(env, vm, 2 * BASE, GM_BITS_4K, "rw", false); /* the call that always maps at once */
}

/* What takes its own memory defers too: 1 GiB of RAM, with 256 MiB to take it from, and one frame of it
 * a fault. */
static void D10_the_setting_defers_ram_and_helpers(struct gm_env *env, vm_t *vm)
{
    struct guestmem_policy policy;
    struct guestmem_stats stats;
    vm_memory_reservation_t *res = reserve(vm, BASE, 8 * GM_PAGE);

    guestmem_policy_default(&policy);
    GM_CHECK_EQ(policy.populate, GUESTMEM_POPULATE_LAZY);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, 8 * BASE, GM_GIB, false), 0);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_EQ(gm_env_fault(vm, 8 * BASE + GM_GIB / 2 + 0x1234, 4), FAULT_RESTART);
    GM_CHECK_LEAF(env, vm, 8 * BASE + GM_GIB / 2, GM_BITS_2M, "rw", false);
    GM_CHECK_EQ(guestmem_get_stats(vm, &stats), GUESTMEM_OK);
    GM_CHECK_EQ(stats.frames[0] + stats.frames[1] + stats.frames[2], 1);
}

/* A reservation's own policy says otherwise, before it is backed. */
static void D10_a_reservation_needs_not_defer(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_PAGE);
    struct guestmem_policy policy;

    GM_CHECK_EQ(guestmem_reservation_get_policy(vm, res, &policy), GUESTMEM_OK);
    GM_CHECK_EQ(policy.populate, GUESTMEM_POPULATE_LAZY);
    policy.populate = GUESTMEM_POPULATE_EAGER;
    GM_CHECK_EQ(guestmem_reservation_set_policy(vm, res, &policy), GUESTMEM_OK);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "rw", false);
}

static const struct gm_case cases[] = {
    GM_CASE(D10_the_setting_defers_mapping),
    GM_CASE(D10_the_setting_defers_ram_and_helpers),
    GM_CASE(D10_a_reservation_needs_not_defer),
};

int main(int argc, char **argv)
{
    static const struct gm_suite suite = GM_SUITE("deferred", cases);
    static const struct gm_suite *const suites[] = {&suite, NULL};

    return gm_test_run(argc, argv, suites);
}

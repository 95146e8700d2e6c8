/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's rights: as asked for, and changed afterwards.
 */
#include <string.h>

#include "defects.h"

static void each_page_has_the_rights_that_were_asked_for(struct gm_env *env, vm_t *vm)
{
    const struct {
        seL4_CapRights_t rights;
        const char *seen;
    } want[] = {
        {seL4_AllRights, "rw"}, {seL4_ReadWrite, "rw"}, {seL4_CanRead, "r"}, {seL4_NoRights, "-"}, {seL4_CanWrite, "-"},
    };

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = want[i].rights};
        uintptr_t at = BASE + i * GM_MIB;
        uint8_t *view = create_allocated_reservation_frame(vm, at, want[i].rights, default_error_fault_callback, NULL);

        GM_CHECK_NOT_NULL(view);
        memset(view, 0x77, GM_PAGE); /* the VMM's is read-write in any case */
        GM_CHECK_LEAF(env, vm, at, GM_BITS_4K, want[i].seen, false);
        at = env->device_base + i * GM_PAGE;
        GM_CHECK_NOT_NULL(
            create_device_reservation_frame(vm, at, want[i].rights, default_error_fault_callback, NULL));
        GM_CHECK_LEAF(env, vm, at, GM_BITS_4K, want[i].seen, true);
        at = 2 * BASE + i * GM_MIB;
        GM_CHECK_EQ(vm_map_reservation(vm, reserve(vm, at, GM_PAGE), gm_giver_next, &giver), 0);
        GM_CHECK_LEAF(env, vm, at, GM_BITS_4K, want[i].seen, false);
    }
}

static void rights_change_frame_by_frame_and_back(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res;

    limit_frames(vm, GM_BITS_4K);
    res = reserve(vm, BASE, 16 * GM_PAGE);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    GM_CHECK_EQ(guestmem_set_rights(vm, BASE + 4 * GM_PAGE, 8 * GM_PAGE, seL4_CanRead), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_set_rights(vm, BASE + 6 * GM_PAGE, 2 * GM_PAGE, seL4_NoRights), GUESTMEM_OK);
    for (unsigned page = 0; page < 16; page++) {
        GM_CHECK_LEAF(env, vm, BASE + page * GM_PAGE, GM_BITS_4K,
                      page < 4 || page >= 12 ? "rw" : page == 6 || page == 7 ? "-" : "r", false);
    }
    GM_CHECK_EQ(guestmem_set_rights(vm, BASE, 16 * GM_PAGE, seL4_AllRights), GUESTMEM_OK);
    for (unsigned page = 0; page < 16; page++) {
        GM_CHECK_LEAF(env, vm, BASE + page * GM_PAGE, GM_BITS_4K, "rw", false);
    }
}

static void rights_of_part_of_a_frame_cannot_change(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, BASE - GM_PAGE, 2 * GM_MIB + 2 * GM_PAGE)), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_set_rights(vm, BASE, GM_PAGE, seL4_CanRead), GUESTMEM_EGRAIN));
    CHECK_FAILURE(vm, GUESTMEM_EGRAIN, "guestmem_set_rights");
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_set_rights(vm, BASE - GM_PAGE, 2 * GM_PAGE, seL4_CanRead),
                                     GUESTMEM_EGRAIN));
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_set_rights(vm, BASE - GM_PAGE, 0x800, seL4_CanRead), GUESTMEM_EGRAIN));
    GM_CHECK_EQ(guestmem_set_rights(vm, BASE - GM_PAGE, 2 * GM_MIB + GM_PAGE, seL4_CanRead), GUESTMEM_OK);
    GM_CHECK_LEAF(env, vm, BASE - GM_PAGE, GM_BITS_4K, "r", false);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "r", false);
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_MIB, GM_BITS_4K, "rw", false);
}

static void rights_of_what_is_not_mapped_cannot_change(struct gm_env *env, vm_t *vm)
{
    reserve(vm, BASE, GM_PAGE);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, 2 * BASE, GM_PAGE)), 0);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, 2 * BASE + GM_PAGE, GM_PAGE)), 0);
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_set_rights(vm, BASE, GM_PAGE, seL4_CanRead), GUESTMEM_EUNMAPPED));
    CHECK_FAILURE(vm, GUESTMEM_EUNMAPPED, "guestmem_set_rights");
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_set_rights(vm, 4 * BASE, GM_PAGE, seL4_CanRead), GUESTMEM_EUNMAPPED));
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_set_rights(vm, 2 * BASE, 2 * GM_PAGE, seL4_CanRead),
                                     GUESTMEM_EUNMAPPED)); /* two reservations */
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_set_rights(vm, 2 * BASE, GM_PAGE, seL4_CanWrite), GUESTMEM_EINVAL));
    CHECK_FAILURE(vm, GUESTMEM_EINVAL, "guestmem_set_rights");
    GM_CHECK_LEAF(env, vm, 2 * BASE, GM_BITS_4K, "rw", false);
}

/* Each request of the change fails once: the rights are those from before, on every page. */
static void a_change_of_rights_is_all_or_nothing(struct gm_env *env, vm_t *vm)
{
    unsigned failures = 0;
    int result;

    if ((gm_env_fail_kinds(env) & GM_FAIL_INVOCATION) == 0) {
        GM_SKIP("the kernel's answers can't be made to fail here");
    }
    limit_frames(vm, GM_BITS_4K);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 16 * GM_PAGE, false), 0);
    GM_CHECK_EQ(guestmem_set_rights(vm, BASE + 3 * GM_PAGE, 5 * GM_PAGE, seL4_CanRead), GUESTMEM_OK);
    for (uint64_t k = 1;; k++) {
        struct gm_env_snapshot *before = gm_env_snapshot(env);

        gm_env_fail(env, GM_FAIL_ANY, k, false);
        result = guestmem_set_rights(vm, BASE + GM_PAGE, 12 * GM_PAGE, seL4_NoRights);
        gm_env_fail(env, 0, 0, false);
        if (result == GUESTMEM_OK) {
            gm_env_snapshot_free(before);
            break;
        }
        gm_env_check_same(env, before);
        for (unsigned page = 0; page < 16; page++) {
            GM_CHECK_LEAF(env, vm, BASE + page * GM_PAGE, GM_BITS_4K, page >= 3 && page < 8 ? "r" : "rw", false);
        }
        failures++;
    }
    GM_CHECK(failures >= 12);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "-", false);
}

/* The VMM writes what the guest may only read. */
static void the_vmm_sees_read_only_ram_read_write(struct gm_env *env, vm_t *vm)
{
    uint8_t text[] = "written by the VMM";

    limit_frames(vm, GM_BITS_4K);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 4 * GM_PAGE, false), 0);
    GM_CHECK_EQ(guestmem_set_rights(vm, BASE + GM_PAGE, GM_PAGE, seL4_CanRead), GUESTMEM_OK);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 2 * GM_PAGE - 4, sizeof(text), vm_guest_ram_write_callback, text), 0);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "r", false);
    GM_CHECK_EQ(guestmem_set_rights(vm, BASE + GM_PAGE, GM_PAGE, seL4_AllRights), GUESTMEM_OK);
    memset(text, 0, sizeof(text));
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 2 * GM_PAGE - 4, sizeof(text), vm_guest_ram_read_callback, text), 0);
    GM_CHECK_BYTES(text, "written by the VMM", sizeof(text));
}

static const struct gm_case cases[] = {
    GM_CASE(each_page_has_the_rights_that_were_asked_for),
    GM_CASE(rights_change_frame_by_frame_and_back),
    GM_CASE(rights_of_part_of_a_frame_cannot_change),
    GM_CASE(rights_of_what_is_not_mapped_cannot_change),
    GM_CASE(a_change_of_rights_is_all_or_nothing),
    GM_CASE(the_vmm_sees_read_only_ram_read_write),
};
const struct gm_suite rights_suite = GM_SUITE("rights", cases);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * mem.vm_vspace as a vspace_t: reservations, pages, look-ups, the end. Sharing is in
 * test_vspace_share.c.
 */
#include "conformance.h"

#include <guestmem/guestmem.h>

static void *at(uintptr_t addr)
{
    return (void *)addr;
}

static reservation_t claim(vm_t *vm, uintptr_t addr, size_t bytes, seL4_CapRights_t rights)
{
    reservation_t res = vspace_reserve_range_at(&vm->mem.vm_vspace, at(addr), bytes, rights, 1);

    GM_CHECK_NOT_NULL(res.res);
    return res;
}

static void every_function_is_set(struct gm_env *env, vm_t *vm)
{
    const vspace_t *space = &vm->mem.vm_vspace;

    (void)env;
    GM_CHECK(space->new_pages != NULL && space->map_pages != NULL);
    GM_CHECK(space->new_pages_at_vaddr != NULL && space->map_pages_at_vaddr != NULL);
    GM_CHECK(space->deferred_rights_map_pages_at_vaddr != NULL);
    GM_CHECK(space->unmap_pages != NULL && space->tear_down != NULL);
    GM_CHECK(space->reserve_range_aligned != NULL && space->reserve_range_at != NULL);
    GM_CHECK(space->reserve_deferred_rights_range_at != NULL);
    GM_CHECK(space->free_reservation != NULL && space->free_reservation_by_vaddr != NULL);
    GM_CHECK(space->get_cap != NULL && space->get_root != NULL && space->get_cookie != NULL);
    GM_CHECK(space->share_mem_at_vaddr != NULL);
}

static void its_root_is_the_vms_root(struct gm_env *env, vm_t *vm)
{
    (void)env;
    GM_CHECK_EQ(vspace_get_root(&vm->mem.vm_vspace), vm->mem.vm_vspace_root.cptr);
}

static void new_pages_are_mapped_somewhere_and_found(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    void *pages = vspace_new_pages(space, seL4_AllRights, 3, GM_BITS_4K);
    uintptr_t addr = (uintptr_t)pages;

    GM_CHECK_NOT_NULL(pages);
    GM_CHECK_EQ(addr % GM_PAGE, 0);
    for (unsigned i = 0; i < 3; i++) {
        seL4_CPtr cap = vspace_get_cap(space, at(addr + i * GM_PAGE + 0x123));

        GM_CHECK_LEAF(env, vm, addr + i * GM_PAGE, GM_BITS_4K, "rw", false);
        GM_CHECK_PADDR(env, vm, addr + i * GM_PAGE, gm_env_frame_paddr(cap));
    }
    vspace_unmap_pages(space, pages, 3, GM_BITS_4K, VSPACE_FREE);
    GM_CHECK_NO_LEAF(env, vm, addr);
    GM_CHECK(!refused(vm, addr, 3 * GM_PAGE));
}

static void new_large_pages_are_aligned(struct gm_env *env, vm_t *vm)
{
    void *pages = vspace_new_pages(&vm->mem.vm_vspace, seL4_CanRead, 2, GM_BITS_2M);
    uintptr_t addr = (uintptr_t)pages;

    GM_CHECK_NOT_NULL(pages);
    GM_CHECK_EQ(addr % (2 * GM_MIB), 0);
    GM_CHECK_LEAF(env, vm, addr + 2 * GM_MIB, GM_BITS_2M, "r", false);
}

static void cap_and_cookie_are_those_of_the_frame(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    seL4_CPtr caps[2];

    GM_CHECK_EQ(vspace_get_cap(space, at(BASE)), seL4_CapNull);
    GM_CHECK_EQ(vspace_get_cookie(space, at(BASE)), 0);
    gm_env_frames(env, GM_BITS_2M, 1, &caps[0]);
    gm_env_frames(env, GM_BITS_4K, 1, &caps[1]);
    GM_CHECK_EQ(
        vm_map_reservation_frames(vm, reserve(vm, BASE, 2 * GM_MIB), &caps[0], 1, GM_BITS_2M), 0);
    GM_CHECK_EQ(
        vm_map_reservation_frames(vm, reserve(vm, BASE + 2 * GM_MIB, 8), &caps[1], 1, GM_BITS_4K),
        0);
    GM_CHECK_EQ(vspace_get_cap(space, at(BASE + 0x54321)), caps[0]);
    GM_CHECK_EQ(vspace_get_cookie(space, at(BASE + 0x54321)), GM_BITS_2M);
    GM_CHECK_EQ(vspace_get_cap(space, at(BASE + 2 * GM_MIB)), caps[1]);
    GM_CHECK_EQ(vspace_get_cookie(space, at(BASE + 2 * GM_MIB)), GM_BITS_4K);
    GM_CHECK_EQ(vspace_get_cap(space, at(BASE + 2 * GM_MIB + GM_PAGE)), seL4_CapNull);
}

static void neighbouring_pages_have_caps_of_their_own(struct gm_env *env, vm_t *vm)
{
    enum { COUNT = 6 };
    seL4_CPtr caps[COUNT];

    gm_env_frames(env, GM_BITS_4K, COUNT, caps);
    for (unsigned i = 0; i < COUNT; i++) {
        vm_memory_reservation_t *res = reserve(vm, BASE + i * GM_PAGE + 0x800, 0x10);

        GM_CHECK_EQ(vm_map_reservation_frames(vm, res, &caps[i], 1, GM_BITS_4K), 0);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        void *page = at(BASE + i * GM_PAGE);

        GM_CHECK_EQ(vspace_get_cap(&vm->mem.vm_vspace, page), caps[i]);
        GM_CHECK_EQ(vspace_get_cookie(&vm->mem.vm_vspace, page), GM_BITS_4K);
    }
    GM_CHECK_EQ(vspace_get_cap(&vm->mem.vm_vspace, at(BASE - 1)), seL4_CapNull);
    GM_CHECK_EQ(vspace_get_cap(&vm->mem.vm_vspace, at(BASE + COUNT * GM_PAGE)), seL4_CapNull);
}

static void what_the_library_backed_is_found_too(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    seL4_CPtr cap;

    GM_CHECK_EQ(vm_ram_register_at(vm, BASE - GM_PAGE, 2 * GM_MIB + GM_PAGE, false), 0);
    cap = vspace_get_cap(space, at(BASE + GM_MIB));
    GM_CHECK_NE(cap, seL4_CapNull);
    GM_CHECK_PADDR(env, vm, BASE, gm_env_frame_paddr(cap));
    GM_CHECK_EQ(vspace_get_cookie(space, at(BASE + GM_MIB)), GM_BITS_2M);
    GM_CHECK_EQ(vspace_get_cookie(space, at(BASE - 1)), GM_BITS_4K);
}

static void a_reserved_range_belongs_to_one(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    reservation_t res = claim(vm, BASE, 4 * GM_PAGE, seL4_AllRights);

    CHANGES_NOTHING(env, {
        GM_CHECK_NULL(
            vspace_reserve_range_at(space, at(BASE + GM_PAGE), GM_PAGE, seL4_AllRights, 1).res);
        GM_CHECK_NULL(vspace_reserve_deferred_rights_range_at(space, at(BASE), GM_PAGE, 1).res);
        GM_CHECK(refused(vm, BASE + 2 * GM_PAGE, 4));
    });
    vspace_free_reservation(space, res);
    reserve(vm, BASE + 2 * GM_PAGE, 4);
    CHANGES_NOTHING(
        env, GM_CHECK_NULL(
                 vspace_reserve_range_at(space, at(BASE), 4 * GM_PAGE, seL4_AllRights, 1).res));
}

static void a_reserved_range_covers_its_whole_pages(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    reservation_t res = claim(vm, BASE + 0x100, GM_PAGE, seL4_AllRights);

    GM_CHECK_EQ(vspace_new_pages_at_vaddr(space, at(BASE), 2, GM_BITS_4K, res), 0);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "rw", false);
    GM_CHECK(refused(vm, BASE + 2 * GM_PAGE - 1, 1));
}

static void reserving_beyond_the_space_is_refused(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    void *found = at(0x77);

    CHANGES_NOTHING(env, {
        GM_CHECK_NULL(
            vspace_reserve_range_at(space, at(env->guest_end), GM_PAGE, seL4_AllRights, 1).res);
        GM_CHECK_NULL(vspace_reserve_range_at(space, at(env->guest_end - GM_PAGE), 2 * GM_PAGE,
                                              seL4_AllRights, 1)
                          .res);
        GM_CHECK_NULL(vspace_reserve_range_at(space, at(BASE), SIZE_MAX, seL4_AllRights, 1).res);
        GM_CHECK_NULL(vspace_reserve_range_aligned(space, env->guest_end * 2, GM_BITS_4K,
                                                   seL4_AllRights, 1, &found)
                          .res);
        GM_CHECK_NULL(
            vspace_reserve_range_aligned(space, SIZE_MAX, GM_BITS_4K, seL4_AllRights, 1, &found)
                .res);
    });
    GM_CHECK(found == at(0x77));
}

static void an_aligned_range_is_found_and_usable(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    void *one = NULL;
    void *two = NULL;
    reservation_t first =
        vspace_reserve_range_aligned(space, GM_PAGE, GM_BITS_4K, seL4_AllRights, 1, &one);
    reservation_t second =
        vspace_reserve_range_aligned(space, 4 * GM_MIB, GM_BITS_2M, seL4_CanRead, 1, &two);

    GM_CHECK(first.res != NULL && second.res != NULL);
    GM_CHECK(one != NULL && two != NULL);
    GM_CHECK_EQ((uintptr_t)two % (2 * GM_MIB), 0);
    GM_CHECK_EQ(vspace_new_pages_at_vaddr(space, one, 1, GM_BITS_4K, first), 0);
    GM_CHECK_EQ(vspace_new_pages_at_vaddr(space, two, 2, GM_BITS_2M, second), 0);
    GM_CHECK_LEAF(env, vm, (uintptr_t)one, GM_BITS_4K, "rw", false);
    GM_CHECK_LEAF(env, vm, (uintptr_t)two, GM_BITS_2M, "r", false);
}

static void a_range_is_found_beside_small_devices(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    void *found = NULL;
    reservation_t res;

    (void)env;
    for (unsigned i = 0; i < 16; i++) {
        reserve(vm, i * GM_PAGE + 0x800, 0x100);
    }
    res = vspace_reserve_range_aligned(space, 0x10, GM_BITS_4K, seL4_AllRights, 1, &found);
    GM_CHECK_NOT_NULL(res.res);
    GM_CHECK_EQ(vspace_new_pages_at_vaddr(space, found, 1, GM_BITS_4K, res), 0);
}

static void an_alignment_of_no_page_size_gives_no_unusable_range(struct gm_env *env, vm_t *vm)
{
    static const size_t odd[] = {0, 3, 11, 40, 63, 64, 200};
    vspace_t *space = &vm->mem.vm_vspace;

    (void)env;
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        void *found = NULL;
        reservation_t res =
            vspace_reserve_range_aligned(space, GM_PAGE, odd[i], seL4_AllRights, 1, &found);

        if (res.res != NULL) {
            GM_CHECK_EQ((uintptr_t)found % GM_PAGE, 0);
            GM_CHECK_EQ(vspace_new_pages_at_vaddr(space, found, 1, GM_BITS_4K, res), 0);
        }
    }
}

static void pages_have_the_reservations_rights_and_attributes(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    reservation_t plain = claim(vm, BASE, GM_PAGE, seL4_CanRead);
    reservation_t uncached =
        vspace_reserve_range_at(space, at(BASE + GM_PAGE), GM_PAGE, seL4_AllRights, 0);
    seL4_CPtr cap = gm_env_frame(env, GM_BITS_4K);

    GM_CHECK_NOT_NULL(uncached.res);
    GM_CHECK_EQ(vspace_new_pages_at_vaddr(space, at(BASE), 1, GM_BITS_4K, plain), 0);
    GM_CHECK_EQ(
        vspace_map_pages_at_vaddr(space, &cap, NULL, at(BASE + GM_PAGE), 1, GM_BITS_4K, uncached),
        0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "r", false);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "rw", true);
    GM_CHECK_EQ(vspace_get_cap(space, at(BASE + GM_PAGE)), cap);
}

static void pages_outside_their_reservation_are_refused(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    reservation_t res = claim(vm, BASE, 4 * GM_MIB, seL4_AllRights);
    reservation_t none = {NULL};
    seL4_CPtr cap = gm_env_frame(env, GM_BITS_4K);

    CHANGES_NOTHING(env, {
        GM_CHECK_NE(vspace_new_pages_at_vaddr(space, at(BASE - GM_PAGE), 1, GM_BITS_4K, res), 0);
        GM_CHECK_NE(vspace_new_pages_at_vaddr(space, at(BASE + 4 * GM_MIB), 1, GM_BITS_4K, res), 0);
        GM_CHECK_NE(vspace_new_pages_at_vaddr(space, at(BASE + 2 * GM_MIB), 2, GM_BITS_2M, res), 0);
        GM_CHECK_NE(vspace_new_pages_at_vaddr(space, at(BASE + GM_PAGE), 1, GM_BITS_2M, res), 0);
        GM_CHECK_NE(vspace_new_pages_at_vaddr(space, at(BASE + 1), 1, GM_BITS_4K, res), 0);
        GM_CHECK_NE(vspace_new_pages_at_vaddr(space, at(BASE), SIZE_MAX >> 12, GM_BITS_4K, res), 0);
        GM_CHECK_NE(vspace_new_pages_at_vaddr(space, at(BASE), 1, 13, res), 0);
        GM_CHECK_NE(vspace_new_pages_at_vaddr(space, at(BASE), 1, GM_BITS_4K, none), 0);
        GM_CHECK_NE(
            vspace_map_pages_at_vaddr(space, &cap, NULL, at(BASE - GM_PAGE), 1, GM_BITS_4K, res),
            0);
        GM_CHECK_NE(vspace_map_pages_at_vaddr(space, &cap, NULL, at(BASE), 1, GM_BITS_4K, none), 0);
    });
}

static void a_reservation_of_the_other_interface_takes_no_pages(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    reservation_t res = {reserve(vm, BASE, GM_PAGE)};

    CHANGES_NOTHING(env,
                    GM_CHECK_NE(vspace_new_pages_at_vaddr(space, at(BASE), 1, GM_BITS_4K, res), 0));
    CHANGES_NOTHING(env, vspace_free_reservation(space, res));
    GM_CHECK(refused(vm, BASE, 1));
}

static void pages_where_some_are_mapped_are_refused(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    reservation_t res = claim(vm, BASE, 2 * GM_MIB, seL4_AllRights);
    seL4_CPtr cap = gm_env_frame(env, GM_BITS_4K);

    GM_CHECK_EQ(vspace_new_pages_at_vaddr(space, at(BASE + 3 * GM_PAGE), 1, GM_BITS_4K, res), 0);
    CHANGES_NOTHING(env, {
        GM_CHECK_NE(vspace_new_pages_at_vaddr(space, at(BASE), 4, GM_BITS_4K, res), 0);
        GM_CHECK_NE(vspace_new_pages_at_vaddr(space, at(BASE), 1, GM_BITS_2M, res), 0);
        GM_CHECK_NE(vspace_map_pages_at_vaddr(space, &cap, NULL, at(BASE + 3 * GM_PAGE), 1,
                                              GM_BITS_4K, res),
                    0);
    });
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_LEAF(env, vm, BASE + 3 * GM_PAGE, GM_BITS_4K, "rw", false);
}

static void a_bad_cap_among_good_ones_maps_nothing(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    reservation_t res = claim(vm, BASE, 4 * GM_PAGE, seL4_AllRights);
    seL4_CPtr caps[4];

    gm_env_frames(env, GM_BITS_4K, 3, caps);
    caps[3] = seL4_CapNull;
    CHANGES_NOTHING(env, {
        GM_CHECK_NE(vspace_map_pages_at_vaddr(space, caps, NULL, at(BASE), 4, GM_BITS_4K, res), 0);
        GM_CHECK_NULL(vspace_map_pages(space, caps, NULL, seL4_AllRights, 4, GM_BITS_4K, 1));
        caps[3] = caps[0];
        GM_CHECK_NE(vspace_map_pages_at_vaddr(space, caps, NULL, at(BASE), 4, GM_BITS_4K, res), 0);
    });
    gm_env_check_frame(env, caps[0]);
    GM_CHECK_NO_LEAF(env, vm, BASE);
}

static void deferred_rights_are_given_with_the_pages(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    reservation_t res = vspace_reserve_deferred_rights_range_at(space, at(BASE), 2 * GM_PAGE, 1);
    seL4_CPtr caps[2];

    GM_CHECK_NOT_NULL(res.res);
    gm_env_frames(env, GM_BITS_4K, 2, caps);
    GM_CHECK_EQ(vspace_deferred_rights_map_pages_at_vaddr(space, &caps[0], NULL, at(BASE), 1,
                                                          GM_BITS_4K, seL4_CanRead, res),
                0);
    GM_CHECK_EQ(vspace_deferred_rights_map_pages_at_vaddr(space, &caps[1], NULL, at(BASE + GM_PAGE),
                                                          1, GM_BITS_4K, seL4_AllRights, res),
                0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "r", false);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "rw", false);
}

static void the_two_kinds_of_rights_are_not_mixed_up(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    reservation_t with = claim(vm, BASE, GM_PAGE, seL4_CanRead);
    reservation_t without =
        vspace_reserve_deferred_rights_range_at(space, at(BASE + GM_PAGE), GM_PAGE, 1);
    seL4_CPtr cap = gm_env_frame(env, GM_BITS_4K);

    GM_CHECK_NOT_NULL(without.res);
    CHANGES_NOTHING(env, {
        GM_CHECK_NE(vspace_deferred_rights_map_pages_at_vaddr(space, &cap, NULL, at(BASE), 1,
                                                              GM_BITS_4K, seL4_AllRights, with),
                    0);
        GM_CHECK_NE(vspace_map_pages_at_vaddr(space, &cap, NULL, at(BASE + GM_PAGE), 1, GM_BITS_4K,
                                              without),
                    0);
    });
}

static void mapped_caps_are_the_callers_after_unmapping(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    seL4_CPtr caps[2];
    void *pages;

    gm_env_frames(env, GM_BITS_4K, 2, caps);
    for (int i = 0; i < 3; i++) {
        pages = vspace_map_pages(space, caps, NULL, seL4_AllRights, 2, GM_BITS_4K, 1);
        GM_CHECK_NOT_NULL(pages);
        GM_CHECK_LEAF(env, vm, (uintptr_t)pages, GM_BITS_4K, "rw", false);
        vspace_unmap_pages(space, pages, 2, GM_BITS_4K, VSPACE_PRESERVE);
        gm_env_check_frame(env, caps[0]);
        gm_env_check_frame(env, caps[1]);
    }
}

/* Make a frame that is not one of the case's, for calls that take it over. */
static vka_object_t loose_frame(struct gm_env *env, size_t size_bits)
{
    vka_object_t object;

    GM_CHECK_EQ(vka_alloc_frame(env->vka, (uint32_t)size_bits, &object), 0);
    return object;
}

static void unmapping_to_free_takes_cap_slot_and_memory(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    vka_t *freers[2] = {VSPACE_FREE, env->vka};

    for (unsigned i = 0; i < 2; i++) {
        vka_object_t frame = loose_frame(env, GM_BITS_2M);
        uintptr_t cookie = frame.ut;
        void *page =
            vspace_map_pages(space, &frame.cptr, &cookie, seL4_AllRights, 1, GM_BITS_2M, 1);

        GM_CHECK_NOT_NULL(page);
        vspace_unmap_pages(space, page, 1, GM_BITS_2M, freers[i]);
        GM_CHECK_NO_LEAF(env, vm, (uintptr_t)page);
    }
}

static void unmapping_what_is_not_mapped_does_nothing(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    reservation_t res = claim(vm, BASE, 4 * GM_MIB, seL4_AllRights);

    GM_CHECK_EQ(vspace_new_pages_at_vaddr(space, at(BASE), 1, GM_BITS_2M, res), 0);
    CHANGES_NOTHING(env, {
        vspace_unmap_pages(space, at(BASE + 2 * GM_MIB), 1, GM_BITS_2M, VSPACE_FREE);
        vspace_unmap_pages(space, at(BASE), 1, GM_BITS_4K, VSPACE_FREE);
        vspace_unmap_pages(space, at(BASE + GM_PAGE), 1, GM_BITS_4K, VSPACE_FREE);
        vspace_unmap_pages(space, at(BASE), 2, GM_BITS_2M, VSPACE_FREE);
        vspace_unmap_pages(space, at(env->guest_end), 1, GM_BITS_4K, VSPACE_FREE);
        vspace_unmap_pages(space, at(BASE), SIZE_MAX, GM_BITS_2M, VSPACE_FREE);
    });
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
}

static void pages_of_the_other_interface_are_not_unmapped(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 2 * GM_PAGE, false), 0);
    CHANGES_NOTHING(env,
                    vspace_unmap_pages(&vm->mem.vm_vspace, at(BASE), 1, GM_BITS_4K, VSPACE_FREE));
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
}

static void a_reservation_outlives_its_pages_and_pages_their_reservation(struct gm_env *env,
                                                                         vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    reservation_t res = claim(vm, BASE, 2 * GM_PAGE, seL4_AllRights);

    GM_CHECK_EQ(vspace_new_pages_at_vaddr(space, at(BASE), 2, GM_BITS_4K, res), 0);
    vspace_unmap_pages(space, at(BASE), 1, GM_BITS_4K, VSPACE_FREE);
    GM_CHECK(refused(vm, BASE, 1));
    GM_CHECK_EQ(vspace_new_pages_at_vaddr(space, at(BASE), 1, GM_BITS_4K, res), 0);
    vspace_free_reservation(space, res);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
    GM_CHECK(refused(vm, BASE, 1));
    GM_CHECK(guestmem_reservation_at(vm, BASE) == res.res); /* also where the VM is shared */
    GM_CHECK_EQ(guestmem_set_rights(vm, BASE, GM_PAGE, seL4_CanRead), GUESTMEM_OK);
    vspace_unmap_pages(space, at(BASE), 2, GM_BITS_4K, VSPACE_FREE);
    GM_CHECK(!refused(vm, BASE, 2 * GM_PAGE));
}

static void a_reservation_can_be_freed_by_any_address_in_it(struct gm_env *env, vm_t *vm)
{
    claim(vm, BASE, 4 * GM_PAGE, seL4_AllRights);
    CHANGES_NOTHING(env,
                    vspace_free_reservation_by_vaddr(&vm->mem.vm_vspace, at(BASE + 4 * GM_PAGE)));
    vspace_free_reservation_by_vaddr(&vm->mem.vm_vspace, at(BASE + 3 * GM_PAGE + 5));
    GM_CHECK(!refused(vm, BASE, 4 * GM_PAGE));
}

static void the_config_wrappers_work(struct gm_env *env, vm_t *vm)
{
    vspace_t *space = &vm->mem.vm_vspace;
    vspace_new_pages_config_t config;

    GM_CHECK_EQ(default_vspace_new_pages_config(2, GM_BITS_4K, &config), 0);
    GM_CHECK_EQ(vspace_new_pages_config_set_vaddr(at(BASE), &config), 0);
    GM_CHECK_EQ(vspace_new_pages_config_use_device_ut(true, &config), 0);
    GM_CHECK(vspace_new_pages_with_config(space, &config, seL4_AllRights) == at(BASE));
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "rw", false);
    GM_CHECK_NULL(vspace_new_pages_with_config(space, &config, seL4_AllRights));
    vspace_unmap_pages(space, at(BASE), 2, GM_BITS_4K, VSPACE_FREE);
    GM_CHECK(!refused(vm, BASE, 2 * GM_PAGE));
}

static void guest_accesses_to_vspace_pages_reach_no_callback(struct gm_env *env, vm_t *vm)
{
    (void)env;
    claim(vm, BASE, GM_PAGE, seL4_AllRights);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_UNHANDLED);
}

static void tear_down(struct gm_env *env, vm_t *vm, vka_t *vka)
{
    vspace_t *space = &vm->mem.vm_vspace;
    reservation_t res = claim(vm, BASE, 8 * GM_MIB, seL4_AllRights);

    GM_CHECK_EQ(vspace_new_pages_at_vaddr(space, at(BASE), 2, GM_BITS_2M, res), 0);
    GM_CHECK_NOT_NULL(vspace_new_pages(space, seL4_AllRights, 3, GM_BITS_4K));
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE + 16 * GM_MIB, 4 * GM_MIB, false), 0);
    reserve(vm, BASE + GM_GIB, 0x10);
    vspace_tear_down(space, vka);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_NO_LEAF(env, vm, BASE + 16 * GM_MIB);
}

static void tearing_down_frees_what_was_made(struct gm_env *env, vm_t *vm)
{
    tear_down(env, vm, VSPACE_FREE);
}

static void tearing_down_leaves_the_callers_frames(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr cap = gm_env_frame(env, GM_BITS_4K);

    GM_CHECK_NOT_NULL(
        vspace_map_pages(&vm->mem.vm_vspace, &cap, NULL, seL4_AllRights, 1, GM_BITS_4K, 1));
    tear_down(env, vm, VSPACE_PRESERVE);
    gm_env_check_frame(env, cap);
}

static void tearing_down_frees_the_callers_frames_when_told(struct gm_env *env, vm_t *vm)
{
    vka_object_t frame = loose_frame(env, GM_BITS_4K);
    uintptr_t cookie = frame.ut;

    GM_CHECK_NOT_NULL(vspace_map_pages(&vm->mem.vm_vspace, &frame.cptr, &cookie, seL4_AllRights, 1,
                                       GM_BITS_4K, 1));
    tear_down(env, vm, env->vka);
}

static const struct gm_case cases[] = {
    GM_CASE(every_function_is_set),
    GM_CASE(its_root_is_the_vms_root),
    GM_CASE(new_pages_are_mapped_somewhere_and_found),
    GM_CASE(new_large_pages_are_aligned),
    GM_CASE(cap_and_cookie_are_those_of_the_frame),
    GM_CASE(neighbouring_pages_have_caps_of_their_own),
    GM_CASE(what_the_library_backed_is_found_too),
    GM_CASE(a_reserved_range_belongs_to_one),
    GM_CASE(a_reserved_range_covers_its_whole_pages),
    GM_CASE(reserving_beyond_the_space_is_refused),
    GM_CASE(an_aligned_range_is_found_and_usable),
    GM_CASE(a_range_is_found_beside_small_devices),
    GM_CASE(an_alignment_of_no_page_size_gives_no_unusable_range),
    GM_CASE(pages_have_the_reservations_rights_and_attributes),
    GM_CASE(pages_outside_their_reservation_are_refused),
    GM_CASE(a_reservation_of_the_other_interface_takes_no_pages),
    GM_CASE(pages_where_some_are_mapped_are_refused),
    GM_CASE(a_bad_cap_among_good_ones_maps_nothing),
    GM_CASE(deferred_rights_are_given_with_the_pages),
    GM_CASE(the_two_kinds_of_rights_are_not_mixed_up),
    GM_CASE(mapped_caps_are_the_callers_after_unmapping),
    GM_CASE(unmapping_to_free_takes_cap_slot_and_memory),
    GM_CASE(unmapping_what_is_not_mapped_does_nothing),
    GM_CASE(pages_of_the_other_interface_are_not_unmapped),
    GM_CASE(a_reservation_outlives_its_pages_and_pages_their_reservation),
    GM_CASE(a_reservation_can_be_freed_by_any_address_in_it),
    GM_CASE(the_config_wrappers_work),
    GM_CASE(guest_accesses_to_vspace_pages_reach_no_callback),
    GM_CASE(tearing_down_frees_what_was_made),
    GM_CASE(tearing_down_leaves_the_callers_frames),
    GM_CASE(tearing_down_frees_the_callers_frames_when_told),
};

const struct gm_suite vspace_suite = GM_SUITE("vspace", cases);

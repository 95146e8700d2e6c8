/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The functions of the guest's vspace_t.
 */
#include "sweep.h"

static vspace_t *own(struct sweep *sweep)
{
    return &sweep->vm->mem.vm_vspace;
}

static bool new_pages(struct sweep *sweep)
{
    return own(sweep)->new_pages(own(sweep), seL4_AllRights, 3, GM_BITS_4K) != NULL;
}

static bool new_large_page(struct sweep *sweep)
{
    size_t bits = sweep->state->scarce ? GM_BITS_4K : GM_BITS_2M;

    return own(sweep)->new_pages(own(sweep), seL4_AllRights, 1, bits) != NULL;
}

static void bring(struct sweep *sweep)
{
    sweep_bring_frames(sweep, CALL_AT, GM_BITS_4K, 3);
}

static bool map_pages(struct sweep *sweep)
{
    return own(sweep)->map_pages(own(sweep), sweep->caps, NULL, seL4_CanRead, 3, GM_BITS_4K, 1) != NULL;
}

static void claim(struct sweep *sweep)
{
    sweep->claim = vspace_reserve_range_at(own(sweep), (void *)CALL_AT, 8 * GM_PAGE, seL4_AllRights, 1);
    GM_CHECK_NOT_NULL(sweep->claim.res);
}

static void claim_and_bring(struct sweep *sweep)
{
    claim(sweep);
    bring(sweep);
}

static void claim_deferred_and_bring(struct sweep *sweep)
{
    sweep->claim = vspace_reserve_deferred_rights_range_at(own(sweep), (void *)CALL_AT, 8 * GM_PAGE, 1);
    GM_CHECK_NOT_NULL(sweep->claim.res);
    bring(sweep);
}

static bool new_pages_at(struct sweep *sweep)
{
    return own(sweep)->new_pages_at_vaddr(own(sweep), (void *)(CALL_AT + GM_PAGE), 3, GM_BITS_4K, sweep->claim,
                                          false) == 0;
}

static bool new_device_pages_at(struct sweep *sweep)
{
    return own(sweep)->new_pages_at_vaddr(own(sweep), (void *)(CALL_AT + GM_PAGE), 3, GM_BITS_4K, sweep->claim,
                                          true) == 0;
}

static bool map_pages_at(struct sweep *sweep)
{
    return own(sweep)->map_pages_at_vaddr(own(sweep), sweep->caps, NULL, (void *)(CALL_AT + GM_PAGE), 3, GM_BITS_4K,
                                          sweep->claim) == 0;
}

static bool map_pages_deferred(struct sweep *sweep)
{
    return own(sweep)->deferred_rights_map_pages_at_vaddr(own(sweep), sweep->caps, NULL, (void *)CALL_AT, 3,
                                                          GM_BITS_4K, seL4_CanRead, sweep->claim) == 0;
}

static void have_pages(struct sweep *sweep)
{
    claim(sweep);
    GM_CHECK_EQ(vspace_new_pages_at_vaddr(own(sweep), (void *)CALL_AT, 8, GM_BITS_4K, sweep->claim), 0);
}

static void have_brought_pages(struct sweep *sweep)
{
    claim_and_bring(sweep);
    GM_CHECK(map_pages_at(sweep));
}

static bool unmap_all(struct sweep *sweep)
{
    own(sweep)->unmap_pages(own(sweep), (void *)CALL_AT, 8, GM_BITS_4K, VSPACE_FREE);
    return own(sweep)->get_cap(own(sweep), (void *)CALL_AT) == seL4_CapNull;
}

static bool unmap_some(struct sweep *sweep)
{
    own(sweep)->unmap_pages(own(sweep), (void *)(CALL_AT + 3 * GM_PAGE), 2, GM_BITS_4K, VSPACE_FREE);
    return own(sweep)->get_cap(own(sweep), (void *)(CALL_AT + 3 * GM_PAGE)) == seL4_CapNull;
}

static bool unmap_brought(struct sweep *sweep)
{
    own(sweep)->unmap_pages(own(sweep), (void *)(CALL_AT + GM_PAGE), 3, GM_BITS_4K, VSPACE_PRESERVE);
    return own(sweep)->get_cap(own(sweep), (void *)(CALL_AT + GM_PAGE)) == seL4_CapNull;
}

static bool take_down_vspace(struct sweep *sweep)
{
    own(sweep)->tear_down(own(sweep), VSPACE_PRESERVE);
    return own(sweep)->data == NULL;
}

static bool reserve_aligned(struct sweep *sweep)
{
    void *gpa = NULL;

    return own(sweep)->reserve_range_aligned(own(sweep), 3 * GM_PAGE, GM_BITS_2M, seL4_AllRights, 1, &gpa).res !=
           NULL;
}

static bool reserve_at(struct sweep *sweep)
{
    return own(sweep)->reserve_range_at(own(sweep), (void *)CALL_AT, 3 * GM_PAGE, seL4_AllRights, 1).res != NULL;
}

static bool reserve_deferred(struct sweep *sweep)
{
    return own(sweep)->reserve_deferred_rights_range_at(own(sweep), (void *)CALL_AT, 3 * GM_PAGE, 1).res != NULL;
}

static bool free_claim(struct sweep *sweep)
{
    own(sweep)->free_reservation(own(sweep), sweep->claim);
    return guestmem_reservation_at(sweep->vm, CALL_AT) == NULL;
}

static bool free_claim_at(struct sweep *sweep)
{
    own(sweep)->free_reservation_by_vaddr(own(sweep), (void *)(CALL_AT + 5 * GM_PAGE));
    return guestmem_reservation_at(sweep->vm, CALL_AT) == NULL;
}

static void share_with_vmm(struct sweep *sweep)
{
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT, 3 * GM_PAGE, false), 0);
    GM_CHECK_EQ(guestmem_populate(sweep->vm, CALL_AT, 3 * GM_PAGE), GUESTMEM_OK);
    sweep->claim = vspace_reserve_range_aligned(sweep->env->vmm, 3 * GM_PAGE, GM_BITS_4K, seL4_AllRights, 1,
                                                &sweep->gpa);
    GM_CHECK_NOT_NULL(sweep->claim.res);
}

static bool share_and_end(struct sweep *sweep)
{
    if (own(sweep)->share_mem_at_vaddr(own(sweep), sweep->env->vmm, (void *)CALL_AT, 3, GM_BITS_4K, sweep->gpa,
                                       sweep->claim) != 0) {
        return false;
    }
    vspace_unmap_pages(sweep->env->vmm, sweep->gpa, 3, GM_BITS_4K, sweep->env->vka);
    vspace_free_reservation(sweep->env->vmm, sweep->claim);
    return true;
}

static void share_with_guest(struct sweep *sweep)
{
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT, 3 * GM_PAGE, false), 0);
    GM_CHECK_EQ(guestmem_populate(sweep->vm, CALL_AT, 3 * GM_PAGE), GUESTMEM_OK);
    if (sweep->other == NULL) {
        sweep->other = gm_env_new_vm(sweep->env);
    }
    sweep->claim = vspace_reserve_range_at(&sweep->other->mem.vm_vspace, (void *)CALL_AT, 3 * GM_PAGE, seL4_CanRead,
                                           1);
    GM_CHECK_NOT_NULL(sweep->claim.res);
}

static bool share(struct sweep *sweep)
{
    return own(sweep)->share_mem_at_vaddr(own(sweep), &sweep->other->mem.vm_vspace, (void *)CALL_AT, 3, GM_BITS_4K,
                                          (void *)CALL_AT, sweep->claim) == 0;
}

static const struct sweep_call calls[] = {
    {"vspace.new_pages", "small", NULL, new_pages, 0},
    {"vspace.new_pages", "a large one", NULL, new_large_page, 0},
    {"vspace.map_pages", "small", bring, map_pages, 0},
    {"vspace.new_pages_at_vaddr", "of memory", claim, new_pages_at, 0},
    {"vspace.new_pages_at_vaddr", "of device RAM if there is any", claim, new_device_pages_at, 0},
    {"vspace.map_pages_at_vaddr", "small", claim_and_bring, map_pages_at, 0},
    {"vspace.deferred_rights_map_pages_at_vaddr", "small", claim_deferred_and_bring, map_pages_deferred, 0},
    {"vspace.unmap_pages", "all", have_pages, unmap_all, SWEEP_ASKS_NOTHING},
    {"vspace.unmap_pages", "in the middle", have_pages, unmap_some, 0},
    {"vspace.unmap_pages", "of frames brought", have_brought_pages, unmap_brought, SWEEP_ASKS_NOTHING},
    {"vspace.tear_down", "of pages", have_pages, take_down_vspace, SWEEP_ASKS_NOTHING},
    {"vspace.tear_down", "of frames brought", have_brought_pages, take_down_vspace,
     SWEEP_ASKS_NOTHING},
    {"vspace.reserve_range_aligned", "large", NULL, reserve_aligned, 0},
    {"vspace.reserve_range_at", "small", NULL, reserve_at, 0},
    {"vspace.reserve_deferred_rights_range_at", "small", NULL, reserve_deferred, 0},
    {"vspace.free_reservation", "without pages", claim, free_claim, SWEEP_ASKS_NOTHING},
    {"vspace.free_reservation_by_vaddr", "without pages", claim, free_claim_at, SWEEP_ASKS_NOTHING},
    {"vspace.share_mem_at_vaddr", "with the VMM", share_with_vmm, share_and_end, 0},
    {"vspace.share_mem_at_vaddr", "with another guest", share_with_guest, share, SWEEP_OTHERS_FAILURE},
};
const struct sweep_table sweep_vspace_calls = SWEEP_TABLE(calls);

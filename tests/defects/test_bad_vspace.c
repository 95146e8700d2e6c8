/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Bad input to the guest's vspace_t. Its functions are called as they are: the inline functions of
 * the interface catch some of this before.
 */
#include <string.h>

#include "defects.h"

#define REFUSED(env, vm, call, answer, code, name)                                                 \
    do {                                                                                           \
        CHANGES_NOTHING(env, GM_CHECK_EQ((intptr_t)(call), (intptr_t)(answer)));                   \
        CHECK_FAILURE(vm, code, name);                                                             \
    } while (0)

static void *at(uintptr_t gpa)
{
    return (void *)gpa;
}

static void bad_reservations_are_refused(struct gm_env *env, vm_t *vm)
{
    vspace_t *own = &vm->mem.vm_vspace;
    void *gpa = NULL;

    reserve(vm, BASE, GM_PAGE);
    GM_CHECK_EQ(guestmem_last_failure(vm)->error, GUESTMEM_OK);
    REFUSED(env, vm, own->reserve_range_at(own, at(2 * BASE), 0, seL4_AllRights, 1).res, NULL, GUESTMEM_EINVAL,
            "vspace_reserve_range_at");
    REFUSED(env, vm, own->reserve_range_at(own, at(env->guest_end), 1, seL4_AllRights, 1).res, NULL,
            GUESTMEM_ERANGE, "vspace_reserve_range_at");
    REFUSED(env, vm, own->reserve_range_at(own, at(BASE + 0x10), SIZE_MAX, seL4_AllRights, 1).res, NULL,
            GUESTMEM_ERANGE, "vspace_reserve_range_at");
    REFUSED(env, vm, own->reserve_range_at(own, at(BASE + 0x10), 0x10, seL4_AllRights, 1).res, NULL,
            GUESTMEM_ETAKEN, "vspace_reserve_range_at");
    REFUSED(env, vm, own->reserve_deferred_rights_range_at(own, at(BASE), GM_PAGE, 1).res, NULL, GUESTMEM_ETAKEN,
            "vspace_reserve_deferred_rights_range_at");
    REFUSED(env, vm, own->reserve_range_aligned(own, 0, GM_BITS_4K, seL4_AllRights, 1, &gpa).res, NULL,
            GUESTMEM_EINVAL, "vspace_reserve_range_aligned");
    REFUSED(env, vm, own->reserve_range_aligned(own, GM_PAGE, 64, seL4_AllRights, 1, &gpa).res, NULL,
            GUESTMEM_EINVAL, "vspace_reserve_range_aligned");
    REFUSED(env, vm, own->reserve_range_aligned(own, env->guest_end, GM_BITS_4K, seL4_AllRights, 1, &gpa).res,
            NULL, GUESTMEM_EUNMAPPED, "vspace_reserve_range_aligned");
    GM_CHECK_NULL(gpa);
}

/* Sizes of frames are alignments; nothing else is. */
static void only_the_sizes_of_frames_are_alignments(struct gm_env *env, vm_t *vm)
{
    vspace_t *own = &vm->mem.vm_vspace;

    for (size_t bits = 0; bits <= 64; bits++) {
        void *gpa = NULL;
        reservation_t claim;

        if (bits != GM_BITS_4K && bits != GM_BITS_2M && bits != GM_BITS_1G) {
            REFUSED(env, vm, own->reserve_range_aligned(own, 0x10, bits, seL4_AllRights, 1, &gpa).res, NULL,
                    GUESTMEM_EINVAL, "vspace_reserve_range_aligned");
            continue;
        }
        claim = own->reserve_range_aligned(own, 0x10, bits, seL4_AllRights, 1, &gpa);
        GM_CHECK_NOT_NULL(claim.res);
        GM_CHECK_NOT_NULL(gpa);
        GM_CHECK_EQ((uintptr_t)gpa & (((uintptr_t)1 << bits) - 1), 0);
        own->free_reservation(own, claim);
        GM_CHECK_NULL(guestmem_reservation_at(vm, (uintptr_t)gpa));
    }
}

static void bad_pages_are_refused(struct gm_env *env, vm_t *vm)
{
    static const char operation[] = "vspace_map_pages_at_vaddr";
    vspace_t *own = &vm->mem.vm_vspace;
    reservation_t claim = own->reserve_range_at(own, at(BASE), 4 * GM_PAGE, seL4_AllRights, 1);
    reservation_t guests = {reserve(vm, 2 * BASE, 4 * GM_PAGE)};
    seL4_CPtr caps[2];
    seL4_CPtr none[2];

    gm_env_frames(env, GM_BITS_4K, 2, caps);
    memcpy(none, caps, sizeof(none));
    none[1] = seL4_CapNull;
    REFUSED(env, vm, own->map_pages_at_vaddr(own, caps, NULL, at(BASE + 8), 1, GM_BITS_4K, claim), -1,
            GUESTMEM_EINVAL, operation);
    REFUSED(env, vm, own->map_pages_at_vaddr(own, NULL, NULL, at(BASE), 1, GM_BITS_4K, claim), -1, GUESTMEM_EINVAL,
            operation);
    REFUSED(env, vm, own->map_pages_at_vaddr(own, caps, NULL, at(BASE), 0, GM_BITS_4K, claim), -1, GUESTMEM_EINVAL,
            operation);
    REFUSED(env, vm, own->map_pages_at_vaddr(own, caps, NULL, at(BASE), 1, 13, claim), -1, GUESTMEM_EINVAL,
            operation);
    REFUSED(env, vm, own->map_pages_at_vaddr(own, caps, NULL, at(BASE), 1, SIZE_MAX, claim), -1, GUESTMEM_EINVAL,
            operation);
    REFUSED(env, vm, own->map_pages_at_vaddr(own, caps, NULL, at(BASE + 3 * GM_PAGE), 2, GM_BITS_4K, claim), -1,
            GUESTMEM_ERANGE, operation);
    REFUSED(env, vm, own->map_pages_at_vaddr(own, caps, NULL, at(BASE), SIZE_MAX, GM_BITS_4K, claim), -1,
            GUESTMEM_ERANGE, operation);
    REFUSED(env, vm, own->map_pages_at_vaddr(own, caps, NULL, at(BASE - GM_PAGE), 1, GM_BITS_4K, claim), -1,
            GUESTMEM_ERANGE, operation);
    REFUSED(env, vm, own->map_pages_at_vaddr(own, none, NULL, at(BASE), 2, GM_BITS_4K, claim), -1, GUESTMEM_EFRAME,
            operation);
    REFUSED(env, vm, own->map_pages_at_vaddr(own, caps, NULL, at(2 * BASE), 1, GM_BITS_4K, guests), -1,
            GUESTMEM_ESTALE, operation);
    REFUSED(env, vm, own->map_pages_at_vaddr(own, caps, NULL, at(BASE), 1, GM_BITS_4K, (reservation_t){&claim}), -1,
            GUESTMEM_ESTALE, operation);
    REFUSED(env, vm, own->map_pages_at_vaddr(own, caps, NULL, at(BASE), 1, GM_BITS_4K, (reservation_t){NULL}), -1,
            GUESTMEM_EINVAL, operation);
    GM_CHECK_EQ(own->map_pages_at_vaddr(own, caps, NULL, at(BASE), 2, GM_BITS_4K, claim), 0);
    REFUSED(env, vm, own->new_pages_at_vaddr(own, at(BASE + GM_PAGE), 2, GM_BITS_4K, claim, false), -1,
            GUESTMEM_ETAKEN, "vspace_new_pages_at_vaddr");
    REFUSED(env, vm, own->new_pages(own, seL4_AllRights, SIZE_MAX, GM_BITS_4K), NULL, GUESTMEM_ERANGE,
            "vspace_new_pages");
    REFUSED(env, vm, own->new_pages(own, seL4_AllRights, 0, GM_BITS_4K), NULL, GUESTMEM_EINVAL, "vspace_new_pages");
    REFUSED(env, vm, own->map_pages(own, NULL, NULL, seL4_AllRights, 1, GM_BITS_4K, 1), NULL, GUESTMEM_EINVAL,
            "vspace_map_pages");
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
}

/* What isn't mapped by the vspace isn't unmapped by it, in whole or in part. */
static void bad_unmaps_are_refused(struct gm_env *env, vm_t *vm)
{
    static const char operation[] = "vspace_unmap_pages";
    vspace_t *own = &vm->mem.vm_vspace;
    void *pages = vspace_new_pages(own, seL4_AllRights, 2, GM_BITS_4K);

    GM_CHECK_NOT_NULL(pages);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, BASE, 2 * GM_MIB)), 0);
    CHANGES_NOTHING(env, own->unmap_pages(own, at(BASE), 1, GM_BITS_2M, VSPACE_FREE));
    CHECK_FAILURE(vm, GUESTMEM_EUNMAPPED, operation);
    CHANGES_NOTHING(env, own->unmap_pages(own, pages, 3, GM_BITS_4K, VSPACE_FREE));
    CHECK_FAILURE(vm, GUESTMEM_EUNMAPPED, operation);
    CHANGES_NOTHING(env, own->unmap_pages(own, (char *)pages + 8, 1, GM_BITS_4K, VSPACE_FREE));
    CHECK_FAILURE(vm, GUESTMEM_EUNMAPPED, operation);
    CHANGES_NOTHING(env, own->unmap_pages(own, pages, 1, 11, VSPACE_FREE));
    CHECK_FAILURE(vm, GUESTMEM_EINVAL, operation);
    CHANGES_NOTHING(env, own->unmap_pages(own, pages, SIZE_MAX, GM_BITS_4K, VSPACE_FREE));
    CHECK_FAILURE(vm, GUESTMEM_ERANGE, operation);
    CHANGES_NOTHING(env, own->free_reservation(own, (reservation_t){guestmem_reservation_at(vm, BASE)}));
    CHECK_FAILURE(vm, GUESTMEM_ESTALE, "vspace_free_reservation");
    CHANGES_NOTHING(env, own->free_reservation(own, (reservation_t){NULL}));
    CHECK_FAILURE(vm, GUESTMEM_EINVAL, "vspace_free_reservation");
    CHANGES_NOTHING(env, own->free_reservation_by_vaddr(own, at(8 * BASE)));
    CHECK_FAILURE(vm, GUESTMEM_EUNMAPPED, "vspace_free_reservation_by_vaddr");
    GM_CHECK_EQ(own->get_cap(own, at(8 * BASE)), seL4_CapNull);
    GM_CHECK_EQ(own->get_cookie(own, at(8 * BASE)), 0);
    own->unmap_pages(own, pages, 2, GM_BITS_4K, VSPACE_FREE);
    GM_CHECK_EQ(own->get_cap(own, pages), seL4_CapNull);
}

static void bad_shares_are_refused(struct gm_env *env, vm_t *vm)
{
    static const char operation[] = "vspace_share_mem_at_vaddr";
    vspace_t *own = &vm->mem.vm_vspace;
    vm_t *other = gm_env_new_vm(env);
    vspace_t *to = &other->mem.vm_vspace;
    reservation_t claim = to->reserve_range_at(to, at(BASE), 4 * GM_PAGE, seL4_AllRights, 1);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, BASE, 2 * GM_PAGE)), 0);
    REFUSED(env, vm, own->share_mem_at_vaddr(own, to, at(BASE), 0, GM_BITS_4K, at(BASE), claim), -1,
            GUESTMEM_EINVAL, operation);
    REFUSED(env, vm, own->share_mem_at_vaddr(own, to, at(BASE), -1, GM_BITS_4K, at(BASE), claim), -1,
            GUESTMEM_EINVAL, operation);
    REFUSED(env, vm, own->share_mem_at_vaddr(own, to, at(BASE), 1, 13, at(BASE), claim), -1, GUESTMEM_EINVAL,
            operation);
    REFUSED(env, vm, own->share_mem_at_vaddr(own, to, at(BASE), 3, GM_BITS_4K, at(BASE), claim), -1,
            GUESTMEM_EUNMAPPED, operation);
    REFUSED(env, vm, own->share_mem_at_vaddr(own, to, at(BASE), 1, GM_BITS_2M, at(BASE), claim), -1,
            GUESTMEM_EUNMAPPED, operation);
    REFUSED(env, vm, own->share_mem_at_vaddr(own, to, at(BASE), 1, GM_BITS_4K, at(2 * BASE), claim), -1,
            GUESTMEM_EVMM, operation);
    GM_CHECK_EQ(own->share_mem_at_vaddr(own, to, at(BASE), 2, GM_BITS_4K, at(BASE), claim), 0);
    GM_CHECK_LEAF(env, other, BASE + GM_PAGE, GM_BITS_4K, "rw", false);
    REFUSED(env, vm, own->share_mem_at_vaddr(own, to, at(BASE), 2, GM_BITS_4K, at(BASE), claim), -1,
            GUESTMEM_EVMM, operation);
    vspace_unmap_pages(to, at(BASE), 2, GM_BITS_4K, other->vka);
}

/* After it was torn down, a vspace fails, and no more. */
static void a_vspace_that_was_torn_down_does_nothing(struct gm_env *env, vm_t *vm)
{
    vspace_t *own = &vm->mem.vm_vspace;
    void *gpa = NULL;

    GM_CHECK_NOT_NULL(vspace_new_pages(own, seL4_AllRights, 2, GM_BITS_4K));
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 4 * GM_MIB, false), 0);
    own->tear_down(own, VSPACE_FREE);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 0);
    CHANGES_NOTHING(env, own->tear_down(own, VSPACE_FREE);
                    GM_CHECK_NULL(own->new_pages(own, seL4_AllRights, 1, GM_BITS_4K));
                    GM_CHECK_NULL(own->reserve_range_at(own, at(BASE), 1, seL4_AllRights, 1).res);
                    GM_CHECK_NULL(own->reserve_range_aligned(own, 1, 12, seL4_AllRights, 1, &gpa).res);
                    own->unmap_pages(own, at(BASE), 1, GM_BITS_4K, VSPACE_FREE);
                    own->free_reservation_by_vaddr(own, at(BASE)); GM_CHECK_EQ(own->get_cap(own, at(BASE)), 0);
                    GM_CHECK_EQ(own->get_root(own), 0); GM_CHECK_EQ(own->get_cookie(own, at(BASE)), 0);
                    GM_CHECK_NULL(vm_reserve_memory_at(vm, BASE, 1, default_error_fault_callback, NULL));
                    GM_CHECK_EQ(vm_memory_handle_fault(vm, NULL, BASE, 1), FAULT_ERROR));
}

static const struct gm_case cases[] = {
    GM_CASE(bad_reservations_are_refused),
    GM_CASE(only_the_sizes_of_frames_are_alignments),
    GM_CASE(bad_pages_are_refused),
    GM_CASE(bad_unmaps_are_refused),
    GM_CASE(bad_shares_are_refused),
    GM_CASE(a_vspace_that_was_torn_down_does_nothing),
};
const struct gm_suite bad_vspace_suite = GM_SUITE("bad_vspace", cases);

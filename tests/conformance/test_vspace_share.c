/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Sharing pages of the guest's vspace_t with the VMM's and with another guest's, and from the
 * VMM's.
 */
#include <string.h>

#include "conformance.h"

static void *at(uintptr_t addr)
{
    return (void *)addr;
}

/* Two pages of guest memory that say "guest" at their second one. */
static void make_source(struct gm_env *env, vm_t *vm, size_t size)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, size);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    gm_test_guest_write(env, vm, BASE + GM_PAGE, "guest", 5);
}

static void check_guest_text(struct gm_env *env, vm_t *vm, uintptr_t gpa, const char *text)
{
    char seen[16];

    if (gm_test_guest_read(env, vm, gpa, seen, strlen(text))) {
        GM_CHECK_BYTES(seen, text, strlen(text));
    }
}

static void guest_pages_can_be_shared_with_the_vmm(struct gm_env *env, vm_t *vm)
{
    char *view;
    char seen[5];

    make_source(env, vm, 2 * GM_PAGE);
    view =
        vspace_share_mem(&vm->mem.vm_vspace, env->vmm, at(BASE), 2, GM_BITS_4K, seL4_AllRights, 1);
    GM_CHECK_NOT_NULL(view);
    memcpy(view + 16, "vmm", 3);
    check_guest_text(env, vm, BASE + 16, "vmm");
    if (gm_test_guest_read(env, vm, BASE + GM_PAGE, seen, 5)) {
        GM_CHECK_BYTES(seen, "guest", 5);
        GM_CHECK_BYTES(view + GM_PAGE, "guest", 5);
    }
    vspace_unmap_pages(env->vmm, view, 2, GM_BITS_4K, VSPACE_FREE);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
}

static void guest_ram_in_large_frames_can_be_shared_with_the_vmm(struct gm_env *env, vm_t *vm)
{
    char *view;

    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 4 * GM_MIB, false), 0);
    gm_env_make_room(env, GM_BITS_2M);
    view = vspace_share_mem(&vm->mem.vm_vspace, env->vmm, at(BASE + 2 * GM_MIB), 1, GM_BITS_2M,
                            seL4_AllRights, 1);
    GM_CHECK_NOT_NULL(view);
    memcpy(view + GM_MIB, "vmm", 3);
    check_guest_text(env, vm, BASE + 3 * GM_MIB, "vmm");
    vspace_unmap_pages(env->vmm, view, 1, GM_BITS_2M, VSPACE_FREE);
}

static void sharing_what_is_not_mapped_fails(struct gm_env *env, vm_t *vm)
{
    void *view = NULL;
    reservation_t res =
        vspace_reserve_range_aligned(env->vmm, 4 * GM_MIB, GM_BITS_2M, seL4_AllRights, 1, &view);
    vspace_t *guest = &vm->mem.vm_vspace;

    GM_CHECK_NOT_NULL(res.res);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 2 * GM_MIB, false), 0);
    CHANGES_NOTHING(env, {
        GM_CHECK_NE(vspace_share_mem_at_vaddr(guest, env->vmm, at(BASE - GM_PAGE), 1, GM_BITS_4K,
                                              view, res),
                    0);
        GM_CHECK_NE(vspace_share_mem_at_vaddr(guest, env->vmm, at(BASE), 2, GM_BITS_2M, view, res),
                    0);
        GM_CHECK_NE(vspace_share_mem_at_vaddr(guest, env->vmm, at(BASE + GM_PAGE), 1, GM_BITS_4K,
                                              view, res),
                    0);
        GM_CHECK_NE(vspace_share_mem_at_vaddr(guest, env->vmm, at(BASE), 1, 14, view, res), 0);
        GM_CHECK_NE(vspace_share_mem_at_vaddr(guest, env->vmm, at(BASE), 0, GM_BITS_2M, view, res),
                    0);
        GM_CHECK_NE(vspace_share_mem_at_vaddr(guest, env->vmm, at(BASE), -1, GM_BITS_2M, view, res),
                    0);
    });
    vspace_free_reservation(env->vmm, res);
}

struct access {
    void *addr;
    char text[8];
    int answer;
};

static int note_access(void *addr, void *vaddr, void *cookie)
{
    struct access *access = cookie;

    access->addr = addr;
    memcpy(access->text, vaddr, sizeof(access->text));
    memcpy((char *)vaddr + 32, "seen", 4);
    return access->answer;
}

static void a_guest_page_can_be_accessed_by_a_callback(struct gm_env *env, vm_t *vm)
{
    struct access access = {.answer = 23};

    make_source(env, vm, 2 * GM_PAGE);
    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(vspace_access_page_with_callback(&vm->mem.vm_vspace, env->vmm,
                                                     at(BASE + GM_PAGE), GM_BITS_4K, seL4_AllRights,
                                                     1, note_access, &access),
                    23);
    });
    GM_CHECK(access.addr == at(BASE + GM_PAGE));
    check_guest_text(env, vm, BASE + GM_PAGE + 32, "seen");
    check_guest_text(env, vm, BASE + GM_PAGE, access.text);
}

/* Not a part of a larger frame: that would need a frame of its own size. */
static void a_callback_access_of_the_wrong_size_fails_and_leaks_nothing(struct gm_env *env,
                                                                        vm_t *vm)
{
    struct access access = {.answer = 23};
    vspace_t *guest = &vm->mem.vm_vspace;

    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 2 * GM_MIB, false), 0);
    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(vspace_access_page_with_callback(guest, env->vmm, at(BASE + GM_PAGE),
                                                     GM_BITS_4K, seL4_AllRights, 1, note_access,
                                                     &access),
                    -1);
        GM_CHECK_EQ(vspace_access_page_with_callback(guest, env->vmm, at(BASE + 4 * GM_MIB),
                                                     GM_BITS_2M, seL4_AllRights, 1, note_access,
                                                     &access),
                    -1);
    });
    GM_CHECK_NULL(access.addr);
    gm_env_make_room(env, GM_BITS_2M);
    GM_CHECK_EQ(vspace_access_page_with_callback(guest, env->vmm, at(BASE),
                                                 vspace_get_cookie(guest, at(BASE)), seL4_AllRights,
                                                 1, note_access, &access),
                23);
    check_guest_text(env, vm, BASE + 32, "seen");
}

static void guest_pages_can_be_shared_with_another_guest(struct gm_env *env, vm_t *vm)
{
    vm_t *other = gm_env_new_vm(env);
    vspace_t *to = &other->mem.vm_vspace;
    uintptr_t there = BASE + GM_GIB;
    reservation_t res = vspace_reserve_range_at(to, at(there), 2 * GM_PAGE, seL4_CanRead, 1);

    make_source(env, vm, 2 * GM_PAGE);
    GM_CHECK_NOT_NULL(res.res);
    GM_CHECK_EQ(
        vspace_share_mem_at_vaddr(&vm->mem.vm_vspace, to, at(BASE), 2, GM_BITS_4K, at(there), res),
        0);
    GM_CHECK_LEAF(env, other, there, GM_BITS_4K, "r", false);
    if (gm_test_guest_write(env, vm, BASE + 8, "one", 3)) {
        check_guest_text(env, other, there + 8, "one");
    }
    vspace_unmap_pages(to, at(there), 2, GM_BITS_4K, VSPACE_FREE);
    GM_CHECK_NO_LEAF(env, other, there);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
}

static void check_end_of_share(struct gm_env *env, vm_t *vm, bool source_first)
{
    vm_t *other = gm_env_new_vm(env);
    vspace_t *to = &other->mem.vm_vspace;
    reservation_t res = vspace_reserve_range_at(to, at(BASE), 2 * GM_MIB, seL4_AllRights, 1);

    GM_CHECK_NOT_NULL(res.res);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 2 * GM_MIB, false), 0);
    GM_CHECK_EQ(
        vspace_share_mem_at_vaddr(&vm->mem.vm_vspace, to, at(BASE), 1, GM_BITS_2M, at(BASE), res),
        0);
    gm_env_drop_vm(env, source_first ? vm : other);
    if (source_first) {
        GM_CHECK_NO_LEAF(env, other, BASE);
    } else {
        GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    }
}

static void what_is_shared_ends_with_the_guest_that_gave_it(struct gm_env *env, vm_t *vm)
{
    check_end_of_share(env, vm, true);
}

static void what_is_shared_outlives_the_guest_that_took_it(struct gm_env *env, vm_t *vm)
{
    check_end_of_share(env, vm, false);
}

static void a_share_into_a_place_that_is_taken_fails(struct gm_env *env, vm_t *vm)
{
    vspace_t *guest = &vm->mem.vm_vspace;
    reservation_t res =
        vspace_reserve_range_at(guest, at(BASE + GM_MIB), 2 * GM_PAGE, seL4_AllRights, 1);

    make_source(env, vm, 2 * GM_PAGE);
    GM_CHECK_EQ(vspace_new_pages_at_vaddr(guest, at(BASE + GM_MIB + GM_PAGE), 1, GM_BITS_4K, res),
                0);
    CHANGES_NOTHING(env, {
        GM_CHECK_NE(vspace_share_mem_at_vaddr(guest, guest, at(BASE), 2, GM_BITS_4K,
                                              at(BASE + GM_MIB), res),
                    0);
    });
    GM_CHECK_NO_LEAF(env, vm, BASE + GM_MIB);
}

static void a_page_can_be_shared_within_one_guest(struct gm_env *env, vm_t *vm)
{
    vspace_t *guest = &vm->mem.vm_vspace;
    char *there;

    make_source(env, vm, 2 * GM_PAGE);
    there = vspace_share_mem(guest, guest, at(BASE + GM_PAGE), 1, GM_BITS_4K, seL4_CanRead, 1);
    GM_CHECK_NOT_NULL(there);
    GM_CHECK_LEAF(env, vm, (uintptr_t)there, GM_BITS_4K, "r", false);
    check_guest_text(env, vm, (uintptr_t)there, "guest");
    vspace_unmap_pages(guest, there, 1, GM_BITS_4K, VSPACE_FREE);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "rw", false);
}

static void pages_of_the_vmm_can_be_shared_with_the_guest(struct gm_env *env, vm_t *vm)
{
    vspace_t *guest = &vm->mem.vm_vspace;
    char *page;
    reservation_t res;

    if (!env->vmm_shares) {
        GM_SKIP("this VMM's vspace shares with spaces of its own make only");
    }
    page = vspace_new_pages(env->vmm, seL4_AllRights, 2, GM_BITS_4K);
    res = vspace_reserve_range_at(guest, at(BASE), 2 * GM_PAGE, seL4_CanRead, 1);
    GM_CHECK(page != NULL && res.res != NULL);
    memcpy(page + GM_PAGE, "mine", 4);
    GM_CHECK_EQ(vspace_share_mem_at_vaddr(env->vmm, guest, page, 2, GM_BITS_4K, at(BASE), res), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "r", false);
    check_guest_text(env, vm, BASE + GM_PAGE, "mine");
    vspace_unmap_pages(guest, at(BASE), 2, GM_BITS_4K, VSPACE_FREE);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    vspace_unmap_pages(env->vmm, page, 2, GM_BITS_4K, VSPACE_FREE);
}

static const struct gm_case cases[] = {
    GM_CASE(guest_pages_can_be_shared_with_the_vmm),
    GM_CASE(guest_ram_in_large_frames_can_be_shared_with_the_vmm),
    GM_CASE(sharing_what_is_not_mapped_fails),
    GM_CASE(a_guest_page_can_be_accessed_by_a_callback),
    GM_CASE(a_callback_access_of_the_wrong_size_fails_and_leaks_nothing),
    GM_CASE(guest_pages_can_be_shared_with_another_guest),
    GM_CASE(what_is_shared_ends_with_the_guest_that_gave_it),
    GM_CASE(what_is_shared_outlives_the_guest_that_took_it),
    GM_CASE(a_share_into_a_place_that_is_taken_fails),
    GM_CASE(a_page_can_be_shared_within_one_guest),
    GM_CASE(pages_of_the_vmm_can_be_shared_with_the_guest),
};

const struct gm_suite vspace_share_suite = GM_SUITE("vspace_share", cases);

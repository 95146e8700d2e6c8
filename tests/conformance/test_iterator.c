/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * vm_map_reservation(): frames that the caller's iterator gives, one at a time.
 */
#include "conformance.h"

static struct gm_giver giver_of(struct gm_env *env, size_t size_bits)
{
    return (struct gm_giver){.env = env, .size_bits = size_bits, .rights = seL4_AllRights};
}

/* An iterator that gives frames by the address asked for, as a case has laid them out. */
struct layout {
    size_t count;
    size_t calls;
    vm_frame_t frames[8];
    uintptr_t asked[8];
};

static vm_frame_t layout_next(uintptr_t addr, void *cookie)
{
    struct layout *layout = cookie;
    vm_frame_t none = {0};

    if (layout->calls >= layout->count) {
        layout->calls++;
        return none;
    }
    layout->asked[layout->calls] = addr;
    return layout->frames[layout->calls++];
}

static void lay(struct gm_env *env, struct layout *layout, uintptr_t vaddr, size_t size_bits)
{
    vm_frame_t *frame = &layout->frames[layout->count++];

    *frame = (vm_frame_t){.rights = seL4_AllRights, .vaddr = vaddr, .size_bits = size_bits};
    frame->cptr = gm_env_frame(env, size_bits);
    GM_CHECK_NE(frame->cptr, seL4_CapNull);
}

/* Check that backing with this layout fails, changes nothing, and leaves the frames to the case. */
static void check_layout_refused(struct gm_env *env, vm_t *vm, vm_memory_reservation_t *res,
                                 struct layout *layout)
{
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation(vm, res, layout_next, layout), -1));
    for (size_t i = 0; i < layout->count; i++) {
        if (layout->frames[i].cptr != seL4_CapNull) {
            gm_env_check_frame(env, layout->frames[i].cptr);
        }
    }
}

static void an_iterator_is_asked_for_each_page_in_order(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = giver_of(env, GM_BITS_4K);
    vm_memory_reservation_t *res = reserve(vm, BASE, 5 * GM_PAGE);

    GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), 0);
    GM_CHECK_EQ(giver.calls, 5);
    for (unsigned i = 0; i < 5; i++) {
        GM_CHECK_EQ(giver.addresses[i], BASE + i * GM_PAGE);
        GM_CHECK_PADDR(env, vm, BASE + i * GM_PAGE, gm_env_frame_paddr(giver.caps[i]));
    }
}

static void an_unaligned_reservation_is_asked_for_by_its_own_start(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = giver_of(env, GM_BITS_4K);
    vm_memory_reservation_t *res = reserve(vm, BASE + 0x500, 2 * GM_PAGE);

    GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), 0);
    GM_CHECK_EQ(giver.calls, 3);
    GM_CHECK_EQ(giver.addresses[0], BASE + 0x500);
    GM_CHECK_EQ(giver.addresses[1], BASE + GM_PAGE);
    GM_CHECK_EQ(giver.addresses[2], BASE + 2 * GM_PAGE);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_PAGE, GM_BITS_4K, "rw", false);
    GM_CHECK_NO_LEAF(env, vm, BASE + 3 * GM_PAGE);
}

static void an_iterator_may_give_large_frames(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = giver_of(env, GM_BITS_2M);
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_MIB);

    GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), 0);
    GM_CHECK_EQ(giver.calls, 2);
    GM_CHECK_EQ(giver.addresses[1], BASE + 2 * GM_MIB);
    GM_CHECK_LEAF(env, vm, BASE + 3 * GM_MIB, GM_BITS_2M, "rw", false);
}

static void an_iterator_may_mix_frame_sizes(struct gm_env *env, vm_t *vm)
{
    struct layout layout = {0};
    vm_memory_reservation_t *res = reserve(vm, BASE - GM_PAGE, 2 * GM_PAGE + 2 * GM_MIB);

    lay(env, &layout, BASE - GM_PAGE, GM_BITS_4K);
    lay(env, &layout, BASE, GM_BITS_2M);
    lay(env, &layout, BASE + 2 * GM_MIB, GM_BITS_4K);
    GM_CHECK_EQ(vm_map_reservation(vm, res, layout_next, &layout), 0);
    GM_CHECK_EQ(layout.calls, 3);
    GM_CHECK_EQ(layout.asked[0], BASE - GM_PAGE);
    GM_CHECK_EQ(layout.asked[1], BASE);
    GM_CHECK_EQ(layout.asked[2], BASE + 2 * GM_MIB);
    GM_CHECK_LEAF(env, vm, BASE - 1, GM_BITS_4K, "rw", false);
    GM_CHECK_LEAF(env, vm, BASE + GM_MIB, GM_BITS_2M, "rw", false);
    GM_CHECK_LEAF(env, vm, BASE + 2 * GM_MIB, GM_BITS_4K, "rw", false);
}

static void a_frame_is_placed_at_its_address_rounded_down(struct gm_env *env, vm_t *vm)
{
    struct layout layout = {0};
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_MIB + GM_PAGE);

    lay(env, &layout, BASE + 0x12345, GM_BITS_2M);
    lay(env, &layout, BASE + 2 * GM_MIB + 0xfff, GM_BITS_4K);
    GM_CHECK_EQ(vm_map_reservation(vm, res, layout_next, &layout), 0);
    GM_CHECK_PADDR(env, vm, BASE, gm_env_frame_paddr(layout.frames[0].cptr));
    GM_CHECK_PADDR(env, vm, BASE + 2 * GM_MIB, gm_env_frame_paddr(layout.frames[1].cptr));
}

static void the_iterators_rights_are_the_guests(struct gm_env *env, vm_t *vm)
{
    static const struct {
        unsigned write;
        unsigned read;
        const char *seen;
    } wanted[] = {{1, 1, "rw"}, {0, 1, "r"}, {0, 0, "-"}, {1, 0, "-"}};
    struct layout layout = {0};
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_PAGE);

    for (unsigned i = 0; i < 4; i++) {
        lay(env, &layout, BASE + i * GM_PAGE, GM_BITS_4K);
        layout.frames[i].rights = seL4_CapRights_new(0, 0, wanted[i].read, wanted[i].write);
    }
    GM_CHECK_EQ(vm_map_reservation(vm, res, layout_next, &layout), 0);
    for (unsigned i = 0; i < 4; i++) {
        GM_CHECK_LEAF(env, vm, BASE + i * GM_PAGE, GM_BITS_4K, wanted[i].seen, false);
    }
}

static void an_iterator_that_fails_at_once_maps_nothing(struct gm_env *env, vm_t *vm)
{
    struct layout layout = {0};
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_PAGE);

    check_layout_refused(env, vm, res, &layout);
    GM_CHECK_EQ(layout.calls, 1);
    GM_CHECK_NO_LEAF(env, vm, BASE);
}

static void an_iterator_that_fails_half_way_maps_nothing(struct gm_env *env, vm_t *vm)
{
    struct layout layout = {0};
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_PAGE);

    lay(env, &layout, BASE, GM_BITS_4K);
    lay(env, &layout, BASE + GM_PAGE, GM_BITS_4K);
    check_layout_refused(env, vm, res, &layout);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_NO_LEAF(env, vm, BASE + GM_PAGE);
}

static void after_an_iterators_failure_the_reservation_can_be_backed(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = giver_of(env, GM_BITS_4K);
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_PAGE);

    giver.fail_at = 3;
    GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), -1);
    GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "rw", false);
}

static void a_size_of_no_frame_is_refused(struct gm_env *env, vm_t *vm)
{
    static const size_t wrong[] = {0, 11, 13, 20, 22, 31, 64};
    struct layout layout = {0};
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_MIB);

    lay(env, &layout, BASE, GM_BITS_4K);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        layout.calls = 0;
        layout.frames[0].size_bits = wrong[i];
        check_layout_refused(env, vm, res, &layout);
    }
}

static void a_size_that_the_cap_has_not_is_refused(struct gm_env *env, vm_t *vm)
{
    struct layout small = {0};
    struct layout large = {0};
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_MIB);
    vm_memory_reservation_t *page = reserve(vm, BASE + 4 * GM_MIB, GM_PAGE);

    lay(env, &small, BASE, GM_BITS_4K);
    small.frames[0].size_bits = GM_BITS_2M;
    check_layout_refused(env, vm, res, &small);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    lay(env, &large, BASE + 4 * GM_MIB, GM_BITS_2M);
    large.frames[0].size_bits = GM_BITS_4K;
    check_layout_refused(env, vm, page, &large);
    GM_CHECK_NO_LEAF(env, vm, BASE + 4 * GM_MIB);
}

static void a_frame_for_another_address_is_refused(struct gm_env *env, vm_t *vm)
{
    struct layout layout = {0};
    vm_memory_reservation_t *res = reserve(vm, BASE, 4 * GM_PAGE);

    lay(env, &layout, BASE, GM_BITS_4K);
    lay(env, &layout, BASE + 2 * GM_PAGE, GM_BITS_4K);
    check_layout_refused(env, vm, res, &layout);
    layout.calls = 0;
    layout.frames[1].vaddr = BASE;
    check_layout_refused(env, vm, res, &layout);
}

static void a_frame_that_leaves_the_reservation_is_refused(struct gm_env *env, vm_t *vm)
{
    struct layout beyond = {0};
    struct layout before = {0};
    vm_memory_reservation_t *low = reserve(vm, BASE, GM_MIB);
    vm_memory_reservation_t *high = reserve(vm, BASE + GM_MIB, GM_MIB);

    lay(env, &beyond, BASE, GM_BITS_2M);
    check_layout_refused(env, vm, low, &beyond);
    lay(env, &before, BASE + GM_MIB, GM_BITS_2M);
    check_layout_refused(env, vm, high, &before);
}

static void a_frame_larger_than_its_alignment_allows_is_refused(struct gm_env *env, vm_t *vm)
{
    struct layout layout = {0};
    vm_memory_reservation_t *res = reserve(vm, BASE + GM_PAGE, 4 * GM_MIB);

    lay(env, &layout, BASE + GM_PAGE, GM_BITS_2M);
    check_layout_refused(env, vm, res, &layout);
}

static void a_frame_that_is_mapped_elsewhere_is_refused(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr frame = gm_env_frame(env, GM_BITS_4K);
    struct layout layout = {.count = 1};
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);
    void *view = vspace_map_pages(env->vmm, &frame, NULL, seL4_AllRights, 1, GM_BITS_4K, 1);

    GM_CHECK_NOT_NULL(view);
    layout.frames[0] = (vm_frame_t){frame, seL4_AllRights, BASE, GM_BITS_4K};
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation(vm, res, layout_next, &layout), -1));
    GM_CHECK_NO_LEAF(env, vm, BASE);
    vspace_unmap_pages(env->vmm, view, 1, GM_BITS_4K, VSPACE_PRESERVE);
    layout.calls = 0;
    GM_CHECK_EQ(vm_map_reservation(vm, res, layout_next, &layout), 0);
}

static void the_same_frame_twice_is_refused(struct gm_env *env, vm_t *vm)
{
    struct layout layout = {0};
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_PAGE);

    lay(env, &layout, BASE, GM_BITS_4K);
    layout.frames[1] = layout.frames[0];
    layout.frames[1].vaddr = BASE + GM_PAGE;
    layout.count = 2;
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation(vm, res, layout_next, &layout), -1));
    gm_env_check_frame(env, layout.frames[0].cptr);
    GM_CHECK_NO_LEAF(env, vm, BASE);
}

static void what_is_no_frame_cap_is_refused(struct gm_env *env, vm_t *vm)
{
    struct layout layout = {.count = 1};
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);
    vka_object_t untyped;

    GM_CHECK_EQ(vka_alloc_untyped(env->vka, GM_BITS_4K, &untyped), 0);
    layout.frames[0] = (vm_frame_t){untyped.cptr, seL4_AllRights, BASE, GM_BITS_4K};
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation(vm, res, layout_next, &layout), -1));
    vka_free_object(env->vka, &untyped);
    layout.calls = 0;
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation(vm, res, layout_next, &layout), -1));
}

static void mapping_twice_is_refused_and_asks_for_nothing(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = giver_of(env, GM_BITS_4K);
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_PAGE);

    GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), 0);
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), -1));
    GM_CHECK_EQ(giver.calls, 2);
}

static void null_arguments_are_refused(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = giver_of(env, GM_BITS_4K);
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);

    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation(NULL, res, gm_giver_next, &giver), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation(vm, NULL, gm_giver_next, &giver), -1));
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation(vm, res, NULL, NULL), -1));
    GM_CHECK_EQ(giver.calls, 0);
}

static void freed_frames_of_the_caller_can_be_mapped_again(struct gm_env *env, vm_t *vm)
{
    struct layout layout = {0};

    lay(env, &layout, BASE, GM_BITS_2M);
    lay(env, &layout, BASE + 2 * GM_MIB, GM_BITS_4K);
    for (int i = 0; i < 3; i++) {
        vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_MIB + GM_PAGE);

        layout.calls = 0;
        GM_CHECK_EQ(vm_map_reservation(vm, res, layout_next, &layout), 0);
        GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
        GM_CHECK_NO_LEAF(env, vm, BASE);
        gm_env_check_frame(env, layout.frames[0].cptr);
        gm_env_check_frame(env, layout.frames[1].cptr);
    }
}

static void a_callers_frame_keeps_its_contents(struct gm_env *env, vm_t *vm)
{
    struct layout layout = {0};
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);
    void *view;

    lay(env, &layout, BASE, GM_BITS_4K);
    view =
        vspace_map_pages(env->vmm, &layout.frames[0].cptr, NULL, seL4_AllRights, 1, GM_BITS_4K, 1);
    GM_CHECK_NOT_NULL(view);
    ((uint8_t *)view)[0x123] = 0x5a;
    vspace_unmap_pages(env->vmm, view, 1, GM_BITS_4K, VSPACE_PRESERVE);
    GM_CHECK_EQ(vm_map_reservation(vm, res, layout_next, &layout), 0);
    GM_CHECK_GUEST_FILLED(env, vm, BASE + 0x123, 0x5a, 1);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0, 0x123);
}

/* An iterator that reserves, backs and frees other ranges on its way, and tries its own. */
struct busy_iterator {
    struct gm_giver giver;
    vm_t *vm;
    vm_memory_reservation_t *own;
    int own_result; /* 0: a call on its own reservation was not refused */
};

static vm_frame_t busy_next(uintptr_t addr, void *cookie)
{
    struct busy_iterator *busy = cookie;
    vm_memory_reservation_t *other = reserve(busy->vm, addr + GM_GIB, GM_PAGE);

    GM_CHECK_EQ(map_frame_alloc_reservation(busy->vm, other), 0);
    if (busy->giver.calls % 2 == 1) {
        GM_CHECK_EQ(vm_free_reserved_memory(busy->vm, other), 0);
    }
    if (vm_free_reserved_memory(busy->vm, busy->own) == 0 ||
        map_frame_alloc_reservation(busy->vm, busy->own) == 0) {
        busy->own_result = 0;
    }
    return gm_giver_next(addr, &busy->giver);
}

static void an_iterator_may_change_all_but_its_own_reservation(struct gm_env *env, vm_t *vm)
{
    struct busy_iterator busy = {.giver = giver_of(env, GM_BITS_4K), .vm = vm, .own_result = -1};

    busy.own = reserve(vm, BASE, 20 * GM_PAGE);
    GM_CHECK_EQ(vm_map_reservation(vm, busy.own, busy_next, &busy), 0);
    GM_CHECK_EQ(busy.own_result, -1);
    GM_CHECK_EQ(busy.giver.calls, 20);
    GM_CHECK_PADDR(env, vm, BASE + 19 * GM_PAGE, gm_env_frame_paddr(busy.giver.caps[19]));
    GM_CHECK_LEAF(env, vm, BASE + GM_GIB, GM_BITS_4K, "rw", false);
    GM_CHECK_NO_LEAF(env, vm, BASE + GM_GIB + GM_PAGE);
}

static void an_iterator_that_fails_keeps_what_it_did_elsewhere(struct gm_env *env, vm_t *vm)
{
    struct busy_iterator busy = {.giver = giver_of(env, GM_BITS_4K), .vm = vm, .own_result = -1};

    busy.giver.fail_at = 6;
    busy.own = reserve(vm, BASE, 20 * GM_PAGE);
    GM_CHECK_EQ(vm_map_reservation(vm, busy.own, busy_next, &busy), -1);
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_LEAF(env, vm, BASE + GM_GIB, GM_BITS_4K, "rw", false);
    GM_CHECK(refused(vm, BASE + GM_GIB, 1));
}

static void an_iterator_may_give_huge_frames(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = giver_of(env, GM_BITS_1G);
    vm_memory_reservation_t *res = reserve(vm, BASE, GM_GIB);

    GM_CHECK_EQ(vm_map_reservation(vm, res, gm_giver_next, &giver), 0);
    GM_CHECK_EQ(giver.calls, 1);
    GM_CHECK_LEAF(env, vm, BASE + GM_GIB - 1, GM_BITS_1G, "rw", false);
    GM_CHECK_EQ(vspace_get_cookie(&vm->mem.vm_vspace, (void *)(BASE + 5)), GM_BITS_1G);
    GM_CHECK_EQ(vm_arm_ipa_to_pa(vm, BASE, GM_GIB), gm_env_frame_paddr(giver.caps[0]));
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
}

static const struct gm_case cases[] = {
    GM_CASE(an_iterator_is_asked_for_each_page_in_order),
    GM_CASE(an_unaligned_reservation_is_asked_for_by_its_own_start),
    GM_CASE(an_iterator_may_give_large_frames),
    GM_CASE(an_iterator_may_mix_frame_sizes),
    GM_CASE(a_frame_is_placed_at_its_address_rounded_down),
    GM_CASE(the_iterators_rights_are_the_guests),
    GM_CASE(an_iterator_that_fails_at_once_maps_nothing),
    GM_CASE(an_iterator_that_fails_half_way_maps_nothing),
    GM_CASE(after_an_iterators_failure_the_reservation_can_be_backed),
    GM_CASE(a_size_of_no_frame_is_refused),
    GM_CASE(a_size_that_the_cap_has_not_is_refused),
    GM_CASE(a_frame_for_another_address_is_refused),
    GM_CASE(a_frame_that_leaves_the_reservation_is_refused),
    GM_CASE(a_frame_larger_than_its_alignment_allows_is_refused),
    GM_CASE(a_frame_that_is_mapped_elsewhere_is_refused),
    GM_CASE(the_same_frame_twice_is_refused),
    GM_CASE(what_is_no_frame_cap_is_refused),
    GM_CASE(mapping_twice_is_refused_and_asks_for_nothing),
    GM_CASE(null_arguments_are_refused),
    GM_CASE(freed_frames_of_the_caller_can_be_mapped_again),
    GM_CASE(a_callers_frame_keeps_its_contents),
    GM_CASE(an_iterator_may_change_all_but_its_own_reservation),
    GM_CASE(an_iterator_that_fails_keeps_what_it_did_elsewhere),
    GM_CASE_WITH(an_iterator_may_give_huge_frames, .ram_bytes = 3 * GM_GIB),
};

const struct gm_suite iterator_suite = GM_SUITE("iterator", cases);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Bad input: frames from iterators and arrays that can't be mapped, and calls from inside iterators.
 */
#include <string.h>

#include "defects.h"

/* An iterator whose last frame is wrong in one respect; all before it are right. */
struct liar {
    struct gm_env *env;
    size_t calls;
    size_t lie_at;
    seL4_CPtr cap; /* of the lie, if not 0 */
    bool null;
    size_t bits;
    uintptr_t vaddr; /* of the lie, if not 0 */
    seL4_CPtr given[8];
};

static vm_frame_t lie(uintptr_t addr, void *cookie)
{
    struct liar *liar = cookie;
    vm_frame_t frame = {.rights = seL4_AllRights, .vaddr = addr, .size_bits = GM_BITS_4K};

    liar->calls++;
    if (liar->calls == liar->lie_at) {
        frame.size_bits = liar->bits != 0 ? liar->bits : (size_t)GM_BITS_4K;
        frame.vaddr = liar->vaddr != 0 ? liar->vaddr : addr;
        frame.cptr = liar->cap;
    }
    if (frame.cptr == seL4_CapNull && !(liar->null && liar->calls == liar->lie_at)) {
        frame.cptr = gm_env_frame(liar->env, frame.size_bits == GM_BITS_2M ? GM_BITS_2M : GM_BITS_4K);
    }
    liar->given[liar->calls - 1] = frame.cptr;
    return frame;
}

/* That a map with such a frame fails, maps nothing, and leaves what was given unmapped. */
static void check_lie(struct gm_env *env, vm_t *vm, struct liar liar)
{
    const uintptr_t at = 2 * BASE;
    vm_memory_reservation_t *res = reserve(vm, at, 4 * GM_PAGE);
    struct guestmem_stats before;
    struct guestmem_stats after;

    liar.env = env;
    GM_CHECK_EQ(guestmem_get_stats(vm, &before), GUESTMEM_OK);
    GM_CHECK_EQ(vm_map_reservation(vm, res, lie, &liar), -1);
    CHECK_FAILURE(vm, GUESTMEM_EFRAME, "vm_map_reservation");
    GM_CHECK_EQ(guestmem_get_stats(vm, &after), GUESTMEM_OK);
    GM_CHECK_BYTES(&after, &before, sizeof(before));
    for (unsigned page = 0; page < 4; page++) {
        GM_CHECK_NO_LEAF(env, vm, at + page * GM_PAGE);
    }
    for (size_t i = 0; i < liar.calls; i++) {
        if (i + 1 != liar.lie_at) {
            gm_env_check_frame(env, liar.given[i]);
        }
    }
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    GM_CHECK_EQ(vm_ram_register_at_custom_iterator(vm, at, 4 * GM_PAGE, lie,
                                                   &(struct liar){.env = env, .lie_at = liar.lie_at,
                                                                  .cap = liar.cap, .null = liar.null,
                                                                  .bits = liar.bits, .vaddr = liar.vaddr}),
                -1);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 0);
    GM_CHECK_NULL(guestmem_reservation_at(vm, at));
}

static void an_iterator_that_gives_no_frame_is_refused(struct gm_env *env, vm_t *vm)
{
    check_lie(env, vm, (struct liar){.lie_at = 1, .null = true});
    check_lie(env, vm, (struct liar){.lie_at = 4, .null = true});
}

static void frames_of_a_wrong_size_are_refused(struct gm_env *env, vm_t *vm)
{
    static const size_t bits[] = {1, 11, 13, 16, 22, 39, 64, SIZE_MAX, GM_BITS_2M, GM_BITS_1G};

    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        check_lie(env, vm, (struct liar){.lie_at = 1, .bits = bits[i]});
        check_lie(env, vm, (struct liar){.lie_at = 3, .bits = bits[i]});
    }
}

static void frames_for_a_wrong_address_are_refused(struct gm_env *env, vm_t *vm)
{
    const uintptr_t at[] = {2 * BASE, 2 * BASE + 3 * GM_PAGE, 2 * BASE + 4 * GM_PAGE, 2 * BASE - 1, BASE, 1,
                            UINTPTR_MAX};

    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        check_lie(env, vm, (struct liar){.lie_at = 3, .vaddr = at[i]});
    }
}

/* The claimed size isn't the frame's: the kernel knows better. */
static void frames_that_are_smaller_or_larger_than_they_say_are_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, 4 * BASE, 2 * GM_MIB);
    seL4_CPtr small = gm_env_frame(env, GM_BITS_4K);
    seL4_CPtr large = gm_env_frame(env, GM_BITS_2M);

    check_lie(env, vm, (struct liar){.lie_at = 2, .cap = large});
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, &small, 1, GM_BITS_2M), -1));
    CHECK_FAILURE(vm, GUESTMEM_EFRAME, "vm_map_reservation_frames");
    GM_CHECK_EQ(vm_map_reservation_frames(vm, res, &large, 1, GM_BITS_2M), 0);
}

static void frames_that_are_mapped_elsewhere_are_refused(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr cap = gm_env_frame(env, GM_BITS_4K);
    vm_t *other = gm_env_new_vm(env);

    GM_CHECK_EQ(vm_map_reservation_frames(other, reserve(other, 2 * BASE, GM_PAGE), &cap, 1, GM_BITS_4K), 0);
    check_lie(env, vm, (struct liar){.lie_at = 1, .cap = cap});
    check_lie(env, vm, (struct liar){.lie_at = 4, .cap = cap});
    GM_CHECK_PADDR(env, other, 2 * BASE, gm_env_frame_paddr(cap));
    gm_env_drop_vm(env, other);
    GM_CHECK_EQ(vm_map_reservation_frames(vm, reserve(vm, BASE, GM_PAGE), &cap, 1, GM_BITS_4K), 0);
    check_lie(env, vm, (struct liar){.lie_at = 2, .cap = cap});
    GM_CHECK_PADDR(env, vm, BASE, gm_env_frame_paddr(cap)); /* and where it was mapped it still is */
}

static void the_same_frame_twice_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_PAGE);
    seL4_CPtr cap = gm_env_frame(env, GM_BITS_4K);
    seL4_CPtr caps[2] = {cap, cap};

    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 2, GM_BITS_4K), -1));
    CHECK_FAILURE(vm, GUESTMEM_EFRAME, "vm_map_reservation_frames");
    gm_env_check_frame(env, cap);
}

/* No endpoint is among them: an invocation of one waits for a receiver, on the real kernel for ever. */
static void caps_that_are_no_frames_are_refused(struct gm_env *env, vm_t *vm)
{
    seL4_CPtr bad[] = {seL4_CapInitThreadCNode, vm->mem.vm_vspace_root.cptr};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        vm_memory_reservation_t *res = reserve(vm, BASE, GM_PAGE);

        CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, &bad[i], 1, GM_BITS_4K), -1));
        CHECK_FAILURE(vm, GUESTMEM_EFRAME, "vm_map_reservation_frames");
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    }
}

static void an_array_that_does_not_fit_is_refused(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = reserve(vm, BASE + 0x800, 2 * GM_PAGE); /* three pages */
    seL4_CPtr caps[4];

    gm_env_frames(env, GM_BITS_4K, 4, caps);
    for (size_t count = 0; count <= 4; count++) {
        if (count != 3) {
            CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, count, GM_BITS_4K), -1));
            CHECK_FAILURE(vm, GUESTMEM_EFRAME, "vm_map_reservation_frames");
        }
    }
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 3, 13), -1));
    CHECK_FAILURE(vm, GUESTMEM_EINVAL, "vm_map_reservation_frames");
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 1, GM_BITS_2M), -1));
    CHECK_FAILURE(vm, GUESTMEM_EFRAME, "vm_map_reservation_frames");
    caps[2] = seL4_CapNull;
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_map_reservation_frames(vm, res, caps, 3, GM_BITS_4K), -1));
    CHECK_FAILURE(vm, GUESTMEM_EFRAME, "vm_map_reservation_frames");
}

/* Write-only rights map as none, as the kernel has it: nothing of the guest's gets through. */
static void write_only_frames_map_without_rights(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_CanWrite};
    struct gm_fault_log log = {.answer = FAULT_IGNORE};

    GM_CHECK_EQ(vm_map_reservation(vm, vm_reserve_memory_at(vm, BASE, GM_PAGE, gm_fault_note, &log), gm_giver_next,
                                   &giver),
                0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "-", false);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_IGNORE);
}

/* A lazy iterator's bad frame shows at the access: the guest stops, nothing else happens. */
static void a_lazy_iterators_bad_frame_stops_the_guest_only(struct gm_env *env, vm_t *vm)
{
    struct liar liar = {.env = env, .lie_at = 2, .null = true};

    set_populate(vm, GUESTMEM_POPULATE_LAZY);
    GM_CHECK_EQ(vm_map_reservation(vm, reserve(vm, BASE, 4 * GM_PAGE), lie, &liar), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + GM_PAGE, 4), FAULT_RESTART);
    CHANGES_NOTHING(env, GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_ERROR));
    GM_CHECK_NO_LEAF(env, vm, BASE);
    GM_CHECK_EQ(guestmem_last_failure(vm)->error, GUESTMEM_EFRAME);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_RESTART);
}

/* An iterator that calls the library, rightly and wrongly, while it is asked. */
struct caller {
    struct gm_giver giver;
    vm_t *vm;
    vm_memory_reservation_t *res;
    size_t reserved;
};

static vm_frame_t call_back(uintptr_t addr, void *cookie)
{
    struct caller *caller = cookie;

    GM_CHECK_EQ(vm_free_reserved_memory(caller->vm, caller->res), -1);
    CHECK_FAILURE(caller->vm, GUESTMEM_EBUSY, "vm_free_reserved_memory");
    GM_CHECK_EQ(map_frame_alloc_reservation(caller->vm, caller->res), -1);
    GM_CHECK_EQ(guestmem_destroy(caller->vm), GUESTMEM_EBUSY);
    GM_CHECK_NULL(vm_reserve_memory_at(caller->vm, addr, 1, default_error_fault_callback, NULL));
    CHECK_FAILURE(caller->vm, GUESTMEM_ETAKEN, "vm_reserve_memory_at");
    for (unsigned i = 0; i < 5; i++, caller->reserved++) {
        reserve(caller->vm, 4 * BASE + caller->reserved * GM_PAGE, GM_PAGE);
    }
    return gm_giver_next(addr, &caller->giver);
}

static void free_many(vm_t *vm, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        GM_CHECK_EQ(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, 4 * BASE + i * GM_PAGE)), 0);
    }
}

static void an_iterator_may_reserve_and_fail_meanwhile(struct gm_env *env, vm_t *vm)
{
    struct caller caller = {.vm = vm, .giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights}};

    caller.res = reserve(vm, BASE, 32 * GM_PAGE);
    GM_CHECK_EQ(vm_map_reservation(vm, caller.res, call_back, &caller), 0);
    GM_CHECK_EQ(caller.giver.calls, 32);
    for (unsigned page = 0; page < 32; page++) {
        GM_CHECK_LEAF(env, vm, BASE + page * GM_PAGE, GM_BITS_4K, "rw", false);
    }
    free_many(vm, caller.reserved);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, caller.res), 0);
    caller = (struct caller){.vm = vm, .giver = {.env = env, .size_bits = GM_BITS_4K, .fail_at = 30}};
    caller.res = reserve(vm, BASE, 32 * GM_PAGE);
    GM_CHECK_EQ(vm_map_reservation(vm, caller.res, call_back, &caller), -1);
    CHECK_FAILURE(vm, GUESTMEM_EFRAME, "vm_map_reservation");
    GM_CHECK_EQ(caller.reserved, 150);
    free_many(vm, caller.reserved);
}

/* While lazy RAM takes in a frame, its iterator can't take the RAM away under it. */
static vm_frame_t discard_meanwhile(uintptr_t addr, void *cookie)
{
    struct caller *caller = cookie;

    GM_CHECK_EQ(guestmem_ram_discard(caller->vm, BASE, GM_PAGE), GUESTMEM_EUNMAPPED);
    GM_CHECK_EQ(guestmem_populate(caller->vm, BASE, GM_PAGE), GUESTMEM_EBUSY);
    GM_CHECK_EQ(gm_env_fault(caller->vm, BASE, 4), FAULT_ERROR);
    return gm_giver_next(addr, &caller->giver);
}

static void an_iterator_cannot_populate_its_own_reservation(struct gm_env *env, vm_t *vm)
{
    struct caller caller = {.vm = vm, .giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights}};

    set_populate(vm, GUESTMEM_POPULATE_LAZY);
    caller.res = reserve(vm, BASE, 4 * GM_PAGE);
    GM_CHECK_EQ(vm_map_reservation(vm, caller.res, discard_meanwhile, &caller), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_RESTART);
    GM_CHECK_EQ(caller.giver.calls, 1);
}

/* A release function gets each frame once, also those of a call that failed, and no other. */
struct releaser {
    struct gm_giver giver;
    unsigned released;
};

static vm_frame_t give(uintptr_t addr, void *cookie)
{
    return gm_giver_next(addr, &((struct releaser *)cookie)->giver);
}

static void release(vm_t *vm, seL4_CPtr frame, size_t size_bits, void *cookie)
{
    struct releaser *releaser = cookie;

    (void)vm;
    GM_CHECK_EQ(size_bits, GM_BITS_4K);
    gm_env_check_frame(releaser->giver.env, frame);
    gm_env_frame_free(releaser->giver.env, frame);
    releaser->released++;
}

static void frames_with_a_release_function_come_back_once(struct gm_env *env, vm_t *vm)
{
    struct releaser releaser = {.giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights, .fail_at = 4}};
    vm_memory_reservation_t *res = reserve(vm, BASE, 8 * GM_PAGE);

    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_map_iterator(vm, res, give, release, &releaser), GUESTMEM_EFRAME);
                    GM_CHECK_EQ(releaser.released, 3));
    releaser.giver = (struct gm_giver){.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights};
    releaser.released = 0;
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_map_iterator(vm, res, give, release, &releaser), GUESTMEM_OK);
                    GM_CHECK_EQ(releaser.released, 0); GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
                    GM_CHECK_EQ(releaser.released, 8); res = reserve(vm, BASE, 8 * GM_PAGE));
    set_populate(vm, GUESTMEM_POPULATE_LAZY);
    GM_CHECK_EQ(guestmem_map_iterator(vm, reserve(vm, 2 * BASE, 8 * GM_PAGE), give, release, &releaser), GUESTMEM_OK);
    GM_CHECK_EQ(gm_env_fault(vm, 2 * BASE + 5 * GM_PAGE, 4), FAULT_RESTART);
    GM_CHECK_EQ(guestmem_destroy(vm), GUESTMEM_OK);
    GM_CHECK_EQ(releaser.released, 9);
    GM_CHECK_EQ(gm_env_frame_count(env), 0);
}

static const struct gm_case cases[] = {
    GM_CASE(an_iterator_that_gives_no_frame_is_refused),
    GM_CASE(frames_of_a_wrong_size_are_refused),
    GM_CASE(frames_for_a_wrong_address_are_refused),
    GM_CASE(frames_that_are_smaller_or_larger_than_they_say_are_refused),
    GM_CASE(frames_that_are_mapped_elsewhere_are_refused),
    GM_CASE(the_same_frame_twice_is_refused),
    GM_CASE(caps_that_are_no_frames_are_refused),
    GM_CASE(an_array_that_does_not_fit_is_refused),
    GM_CASE(write_only_frames_map_without_rights),
    GM_CASE(a_lazy_iterators_bad_frame_stops_the_guest_only),
    GM_CASE(an_iterator_may_reserve_and_fail_meanwhile),
    GM_CASE(an_iterator_cannot_populate_its_own_reservation),
    GM_CASE(frames_with_a_release_function_come_back_once),
};
const struct gm_suite bad_frame_suite = GM_SUITE("bad_frame", cases);

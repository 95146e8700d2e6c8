/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * When something runs out, a call changes nothing, and works once there is enough again. Each
 * request of each call fails in turn; the sweep over every function in many states is a test of its
 * own.
 */
#include "conformance.h"

/* What the map calls are about. */
static vm_memory_reservation_t *target;

/*
 * Let the k-th request fail, for each k until the call succeeds; after each failure all must be as
 * before. Fails the case if nothing could be made to fail.
 */
static void check_each_failure(struct gm_env *env, vm_t *vm,
                               int (*call)(struct gm_env *env, vm_t *vm))
{
    unsigned kinds = gm_env_fail_kinds(env);
    uint64_t k = 0;
    const char *step;
    int result;

    do {
        struct gm_env_snapshot *before = gm_env_snapshot(env);

        k++;
        gm_env_fail(env, kinds, k, false);
        result = call(env, vm);
        if (!gm_env_failed(env, &step)) {
            gm_env_fail(env, 0, 0, false);
            gm_env_snapshot_free(before);
            GM_CHECK_EQ(result, 0);
            break;
        }
        gm_env_fail(env, 0, 0, false);
        if (result == 0) {
            gm_env_snapshot_free(before); /* it found another way */
            break;
        }
        gm_env_check_same(env, before);
    } while (k < 10000);
    GM_CHECK(k > 1 && k < 10000);
}

static int call_reserve(struct gm_env *env, vm_t *vm)
{
    (void)env;
    return vm_reserve_memory_at(vm, BASE, GM_PAGE, default_error_fault_callback, NULL) != NULL ? 0
                                                                                               : -1;
}

static int call_make_anon(struct gm_env *env, vm_t *vm)
{
    (void)env;
    return vm_memory_make_anon(vm, BASE, GM_MIB);
}

static int call_map_frames(struct gm_env *env, vm_t *vm)
{
    (void)env;
    return map_frame_alloc_reservation(vm, target);
}

static int call_map_device(struct gm_env *env, vm_t *vm)
{
    return map_ut_alloc_reservation_with_base_paddr(vm, env->device_base + GM_PAGE, target);
}

static int call_create(struct gm_env *env, vm_t *vm)
{
    (void)env;
    return create_allocated_reservation_frame(vm, BASE, seL4_CanRead, default_error_fault_callback,
                                              NULL) != NULL
               ? 0
               : -1;
}

static int call_register(struct gm_env *env, vm_t *vm)
{
    (void)env;
    return vm_ram_register_at(vm, BASE - GM_PAGE, 2 * GM_MIB + 2 * GM_PAGE, false);
}

static int call_touch(struct gm_env *env, vm_t *vm)
{
    static char buffer[2 * GM_PAGE];

    (void)env;
    return vm_ram_touch(vm, BASE - GM_PAGE, 2 * GM_PAGE, vm_guest_ram_read_callback, buffer);
}

static int call_new_pages(struct gm_env *env, vm_t *vm)
{
    (void)env;
    return vspace_new_pages(&vm->mem.vm_vspace, seL4_AllRights, 3, GM_BITS_4K) != NULL ? 0 : -1;
}

static void a_reservation_needs_all_its_requests(struct gm_env *env, vm_t *vm)
{
    check_each_failure(env, vm, call_reserve);
}

static void donating_needs_all_its_requests(struct gm_env *env, vm_t *vm)
{
    check_each_failure(env, vm, call_make_anon);
}

static void backing_with_memory_needs_all_its_requests(struct gm_env *env, vm_t *vm)
{
    target = reserve(vm, BASE - 20 * GM_PAGE, 2 * GM_MIB + 30 * GM_PAGE);
    check_each_failure(env, vm, call_map_frames);
}

static void backing_by_address_needs_all_its_requests(struct gm_env *env, vm_t *vm)
{
    target = reserve(vm, BASE, 6 * GM_PAGE);
    check_each_failure(env, vm, call_map_device);
}

static void creating_a_page_needs_all_its_requests(struct gm_env *env, vm_t *vm)
{
    check_each_failure(env, vm, call_create);
}

static void registering_ram_needs_all_its_requests(struct gm_env *env, vm_t *vm)
{
    check_each_failure(env, vm, call_register);
}

static void touching_ram_needs_all_its_requests(struct gm_env *env, vm_t *vm)
{
    GM_CHECK_EQ(call_register(env, vm), 0);
    check_each_failure(env, vm, call_touch);
}

static void new_pages_need_all_their_requests(struct gm_env *env, vm_t *vm)
{
    check_each_failure(env, vm, call_new_pages);
}

/* Fewer slots than the pages need, so that some of them are had before the rest isn't. */
static void with_too_few_slots_a_call_changes_nothing(struct gm_env *env, vm_t *vm)
{
    enum { MOST = 1 << 12, LEFT = 20 };
    static cspacepath_t taken[MOST];
    vm_memory_reservation_t *res = reserve(vm, BASE, 64 * GM_PAGE);
    size_t count = 0;

    while (count < MOST && vka_cspace_alloc_path(env->vka, &taken[count]) == 0) {
        count++;
    }
    GM_CHECK(count > LEFT && count < MOST);
    for (unsigned i = 0; i < LEFT; i++) {
        CHANGES_NOTHING(env, GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), -1));
        vka_cspace_free_path(env->vka, taken[--count]);
    }
    while (count > 0) {
        vka_cspace_free_path(env->vka, taken[--count]);
    }
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
}

static const struct gm_case cases[] = {
    GM_CASE(a_reservation_needs_all_its_requests),
    GM_CASE(donating_needs_all_its_requests),
    GM_CASE(backing_with_memory_needs_all_its_requests),
    GM_CASE(backing_by_address_needs_all_its_requests),
    GM_CASE_WITH(backing_by_address_needs_all_its_requests, .boot_frames = true),
    GM_CASE(creating_a_page_needs_all_its_requests),
    GM_CASE(registering_ram_needs_all_its_requests),
    GM_CASE_WITH(registering_ram_needs_all_its_requests, .device_ram = true),
    GM_CASE(touching_ram_needs_all_its_requests),
    GM_CASE(new_pages_need_all_their_requests),
    GM_CASE_WITH(with_too_few_slots_a_call_changes_nothing, .cnode_bits = 11),
};

const struct gm_suite shortage_suite = GM_SUITE("shortage", cases);

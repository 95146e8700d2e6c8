/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Which callback a guest's access reaches, and what comes back: vm_memory_handle_fault(),
 * map_vm_memory_reservation(), default_error_fault_callback().
 */
#include <guestmem/runtime.h>

#include "conformance.h"

static vm_memory_reservation_t *reserve_noted(vm_t *vm, uintptr_t addr, size_t size,
                                              struct gm_fault_log *log)
{
    vm_memory_reservation_t *res = vm_reserve_memory_at(vm, addr, size, gm_fault_note, log);

    GM_CHECK_NOT_NULL(res);
    return res;
}

static void an_access_reaches_its_callback_with_all_it_needs(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};
    vm_vcpu_t vcpu = {.vm = vm};

    (void)env;
    reserve_noted(vm, BASE, 0x1000, &log);
    GM_CHECK_EQ(vm_memory_handle_fault(vm, &vcpu, BASE + 0x124, 4), FAULT_HANDLED);
    GM_CHECK_EQ(log.count, 1);
    GM_CHECK(log.vm == vm);
    GM_CHECK(log.vcpu == &vcpu);
    GM_CHECK_EQ(log.addr, BASE + 0x124);
    GM_CHECK_EQ(log.length, 4);
}

static void each_answer_comes_back_as_it_is(struct gm_env *env, vm_t *vm)
{
    static const memory_fault_result_t answers[] = {FAULT_HANDLED, FAULT_UNHANDLED, FAULT_RESTART,
                                                    FAULT_IGNORE, FAULT_ERROR};
    struct gm_fault_log log = {.answer = FAULT_ERROR};

    (void)env;
    reserve_noted(vm, BASE, 0x1000, &log);
    for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        log.answer = answers[i];
        GM_CHECK_EQ(gm_env_fault(vm, BASE + i, 1), answers[i]);
        GM_CHECK_EQ(log.count, i + 1);
    }
}

static void the_results_have_the_values_that_vmms_were_built_with(struct gm_env *env, vm_t *vm)
{
    (void)env;
    (void)vm;
    GM_CHECK_EQ(FAULT_HANDLED, 0);
    GM_CHECK_EQ(FAULT_UNHANDLED, 1);
    GM_CHECK_EQ(FAULT_RESTART, 2);
    GM_CHECK_EQ(FAULT_IGNORE, 3);
    GM_CHECK_EQ(FAULT_ERROR, 4);
}

static void an_access_to_nothing_is_unhandled(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};

    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_UNHANDLED);
    reserve_noted(vm, BASE, 0x1000, &log);
    GM_CHECK_EQ(gm_env_fault(vm, BASE - 1, 1), FAULT_UNHANDLED);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x1000, 1), FAULT_UNHANDLED);
    GM_CHECK_EQ(gm_env_fault(vm, 0, 8), FAULT_UNHANDLED);
    GM_CHECK_EQ(gm_env_fault(vm, env->guest_end, 8), FAULT_UNHANDLED);
    GM_CHECK_EQ(log.count, 0);
}

static void an_access_over_an_end_is_unhandled(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};

    (void)env;
    reserve_noted(vm, BASE, 0x1000, &log);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0xffe, 4), FAULT_UNHANDLED);
    GM_CHECK_EQ(gm_env_fault(vm, BASE - 2, 4), FAULT_UNHANDLED);
    GM_CHECK_EQ(log.count, 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0xffc, 4), FAULT_HANDLED);
}

static void an_access_over_two_reservations_is_unhandled(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log low = {.answer = FAULT_HANDLED};
    struct gm_fault_log high = {.answer = FAULT_HANDLED};

    (void)env;
    reserve_noted(vm, BASE, 0x1000, &low);
    reserve_noted(vm, BASE + 0x1000, 0x1000, &high);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0xffc, 8), FAULT_UNHANDLED);
    GM_CHECK_EQ(low.count + high.count, 0);
}

static void an_access_that_wraps_is_unhandled(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};

    (void)env;
    reserve_noted(vm, BASE, 0x1000, &log);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, SIZE_MAX), FAULT_UNHANDLED);
    GM_CHECK_EQ(gm_env_fault(vm, UINTPTR_MAX, 8), FAULT_UNHANDLED);
    GM_CHECK_EQ(log.count, 0);
}

static void devices_that_share_a_page_get_their_own_accesses(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log uart = {.answer = FAULT_HANDLED};
    struct gm_fault_log timer = {.answer = FAULT_HANDLED};

    (void)env;
    reserve_noted(vm, BASE + 0x100, 0x20, &uart);
    reserve_noted(vm, BASE + 0x120, 0x20, &timer);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x11c, 4), FAULT_HANDLED);
    GM_CHECK_EQ(uart.count, 1);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x120, 4), FAULT_HANDLED);
    GM_CHECK_EQ(timer.count, 1);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0x140, 4), FAULT_UNHANDLED);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 0xfc, 4), FAULT_UNHANDLED);
}

static void accesses_at_both_ends_of_the_space_arrive(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log first = {.answer = FAULT_HANDLED};
    struct gm_fault_log last = {.answer = FAULT_IGNORE};

    reserve_noted(vm, 0, 8, &first);
    reserve_noted(vm, env->guest_end - 8, 8, &last);
    GM_CHECK_EQ(gm_env_fault(vm, 0, 8), FAULT_HANDLED);
    GM_CHECK_EQ(gm_env_fault(vm, env->guest_end - 8, 8), FAULT_IGNORE);
    GM_CHECK_EQ(gm_env_fault(vm, env->guest_end - 4, 8), FAULT_UNHANDLED);
}

static void a_freed_reservation_is_asked_no_more(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};
    vm_memory_reservation_t *res = reserve_noted(vm, BASE, 0x1000, &log);

    (void)env;
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_UNHANDLED);
    GM_CHECK_EQ(log.count, 0);
}

static void a_write_to_a_read_only_frame_reaches_the_callback(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_IGNORE};

    (void)env;
    GM_CHECK_NOT_NULL(
        create_allocated_reservation_frame(vm, BASE, seL4_CanRead, gm_fault_note, &log));
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 8, 4), FAULT_IGNORE);
    GM_CHECK_EQ(log.addr, BASE + 8);
}

static void anonymous_memory_is_asked_within_its_own_bytes(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};
    uintptr_t addr;

    (void)env;
    GM_CHECK_EQ(vm_memory_make_anon(vm, BASE, 4 * GM_PAGE), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_UNHANDLED);
    GM_CHECK_NOT_NULL(vm_reserve_anon_memory(vm, 0x10, 1, gm_fault_note, &log, &addr));
    GM_CHECK_EQ(gm_env_fault(vm, addr + 0xc, 4), FAULT_HANDLED);
    GM_CHECK_EQ(gm_env_fault(vm, addr + 0xe, 4), FAULT_UNHANDLED);
    GM_CHECK_EQ(gm_env_fault(vm, addr + 0x10, 4), FAULT_UNHANDLED);
    GM_CHECK_EQ(log.count, 1);
}

static void two_vms_have_callbacks_of_their_own(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log one = {.answer = FAULT_HANDLED};
    struct gm_fault_log two = {.answer = FAULT_IGNORE};
    vm_t *other = gm_env_new_vm(env);

    reserve_noted(vm, BASE, 0x1000, &one);
    reserve_noted(other, BASE, 0x1000, &two);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_HANDLED);
    GM_CHECK_EQ(gm_env_fault(other, BASE, 4), FAULT_IGNORE);
    GM_CHECK(one.vm == vm && two.vm == other);
}

static void the_default_callback_is_an_error(struct gm_env *env, vm_t *vm)
{
    (void)env;
    GM_CHECK_EQ(default_error_fault_callback(vm, NULL, BASE, 4, NULL), FAULT_ERROR);
    reserve(vm, BASE, GM_PAGE);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_ERROR);
}

/* ------------------------------------------- callbacks that change the memory themselves */

static memory_fault_result_t reserve_and_map(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                             void *cookie)
{
    vm_memory_reservation_t *res = reserve(vm, BASE + GM_MIB, 2 * GM_PAGE);

    (void)vcpu;
    (void)addr;
    (void)size;
    *(vm_memory_reservation_t **)cookie = res;
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, res), 0);
    return FAULT_RESTART;
}

static void a_callback_may_reserve_and_map_and_restart(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *made = NULL;

    GM_CHECK_NOT_NULL(vm_reserve_memory_at(vm, BASE, 0x1000, reserve_and_map, &made));
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 4, 4), FAULT_RESTART);
    GM_CHECK_LEAF(env, vm, BASE + GM_MIB, GM_BITS_4K, "rw", false);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, made), 0);
}

static memory_fault_result_t map_itself(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                        void *cookie)
{
    (void)vcpu;
    (void)addr;
    (void)size;
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, *(vm_memory_reservation_t **)cookie), 0);
    return FAULT_RESTART;
}

static void a_callback_may_back_its_own_reservation(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = NULL;

    res = vm_reserve_memory_at(vm, BASE, 2 * GM_PAGE, map_itself, &res);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + GM_PAGE, 8), FAULT_RESTART);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "rw", false);
}

static memory_fault_result_t free_it(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                     void *cookie)
{
    (void)vcpu;
    (void)addr;
    (void)size;
    return vm_free_reserved_memory(vm, *(vm_memory_reservation_t **)cookie) == 0 ? FAULT_HANDLED
                                                                                 : FAULT_IGNORE;
}

static void a_callback_may_free_another_reservation(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *other = reserve(vm, BASE + GM_PAGE, GM_PAGE);

    GM_CHECK_EQ(map_frame_alloc_reservation(vm, other), 0);
    GM_CHECK_NOT_NULL(vm_reserve_memory_at(vm, BASE, GM_PAGE, free_it, &other));
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_HANDLED);
    GM_CHECK_NO_LEAF(env, vm, BASE + GM_PAGE);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + GM_PAGE, 4), FAULT_UNHANDLED);
}

static void a_callback_may_not_free_its_own_reservation(struct gm_env *env, vm_t *vm)
{
    vm_memory_reservation_t *res = NULL;

    (void)env;
    res = vm_reserve_memory_at(vm, BASE, GM_PAGE, free_it, &res);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_IGNORE);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
}

static void the_right_one_of_a_thousand_is_found(struct gm_env *env, vm_t *vm)
{
    enum { COUNT = 1000, STEP = 0x80, SIZE = 0x60 };
    static struct gm_fault_log logs[COUNT];

    (void)env;
    for (unsigned i = 0; i < COUNT; i++) {
        unsigned at = i * 7 % COUNT;

        logs[at] = (struct gm_fault_log){.answer = FAULT_HANDLED};
        reserve_noted(vm, BASE + at * (uintptr_t)STEP, SIZE, &logs[at]);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        GM_CHECK_EQ(gm_env_fault(vm, BASE + i * (uintptr_t)STEP + SIZE - 4, 4), FAULT_HANDLED);
        GM_CHECK_EQ(gm_env_fault(vm, BASE + i * (uintptr_t)STEP + SIZE, 4), FAULT_UNHANDLED);
        GM_CHECK_EQ(logs[i].count, 1);
    }
}

static void the_internal_map_call_maps_at_once(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights};
    vm_memory_reservation_t *res = reserve(vm, BASE, 2 * GM_PAGE);

    GM_CHECK_EQ(map_vm_memory_reservation(vm, res, gm_giver_next, &giver), 0);
    GM_CHECK_EQ(giver.calls, 2);
    GM_CHECK_LEAF(env, vm, BASE + GM_PAGE, GM_BITS_4K, "rw", false);
    CHANGES_NOTHING(env,
                    GM_CHECK_EQ(map_vm_memory_reservation(vm, res, gm_giver_next, &giver), -1));
}

static const struct gm_case cases[] = {
    GM_CASE(an_access_reaches_its_callback_with_all_it_needs),
    GM_CASE(each_answer_comes_back_as_it_is),
    GM_CASE(the_results_have_the_values_that_vmms_were_built_with),
    GM_CASE(an_access_to_nothing_is_unhandled),
    GM_CASE(an_access_over_an_end_is_unhandled),
    GM_CASE(an_access_over_two_reservations_is_unhandled),
    GM_CASE(an_access_that_wraps_is_unhandled),
    GM_CASE(devices_that_share_a_page_get_their_own_accesses),
    GM_CASE(accesses_at_both_ends_of_the_space_arrive),
    GM_CASE(a_freed_reservation_is_asked_no_more),
    GM_CASE(a_write_to_a_read_only_frame_reaches_the_callback),
    GM_CASE(anonymous_memory_is_asked_within_its_own_bytes),
    GM_CASE(two_vms_have_callbacks_of_their_own),
    GM_CASE(the_default_callback_is_an_error),
    GM_CASE(a_callback_may_reserve_and_map_and_restart),
    GM_CASE(a_callback_may_back_its_own_reservation),
    GM_CASE(a_callback_may_free_another_reservation),
    GM_CASE(a_callback_may_not_free_its_own_reservation),
    GM_CASE(the_right_one_of_a_thousand_is_found),
    GM_CASE(the_internal_map_call_maps_at_once),
};

const struct gm_suite fault_suite = GM_SUITE("fault", cases);

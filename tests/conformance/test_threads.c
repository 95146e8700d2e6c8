/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * guestmem/threads.h as far as one thread can see it; several are in tests/threads.
 */
#include <guestmem/runtime.h>
#include <guestmem/threads.h>
#include <sel4vm/guest_ram.h>

#include "conformance.h"

static vm_memory_reservation_t *reserve_page(vm_t *vm, uintptr_t addr,
                                             memory_fault_callback_fn callback, void *cookie)
{
    vm_memory_reservation_t *res = vm_reserve_memory_at(vm, addr, GM_PAGE, callback, cookie);

    GM_CHECK_NOT_NULL(res);
    return res;
}

/* The case's VM with the test as a reader, whether or not the run has made it one. */
static void share(vm_t *vm)
{
    int error = guestmem_reader_register(vm);

    GM_CHECK(error == GUESTMEM_OK || (gm_env_is_shared() && error == GUESTMEM_EBUSY));
}

static void a_thread_registers_once_and_unregisters_once(struct gm_env *env, vm_t *vm)
{
    share(vm);
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_reader_register(vm), GUESTMEM_EBUSY));
    GM_CHECK_EQ(guestmem_reader_unregister(vm), GUESTMEM_OK);
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_reader_unregister(vm), GUESTMEM_EINVAL));
    GM_CHECK_EQ(guestmem_reader_register(NULL), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_reader_unregister(NULL), GUESTMEM_EINVAL);
    GM_CHECK_EQ(guestmem_set_wait(NULL, NULL, NULL), GUESTMEM_EINVAL);
}

static void all_that_was_there_is_there_when_a_vm_becomes_shared(struct gm_env *env, vm_t *vm)
{
    enum { COUNT = 300 };
    struct gm_fault_log log = {.answer = FAULT_HANDLED};
    vm_memory_reservation_t *res[COUNT];

    (void)env;
    for (unsigned i = 0; i < COUNT; i++) {
        res[i] = reserve_page(vm, BASE + i * 2 * GM_PAGE, gm_fault_note, &log);
    }
    share(vm);
    for (unsigned i = 0; i < COUNT; i++) {
        GM_CHECK(guestmem_reservation_at(vm, BASE + i * 2 * GM_PAGE + 5) == res[i]);
        GM_CHECK(guestmem_reservation_at(vm, BASE + (i * 2 + 1) * GM_PAGE) == NULL);
    }
    for (unsigned i = 0; i < COUNT; i += 2) {
        GM_CHECK_EQ(vm_free_reserved_memory(vm, res[i]), 0);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        GM_CHECK_EQ(gm_env_fault(vm, BASE + i * 2 * GM_PAGE, 1),
                    i % 2 == 0 ? FAULT_UNHANDLED : FAULT_HANDLED);
    }
}

static void a_section_keeps_its_thread_a_reader(struct gm_env *env, vm_t *vm)
{
    share(vm);
    guestmem_read_begin(vm);
    guestmem_read_begin(vm);
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_reader_unregister(vm), GUESTMEM_EBUSY));
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_destroy(vm), GUESTMEM_EBUSY));
    guestmem_read_end(vm);
    CHANGES_NOTHING(env, GM_CHECK_EQ(guestmem_reader_unregister(vm), GUESTMEM_EBUSY));
    guestmem_read_end(vm);
    guestmem_read_end(vm); /* one too many does nothing */
    GM_CHECK_EQ(guestmem_reader_unregister(vm), GUESTMEM_OK);
}

/* It would wait for ever if the thread's own section counted. */
static void a_change_inside_a_section_does_not_wait_for_it(struct gm_env *env, vm_t *vm)
{
    uint64_t generation;

    share(vm);
    guestmem_read_begin(vm);
    generation = guestmem_generation(vm);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 4 * GM_MIB, false), 0);
    GM_CHECK_EQ(guestmem_generation(vm), generation);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, BASE)), 0);
    GM_CHECK(guestmem_generation(vm) != generation);
    GM_CHECK_NULL(guestmem_reservation_at(vm, BASE));
    guestmem_read_end(vm);
    GM_CHECK_NO_LEAF(env, vm, BASE);
}

struct freer {
    vm_memory_reservation_t *own;
    vm_memory_reservation_t *other;
    uintptr_t addr; /* of a fault to come in between; 0: none */
    int own_error;
    int other_error;
    int unregister_error;
};

static memory_fault_result_t free_both(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                       void *cookie)
{
    struct freer *freer = cookie;

    (void)vcpu;
    (void)addr;
    (void)length;
    if (freer->addr != 0) {
        return gm_env_fault(vm, freer->addr, 4);
    }
    freer->own_error = vm_free_reserved_memory(vm, freer->own);
    freer->other_error = vm_free_reserved_memory(vm, freer->other);
    freer->unregister_error = guestmem_reader_unregister(vm);
    return FAULT_HANDLED;
}

static void a_callback_can_free_others_and_not_itself(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_HANDLED};
    struct freer freer = {0};

    (void)env;
    share(vm);
    freer.own = reserve_page(vm, BASE, free_both, &freer);
    freer.other = reserve_page(vm, BASE + GM_MIB, gm_fault_note, &log);
    guestmem_read_begin(vm);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 4, 4), FAULT_HANDLED);
    guestmem_read_end(vm);
    GM_CHECK_EQ(freer.own_error, -1);
    GM_CHECK_EQ(freer.other_error, 0);
    GM_CHECK_EQ(freer.unregister_error, GUESTMEM_EBUSY);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + GM_MIB, 4), FAULT_UNHANDLED);
    GM_CHECK_EQ(log.count, 0);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, freer.own), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 4, 4), FAULT_UNHANDLED);
}

/* The outer callback runs meanwhile, on the same thread: freeing it could only wait for ever. */
static void a_callback_cannot_free_the_one_that_led_to_it(struct gm_env *env, vm_t *vm)
{
    struct freer outer = {.addr = BASE + GM_MIB};
    struct freer inner = {0};

    (void)env;
    share(vm);
    inner.own = reserve_page(vm, BASE + GM_MIB, free_both, &inner);
    inner.other = reserve_page(vm, BASE, free_both, &outer);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_HANDLED);
    GM_CHECK_EQ(inner.own_error, -1);
    GM_CHECK_EQ(inner.other_error, -1);
    GM_CHECK_EQ(guestmem_last_failure(vm)->error, GUESTMEM_EBUSY);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, inner.other), 0);
}

static void a_thread_that_never_registered_gets_the_same_answers(struct gm_env *env, vm_t *vm)
{
    struct gm_fault_log log = {.answer = FAULT_IGNORE};
    struct guestmem_stats stats;
    vm_memory_reservation_t *res;

    (void)env;
    share(vm);
    GM_CHECK_EQ(guestmem_reader_unregister(vm), GUESTMEM_OK);
    res = reserve_page(vm, BASE, gm_fault_note, &log);
    GM_CHECK(guestmem_reservation_at(vm, BASE) == res);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_IGNORE);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + GM_PAGE, 4), FAULT_UNHANDLED);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, res), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE, 4), FAULT_UNHANDLED);
    GM_CHECK_EQ(guestmem_get_stats(vm, &stats), GUESTMEM_OK);
    GM_CHECK_EQ(stats.faults, 3);
    GM_CHECK_EQ(stats.faults_unhandled, 2);
}

static int free_other(vm_t *vm, uintptr_t guest_addr, void *vaddr, size_t size, size_t offset,
                      void *cookie)
{
    (void)guest_addr;
    (void)vaddr;
    (void)size;
    return offset == 0 ? vm_free_reserved_memory(vm, cookie) : 0;
}

/* It would wait for ever if the thread counted as a visitor meanwhile. */
static void a_touch_can_free_other_memory_whoever_touches(struct gm_env *env, vm_t *vm)
{
    uint8_t bytes[2 * GM_PAGE] = {1};

    share(vm);
    for (unsigned registered = 0; registered < 2; registered++) {
        GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_MIB, false), 0);
        GM_CHECK_EQ(vm_ram_register_at(vm, BASE + GM_MIB, GM_MIB, false), 0);
        for (unsigned i = 0; i < 2; i++) {
            GM_CHECK_EQ(vm_ram_touch(vm, BASE + i * GM_MIB, sizeof(bytes), vm_guest_ram_write_callback,
                                     bytes),
                        0);
        }
        GM_CHECK_EQ(registered == 0 ? guestmem_reader_unregister(vm) : guestmem_reader_register(vm),
                    GUESTMEM_OK);
        GM_CHECK_EQ(vm_ram_touch(vm, BASE, sizeof(bytes), free_other,
                                 guestmem_reservation_at(vm, BASE + GM_MIB)),
                    0);
        GM_CHECK_NO_LEAF(env, vm, BASE + GM_MIB);
        GM_CHECK_EQ(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, BASE)), 0);
    }
}

static void what_readers_counted_is_kept_when_they_leave(struct gm_env *env, vm_t *vm)
{
    struct guestmem_stats stats;

    (void)env;
    share(vm);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_MIB, false), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + GM_MIB, 4), FAULT_UNHANDLED);
    GM_CHECK_EQ(guestmem_get_stats(vm, &stats), GUESTMEM_OK);
    GM_CHECK_EQ(stats.faults, 1);
    GM_CHECK_EQ(guestmem_reader_unregister(vm), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_get_stats(vm, &stats), GUESTMEM_OK);
    GM_CHECK_EQ(stats.faults, 1);
    GM_CHECK_EQ(stats.faults_unhandled, 1);
}

/* Two vcpus fault on the same page; the second one's is answered when the page is there. */
static void an_access_to_what_another_vcpu_populated_is_tried_again(struct gm_env *env, vm_t *vm)
{
    struct guestmem_policy policy;

    (void)env;
    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.frame_bits_max = GM_BITS_4K;
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_MIB, false), 0);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 8, 4), FAULT_RESTART);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 16, 4), FAULT_RESTART);
    GM_CHECK_EQ(guestmem_set_rights(vm, BASE, GM_PAGE, seL4_CanRead), GUESTMEM_OK);
    GM_CHECK_EQ(gm_env_fault(vm, BASE + 16, 4), FAULT_ERROR); /* RAM's own callback */
}

static const struct gm_case cases[] = {
    GM_CASE(a_thread_registers_once_and_unregisters_once),
    GM_CASE(all_that_was_there_is_there_when_a_vm_becomes_shared),
    GM_CASE(a_section_keeps_its_thread_a_reader),
    GM_CASE(a_change_inside_a_section_does_not_wait_for_it),
    GM_CASE(a_callback_can_free_others_and_not_itself),
    GM_CASE(a_callback_cannot_free_the_one_that_led_to_it),
    GM_CASE(a_thread_that_never_registered_gets_the_same_answers),
    GM_CASE(a_touch_can_free_other_memory_whoever_touches),
    GM_CASE(what_readers_counted_is_kept_when_they_leave),
    GM_CASE(an_access_to_what_another_vcpu_populated_is_tried_again),
};

const struct gm_suite threads_suite = GM_SUITE("threads", cases);

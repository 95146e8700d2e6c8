/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Two vcpus of one VM at the same memory, in turns and in parallel: RAM, a device, locks, atomics,
 * lazy memory, and memory that is taken away under them.
 */
#define _GNU_SOURCE
#include "vcpus_fixture.h"

#include <sel4vmmplatsupport/guest_memory_util.h>

#include "vcpus_code.h"

#define READ_ONLY UINT64_C(0x10000000)

enum {
    GC_ADD_X4_8 = 0x91002084,  /* add x4, x4, #8 */
    GC_MOVZ_X0_1 = 0xd2800020, /* mov x0, #1 */
    GC_MOVZ_X0_2 = 0xd2800040, /* mov x0, #2 */
};

/* ------------------------------------------------------------------------------- plain RAM */

static void both_fill_ram_word_by_word(void **state)
{
    struct vcpus *vcpus = *state;
    const unsigned words = 0x10000;

    vcpus->context[0].x1 = VCPUS_DATA;
    vcpus->context[0].x2 = words;
    vcpus->context[0].x3 = 5;
    VCPUS_RUN_BOTH(vcpus, code_hammer);
    for (uint64_t i = 0; i < words; i += 0x333) {
        for (uint64_t n = 0; n < VCPU_COUNT; n++) {
            assert_int_equal(fixture_read(&vcpus->base.vm, VCPUS_DATA + (2 * i + n) * 8, 8),
                             (UINT64_C(1) << 32) + (n << 24) + i);
        }
    }
}

static void words_are_handed_to_and_fro(void **state)
{
    struct vcpus *vcpus = *state;
    const unsigned rounds = 200;

    vcpus_clear(vcpus, VCPUS_DATA, 8);
    vcpus->context[0].x1 = VCPUS_DATA;
    vcpus->context[0].x3 = rounds;
    VCPUS_RUN_BOTH(vcpus, code_ping_pong);
    assert_int_equal(fixture_read(&vcpus->base.vm, VCPUS_DATA, 8), 2 * rounds);
}

/* ------------------------------------------------------------------------------- a device */

struct counter {
    uint64_t base;
    atomic_uint writes[VCPU_COUNT];
    atomic_uint reads[VCPU_COUNT];
    atomic_uint wrong;
};

/* At 0 a vcpu's writes come in order, with its number; at 8 it reads how often it has read. */
static memory_fault_result_t count(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                   void *cookie)
{
    struct counter *counter = cookie;
    unsigned n = vcpu->vcpu_id;

    (void)vm;
    (void)size;
    if (addr == counter->base && !is_vcpu_read_fault(vcpu)) {
        seL4_Word expected = (seL4_Word)n << 32 | atomic_fetch_add(&counter->writes[n], 1);

        counter->wrong += get_vcpu_fault_data(vcpu) != expected;
    } else if (addr == counter->base + 8 && is_vcpu_read_fault(vcpu)) {
        set_vcpu_fault_data(vcpu, atomic_fetch_add(&counter->reads[n], 1));
    } else {
        counter->wrong++;
    }
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static void each_access_to_a_device_comes_once(void **state)
{
    struct vcpus *vcpus = *state;
    struct counter counter = {.base = FIXTURE_DEVICE};
    const unsigned rounds = 20000;
    struct guestmem_stats stats;

    assert_non_null(vm_reserve_memory_at(&vcpus->base.vm, FIXTURE_DEVICE, 0x1000, count, &counter));
    vcpus->context[0].x1 = FIXTURE_DEVICE;
    vcpus->context[0].x3 = rounds;
    VCPUS_RUN_BOTH(vcpus, code_device);
    assert_int_equal(counter.wrong, 0);
    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        assert_int_equal(counter.writes[n], rounds);
        assert_int_equal(counter.reads[n], rounds);
        assert_int_equal(vcpus_context(vcpus, n).x9, (uint64_t)rounds * (rounds - 1) / 2);
    }
    assert_int_equal(guestmem_get_stats(&vcpus->base.vm, &stats), 0);
    assert_int_equal(stats.faults, 2 * VCPU_COUNT * rounds);
}

/* The answer to one vcpu's store is not what the other one finds there. */
static void each_write_to_a_read_only_page_comes_once(void **state)
{
    struct vcpus *vcpus = *state;
    struct counter counter = {.base = READ_ONLY};
    const unsigned rounds = 2000;
    uint64_t *page = create_allocated_reservation_frame(&vcpus->base.vm, READ_ONLY, seL4_CanRead,
                                                        count, &counter);

    assert_non_null(page);
    page[1] = 3;
    vcpus->context[0].x1 = READ_ONLY;
    vcpus->context[0].x3 = rounds;
    VCPUS_RUN_BOTH(vcpus, code_device);
    assert_int_equal(counter.wrong, 0);
    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        assert_int_equal(counter.writes[n], rounds);
        assert_int_equal(counter.reads[n], 0);
        assert_int_equal(vcpus_context(vcpus, n).x9, 3 * rounds);
    }
    assert_int_equal(page[0], 0);
}

/* Reading it takes the lock: 1; or 0, it is taken. Writing it gives the lock back. */
static memory_fault_result_t keep_lock(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                       void *cookie)
{
    atomic_uint *taken = cookie;

    (void)vm;
    (void)addr;
    (void)size;
    if (is_vcpu_read_fault(vcpu)) {
        set_vcpu_fault_data(vcpu, atomic_exchange(taken, 1) == 0);
    } else {
        atomic_store(taken, 0);
    }
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static void a_devices_lock_guards_a_count(void **state)
{
    struct vcpus *vcpus = *state;
    atomic_uint taken = 0;
    const unsigned rounds = 3000;

    vcpus_clear(vcpus, VCPUS_DATA, 8);
    assert_non_null(
        vm_reserve_memory_at(&vcpus->base.vm, FIXTURE_DEVICE, 0x1000, keep_lock, &taken));
    vcpus->context[0].x1 = FIXTURE_DEVICE;
    vcpus->context[0].x2 = VCPUS_DATA;
    vcpus->context[0].x3 = rounds;
    VCPUS_RUN_BOTH(vcpus, code_device_lock);
    assert_int_equal(fixture_read(&vcpus->base.vm, VCPUS_DATA, 8), VCPU_COUNT * rounds);
}

/* ------------------------------------------------------------------------------- atomics */

/* In parallel nothing is promised but that something was counted. */
static void assert_count(struct vcpus *vcpus, uint64_t address, uint64_t count)
{
    uint64_t counted = fixture_read(&vcpus->base.vm, address, 8);

    if (vcpus->parallel) {
        assert_in_range(counted, 1, count);
    } else {
        assert_int_equal(counted, count);
    }
}

/* In turns only: in parallel such a lock may let two in, or nobody any more. */
static void a_spinlock_guards_a_count(void **state)
{
    struct vcpus *vcpus = *state;
    const unsigned rounds = 300000;

    vcpus_clear(vcpus, VCPUS_DATA, 16);
    vcpus->context[0].x1 = VCPUS_DATA;
    vcpus->context[0].x2 = VCPUS_DATA + 8;
    vcpus->context[0].x3 = rounds;
    VCPUS_RUN_BOTH(vcpus, code_spinlock);
    assert_int_equal(fixture_read(&vcpus->base.vm, VCPUS_DATA + 8, 8), VCPU_COUNT * rounds);
}

static void atomics_count(void **state)
{
    struct vcpus *vcpus = *state;
    const unsigned rounds = 200000;

    vcpus_clear(vcpus, VCPUS_DATA, 24);
    vcpus->context[0].x1 = VCPUS_DATA;
    vcpus->context[0].x3 = rounds;
    VCPUS_RUN_BOTH(vcpus, code_atomics);
    for (unsigned i = 0; i < 3; i++) {
        assert_count(vcpus, VCPUS_DATA + i * 8, VCPU_COUNT * rounds);
    }
}

static void atomics_count_in_memory_that_comes_at_their_first_use(void **state)
{
    struct vcpus *vcpus = *state;
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    assert_int_equal(guestmem_set_policy(&vcpus->base.vm, &policy), 0);
    assert_int_equal(vm_ram_register_at(&vcpus->base.vm, VCPUS_LAZY, 0x1000, false), 0);
    vcpus->context[0].x1 = VCPUS_LAZY;
    vcpus->context[0].x3 = 1000;
    VCPUS_RUN_BOTH(vcpus, code_atomics);
    for (unsigned i = 0; i < 3; i++) {
        assert_count(vcpus, VCPUS_LAZY + i * 8, VCPU_COUNT * 1000);
    }
}

/* ------------------------------------------------------------------------------- lazy memory */

static void lazy_ram(struct vcpus *vcpus, size_t bytes)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.frame_bits_max = 12;
    assert_int_equal(guestmem_set_policy(&vcpus->base.vm, &policy), 0);
    assert_int_equal(vm_ram_register_at(&vcpus->base.vm, VCPUS_LAZY, bytes, false), 0);
}

static void both_populate_lazy_memory(void **state)
{
    struct vcpus *vcpus = *state;
    const size_t bytes = 0x400000;
    struct guestmem_stats before;
    struct guestmem_stats stats;

    lazy_ram(vcpus, bytes);
    assert_int_equal(guestmem_get_stats(&vcpus->base.vm, &before), 0);
    vcpus->context[0].x1 = VCPUS_LAZY;
    vcpus->context[0].x2 = bytes;
    VCPUS_RUN_BOTH(vcpus, code_lazy);
    assert_int_equal(guestmem_get_stats(&vcpus->base.vm, &stats), 0);
    assert_int_equal(stats.frames[0] - before.frames[0], bytes >> 12);
    assert_int_equal(stats.faults_populated - before.faults_populated, bytes >> 12);
    for (uint64_t at = 0; at < bytes; at += 64) {
        for (unsigned n = 0; n < VCPU_COUNT; n++) {
            uint64_t word = VCPUS_LAZY + at + n * 8;

            if (fixture_read(&vcpus->base.vm, word, 8) != word) {
                fail_msg("the word at 0x%lx is another", (unsigned long)word);
            }
        }
    }
}

struct taker {
    unsigned taken;
    unsigned wrong;
};

/*
 * vcpu 1 counts in the page, having said so in RAM before each store. The page is taken away: from
 * then on it shows nothing, or what was counted later. And the memory that it had, which somebody
 * else gets now, is never written again.
 */
static memory_fault_result_t take_page(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                       void *cookie)
{
    struct taker *taker = cookie;
    uint64_t before = fixture_read(vm, VCPUS_DATA, 8);
    volatile uint64_t *other;
    uint64_t now;

    (void)addr;
    (void)size;
    if (guestmem_ram_discard(vm, VCPUS_LAZY, 0x1000) != GUESTMEM_OK) {
        taker->wrong++;
    }
    other = create_allocated_reservation_frame(vm, READ_ONLY, seL4_AllRights,
                                               default_error_fault_callback, NULL);
    now = fixture_read(vm, VCPUS_LAZY, 8);
    taker->wrong += now != 0 && now < before;
    for (unsigned i = 0; other != NULL && i < 10000; i++) {
        taker->wrong += *other != 0;
    }
    taker->wrong += other == NULL || guestmem_created_destroy(vm, READ_ONLY) != GUESTMEM_OK;
    taker->taken++;
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static void a_page_is_taken_from_under_a_vcpu_at_once(void **state)
{
    struct vcpus *vcpus = *state;
    struct taker taker = {0};
    const unsigned rounds = 300;
    uint64_t last;

    lazy_ram(vcpus, 0x1000);
    vcpus_clear(vcpus, VCPUS_DATA, 24);
    assert_non_null(
        vm_reserve_memory_at(&vcpus->base.vm, FIXTURE_DEVICE, 0x1000, take_page, &taker));
    VCPUS_CODE(vcpus, 0, code_poke);
    vcpus->context[0].x1 = FIXTURE_DEVICE;
    vcpus->context[0].x2 = VCPUS_DATA + 16;
    vcpus->context[0].x3 = rounds;
    VCPUS_CODE(vcpus, 1, code_progress);
    vcpus->context[1].x1 = VCPUS_LAZY;
    vcpus->context[1].x2 = VCPUS_DATA;
    vcpus->context[1].x3 = VCPUS_DATA + 16;
    vcpus_start(vcpus, 0);
    vcpus_start(vcpus, 1);
    vcpus_run(vcpus);
    assert_int_equal(taker.taken, rounds);
    assert_int_equal(taker.wrong, 0);
    last = fixture_read(&vcpus->base.vm, VCPUS_LAZY, 8);
    if (last != 0) { /* it was stored to after it was taken for the last time */
        assert_int_equal(last, fixture_read(&vcpus->base.vm, VCPUS_DATA, 8));
    }
}

/* ------------------------------------------------------------------------------- code */

/* The VMM puts other code where vcpu 1 calls it again and again. */
static memory_fault_result_t change_code(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                         void *cookie)
{
    const uint32_t code[] = {GC_ADD_X4_8, GC_RET};
    unsigned *changes = cookie;

    (void)addr;
    (void)size;
    fixture_write(vm, VCPUS_DATA, code, sizeof(code));
    guestmem_host_vm_code_changed(vm, VCPUS_DATA, sizeof(code));
    (*changes)++;
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static void code_changes_under_a_running_vcpu(void **state)
{
    struct vcpus *vcpus = *state;
    const uint32_t code[] = {GC_NOP, GC_RET};
    unsigned changes = 0;

    fixture_write(&vcpus->base.vm, VCPUS_DATA, code, sizeof(code));
    assert_non_null(
        vm_reserve_memory_at(&vcpus->base.vm, FIXTURE_DEVICE, 0x1000, change_code, &changes));
    VCPUS_CODE(vcpus, 0, code_poke);
    vcpus->context[0].x1 = FIXTURE_DEVICE;
    vcpus->context[0].x2 = VCPUS_DATA + 0x1000;
    vcpus->context[0].x3 = 10;
    VCPUS_CODE(vcpus, 1, code_run_code);
    vcpus->context[1].x1 = VCPUS_DATA;
    vcpus->context[1].x3 = 3000000;
    vcpus_start(vcpus, 0);
    vcpus_start(vcpus, 1);
    vcpus_run(vcpus);
    assert_int_equal(changes, 10);
    assert_int_not_equal(vcpus_context(vcpus, 1).x4, 0);
    assert_int_equal(vcpus_context(vcpus, 1).x4 % 8, 0);
}

/* vcpu 0 writes an instruction that vcpu 1 has run, and says so to all. */
static void a_vcpu_changes_code_of_the_other(void **state)
{
    struct vcpus *vcpus = *state;
    const uint32_t code[] = {GC_MOVZ_X0_1, GC_RET};

    vcpus_clear(vcpus, VCPUS_DATA + 0x1000, 8);
    fixture_write(&vcpus->base.vm, VCPUS_DATA, code, sizeof(code));
    VCPUS_CODE(vcpus, 0, code_set_code);
    VCPUS_CODE(vcpus, 1, code_run_page);
    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        vcpus->context[n].x1 = VCPUS_DATA;
        vcpus->context[n].x2 = GC_MOVZ_X0_2;
        vcpus->context[n].x6 = VCPUS_DATA + 0x1000;
        vcpus_start(vcpus, n);
    }
    vcpus_run(vcpus);
    assert_int_equal(vcpus_context(vcpus, 1).x4, 1);
    assert_int_equal(vcpus_context(vcpus, 1).x0, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(both_fill_ram_word_by_word),
        BOTH_WAYS(words_are_handed_to_and_fro),
        BOTH_WAYS(each_access_to_a_device_comes_once),
        BOTH_WAYS(each_write_to_a_read_only_page_comes_once),
        BOTH_WAYS(a_devices_lock_guards_a_count),
        IN_TURNS(a_spinlock_guards_a_count),
        BOTH_WAYS(atomics_count),
        BOTH_WAYS(atomics_count_in_memory_that_comes_at_their_first_use),
        BOTH_WAYS(both_populate_lazy_memory),
        BOTH_WAYS(a_page_is_taken_from_under_a_vcpu_at_once),
        BOTH_WAYS(code_changes_under_a_running_vcpu),
        BOTH_WAYS(a_vcpu_changes_code_of_the_other),
    };

    return cmocka_run_group_tests_name("vcpus", tests, NULL, NULL);
}

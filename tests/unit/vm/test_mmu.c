/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guests with their MMU on, whose virtual addresses are not the guest-physical ones: each fault has
 * the right guest-physical address, and its data is that of the instruction that made it.
 *
 *   virtual 0x80000000  1 GiB: RAM
 *           0xc0000000  pages, each somewhere else: a device, lazy RAM, a read-only page, nothing,
 *                       another device, more lazy RAM from 0xc0010000 on
 */
#define _GNU_SOURCE
#include "vcpus_fixture.h"

#include <string.h>

#include <sel4vmmplatsupport/guest_memory_util.h>

#include "vcpus_code.h"

static const uint32_t code_same_offset[] = {
    0xf9000022, /* str x2, [x1] */
    0xf9400025, /* ldr x5, [x1] */
    0xf9000083, /* str x3, [x4] */
    0xf9400086, /* ldr x6, [x4] */
    0x39000c83, /* strb w3, [x4, #3] */
    0xf9400027, /* ldr x7, [x1] */
    0xd4000002, /* hvc #0x0 */
};

static const uint32_t code_pairs[] = {
    0xa9000c22, /* stp x2, x3, [x1] */
    0xa9401825, /* ldp x5, x6, [x1] */
    0xd4000002, /* hvc #0x0 */
};

static const uint32_t code_write_read[] = {
    0xf9000022, /* str x2, [x1] */
    0xf9400025, /* ldr x5, [x1] */
    0xd4000002, /* hvc #0x0 */
};

static const uint32_t code_read[] = {
    0xf9400025, /* ldr x5, [x1] */
    0xd4000002, /* hvc #0x0 */
};

static const uint32_t code_jump[] = {
    0xd61f0020, /* br x1 */
};

/* When the word at x6 is 1: x2 to the table entry at x1, TLBI VMALLE1IS, 2 to x6. */
static const uint32_t code_set_entry[] = {
    0xd5033bbf, /* dmb ish */
    0xf94000c5, /* ldr x5, [x6] */
    0xb4ffffe5, /* cbz x5, . - 4 */
    0xf9000022, /* str x2, [x1] */
    0xd5033b9f, /* dsb ish */
    0xd508831f, /* tlbi vmalle1is */
    0xd5033b9f, /* dsb ish */
    0xd5033fdf, /* isb */
    0xd2800045, /* mov x5, #0x2 */
    0xf90000c5, /* str x5, [x6] */
    0xd4000002, /* hvc #0x0 */
};

/* Read x1 into x4; 1 to x6; when that is 2, read x1 into x7. */
static const uint32_t code_see_page[] = {
    0xf9400024, /* ldr x4, [x1] */
    0xd2800025, /* mov x5, #0x1 */
    0xf90000c5, /* str x5, [x6] */
    0xf94000c5, /* ldr x5, [x6] */
    0xf10008bf, /* cmp x5, #0x2 */
    0x54ffffc1, /* b.ne . - 8 */
    0xf9400027, /* ldr x7, [x1] */
    0xd4000002, /* hvc #0x0 */
};

#define VIRTUAL_RAM UINT64_C(0x80000000)
#define VIRTUAL_PAGES UINT64_C(0xc0000000)
#define TABLES (FIXTURE_RAM + 0x200000)
#define READ_ONLY UINT64_C(0x10000000)
#define NOTHING UINT64_C(0x20000000)
#define LAZY_BYTES UINT64_C(0x100000)

enum { PAGE = 0x1000, TABLE_BYTES = 0x3000, LAZY_AT = 0x10000 };
enum { DEVICE_PAGE, LAZY_PAGE, READ_ONLY_PAGE, NOTHING_PAGE, OTHER_DEVICE_PAGE };

/* Where the pages of vcpu n are: those of vcpu 1 are elsewhere. */
static uint64_t device_of(unsigned n)
{
    return FIXTURE_DEVICE + n * 0x30000;
}

static uint64_t lazy_of(unsigned n)
{
    return VCPUS_LAZY + n * LAZY_BYTES;
}

/* ------------------------------------------------------------------------------- the tables */

static void write_entry(struct vcpus *vcpus, uint64_t table, unsigned index, uint64_t entry)
{
    fixture_write(&vcpus->base.vm, table + index * sizeof(entry), &entry, sizeof(entry));
}

/* Three levels: TABLES of the vcpu, and behind it those of 2 MiB and of 4 KiB. */
static void turn_mmu_on(struct vcpus *vcpus, unsigned n)
{
    const uint64_t accessed = UINT64_C(1) << 10;
    const uint64_t first = TABLES + n * TABLE_BYTES;
    const uint64_t pages[] = {device_of(n), lazy_of(n), READ_ONLY, NOTHING, device_of(n) + 0x10000};

    vcpus_clear(vcpus, first, TABLE_BYTES);
    write_entry(vcpus, first, 2, FIXTURE_RAM | accessed | 1);
    write_entry(vcpus, first, 3, (first + PAGE) | 3);
    write_entry(vcpus, first + PAGE, 0, (first + 2 * PAGE) | 3);
    for (unsigned i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
        write_entry(vcpus, first + 2 * PAGE, i, pages[i] | accessed | 3);
    }
    for (unsigned i = 1; i < LAZY_BYTES / PAGE; i++) {
        write_entry(vcpus, first + 2 * PAGE, LAZY_AT / PAGE + i,
                    (lazy_of(n) + i * PAGE) | accessed | 3);
    }
    assert_int_equal(vm_set_arm_vcpu_reg(vcpus->vcpu[n], seL4_VCPUReg_MAIR, 0xff), 0);
    assert_int_equal(vm_set_arm_vcpu_reg(vcpus->vcpu[n], seL4_VCPUReg_TTBR0, first), 0);
    assert_int_equal(vm_set_arm_vcpu_reg(vcpus->vcpu[n], seL4_VCPUReg_TCR, 25), 0); /* 39 bits */
    assert_int_equal(vm_set_arm_vcpu_reg(vcpus->vcpu[n], seL4_VCPUReg_SCTLR, 0x30d00801), 0);
    vcpus->context[n].pc += VIRTUAL_RAM - FIXTURE_RAM;
}

/* ------------------------------------------------------------------------------- what faults */

struct seen {
    uintptr_t addr;
    size_t size;
    seL4_Word data;
    seL4_Word ip;
    bool read;
};

struct device {
    struct seen seen[16];
    unsigned count;
};

/* Reads give the low bytes of the guest-physical addresses. */
static memory_fault_result_t see(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                 void *cookie)
{
    struct device *device = cookie;
    struct seen *seen = &device->seen[device->count++ % 16];

    (void)vm;
    *seen = (struct seen){.addr = addr,
                          .size = size,
                          .data = get_vcpu_fault_data(vcpu),
                          .ip = get_vcpu_fault_ip(vcpu),
                          .read = is_vcpu_read_fault(vcpu)};
    set_vcpu_fault_data(vcpu, addr);
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static void assert_seen(const struct device *device, unsigned i, uint64_t addr, size_t size,
                        bool read, unsigned instruction)
{
    assert_true(i < device->count);
    assert_int_equal(device->seen[i].addr, addr);
    assert_int_equal(device->seen[i].size, size);
    assert_int_equal(device->seen[i].read, read);
    assert_int_equal(device->seen[i].ip, VIRTUAL_RAM + instruction * 4);
}

static void lazy_ram(vm_t *vm, uint64_t base, size_t bytes)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.frame_bits_max = 12;
    assert_int_equal(guestmem_set_policy(vm, &policy), 0);
    assert_int_equal(vm_ram_register_at(vm, base, bytes, false), 0);
}

/* One vcpu, with all of the above. Where the VMM sees the read-only page. */
static volatile uint64_t *set_up_one(struct vcpus *vcpus, struct device *device)
{
    vm_t *vm = &vcpus->base.vm;
    void *page = create_allocated_reservation_frame(vm, READ_ONLY, seL4_CanRead, see, device);

    assert_non_null(vm_reserve_memory_at(vm, device_of(0), 0x20000, see, device));
    assert_non_null(page);
    lazy_ram(vm, lazy_of(0), LAZY_BYTES);
    turn_mmu_on(vcpus, 0);
    vcpus->expected = 1;
    return page;
}

#define RUN_ONE(vcpus, code) run_one((vcpus), (code), sizeof(code))

static void run_one(struct vcpus *vcpus, const uint32_t *code, size_t bytes)
{
    vcpus_code(vcpus, 0, code, bytes);
    vcpus_start(vcpus, 0);
    vcpus_run(vcpus);
}

/* ------------------------------------------------------------------------------- one vcpu */

static void an_access_is_told_from_one_to_ram_with_the_same_offset(void **state)
{
    struct vcpus *vcpus = *state;
    struct device device = {0};
    seL4_UserContext after;

    (void)set_up_one(vcpus, &device);
    vcpus->context[0].x1 = VIRTUAL_RAM + 0x100040;
    vcpus->context[0].x2 = 0x2222;
    vcpus->context[0].x3 = 0x333333;
    vcpus->context[0].x4 = VIRTUAL_PAGES + DEVICE_PAGE * PAGE + 0x40;
    RUN_ONE(vcpus, code_same_offset);
    assert_int_equal(device.count, 3);
    assert_seen(&device, 0, device_of(0) + 0x40, 8, false, 2);
    assert_int_equal(device.seen[0].data, 0x333333);
    assert_seen(&device, 1, device_of(0) + 0x40, 8, true, 3);
    assert_seen(&device, 2, device_of(0) + 0x43, 1, false, 4);
    assert_int_equal(device.seen[2].data, 0x33);
    after = vcpus_context(vcpus, 0);
    assert_int_equal(after.x5, 0x2222);
    assert_int_equal(after.x6, device_of(0) + 0x40);
    assert_int_equal(after.x7, 0x2222);
    assert_int_equal(fixture_read(&vcpus->base.vm, FIXTURE_RAM + 0x100040, 8), 0x2222);
}

static void two_devices_with_the_same_offset_are_told_apart(void **state)
{
    struct vcpus *vcpus = *state;
    struct device device = {0};

    (void)set_up_one(vcpus, &device);
    vcpus->context[0].x1 = VIRTUAL_PAGES + OTHER_DEVICE_PAGE * PAGE + 8;
    vcpus->context[0].x2 = 0x2222;
    vcpus->context[0].x3 = 0x3333;
    vcpus->context[0].x4 = VIRTUAL_PAGES + DEVICE_PAGE * PAGE + 8;
    RUN_ONE(vcpus, code_same_offset);
    assert_int_equal(device.count, 6);
    assert_seen(&device, 0, device_of(0) + 0x10008, 8, false, 0);
    assert_int_equal(device.seen[0].data, 0x2222);
    assert_seen(&device, 1, device_of(0) + 0x10008, 8, true, 1);
    assert_seen(&device, 2, device_of(0) + 8, 8, false, 2);
    assert_int_equal(device.seen[2].data, 0x3333);
    assert_seen(&device, 5, device_of(0) + 0x10008, 8, true, 5);
}

/* The device's last word, and lazy RAM's first one behind it. */
static void a_pair_may_lie_half_in_a_device_and_half_in_lazy_ram(void **state)
{
    struct vcpus *vcpus = *state;
    struct device device = {0};
    seL4_UserContext after;

    (void)set_up_one(vcpus, &device);
    vcpus->context[0].x1 = VIRTUAL_PAGES + LAZY_PAGE * PAGE - 8;
    vcpus->context[0].x2 = 0x2222;
    vcpus->context[0].x3 = 0x3333;
    RUN_ONE(vcpus, code_pairs);
    assert_int_equal(device.count, 2);
    assert_seen(&device, 0, device_of(0) + PAGE - 8, 8, false, 0);
    assert_int_equal(device.seen[0].data, 0x2222);
    assert_seen(&device, 1, device_of(0) + PAGE - 8, 8, true, 1);
    after = vcpus_context(vcpus, 0);
    assert_int_equal(after.x5, device_of(0) + PAGE - 8);
    assert_int_equal(after.x6, 0x3333);
    assert_int_equal(fixture_read(&vcpus->base.vm, lazy_of(0), 8), 0x3333);
}

static void lazy_ram_comes_where_it_is_used(void **state)
{
    struct vcpus *vcpus = *state;
    struct device device = {0};
    struct guestmem_stats before;
    struct guestmem_stats stats;

    (void)set_up_one(vcpus, &device);
    assert_int_equal(guestmem_get_stats(&vcpus->base.vm, &before), 0);
    vcpus->context[0].x1 = VIRTUAL_PAGES + LAZY_AT + 5 * PAGE + 0x10;
    vcpus->context[0].x2 = 0x2222;
    RUN_ONE(vcpus, code_write_read);
    assert_int_equal(vcpus_context(vcpus, 0).x5, 0x2222);
    assert_int_equal(guestmem_get_stats(&vcpus->base.vm, &stats), 0);
    assert_int_equal(stats.frames[0] - before.frames[0], 1);
    assert_int_equal(stats.faults_populated, 1);
    assert_int_equal(fixture_read(&vcpus->base.vm, lazy_of(0) + 5 * PAGE + 0x10, 8), 0x2222);
}

static void a_read_only_page_is_read_and_its_writes_fault(void **state)
{
    struct vcpus *vcpus = *state;
    struct device device = {0};

    set_up_one(vcpus, &device)[0x18 / 8] = 0x600d;
    vcpus->context[0].x1 = VIRTUAL_PAGES + READ_ONLY_PAGE * PAGE + 0x18;
    vcpus->context[0].x2 = 0xbad;
    RUN_ONE(vcpus, code_write_read);
    assert_int_equal(device.count, 1);
    assert_seen(&device, 0, READ_ONLY + 0x18, 8, false, 0);
    assert_int_equal(device.seen[0].data, 0xbad);
    assert_int_equal(vcpus_context(vcpus, 0).x5, 0x600d);
}

static void pairs_on_a_read_only_page_fault_word_by_word(void **state)
{
    struct vcpus *vcpus = *state;
    struct device device = {0};

    (void)set_up_one(vcpus, &device);
    vcpus->context[0].x1 = VIRTUAL_PAGES + READ_ONLY_PAGE * PAGE + 0x20;
    vcpus->context[0].x2 = 0x2222;
    vcpus->context[0].x3 = 0x3333;
    RUN_ONE(vcpus, code_pairs);
    assert_int_equal(device.count, 2);
    assert_seen(&device, 0, READ_ONLY + 0x20, 8, false, 0);
    assert_int_equal(device.seen[0].data, 0x2222);
    assert_seen(&device, 1, READ_ONLY + 0x28, 8, false, 0);
    assert_int_equal(device.seen[1].data, 0x3333);
}

/* vm_run() fails; where, says the exit. */
static struct guestmem_host_vm_exit run_to_error(struct vcpus *vcpus, const uint32_t *code,
                                                 size_t bytes)
{
    struct guestmem_host_vm_exit exit;

    vcpus_code(vcpus, 0, code, bytes);
    vcpus_start(vcpus, 0);
    assert_int_equal(vm_run(&vcpus->base.vm), -1);
    guestmem_host_vm_get_exit(&vcpus->base.vm, &exit);
    return exit;
}

static void where_nothing_is_the_error_says_where(void **state)
{
    struct vcpus *vcpus = *state;
    struct device device = {0};
    struct guestmem_host_vm_exit exit;

    (void)set_up_one(vcpus, &device);
    vcpus->context[0].x1 = VIRTUAL_PAGES + NOTHING_PAGE * PAGE + 0x70;
    exit = run_to_error(vcpus, code_read, sizeof(code_read));
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_ACCESS);
    assert_int_equal(exit.address, NOTHING + 0x70);
    assert_int_equal(exit.pc, VIRTUAL_RAM);
    assert_int_equal(vm_register_unhandled_mem_fault_callback(&vcpus->base.vm, see, &device), 0);
    vcpus_run(vcpus);
    assert_seen(&device, 0, NOTHING + 0x70, 8, true, 0);
    assert_int_equal(vcpus_context(vcpus, 0).x5, NOTHING + 0x70);
}

static void a_fetch_says_where_it_was_to_read(void **state)
{
    struct vcpus *vcpus = *state;
    struct device device = {0};
    struct guestmem_host_vm_exit exit;
    struct guestmem_stats stats;

    (void)set_up_one(vcpus, &device);
    vcpus->context[0].x1 = VIRTUAL_PAGES + NOTHING_PAGE * PAGE + 0x20;
    exit = run_to_error(vcpus, code_jump, sizeof(code_jump));
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_FETCH);
    assert_int_equal(exit.address, NOTHING + 0x20);
    assert_int_equal(exit.pc, VIRTUAL_PAGES + NOTHING_PAGE * PAGE + 0x20);
    vcpus->context[0].x1 = VIRTUAL_PAGES + OTHER_DEVICE_PAGE * PAGE;
    exit = run_to_error(vcpus, code_jump, sizeof(code_jump));
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_FETCH);
    assert_int_equal(exit.address, device_of(0) + 0x10000);
    vcpus->context[0].x1 = VIRTUAL_PAGES + LAZY_AT + 7 * PAGE; /* comes, and is all zeroes */
    exit = run_to_error(vcpus, code_jump, sizeof(code_jump));
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_CPU);
    assert_int_equal(exit.pc, VIRTUAL_PAGES + LAZY_AT + 7 * PAGE);
    assert_int_equal(guestmem_get_stats(&vcpus->base.vm, &stats), 0);
    assert_int_equal(stats.faults_populated, 1);
}

/* ------------------------------------------------------------------------------- two vcpus */

struct counter {
    atomic_uint count[VCPU_COUNT];
    atomic_uint wrong;
};

static memory_fault_result_t count(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                   void *cookie)
{
    struct counter *counter = cookie;
    unsigned n = vcpu->vcpu_id;
    bool read = is_vcpu_read_fault(vcpu);

    (void)vm;
    counter->wrong += addr != device_of(n) + (read ? 8 : 0) || size != 8;
    if (!read) {
        seL4_Word expected = (seL4_Word)n << 32 | counter->count[n]++;

        counter->wrong += get_vcpu_fault_data(vcpu) != expected;
    }
    set_vcpu_fault_data(vcpu, 1);
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

static void one_virtual_address_is_two_devices(void **state)
{
    struct vcpus *vcpus = *state;
    struct counter counter = {0};
    const unsigned rounds = 3000;

    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        assert_non_null(vm_reserve_memory_at(&vcpus->base.vm, device_of(n), PAGE, count, &counter));
        turn_mmu_on(vcpus, n);
    }
    vcpus->context[0].x1 = VIRTUAL_PAGES + DEVICE_PAGE * PAGE;
    vcpus->context[0].x3 = rounds;
    VCPUS_RUN_BOTH(vcpus, code_device);
    assert_int_equal(counter.wrong, 0);
    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        assert_int_equal(counter.count[n], rounds);
        assert_int_equal(vcpus_context(vcpus, n).x9, rounds);
    }
}

static void one_virtual_range_is_two_of_lazy_ram(void **state)
{
    struct vcpus *vcpus = *state;
    const uint64_t start = VIRTUAL_PAGES + LAZY_AT + PAGE;
    const size_t bytes = LAZY_BYTES - PAGE;
    struct guestmem_stats stats;

    lazy_ram(&vcpus->base.vm, lazy_of(0), VCPU_COUNT * LAZY_BYTES);
    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        turn_mmu_on(vcpus, n);
    }
    vcpus->context[0].x1 = start;
    vcpus->context[0].x2 = bytes;
    VCPUS_RUN_BOTH(vcpus, code_lazy);
    assert_int_equal(guestmem_get_stats(&vcpus->base.vm, &stats), 0);
    assert_int_equal(stats.faults_populated, VCPU_COUNT * (bytes / PAGE));
    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        for (uint64_t at = 0; at < bytes; at += 64) {
            uint64_t word = lazy_of(n) + PAGE + at;

            assert_int_equal(fixture_read(&vcpus->base.vm, word + n * 8, 8), start + at + n * 8);
            assert_int_equal(fixture_read(&vcpus->base.vm, word + (1 - n) * 8, 8), 0);
        }
    }
}

/* vcpu 0 changes a table of vcpu 1, which has used the entry, and says so to all. */
static void a_tables_change_reaches_the_other_vcpu(void **state)
{
    struct vcpus *vcpus = *state;
    const uint64_t flag = FIXTURE_RAM + 0x180000;
    const uint64_t entry = TABLES + TABLE_BYTES + 2 * PAGE + 0x20 * 8;
    const uint64_t attributes = (UINT64_C(1) << 10) + 3;
    uint64_t content = 0xa;

    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        turn_mmu_on(vcpus, n);
        vcpus->context[n].x6 = VIRTUAL_RAM + (flag - FIXTURE_RAM);
    }
    vcpus_clear(vcpus, flag, 8);
    fixture_write(&vcpus->base.vm, VCPUS_DATA, &content, sizeof(content));
    content = 0xb;
    fixture_write(&vcpus->base.vm, VCPUS_DATA + PAGE, &content, sizeof(content));
    write_entry(vcpus, entry, 0, VCPUS_DATA | attributes);
    VCPUS_CODE(vcpus, 0, code_set_entry);
    vcpus->context[0].x1 = VIRTUAL_RAM + (entry - FIXTURE_RAM);
    vcpus->context[0].x2 = (VCPUS_DATA + PAGE) | attributes;
    VCPUS_CODE(vcpus, 1, code_see_page);
    vcpus->context[1].x1 = VIRTUAL_PAGES + 0x20 * PAGE;
    vcpus_start(vcpus, 0);
    vcpus_start(vcpus, 1);
    vcpus_run(vcpus);
    assert_int_equal(vcpus_context(vcpus, 1).x4, 0xa);
    assert_int_equal(vcpus_context(vcpus, 1).x7, 0xb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(an_access_is_told_from_one_to_ram_with_the_same_offset),
        BOTH_WAYS(two_devices_with_the_same_offset_are_told_apart),
        BOTH_WAYS(a_pair_may_lie_half_in_a_device_and_half_in_lazy_ram),
        BOTH_WAYS(lazy_ram_comes_where_it_is_used),
        BOTH_WAYS(a_read_only_page_is_read_and_its_writes_fault),
        BOTH_WAYS(pairs_on_a_read_only_page_fault_word_by_word),
        BOTH_WAYS(where_nothing_is_the_error_says_where),
        BOTH_WAYS(a_fetch_says_where_it_was_to_read),
        BOTH_WAYS(one_virtual_address_is_two_devices),
        BOTH_WAYS(one_virtual_range_is_two_of_lazy_ram),
        BOTH_WAYS(a_tables_change_reaches_the_other_vcpu),
    };

    return cmocka_run_group_tests_name("mmu", tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest CPU with the guest's own tables.
 */
#include "machine.h"

#include <string.h>

/* ------------------------------------------------------------------------- the guest's own MMU */

#define TABLE (RAM + 0x200000)
#define VIRTUAL_RAM UINT64_C(0x80000000)
#define VIRTUAL_LOW UINT64_C(0xc0000000)

/* 1 GiB blocks: RAM at itself and at 2 GiB, what is at 0 at 3 GiB. */
static void turn_mmu_on(struct machine *m)
{
    const uint64_t block = 1 | UINT64_C(1) << 10; /* valid, accessed; memory type 0 */
    uint64_t table[4] = {0, RAM | block, RAM | block, 0 | block};

    memcpy(m->ram + (TABLE - RAM), table, sizeof(table));
    assert_int_equal(engine_cpu_set_register(m->cpu, seL4_VCPUReg_MAIR, 0xff), 0);
    assert_int_equal(engine_cpu_set_register(m->cpu, seL4_VCPUReg_TTBR0, TABLE), 0);
    assert_int_equal(engine_cpu_set_register(m->cpu, seL4_VCPUReg_TCR, 25), 0); /* 39 bits */
    assert_int_equal(engine_cpu_set_register(m->cpu, seL4_VCPUReg_SCTLR, 0x30d00801), 0);
}

static struct engine_exit run_virtual(struct machine *m, const uint32_t *code, size_t bytes)
{
    memcpy(m->ram, code, bytes);
    engine_invalidate(m->engine, RAM, 0x1000);
    m->seen_count = 0;
    m->context.pc = VIRTUAL_RAM;
    engine_cpu_set_context(m->cpu, &m->context);
    return go_on(m);
}

#define RUN_VIRTUAL(m, ...) \
    run_virtual(m, (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}))

static void with_the_mmu_on_accesses_have_guest_physical_addresses(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    turn_mmu_on(m);
    m->context.x1 = VIRTUAL_LOW + DEVICE;
    m->context.x2 = 0x77;
    exit = RUN_VIRTUAL(m, GC_LDR_X0, GC_STR_X2_AT_5, GC_HVC(4));
    assert_int_equal(exit.kind, ENGINE_EXIT_TRAP);
    assert_int_equal(exit.pc, VIRTUAL_RAM + 8);
    assert_int_equal(exit.hsr & 0xffff, 4);
    assert_int_equal(m->seen_count, 5);
    assert_seen(m, 0, DEVICE, 8, false);
    assert_int_equal(m->seen[0].pc, VIRTUAL_RAM);
    assert_seen(m, 1, DEVICE + 5, 1, true);
    assert_int_equal(m->seen[1].data, 0x77);
    assert_int_equal(m->context.x0, device_data(DEVICE, 8));
}

static void with_the_mmu_on_read_only_frames_and_holes_trap(void **state)
{
    struct machine *m = *state;

    turn_mmu_on(m);
    m->context.x1 = VIRTUAL_LOW + READ_ONLY + 8;
    m->context.x2 = 0x1234;
    (void)RUN_VIRTUAL(m, GC_STR_X2, GC_LDR_X0, GC_HVC(0));
    assert_int_equal(m->seen_count, 1);
    assert_seen(m, 0, READ_ONLY + 8, 8, true);
    assert_int_equal(m->seen[0].data, 0x1234);
    assert_int_equal(m->context.x0, device_data(8, 8));
    m->context.x1 = VIRTUAL_LOW + HOLE - 6 - 3;
    (void)RUN_VIRTUAL(m, GC_LDR_X0_AT_6, GC_HVC(0));
    assert_int_equal(m->seen_count, 2);
    assert_int_equal(m->context.x0, 0x0403020100fffefd);
}

static void with_the_mmu_on_changed_code_runs_as_it_is_now(void **state)
{
    struct machine *m = *state;

    turn_mmu_on(m);
    assert_int_equal(RUN_VIRTUAL(m, GC_HVC(1)).hsr & 0xffff, 1);
    assert_int_equal(RUN_VIRTUAL(m, GC_HVC(2)).hsr & 0xffff, 2);
}

static void with_the_mmu_on_a_jump_to_nowhere_says_where(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;

    turn_mmu_on(m);
    m->context.x1 = VIRTUAL_LOW + 0x06000000;
    exit = RUN_VIRTUAL(m, GC_BR_X1);
    assert_int_equal(exit.kind, ENGINE_EXIT_MEMORY);
    assert_true(exit.fetch);
    assert_int_equal(exit.address, 0x06000000);
    assert_int_equal(exit.pc, VIRTUAL_LOW + 0x06000000);
}

static void an_access_that_the_guests_tables_refuse_goes_to_its_vectors(void **state)
{
    struct machine *m = *state;
    struct engine_exit exit;
    uint64_t value;

    turn_mmu_on(m);
    m->context.x6 = VIRTUAL_RAM + (VECTORS - RAM);
    m->context.x1 = 0x1230;
    exit = RUN_VIRTUAL(m, GC_MSR_VBAR_X6, GC_NOP, GC_STR_X2);
    assert_int_equal(exit.hsr & 0xffff, 255);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_ESR, &value), 0);
    assert_int_equal(value >> 26, 0x25);
    assert_int_equal(value & 0x40, 0x40);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_FAR, &value), 0);
    assert_int_equal(value, 0x1230);
    assert_int_equal(engine_cpu_get_register(m->cpu, seL4_VCPUReg_ELR_EL1, &value), 0);
    assert_int_equal(value, VIRTUAL_RAM + 8);
}

/* What the guest CPU keeps of translations must not outlive them. */
static void when_the_vmm_turns_the_mmu_off_addresses_are_physical_at_once(void **state)
{
    struct machine *m = *state;
    const uint64_t low_at_ram = 1 | UINT64_C(1) << 10;
    const uint64_t value = 0x1122334455667788;

    turn_mmu_on(m);
    memcpy(m->ram + (TABLE - RAM) + 8, &low_at_ram, sizeof(low_at_ram));
    memcpy(m->ram + READ_ONLY, &value, sizeof(value));
    m->context.x1 = RAM + READ_ONLY;
    assert_int_equal(RUN_VIRTUAL(m, GC_LDR_X0, GC_HVC(1)).hsr & 0xffff, 1);
    assert_int_equal(m->context.x0, device_data(0, 8));
    assert_int_equal(engine_cpu_set_register(m->cpu, seL4_VCPUReg_SCTLR, 0x30d00800), 0);
    assert_int_equal(RUN(m, GC_LDR_X0, GC_HVC(2)).hsr & 0xffff, 2);
    assert_int_equal(m->context.x0, value);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_set_up, machine_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(with_the_mmu_on_accesses_have_guest_physical_addresses),
        TEST(with_the_mmu_on_read_only_frames_and_holes_trap),
        TEST(with_the_mmu_on_changed_code_runs_as_it_is_now),
        TEST(with_the_mmu_on_a_jump_to_nowhere_says_where),
        TEST(an_access_that_the_guests_tables_refuse_goes_to_its_vectors),
        TEST(when_the_vmm_turns_the_mmu_off_addresses_are_physical_at_once),
    };

    return cmocka_run_group_tests_name("engine_mmu", tests, NULL, NULL);
}

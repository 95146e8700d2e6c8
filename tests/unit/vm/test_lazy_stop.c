/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a VM that lacks memory says, at instructions and at the guest's own tables too; and what can
 * become of it.
 */
#include "lazy_world.h"

#include <string.h>

enum { GC_MOVZ_X0_0X77 = 0xd2800ee0, GC_LDR_X2_8 = 0xf9400422, GC_ST1 = 0x4c007020 };

/* ------------------------------------------------------------------------- instructions */

static void put_code(struct world *world, unsigned page, const uint32_t *code, size_t bytes)
{
    memcpy(lazy_frame_bytes(world, world->lent[page]), code, bytes);
}

static void instructions_wait_for_memory(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;
    const uint32_t code[] = {GC_MOVZ_X0_0X77, GC_HVC(0)};
    struct guestmem_host_vm_exit exit;
    char text[200];

    lazy_lend(world);
    put_code(world, 1, code, sizeof(code));
    fixture->context.x1 = LENT + PAGE;
    guestmem_host_fail(fixture->host, GUESTMEM_HOST_FAIL_ANY, 1, true);
    assert_int_equal(FIXTURE_RUN(fixture, GC_BR_X1), -1);
    assert_int_equal(vm_run(&fixture->vm), -1);
    exit = lazy_stopped(world);
    assert_true(exit.fetch);
    assert_int_equal(exit.pc, LENT + PAGE);
    assert_int_equal(exit.address, LENT + PAGE);
    guestmem_host_vm_exit_text(&exit, text, sizeof(text));
    assert_non_null(strstr(text, "fetch of 4 bytes at 0x52001000"));
    guestmem_host_fail(fixture->host, 0, 0, false);
    assert_int_equal(vm_run(&fixture->vm), 0);
    assert_int_equal(fixture_context(fixture).x0, 0x77);
    assert_int_equal(fixture_context(fixture).pc, LENT + PAGE + 8);
}

/* From the last instruction of a page that is there into one that isn't. */
static void code_that_runs_on_into_the_next_page_waits_too(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;
    const uint32_t tail = GC_MOVZ_X0_0X77;
    const uint32_t code[] = {GC_ADD_X1_8, GC_HVC(0)};

    lazy_lend(world);
    memcpy((char *)lazy_frame_bytes(world, world->lent[0]) + PAGE - 4, &tail, 4);
    put_code(world, 1, code, sizeof(code));
    assert_int_equal(guestmem_populate(&fixture->vm, LENT, PAGE), 0);
    fixture->context.x0 = 0;
    fixture->context.x1 = LENT + PAGE - 4;
    guestmem_host_fail(fixture->host, GUESTMEM_HOST_FAIL_ANY, 1, true);
    assert_int_equal(FIXTURE_RUN(fixture, GC_BR_X1), -1);
    assert_int_equal(lazy_stopped(world).address, LENT + PAGE);
    assert_true(lazy_stopped(world).fetch);
    guestmem_host_fail(fixture->host, 0, 0, false);
    assert_int_equal(vm_run(&fixture->vm), 0);
    assert_int_equal(fixture_context(fixture).x0, 0x77);
    assert_int_equal(fixture_context(fixture).x1, LENT + PAGE + 4);
}

/* ------------------------------------------------------------------------- the guest's tables */

#define TABLE_1 FIXTURE_DATA
#define TABLE_2 (FIXTURE_DATA + 0x2000)
#define VIRTUAL UINT64_C(0x80000000)
#define CODE (FIXTURE_RAM + 0x3000)

enum { ENTRY_BLOCK = 0x401, ENTRY_TABLE = 3, ENTRY_PAGE = 0x403 };

/*
 * 0x40000000 is at itself. Behind 0x80000000 the last level is LENT's first page, which the VMM has
 * filled in and the guest's MMU is the first to read:
 *      entry 5 -> TWIN    6 -> a device    7 -> LENT's second page    8 -> code
 */
static void turn_mmu_on(struct world *world)
{
    struct fixture *fixture = world->fixture;
    const uint64_t first[] = {0, FIXTURE_RAM | ENTRY_BLOCK, TABLE_2 | ENTRY_TABLE};
    const uint64_t second = LENT | ENTRY_TABLE;
    const uint64_t pages[] = {TWIN, FIXTURE_DEVICE, LENT + PAGE, CODE};
    const uint32_t code[] = {GC_MOVZ_X0_0X77, GC_HVC(0)};
    uint64_t *third;

    lazy_lend(world);
    third = lazy_frame_bytes(world, world->lent[0]);
    memset(third, 0, PAGE);
    for (unsigned i = 0; i < 4; i++) {
        third[5 + i] = pages[i] | ENTRY_PAGE;
    }
    fixture_write(&fixture->vm, TABLE_1, first, sizeof(first));
    fixture_write(&fixture->vm, TABLE_2, &second, sizeof(second));
    fixture_write(&fixture->vm, CODE + 0x40, code, sizeof(code));
    fixture_write(&fixture->vm, CODE + 0x100, code, sizeof(code));
    assert_int_equal(vm_set_arm_vcpu_reg(fixture->vcpu, seL4_VCPUReg_MAIR, 0xff), 0);
    assert_int_equal(vm_set_arm_vcpu_reg(fixture->vcpu, seL4_VCPUReg_TTBR0, TABLE_1), 0);
    assert_int_equal(vm_set_arm_vcpu_reg(fixture->vcpu, seL4_VCPUReg_TCR, 25), 0);
    assert_int_equal(vm_set_arm_vcpu_reg(fixture->vcpu, seL4_VCPUReg_SCTLR, 0x30d00801), 0);
}

static memory_fault_result_t device(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                    void *cookie)
{
    struct fixture *fixture = cookie;

    (void)vm;
    (void)size;
    fixture->calls++;
    assert_true(is_vcpu_read_fault(vcpu));
    set_vcpu_fault_data(vcpu, 0xd0d0000000000000 + addr);
    advance_vcpu_fault(vcpu);
    return FAULT_HANDLED;
}

/* Load through entry `entry`, at this offset in the page. First the walk finds no memory for the
 * table; then, twice, all that it takes is there. */
static uint64_t load_through(struct world *world, unsigned entry, unsigned offset)
{
    struct fixture *fixture = world->fixture;

    turn_mmu_on(world);
    assert_non_null(
        vm_reserve_memory_at(&fixture->vm, FIXTURE_DEVICE, PAGE, device, world->fixture));
    fixture->context.x1 = VIRTUAL + entry * PAGE + offset;
    guestmem_host_fail(fixture->host, GUESTMEM_HOST_FAIL_ANY, 1, false);
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_ADD_X1_8, GC_LDR_X2_8, GC_HVC(0)), -1);
    assert_int_equal(lazy_stopped(world).address & ~UINT64_C(7), LENT + entry * 8);
    assert_int_equal(vm_run(&fixture->vm), 0);
    return fixture_context(fixture).x0;
}

static uint64_t word_of(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* Offsets in the page are the entry's own offset in the table, and another. */
static void check_walk_to_ram(struct world *world, unsigned offset)
{
    uint8_t bytes[PAGE];

    lazy_pattern(bytes, PAGE, 7);
    fixture_write(&world->fixture->vm, TWIN, bytes, PAGE);
    assert_int_equal(load_through(world, 5, offset), word_of(bytes + offset));
    assert_int_equal(fixture_context(world->fixture).x2, word_of(bytes + offset + 16));
}

static void a_walk_that_finds_no_memory_waits(void **state)
{
    check_walk_to_ram(*state, 0x100);
}

static void a_walk_at_the_accesss_own_offset_waits(void **state)
{
    check_walk_to_ram(*state, 5 * 8);
}

static void check_walk_to_device(struct world *world, unsigned offset)
{
    assert_int_equal(load_through(world, 6, offset), 0xd0d0000000000000 + FIXTURE_DEVICE + offset);
    assert_int_equal(fixture_context(world->fixture).x2,
                     0xd0d0000000000000 + FIXTURE_DEVICE + offset + 16);
    assert_int_equal(world->fixture->calls, 2);
}

static void a_walk_to_a_device_waits(void **state)
{
    check_walk_to_device(*state, 0x100);
}

static void a_walk_to_a_device_at_its_own_offset_waits(void **state)
{
    check_walk_to_device(*state, 6 * 8);
}

/* The offset of the load after the next instruction. */
static void a_walk_at_a_later_loads_offset_waits(void **state)
{
    check_walk_to_device(*state, 6 * 8 - 16);
}

static void check_walk_to_lazy(struct world *world, unsigned offset)
{
    uint8_t bytes[PAGE];

    lazy_pattern(bytes, PAGE, 31); /* what lazy_lend() puts there */
    assert_int_equal(load_through(world, 7, offset), word_of(bytes + offset));
    assert_int_equal(fixture_context(world->fixture).x2, word_of(bytes + offset + 16));
}

static void a_walk_to_lazy_memory_waits(void **state)
{
    check_walk_to_lazy(*state, 0x100);
}

static void a_walk_to_lazy_memory_at_its_own_offset_waits(void **state)
{
    check_walk_to_lazy(*state, 7 * 8);
}

static void check_walk_to_code(struct world *world, unsigned offset)
{
    struct fixture *fixture = world->fixture;

    turn_mmu_on(world);
    fixture->context.x0 = 0;
    fixture->context.x1 = VIRTUAL + 8 * PAGE + offset;
    guestmem_host_fail(fixture->host, GUESTMEM_HOST_FAIL_ANY, 1, false);
    assert_int_equal(FIXTURE_RUN(fixture, GC_BR_X1), -1);
    assert_int_equal(lazy_stopped(world).address & ~UINT64_C(7), LENT + 8 * 8);
    assert_int_equal(vm_run(&fixture->vm), 0);
    assert_int_equal(fixture_context(fixture).x0, 0x77);
    assert_int_equal(fixture_context(fixture).pc, VIRTUAL + 8 * PAGE + offset + 8);
}

static void a_walk_to_code_waits(void **state)
{
    check_walk_to_code(*state, 0x100);
}

static void a_walk_to_code_at_its_own_offset_waits(void **state)
{
    check_walk_to_code(*state, 8 * 8);
}

/* ------------------------------------------------------------------------- what is said, and the
 * end */

static void the_stop_names_the_access_and_the_reason(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;
    struct guestmem_host_vm_exit exit;
    struct guestmem_stats stats;
    char text[200];

    fixture->context.x1 = LAZY + 0x128;
    fixture->context.x2 = 0xabcdef;
    lazy_starve(world);
    assert_int_equal(FIXTURE_RUN(fixture, GC_NOP, GC_STR_X2, GC_LDR_X0, GC_HVC(0)), -1);
    exit = lazy_stopped(world);
    assert_int_equal(exit.error, GUESTMEM_ENOFRAME);
    assert_int_equal(exit.address, LAZY + 0x128);
    assert_int_equal(exit.size, 8);
    assert_true(exit.write);
    assert_int_equal(exit.data, 0xabcdef);
    assert_int_equal(exit.pc, FIXTURE_RAM + 4);
    guestmem_host_vm_exit_text(&exit, text, sizeof(text));
    assert_string_equal(text, "vcpu 0's write of 8 bytes at 0x51000128, pc 0x40000004: "
                              "lazy memory can't be populated: no memory for a frame");
    assert_int_equal(guestmem_get_stats(&fixture->vm, &stats), 0);
    assert_int_equal(stats.faults_failed, 1);
    assert_int_equal(stats.faults_populated, 0);
    lazy_feed(world);
    assert_int_equal(vm_run(&fixture->vm), 0);
    assert_int_equal(fixture_context(fixture).x0, 0xabcdef);
}

/* What is short may be anything that populating takes: the reason says which. */
static void the_reason_is_what_was_short(void **state)
{
    static const struct {
        unsigned kinds;
        int error;
    } shortages[] = {
        {GUESTMEM_HOST_FAIL_OBJECT, GUESTMEM_ENOFRAME},
        {GUESTMEM_HOST_FAIL_SLOT, GUESTMEM_ENOSLOT},
        {GUESTMEM_HOST_FAIL_MALLOC, GUESTMEM_ENOMEM},
        {GUESTMEM_HOST_FAIL_INVOCATION, GUESTMEM_EKERNEL},
    };
    struct world *world = *state;
    struct fixture *fixture = world->fixture;

    fixture->context.x1 = LAZY;
    for (unsigned i = 0; i < 4; i++) {
        guestmem_host_fail(fixture->host, shortages[i].kinds, 1, true);
        assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), -1);
        assert_int_equal(lazy_stopped(world).error, shortages[i].error);
        guestmem_host_fail(fixture->host, 0, 0, false);
    }
    assert_int_equal(vm_run(&fixture->vm), 0);
}

/* Each vcpu waits with its own access; the VM's stop says whose it was. */
static void check_two_vcpus(struct world *world, bool parallel)
{
    struct fixture *fixture = world->fixture;
    vm_vcpu_t *second = vm_create_vcpu(&fixture->vm, 100);
    seL4_UserContext context = fixture->context;
    unsigned stops[2] = {0, 0};

    assert_non_null(second);
    assert_int_equal(guestmem_host_vm_set_parallel(&fixture->vm, parallel), 0);
    assert_int_equal(
        vm_register_unhandled_vcpu_fault_callback(second, fixture_vcpu_callback, fixture), 0);
    context.x1 = LAZY + PAGE;
    context.x2 = 0x22;
    assert_int_equal(vm_set_thread_context(second, context), 0);
    assert_int_equal(vcpu_start(second), 0);
    fixture->context.x1 = LAZY;
    fixture->context.x2 = 0x11;
    lazy_starve(world);
    for (int result = FIXTURE_RUN(fixture, GC_STR_X2, GC_LDR_X0, GC_HVC(0), GC_SPIN);
         stops[0] + stops[1] < 6; result = vm_run(&fixture->vm)) {
        struct guestmem_host_vm_exit exit = lazy_stopped(world);

        assert_int_equal(result, -1);
        assert_int_equal(exit.address, LAZY + exit.vcpu * PAGE);
        assert_int_equal(exit.data, exit.vcpu == 0 ? 0x11 : 0x22);
        stops[exit.vcpu]++;
    }
    assert_true(parallel || (stops[0] > 0 && stops[1] > 0));
    lazy_feed(world);
    while (fixture_context(fixture).x0 != 0x11 || context.x0 != 0x22) {
        assert_int_equal(vm_run(&fixture->vm), 0);
        assert_int_equal(vm_get_thread_context(second, &context), 0);
    }
    assert_int_equal(fixture_read(&fixture->vm, LAZY, 8), 0x11);
    assert_int_equal(fixture_read(&fixture->vm, LAZY + PAGE, 8), 0x22);
}

static void each_vcpu_waits_with_its_own_access(void **state)
{
    check_two_vcpus(*state, false);
}

static void vcpus_at_once_wait_each_with_its_own_access(void **state)
{
    check_two_vcpus(*state, true);
}

/* The first access to a region takes tables too. */
static void without_memory_for_tables_the_reason_says_so(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;

    assert_int_equal(vm_ram_register_at(&fixture->vm, 0x100000000, PAGE, false), 0);
    fixture->context.x1 = 0x100000000;
    lazy_starve(world);
    assert_true(lazy_give_one_back(world));
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), -1);
    assert_int_equal(lazy_stopped(world).error, GUESTMEM_ENOTABLE);
    assert_true(lazy_give_one_back(world));
    assert_int_equal(vm_run(&fixture->vm), -1);
    assert_int_equal(lazy_stopped(world).error, GUESTMEM_ENOTABLE);
    assert_true(lazy_give_one_back(world));
    assert_int_equal(vm_run(&fixture->vm), 0);
    assert_int_equal(fixture_context(fixture).x0, 0);
}

static memory_fault_result_t fails(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                   void *cookie)
{
    (void)vm;
    (void)vcpu;
    (void)addr;
    (void)size;
    (void)cookie;
    return FAULT_ERROR;
}

/* The VM's last failure is no device's. */
static void a_callbacks_error_is_not_taken_for_a_shortage(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;
    struct guestmem_host_vm_exit exit;

    fixture->context.x1 = LAZY;
    guestmem_host_fail(fixture->host, GUESTMEM_HOST_FAIL_ANY, 1, false);
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), -1);
    (void)lazy_stopped(world);
    /* The same address and size, while the VM's last failure is still the one before. */
    assert_int_equal(
        vm_free_reserved_memory(&fixture->vm, guestmem_reservation_at(&fixture->vm, LAZY)), 0);
    assert_non_null(vm_reserve_memory_at(&fixture->vm, LAZY, PAGE, fails, NULL));
    assert_int_equal(vm_run(&fixture->vm), -1);
    guestmem_host_vm_get_exit(&fixture->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_ACCESS);
    assert_int_equal(exit.error, GUESTMEM_OK);
    assert_string_equal(exit.why, "its handler gave an error");
}

/* While the VM is stopped the VMM may do something else about the access. */
static void the_vmm_may_answer_otherwise(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;

    lazy_starve(world);
    fixture->context.x1 = LAZY + 8;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), -1);
    (void)lazy_stopped(world);
    assert_int_equal(
        vm_free_reserved_memory(&fixture->vm, guestmem_reservation_at(&fixture->vm, LAZY)), 0);
    assert_non_null(vm_reserve_memory_at(&fixture->vm, LAZY, PAGE, device, fixture));
    assert_int_equal(vm_run(&fixture->vm), 0);
    assert_int_equal(fixture_context(fixture).x0, 0xd0d0000000000000 + LAZY + 8);
}

/* Destroyed where it stands, at a plain access and at an opaque one; all comes back (tear_down). */
static void a_starved_vm_can_be_destroyed(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;

    lazy_starve(world);
    fixture->context.x1 = LAZY;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), -1);
    assert_int_equal(guestmem_host_vm_destroy(&fixture->vm), 0);
}

static void a_starved_vm_can_be_destroyed_at_an_opaque_access(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;

    lazy_starve(world);
    fixture->context.x1 = LAZY;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LD1, GC_HVC(0)), -1);
    assert_int_equal(lazy_stopped(world).size, 0);
    assert_int_equal(guestmem_host_vm_destroy(&fixture->vm), 0);
}

/* What nobody can describe and no memory answers is an abort for the guest, not a stop, and not the
 * same access for ever. */
static void an_opaque_access_that_memory_will_not_answer_aborts(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;
    uintptr_t esr;

    fixture_write(&fixture->vm, FIXTURE_RAM + 0x4200, (uint32_t[]){GC_HVC(0)}, 4);
    fixture->context.x6 = FIXTURE_RAM + 0x4000;
    fixture->context.x1 = TWIN;
    assert_int_equal(guestmem_set_rights(&fixture->vm, TWIN, PAGE, seL4_CanRead), 0);
    assert_int_equal(FIXTURE_RUN(fixture, GC_MSR_VBAR_X6, GC_ST1, GC_HVC(1)), 0);
    assert_int_equal(vm_get_arm_vcpu_reg(fixture->vcpu, seL4_VCPUReg_ESR, &esr), 0);
    assert_int_equal(esr >> 26, 0x25);
    assert_int_equal(fixture->hsr & 0xffff, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lazy_set_up, lazy_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(instructions_wait_for_memory),
        TEST(code_that_runs_on_into_the_next_page_waits_too),
        TEST(a_walk_that_finds_no_memory_waits),
        TEST(a_walk_at_the_accesss_own_offset_waits),
        TEST(a_walk_to_a_device_waits),
        TEST(a_walk_to_a_device_at_its_own_offset_waits),
        TEST(a_walk_at_a_later_loads_offset_waits),
        TEST(a_walk_to_lazy_memory_waits),
        TEST(a_walk_to_lazy_memory_at_its_own_offset_waits),
        TEST(a_walk_to_code_waits),
        TEST(a_walk_to_code_at_its_own_offset_waits),
        TEST(the_stop_names_the_access_and_the_reason),
        TEST(the_reason_is_what_was_short),
        TEST(each_vcpu_waits_with_its_own_access),
        TEST(vcpus_at_once_wait_each_with_its_own_access),
        TEST(without_memory_for_tables_the_reason_says_so),
        TEST(a_callbacks_error_is_not_taken_for_a_shortage),
        TEST(the_vmm_may_answer_otherwise),
        TEST(a_starved_vm_can_be_destroyed),
        TEST(a_starved_vm_can_be_destroyed_at_an_opaque_access),
        TEST(an_opaque_access_that_memory_will_not_answer_aborts),
    };

    return cmocka_run_group_tests_name("lazy stop", tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest that comes to lazy memory when there is none: the VM stops, says where and why, and goes
 * on with the same instruction once there is memory. Each kind of access is run twice, on memory
 * that is there and on memory that has to come, and must do the same.
 */
#include "lazy_world.h"

#include <string.h>

#define SCRATCH (FIXTURE_DATA + 0x1000)

enum {
    GC_LDR_Q0_X7 = 0x3dc000e0,    /* ldr q0, [x7] */
    GC_STR_Q0_X7_16 = 0x3d8004e0, /* str q0, [x7, #16] */
    GC_LDR_X2_8 = 0xf9400422,     /* ldr x2, [x1, #8] */
    GC_STP_X2_X3 = 0xa9000c22,    /* stp x2, x3, [x1] */
    GC_ST1 = 0x4c007020,          /* st1 {v0.16b}, [x1] */
    GC_LDADD_X2_X0 = 0xf8220020,  /* ldadd x2, x0, [x1] */
    GC_CAS_X2_X3 = 0xc8a27c23,    /* cas x2, x3, [x1] */
    GC_CASP_X2_X4 = 0x48227c24,   /* casp x2, x3, x4, x5, [x1] */
    GC_DC_ZVA_X1 = 0xd50b7421,    /* dc zva, x1 */
    GC_STXR_W5_X3 = 0xc8057c23,   /* stxr w5, x3, [x1] */
    GC_MOVZ_X0_0X77 = 0xd2800ee0, /* mov x0, #0x77 */
};

/* ------------------------------------------------------------------------- every access */

/*
 *      page 0 | page 1         `at` counts from the border
 */
struct access {
    const char *name;
    int at;
    unsigned pages; /* touched: bit 0, bit 1 */
    bool opaque;    /* nobody can say what exactly it does */
    uint32_t code[2];
};

static const struct access accesses[] = {
    {"load", 8, 2, false, {GC_LDR_X0, GC_NOP}},
    {"load of a byte", 1, 2, false, {GC_LDRB_W2, GC_NOP}},
    {"load that extends the sign", -1, 1, false, {GC_LDRSB_X2, GC_NOP}},
    {"load by index", 0, 2, false, {GC_LDR_W0_X2, GC_NOP}},
    {"load over the border", -10, 3, false, {GC_LDR_X0_AT_6, GC_NOP}},
    {"pair of loads", 16, 2, false, {GC_LDP_X2_X3, GC_NOP}},
    {"pair of loads over the border", -8, 3, false, {GC_LDP_X2_X3, GC_NOP}},
    {"unaligned pair of loads over the border", -12, 3, false, {GC_LDP_X2_X3, GC_NOP}},
    {"load of a vector", 32, 2, false, {GC_LDR_Q0, GC_NOP}},
    {"load of a vector over the border", -8, 3, false, {GC_LDR_Q0, GC_NOP}},
    {"acquiring load", 8, 2, false, {GC_LDAR_W2, GC_NOP}},
    {"store", 8, 2, false, {GC_STR_X2, GC_NOP}},
    {"store of a byte", 3, 2, false, {GC_STRB_W2, GC_NOP}},
    {"store over the border", -8, 3, false, {GC_STR_X2_AT_5, GC_NOP}},
    {"store that moves the base", -16, 1, false, {GC_STR_X2_PRE_8, GC_LDR_X0}},
    {"pair of stores", 24, 2, false, {GC_STP_X2_X3, GC_NOP}},
    {"pair of stores over the border", -8, 3, false, {GC_STP_X2_X3, GC_NOP}},
    {"pair of stores that moves the base", -4, 3, false, {GC_STP_W2_W3_POST, GC_LDR_X0}},
    {"store of a vector", 0, 2, false, {GC_STR_Q0, GC_NOP}},
    {"store of a vector over the border", -8, 3, false, {GC_STR_Q0, GC_NOP}},
    {"releasing store", 4, 2, false, {GC_STLR_W2, GC_NOP}},
    {"exclusive load and store", 8, 2, false, {GC_LDXR_X2, GC_STXR_W5_X3}},
    {"exclusive pair", 16, 2, false, {GC_LDXP_W2_W3, GC_NOP}},
    {"load after a load", -8, 3, false, {GC_LDR_X0, GC_LDR_X2_8}},
    {"load of structures", 64, 2, true, {GC_LD1, GC_NOP}},
    {"load of structures over the border", -8, 3, true, {GC_LD1, GC_NOP}},
    {"store of structures", 64, 2, true, {GC_ST1, GC_NOP}},
    {"store of structures over the border", -8, 3, true, {GC_ST1, GC_NOP}},
    {"atomic addition", 8, 2, true, {GC_LDADD_X2_X0, GC_NOP}},
    {"compare and swap", 8, 2, true, {GC_CAS_X2_X3, GC_NOP}},
    {"compare and swap of a pair", 16, 2, true, {GC_CASP_X2_X4, GC_NOP}},
    {"clearing a cache line", 64, 2, true, {GC_DC_ZVA_X1, GC_NOP}},
};

/* What an access left behind: registers, with addresses counted from the region; a vector; memory.
 */
struct outcome {
    seL4_Word regs[6];
    uint8_t vector[16];
    uint8_t memory[PAGES * PAGE];
};

static void start(struct world *world, const struct access *access, uint64_t base)
{
    struct fixture *fixture = world->fixture;
    uint8_t scratch[32];

    lazy_pattern(scratch, sizeof(scratch), 99);
    fixture_write(&fixture->vm, SCRATCH, scratch, sizeof(scratch));
    fixture->context.x0 = 0x1111111111111111;
    fixture->context.x1 = base + PAGE + (uint64_t)(int64_t)access->at;
    fixture->context.x2 = access->code[0] == GC_LDR_W0_X2 ? 5 : 0x2222222222222222;
    fixture->context.x3 = 0x3333333333333333;
    fixture->context.x4 = 0x4444444444444444;
    fixture->context.x5 = 0x5555555555555555;
    fixture->context.x7 = SCRATCH;
}

static int run(struct world *world, const struct access *access)
{
    return FIXTURE_RUN(world->fixture, GC_LDR_Q0_X7, access->code[0], access->code[1],
                       GC_STR_Q0_X7_16, GC_HVC(0));
}

static void note(struct world *world, uint64_t base, struct outcome *outcome)
{
    seL4_UserContext context = fixture_context(world->fixture);
    vm_t *vm = &world->fixture->vm;

    memset(outcome, 0, sizeof(*outcome));
    outcome->regs[0] = context.x0;
    outcome->regs[1] = context.x1 - base;
    outcome->regs[2] = context.x2;
    outcome->regs[3] = context.x3;
    outcome->regs[4] = context.x4;
    outcome->regs[5] = context.x5;
    assert_int_equal(
        vm_ram_touch(vm, SCRATCH + 16, 16, vm_guest_ram_read_callback, outcome->vector), 0);
    if (base == LENT) {
        for (unsigned i = 0; i < PAGES; i++) {
            memcpy(outcome->memory + i * PAGE, lazy_frame_bytes(world, world->lent[i]), PAGE);
        }
    } else {
        assert_int_equal(
            vm_ram_touch(vm, base, PAGES * PAGE, vm_guest_ram_read_callback, outcome->memory), 0);
    }
}

static void check_same(const struct access *access, const struct outcome *got,
                       const struct outcome *wanted)
{
    if (memcmp(got, wanted, sizeof(*got)) != 0) {
        for (unsigned i = 0; i < 6; i++) {
            print_message("x%u: 0x%lx, not 0x%lx\n", i, got->regs[i], wanted->regs[i]);
        }
        fail_msg("%s: another outcome than with memory", access->name);
    }
}

/* That the VM stopped at this access, since populating a page of `missing` failed; which page. */
static unsigned check_stop(struct world *world, const struct access *access, uint64_t base,
                           unsigned missing)
{
    struct guestmem_host_vm_exit exit;
    unsigned page;

    guestmem_host_vm_get_exit(&world->fixture->vm, &exit);
    page = (unsigned)((exit.address - base) / PAGE);
    if (exit.reason != GUESTMEM_HOST_VM_POPULATE || page >= PAGES || !(missing >> page & 1)) {
        fail_msg("%s: stopped for reason %d at 0x%lx", access->name, exit.reason, exit.address);
    }
    assert_int_not_equal(exit.error, GUESTMEM_OK);
    assert_string_equal(exit.why, guestmem_strerror(exit.error));
    assert_int_equal(guestmem_last_failure(&world->fixture->vm)->error, exit.error);
    assert_int_equal(exit.size == 0, access->opaque);
    assert_false(exit.fetch);
    if (!access->opaque) {
        assert_in_range(exit.pc, FIXTURE_RAM + 4, FIXTURE_RAM + 8);
        assert_int_equal(fixture_context(world->fixture).pc, exit.pc);
    }
    return page;
}

/* What the access does on memory that is there, with these pages' bytes and zeros in the others. */
static void run_on_twin(struct world *world, const struct access *access, unsigned there,
                        struct outcome *outcome)
{
    uint8_t bytes[PAGES * PAGE] = {0};

    for (unsigned i = 0; i < PAGES; i++) {
        if (there >> i & 1) {
            lazy_pattern(bytes + i * PAGE, PAGE, i * 31);
        }
    }
    fixture_write(&world->fixture->vm, TWIN, bytes, sizeof(bytes));
    start(world, access, TWIN);
    if (run(world, access) != 0) {
        fail_msg("%s: it doesn't run", access->name);
    }
    note(world, TWIN, outcome);
}

/* One access, where these pages are there and no memory for others: a stop for each that lacks, and
 * the more memory, the further it gets. */
static void check_starved(struct world *world, const struct access *access, unsigned there)
{
    vm_t *vm = &world->fixture->vm;
    unsigned missing = access->pages & ~there;
    struct outcome wanted;
    struct outcome got;
    uint8_t bytes[PAGE];
    size_t had;

    run_on_twin(world, access, there, &wanted);
    assert_int_equal(guestmem_ram_discard(vm, LAZY, PAGES * PAGE), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        if (there >> i & 1) {
            lazy_pattern(bytes, PAGE, i * 31);
            fixture_write(vm, LAZY + i * PAGE, bytes, PAGE);
        }
    }
    start(world, access, LAZY);
    had = lazy_frames(vm);
    lazy_starve(world);
    for (int result = run(world, access); result != 0; result = vm_run(vm)) {
        assert_int_equal(result, -1);
        missing &= ~(1U << check_stop(world, access, LAZY, missing));
        assert_int_equal(guestmem_last_failure(vm)->error, GUESTMEM_ENOFRAME);
        assert_int_equal(lazy_frames(vm), had);
        assert_int_equal(vm_run(vm), -1); /* nothing has changed: the same again */
        assert_int_equal(lazy_frames(vm), had++);
        assert_true(lazy_give_one_back(world));
    }
    if (missing != 0) {
        fail_msg("%s: it went on without memory", access->name);
    }
    assert_int_equal(lazy_frames(vm), had);
    lazy_feed(world);
    note(world, LAZY, &got);
    check_same(access, &got, &wanted);
}

static void every_access_waits_for_memory(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++) {
        for (unsigned there = 0; there < 4; there++) {
            check_starved(world, &accesses[i], there);
        }
    }
}

/* Frames with bytes in them, which the kernel won't map for a while. */
static void check_unmapped(struct world *world, const struct access *access, bool sticky)
{
    struct fixture *fixture = world->fixture;
    struct outcome wanted;
    struct outcome got;
    unsigned stops = 0;

    run_on_twin(world, access, 3, &wanted);
    lazy_lend(world);
    start(world, access, LENT);
    guestmem_host_fail(fixture->host, GUESTMEM_HOST_FAIL_ANY, 1, sticky);
    for (int result = run(world, access); result != 0; result = vm_run(&fixture->vm)) {
        assert_int_equal(result, -1);
        (void)check_stop(world, access, LENT, access->pages);
        stops++;
        if (stops == 3) {
            guestmem_host_fail(fixture->host, 0, 0, false);
        }
    }
    assert_int_equal(stops, sticky ? 3 : 1);
    note(world, LENT, &got);
    check_same(access, &got, &wanted);
    assert_int_equal(vm_free_reserved_memory(&fixture->vm, world->lent_res), 0);
}

static void every_access_waits_for_a_mapping(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++) {
        check_unmapped(world, &accesses[i], false);
        check_unmapped(world, &accesses[i], true);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lazy_set_up, lazy_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_access_waits_for_memory),
        TEST(every_access_waits_for_a_mapping),
    };

    return cmocka_run_group_tests_name("lazy", tests, NULL, NULL);
}

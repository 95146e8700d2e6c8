/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest that comes to lazy memory when there is none: the VM stops, says where and why, and goes
 * on with the same instruction once there is memory. Each kind of access is run twice, on memory
 * that is there and on memory that has to come, and must do the same.
 *
 *      TWIN   there from the start; the same bytes as in the other two
 *      LAZY   RAM in frames of 4 KiB; there is no memory for them
 *      LENT   frames of the VMM's, with bytes in all of them; the kernel can't map them
 */
#include "vm_fixture.h"

#include <stdlib.h>
#include <string.h>

#include <vka/object.h>

#define TWIN UINT64_C(0x50000000)
#define LAZY UINT64_C(0x51000000)
#define LENT UINT64_C(0x52000000)
#define SCRATCH (FIXTURE_DATA + 0x1000)

enum { PAGE = 4096, PAGES = 2, OBJECTS_MAX = 64 };

enum {
    GC_LDR_Q0_X7 = 0x3dc000e0,    /* ldr q0, [x7] */
    GC_STR_Q0_X7_16 = 0x3d8004e0, /* str q0, [x7, #16] */
    GC_LDR_X2_8 = 0xf9400422,     /* ldr x2, [x1, #8] */
    GC_STP_X2_X3 = 0xa9000c22,    /* stp x2, x3, [x1] */
    GC_ST1 = 0x4c007020,          /* st1 {v0.16b}, [x1] */
    GC_DC_ZVA_X1 = 0xd50b7421,    /* dc zva, x1 */
    GC_STXR_W5_X3 = 0xc8057c23,   /* stxr w5, x3, [x1] */
    GC_MOVZ_X0_0X77 = 0xd2800ee0, /* mov x0, #0x77 */
};

struct world {
    struct fixture *fixture;
    vka_object_t taken[OBJECTS_MAX]; /* all memory; the last ones are of 4 KiB */
    size_t taken_count;
    seL4_CPtr lent[PAGES];
    vka_object_t lent_frames[PAGES];
    vm_memory_reservation_t *lent_res;
};

/* ------------------------------------------------------------------------- memory, and none */

static void take(struct world *world, unsigned bits)
{
    vka_t *vka = guestmem_host_vka(world->fixture->host);

    while (world->taken_count < OBJECTS_MAX &&
           vka_alloc_untyped(vka, bits, &world->taken[world->taken_count]) == 0) {
        world->taken_count++;
    }
    assert_true(world->taken_count < OBJECTS_MAX);
}

static bool give_one_back(struct world *world)
{
    if (world->taken_count == 0) {
        return false;
    }
    vka_free_object(guestmem_host_vka(world->fixture->host), &world->taken[--world->taken_count]);
    return true;
}

/* Take all memory, so that it can be given back frame by frame. */
static void starve(struct world *world)
{
    for (unsigned bits = 28; bits >= 12; bits--) {
        take(world, bits);
    }
    assert_true(give_one_back(world));
    take(world, 12);
    assert_true(world->taken_count >= PAGES);
}

static void feed(struct world *world)
{
    while (give_one_back(world)) {
    }
}

static void set_lazy(vm_t *vm)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.frame_bits_max = 12;
    assert_int_equal(guestmem_set_policy(vm, &policy), 0);
}

static size_t frames(vm_t *vm)
{
    struct guestmem_stats stats;

    assert_int_equal(guestmem_get_stats(vm, &stats), 0);
    return stats.frames[0];
}

/* Something for every byte, and never zero. */
static void pattern(uint8_t *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)((seed + i * 7) % 251 + 1);
    }
}

static void *frame_bytes(struct world *world, seL4_CPtr frame)
{
    return guestmem_host_phys(world->fixture->host, seL4_ARM_Page_GetAddress(frame).paddr, PAGE);
}

static void lend(struct world *world)
{
    vm_t *vm = &world->fixture->vm;

    for (unsigned i = 0; i < PAGES; i++) {
        pattern(frame_bytes(world, world->lent[i]), PAGE, i * 31);
    }
    world->lent_res =
        vm_reserve_memory_at(vm, LENT, PAGES * PAGE, default_error_fault_callback, NULL);
    assert_non_null(world->lent_res);
    assert_int_equal(vm_map_reservation_frames(vm, world->lent_res, world->lent, PAGES, 12), 0);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    void *fixture;

    assert_non_null(world);
    fixture_vm_set_up(&fixture);
    world->fixture = fixture;
    assert_int_equal(vm_ram_register_at(&world->fixture->vm, TWIN, PAGES * PAGE, false), 0);
    fixture_write(&world->fixture->vm, FIXTURE_RAM, "", 1); /* seen by the VMM from now on */
    set_lazy(&world->fixture->vm);
    /* The last page is populated, so that the tables are there. */
    assert_int_equal(vm_ram_register_at(&world->fixture->vm, LAZY, 16 * PAGE, false), 0);
    assert_int_equal(guestmem_populate(&world->fixture->vm, LAZY + 15 * PAGE, PAGE), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        assert_int_equal(
            vka_alloc_frame(guestmem_host_vka(world->fixture->host), 12, &world->lent_frames[i]),
            0);
        world->lent[i] = world->lent_frames[i].cptr;
    }
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;
    void *inner = fixture;

    guestmem_host_fail(fixture->host, 0, 0, false);
    feed(world);
    assert_int_equal(guestmem_host_vm_destroy(&fixture->vm), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        vka_free_object(guestmem_host_vka(fixture->host), &world->lent_frames[i]);
    }
    fixture_tear_down(&inner);
    free(world);
    return 0;
}

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

    pattern(scratch, sizeof(scratch), 99);
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
            memcpy(outcome->memory + i * PAGE, frame_bytes(world, world->lent[i]), PAGE);
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
            pattern(bytes + i * PAGE, PAGE, i * 31);
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
            pattern(bytes, PAGE, i * 31);
            fixture_write(vm, LAZY + i * PAGE, bytes, PAGE);
        }
    }
    start(world, access, LAZY);
    had = frames(vm);
    starve(world);
    for (int result = run(world, access); result != 0; result = vm_run(vm)) {
        assert_int_equal(result, -1);
        missing &= ~(1U << check_stop(world, access, LAZY, missing));
        assert_int_equal(guestmem_last_failure(vm)->error, GUESTMEM_ENOFRAME);
        assert_int_equal(frames(vm), had);
        assert_int_equal(vm_run(vm), -1); /* nothing has changed: the same again */
        assert_int_equal(frames(vm), had++);
        assert_true(give_one_back(world));
    }
    if (missing != 0) {
        fail_msg("%s: it went on without memory", access->name);
    }
    assert_int_equal(frames(vm), had);
    feed(world);
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
    lend(world);
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

/* ------------------------------------------------------------------------- instructions */

static void put_code(struct world *world, unsigned page, const uint32_t *code, size_t bytes)
{
    memcpy(frame_bytes(world, world->lent[page]), code, bytes);
}

static struct guestmem_host_vm_exit stopped(struct world *world)
{
    struct guestmem_host_vm_exit exit;

    guestmem_host_vm_get_exit(&world->fixture->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_POPULATE);
    assert_string_equal(exit.why, guestmem_strerror(exit.error));
    return exit;
}

static void instructions_wait_for_memory(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;
    const uint32_t code[] = {GC_MOVZ_X0_0X77, GC_HVC(0)};
    struct guestmem_host_vm_exit exit;
    char text[200];

    lend(world);
    put_code(world, 1, code, sizeof(code));
    fixture->context.x1 = LENT + PAGE;
    guestmem_host_fail(fixture->host, GUESTMEM_HOST_FAIL_ANY, 1, true);
    assert_int_equal(FIXTURE_RUN(fixture, GC_BR_X1), -1);
    assert_int_equal(vm_run(&fixture->vm), -1);
    exit = stopped(world);
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

    lend(world);
    memcpy((char *)frame_bytes(world, world->lent[0]) + PAGE - 4, &tail, 4);
    put_code(world, 1, code, sizeof(code));
    assert_int_equal(guestmem_populate(&fixture->vm, LENT, PAGE), 0);
    fixture->context.x0 = 0;
    fixture->context.x1 = LENT + PAGE - 4;
    guestmem_host_fail(fixture->host, GUESTMEM_HOST_FAIL_ANY, 1, true);
    assert_int_equal(FIXTURE_RUN(fixture, GC_BR_X1), -1);
    assert_int_equal(stopped(world).address, LENT + PAGE);
    assert_true(stopped(world).fetch);
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

    lend(world);
    third = frame_bytes(world, world->lent[0]);
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
    assert_int_equal(stopped(world).address & ~UINT64_C(7), LENT + entry * 8);
    assert_int_equal(vm_run(&fixture->vm), 0);
    assert_int_equal(frames(&fixture->vm), frames(&fixture->vm));
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

    pattern(bytes, PAGE, 7);
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

    pattern(bytes, PAGE, 31); /* what lend() puts there */
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
    assert_int_equal(stopped(world).address & ~UINT64_C(7), LENT + 8 * 8);
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
    starve(world);
    assert_int_equal(FIXTURE_RUN(fixture, GC_NOP, GC_STR_X2, GC_LDR_X0, GC_HVC(0)), -1);
    exit = stopped(world);
    assert_int_equal(exit.error, GUESTMEM_ENOFRAME);
    assert_int_equal(exit.address, LAZY + 0x128);
    assert_int_equal(exit.size, 8);
    assert_true(exit.write);
    assert_int_equal(exit.data, 0xabcdef);
    assert_int_equal(exit.pc, FIXTURE_RAM + 4);
    guestmem_host_vm_exit_text(&exit, text, sizeof(text));
    assert_string_equal(text, "vcpu 0's write of 8 bytes at 0x51000128, pc 0x40000004: "
                              "lazy memory can't be had: no memory for a frame");
    assert_int_equal(guestmem_get_stats(&fixture->vm, &stats), 0);
    assert_int_equal(stats.faults_failed, 1);
    assert_int_equal(stats.faults_populated, 0);
    feed(world);
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
        assert_int_equal(stopped(world).error, shortages[i].error);
        guestmem_host_fail(fixture->host, 0, 0, false);
    }
    assert_int_equal(vm_run(&fixture->vm), 0);
}

/* The first access to a region takes tables too. */
static void without_memory_for_tables_the_reason_says_so(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;

    assert_int_equal(vm_ram_register_at(&fixture->vm, 0x100000000, PAGE, false), 0);
    fixture->context.x1 = 0x100000000;
    starve(world);
    assert_true(give_one_back(world));
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), -1);
    assert_int_equal(stopped(world).error, GUESTMEM_ENOTABLE);
    assert_true(give_one_back(world));
    assert_int_equal(vm_run(&fixture->vm), -1);
    assert_int_equal(stopped(world).error, GUESTMEM_ENOTABLE);
    assert_true(give_one_back(world));
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
    (void)stopped(world);
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

    starve(world);
    fixture->context.x1 = LAZY + 8;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), -1);
    (void)stopped(world);
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

    starve(world);
    fixture->context.x1 = LAZY;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LDR_X0, GC_HVC(0)), -1);
    assert_int_equal(guestmem_host_vm_destroy(&fixture->vm), 0);
}

static void a_starved_vm_can_be_destroyed_at_an_opaque_access(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;

    starve(world);
    fixture->context.x1 = LAZY;
    assert_int_equal(FIXTURE_RUN(fixture, GC_LD1, GC_HVC(0)), -1);
    assert_int_equal(stopped(world).size, 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_access_waits_for_memory),
        TEST(every_access_waits_for_a_mapping),
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
        TEST(without_memory_for_tables_the_reason_says_so),
        TEST(a_callbacks_error_is_not_taken_for_a_shortage),
        TEST(the_vmm_may_answer_otherwise),
        TEST(a_starved_vm_can_be_destroyed),
        TEST(a_starved_vm_can_be_destroyed_at_an_opaque_access),
        TEST(an_opaque_access_that_memory_will_not_answer_aborts),
    };

    return cmocka_run_group_tests_name("lazy", tests, NULL, NULL);
}

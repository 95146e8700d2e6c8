/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Random programs: what stores the vector registers, a body of random instructions, HVC #0.
 * Encodings: Arm ARM DDI 0487, "Loads and stores", "Branches, exception generating and system
 * instructions".
 *
 *      x0..x15, v0..v31  data: only moved     x16, x17  scratch, also the vectors'
 *      x18..x28, sp      addresses            x29       a small index      x30  link
 */
#include "hostile.h"

#include <string.h>

enum { SCRATCH = 16, BASE_FIRST = 18, BASE_COUNT = 11, INDEX = 29, LINK = 30, SP = 31, PC = 32 };

struct gen {
    struct player *player;
    struct program *program;
    unsigned vcpu;
};

static unsigned bits(unsigned count)
{
    return random_below(1U << count);
}

static uint32_t base_register(void)
{
    return one_in(16) ? SP : BASE_FIRST + random_below(BASE_COUNT);
}

static uint32_t data_register(void)
{
    return one_in(12) ? 31 : random_below(16);
}

static uint32_t even_register(void)
{
    return random_below(7) * 2;
}

static void emit(struct gen *gen, uint32_t insn)
{
    gen->program->code[gen->program->count++] = insn;
}

/* The instruction emitted last does this. */
static void expect(struct gen *gen, const struct expectation *expected)
{
    struct expectation *slot = &gen->program->expected[gen->program->count - 1];

    *slot = *expected;
    slot->known = expected->base != SP;
}

/* ------------------------------------------------------------------------------- one register */

static const char *const sizes[] = {"1 byte", "2 bytes", "4 bytes", "8 bytes", "16 bytes"};

struct single {
    unsigned scale;
    bool store;
    bool vector;
    bool sign;
};

static struct single any_single(void)
{
    struct single s = {.store = one_in(2), .vector = one_in(4)};

    s.scale = random_below(s.vector ? 5 : 4);
    s.sign = !s.store && !s.vector && s.scale < 3 && one_in(4);
    count_one(s.store ? "stores" : "loads", sizes[s.scale]);
    return s;
}

/* size, V and opc as they stand in all of these. */
static uint32_t single_bits(const struct single *s)
{
    uint32_t opc = s->store ? 0 : s->sign ? 2 : 1;

    if (s->scale == 4) {
        opc |= 2;
    }
    return (s->scale & 3) << 30 | (uint32_t)s->vector << 26 | opc << 22;
}

/* Sign extension leaves the alphabet, so it goes where nothing is stored from. */
static uint32_t single_register(const struct single *s)
{
    return s->vector ? bits(5) : s->sign ? SCRATCH : data_register();
}

static void emit_single(struct gen *gen, const struct single *s, uint32_t insn,
                        struct expectation expected)
{
    uint32_t rt = single_register(s);
    uint32_t rn = expected.base;

    emit(gen, insn | single_bits(s) | rn << 5 | rt);
    expected.load = !s->store;
    expected.store = s->store;
    expected.total = (uint8_t)(1U << s->scale);
    expected.element = expected.total > 8 ? 8 : expected.total;
    expected.rt[0] = (uint8_t)rt;
    expected.vector = s->vector;
    expect(gen, &expected);
}

static void scaled_offset(struct gen *gen)
{
    struct single s = any_single();
    uint32_t offset = bits(one_in(4) ? 9 : 3);

    emit_single(gen, &s, 0x39000000 | offset << 10,
                (struct expectation){.base = (uint8_t)base_register(),
                                     .offset = (int32_t)(offset << s.scale)});
}

static void unscaled_offset(struct gen *gen)
{
    struct single s = any_single();
    int32_t offset = (int32_t)bits(5) - 16;

    emit_single(gen, &s, 0x38000000 | ((uint32_t)offset & 0x1ff) << 12,
                (struct expectation){.base = (uint8_t)base_register(), .offset = offset});
}

static void pre_or_post_index(struct gen *gen)
{
    struct single s = any_single();
    int32_t offset = (int32_t)bits(6) - 32;
    bool pre = one_in(2);

    count_one("addressing", pre ? "pre-index" : "post-index");
    emit_single(gen, &s,
                0x38000000 | ((uint32_t)offset & 0x1ff) << 12 | (pre ? UINT32_C(3) : 1) << 10,
                (struct expectation){.base = (uint8_t)(BASE_FIRST + random_below(BASE_COUNT)),
                                     .offset = pre ? offset : 0});
}

static void register_offset(struct gen *gen)
{
    static const uint32_t options[] = {2, 3, 6, 7};
    struct single s = any_single();
    bool shift = one_in(2);

    count_one("addressing", "register offset");
    emit_single(gen, &s, 0x38200800 | INDEX << 16 | options[bits(2)] << 13 | (uint32_t)shift << 12,
                (struct expectation){.base = (uint8_t)base_register(),
                                     .index = INDEX,
                                     .shift = (uint8_t)(shift ? s.scale : 0)});
}

static void unprivileged(struct gen *gen)
{
    struct single s = any_single();

    s.vector = false;
    s.scale &= 3;
    count_one("addressing", "unprivileged");
    emit_single(gen, &s, 0x38000800, (struct expectation){.base = (uint8_t)base_register()});
}

/* From the pool at the end of the code's page, or from the arena behind. */
static void literal(struct gen *gen)
{
    bool vector = one_in(3);
    uint32_t opc = random_below(vector ? 3 : 2);
    uint64_t pc = HOME_CODE(gen->vcpu) + gen->program->count * 4;
    uint64_t target = one_in(3) ? (pc | 0xfc0) & ~UINT64_C(0x3f) : ARENA + bits(16) * 4;
    int32_t offset = (int32_t)(target - pc) & ~3;
    uint32_t rt = vector ? bits(5) : random_below(16);

    count_one("addressing", "literal");
    emit(gen, opc << 30 | 0x18000000 | (uint32_t)vector << 26 |
                  ((uint32_t)offset >> 2 & 0x7ffff) << 5 | rt);
    expect(gen, &(struct expectation){.load = true,
                                      .element = opc == 0 ? 4 : 8,
                                      .total = (uint8_t)(4 << opc),
                                      .base = PC,
                                      .offset = offset});
}

/* ------------------------------------------------------------------------------- pairs */

static void pair(struct gen *gen)
{
    bool vector = one_in(3);
    bool store = one_in(2);
    uint32_t opc = vector ? random_below(3) : 2 * bits(1);
    uint32_t mode = bits(2);
    unsigned scale = vector ? 2 + opc : opc == 2 ? 3 : 2;
    int32_t offset = (int32_t)bits(4) - 8;
    uint32_t rn = mode & 1 ? BASE_FIRST + random_below(BASE_COUNT) : base_register();
    uint32_t rt = vector ? bits(4) : random_below(8);
    uint32_t rt2 = rt + 1 + random_below(8);

    count_one("other accesses", store ? "store pair" : "load pair");
    emit(gen, opc << 30 | 0x28000000 | (uint32_t)vector << 26 | mode << 23 |
                  (uint32_t)!store << 22 | ((uint32_t)offset & 0x7f) << 15 | rt2 << 10 | rn << 5 |
                  rt);
    expect(gen, &(struct expectation){.load = !store,
                                      .store = store,
                                      .element = (uint8_t)(scale < 3 ? 4 : 8),
                                      .total = (uint8_t)(2U << scale),
                                      .rt = {(uint8_t)rt, (uint8_t)rt2},
                                      .vector = vector,
                                      .base = (uint8_t)rn,
                                      .offset = mode == 1 ? 0 : offset * (1 << scale)});
}

/* ------------------------------------------------------------------------------- exclusives */

static void exclusive_one(struct gen *gen, uint32_t rn, bool load)
{
    uint32_t size = bits(2);
    uint32_t rt = data_register();
    uint32_t ordered = bits(1);

    count_one("other accesses", load ? "load exclusive" : "store exclusive");
    emit(gen, size << 30 | 0x08000000 | (uint32_t)load << 22 | (load ? 31u : SCRATCH + 1) << 16 |
                  ordered << 15 | 31 << 10 | rn << 5 | rt);
    expect(gen, &(struct expectation){.load = true,
                                      .store = !load,
                                      .element = (uint8_t)(1U << size),
                                      .total = (uint8_t)(1U << size),
                                      .rt = {(uint8_t)rt},
                                      .base = (uint8_t)rn});
}

static void exclusive_pair(struct gen *gen, uint32_t rn, bool load)
{
    uint32_t wide = bits(1);
    uint32_t rt = random_below(8);

    count_one("other accesses", load ? "load exclusive pair" : "store exclusive pair");
    emit(gen, (2 + wide) << 30 | 0x08200000 | (uint32_t)load << 22 |
                  (load ? 31u : SCRATCH + 1) << 16 | (rt + 8) << 10 | rn << 5 | rt);
    expect(gen, &(struct expectation){.load = true,
                                      .store = !load,
                                      .element = 8,
                                      .total = (uint8_t)(8u << wide),
                                      .vector = true, /* its data isn't foretold */
                                      .base = (uint8_t)rn});
}

/* A load and a store that may belong to it. */
static void exclusive(struct gen *gen)
{
    uint32_t rn = base_register();
    bool two = one_in(3);

    for (unsigned i = 0; i < 2; i++) {
        if (two) {
            exclusive_pair(gen, rn, i == 0);
        } else {
            exclusive_one(gen, rn, i == 0);
        }
        if (one_in(4)) {
            rn = base_register();
        }
    }
}

static void ordered(struct gen *gen)
{
    uint32_t size = bits(2);
    bool load = one_in(2);
    uint32_t rn = base_register();
    uint32_t rt = data_register();

    count_one("other accesses", load ? "load acquire" : "store release");
    emit(gen, size << 30 | 0x0880fc00 | (uint32_t)load << 22 | 31 << 16 | rn << 5 | rt);
    expect(gen, &(struct expectation){.load = load,
                                      .store = !load,
                                      .element = (uint8_t)(1U << size),
                                      .total = (uint8_t)(1U << size),
                                      .rt = {(uint8_t)rt},
                                      .base = (uint8_t)rn});
}

/* ------------------------------------------------------------------------------- opaque ones */

/* LDADD would leave the alphabet. */
static void atomic(struct gen *gen)
{
    static const uint32_t operations[] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint32_t operation = operations[bits(3)];

    count_one("other accesses", operation == 8 ? "swap" : "atomic");
    emit(gen, bits(2) << 30 | 0x38200000 | bits(2) << 22 | data_register() << 16 | operation << 12 |
                  base_register() << 5 | data_register());
}

static void compare_and_swap(struct gen *gen)
{
    if (one_in(3)) {
        count_one("other accesses", "compare and swap pair");
        emit(gen, bits(1) << 30 | 0x08207c00 | bits(1) << 22 | even_register() << 16 |
                      bits(1) << 15 | base_register() << 5 | even_register());
        return;
    }
    count_one("other accesses", "compare and swap");
    emit(gen, bits(2) << 30 | 0x08a07c00 | bits(1) << 22 | data_register() << 16 | bits(1) << 15 |
                  base_register() << 5 | data_register());
}

static void structure(struct gen *gen)
{
    static const uint32_t opcodes[] = {0, 2, 4, 6, 7, 8, 10};
    uint32_t post = one_in(2) ? 0x00800000u | 31 << 16 : 0;

    count_one("other accesses", "vector structure");
    if (one_in(3)) { /* a lane, or one element to all lanes */
        emit(gen, bits(1) << 30 | 0x0d000000 | bits(1) << 22 | bits(3) << 13 | bits(3) << 10 |
                      base_register() << 5 | bits(5));
        return;
    }
    emit(gen, bits(1) << 30 | 0x0c000000 | post | bits(1) << 22 | opcodes[random_below(7)] << 12 |
                  bits(2) << 10 | (BASE_FIRST + random_below(BASE_COUNT)) << 5 | bits(5));
}

static void prefetch(struct gen *gen)
{
    count_one("other accesses", "prefetch");
    emit(gen, (one_in(2) ? 0xf9800000 | bits(6) << 10 : 0xf8800000 | bits(9) << 12) |
                  base_register() << 5 | bits(5));
}

/* ------------------------------------------------------------------------------- system */

static uint32_t system_insn(unsigned op1, unsigned crn, unsigned crm, unsigned op2)
{
    return 0xd5080000 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5;
}

static void cache(struct gen *gen)
{
    static const uint8_t data[][3] = {{0, 6, 1},  {0, 6, 2},  {3, 10, 1}, {0, 10, 2},
                                      {3, 11, 1}, {3, 14, 1}, {0, 14, 2}};
    static const uint8_t code[][3] = {{0, 1, 0}, {0, 5, 0}, {3, 5, 1}};
    const uint8_t *op = one_in(2) ? data[random_below(7)] : code[random_below(3)];

    count_one("system", op[1] < 6 ? "IC" : "DC");
    emit(gen, system_insn(op[0], 7, op[1], op[2]) | base_register() % 31);
}

static void zero_cache(struct gen *gen)
{
    count_one("system", "DC ZVA");
    emit(gen, system_insn(3, 7, 4, 1) | (BASE_FIRST + random_below(BASE_COUNT)));
}

static void tlb(struct gen *gen)
{
    static const uint8_t operations[][2] = {{3, 0}, {3, 1}, {3, 2}, {3, 5}, {7, 0}, {7, 1}, {7, 3}};
    const uint8_t *op = operations[random_below(7)];

    count_one("system", "TLBI");
    emit(gen, system_insn(0, 8, op[0], op[1]) | (op[1] == 0 ? 31 : BASE_FIRST));
}

static void translate(struct gen *gen)
{
    count_one("system", "AT");
    emit(gen, system_insn(0, 7, 8, bits(2)) | (BASE_FIRST + random_below(BASE_COUNT)));
}

static void barrier(struct gen *gen)
{
    static const uint32_t barriers[] = {0xd503309f, 0xd50330bf};

    if (one_in(3)) {
        count_one("system", "ISB, CLREX");
        emit(gen, one_in(2) ? 0xd5033fdf : 0xd5033f5f);
        return;
    }
    count_one("system", "DSB, DMB");
    emit(gen, barriers[bits(1)] | (bits(2) << 2 | (1 + random_below(3))) << 8);
}

/* SPSR, ELR, ESR, FAR, CONTEXTIDR, TPIDRs, PAR, MAIR, AFSRs, CPACR, TTBR0, TTBR1, SP_EL0. */
static void system_register(struct gen *gen)
{
    static const uint32_t registers[] = {0x84000, 0x84020, 0x85200, 0x86000, 0x8d020,
                                         0x8d080, 0xbd040, 0x87400, 0x8a200, 0x85100,
                                         0x85120, 0x81040, 0x82000, 0x82020, 0x84100};
    uint32_t reg = registers[random_below(15)];
    bool read = one_in(2);

    count_one("system", read ? "MRS" : "MSR");
    if (!read && reg == 0x81040) {
        return; /* without vector registers there is less to see */
    }
    emit(gen, (read ? 0xd5300000 : 0xd5100000) | (reg & 0x7ffff) | 0x80000 |
                  (read ? SCRATCH + bits(1) : random_below(16)));
}

/* VBAR, and the MMU with whatever tables there are. */
static void take_over(struct gen *gen)
{
    if (one_in(4)) {
        count_one("system", "MSR SCTLR");
        emit(gen, 0xd5181000 | (one_in(2) ? 31 : random_below(16)));
        return;
    }
    count_one("system", "MSR VBAR");
    emit(gen, 0xd518c000 | (BASE_FIRST + random_below(BASE_COUNT)));
}

/* ------------------------------------------------------------------------------- exceptions */

static void exception(struct gen *gen)
{
    static const struct {
        const char *name;
        uint32_t insn;
    } kinds[] = {{"SVC", 0xd4000001}, {"HVC", 0xd4000002}, {"SMC", 0xd4000003},
                 {"BRK", 0xd4200000}, {"HLT", 0xd4400000}, {"UDF", 0}};
    unsigned i = random_below(6);

    count_one("exceptions", kinds[i].name);
    emit(gen, kinds[i].insn | (i == 5 ? bits(8) : (1 + bits(8)) << 5));
}

static void hint(struct gen *gen)
{
    static const char *const names[] = {"NOP", "YIELD", "WFE", "WFI", "SEV", "SEVL"};
    uint32_t i = random_below(6);

    count_one("exceptions", names[i]);
    emit(gen, 0xd503201f | i << 5);
}

/* ------------------------------------------------------------------------------- branches */

static void branch(struct gen *gen)
{
    uint32_t ahead = 1 + random_below(3);

    count_one("branches", "inside the program");
    switch (random_below(3)) {
    case 0:
        emit(gen, 0x14000000 | ahead);
        break;
    case 1:
        emit(gen, 0xb4000000 | bits(1) << 24 | ahead << 5 | random_below(16));
        break;
    default:
        emit(gen, 0x36000000 | bits(1) << 24 | bits(5) << 19 | ahead << 5 | random_below(16));
        break;
    }
}

static void run_anything(struct gen *gen)
{
    uint32_t rn = BASE_FIRST + random_below(BASE_COUNT);

    count_one("branches", "to anywhere");
    emit(gen, (one_in(4) ? 0xd61f0000 : 0xd63f0000) | rn << 5);
}

/* ------------------------------------------------------------------------------- a program */

typedef void (*make_fn)(struct gen *gen);

static const make_fn plain[] = {scaled_offset,
                                scaled_offset,
                                unscaled_offset,
                                pre_or_post_index,
                                register_offset,
                                literal,
                                pair,
                                pair,
                                exclusive,
                                ordered,
                                unprivileged,
                                barrier,
                                branch,
                                hint,
                                exception,
                                cache};

static const make_fn rest[] = {
    atomic,    atomic,    compare_and_swap, structure,       prefetch,  zero_cache,  tlb,
    translate, structure, system_register,  system_register, take_over, run_anything};

uint64_t random_address(void)
{
    static const uint64_t outside[] = {0x1000,
                                       0x90000000,
                                       DEVICE_PADDR,
                                       LARGE_END - 4,
                                       (UINT64_C(1) << 40) - 8,
                                       UINT64_C(1) << 40,
                                       UINT64_C(1) << 47,
                                       UINT64_MAX - 0xfff};
    uint64_t base = ARENA + (uint64_t)random_below(SMALL_SLOTS * SLOT_PAGES + 1) * PAGE;

    switch (random_below(16)) {
    case 0:
        return outside[random_below(8)] + bits(4);
    case 1:
        return LARGE + random_below(LARGE_SLOTS) * LARGE_BYTES + bits(6) - 32;
    case 2:
        return LARGE + random_below(LARGE_SLOTS) * LARGE_BYTES + (random_word() & 0x1ffff8);
    case 3:
        return POOL + random_below(POOL_BYTES);
    case 4:
        return HOME_DUMP + 3072 + bits(6);
    case 5:
    case 6:
    case 7:
        return base + bits(5) - 16;
    case 8:
    case 9:
        return base + bits(12);
    default:
        return base + (bits(12) & ~7u);
    }
}

static void fill_context(struct gen *gen)
{
    seL4_UserContext *context = &gen->program->context;
    seL4_Word *data[] = {&context->x0,  &context->x1,  &context->x2,  &context->x3,
                         &context->x4,  &context->x5,  &context->x6,  &context->x7,
                         &context->x8,  &context->x9,  &context->x10, &context->x11,
                         &context->x12, &context->x13, &context->x14, &context->x15};
    seL4_Word *bases[] = {&context->x18, &context->x19, &context->x20, &context->x21,
                          &context->x22, &context->x23, &context->x24, &context->x25,
                          &context->x26, &context->x27, &context->x28};

    memset(context, 0, sizeof(*context));
    for (unsigned i = 0; i < 16; i++) {
        *data[i] = random_data(gen->player);
    }
    for (unsigned i = 0; i < BASE_COUNT; i++) {
        *bases[i] = random_address();
    }
    context->x29 = bits(6);
    context->x30 = HOME_CODE(gen->vcpu) + gen->program->end * 4;
    context->x17 = 0x30d00801; /* SCTLR_EL1: the MMU on, all else as it must be */
    context->pc = HOME_CODE(gen->vcpu);
    context->spsr = 0x3c5; /* EL1h, interrupts masked */
}

/* Vector registers as they were before the program, where they are looked at. */
static void store_vectors(struct gen *gen)
{
    for (uint32_t i = 0; i < 32; i += 2) {
        emit(gen, 0xad000000 | i << 15 | (i + 1) << 10 | SP << 5 | i); /* stp q, q, [sp] */
    }
    if (gen->program->mmu) {
        emit(gen, 0xd5181011); /* msr sctlr_el1, x17 */
        emit(gen, 0xd5033fdf); /* isb */
    }
}

static void choose_vectors(struct program *program)
{
    program->vbar = HOME;
    if (one_in(16)) {
        program->vbar = one_in(3) ? 0 : random_address() & ~UINT64_C(0x7ff);
    }
}

void program_make(struct player *player, unsigned vcpu)
{
    struct program *program = &player->program[vcpu];
    struct gen gen = {.player = player, .program = program, .vcpu = vcpu};
    unsigned body;

    memset(program, 0, sizeof(*program));
    program->plain = one_in(2);
    program->mmu = !program->plain && one_in(3);
    choose_vectors(program);
    store_vectors(&gen);
    body = program->count + 8 + random_below(PROGRAM_MAX / 2);
    while (program->count < body) {
        make_fn make =
            program->plain || one_in(2) ? plain[random_below(16)] : rest[random_below(13)];

        make(&gen);
    }
    program->end = program->count;
    for (unsigned i = 0; i < 4; i++) { /* branches ahead may come to any of them */
        emit(&gen, 0xd4000002);
    }
    fill_context(&gen);
    count_one("programs", program->plain ? "each fault foretold" : "anything");
    count_many("programs", "instructions", program->count);
    if (program->mmu) {
        count_one("programs", "with their MMU on");
    }
}

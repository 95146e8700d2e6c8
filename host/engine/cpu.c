/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * One guest CPU: a Unicorn instance on a fiber. Its regions are fixed when it is made: a window
 * each, and everything between them as one catch-all for device accesses. For other windows, and
 * where translated code must go, the instance is made anew with the old one's registers, which
 * takes about as long as translating a few hundred instructions.
 */
#include "cpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* QEMU's numbers of what an Arm CPU raises, as UC_HOOK_INTR gives them. */
enum {
    EXCEPTION_UNDEFINED = 1,
    EXCEPTION_SVC = 2,
    EXCEPTION_PREFETCH = 3,
    EXCEPTION_DATA = 4,
    EXCEPTION_BREAKPOINT = 7,
    EXCEPTION_HVC = 11,
    EXCEPTION_SMC = 13,
    EXCEPTION_PC_ALIGNMENT = 1000, /* ours: the guest CPU runs code at any address */
};

/* Exception classes and parts of a syndrome. */
enum { CLASS_WFX = 0x01, CLASS_SVC = 0x15, CLASS_HVC = 0x16, CLASS_SMC = 0x17 };
enum {
    CLASS_PREFETCH = 0x21,
    CLASS_PC_ALIGNMENT = 0x22,
    CLASS_DATA = 0x25,
    CLASS_BREAKPOINT = 0x3c
};
enum { FAULT_TRANSLATION = 0x07, FAULT_EXTERNAL = 0x10, FAULT_WRITE = 0x40 };

/* Unicorn's own set-up isn't said to be safe on several threads at once. */
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

static const uint32_t insn_wfi = 0xd503207f;
static const unsigned outside_first = 64;

static uint32_t syndrome(uint32_t class, uint32_t iss)
{
    return class << 26 | UINT32_C(1) << 25 | iss;
}

/* --------------------------------------------------------------------------- hooks */

static void on_block(uc_engine *uc, uint64_t address, uint32_t size, void *cookie)
{
    struct engine_cpu *cpu = cookie;

    (void)size;
    cpu->block = address;
    cpu->block_number++;
    if (address % 4 != 0) {
        cpu->exception = EXCEPTION_PC_ALIGNMENT;
        uc_emu_stop(uc);
    } else if (atomic_load_explicit(&cpu->attention, memory_order_relaxed) || --cpu->budget == 0) {
        cpu->stopped = true;
        uc_emu_stop(uc);
    }
}

static void on_exception(uc_engine *uc, uint32_t number, void *cookie)
{
    struct engine_cpu *cpu = cookie;

    cpu->exception = (int)number;
    uc_emu_stop(uc);
}

/* With the guest's MMU on, Unicorn asks its region of the *virtual* address whether code may run.
 */
static bool on_fetch_protection(uc_engine *uc, uc_mem_type type, uint64_t address, int size,
                                int64_t value, void *cookie)
{
    (void)uc;
    (void)type;
    (void)address;
    (void)size;
    (void)value;
    (void)cookie;
    return true;
}

/* --------------------------------------------------------------------------- making one */

static void others_forget_all(const struct engine_cpu *cpu)
{
    struct engine *engine = cpu->engine;

    pthread_mutex_lock(&engine->lock);
    for (struct engine_cpu *other = engine->cpus; other != NULL; other = other->next) {
        if (other != cpu) {
            cpu_lock(other);
            other->forget_all = true;
            atomic_store(&other->attention, 1);
            cpu_unlock(other);
        }
    }
    pthread_mutex_unlock(&engine->lock);
}

/* SYS: TLB and instruction cache maintenance, where it is for other CPUs too (Arm ARM, "TLBI" and
 * "IC": CRn is 8, or 7; CRm 1 and 3 are the outer and inner shareable ones; IC IVAU always is). */
static uint32_t on_system(uc_engine *uc, uc_arm64_reg reg, const uc_arm64_cp_reg *sys, void *cookie)
{
    bool tlb = sys->crn == 8 && (sys->crm == 1 || sys->crm == 3);
    bool code = sys->crn == 7 && (sys->crm == 1 || (sys->crm == 5 && sys->op1 == 3));

    (void)uc;
    (void)reg;
    if (tlb || code) {
        others_forget_all(cookie);
    }
    return 0; /* and now do it */
}

static uc_err add_hooks(struct engine_cpu *cpu, uc_engine *uc)
{
    uc_hook hook;
    uc_err err = uc_hook_add(uc, &hook, UC_HOOK_BLOCK, (void *)on_block, cpu, 1, 0);

    if (err == UC_ERR_OK) {
        err = uc_hook_add(uc, &hook, UC_HOOK_INTR, (void *)on_exception, cpu, 1, 0);
    }
    if (err == UC_ERR_OK) {
        err =
            uc_hook_add(uc, &hook, UC_HOOK_MEM_FETCH_PROT, (void *)on_fetch_protection, cpu, 1, 0);
    }
    if (err == UC_ERR_OK && cpu->engine->several) {
        err = uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_system, cpu, 1, 0, UC_ARM64_INS_SYS);
    }
    return err;
}

static uc_err copy_registers(uc_engine *from, uc_engine *to)
{
    uc_context *context;
    uc_err err = uc_context_alloc(from, &context);

    if (err != UC_ERR_OK) {
        return err;
    }
    err = uc_context_save(from, context);
    if (err == UC_ERR_OK) {
        err = uc_context_restore(to, context);
    }
    uc_context_free(context);
    return err;
}

static uc_err open_one(uc_engine **uc)
{
    uc_err err;

    pthread_mutex_lock(&opening);
    err = uc_open(UC_ARCH_ARM64, UC_MODE_ARM, uc);
    pthread_mutex_unlock(&opening);
    return err;
}

static void close_one(uc_engine *uc)
{
    pthread_mutex_lock(&opening);
    uc_close(uc);
    pthread_mutex_unlock(&opening);
}

static uc_err set_up(struct engine_cpu *cpu, uc_engine *uc, struct gap *gaps)
{
    /* First of all calls. The default model lacks Armv8.1's atomic instructions. */
    uc_err err = uc_ctl_set_cpu_model(uc, UC_CPU_ARM64_MAX);

    if (err ==
        UC_ERR_OK) { /* no address ends a run; looking one up would read the guest's tables */
        err = uc_ctl_exits_enable(uc);
    }
    if (err == UC_ERR_OK) {
        err = views_map(cpu, uc, gaps);
    }
    if (err == UC_ERR_OK) {
        err = add_hooks(cpu, uc);
    }
    if (err == UC_ERR_OK && cpu->uc != NULL) {
        err = copy_registers(cpu->uc, uc);
    } else if (err == UC_ERR_OK) {
        registers_reset(uc);
    }
    return err;
}

/* A new instance in place of the old one, if there is one. 0, or -ENOMEM and nothing changed. */
static int rebuild(struct engine_cpu *cpu)
{
    struct gap *gaps = NULL;
    uc_engine *uc = NULL;
    unsigned generation;
    uc_err err = views_update(cpu, &generation) == 0 ? UC_ERR_OK : UC_ERR_NOMEM;

    if (err == UC_ERR_OK) {
        gaps = calloc(cpu->view_count + 2, sizeof(*gaps));
        err = gaps == NULL ? UC_ERR_NOMEM : open_one(&uc);
    }
    if (err == UC_ERR_OK) {
        err = set_up(cpu, uc, gaps);
    }
    if (err != UC_ERR_OK) {
        if (uc != NULL) {
            close_one(uc);
        }
        free(gaps);
        return -ENOMEM;
    }
    if (cpu->uc != NULL) {
        close_one(cpu->uc);
        free(cpu->gaps);
    }
    cpu->uc = uc;
    cpu->gaps = gaps;
    cpu->generation = generation;
    return 0;
}

/* --------------------------------------------------------------------------- leaving guest code */

uint64_t cpu_pc(struct engine_cpu *cpu)
{
    uint64_t pc = cpu->op.pc;

    if (!cpu->running) {
        uc_reg_read(cpu->uc, UC_ARM64_REG_PC, &pc);
    }
    return pc;
}

void cpu_leave(struct engine_cpu *cpu, enum engine_exit_kind kind)
{
    cpu->exit.kind = kind;
    cpu->exit.pc = cpu_pc(cpu);
    fiber_leave(cpu->fiber);
}

static uint32_t insn_at(struct engine_cpu *cpu, uint64_t pc)
{
    uint64_t gpa;
    uint32_t insn = 0;
    const void *bytes = NULL;

    cpu_lock(cpu);
    if (pc % 4 == 0 && stage1_translate(cpu, pc, &gpa)) {
        bytes = stage2_bytes(cpu->engine, gpa, sizeof(insn), false);
    }
    if (bytes != NULL) {
        memcpy(&insn, bytes, sizeof(insn));
    }
    cpu_unlock(cpu);
    return insn;
}

static void set_pc(struct engine_cpu *cpu, uint64_t pc)
{
    uc_reg_write(cpu->uc, UC_ARM64_REG_PC, &pc);
}

/* SMC, HVC or WFI: the guest CPU is behind the instruction; the VMM moves it there itself. */
static void leave_at_trap(struct engine_cpu *cpu, enum engine_exit_kind kind, uint32_t class)
{
    uint64_t pc = cpu_pc(cpu) - 4;
    uint32_t insn = insn_at(cpu, pc);

    set_pc(cpu, pc);
    cpu->exit.hsr = syndrome(class, class == CLASS_WFX ? 0 : insn >> 5 & 0xffff);
    cpu_leave(cpu, kind);
}

static void leave_broken(struct engine_cpu *cpu, const char *why)
{
    cpu->exit.why = why;
    cpu->exit.address = cpu_pc(cpu);
    cpu_leave(cpu, ENGINE_EXIT_BROKEN);
}

/* The guest's own exceptions go to the guest. */
static void raise_in_guest(struct engine_cpu *cpu)
{
    uint64_t pc = cpu_pc(cpu);
    uint64_t far = pc;
    uint32_t esr = syndrome(0, 0);
    bool has_far = false;

    if (cpu->exception == EXCEPTION_SVC) {
        esr = syndrome(CLASS_SVC, insn_at(cpu, pc - 4) >> 5 & 0xffff);
    } else if (cpu->exception == EXCEPTION_BREAKPOINT) {
        esr = syndrome(CLASS_BREAKPOINT, insn_at(cpu, pc) >> 5 & 0xffff);
    } else if (cpu->exception == EXCEPTION_PC_ALIGNMENT) {
        has_far = true;
        esr = syndrome(CLASS_PC_ALIGNMENT, 0);
    } else if (cpu->exception == EXCEPTION_PREFETCH) {
        has_far = true;
        esr = syndrome(CLASS_PREFETCH, FAULT_TRANSLATION);
    } else if (cpu->exception == EXCEPTION_DATA) {
        bool write = false;

        cpu_lock(cpu);
        has_far = access_address(cpu, pc, &far, &write);
        cpu_unlock(cpu);
        esr = syndrome(CLASS_DATA, FAULT_TRANSLATION | (write ? FAULT_WRITE : 0));
    }
    if (!registers_raise(cpu, esr, pc, has_far, far)) {
        leave_broken(cpu, "an exception of the guest's, which has no vectors for it");
    } else if (atomic_load(&cpu->attention) || --cpu->budget == 0) {
        cpu_leave(cpu, ENGINE_EXIT_SLICE); /* vectors may themselves fault, without end */
    }
}

/* uc_emu_start() came back: why? */
static void leave_guest(struct engine_cpu *cpu, uc_err err)
{
    if (cpu->exception == EXCEPTION_SMC) {
        leave_at_trap(cpu, ENGINE_EXIT_TRAP, CLASS_SMC);
    } else if (cpu->exception == EXCEPTION_HVC) {
        leave_at_trap(cpu, ENGINE_EXIT_TRAP, CLASS_HVC);
    } else if (cpu->exception >= 0) {
        raise_in_guest(cpu);
    } else if (err != UC_ERR_OK) {
        leave_broken(cpu, uc_strerror(err));
    } else if (cpu->stopped) {
        if (cpu->outside_count >= cpu->outside_limit) {
            cpu->exit.address = cpu->outside;
            cpu->outside_count = 0;
            cpu->outside_limit *= 4;
            cpu_leave(cpu, ENGINE_EXIT_OUTSIDE);
        } else {
            cpu_leave(cpu, ENGINE_EXIT_SLICE);
        }
    } else if (insn_at(cpu, cpu_pc(cpu) - 4) == insn_wfi) {
        leave_at_trap(cpu, ENGINE_EXIT_WAIT, CLASS_WFX);
    } else {
        leave_broken(cpu, "the guest CPU stopped without a reason");
    }
}

static void fiber_body(void *cookie)
{
    struct engine_cpu *cpu = cookie;

    for (;;) {
        uint64_t pc = cpu_pc(cpu);
        uc_err err;

        cpu->stopped = false;
        cpu->exception = -1;
        cpu->running = true;
        err = uc_emu_start(cpu->uc, pc, 0, 0, 0);
        cpu->running = false;
        leave_guest(cpu, err);
    }
}

/* --------------------------------------------------------------------------- before entering it */

void cpu_forget_code(struct engine_cpu *cpu, uint64_t start, uint64_t end)
{
    if (cpu->stale_count == STALE_COUNT || end - start > UINT64_C(0x1000000)) {
        cpu->forget_all = true;
    } else {
        cpu->stale[cpu->stale_count++] = (struct window){.base = start, .size = end - start};
    }
    atomic_store(&cpu->attention, 1);
}

/* What others want forgotten. True: all. */
static bool take_stale(struct engine_cpu *cpu, struct window stale[STALE_COUNT], unsigned *count)
{
    bool all;

    cpu_lock(cpu);
    all = cpu->forget_all;
    *count = cpu->stale_count;
    memcpy(stale, cpu->stale, sizeof(cpu->stale));
    cpu->forget_all = false;
    cpu->stale_count = 0;
    cpu_unlock(cpu);
    return all;
}

/* An instance that is made anew knows no code. */
static int renew(struct engine_cpu *cpu)
{
    int err = rebuild(cpu);

    if (err) {
        cpu_lock(cpu);
        cpu->forget_all = true;
        cpu_unlock(cpu);
    }
    return err;
}

/* Translated code is found by virtual address: with the MMU on, which ones those are isn't known.
 */
static int forget_code(struct engine_cpu *cpu)
{
    struct window stale[STALE_COUNT];
    unsigned count;

    if (take_stale(cpu, stale, &count) || (count > 0 && stage1_enabled(cpu)) ||
        cpu->generation != atomic_load(&cpu->engine->generation)) {
        return renew(cpu);
    }
    while (count > 0) {
        count--;
        uc_ctl_remove_cache(cpu->uc, stale[count].base, stale[count].base + stale[count].size);
    }
    return 0;
}

/* Give up the instruction that waits: the registers as they are at it go into a new instance. */
static int abandon(struct engine_cpu *cpu)
{
    uint64_t pc = cpu->op.pc;
    int err = rebuild(cpu);

    if (err) {
        return err;
    }
    fiber_reset(cpu->fiber);
    signals_end_answers(cpu);
    cpu->running = false;
    set_pc(cpu, pc);
    if (cpu->replaced) {
        registers_apply(cpu->uc, &cpu->context);
        cpu->replaced = false;
    }
    return 0;
}

static int abort_access(struct engine_cpu *cpu)
{
    uint64_t pc = cpu->op.pc;
    uint32_t class = cpu->exit.fetch ? CLASS_PREFETCH : CLASS_DATA;
    uint32_t esr = syndrome(class, FAULT_EXTERNAL | (cpu->exit.write ? FAULT_WRITE : 0));
    uint64_t far = cpu->op.exact ? cpu->op.elements[0].va : cpu->exit.address;
    int err = abandon(cpu);

    if (err) {
        return err;
    }
    return registers_raise(cpu, esr, pc, true, far) ? 0 : -EFAULT;
}

static int prepare(struct engine_cpu *cpu)
{
    if (cpu->running) {
        if (cpu->replaced) {
            return abandon(cpu);
        }
        return cpu->answer == ENGINE_ABORT ? abort_access(cpu) : 0;
    }
    (void)signals_install(); /* it worked before; only someone else's handlers may be in the way */
    return forget_code(cpu);
}

/* Stop at the next block for what prepare() puts off while an access waits, and for what came
 * since.
 */
static void set_attention(struct engine_cpu *cpu)
{
    cpu_lock(cpu);
    atomic_store(&cpu->attention, cpu->stale_count > 0 || cpu->forget_all ||
                                      cpu->generation != atomic_load(&cpu->engine->generation) ||
                                      cpu->outside_count >= cpu->outside_limit);
    cpu_unlock(cpu);
}

void engine_cpu_run(struct engine_cpu *cpu, unsigned blocks, struct engine_exit *exit)
{
    struct engine_cpu *before;
    int err = prepare(cpu);

    if (err) {
        memset(exit, 0, sizeof(*exit));
        exit->kind = ENGINE_EXIT_BROKEN;
        exit->pc = cpu_pc(cpu);
        exit->address = exit->pc;
        exit->why =
            err == -EFAULT ? "an abort for the guest, which has no vectors for it" : "no memory";
        return;
    }
    set_attention(cpu);
    cpu->budget = blocks;
    if (!atomic_exchange(&cpu->kicked, 0)) {
        memset(&cpu->exit, 0, sizeof(cpu->exit));
        before = signals_current(cpu);
        fiber_enter(cpu->fiber);
        signals_current(before);
        *exit = cpu->exit;
        exit->left = cpu->budget;
        if (exit->kind != ENGINE_EXIT_SLICE || !atomic_exchange(&cpu->kicked, 0)) {
            return;
        }
    }
    memset(exit, 0, sizeof(*exit));
    exit->kind = ENGINE_EXIT_KICKED;
    exit->pc = cpu_pc(cpu);
    exit->left = cpu->budget;
}

void engine_cpu_answer(struct engine_cpu *cpu, enum engine_answer answer, uint64_t data)
{
    cpu->answer = answer;
    cpu->answer_data = data;
    if (cpu->replaced && cpu->context.pc == cpu->op.pc &&
        (answer == ENGINE_ADVANCE || answer == ENGINE_SKIP)) {
        cpu->context.pc += 4; /* the instruction is given up, so this is all that is left to do */
    }
}

void engine_cpu_kick(struct engine_cpu *cpu)
{
    atomic_store(&cpu->kicked, 1);
    atomic_store(&cpu->attention, 1);
}

/* --------------------------------------------------------------------------- beginning and end */

static void cpu_free(struct engine_cpu *cpu)
{
    fiber_destroy(cpu->fiber);
    views_free(cpu);
    pthread_mutex_destroy(&cpu->lock);
    free(cpu);
}

int engine_cpu_create(struct engine *engine, struct engine_cpu **result)
{
    struct engine_cpu *cpu = calloc(1, sizeof(*cpu));
    int err;

    if (cpu == NULL) {
        return -ENOMEM;
    }
    cpu->engine = engine;
    cpu->outside_limit = outside_first;
    pthread_mutex_init(&cpu->lock, NULL);
    if (engine->cpus != NULL && !engine->several) {
        engine->several = true;
        others_forget_all(cpu);
    }
    err = signals_install();
    if (!err) {
        cpu->fiber = fiber_create(fiber_body, cpu);
        err = cpu->fiber == NULL ? -ENOMEM : rebuild(cpu);
    }
    if (err) {
        cpu_free(cpu);
        return err;
    }
    pthread_mutex_lock(&engine->lock);
    cpu->next = engine->cpus;
    engine->cpus = cpu;
    pthread_mutex_unlock(&engine->lock);
    *result = cpu;
    return 0;
}

void engine_cpu_destroy(struct engine_cpu *cpu)
{
    struct engine_cpu **link;

    if (cpu == NULL) {
        return;
    }
    pthread_mutex_lock(&cpu->engine->lock);
    for (link = &cpu->engine->cpus; *link != cpu; link = &(*link)->next) {
    }
    *link = cpu->next;
    pthread_mutex_unlock(&cpu->engine->lock);
    close_one(cpu->uc);
    free(cpu->gaps);
    cpu_free(cpu);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest CPU's registers, by seL4's names.
 */
#include "cpu.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum { MODE_EL0T = 0, MODE_EL1T = 4, MODE_EL1H = 5, MODE_MASK = 15 };

/* The general registers as they stand in seL4_UserContext. */
#define FIELD(n) offsetof(seL4_UserContext, x##n)
static const size_t x_fields[31] = {
    FIELD(0),  FIELD(1),  FIELD(2),  FIELD(3),  FIELD(4),  FIELD(5),  FIELD(6),  FIELD(7),
    FIELD(8),  FIELD(9),  FIELD(10), FIELD(11), FIELD(12), FIELD(13), FIELD(14), FIELD(15),
    FIELD(16), FIELD(17), FIELD(18), FIELD(19), FIELD(20), FIELD(21), FIELD(22), FIELD(23),
    FIELD(24), FIELD(25), FIELD(26), FIELD(27), FIELD(28), FIELD(29), FIELD(30)};
#undef FIELD

/* seL4_VCPUReg to system register; 0: not one, or handled apart. */
static const unsigned vcpu_registers[seL4_VCPUReg_Num] = {
    [seL4_VCPUReg_SCTLR] = SYSTEM_SCTLR_EL1,
    [seL4_VCPUReg_CPACR] = SYSTEM(3, 0, 1, 0, 2),
    [seL4_VCPUReg_TTBR0] = SYSTEM_TTBR0_EL1,
    [seL4_VCPUReg_TTBR1] = SYSTEM_TTBR1_EL1,
    [seL4_VCPUReg_TCR] = SYSTEM_TCR_EL1,
    [seL4_VCPUReg_MAIR] = SYSTEM(3, 0, 10, 2, 0),
    [seL4_VCPUReg_AMAIR] = SYSTEM(3, 0, 10, 3, 0),
    [seL4_VCPUReg_CIDR] = SYSTEM(3, 0, 13, 0, 1),
    [seL4_VCPUReg_ACTLR] = SYSTEM(3, 0, 1, 0, 1),
    [seL4_VCPUReg_AFSR0] = SYSTEM(3, 0, 5, 1, 0),
    [seL4_VCPUReg_AFSR1] = SYSTEM(3, 0, 5, 1, 1),
    [seL4_VCPUReg_ESR] = SYSTEM_ESR_EL1,
    [seL4_VCPUReg_FAR] = SYSTEM_FAR_EL1,
    [seL4_VCPUReg_PAR] = SYSTEM(3, 0, 7, 4, 0),
    [seL4_VCPUReg_VBAR] = SYSTEM_VBAR_EL1,
    [seL4_VCPUReg_TPIDR_EL1] = SYSTEM(3, 0, 13, 0, 4),
    [seL4_VCPUReg_VMPIDR_EL2] = SYSTEM(3, 4, 0, 0, 5),
    [seL4_VCPUReg_ELR_EL1] = SYSTEM_ELR_EL1,
    [seL4_VCPUReg_SPSR_EL1] = SYSTEM_SPSR_EL1,
    [seL4_VCPUReg_CNTV_CTL] = SYSTEM(3, 3, 14, 3, 1),
    [seL4_VCPUReg_CNTV_CVAL] = SYSTEM(3, 3, 14, 3, 2),
    [seL4_VCPUReg_CNTVOFF] = SYSTEM(3, 4, 14, 0, 3),
    [seL4_VCPUReg_CNTKCTL_EL1] = SYSTEM(3, 0, 14, 1, 0),
};

static uc_arm64_cp_reg cp_reg(unsigned key)
{
    return (uc_arm64_cp_reg){.op0 = key >> 16,
                             .op1 = key >> 12 & 15,
                             .crn = key >> 8 & 15,
                             .crm = key >> 4 & 15,
                             .op2 = key & 15};
}

static bool system_read(uc_engine *uc, unsigned key, uint64_t *value)
{
    uc_arm64_cp_reg reg = cp_reg(key);
    uc_err err = uc_reg_read(uc, UC_ARM64_REG_CP_REG, &reg);

    *value = reg.val;
    return err == UC_ERR_OK;
}

static bool system_write(uc_engine *uc, unsigned key, uint64_t value)
{
    uc_arm64_cp_reg reg = cp_reg(key);

    reg.val = value;
    return uc_reg_write(uc, UC_ARM64_REG_CP_REG, &reg) == UC_ERR_OK;
}

uint64_t register_system(uc_engine *uc, unsigned key)
{
    uint64_t value = 0;

    (void)system_read(uc, key, &value);
    return value;
}

void register_system_set(uc_engine *uc, unsigned key, uint64_t value)
{
    (void)system_write(uc, key, value);
}

/* Unicorn numbers X29 and X30 apart from X0 to X28. */
static int x_id(unsigned n)
{
    return n < 29 ? UC_ARM64_REG_X0 + (int)n : n == 29 ? UC_ARM64_REG_X29 : UC_ARM64_REG_X30;
}

static uint64_t get(uc_engine *uc, int id)
{
    uint64_t value = 0;

    uc_reg_read(uc, id, &value);
    return value;
}

static void set(uc_engine *uc, int id, uint64_t value)
{
    uc_reg_write(uc, id, &value);
}

uint64_t register_x(uc_engine *uc, unsigned n)
{
    return get(uc, n == 31 ? UC_ARM64_REG_SP : x_id(n));
}

void register_v(uc_engine *uc, unsigned n, uint64_t halves[2])
{
    uc_reg_read(uc, UC_ARM64_REG_Q0 + (int)n, halves);
}

static uint32_t get_pstate(uc_engine *uc)
{
    uint32_t value[2] = {0, 0};

    uc_reg_read(uc, UC_ARM64_REG_PSTATE, value);
    return value[0];
}

/* The stack pointer in use is kept apart from the two banked ones. */
static uint64_t get_sp(uc_engine *uc, bool el1)
{
    bool using_el1 = (get_pstate(uc) & MODE_MASK) == MODE_EL1H;

    if (el1 == using_el1) {
        return get(uc, UC_ARM64_REG_SP);
    }
    return get(uc, el1 ? UC_ARM64_REG_SP_EL1 : UC_ARM64_REG_SP_EL0);
}

static void set_mode_and_sp(uc_engine *uc, uint32_t pstate, uint64_t sp_el0, uint64_t sp_el1)
{
    uint32_t value[2] = {pstate, 0};

    uc_reg_write(uc, UC_ARM64_REG_PSTATE, value);
    set(uc, UC_ARM64_REG_SP_EL0, sp_el0);
    set(uc, UC_ARM64_REG_SP_EL1, sp_el1);
    set(uc, UC_ARM64_REG_SP, (pstate & MODE_MASK) == MODE_EL1H ? sp_el1 : sp_el0);
}

/* SCR_EL3: EL2 and below are 64 bits wide and not secure, HVC isn't undefined. HCR_EL2: EL1 is 64
 * bits wide. Without them a guest that turns its MMU on gets prefetch aborts without end. */
void registers_reset(uc_engine *uc)
{
    register_system_set(uc, SYSTEM_SCR_EL3, UINT64_C(1) << 10 | 1 << 8 | 1);
    register_system_set(uc, SYSTEM_HCR_EL2, UINT64_C(1) << 31);
    set_mode_and_sp(uc, UINT32_C(0x3c0) | MODE_EL1H, 0, 0);
}

static uint32_t allowed_pstate(seL4_Word spsr)
{
    seL4_Word mode = spsr & 31;

    if (mode != MODE_EL0T && mode != MODE_EL1T && mode != MODE_EL1H) {
        return (uint32_t)spsr & UINT32_C(0xf0000000);
    }
    return (uint32_t)spsr & UINT32_C(0xf03003df);
}

void registers_apply(uc_engine *uc, const seL4_UserContext *context)
{
    for (unsigned i = 0; i < 31; i++) {
        seL4_Word value;

        memcpy(&value, (const char *)context + x_fields[i], sizeof(value));
        set(uc, x_id(i), value);
    }
    set_mode_and_sp(uc, allowed_pstate(context->spsr), context->sp, get_sp(uc, true));
    set(uc, UC_ARM64_REG_PC, context->pc);
    set(uc, UC_ARM64_REG_TPIDR_EL0, context->tpidr_el0);
    set(uc, UC_ARM64_REG_TPIDRRO_EL0, context->tpidrro_el0);
}

void engine_cpu_get_context(struct engine_cpu *cpu, seL4_UserContext *context)
{
    if (cpu->replaced) {
        *context = cpu->context;
        return;
    }
    for (unsigned i = 0; i < 31; i++) {
        seL4_Word value = register_x(cpu->uc, i);

        memcpy((char *)context + x_fields[i], &value, sizeof(value));
    }
    context->pc = cpu_pc(cpu);
    context->sp = get_sp(cpu->uc, false);
    context->spsr = get_pstate(cpu->uc);
    context->tpidr_el0 = get(cpu->uc, UC_ARM64_REG_TPIDR_EL0);
    context->tpidrro_el0 = get(cpu->uc, UC_ARM64_REG_TPIDRRO_EL0);
}

int engine_cpu_set_context(struct engine_cpu *cpu, const seL4_UserContext *context)
{
    if (cpu->running) {
        cpu->context = *context;
        cpu->replaced = true;
    } else {
        registers_apply(cpu->uc, context);
    }
    return 0;
}

int engine_cpu_get_register(struct engine_cpu *cpu, seL4_Word reg, uint64_t *value)
{
    if (reg == seL4_VCPUReg_SP_EL1) {
        *value = get_sp(cpu->uc, true);
        return 0;
    }
    if (reg >= seL4_VCPUReg_Num || vcpu_registers[reg] == 0 ||
        !system_read(cpu->uc, vcpu_registers[reg], value)) {
        return -EINVAL;
    }
    return 0;
}

/* The guest CPU keeps translations, and code by what they were: Unicorn's own write drops neither.
 */
static void translation_changes(struct engine_cpu *cpu, unsigned key, uint64_t value)
{
    bool translates = key == SYSTEM_SCTLR_EL1 || key == SYSTEM_TTBR0_EL1 ||
                      key == SYSTEM_TTBR1_EL1 || key == SYSTEM_TCR_EL1;

    if (translates && register_system(cpu->uc, key) != value) {
        cpu_lock(cpu);
        cpu->forget_all = true;
        atomic_store(&cpu->attention, 1);
        cpu_unlock(cpu);
    }
}

int engine_cpu_set_register(struct engine_cpu *cpu, seL4_Word reg, uint64_t value)
{
    if (reg == seL4_VCPUReg_SP_EL1) {
        set_mode_and_sp(cpu->uc, get_pstate(cpu->uc), get_sp(cpu->uc, false), value);
        return 0;
    }
    if (reg >= seL4_VCPUReg_Num || vcpu_registers[reg] == 0) {
        return -EINVAL;
    }
    translation_changes(cpu, vcpu_registers[reg], value);
    return system_write(cpu->uc, vcpu_registers[reg], value) ? 0 : -EINVAL;
}

/* Take an exception to EL1, as the processor would. False: not from EL1, where alone the guest CPU
 * lets us, or without vectors. */
bool registers_raise(struct engine_cpu *cpu, uint32_t esr, uint64_t pc, bool has_far, uint64_t far)
{
    uc_engine *uc = cpu->uc;
    uint32_t pstate = get_pstate(uc);
    uint32_t mode = pstate & MODE_MASK;
    uint64_t vectors = register_system(uc, SYSTEM_VBAR_EL1);
    uint64_t sp_el0 = get_sp(uc, false);
    uint64_t sp_el1 = get_sp(uc, true);

    if (vectors == 0 || (mode != MODE_EL1T && mode != MODE_EL1H)) {
        return false;
    }
    register_system_set(uc, SYSTEM_ESR_EL1, esr);
    register_system_set(uc, SYSTEM_ELR_EL1, pc);
    register_system_set(uc, SYSTEM_SPSR_EL1, pstate);
    if (has_far) {
        register_system_set(uc, SYSTEM_FAR_EL1, far);
    }
    set_mode_and_sp(uc, UINT32_C(0x3c0) | MODE_EL1H, sp_el0, sp_el1);
    set(uc, UC_ARM64_REG_PC, vectors + (mode == MODE_EL1H ? 0x200 : 0));
    return true;
}

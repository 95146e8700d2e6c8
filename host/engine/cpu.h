/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest CPU, shared by the engine's files.
 *
 *   engine_cpu_run()            the CPU's fiber
 *     fiber_enter  ---------->  uc_emu_start
 *                                 guest code ... access -> mmio callback, or SIGSEGV in a window
 *     returns the exit  <------     fiber_leave
 *   engine_cpu_answer()
 *     fiber_enter  ---------->      the access completes
 *                                 guest code ...
 */
#pragma once

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <unicorn/unicorn.h>

#include "decode.h"
#include "engine.h"
#include "fiber.h"
#include "windows.h"

enum { ELEMENT_COUNT_MAX = 4, SCRATCH_COUNT = 2, STALE_COUNT = 8 };

enum { PAGE_BYTES = 4096 };

/* One register's worth of an instruction's access. */
struct element {
    uint64_t va;
    unsigned bytes;
    uint64_t data; /* what is written, or what was read */
    uint8_t done;  /* a bit a byte: answered, or written */
    uint16_t seen; /* a bit a byte of the aligned span: the guest CPU has been here */
    bool all_seen; /* in a window one host instruction does all of it */
    bool given;    /* some of it is an answer, not memory */
};

/* The instruction whose accesses are being answered. */
struct operation {
    uint64_t block; /* the block's number, for "is this still the same instruction?" */
    uint64_t pc;
    bool exact; /* pc is the instruction's; else its block's */
    bool write;
    bool both; /* it reads before it writes */
    unsigned count;
    struct element elements[ELEMENT_COUNT_MAX];
};

struct gap {
    struct engine_cpu *cpu;
    uint64_t base;
};

/* A page of answers that stands in for a window's page, for one host instruction. */
struct scratch {
    uint8_t *place;
};

struct engine_cpu {
    struct engine *engine;
    struct engine_cpu *next;
    struct fiber *fiber;
    uc_engine *uc;
    unsigned generation; /* of the windows that `uc` has */
    struct gap *gaps;

    atomic_int attention; /* stop at the next block: anything below wants it, or a kick */
    atomic_int kicked;
    unsigned budget; /* blocks left of the slice */
    uint64_t block;  /* address of the running block */
    uint64_t block_number;
    bool running;  /* in uc_emu_start: registers are in flux, an access may be waiting */
    bool stopped;  /* the block hook stopped it */
    int exception; /* what the guest CPU raised, or -1 */

    struct operation op;
    struct scratch scratch[SCRATCH_COUNT];
    unsigned scratch_count;

    struct engine_exit exit;
    enum engine_answer answer;
    uint64_t answer_data;
    bool data_given; /* an answer to the present access was data, not a restart */
    bool replaced;   /* by `context`, set while an access was waiting */
    seL4_UserContext context;

    bool forget_all; /* code that was translated before */
    unsigned stale_count;
    struct {
        uint64_t base;
        uint64_t size;
    } stale[STALE_COUNT];
    uint64_t outside; /* address of a mapped access outside the windows, */
    unsigned outside_count;
    unsigned outside_limit; /* and how many of them are worth a word */
};

/* cpu.c */
void cpus_forget_code(struct engine *engine, uint64_t start, uint64_t end);
void cpu_leave(struct engine_cpu *cpu, enum engine_exit_kind kind);
uint64_t cpu_pc(struct engine_cpu *cpu);

/* access.c: what the guest CPU reads or writes outside windows. */
uint64_t access_read(uc_engine *uc, uint64_t offset, unsigned size, void *gap);
void access_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *gap);

/* An access in a window that stage 2 doesn't allow. True: it does now. False: `page` has the answer
 * where the access looks for it. */
enum window_access { WINDOW_READ, WINDOW_WRITE, WINDOW_WRITE_BYTE };
bool access_in_window(struct engine_cpu *cpu, uint64_t gpa, enum window_access access,
                      uint8_t *page);

/* What the load or store at `pc` accesses; false: it is none that is known. */
bool access_address(struct engine_cpu *cpu, uint64_t pc, uint64_t *va, bool *write);

/* signals.c */
int signals_install(void); /* 0, or -errno; needs doing again when others took the signals */
struct engine_cpu *signals_current(struct engine_cpu *cpu); /* sets it; returns the one before */

/* stage1.c: guest-virtual to guest-physical, with the tables that the guest has set up. */
bool stage1_translate(struct engine_cpu *cpu, uint64_t va, uint64_t *gpa);
bool stage1_enabled(struct engine_cpu *cpu);

/* registers.c */
uint64_t register_system(uc_engine *uc, unsigned key);
void register_system_set(uc_engine *uc, unsigned key, uint64_t value);
uint64_t register_x(uc_engine *uc, unsigned n); /* 31: sp */
void register_v(uc_engine *uc, unsigned n, uint64_t halves[2]);
void registers_reset(uc_engine *uc);
void registers_apply(uc_engine *uc, const seL4_UserContext *context);
bool registers_raise(struct engine_cpu *cpu, uint32_t esr, uint64_t pc, bool has_far, uint64_t far);

/* A system register's encoding: op0, op1, CRn, CRm, op2. */
#define SYSTEM(op0, op1, crn, crm, op2) \
    ((op0) << 16 | (op1) << 12 | (crn) << 8 | (crm) << 4 | (op2))

enum {
    SYSTEM_SCTLR_EL1 = SYSTEM(3, 0, 1, 0, 0),
    SYSTEM_TTBR0_EL1 = SYSTEM(3, 0, 2, 0, 0),
    SYSTEM_TTBR1_EL1 = SYSTEM(3, 0, 2, 0, 1),
    SYSTEM_TCR_EL1 = SYSTEM(3, 0, 2, 0, 2),
    SYSTEM_SPSR_EL1 = SYSTEM(3, 0, 4, 0, 0),
    SYSTEM_ELR_EL1 = SYSTEM(3, 0, 4, 0, 1),
    SYSTEM_ESR_EL1 = SYSTEM(3, 0, 5, 2, 0),
    SYSTEM_FAR_EL1 = SYSTEM(3, 0, 6, 0, 0),
    SYSTEM_VBAR_EL1 = SYSTEM(3, 0, 12, 0, 0),
    SYSTEM_HCR_EL2 = SYSTEM(3, 4, 1, 1, 0),
    SYSTEM_SCR_EL3 = SYSTEM(3, 6, 1, 1, 0),
};

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

#include <pthread.h>
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

/* A page of answers that stands in for a view's page, for one host instruction. */
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

    pthread_mutex_t lock; /* see cpu_lock(); of these, which only the CPU's thread writes: */
    struct view *views;   /* sorted */
    unsigned view_count;
    struct scratch scratch[SCRATCH_COUNT];
    unsigned scratch_count;
    bool forget_all; /* and of these, which others write: code that was translated before */
    unsigned stale_count;
    struct window stale[STALE_COUNT];

    atomic_int attention; /* stop at the next block: anything below wants it, or a kick */
    atomic_int kicked;
    unsigned budget; /* blocks left of the slice */
    uint64_t block;  /* address of the running block */
    uint64_t block_number;
    bool running;  /* in uc_emu_start: registers are in flux, an access may be waiting */
    bool stopped;  /* the block hook stopped it */
    int exception; /* what the guest CPU raised, or -1 */

    struct operation op;

    struct engine_exit exit;
    enum engine_answer answer;
    uint64_t answer_data;
    bool fetching; /* the present access reads an instruction */
    bool replaced; /* by `context`, set while an access was waiting */
    seL4_UserContext context;

    uint64_t outside; /* address of a mapped access outside the windows, */
    unsigned outside_count;
    unsigned outside_limit; /* and how many of them are worth a word */
};

/* Between these the thread may use what it finds in stage 2 and put it under the CPU's views, and
 * whoever changes stage 2 waits. Nothing in between leaves the guest or asks the VMM. */
static inline void cpu_lock(struct engine_cpu *cpu)
{
    pthread_mutex_lock(&cpu->lock);
}

static inline void cpu_unlock(struct engine_cpu *cpu)
{
    pthread_mutex_unlock(&cpu->lock);
}

/* cpu.c. Forgetting is done at the CPU's next block; called with its lock. */
void cpu_forget_code(struct engine_cpu *cpu, uint64_t start, uint64_t end);
void cpu_leave(struct engine_cpu *cpu, enum engine_exit_kind kind);
uint64_t cpu_pc(struct engine_cpu *cpu);

/* access.c: what the guest CPU reads or writes outside windows. */
uint64_t access_read(uc_engine *uc, uint64_t offset, unsigned size, void *gap);
void access_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *gap);

/* An access in a window that stage 2 doesn't allow. True: to be done again, by now it may. False:
 * `page` has the answer where the access looks for it. */
enum window_access { WINDOW_READ, WINDOW_WRITE, WINDOW_WRITE_BYTE };
bool access_in_window(struct engine_cpu *cpu, uint64_t gpa, enum window_access access,
                      uint8_t *page);

/* What the load or store at `pc` accesses; false: it is none that is known. With the lock. */
bool access_address(struct engine_cpu *cpu, uint64_t pc, uint64_t *va, bool *write);

/* windows.c: the guest CPU's regions, a window each and a gap between two. `gaps` has room for two
 * more than there are views. */
uc_err views_map(struct engine_cpu *cpu, uc_engine *uc, struct gap *gaps);

/* signals.c */
int signals_install(void); /* 0, or -errno; needs doing again when others took the signals */
struct engine_cpu *signals_current(struct engine_cpu *cpu); /* sets it; returns the one before */
void signals_end_answers(struct engine_cpu *cpu);           /* no scratch page stands any more */

/* stage1.c: guest-virtual to guest-physical, with the tables that the guest has set up. Translating
 * is done with the lock. */
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

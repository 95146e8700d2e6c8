/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest CPU, as the VM runtime sees it: run a vcpu until something needs the VMM, answer, run
 * on. Unicorn is behind it; nothing of it shows here.
 *
 * A VM has one engine: its windows. A window is a range of guest addresses that the guest CPU
 * accesses as host memory, at full speed, once the frames behind it are there. Whatever is not in a
 * window, and whatever in a window stage 2 doesn't allow, comes out as an exit. Frames outside all
 * windows work too, slowly; ENGINE_EXIT_OUTSIDE tells that a window would pay.
 *
 * Threads: two CPUs of an engine may run on two threads, and a CPU may change its thread between
 * two calls. engine_window_add() and engine_invalidate() may be called by any thread meanwhile, and
 * engine_cpu_kick() by signal handlers too. What guests on two CPUs that run at once can't rely on:
 * host_vm.h, "parallel".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestmem/host.h>
#include <sel4/sel4.h>

struct engine;
struct engine_cpu;

enum engine_exit_kind {
    ENGINE_EXIT_MEMORY,  /* an access that stage 2 doesn't allow waits for engine_cpu_answer() */
    ENGINE_EXIT_OPAQUE,  /* the same, of an instruction that can't be emulated: only ENGINE_RESTART,
                            once  stage 2 allows it, and ENGINE_ABORT answer it */
    ENGINE_EXIT_TRAP,    /* SMC or HVC: pc is the instruction's, hsr its syndrome */
    ENGINE_EXIT_WAIT,    /* WFI; pc and hsr as above */
    ENGINE_EXIT_SLICE,   /* the slice is used up */
    ENGINE_EXIT_KICKED,  /* engine_cpu_kick() */
    ENGINE_EXIT_OUTSIDE, /* `address`, mapped and in no window, is used a lot, or code runs there */
    ENGINE_EXIT_BROKEN,  /* the guest CPU can't go on; `why` says it */
};

struct engine_exit {
    enum engine_exit_kind kind;
    uint64_t pc;
    uint64_t address; /* guest-physical */
    unsigned size;    /* 1, 2, 4 or 8; the address is a multiple of it */
    bool write;
    bool fetch;    /* an instruction was to be read */
    uint64_t data; /* of a write; of a read: what the register holds, as far as known */
    uint32_t hsr;
    unsigned left; /* blocks of the slice */
    const char *why;
};

enum engine_answer {
    ENGINE_ADVANCE, /* done; `data` is what was read, in the lowest bits */
    ENGINE_SKIP,    /* done as if it had not been */
    ENGINE_RESTART, /* look again: stage 2 may allow it now */
    ENGINE_ABORT, /* the guest gets a synchronous external abort; if it can't, ENGINE_EXIT_BROKEN */
};

/* ------------------------------------------------------------------------------------ windows */

/* An engine without windows over the guest space `root`. 0, or -errno. */
int engine_create(struct guestmem_host *host, seL4_CPtr root, struct engine **engine);

/* After its CPUs. Accepts NULL. */
void engine_destroy(struct engine *engine);

/*
 * Make [base, base + size), whole pages, part of windows, as far as it isn't yet. The CPUs see them
 * from their next engine_cpu_run() that doesn't continue a waiting access. 0, or -errno; -ENOSPC:
 * enough windows there are, leave this range outside.
 */
int engine_window_add(struct engine *engine, uint64_t base, uint64_t size);

/* Stage 2 changed there, or the code did: what was kept of it is dropped. Then no access goes by
 * what stage 2 had; a CPU on another thread may end the block of code that it runs. */
void engine_invalidate(void *engine, uint64_t base, uint64_t size);

/* --------------------------------------------------------------------------------------- cpus */

/* A CPU in EL1h with all registers 0 and the MMU off, in `*cpu`. 0, or -errno. */
int engine_cpu_create(struct engine *engine, struct engine_cpu **cpu);

/* In any state, a waiting access included. Accepts NULL. */
void engine_cpu_destroy(struct engine_cpu *cpu);

/* Run for at most `blocks` blocks of guest code. A waiting access must have been answered. */
void engine_cpu_run(struct engine_cpu *cpu, unsigned blocks, struct engine_exit *exit);

/* Answer the ENGINE_EXIT_MEMORY or _OPAQUE that the last engine_cpu_run() gave. */
void engine_cpu_answer(struct engine_cpu *cpu, enum engine_answer answer, uint64_t data);

/* Make engine_cpu_run() return soon, or the next one at once. */
void engine_cpu_kick(struct engine_cpu *cpu);

/*
 * Registers; see sel4vm/arch/guest_arm_context.h. While an access waits, they are those at its
 * instruction, and setting them gives the instruction up.
 */
void engine_cpu_get_context(struct engine_cpu *cpu, seL4_UserContext *context);
int engine_cpu_set_context(struct engine_cpu *cpu, const seL4_UserContext *context);
int engine_cpu_get_register(struct engine_cpu *cpu, seL4_Word reg, uint64_t *value);
int engine_cpu_set_register(struct engine_cpu *cpu, seL4_Word reg, uint64_t value);

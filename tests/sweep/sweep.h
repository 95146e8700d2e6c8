/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The sweep: each call of a table, in each starting state, with each of its requests failing in turn.
 *
 *      for each state, call, mode:  for k = 1, 2, ...
 *          a new VM; the state; what the call needs
 *          before --call, its k-th request fails--> as before, and the error says what failed
 *                 --the same call--> succeeds
 *          everything taken down --> the environment as it was at first
 *      until a call goes through without having been struck
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <guestmem/guestmem.h>
#include <guestmem/runtime.h>
#include <sel4vm/arch/guest_memory_arch.h>
#include <sel4vm/guest_memory.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vm/guest_ram.h>
#include <sel4vm/guest_vm.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

#include "gm_test.h"

/* Where states put things, and where the calls under test do: both aligned to 1 GiB. */
#define STATE_AT ((uintptr_t)0x40000000)
#define CALL_AT ((uintptr_t)0x140000000)

enum { SWEEP_CAPS = 600 };

/* A call under way, and what its set-up made for it. */
struct sweep {
    struct gm_env *env;
    const struct sweep_state *state;
    vm_t *vm;
    vm_t *other; /* a second VM */
    vm_memory_reservation_t *res;
    reservation_t claim;
    void *gpa;
    size_t size;
    /* Every frame that an iterator or an array of this call can give: all are checked afterwards. */
    seL4_CPtr caps[SWEEP_CAPS];
    size_t cap_count;
    size_t cap_bits;
    uintptr_t cap_base; /* the address that the first is for */
    size_t given;       /* by the iterator, and not released yet */
};

enum {
    SWEEP_ASKS_NOTHING = 1, /* the call makes no request at all that could fail: undoing and teardown */
    SWEEP_NO_VM = 2,        /* it is about a VM whose memory isn't initialised: there is no last failure */
    SWEEP_BLANK_VM = 4,     /* its set-up gets a VM without memory, and no state is made in it */
    SWEEP_OTHERS_FAILURE = 8, /* the failure may be another VM's, and says less */
};

struct sweep_call {
    const char *function; /* as in its header; "vspace.x" for a function of the guest's vspace_t */
    const char *variant;
    void (*set_up)(struct sweep *sweep); /* NULL: nothing to do */
    bool (*call)(struct sweep *sweep);   /* true: it succeeded */
    unsigned flags;
};

struct sweep_state {
    const char *name;
    void (*prepare_env)(struct sweep *sweep); /* once, */
    void (*restore_env)(struct sweep *sweep); /* and undone; both NULL: nothing to do */
    void (*prepare)(struct sweep *sweep);     /* in each new VM */
    bool scarce; /* there is no memory in large pieces: keep ranges short */
};

/* The tables. */
extern const struct sweep_state sweep_empty;
extern const struct sweep_state sweep_half_full;
extern const struct sweep_state sweep_fragmented;
extern const struct sweep_state sweep_lazy;
extern const struct sweep_state sweep_shared;
extern const struct sweep_state sweep_after_frees;
extern const struct sweep_state sweep_device_ram;
extern const struct sweep_state sweep_boot_frames;

struct sweep_table {
    const struct sweep_call *calls;
    size_t count;
};
extern const struct sweep_table sweep_reserve_calls;
extern const struct sweep_table sweep_map_calls;
extern const struct sweep_table sweep_ram_calls;
extern const struct sweep_table sweep_guestmem_calls;
extern const struct sweep_table sweep_threads_calls;
extern const struct sweep_table sweep_vspace_calls;
extern const struct sweep_table sweep_access_calls;

#define SWEEP_TABLE(calls) {calls, sizeof(calls) / sizeof((calls)[0])}

/* All of them, one after the other; NULL behind the last. */
const struct sweep_call *sweep_call_at(size_t index);

/* Visit every failure point of every call in one state. */
void sweep_run(struct gm_env *env, const struct sweep_state *state);

/* Print how many failure points were visited, and how many distinct (function, failing step) pairs. */
void sweep_report(void);

extern const struct gm_suite sweep_suite;
extern const struct gm_suite coverage_suite;
extern const struct gm_suite random_suite;

/* ------------------------------------------------------------------- for set-ups and calls */

vm_memory_reservation_t *sweep_reserve(vm_t *vm, uintptr_t addr, size_t size);
void sweep_set_policy(vm_t *vm, enum guestmem_populate populate, unsigned frame_bits_max);

/* Frames of the caller's for [base, base + count frames), which sweep_give() gives; sweep_lend() does too,
 * and counts those that sweep_release() hasn't got back. */
void sweep_bring_frames(struct sweep *sweep, uintptr_t base, size_t bits, size_t count);
vm_frame_t sweep_give(uintptr_t addr, void *sweep);
vm_frame_t sweep_lend(uintptr_t addr, void *sweep);
void sweep_release(vm_t *vm, seL4_CPtr frame, size_t size_bits, void *sweep);

/* A range at CALL_AT with small frames, a large one and small ones; where memory is scarce, small ones only. */
uintptr_t sweep_mixed_base(const struct sweep *sweep);
size_t sweep_mixed_size(const struct sweep *sweep);

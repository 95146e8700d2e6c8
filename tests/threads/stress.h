/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The threads of the stress test: one writer, readers of two kinds.
 */
#pragma once

#include "world.h"

/* What a thread has done. */
struct tally {
    uint64_t lookups;  /* guestmem_reservation_at() */
    uint64_t faults;   /* dispatched */
    uint64_t accesses; /* reads, loads, spans, lists of pieces */
    uint64_t turns;    /* calls that need the turn */
    uint64_t sections;
    uint64_t callbacks; /* entered; of these, */
    uint64_t changes;   /* reserved, mapped, freed something, and */
    uint64_t refusals;  /* tried to free their own reservation */
    uint64_t too_late;  /* answers that couldn't be checked */
};

struct reader {
    unsigned number;
    bool registered;
    uint32_t random;
    struct tally tally;
    struct device *entered; /* of the last callback */
    unsigned depth;         /* of callbacks */
    vm_vcpu_t vcpu;
};

void *reader_run(void *reader);

/* The reservation callback of slots, and of corners. */
memory_fault_result_t slot_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                 void *device);
memory_fault_result_t corner_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                   void *cookie);

/* What a callback may do besides answering. */
void callback_change(struct reader *reader, uintptr_t own);

struct writer_tally {
    uint64_t reserved;
    uint64_t mapped;
    uint64_t freed;
    uint64_t written;
    uint64_t discarded;
    uint64_t populated;
    uint64_t rights;
};

/* Until world.stop. */
void writer_run(struct writer_tally *tally, uint32_t random);

/* Free what it made. */
void writer_end(void);

/* The reader that a vcpu belongs to. */
struct reader *reader_of(vm_vcpu_t *vcpu);

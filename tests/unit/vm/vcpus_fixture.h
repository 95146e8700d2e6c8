/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A VM with two vcpus that vm_run() serves in turns or in parallel. Each test runs both ways.
 */
#pragma once

#include <stdatomic.h>

#include "vm_fixture.h"

#define VCPUS_DATA FIXTURE_DATA
#define VCPUS_LAZY UINT64_C(0x50000000)

enum { VCPU_COUNT = 2, VCPUS_CODE_BYTES = 0x1000 };

struct vcpus {
    struct fixture base;
    bool parallel;
    vm_vcpu_t *vcpu[VCPU_COUNT];
    seL4_UserContext context[VCPU_COUNT]; /* what they start with; pc and x0 are set */
    unsigned expected;                    /* vcpus that are to come to HVC 0 */
    atomic_uint done;                     /* those that have; the last one stops the VM */
    atomic_uint failed;                   /* those that came to any other */
};

int vcpus_set_up_in_turns(void **state);
int vcpus_set_up_in_parallel(void **state);
int vcpus_tear_down(void **state);

/* Code for one vcpu, in a page of its own. */
#define VCPUS_CODE(vcpus, n, code) vcpus_code((vcpus), (n), (code), sizeof(code))
void vcpus_code(struct vcpus *vcpus, unsigned n, const uint32_t *code, size_t bytes);

/* Give a vcpu its registers and start it. */
void vcpus_start(struct vcpus *vcpus, unsigned n);

/* The same code for both, with the same registers but x0; run until both are done. */
#define VCPUS_RUN_BOTH(vcpus, code) vcpus_run_both((vcpus), (code), sizeof(code))
void vcpus_run_both(struct vcpus *vcpus, const uint32_t *code, size_t bytes);

/* vm_run() until all expected vcpus came to HVC 0. */
void vcpus_run(struct vcpus *vcpus);

seL4_UserContext vcpus_context(struct vcpus *vcpus, unsigned n);
void vcpus_clear(struct vcpus *vcpus, uint64_t gpa, size_t bytes);

#define IN_TURNS(name)                                                         \
    {                                                                          \
        "in turns: " #name, name, vcpus_set_up_in_turns, vcpus_tear_down, NULL \
    }
#define IN_PARALLEL(name)                                                            \
    {                                                                                \
        "in parallel: " #name, name, vcpus_set_up_in_parallel, vcpus_tear_down, NULL \
    }
#define BOTH_WAYS(name) IN_TURNS(name), IN_PARALLEL(name)

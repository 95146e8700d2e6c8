/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The conformance cases and the defects' on the real kernel, all of them twice: the tree's allocator
 * and address space keep reserves, so the first round warms them up, and the second has to end as it
 * began.
 */
#include <stdio.h>
#include <time.h>

#include <vka/object.h>

#include "composed.h"
#include "gm_test.h"
#include "gm_test_sel4.h"
#include "probe.h"
#include "requests.h"
#include "root.h"

#include "../conformance/suites.h"
#include "../defects/suites.h"

#ifndef SEL4_TESTS_PART
#define SEL4_TESTS_PART NULL /* a part of the names of the cases to run */
#endif

/* Processor time is virtual time where user level may read the counter; else there is no clock. */
clock_t clock(void)
{
#ifdef CONFIG_EXPORT_VCNT_USER
    uint64_t count;
    uint64_t frequency;

    __asm__ volatile("isb\n mrs %0, cntvct_el0\n mrs %1, cntfrq_el0" : "=r"(count), "=r"(frequency));
    return (clock_t)((double)count / (double)frequency * CLOCKS_PER_SEC);
#else
    return (clock_t)-1;
#endif
}

static void print_held(const char *when)
{
    printf("%s: %llu slots, %llu objects, %llu heap bytes, %llu VMM mappings, %llu VMM reservations; "
           "the VMM's address space keeps %llu slots, %llu objects\n",
           when, (unsigned long long)held.slots, (unsigned long long)held.objects,
           (unsigned long long)held.heap_bytes, (unsigned long long)held.vmm_mappings,
           (unsigned long long)held.vmm_reservations, (unsigned long long)held.vmm_slots,
           (unsigned long long)held.vmm_objects);
}

/*
 * The rest of the warm-up. The tree's address space keeps page tables for ever, and large frames find
 * their final places only after small ones have found theirs.
 */
static void settle(void)
{
    struct gm_test_totals totals = {0};

    printf("---- rest of the warm-up\n");
    gm_test_run_all(conformance_suites, "large_frames", &totals);
    gm_test_run_all(conformance_suites, "huge_frames", &totals);
}

static size_t run_round(unsigned round)
{
    struct gm_test_totals totals = {0};

    printf("---- round %u%s\n", round, round == 1 ? ", the warm-up" : "");
    print_held("round begins");
    gm_test_run_all(conformance_suites, SEL4_TESTS_PART, &totals);
    gm_test_run_all(defect_suites, SEL4_TESTS_PART, &totals);
    print_held("round ends");
    printf("round %u: %zu cases, %zu passed (%zu of them but for a check), %zu skipped, %zu failed\n", round,
           totals.cases, totals.passed, totals.partly, totals.skipped, totals.failed);
    return totals.failed;
}

/* That what is left behind shows: a slot, an object, memory of a composed system. */
static void check_checks(void)
{
    struct held before = held;
    struct counted_vka counted;
    vka_object_t object;
    simple_t simple;
    vka_t vka;

    printf("---- leaks on purpose\n");
    counted_vka_start(&counted, &root.vka, &held.slots, &held.objects);
    root_require(vka_alloc_notification(&counted.vka, &object) == 0, "make an object");
    root_require(!held_same(&before, &held, true), "see a leak");
    vka_free_object(&counted.vka, &object);
    root_require(held_same(&before, &held, true), "see that it is gone");
    root_require(composed_start(seL4_LargePageBits, 0, &vka, &simple) == NULL, "compose a system");
    root_require(vka_alloc_notification(&vka, &object) == 0, "make an object in it");
    root_require(!composed_stop(), "see that it is left");
}

int main(void)
{
    struct taken taken_before;
    struct held before;
    size_t failed;
    bool same;

    root_start();
    probe_start();
    printf("sel4-tests: begin\n");
    check_checks();
    failed = run_round(1);
    settle();
    before = held;
    taken_before = taken;
    failed += run_round(2);
    same = held_same(&before, &held, false);
    printf("the second round took %llu slots, %llu objects and %llu blocks of heap, and ends %s it began\n",
           (unsigned long long)(taken.slots - taken_before.slots),
           (unsigned long long)(taken.objects - taken_before.objects),
           (unsigned long long)(taken.heap_blocks - taken_before.heap_blocks),
           same ? "exactly as" : "otherwise than");
    printf("sel4-tests: %s\n", same && failed == 0 ? "PASSED" : "FAILED");
    return seL4_TCB_Suspend(seL4_CapInitThreadTCB); /* there is nobody to return to */
}

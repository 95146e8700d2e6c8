/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>

#include "image.h"
#include "pairs.h"

/* How requests fail: one of any kind; or one and all behind it, as when something has run out. */
struct mode {
    const char *name;
    unsigned kinds;
    bool sticky;
};

enum { GM_FAIL_ALLOCATIONS = GM_FAIL_SLOT | GM_FAIL_OBJECT | GM_FAIL_MALLOC | GM_FAIL_VMM_MAP };

static const struct mode modes[] = {
    {"one request", GM_FAIL_ANY, false},
    {"no slots any more", GM_FAIL_SLOT, true},
    {"no objects any more", GM_FAIL_OBJECT, true},
    {"no bytes any more", GM_FAIL_MALLOC, true},
    {"no mapping in the VMM any more", GM_FAIL_VMM_MAP, true},
    {"nothing to be had any more", GM_FAIL_ALLOCATIONS, true},
};

static struct {
    uint64_t failed;   /* points at which the call failed */
    uint64_t absorbed; /* points at which it went on with something smaller */
} visited;

/* What went on before the failure point, and how the call ended. */
struct point {
    struct sweep *sweep;
    const struct sweep_call *call;
    const struct mode *mode;
    uint64_t k;
};

/* ---------------------------------------------------------------------- the failure told */

/* Which errors may stand for a request that failed. */
static bool is_error_of(int error, const char *step)
{
    static const struct {
        const char *step;
        int errors[4];
    } known[] = {
        {"cspace_alloc", {GUESTMEM_ENOSLOT}},
        {"utspace_alloc", {GUESTMEM_ENOFRAME, GUESTMEM_ENOTABLE}},
        {"malloc", {GUESTMEM_ENOMEM}},
        {"calloc", {GUESTMEM_ENOMEM}},
        {"vspace_", {GUESTMEM_EVMM}},
        {"CNode_", {GUESTMEM_EKERNEL, GUESTMEM_ENOFRAME}},
        {"Page_Map", {GUESTMEM_EKERNEL, GUESTMEM_EFRAME}},
        {"Page_GetAddress", {GUESTMEM_EKERNEL, GUESTMEM_EFRAME}},
        {"", {GUESTMEM_EKERNEL}},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        for (size_t e = 0; strstr(step, known[i].step) == step && e < 4; e++) {
            if (known[i].errors[e] == error && error != GUESTMEM_OK) {
                return true;
            }
        }
        if (strstr(step, known[i].step) == step) {
            return false;
        }
    }
    return false;
}

static bool names_operation(const char *operation, const char *function)
{
    static const char prefix[] = "vspace.";
    size_t length = strlen(prefix);

    if (strncmp(function, prefix, length) == 0) {
        return strncmp(operation, "vspace_", length) == 0 && strstr(operation, function + length) != NULL;
    }
    return strcmp(operation, function) == 0 || strcmp(function, "vm_memory_handle_fault") == 0;
}

/* That the VM's last failure says what failed; `step` is the request that was struck last. */
static void check_failure(const struct point *point, const char *step)
{
    const struct guestmem_failure *failure = guestmem_last_failure(point->sweep->vm);
    char text[256];

    if ((point->call->flags & SWEEP_NO_VM) != 0) {
        pairs_note(point->call->function, step);
        return;
    }
    if (failure == NULL || failure->error == GUESTMEM_OK || failure->step == NULL || failure->step[0] == '\0') {
        GM_FAIL("it failed, and the last failure says nothing");
    }
    guestmem_failure_text(failure, text, sizeof(text));
    if (failure->operation == NULL || !names_operation(failure->operation, point->call->function)) {
        GM_FAIL("%s", text);
    }
    if ((point->call->flags & SWEEP_OTHERS_FAILURE) == 0 && !is_error_of(failure->error, step)) {
        fprintf(stderr, "%s failed, and the failure says: %s\n", step, text);
        GM_FAIL("the error is of another kind than the request that failed");
    }
    pairs_note(point->call->function, failure->step);
}

/* ------------------------------------------------------------------------- one point */

static void set_up(struct sweep *sweep, const struct sweep_call *call)
{
    bool blank = (call->flags & SWEEP_BLANK_VM) != 0;

    sweep->vm = blank ? gm_env_blank_vm(sweep->env) : gm_env_new_vm(sweep->env);
    sweep->other = NULL;
    sweep->res = NULL;
    sweep->claim = (reservation_t){NULL};
    sweep->gpa = NULL;
    sweep->cap_count = 0;
    sweep->given = 0;
    if (!blank) {
        sweep->state->prepare(sweep);
    }
    if (call->set_up != NULL) {
        call->set_up(sweep);
    }
}

static void take_down(struct sweep *sweep)
{
    gm_env_drop_vm(sweep->env, sweep->vm);
    if (sweep->other != NULL) {
        gm_env_drop_vm(sweep->env, sweep->other);
    }
    GM_CHECK_EQ(sweep->given, 0);
    for (size_t i = 0; i < sweep->cap_count; i++) {
        gm_env_check_frame(sweep->env, sweep->caps[i]);
        gm_env_frame_free(sweep->env, sweep->caps[i]);
    }
}

/* The call failed: nothing has changed, and it says why. Then it succeeds. */
static void check_failed(const struct point *point, struct gm_env_snapshot *before, const struct image *image,
                         const char *step)
{
    struct image now;
    const char *difference;

    gm_env_check_same(point->sweep->env, before);
    image_take(&now, point->sweep->vm);
    difference = image_difference(image, &now);
    if (difference != NULL) {
        GM_FAIL("%s", difference);
    }
    check_failure(point, step);
    GM_CHECK_EQ(point->sweep->given, 0); /* all that has a release function was released */
    if (!point->call->call(point->sweep)) {
        GM_FAIL("the same call fails again, with nothing in its way");
    }
    visited.failed++;
}

/* Visit one failure point. False: the call made fewer requests than that. */
static bool visit(const struct point *point)
{
    struct sweep *sweep = point->sweep;
    const char *step = NULL;
    struct gm_env_snapshot *before;
    struct image image;
    bool struck;
    bool done;

    set_up(sweep, point->call);
    image_take(&image, sweep->vm);
    before = gm_env_snapshot(sweep->env);
    gm_env_fail(sweep->env, point->mode->kinds, point->k, point->mode->sticky);
    done = point->call->call(sweep);
    struck = gm_env_failed(sweep->env, &step);
    gm_env_fail(sweep->env, 0, 0, false);
    if (done) {
        gm_env_snapshot_free(before);
        visited.absorbed += struck;
    } else if (!struck) {
        GM_FAIL("the call fails with nothing in its way");
    } else {
        check_failed(point, before, &image, step);
    }
    if (struck && (point->call->flags & SWEEP_ASKS_NOTHING) != 0) {
        GM_FAIL("it asks for something, though it gives back");
    }
    take_down(sweep);
    return struck;
}

/* ------------------------------------------------------------------------------ all of them */

static void sweep_one(struct sweep *sweep, const struct sweep_call *call, const struct mode *mode)
{
    struct point point = {.sweep = sweep, .call = call, .mode = mode};
    bool more = true;

    for (point.k = 1; more; point.k++) {
        struct gm_env_snapshot *base = gm_env_snapshot(sweep->env);

        gm_test_context("%s (%s), state \"%s\", %s, request %llu", call->function, call->variant,
                        sweep->state->name, mode->name, (unsigned long long)point.k);
        more = visit(&point);
        gm_env_check_same(sweep->env, base);
    }
}

const struct sweep_call *sweep_call_at(size_t index)
{
    static const struct sweep_table *const tables[] = {
        &sweep_reserve_calls,  &sweep_map_calls,     &sweep_ram_calls,
        &sweep_guestmem_calls, &sweep_threads_calls, &sweep_vspace_calls,
        &sweep_access_calls,
    };

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (index < tables[i]->count) {
            return &tables[i]->calls[index];
        }
        index -= tables[i]->count;
    }
    return NULL;
}

/* GUESTMEM_SWEEP_ONLY=<function>: only its calls, for who looks for something. */
static bool is_selected(const struct sweep_call *call)
{
    const char *only = getenv("GUESTMEM_SWEEP_ONLY");

    return only == NULL || strcmp(only, call->function) == 0;
}

void sweep_run(struct gm_env *env, const struct sweep_state *state)
{
    struct sweep *sweep = calloc(1, sizeof(*sweep));
    const struct sweep_call *call;

    GM_CHECK_NOT_NULL(sweep);
    sweep->env = env;
    sweep->state = state;
    if (state->prepare_env != NULL) {
        state->prepare_env(sweep);
    }
    for (size_t i = 0; (call = sweep_call_at(i)) != NULL; i++) {
        for (size_t m = 0; is_selected(call) && m < sizeof(modes) / sizeof(modes[0]); m++) {
            if ((modes[m].kinds & gm_env_fail_kinds(env)) != 0) {
                sweep_one(sweep, call, &modes[m]);
            }
        }
    }
    gm_test_context("%s", "");
    if (state->restore_env != NULL) {
        state->restore_env(sweep);
    }
    free(sweep);
}

void sweep_report(void)
{
    printf("failure points visited: %llu in %zu distinct (function, failing step) pairs; the call failed at "
           "%llu and made do with less at %llu\n",
           (unsigned long long)(visited.failed + visited.absorbed), pairs_count(),
           (unsigned long long)visited.failed, (unsigned long long)visited.absorbed);
}

/* ------------------------------------------------------------- for set-ups and calls */

vm_memory_reservation_t *sweep_reserve(vm_t *vm, uintptr_t addr, size_t size)
{
    vm_memory_reservation_t *res = vm_reserve_memory_at(vm, addr, size, default_error_fault_callback, NULL);

    GM_CHECK_NOT_NULL(res);
    return res;
}

void sweep_set_policy(vm_t *vm, enum guestmem_populate populate, unsigned frame_bits_max)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.populate = populate;
    policy.frame_bits_max = frame_bits_max;
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
}

void sweep_bring_frames(struct sweep *sweep, uintptr_t base, size_t bits, size_t count)
{
    GM_CHECK(count <= SWEEP_CAPS);
    gm_env_frames(sweep->env, bits, count, sweep->caps);
    sweep->cap_count = count;
    sweep->cap_bits = bits;
    sweep->cap_base = base;
}

vm_frame_t sweep_give(uintptr_t addr, void *cookie)
{
    struct sweep *sweep = cookie;
    size_t index = (addr - sweep->cap_base) >> sweep->cap_bits;
    vm_frame_t frame = {.rights = seL4_AllRights, .vaddr = addr, .size_bits = sweep->cap_bits};

    if (addr >= sweep->cap_base && index < sweep->cap_count) {
        frame.cptr = sweep->caps[index];
    }
    return frame;
}

vm_frame_t sweep_lend(uintptr_t addr, void *cookie)
{
    struct sweep *sweep = cookie;
    vm_frame_t frame = sweep_give(addr, sweep);

    sweep->given += frame.cptr != seL4_CapNull;
    return frame;
}

/* Makes no request of its own: it runs with failures armed. That the frame is unmapped shows later. */
void sweep_release(vm_t *vm, seL4_CPtr frame, size_t size_bits, void *cookie)
{
    struct sweep *sweep = cookie;

    GM_CHECK(vm == sweep->vm);
    GM_CHECK_EQ(size_bits, sweep->cap_bits);
    GM_CHECK_NE(frame, seL4_CapNull);
    GM_CHECK(sweep->given > 0);
    sweep->given--;
}

uintptr_t sweep_mixed_base(const struct sweep *sweep)
{
    return sweep->state->scarce ? CALL_AT : CALL_AT - 2 * GM_PAGE;
}

size_t sweep_mixed_size(const struct sweep *sweep)
{
    return sweep->state->scarce ? 9 * GM_PAGE : 2 * GM_MIB + 5 * GM_PAGE;
}

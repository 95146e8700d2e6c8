/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * vm_run() with a thread a vcpu. The VM has its turn as a whole: the thread that called vm_run()
 * holds it, oversees the others through a gate, and makes the calls that belong to no vcpu.
 *
 *   overseer     open ----------------------------> close, kick, wait: nobody inside ---> pass the
 * turn vcpu         enter -> guest, exits, callbacks -> leave        (waits for a reply, or idles)
 * ... enter
 *
 * With nobody inside, and nobody who asks to be, the overseer gives the turn up and sleeps.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <guestmem/threads.h>
#include <utils/util.h>

#include "runtime.h"
#include "turns.h"

enum { TICK_MILLISECONDS = 2 };

int gang_init(struct gang *gang)
{
    pthread_condattr_t attributes;
    int err = pthread_condattr_init(&attributes);

    if (err) {
        return -err;
    }
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    err = pthread_cond_init(&gang->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!err) {
        pthread_mutex_init(&gang->lock, NULL);
    }
    return -err;
}

void gang_destroy(struct gang *gang)
{
    pthread_cond_destroy(&gang->changed);
    pthread_mutex_destroy(&gang->lock);
}

/* The overseer is to look around; unlike runtime_wake() nothing has happened. */
static void call_overseer(const struct runtime *runtime)
{
    uint64_t one = 1;
    ssize_t written = write(runtime->event, &one, sizeof(one));

    (void)written; /* full means that it is called already */
}

/* The run is to end, and the overseer knows or will soon. */
static bool is_over(struct runtime *runtime)
{
    return atomic_load(&runtime->stop) || atomic_load(&runtime->failed);
}

/* --------------------------------------------------------------------------- a vcpu's thread */

/* Move a vcpu that waits or idles on. With the gang's lock. */
static bool is_ready(struct fault *fault)
{
    if (fault->state == VCPU_FAULTED) {
        exit_reply(fault);
        fault->idle_since = fault->runtime->gang.wakes;
    }
    if (fault->state == VCPU_IDLE &&
        (fault->idle_since != fault->runtime->gang.wakes || runtime_now() >= fault->idle_until)) {
        fault->state = VCPU_READY;
    }
    return fault->state == VCPU_READY;
}

static void wait_for_change(const struct fault *fault)
{
    struct gang *gang = &fault->runtime->gang;
    struct timespec until = {.tv_sec = (time_t)(fault->idle_until / UINT64_C(1000000000)),
                             .tv_nsec = (long)(fault->idle_until % UINT64_C(1000000000))};

    if (fault->state == VCPU_IDLE) {
        (void)pthread_cond_timedwait(&gang->changed, &gang->lock, &until);
    } else {
        (void)pthread_cond_wait(&gang->changed, &gang->lock);
    }
}

/* Wait until the vcpu may run. False: its thread is to end. */
static bool enter(struct fault *fault)
{
    struct gang *gang = &fault->runtime->gang;
    bool asking = false;
    bool entered = false;

    pthread_mutex_lock(&gang->lock);
    fault->idle_since = gang->wakes;
    while (!gang->ending && !entered) {
        if (!is_ready(fault) || is_over(fault->runtime)) {
            wait_for_change(fault);
        } else if (gang->open) {
            entered = true;
            gang->inside++;
        } else {
            if (!asking) {
                asking = true;
                gang->asking++;
                call_overseer(fault->runtime);
            }
            wait_for_change(fault);
        }
    }
    gang->asking -= asking;
    pthread_mutex_unlock(&gang->lock);
    return entered;
}

static void leave(struct fault *fault)
{
    struct gang *gang = &fault->runtime->gang;

    pthread_mutex_lock(&gang->lock);
    if (--gang->inside == 0) {
        pthread_cond_broadcast(&gang->changed);
        call_overseer(fault->runtime);
    }
    pthread_mutex_unlock(&gang->lock);
}

static void run_inside(struct fault *fault)
{
    struct runtime *runtime = fault->runtime;
    struct engine_exit exit;

    while (fault->state == VCPU_READY && atomic_load(&runtime->gang.open) && !is_over(runtime)) {
        engine_cpu_run(fault->cpu, SLICE_BLOCKS, &exit);
        guestmem_read_begin(runtime->vm);
        (void)exit_handle(fault, &exit); /* a failure is noted in `runtime` */
        guestmem_read_end(runtime->vm);
        if (fault->state == VCPU_FAULTED) {
            exit_reply(fault);
        }
    }
    if (is_over(runtime)) {
        call_overseer(runtime);
    }
}

static void *vcpu_main(void *cookie)
{
    struct fault *fault = cookie;
    vm_t *vm = fault->runtime->vm;
    /* Without the memory for it, it reads as a visitor: slower, but right. */
    bool reader = guestmem_reader_register(vm) == GUESTMEM_OK;

    run_serve_only(fault);
    turns_borrow();
    while (enter(fault)) {
        run_inside(fault);
        leave(fault);
    }
    if (reader) {
        (void)guestmem_reader_unregister(vm);
    }
    return NULL;
}

/* --------------------------------------------------------------------------- the overseer */

/* Give each vcpu that is on a thread. The number of those; -1: there can't be one more. */
static int start_threads(struct runtime *runtime)
{
    int on = 0;

    for (unsigned i = 0; i < runtime->vm->num_vcpus; i++) {
        struct fault *fault = runtime_vcpu(runtime, i);

        if (fault->state == VCPU_OFF) {
            continue;
        }
        if (!fault->has_thread) {
            fault->has_thread = pthread_create(&fault->thread, NULL, vcpu_main, fault) == 0;
        }
        if (!fault->has_thread) {
            return -1;
        }
        on++;
    }
    return on;
}

static void kick_all(struct runtime *runtime)
{
    for (unsigned i = 0; i < runtime->vm->num_vcpus; i++) {
        if (runtime_vcpu(runtime, i)->has_thread) {
            engine_cpu_kick(runtime_vcpu(runtime, i)->cpu);
        }
    }
}

static void close_gate(struct runtime *runtime)
{
    struct gang *gang = &runtime->gang;

    pthread_mutex_lock(&gang->lock);
    atomic_store(&gang->open, false);
    kick_all(runtime);
    while (gang->inside > 0) {
        pthread_cond_wait(&gang->changed, &gang->lock);
    }
    pthread_mutex_unlock(&gang->lock);
}

/* Tell the vcpus what happened, and let them run. False: none of them can. */
static bool open_gate(struct runtime *runtime)
{
    struct gang *gang = &runtime->gang;
    bool any;

    pthread_mutex_lock(&gang->lock);
    gang->wakes += atomic_exchange(&runtime->woken, false);
    any = gang->inside > 0 || gang->asking > 0;
    atomic_store(&gang->open, any);
    pthread_cond_broadcast(&gang->changed);
    pthread_mutex_unlock(&gang->lock);
    return any;
}

static void wait_for_event(struct runtime *runtime, int milliseconds)
{
    struct pollfd event = {.fd = runtime->event, .events = POLLIN};

    if (poll(&event, 1, milliseconds) > 0) {
        run_reset_event(runtime);
    }
}

static enum run_turn look_around(struct runtime *runtime)
{
    int on;

    if (run_notifications(runtime) != TURN_ON) {
        return TURN_FAIL;
    }
    if (atomic_exchange(&runtime->stop, false)) {
        return TURN_STOP;
    }
    if (atomic_load(&runtime->failed)) {
        return TURN_FAIL;
    }
    on = start_threads(runtime);
    if (on < 0) {
        return run_fail(runtime, GUESTMEM_HOST_VM_CPU, "no thread for a vcpu");
    }
    if (on == 0 && runtime->vm->run.notification_callback == NULL) {
        return run_fail(runtime, GUESTMEM_HOST_VM_NO_VCPU, "no vcpu is started");
    }
    return TURN_ON;
}

/* Nothing is to be done but to wait, with the turn or without. */
static void oversee(struct runtime *runtime)
{
    unsigned depth;

    if (open_gate(runtime)) {
        wait_for_event(runtime, TICK_MILLISECONDS);
        if (turns_wanted()) {
            close_gate(runtime);
            turns_pass();
        }
        return;
    }
    depth = turns_give_up();
    wait_for_event(runtime, -1);
    turns_take_back(depth);
}

static void end_threads(struct runtime *runtime)
{
    struct gang *gang = &runtime->gang;

    pthread_mutex_lock(&gang->lock);
    gang->ending = true;
    atomic_store(&gang->open, false);
    kick_all(runtime);
    pthread_cond_broadcast(&gang->changed);
    pthread_mutex_unlock(&gang->lock);
    for (unsigned i = 0; i < runtime->vm->num_vcpus; i++) {
        struct fault *fault = runtime_vcpu(runtime, i);

        if (fault->has_thread) {
            pthread_join(fault->thread, NULL);
            fault->has_thread = false;
        }
    }
}

enum run_turn run_parallel(struct runtime *runtime)
{
    enum run_turn turn;

    runtime->gang.ending = false;
    atomic_store(&runtime->is_parallel, true);
    turn = look_around(runtime);
    while (turn == TURN_ON) {
        oversee(runtime);
        turn = look_around(runtime);
    }
    end_threads(runtime);
    atomic_store(&runtime->is_parallel, false);
    return turn;
}

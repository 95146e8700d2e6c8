/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Accesses in a window that stage 2 doesn't allow, or whose frame isn't under the window yet, come
 * as SIGSEGV. If there is a frame, it is put there and the host's instruction starts again. If
 * there is none, the VMM is asked; then a page with the answer stands in the window for the one
 * host instruction, which is single-stepped, and SIGTRAP takes the page away. What is not the
 * guest's goes to whoever handled the signal before.
 *
 * The handlers run on the CPU's own stack, not on an alternate one: an access may wait there for
 * its answer while another CPU's access comes, and go on in another thread.
 */
#define _GNU_SOURCE
#include "cpu.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifndef __x86_64__
#error \
    "the guest CPU's windows need an x86-64 host: signals.c knows only its way to step an instruction"
#endif

enum { ERROR_WRITE = 2, TRAP_FLAG = 0x100 };

static _Thread_local struct engine_cpu *current;

static _Thread_local bool handing_on;

/* Whom to hand signals on to. Others may put their handlers over ours (test frameworks do, for each
 * test): then ours goes on top again, and theirs comes next. */
static struct {
    pthread_mutex_t lock;
    struct sigaction segv;
    struct sigaction trap;
} previous = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* In functions of their own: a compiler that sees two uses of errno keeps where it found the first,
 * and between those the CPU may have moved to another thread. */
static __attribute__((noinline)) int errno_get(void)
{
    __asm__ volatile("");
    return errno;
}

static __attribute__((noinline)) void errno_set(int value)
{
    __asm__ volatile("");
    errno = value;
}

struct engine_cpu *signals_current(struct engine_cpu *cpu)
{
    struct engine_cpu *before = current;

    current = cpu;
    return before;
}

/* The instruction runs again, and the default action hits it. */
static void default_action(int signal, const siginfo_t *info)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    sigaction(signal, &action, NULL);
    if (info->si_code <= 0) {
        raise(signal); /* there is no instruction: it came from kill() */
    }
}

/* As if our handler weren't there. A handler that was put over ours may hand on to ours in turn:
 * such a circle ends here. */
static void hand_on(const struct sigaction *action, int signal, siginfo_t *info, void *context)
{
    bool is_function = (action->sa_flags & SA_SIGINFO) ||
                       (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);

    if (!is_function || handing_on) {
        handing_on = false;
        default_action(signal, info);
        return;
    }
    handing_on = true;
    if (action->sa_flags & SA_SIGINFO) {
        action->sa_sigaction(signal, info, context);
    } else {
        action->sa_handler(signal);
    }
    handing_on = false;
}

static bool scratch_place(struct engine_cpu *cpu, uint8_t *place, const uint8_t *page)
{
    bool placed;

    cpu_lock(cpu);
    placed = cpu->scratch_count < SCRATCH_COUNT &&
             mmap(place, PAGE_BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
    if (placed) {
        memcpy(place, page, PAGE_BYTES);
        cpu->scratch[cpu->scratch_count++].place = place;
    }
    cpu_unlock(cpu);
    return placed;
}

void signals_end_answers(struct engine_cpu *cpu)
{
    cpu_lock(cpu);
    while (cpu->scratch_count > 0) {
        (void)mmap(cpu->scratch[--cpu->scratch_count].place, PAGE_BYTES, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    }
    cpu_unlock(cpu);
}

/* Of the host's stores, only those of a byte need to be told apart: 88 is MOV r/m8, r8; C6 the same
 * with an immediate; before it come prefixes (Intel SDM, volume 2, "Instruction format"). */
static bool is_byte_store(const ucontext_t *context)
{
    const uint8_t *code = (const uint8_t *)context->uc_mcontext.gregs[REG_RIP];

    while ((*code & 0xf0) == 0x40 || *code == 0x64 || *code == 0x65 || *code == 0x66 ||
           *code == 0x67) {
        code++;
    }
    return *code == 0x88 || *code == 0xc6;
}

static enum window_access access_kind(const ucontext_t *context)
{
    if (!(context->uc_mcontext.gregs[REG_ERR] & ERROR_WRITE)) {
        return WINDOW_READ;
    }
    return is_byte_store(context) ? WINDOW_WRITE_BYTE : WINDOW_WRITE;
}

static bool fill(struct engine_cpu *cpu, const struct view *view, uint64_t gpa, bool write)
{
    bool filled;

    cpu_lock(cpu);
    filled = view_fill(cpu, view, gpa, write);
    cpu_unlock(cpu);
    return filled;
}

/* While the access waited for its answer, the handler's stack may have come to another thread. It
 * returns there with that thread's alternate stack for signals, not with the first one's. */
static void adopt_thread(ucontext_t *context)
{
    sigaltstack(NULL, &context->uc_stack);
}

static bool answer(struct engine_cpu *cpu, uint64_t gpa, enum window_access access, uint8_t *page,
                   ucontext_t *context)
{
    bool again = access_in_window(cpu, gpa, access, page);

    adopt_thread(context);
    return again;
}

/* True: the access can go on. */
static bool on_window(struct engine_cpu *cpu, uint8_t *address, ucontext_t *context)
{
    const struct view *view = view_of_host(cpu, address);
    uint8_t *place = (uint8_t *)((uintptr_t)address & ~(uintptr_t)(PAGE_BYTES - 1));
    enum window_access access = access_kind(context);
    uint64_t gpa;
    uint8_t page[PAGE_BYTES];

    if (view == NULL) {
        return false;
    }
    gpa = view->window.base + (uint64_t)(address - view->host);
    while (!fill(cpu, view, gpa, access != WINDOW_READ)) {
        if (answer(cpu, gpa, access, page, context)) {
            continue;
        }
        while (!scratch_place(cpu, place, page)) {
            cpu->exit.why = "no mapping left for the answer to an access";
            cpu_leave(cpu, ENGINE_EXIT_BROKEN);
            adopt_thread(context);
        }
        context->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
        break;
    }
    return true;
}

static void on_segv(int signal, siginfo_t *info, void *context)
{
    int saved = errno_get();

    if (current == NULL || info->si_code <= 0 || !on_window(current, info->si_addr, context)) {
        hand_on(&previous.segv, signal, info, context);
    }
    errno_set(saved);
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
    struct engine_cpu *cpu = current;
    ucontext_t *host = context;
    int saved = errno;

    if (cpu == NULL || cpu->scratch_count == 0) {
        hand_on(&previous.trap, signal, info, context);
        errno = saved;
        return;
    }
    signals_end_answers(cpu);
    host->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    errno = saved;
}

static int take(int signal, void (*handler)(int, siginfo_t *, void *), struct sigaction *before)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sigaction now;

    if (sigaction(signal, NULL, &now) != 0) {
        return -errno;
    }
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handler) {
        return 0;
    }
    *before = now;
    sigemptyset(&action.sa_mask);
    return sigaction(signal, &action, NULL) == 0 ? 0 : -errno;
}

int signals_install(void)
{
    int err;

    pthread_mutex_lock(&previous.lock);
    err = take(SIGSEGV, on_segv, &previous.segv);
    if (!err) {
        err = take(SIGTRAP, on_trap, &previous.trap);
    }
    pthread_mutex_unlock(&previous.lock);
    handing_on = false; /* the handler that we handed on to may have jumped away */
    return err;
}

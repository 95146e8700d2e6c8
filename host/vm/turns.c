/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A lock with tickets. A mutex would do, if it let go to those who wait: one that is taken again at
 * once mostly isn't.
 */
#include "turns.h"

#include <pthread.h>

#include <guestmem/host_vm.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    unsigned next;    /* ticket of who asks next */
    unsigned serving; /* ticket of who has the turn, if next is another */
} turns = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static _Thread_local unsigned depth;
static _Thread_local bool borrowed;

void guestmem_host_vm_enter(void)
{
    if (depth++ == 0) {
        turns_take_back(1);
    }
}

void guestmem_host_vm_leave(void)
{
    if (depth == 1 && !borrowed) {
        (void)turns_give_up();
    } else if (depth > 1) {
        depth--;
    }
}

void turns_take_back(unsigned wanted)
{
    unsigned ticket;

    pthread_mutex_lock(&turns.lock);
    ticket = turns.next++;
    while (turns.serving != ticket) {
        pthread_cond_wait(&turns.moved, &turns.lock);
    }
    pthread_mutex_unlock(&turns.lock);
    depth = wanted;
}

unsigned turns_give_up(void)
{
    unsigned had = depth;

    depth = 0;
    pthread_mutex_lock(&turns.lock);
    turns.serving++;
    pthread_cond_broadcast(&turns.moved);
    pthread_mutex_unlock(&turns.lock);
    return had;
}

bool turns_wanted(void)
{
    bool wanted;

    pthread_mutex_lock(&turns.lock);
    wanted = turns.next - turns.serving > 1;
    pthread_mutex_unlock(&turns.lock);
    return wanted;
}

void turns_pass(void)
{
    if (turns_wanted()) {
        turns_take_back(turns_give_up());
    }
}

void turns_borrow(void)
{
    depth = 1;
    borrowed = true;
}

bool turns_are_borrowed(void)
{
    return borrowed;
}

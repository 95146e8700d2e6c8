/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * One thread at a time in the kernel, as with seL4's big lock; and in what is built around it.
 */
#include "kernel.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local unsigned depth;

int k_enter(void)
{
    if (depth++ == 0) {
        pthread_mutex_lock(&lock);
    }
    return 0;
}

void k_leave(const int *unused)
{
    (void)unused;
    if (--depth == 0) {
        pthread_mutex_unlock(&lock);
    }
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A thread of its own draws the line: the one that works may be inside one call for seconds.
 */
#include "progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { BLINK_MS = 400, REDRAW_MS = 100 };

static pthread_t drawer;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static const char *step;
static bool running;

static struct timespec later(int milliseconds)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_nsec += milliseconds * 1000000L;
    time.tv_sec += time.tv_nsec / 1000000000L;
    time.tv_nsec %= 1000000000L;
    return time;
}

static void *draw(void *unused)
{
    int elapsed_ms = BLINK_MS;
    struct timespec until = later(BLINK_MS);
    bool drawn = false;

    pthread_mutex_lock(&lock);
    while (running) {
        if (pthread_cond_timedwait(&ended, &lock, &until) != 0) {
            fprintf(stderr, "\r\033[Kloading: %s, %d.%d s", step, elapsed_ms / 1000,
                    elapsed_ms / 100 % 10);
            drawn = true;
            elapsed_ms += REDRAW_MS;
            until = later(REDRAW_MS);
        }
    }
    pthread_mutex_unlock(&lock);
    if (drawn) {
        fputs("\r\033[K", stderr);
    }
    return unused;
}

void progress_start(void)
{
    sigset_t all;
    sigset_t before;

    if (!isatty(STDERR_FILENO)) {
        return;
    }
    step = "VM";
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the main thread */
    running = pthread_create(&drawer, NULL, draw, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void progress_step(const char *what, void *cookie)
{
    (void)cookie;
    pthread_mutex_lock(&lock);
    step = what;
    pthread_mutex_unlock(&lock);
}

void progress_end(void)
{
    if (!running) {
        return;
    }
    pthread_mutex_lock(&lock);
    running = false;
    pthread_cond_signal(&ended);
    pthread_mutex_unlock(&lock);
    pthread_join(drawer, NULL);
}

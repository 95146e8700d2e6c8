/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Why a run ends before the guest does, and how the guest is stopped then: signals, the timeout, an
 * output that nobody reads. The first reason counts.
 */
#pragma once

#include <stdbool.h>

enum stop_reason {
    STOP_NONE,
    STOP_SIGNAL, /* see stop_signal() */
    STOP_TIMEOUT,
    STOP_OUTPUT, /* standard output is closed */
    STOP_LEFT,   /* Ctrl-A X */
    STOP_DONE,   /* the script has nothing more to send */
};

/* Catch signals, and start the clock unless `timeout_s` is 0. Ignores SIGPIPE and SIGXFSZ: writes
 * fail instead. */
void stop_install(unsigned timeout_s);

/* From now on, ask `halt` to stop the guest as well. It must be safe to call in a signal handler.
 */
void stop_halts_with(void (*halt)(void *cookie), void *cookie);
void stop_halts_with_nothing(void);

void stop_ask(enum stop_reason reason);
enum stop_reason stop_reason(void);
int stop_signal(void);

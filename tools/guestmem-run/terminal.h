/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The user's side of the serial line: output, input, and the terminal's mode.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Raw mode, until terminal_restore(), which may be called at any time, any number of times, and in
 * signal handlers. Returns 0 or an errno. */
int terminal_raw(void);
void terminal_restore(void);
/* Raw mode again, if it was on: after the process had been stopped. */
void terminal_again(void);

/* The guest's bytes. Held back until a newline, or until the guest looks for input. */
void terminal_put(char byte, void *cookie);
/* The next byte for the guest, or -1. Takes Ctrl-A X. Waits a little when the guest does nothing
 * but ask. */
int terminal_get(void *cookie);
/* The same with no input: the end of a run that has none is a signal or the timeout. */
int terminal_get_nothing(void *cookie);
void terminal_flush(void);
/* Flush, and begin a new line where the guest left one open. */
void terminal_end_line(void);

/* Whether to use colours on standard output. */
bool terminal_colours(void);
/* False after a write to standard output has failed; `error` is its errno. */
bool terminal_output_works(int *error);

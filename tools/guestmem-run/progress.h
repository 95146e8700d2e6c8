/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A line on the terminal that says what is being made, where that takes longer than a blink.
 */
#pragma once

/* Nothing is shown unless standard error is a terminal. */
void progress_start(void);
/* What comes now; `what` stays valid. The cookie is for the VMM's hook, and not used. */
void progress_step(const char *what, void *cookie);
/* Clear the line. May be called twice. */
void progress_end(void);

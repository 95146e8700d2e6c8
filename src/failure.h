/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Noting what failed: the place where something fails says the step, the public function says its
 * name and its range, and the compatible functions log the line.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "space.h"

/*
 * What these functions return is said here, in the header, so that compilers and analysers see at
 * the callers that a failure stays one. What they do besides is in failure.c.
 */
void gm_failure_note(struct gm_space *space, int error, const char *step, int cause);
void gm_failure_end(struct gm_space *space, int error, const char *operation, uintptr_t base,
                    size_t size);
void gm_failure_end_logged(struct gm_space *space, int error, const char *operation, uintptr_t base,
                           size_t size);

/* Note that `step` failed. Returns `error`. */
static inline int gm_fail(struct gm_space *space, int error, const char *step, int cause)
{
    gm_failure_note(space, error, step, cause);
    return error;
}

/* Note that [base, base + size) is in the way. Returns GUESTMEM_ETAKEN. */
int gm_fail_taken(struct gm_space *space, const char *step, uintptr_t base, size_t size);

/*
 * The end of a public call: settles or reverts the arrays that grew, and after a failure reports it
 * with the call's name and range. What failed on the way to a success is not reported. A call from
 * inside an iterator leaves the arrays to the call that it is in. Returns `error`.
 */
static inline int gm_end(struct gm_space *space, int error, const char *operation, uintptr_t base,
                         size_t size)
{
    gm_failure_end(space, error, operation, base, size);
    return error;
}

/* The same for a compatible function: logs one line, and returns 0 or -1. `space` may be NULL:
 * that is an error. */
static inline int gm_end_logged(struct gm_space *space, int error, const char *operation,
                                uintptr_t base, size_t size)
{
    gm_failure_end_logged(space, error, operation, base, size);
    return space != NULL && error == GUESTMEM_OK ? 0 : -1;
}

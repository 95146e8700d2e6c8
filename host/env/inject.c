/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Failure injection: one armed request number for the process.
 */
#include "env.h"

static struct {
    unsigned kinds;
    uint64_t k, seen;
    bool sticky;
    const char *struck; /* the step that failed, NULL: none yet */
    unsigned inside;    /* the environment works on its own behalf */
} inject;

void guestmem_host_fail(struct guestmem_host *host, unsigned kinds, uint64_t k, bool sticky)
{
    K_ALONE;

    (void)host;
    inject.kinds = k == 0 ? 0 : kinds;
    inject.k = k;
    inject.seen = 0;
    inject.sticky = sticky;
    inject.struck = NULL;
}

bool guestmem_host_failed(struct guestmem_host *host, const char **step)
{
    K_ALONE;

    (void)host;
    if (inject.struck == NULL) {
        return false;
    }
    if (step != NULL) {
        *step = inject.struck;
    }
    return true;
}

bool env_refuse(unsigned kind, const char *step)
{
    if (inject.inside != 0 || !(inject.kinds & kind)) {
        return false;
    }
    inject.seen++;
    if (inject.seen != inject.k && !(inject.sticky && inject.seen > inject.k)) {
        return false;
    }
    inject.struck = step;
    return true;
}

bool env_refuse_invocation(const char *step)
{
    return env_refuse(GUESTMEM_HOST_FAIL_INVOCATION, step);
}

void env_enter(void)
{
    inject.inside++;
}

void env_leave(void)
{
    inject.inside--;
}

void env_inject_reset(void)
{
    inject.inside = 0;
    guestmem_host_fail(NULL, 0, 0, false);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Calls into the library, some of them with a request that fails.
 */
#include "soak.h"

uint32_t soak_below(uint32_t limit)
{
    soak.random ^= soak.random << 13;
    soak.random ^= soak.random >> 7;
    soak.random ^= soak.random << 17;
    return (uint32_t)(soak.random >> 16) % limit;
}

bool soak_one_in(uint32_t cases)
{
    return soak_below(cases) == 0;
}

void call_arm(void)
{
    static const unsigned lasting = GUESTMEM_HOST_FAIL_SLOT | GUESTMEM_HOST_FAIL_OBJECT |
                                    GUESTMEM_HOST_FAIL_MALLOC | GUESTMEM_HOST_FAIL_VMM_MAP;
    bool sticky = soak_one_in(2);

    soak.totals.calls++;
    if (soak_one_in(8)) {
        guestmem_host_fail(soak.host, sticky ? lasting : GUESTMEM_HOST_FAIL_ANY, 1 + soak_below(24),
                           sticky);
    }
}

/* Whose answer it is that something is short, or taken by somebody else. */
static bool is_shortage(int error)
{
    switch (error) {
    case GUESTMEM_ENOMEM:
    case GUESTMEM_ENOSLOT:
    case GUESTMEM_ENOFRAME:
    case GUESTMEM_ENOTABLE:
    case GUESTMEM_EVMM:
    case GUESTMEM_EKERNEL:
        return true;
    default:
        return false;
    }
}

static bool judge(int error, bool may_fail)
{
    bool struck = guestmem_host_failed(soak.host, NULL);
    char text[256];

    guestmem_host_fail(soak.host, 0, 0, false);
    if (error == GUESTMEM_OK) {
        return true;
    }
    soak.totals.failed++;
    if (!struck && !may_fail && (soak.flavour->roomy || !is_shortage(error))) {
        guestmem_failure_text(guestmem_last_failure(&soak.me->vm), text, sizeof(text));
        soak_fail("a call failed (%s) with nothing in its way: %s", guestmem_strerror(error), text);
    }
    return false;
}

static int last_error(bool done)
{
    const struct guestmem_failure *failure = guestmem_last_failure(&soak.me->vm);

    return done ? GUESTMEM_OK : failure == NULL ? GUESTMEM_EINVAL : failure->error;
}

bool call_ended(int error)
{
    return judge(error, false);
}

bool call_ended_compatible(bool done)
{
    return judge(last_error(done), false);
}

bool call_may_fail(int error)
{
    return judge(error, true);
}

bool call_may_fail_compatible(bool done)
{
    return judge(last_error(done), true);
}

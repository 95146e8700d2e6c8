/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "requests.h"

#include <stdio.h>

struct held held;
struct taken taken;

static struct {
    unsigned kinds;
    uint64_t k;
    bool sticky;
    uint64_t seen;
    const char *struck;
} armed;

void requests_arm(unsigned kinds, uint64_t k, bool sticky)
{
    armed.kinds = k == 0 ? 0 : kinds;
    armed.k = k;
    armed.sticky = sticky;
    armed.seen = 0;
    armed.struck = k == 0 ? armed.struck : NULL;
}

bool requests_failed(const char **step)
{
    if (step != NULL) {
        *step = armed.struck;
    }
    return armed.struck != NULL;
}

bool request_fails(unsigned kind, const char *step)
{
    if ((armed.kinds & kind) == 0) {
        return false;
    }
    armed.seen++;
    if (armed.seen != armed.k && !(armed.sticky && armed.seen > armed.k)) {
        return false;
    }
    armed.struck = step;
    return true;
}

static bool same(const char *what, uint64_t before, uint64_t after)
{
    if (before != after) {
        printf("    %s: %llu, not %llu\n", what, (unsigned long long)after, (unsigned long long)before);
    }
    return before == after;
}

bool held_same(const struct held *before, const struct held *after, bool cases_only)
{
    bool all = same("slots", before->slots, after->slots);

    all &= same("objects", before->objects, after->objects);
    all &= same("heap blocks", before->heap_blocks, after->heap_blocks);
    all &= same("heap bytes", before->heap_bytes, after->heap_bytes);
    all &= same("VMM mappings", before->vmm_mappings, after->vmm_mappings);
    all &= same("VMM reservations", before->vmm_reservations, after->vmm_reservations);
    if (!cases_only) {
        all &= same("slots of the VMM's address space", before->vmm_slots, after->vmm_slots);
        all &= same("objects of the VMM's address space", before->vmm_objects, after->vmm_objects);
    }
    return all;
}

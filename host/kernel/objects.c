/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * What making an object counts, and what deleting a cap does to its object.
 */
#include "kernel.h"

static uint64_t *counter(struct kernel *kernel, const struct k_cap *cap)
{
    switch (cap->type) {
    case K_UNTYPED:
        return &kernel->counts.untypeds;
    case K_FRAME:
        return &kernel->counts.frames[cap->bits == seL4_PageBits        ? 0
                                      : cap->bits == seL4_LargePageBits ? 1
                                                                        : 2];
    case K_TABLE:
    case K_VSPACE:
        return &kernel->counts.tables;
    default:
        return &kernel->counts.others;
    }
}

void k_object_created(struct kernel *kernel, const struct k_cap *cap, int by)
{
    *counter(kernel, cap) += (uint64_t)(int64_t)by;
}

/* The boot thread lies nowhere, so nothing can be left of it. */
static struct k_cap zombie_of(const struct k_cap *cap)
{
    struct k_cap zombie = {.type = K_ZOMBIE, .base = cap->base};

    if (cap->base == K_BOOT_THREAD) {
        zombie.type = K_NULL;
    }
    zombie.bits = (uint8_t)k_cap_size_bits(cap);
    zombie.data = cap->type == K_CNODE ? UINT64_C(1) << cap->bits : 1;
    return zombie;
}

struct k_cap k_finalise(struct kernel *kernel, const struct k_cap *cap, bool final)
{
    struct k_cap left = {.type = K_NULL};

    switch (cap->type) {
    case K_FRAME:
        if (cap->asid != 0) {
            k_frame_unlink(kernel, cap);
        }
        break;
    case K_TABLE:
        if (final && cap->mapped) {
            k_table_unlink(kernel, cap);
        }
        break;
    case K_VSPACE:
        if (final && cap->mapped) {
            k_asid_delete(kernel, cap->asid, cap->base);
        }
        break;
    case K_ASID_POOL:
        if (final) {
            k_asid_delete_pool(kernel, cap);
        }
        break;
    case K_CNODE:
    case K_THREAD:
        if (final) {
            left = zombie_of(cap);
        }
        break;
    case K_ZOMBIE:
        return *cap;
    default:
        break;
    }
    if (final) {
        k_object_created(kernel, cap, -1);
    }
    return left;
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Caps as values: what two of them have in common, and what a derived one looks like.
 */
#include "kernel.h"

unsigned k_object_bits(const struct kernel *kernel, seL4_Word type, seL4_Word user_bits)
{
    switch (type) {
    case seL4_UntypedObject:
        return (unsigned)user_bits;
    case seL4_CapTableObject:
        return seL4_SlotBits + (unsigned)user_bits;
    case seL4_TCBObject:
        return seL4_TCBBits;
    case seL4_EndpointObject:
        return seL4_EndpointBits;
    case seL4_NotificationObject:
        return seL4_NotificationBits;
    case seL4_ARM_SmallPageObject:
        return seL4_PageBits;
    case seL4_ARM_LargePageObject:
        return seL4_LargePageBits;
    case seL4_ARM_HugePageObject:
        return seL4_HugePageBits;
    case seL4_ARM_VSpaceObject:
        return k_root_bits(kernel);
    // NOLINTNEXTLINE(bugprone-branch-clone) tables and vcpus are as large by chance
    case seL4_ARM_PageTableObject:
        return seL4_PageTableBits;
    default:
        return seL4_ARM_VCPUBits;
    }
}

unsigned k_cap_size_bits(const struct k_cap *cap)
{
    return cap->type == K_CNODE ? cap->bits + seL4_SlotBits : cap->bits;
}

static bool is_physical(const struct k_cap *cap)
{
    switch (cap->type) {
    case K_NULL:
    case K_IRQ_CONTROL:
    case K_DOMAIN:
    case K_ASID_CONTROL:
        return false;
    default:
        return true;
    }
}

static bool contains(const struct k_cap *a, const struct k_cap *b)
{
    uint64_t a_bytes = UINT64_C(1) << k_cap_size_bits(a);
    uint64_t b_bytes = UINT64_C(1) << k_cap_size_bits(b);

    return b->base >= a->base && b->base - a->base < a_bytes &&
           b_bytes <= a_bytes - (b->base - a->base);
}

/* Does b name memory (or authority) that a covers? */
bool k_same_region(const struct k_cap *a, const struct k_cap *b)
{
    if (a->type == K_UNTYPED) {
        return is_physical(b) && contains(a, b);
    }
    if (a->type == K_NULL || a->type == K_ZOMBIE || a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case K_FRAME:
        return contains(a, b);
    case K_CNODE:
        return a->base == b->base && a->bits == b->bits;
    default:
        return !is_physical(a) || a->base == b->base;
    }
}

bool k_same_object(const struct k_cap *a, const struct k_cap *b)
{
    switch (a->type) {
    case K_UNTYPED:
    case K_IRQ_CONTROL:
        return false;
    case K_FRAME:
        return b->type == K_FRAME && a->base == b->base && a->bits == b->bits &&
               a->device == b->device;
    default:
        return k_same_region(a, b);
    }
}

/* A frame shows nothing unless it can be read: write-only means no access. */
unsigned k_frame_rights(unsigned rights, seL4_CapRights_t mask)
{
    unsigned left = rights & (unsigned)mask.words[0];

    return left & K_READ ? left & (K_READ | K_WRITE) : 0;
}

struct k_cap k_masked(struct k_cap cap, seL4_CapRights_t rights)
{
    if (cap.type == K_FRAME) {
        cap.rights = (uint8_t)k_frame_rights(cap.rights, rights);
    } else if (cap.type == K_ENDPOINT || cap.type == K_NOTIFICATION) {
        cap.rights &= (uint8_t)rights.words[0];
    }
    return cap;
}

static struct k_cap with_guard(struct k_cap cap, seL4_Word data)
{
    unsigned guard_bits = data & 63;

    if (guard_bits + cap.bits > seL4_WordBits) {
        cap.type = K_NULL;
        return cap;
    }
    cap.guard_bits = (uint8_t)guard_bits;
    cap.data = (data >> 6) & ((UINT64_C(1) << guard_bits) - 1);
    return cap;
}

struct k_cap k_with_data(struct k_cap cap, bool preserve, seL4_Word data)
{
    switch (cap.type) {
    case K_ENDPOINT:
    case K_NOTIFICATION:
        if (preserve || cap.data != 0) {
            cap.type = K_NULL;
        }
        cap.data = data;
        return cap;
    case K_CNODE:
        return with_guard(cap, data);
    default:
        return cap;
    }
}

/* May this cap be copied, and what does the copy keep? */
seL4_Error k_derive(const struct k_slot *slot, struct k_cap *cap)
{
    switch (cap->type) {
    case K_UNTYPED:
        return k_has_children(slot) ? seL4_RevokeFirst : seL4_NoError;
    case K_VSPACE:
    case K_TABLE:
        return cap->mapped ? seL4_NoError : seL4_IllegalOperation;
    case K_FRAME:
        cap->asid = 0; /* one cap, one mapping */
        return seL4_NoError;
    case K_IRQ_CONTROL:
        cap->type = K_NULL;
        return seL4_NoError;
    default:
        return seL4_NoError;
    }
}

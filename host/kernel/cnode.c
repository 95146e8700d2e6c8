/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * CNodes: looking slots up, and the slots themselves. The invocations are in cnode_invoke.c.
 */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

/* A CNode's memory holds the address of its slots: the model's are larger than the kernel's. */
static struct k_slot **slots_of(const struct kernel *kernel, uint64_t base)
{
    return k_phys(kernel, base);
}

struct k_slot *k_cnode_slots(const struct kernel *kernel, const struct k_cap *cnode)
{
    return cnode->base == K_BOOT_CNODE ? kernel->root : *slots_of(kernel, cnode->base);
}

bool k_cnode_create(struct kernel *kernel, uint64_t base, unsigned radix)
{
    struct k_slot *slots = calloc((size_t)1 << radix, sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    k_memory_touched(kernel, base, sizeof(slots));
    *slots_of(kernel, base) = slots;
    return true;
}

/* The last cap is gone: so are the caps in it. */
void k_cnode_empty(struct kernel *kernel, const struct k_cap *cnode)
{
    struct k_slot *slots = k_cnode_slots(kernel, cnode);

    for (uint64_t k = UINT64_C(1) << cnode->bits; k-- > 0;) {
        k_delete(kernel, &slots[k]);
    }
    if (cnode->base != K_BOOT_CNODE) {
        free(slots);
        *slots_of(kernel, cnode->base) = NULL;
    }
}

void k_slot_used(struct kernel *kernel, const struct k_slot *slot)
{
    if (slot >= kernel->root && slot < kernel->root + (UINT64_C(1) << kernel->root_bits)) {
        uint64_t index = (uint64_t)(slot - kernel->root);

        if (index >= kernel->root_high) {
            kernel->root_high = index + 1;
        }
    }
}

static uint64_t low_bits(uint64_t value, unsigned bits)
{
    return bits >= 64 ? value : value & ((UINT64_C(1) << bits) - 1);
}

/*
 * Resolve `depth` bits of `index` from a CNode on, level by level: guard, then radix. Manual,
 * "Capability Address Lookup".
 */
static seL4_Error resolve(struct kernel *kernel, const struct k_cap *node, seL4_Word index,
                          seL4_Word depth, bool source, struct k_slot **slot)
{
    seL4_Word left = depth;

    for (;;) {
        unsigned level = node->bits + node->guard_bits;
        uint64_t guard = low_bits(index >> ((left - node->guard_bits) & 63), node->guard_bits);

        if (node->guard_bits > left || guard != node->data) {
            return k_guard_mismatch(source, left, node->data, node->guard_bits);
        }
        if (level > left) {
            return k_depth_mismatch(source, left, level);
        }
        *slot = k_cnode_slots(kernel, node) + low_bits(index >> (left - level), node->bits);
        left -= level;
        if (left == 0) {
            return seL4_NoError;
        }
        node = &(*slot)->cap;
        if (node->type != K_CNODE) {
            return k_depth_mismatch(source, left, 0);
        }
    }
}

seL4_Error k_lookup(struct kernel *kernel, const struct k_cap *root, seL4_Word index,
                    seL4_Word depth, bool source, struct k_slot **slot)
{
    if (root->type != K_CNODE) {
        return k_invalid_root(source);
    }
    if (depth < 1 || depth > seL4_WordBits) {
        return k_range_error(1, seL4_WordBits);
    }
    return resolve(kernel, root, index, depth, source, slot);
}

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

/*
 * In front of the slots stands one more, which links them: into `cnodes`, and from their end to the
 * invocation's into `ended`, since a revoke may be under way on one of them and look at it again.
 */
static void link_to(struct k_slot **list, struct k_slot *header)
{
    header->prev = NULL;
    header->next = *list;
    if (*list != NULL) {
        (*list)->prev = header;
    }
    *list = header;
}

static void unlink_from(struct k_slot **list, struct k_slot *header)
{
    if (header->prev == NULL) {
        *list = header->next;
    } else {
        header->prev->next = header->next;
    }
    if (header->next != NULL) {
        header->next->prev = header->prev;
    }
}

static void free_list(struct k_slot **list)
{
    while (*list != NULL) {
        struct k_slot *header = *list;

        *list = header->next;
        free(header);
    }
}

bool k_cnode_create(struct kernel *kernel, uint64_t base, unsigned radix)
{
    struct k_slot *header = calloc(((size_t)1 << radix) + 1, sizeof(*header));

    if (header == NULL) {
        return false;
    }
    link_to(&kernel->cnodes, header);
    k_memory_touched(kernel, base, sizeof(*slots_of(kernel, base)));
    *slots_of(kernel, base) = header + 1;
    return true;
}

void k_cnode_end(struct kernel *kernel, uint64_t base)
{
    struct k_slot *header;

    if (base == K_BOOT_CNODE) {
        return;
    }
    header = *slots_of(kernel, base) - 1;
    *slots_of(kernel, base) = NULL;
    unlink_from(&kernel->cnodes, header);
    link_to(&kernel->ended, header);
}

void k_cnode_free_ended(struct kernel *kernel)
{
    free_list(&kernel->ended);
}

void k_cnode_free_all(struct kernel *kernel)
{
    free_list(&kernel->ended);
    free_list(&kernel->cnodes);
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

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Deleting caps, as the kernel does it: without recursion. The last cap of a CNode or a thread
 * becomes a zombie, which names the object and how many of its slots may still hold caps.
 *
 *   slot that was asked for    zombie, n slots > zombie, n - 1 slots > ... > empty
 *                                       |
 *   slot of the CNode          deleted; if it holds the last cap of a further CNode, that becomes
 *                              a zombie too, and changes places with what is in its own first slot
 *
 * So a CNode (or thread) whose last cap lay in a CNode is not ended with it: it stays as a zombie
 * in its own first slot, where nobody can name it, with all caps from its second slot on, until its
 * untyped is revoked.
 */
#include "kernel.h"

/* Where the zombie's own object keeps its caps. */
static struct k_slot *own_slots(const struct kernel *kernel, const struct k_slot *slot)
{
    return k_cnode_slots(kernel, &slot->cap);
}

static bool is_spent(const struct kernel *kernel, const struct k_slot *slot)
{
    uint64_t left = slot->cap.data;

    return left == 0 || (left == 1 && own_slots(kernel, slot) == slot);
}

/* Empties the slot, and ends the object of which a zombie was left in it. */
static void empty(struct kernel *kernel, struct k_slot *slot)
{
    struct k_cap cap = slot->cap;

    if (cap.type != K_NULL) {
        k_clear(slot);
    }
    if (cap.type == K_ZOMBIE) {
        k_cnode_end(kernel, cap.base);
    }
}

/* What is in the slot becomes less: nothing or a zombie. False if it is a zombie that stays. */
static bool finalise(struct kernel *kernel, struct k_slot *slot)
{
    struct k_cap left = k_finalise(kernel, &slot->cap, k_is_final(slot));

    if (left.type == K_NULL) {
        empty(kernel, slot);
        return true;
    }
    left.tree = slot->cap.tree;
    slot->cap = left;
    if (is_spent(kernel, slot)) {
        empty(kernel, slot);
        return true;
    }
    return false;
}

/* A cap in a CNode that is being deleted. */
static void delete_inside(struct kernel *kernel, struct k_slot *slot)
{
    while (slot->cap.type != K_NULL && !finalise(kernel, slot)) {
        struct k_slot *own = own_slots(kernel, slot);

        if (own == slot) {
            return;
        }
        k_swap(own, own->cap, slot, slot->cap);
    }
}

void k_delete(struct kernel *kernel, struct k_slot *slot)
{
    while (slot->cap.type != K_NULL && !finalise(kernel, slot)) {
        const struct k_cap was = slot->cap;

        delete_inside(kernel, &own_slots(kernel, slot)[was.data - 1]);
        if (slot->cap.type == K_ZOMBIE && slot->cap.base == was.base &&
            slot->cap.data == was.data) {
            slot->cap.data--;
        }
    }
}

void k_revoke(struct kernel *kernel, struct k_slot *slot)
{
    while (k_has_children(slot)) {
        k_delete(kernel, slot->next);
    }
}

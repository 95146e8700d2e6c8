/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The derivation tree, kept as the kernel keeps it: one doubly linked list in which every cap
 * stands after the cap that it was derived from. Who is whose child follows from the neighbours:
 *
 *   untyped U -> frame F (revocable) -> copy of F -> copy of F -> table T -> untyped V ...
 *      `-- children: everything up to the first cap outside of U's memory --'
 *
 * so "has children" and "is the last cap of its object" each look at one neighbour, and insert,
 * move and remove touch two.
 */
#include "kernel.h"

#include <stdlib.h>

bool k_is_parent(const struct k_slot *a, const struct k_slot *b)
{
    if (!(a->cap.tree & K_REVOCABLE) || !k_same_region(&a->cap, &b->cap)) {
        return false;
    }
    if ((a->cap.type == K_ENDPOINT || a->cap.type == K_NOTIFICATION) && a->cap.data != 0) {
        return a->cap.data == b->cap.data && !(b->cap.tree & K_FIRST_BADGED);
    }
    return true;
}

bool k_has_children(const struct k_slot *slot)
{
    return slot->next != NULL && k_is_parent(slot, slot->next);
}

bool k_is_final(const struct k_slot *slot)
{
    if (slot->prev != NULL && k_same_object(&slot->prev->cap, &slot->cap)) {
        return false;
    }
    return slot->next == NULL || !k_same_object(&slot->cap, &slot->next->cap);
}

static void link_after(struct k_slot *prev, struct k_slot *slot)
{
    slot->prev = prev;
    slot->next = prev->next;
    if (slot->next != NULL) {
        slot->next->prev = slot;
    }
    prev->next = slot;
}

/* The neighbours of a slot whose contents came from elsewhere. */
static void relink(struct k_slot *slot)
{
    if (slot->prev != NULL) {
        slot->prev->next = slot;
    }
    if (slot->next != NULL) {
        slot->next->prev = slot;
    }
}

void k_insert_child(struct k_slot *parent, struct k_slot *slot, struct k_cap cap)
{
    slot->cap = cap;
    slot->cap.tree = K_REVOCABLE | K_FIRST_BADGED;
    link_after(parent, slot);
}

/* Is a copy a parent in its own right? */
static bool copy_is_revocable(const struct k_cap *copy, const struct k_cap *from)
{
    switch (copy->type) {
    case K_UNTYPED:
        return true;
    case K_ENDPOINT:
    case K_NOTIFICATION:
        return copy->data != from->data;
    default:
        return false;
    }
}

void k_insert_copy(struct k_slot *from, struct k_slot *to, struct k_cap cap)
{
    bool revocable = copy_is_revocable(&cap, &from->cap);

    if (cap.type == K_UNTYPED) {
        from->cap.data = UINT64_C(1) << from->cap.bits; /* only the copy makes objects now */
    }
    to->cap = cap;
    to->cap.tree = revocable ? K_REVOCABLE | K_FIRST_BADGED : 0;
    link_after(from, to);
}

void k_move(struct k_slot *from, struct k_slot *to, struct k_cap cap)
{
    cap.tree = from->cap.tree;
    *to = *from;
    to->cap = cap;
    relink(to);
    *from = (struct k_slot){0};
}

/* Neighbours' links follow as the kernel's do, for slots that are each other's neighbours too. */
void k_swap(struct k_slot *a, struct k_cap a_cap, struct k_slot *b, struct k_cap b_cap)
{
    struct k_slot was_a = *a, was_b;

    if (was_a.prev != NULL) {
        was_a.prev->next = b;
    }
    if (was_a.next != NULL) {
        was_a.next->prev = b;
    }
    was_b = *b;
    b_cap.tree = was_b.cap.tree;
    a_cap.tree = was_a.cap.tree;
    *a = (struct k_slot){b_cap, was_b.prev, was_b.next};
    *b = (struct k_slot){a_cap, was_a.prev, was_a.next};
    relink(a);
}

void k_clear(struct k_slot *slot)
{
    if (slot->prev != NULL) {
        slot->prev->next = slot->next;
    }
    if (slot->next != NULL) {
        slot->next->prev = slot->prev;
        slot->next->cap.tree |= slot->cap.tree & K_FIRST_BADGED;
    }
    *slot = (struct k_slot){0};
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Untyped memory as binary trees, one a boot untyped:
 *
 *        [ split 2^28 ]                each node is an untyped cap; splitting one is one retype
 *        /            \                into two halves, joining them two deletes
 *   [ free 2^27 ]  [ split 2^27 ]
 *                   /         \
 *             [ taken 2^26 ] [ free 2^26 ]
 *
 * Halves are joined as soon as both are free, and the choice of a node looks at the present state
 * only (smallest that fits, then lowest address), so requests that net to nothing end where they
 * began.
 */
#include "env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t bit(unsigned n)
{
    return UINT64_C(1) << n;
}

static struct env_node *new_node(struct env_node *parent, seL4_CPtr cap, uint64_t paddr,
                                 unsigned bits)
{
    struct env_node *node = calloc(1, sizeof(*node));

    if (node != NULL) {
        *node = (struct env_node){.parent = parent, .cap = cap, .paddr = paddr,
                                  .bits = (uint8_t)bits, .free = bit(bits)};
    }
    return node;
}

int env_untypeds_add(struct env_untypeds *untypeds, seL4_CPtr cap, uint64_t paddr, unsigned bits,
                     bool device, bool device_ram)
{
    struct env_root root = {.device = device, .device_ram = device_ram};
    struct env_root *roots =
        realloc(untypeds->roots, (untypeds->count + 1) * sizeof(*untypeds->roots));
    unsigned at = untypeds->count;

    if (roots == NULL) {
        return -ENOMEM;
    }
    untypeds->roots = roots;
    root.node = new_node(NULL, cap, paddr, bits);
    if (root.node == NULL) {
        return -ENOMEM;
    }
    while (at > 0 && roots[at - 1].node->paddr > paddr) {
        roots[at] = roots[at - 1];
        at--;
    }
    roots[at] = root;
    untypeds->count++;
    untypeds->free_bytes += device ? 0 : bit(bits);
    return 0;
}

static void free_nodes(struct env_node *node)
{
    if (node->state == ENV_SPLIT) {
        free_nodes(node->child[0]);
        free_nodes(node->child[1]);
    }
    free(node);
}

void env_untypeds_destroy(struct env_untypeds *untypeds)
{
    for (unsigned k = 0; k < untypeds->count; k++) {
        free_nodes(untypeds->roots[k].node);
    }
    free(untypeds->roots);
    *untypeds = (struct env_untypeds){0};
}

/* What is free has changed in this node: tell those above. */
static void refresh(struct env_node *node)
{
    for (; node != NULL; node = node->parent) {
        node->free = node->state == ENV_FREE    ? bit(node->bits)
                     : node->state == ENV_TAKEN ? 0
                                                : node->child[0]->free | node->child[1]->free;
    }
}

static bool retype_halves(const struct env_node *node, seL4_CPtr first, seL4_CPtr second)
{
    unsigned bits = node->bits - 1u;

    if (second == first + 1) {
        return seL4_Untyped_Retype(node->cap, seL4_UntypedObject, bits, seL4_CapInitThreadCNode, 0,
                                   0, first, 2) == seL4_NoError;
    }
    if (seL4_Untyped_Retype(node->cap, seL4_UntypedObject, bits, seL4_CapInitThreadCNode, 0, 0,
                            first, 1) != seL4_NoError) {
        return false;
    }
    if (seL4_Untyped_Retype(node->cap, seL4_UntypedObject, bits, seL4_CapInitThreadCNode, 0, 0,
                            second, 1) != seL4_NoError) {
        seL4_CNode_Delete(seL4_CapInitThreadCNode, first, seL4_WordBits);
        return false;
    }
    return true;
}

static bool take_two_slots(struct env_slots *slots, seL4_CPtr *first, seL4_CPtr *second)
{
    *first = env_slot_take_pair(slots);
    *second = *first + 1;
    if (*first != 0) {
        return true;
    }
    *first = env_slot_take(slots);
    if (*first == 0) {
        return false;
    }
    *second = env_slot_take(slots);
    if (*second == 0) {
        env_slot_give(slots, *first);
        return false;
    }
    return true;
}

static bool split(struct env_untypeds *untypeds, struct env_node *node)
{
    seL4_CPtr first, second;

    if (!take_two_slots(untypeds->slots, &first, &second)) {
        return false;
    }
    node->child[0] = new_node(node, first, node->paddr, node->bits - 1u);
    node->child[1] = new_node(node, second, node->paddr + bit(node->bits - 1u), node->bits - 1u);
    if (node->child[0] == NULL || node->child[1] == NULL ||
        !retype_halves(node, first, second)) {
        free(node->child[0]);
        free(node->child[1]);
        env_slot_give(untypeds->slots, first);
        env_slot_give(untypeds->slots, second);
        return false;
    }
    node->state = ENV_SPLIT;
    return true;
}

static void drop_half(struct env_untypeds *untypeds, struct env_node *node)
{
    seL4_CNode_Delete(seL4_CapInitThreadCNode, node->cap, seL4_WordBits);
    env_slot_give(untypeds->slots, node->cap);
    free(node);
}

/* The node is free: join it with its other half, and so on upwards. */
static void join(struct env_untypeds *untypeds, struct env_node *node)
{
    struct env_node *up;

    while ((up = node->parent) != NULL && up->child[0]->state == ENV_FREE &&
           up->child[1]->state == ENV_FREE) {
        drop_half(untypeds, up->child[0]);
        drop_half(untypeds, up->child[1]);
        up->state = ENV_FREE;
        node = up;
    }
    refresh(node);
}

static void account(struct env_untypeds *untypeds, const struct env_node *node, bool taken)
{
    for (unsigned k = 0; k < untypeds->count; k++) {
        const struct env_node *root = untypeds->roots[k].node;

        if (node->paddr - root->paddr < bit(root->bits) && !untypeds->roots[k].device) {
            untypeds->free_bytes += taken ? -bit(node->bits) : bit(node->bits);
        }
    }
}

/* Split a free node down to the size, towards paddr; all or nothing. */
static struct env_node *carve(struct env_untypeds *untypeds, struct env_node *node, unsigned bits,
                              uint64_t paddr)
{
    while (node->bits > bits) {
        if (!split(untypeds, node)) {
            join(untypeds, node);
            return NULL;
        }
        node = node->child[paddr >= node->child[1]->paddr];
    }
    node->state = ENV_TAKEN;
    refresh(node);
    account(untypeds, node, true);
    return node;
}

static struct env_node *smallest_fit(const struct env_untypeds *untypeds, unsigned bits,
                                     bool device_ram)
{
    struct env_node *best = NULL;
    unsigned best_bits = 64;

    for (unsigned k = 0; k < untypeds->count; k++) {
        const struct env_root *root = &untypeds->roots[k];
        uint64_t fitting = root->node->free >> bits;

        if (root->device == device_ram && root->device_ram == device_ram && fitting != 0 &&
            bits + (unsigned)__builtin_ctzll(fitting) < best_bits) {
            best_bits = bits + (unsigned)__builtin_ctzll(fitting);
            best = root->node;
        }
    }
    while (best != NULL && best->state == ENV_SPLIT) {
        best = best->child[!(best->child[0]->free & bit(best_bits))];
    }
    return best;
}

struct env_node *env_untyped_take(struct env_untypeds *untypeds, unsigned bits, bool device_ram)
{
    struct env_node *node = smallest_fit(untypeds, bits, device_ram);

    return node == NULL ? NULL : carve(untypeds, node, bits, node->paddr);
}

static struct env_node *root_at(const struct env_untypeds *untypeds, uint64_t paddr, unsigned bits)
{
    for (unsigned k = 0; k < untypeds->count; k++) {
        struct env_node *root = untypeds->roots[k].node;

        if (bits <= root->bits && paddr - root->paddr <= bit(root->bits) - bit(bits)) {
            return root;
        }
    }
    return NULL;
}

struct env_node *env_untyped_take_at(struct env_untypeds *untypeds, unsigned bits, uint64_t paddr)
{
    struct env_node *node = root_at(untypeds, paddr, bits);

    while (node != NULL && node->state == ENV_SPLIT && node->bits > bits) {
        node = node->child[paddr >= node->child[1]->paddr];
    }
    if (node == NULL || node->state != ENV_FREE || (paddr & (bit(bits) - 1)) != 0) {
        return NULL;
    }
    return carve(untypeds, node, bits, paddr);
}

void env_untyped_give(struct env_untypeds *untypeds, struct env_node *node)
{
    account(untypeds, node, false);
    node->state = ENV_FREE;
    join(untypeds, node);
}

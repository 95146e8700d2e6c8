/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The caps' part of a snapshot: every list of the derivation tree is walked once, with the
 * ancestors of the present cap on a stack.
 */
#include "snapshot.h"

#include <stdlib.h>

struct cnode {
    const struct k_slot *slots;
    uint64_t base, count;
};

struct walk {
    struct guestmem_host *host;
    struct guestmem_host_snapshot *snapshot;
    struct cnode *cnodes;
    size_t cnode_count, cnode_room;
    const struct k_slot **ancestors;
    size_t depth, room;
};

/* Room for one more element, or the snapshot fails. */
static void *grow(struct walk *walk, void *array, size_t count, size_t *room, size_t size)
{
    void *larger;

    if (count < *room) {
        return array;
    }
    larger = realloc(array, (*room * 2 + 64) * size);
    if (larger == NULL) {
        walk->snapshot->failed = true;
        return array;
    }
    *room = *room * 2 + 64;
    return larger;
}

static void add_cnode(struct walk *walk, struct cnode cnode)
{
    for (size_t k = 0; k < walk->cnode_count; k++) {
        if (walk->cnodes[k].slots == cnode.slots) {
            return;
        }
    }
    walk->cnodes = grow(walk, walk->cnodes, walk->cnode_count, &walk->cnode_room, sizeof(cnode));
    if (!walk->snapshot->failed) {
        walk->cnodes[walk->cnode_count++] = cnode;
    }
}

/* The root, and every CNode that a cap in a known one leads to. */
static void find_cnodes(struct walk *walk)
{
    const struct kernel *kernel = walk->host->kernel;

    add_cnode(walk, (struct cnode){kernel->root, 0, kernel->root_high});
    for (size_t n = 0; n < walk->cnode_count; n++) {
        for (uint64_t k = 0; k < walk->cnodes[n].count; k++) {
            const struct k_cap *cap = &walk->cnodes[n].slots[k].cap;

            if (cap->type == K_CNODE && cap->base != K_BOOT_CNODE) {
                add_cnode(walk, (struct cnode){k_cnode_slots(kernel, cap), cap->base,
                                               UINT64_C(1) << cap->bits});
            }
        }
    }
}

static void place_of(const struct walk *walk, const struct k_slot *slot, uint64_t place[2])
{
    place[0] = place[1] = UINT64_MAX;
    for (size_t k = 0; k < walk->cnode_count; k++) {
        const struct cnode *cnode = &walk->cnodes[k];

        if (slot >= cnode->slots && slot < cnode->slots + cnode->count) {
            place[0] = cnode->base;
            place[1] = (uint64_t)(slot - cnode->slots);
            return;
        }
    }
}

/* Without children the watermark means nothing: the next retype starts from the base. */
static uint64_t data_of(const struct k_slot *slot)
{
    return slot->cap.type == K_UNTYPED && !k_has_children(slot) ? 0 : slot->cap.data;
}

static void add_cap(struct walk *walk, const struct k_slot *slot)
{
    const struct k_cap *cap = &slot->cap;
    struct env_record record = {.kind = ENV_RECORD_CAP};

    while (walk->depth > 0 && !k_is_parent(walk->ancestors[walk->depth - 1], slot)) {
        walk->depth--;
    }
    place_of(walk, slot, record.key);
    record.value[0] = (uint64_t)cap->type << 32 | (uint64_t)cap->bits << 24 |
                      (uint64_t)cap->rights << 16 | (uint64_t)cap->guard_bits << 8 |
                      (uint64_t)cap->device << 1 | cap->mapped;
    record.value[1] = cap->base;
    record.value[2] = data_of(slot);
    record.value[3] = cap->asid;
    record.value[4] = record.key[0] == 0 && env_slot_is_free(&walk->host->slots, record.key[1]);
    record.value[5] = record.value[6] = UINT64_MAX;
    if (walk->depth > 0) {
        place_of(walk, walk->ancestors[walk->depth - 1], &record.value[5]);
    }
    env_record_add(walk->snapshot, &record);
    walk->ancestors =
        grow(walk, walk->ancestors, walk->depth, &walk->room, sizeof(*walk->ancestors));
    if (!walk->snapshot->failed) {
        walk->ancestors[walk->depth++] = slot;
    }
}

static void add_empty_slots(struct walk *walk)
{
    const struct kernel *kernel = walk->host->kernel;
    const struct env_slots *slots = &walk->host->slots;

    for (uint64_t word = 0; word < slots->words; word++) {
        for (uint64_t taken = ~slots->levels[0][word]; taken != 0; taken &= taken - 1) {
            struct env_record record = {.kind = ENV_RECORD_SLOT};

            record.key[1] = word * 64 + (uint64_t)__builtin_ctzll(taken);
            if (kernel->root[record.key[1]].cap.type == K_NULL) {
                env_record_add(walk->snapshot, &record);
            }
        }
    }
}

void env_snapshot_caps(struct guestmem_host *host, struct guestmem_host_snapshot *snapshot)
{
    struct walk walk = {.host = host, .snapshot = snapshot};

    find_cnodes(&walk);
    for (size_t n = 0; n < walk.cnode_count; n++) {
        for (uint64_t k = 0; k < walk.cnodes[n].count; k++) {
            const struct k_slot *slot = &walk.cnodes[n].slots[k];

            if (slot->cap.type != K_NULL && slot->prev == NULL) {
                walk.depth = 0;
                for (; slot != NULL && !snapshot->failed; slot = slot->next) {
                    add_cap(&walk, slot);
                }
            }
        }
    }
    add_empty_slots(&walk);
    free(walk.cnodes);
    free(walk.ancestors);
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * ASIDs: pools of 512 numbers, each the name of a root. Caps of frames and tables remember the
 * number only, so after the root is gone they still say "mapped", and lead nowhere, until the
 * number is given again.
 */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

enum { IN_USE = 1 }; /* bit 0 of an entry; roots and pools are aligned to more */

static uint64_t *pool_entries(const struct kernel *kernel, uint64_t base)
{
    return base == K_BOOT_POOL ? kernel->boot_pool : k_phys(kernel, base);
}

static uint64_t *entry_of(const struct kernel *kernel, unsigned asid)
{
    uint64_t pool = kernel->pools[asid >> K_ASID_POOL_BITS];

    if (!(pool & IN_USE)) {
        return NULL;
    }
    return pool_entries(kernel, pool & ~(uint64_t)IN_USE) + (asid & ((1u << K_ASID_POOL_BITS) - 1));
}

bool k_asid_find(const struct kernel *kernel, unsigned asid, uint64_t *root)
{
    const uint64_t *entry = entry_of(kernel, asid);

    if (entry == NULL || !(*entry & IN_USE)) {
        return false;
    }
    *root = *entry & ~(uint64_t)IN_USE;
    return true;
}

seL4_Error k_space(struct kernel *kernel, const struct k_slot *slot, uint64_t *root)
{
    if (slot->cap.type != K_VSPACE || !slot->cap.mapped) {
        return k_invalid_capability(1);
    }
    if (!k_asid_find(kernel, slot->cap.asid, root)) {
        return k_invalid_root(false);
    }
    return *root == slot->cap.base ? seL4_NoError : k_invalid_capability(1);
}

void k_invalidate(struct kernel *kernel, unsigned asid, uint64_t vaddr, uint64_t bytes)
{
    for (const struct k_watch *watch = kernel->watches; watch != NULL; watch = watch->next) {
        if (watch->asid == asid) {
            watch->fn(watch->cookie, vaddr, bytes);
            return;
        }
    }
}

void k_watch_end(struct kernel *kernel, unsigned asid)
{
    for (struct k_watch **link = &kernel->watches; *link != NULL; link = &(*link)->next) {
        struct k_watch *watch = *link;

        if (watch->asid == asid) {
            *link = watch->next;
            free(watch);
            return;
        }
    }
}

void k_asid_delete(struct kernel *kernel, unsigned asid, uint64_t root)
{
    uint64_t *entry = entry_of(kernel, asid);

    if (entry != NULL && *entry == (root | IN_USE)) {
        *entry = 0;
        k_invalidate(kernel, asid, 0, kernel->user_top + 1);
        k_watch_end(kernel, asid);
    }
}

void k_asid_delete_pool(struct kernel *kernel, const struct k_cap *pool)
{
    uint64_t *slot = &kernel->pools[pool->data >> K_ASID_POOL_BITS];

    if (*slot != (pool->base | IN_USE)) {
        return;
    }
    *slot = 0;
    for (unsigned k = 0; k < 1u << K_ASID_POOL_BITS; k++) {
        k_invalidate(kernel, (unsigned)pool->data + k, 0, kernel->user_top + 1);
        k_watch_end(kernel, (unsigned)pool->data + k);
    }
}

static seL4_Error assign(struct kernel *kernel, const struct k_cap *pool, struct k_slot *space)
{
    const unsigned count = 1u << K_ASID_POOL_BITS;
    uint64_t *entries, in_use = kernel->pools[pool->data >> K_ASID_POOL_BITS];
    unsigned k = pool->data == 0 ? 1 : 0; /* ASID 0 means none */

    if (space->cap.type != K_VSPACE || space->cap.mapped) {
        return k_invalid_capability(1);
    }
    if (!(in_use & IN_USE)) {
        return k_invalid_root(false);
    }
    if (in_use != (pool->base | IN_USE)) {
        return k_invalid_capability(0);
    }
    entries = pool_entries(kernel, pool->base);
    while (k < count && entries[k] & IN_USE) {
        k++;
    }
    if (k == count) {
        return seL4_DeleteFirst;
    }
    entries[k] = space->cap.base | IN_USE;
    space->cap.asid = (uint16_t)(pool->data + k);
    space->cap.mapped = true;
    return seL4_NoError;
}

seL4_Error seL4_ARM_ASIDPool_Assign(seL4_ARM_ASIDPool _service, seL4_CPtr vspace)
{
    K_ALONE;
    seL4_Error err = seL4_NoError;
    struct k_slot *pool = k_invoke(_service, K_ASID_POOL, "ASIDPool_Assign", &err);
    struct k_slot *space = pool == NULL ? NULL : k_argument(vspace, &err);

    return space == NULL ? err : assign(k_current, &pool->cap, space);
}

static seL4_Error make_pool(struct kernel *kernel, struct k_slot *untyped, const struct k_cap *root,
                            seL4_Word index, seL4_Word depth)
{
    struct k_cap pool = {.type = K_ASID_POOL, .bits = seL4_ASIDPoolBits};
    struct k_slot *slot;
    unsigned k = 0;
    seL4_Error err;

    while (k < K_ASID_POOLS && kernel->pools[k] != 0) {
        k++;
    }
    if (k == K_ASID_POOLS) {
        return seL4_DeleteFirst;
    }
    if (untyped->cap.type != K_UNTYPED || untyped->cap.bits != seL4_ASIDPoolBits ||
        untyped->cap.device) {
        return k_invalid_capability(1);
    }
    if (k_has_children(untyped)) {
        return seL4_RevokeFirst;
    }
    err = k_lookup(kernel, root, index, depth, false, &slot);
    if (err != seL4_NoError) {
        return err;
    }
    if (slot->cap.type != K_NULL) {
        return seL4_DeleteFirst;
    }
    pool.base = untyped->cap.base;
    pool.data = (uint64_t)k << K_ASID_POOL_BITS;
    untyped->cap.data = UINT64_C(1) << untyped->cap.bits;
    k_memory_touched(kernel, pool.base, UINT64_C(1) << seL4_ASIDPoolBits);
    memset(k_phys(kernel, pool.base), 0, (size_t)1 << seL4_ASIDPoolBits);
    k_insert_copy(untyped, slot, pool);
    k_slot_used(kernel, slot);
    k_object_created(kernel, &pool, 1);
    kernel->pools[k] = pool.base | IN_USE;
    return seL4_NoError;
}

seL4_Error seL4_ARM_ASIDControl_MakePool(seL4_ARM_ASIDControl _service, seL4_Untyped untyped,
                                         seL4_CNode root, seL4_Word index, seL4_Uint8 depth)
{
    K_ALONE;
    seL4_Error err = seL4_NoError;
    struct k_slot *control = k_invoke(_service, K_ASID_CONTROL, NULL, &err);
    struct k_slot *memory = control == NULL ? NULL : k_argument(untyped, &err);
    struct k_slot *node = memory == NULL ? NULL : k_argument(root, &err);

    return node == NULL ? err : make_pool(k_current, memory, &node->cap, index, depth);
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Translation tables. A table's 512 entries of 8 bytes lie in the physical memory of its object;
 * the root has 1,024 where stage 2 has 40 bits. Entries are stored and read atomically: guest CPUs
 * walk them from other threads and signal handlers.
 *
 *   entry: address of frame or table | no-execute, cached, write, read, table, valid
 */
#include "kernel.h"

enum { INDEX_BITS = 9, PAGE_BITS = 12 };

unsigned k_root_bits(const struct kernel *kernel)
{
    return kernel->root_index_bits + seL4_VSpaceEntryBits;
}

uint64_t *k_table(const struct kernel *kernel, uint64_t base)
{
    return base == K_BOOT_VSPACE ? kernel->boot_root : k_phys(kernel, base);
}

static uint64_t load(const uint64_t *entry)
{
    return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

/* Down to the entry that decides, whatever it holds. */
struct k_walk k_walk(const struct kernel *kernel, uint64_t root, uint64_t vaddr)
{
    unsigned level = kernel->levels - 1;
    uint64_t mask = (UINT64_C(1) << kernel->root_index_bits) - 1;
    struct k_walk walk = {.bits = INDEX_BITS * level + PAGE_BITS};

    walk.entry = k_table(kernel, root) + (vaddr >> walk.bits & mask);
    while (level > 0 && load(walk.entry) & K_PTE_TABLE) {
        level--;
        walk.bits -= INDEX_BITS;
        walk.entry = k_table(kernel, load(walk.entry) & K_PTE_ADDRESS);
        walk.entry += vaddr >> walk.bits & ((1u << INDEX_BITS) - 1);
    }
    return walk;
}

/* Clear the entry that points to this table, where the way to it still stands. */
void k_table_unlink(struct kernel *kernel, const struct k_cap *table)
{
    uint64_t root, mask, base;
    uint64_t *entry = NULL;
    unsigned bits = INDEX_BITS * kernel->levels + PAGE_BITS;

    if (!k_asid_find(kernel, table->asid, &root)) {
        return;
    }
    base = root;
    mask = (UINT64_C(1) << kernel->root_index_bits) - 1;
    for (unsigned level = 1; level < kernel->levels && base != table->base; level++) {
        bits -= INDEX_BITS;
        entry = k_table(kernel, base) + (table->data >> bits & mask);
        if (!(load(entry) & K_PTE_TABLE)) {
            return;
        }
        base = load(entry) & K_PTE_ADDRESS;
        mask = (1u << INDEX_BITS) - 1;
    }
    if (base == table->base && entry != NULL) {
        __atomic_store_n(entry, 0, __ATOMIC_RELEASE);
        k_invalidate(kernel, table->asid, table->data, UINT64_C(1) << bits);
    }
}

static seL4_Error map_table(struct kernel *kernel, struct k_cap *table, const struct k_slot *space,
                            seL4_Word vaddr)
{
    struct k_walk walk;
    uint64_t root;
    seL4_Error err;

    if (table->mapped) {
        return k_invalid_capability(0);
    }
    if (space->cap.type != K_VSPACE || !space->cap.mapped) {
        return k_invalid_capability(1);
    }
    if (vaddr > kernel->user_top) {
        return k_invalid_argument(0);
    }
    err = k_space(kernel, space, &root);
    if (err != seL4_NoError) {
        return err;
    }
    walk = k_walk(kernel, root, vaddr);
    if (walk.bits == PAGE_BITS || load(walk.entry) & K_PTE_VALID) {
        return seL4_DeleteFirst;
    }
    table->mapped = true;
    table->asid = space->cap.asid;
    table->data = vaddr & ~((UINT64_C(1) << walk.bits) - 1);
    __atomic_store_n(walk.entry, table->base | K_PTE_TABLE | K_PTE_VALID, __ATOMIC_RELEASE);
    return seL4_NoError;
}

seL4_Error seL4_ARM_PageTable_Map(seL4_ARM_PageTable _service, seL4_CPtr vspace, seL4_Word vaddr,
                                  seL4_ARM_VMAttributes attr)
{
    K_ALONE;
    seL4_Error err = seL4_NoError;
    struct k_slot *slot = k_invoke(_service, K_TABLE, "PageTable_Map", &err);
    struct k_slot *space = slot == NULL ? NULL : k_argument(vspace, &err);

    (void)attr; /* entries of tables have none */
    return space == NULL ? err : map_table(k_current, &slot->cap, space, vaddr);
}

seL4_Error seL4_ARM_PageTable_Unmap(seL4_ARM_PageTable _service)
{
    K_ALONE;
    seL4_Error err = seL4_NoError;
    struct k_slot *slot = k_invoke(_service, K_TABLE, NULL, &err);

    if (slot == NULL) {
        return err;
    }
    if (!k_is_final(slot)) {
        return seL4_RevokeFirst;
    }
    if (slot->cap.mapped) {
        uint64_t *table = k_table(k_current, slot->cap.base);

        k_table_unlink(k_current, &slot->cap);
        for (unsigned k = 0; k < 1u << INDEX_BITS; k++) {
            __atomic_store_n(&table[k], 0, __ATOMIC_RELAXED);
        }
    }
    slot->cap.mapped = false;
    return seL4_NoError;
}

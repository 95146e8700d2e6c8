/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "composed.h"

#include <allocman/allocman.h>
#include <allocman/bootstrap.h>
#include <allocman/utspace/utspace.h>
#include <allocman/vka.h>
#include <vka/capops.h>
#include <vka/object.h>

#include "root.h"

static char pool[8 << 20];
static vka_object_t memory;

static seL4_Error boot_frame(uintptr_t paddr, uintptr_t base, unsigned bits, const cspacepath_t *first,
                             const cspacepath_t *path)
{
    cspacepath_t frame = *first;

    if (paddr < base || paddr - base >= 1ul << bits) {
        return seL4_FailedLookup;
    }
    frame.capPtr += (paddr - base) >> seL4_PageBits;
    return vka_cnode_copy(path, &frame, seL4_AllRights);
}

/* A copy of the cap of a boot frame: those are small ones. */
static seL4_Error frame_cap(void *data, void *paddr, int size_bits, cspacepath_t *path)
{
    seL4_Error error = seL4_FailedLookup;

    (void)data;
    if (size_bits == seL4_PageBits) {
        error = boot_frame((uintptr_t)paddr, ROOT_BOOT_DEVICE_PADDR, ROOT_DEVICE_BITS, &root.boot_device, path);
    }
    if (size_bits == seL4_PageBits && error != seL4_NoError) {
        error = boot_frame((uintptr_t)paddr, ROOT_BOOT_RAM_PADDR, ROOT_RAM_BITS, &root.boot_ram, path);
    }
    return error;
}

static allocman_t *start_allocator(unsigned ram_bits, unsigned slot_bits)
{
    size_t bits = ram_bits;
    uintptr_t paddr = vka_object_paddr(&root.vka, &memory);
    allocman_t *allocman = bootstrap_use_current_1level(
        simple_get_cnode(&root.simple), simple_get_cnode_size_bits(&root.simple), root.pool_slots,
        root.pool_slots + (1ul << slot_bits), sizeof(pool), pool);
    cspacepath_t path = root_path(memory.cptr);

    if (allocman == NULL || allocman_utspace_add_uts(allocman, 1, &path, &bits, &paddr, ALLOCMAN_UT_KERNEL) != 0) {
        return NULL;
    }
    return allocman;
}

const char *composed_start(unsigned ram_bits, unsigned slot_bits, vka_t *vka, simple_t *simple)
{
    allocman_t *allocman;

    slot_bits = slot_bits == 0 ? ROOT_POOL_SLOT_BITS : slot_bits;
    if (slot_bits > ROOT_POOL_SLOT_BITS) {
        return "too many slots for a composed system";
    }
    if (vka_alloc_untyped(&root.vka, ram_bits, &memory) != 0) {
        return "this machine has not as much memory";
    }
    allocman = start_allocator(ram_bits, slot_bits);
    if (allocman == NULL) {
        vka_free_object(&root.vka, &memory);
        return "the allocator of a composed system can't be brought up";
    }
    allocman_make_vka(vka, allocman);
    *simple = root.simple;
    simple->frame_cap = frame_cap;
    return NULL;
}

/* An untyped that has children can't be copied. */
bool composed_stop(void)
{
    cspacepath_t from = root_path(memory.cptr);
    cspacepath_t to = root_path(root.scratch);
    bool empty = vka_cnode_copy(&to, &from, seL4_AllRights) == seL4_NoError;

    vka_cnode_delete(&to);
    vka_cnode_revoke(&from);
    for (seL4_CPtr slot = 0; !empty && slot < 1ul << ROOT_POOL_SLOT_BITS; slot++) {
        cspacepath_t left = root_path(root.pool_slots + slot);

        vka_cnode_delete(&left);
    }
    vka_free_object(&root.vka, &memory);
    return empty;
}

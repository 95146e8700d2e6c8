/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The root task's allocator. Each object is made of an untyped of exactly its size, which a cookie
 * names, so that freeing one makes its memory, and only its memory, usable again.
 *
 * Misuse that a real system would lose memory by ends the program with a line that says what:
 * freeing a slot that holds a cap, or memory whose objects still live.
 */
#include "env.h"

static int cspace_alloc(void *data, seL4_CPtr *res)
{
    K_ALONE;
    struct guestmem_host *host = data;
    seL4_CPtr slot;

    if (env_refuse(GUESTMEM_HOST_FAIL_SLOT, "cspace_alloc")) {
        return -1;
    }
    slot = env_slot_take(&host->slots);
    if (slot == 0) {
        return -1;
    }
    host->slots.allocs++;
    *res = slot;
    return 0;
}

static void cspace_make_path(void *data, seL4_CPtr slot, cspacepath_t *res)
{
    (void)data;
    *res = (cspacepath_t){.capPtr = slot,
                          .capDepth = seL4_WordBits,
                          .root = seL4_CapInitThreadCNode,
                          .offset = slot,
                          .window = 1};
}

static void cspace_free(void *data, seL4_CPtr slot)
{
    K_ALONE;
    struct guestmem_host *host = data;

    if (slot >= host->slots.words * 64 || env_slot_is_free(&host->slots, slot)) {
        ZF_LOGF("cspace_free: slot %lu was not taken", slot);
    }
    if (host->kernel->root[slot].cap.type != K_NULL) {
        ZF_LOGF("cspace_free: slot %lu still holds a cap", slot);
    }
    env_slot_give(&host->slots, slot);
}

/* The object out of its untyped; on failure the untyped goes back. */
static int make_object(struct guestmem_host *host, struct env_node *node, const cspacepath_t *dest,
                       seL4_Word type, seL4_Word size_bits, seL4_Word *cookie)
{
    seL4_Error err;

    if (node == NULL) {
        return -1;
    }
    err = seL4_Untyped_Retype(node->cap, type, size_bits, dest->root, dest->dest, dest->destDepth,
                              dest->offset, 1);
    if (err != seL4_NoError) {
        env_untyped_give(&host->untypeds, node);
        return (int)err;
    }
    *cookie = (seL4_Word)(uintptr_t)node;
    return 0;
}

static bool is_device_type(seL4_Word type)
{
    return type == seL4_UntypedObject || type == seL4_ARM_SmallPageObject ||
           type == seL4_ARM_LargePageObject || type == seL4_ARM_HugePageObject;
}

/* Bits of memory that such an object takes; 0: there is no such object. */
static unsigned object_bits(const struct guestmem_host *host, seL4_Word type, seL4_Word size_bits)
{
    unsigned bits;

    if (type >= seL4_ObjectTypeCount || size_bits >= seL4_MaxUntypedBits) {
        return 0;
    }
    bits = k_object_bits(host->kernel, type, size_bits);
    return bits < seL4_MinUntypedBits || bits > seL4_MaxUntypedBits ? 0 : bits;
}

static int alloc_anywhere(struct guestmem_host *host, const cspacepath_t *dest, seL4_Word type,
                          seL4_Word size_bits, bool can_use_dev, seL4_Word *cookie)
{
    unsigned bits = object_bits(host, type, size_bits);
    struct env_node *node = NULL;

    if (bits == 0) {
        return -1;
    }
    if (can_use_dev && is_device_type(type)) {
        node = env_untyped_take(&host->untypeds, bits, true);
    }
    if (node == NULL) {
        node = env_untyped_take(&host->untypeds, bits, false);
    }
    return make_object(host, node, dest, type, size_bits, cookie);
}

static int utspace_alloc_maybe_device(void *data, const cspacepath_t *dest, seL4_Word type,
                                      seL4_Word size_bits, bool can_use_dev, seL4_Word *res)
{
    K_ALONE;
    struct guestmem_host *host = data;
    int err;

    if (env_refuse(GUESTMEM_HOST_FAIL_OBJECT, "utspace_alloc")) {
        return -1;
    }
    env_enter();
    err = alloc_anywhere(host, dest, type, size_bits, can_use_dev, res);
    env_leave();
    host->object_allocs += err == 0;
    return err;
}

static int utspace_alloc(void *data, const cspacepath_t *dest, seL4_Word type, seL4_Word size_bits,
                         seL4_Word *res)
{
    return utspace_alloc_maybe_device(data, dest, type, size_bits, false, res);
}

static int utspace_alloc_at(void *data, const cspacepath_t *dest, seL4_Word type,
                            seL4_Word size_bits, uintptr_t paddr, seL4_Word *cookie)
{
    K_ALONE;
    struct guestmem_host *host = data;
    unsigned bits = object_bits(host, type, size_bits);
    int err;

    if (env_refuse(GUESTMEM_HOST_FAIL_OBJECT, "utspace_alloc_at") || bits == 0) {
        return -1;
    }
    env_enter();
    err = make_object(host, env_untyped_take_at(&host->untypeds, bits, paddr), dest, type,
                      size_bits, cookie);
    env_leave();
    host->object_allocs += err == 0;
    return err;
}

static void utspace_free(void *data, seL4_Word type, seL4_Word size_bits, seL4_Word target)
{
    K_ALONE;
    struct guestmem_host *host = data;
    struct env_node *node = (struct env_node *)(uintptr_t)target;

    if (node->state != ENV_TAKEN || node->bits != object_bits(host, type, size_bits)) {
        ZF_LOGF("utspace_free: cookie %#lx is of no object of type %lu, %lu bits", target, type,
                size_bits);
    }
    if (k_has_children(&host->kernel->root[node->cap])) {
        ZF_LOGF("utspace_free: the object at %#lx still lives", node->paddr);
    }
    env_enter();
    env_untyped_give(&host->untypeds, node);
    env_leave();
}

static uintptr_t utspace_paddr(void *data, seL4_Word target, seL4_Word type, seL4_Word size_bits)
{
    const struct env_node *node = (const struct env_node *)(uintptr_t)target;

    (void)data;
    (void)type;
    (void)size_bits;
    return node == NULL ? VKA_NO_PADDR : node->paddr;
}

void env_vka_init(struct guestmem_host *host)
{
    host->vka = (vka_t){.data = host,
                        .cspace_alloc = cspace_alloc,
                        .cspace_make_path = cspace_make_path,
                        .utspace_alloc = utspace_alloc,
                        .utspace_alloc_maybe_device = utspace_alloc_maybe_device,
                        .utspace_alloc_at = utspace_alloc_at,
                        .cspace_free = cspace_free,
                        .utspace_free = utspace_free,
                        .utspace_paddr = utspace_paddr};
}

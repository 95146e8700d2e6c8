/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vka/capops.h>
#include <vka/object.h>

#include "gm_env.h"
#include "requests.h"
#include "root.h"

static int cspace_alloc(void *data, seL4_CPtr *slot)
{
    struct counted_vka *counted = data;
    int error;

    if (counted->fails && request_fails(GM_FAIL_SLOT, "cspace_alloc")) {
        return -1;
    }
    error = vka_cspace_alloc(counted->inner, slot);
    *counted->slots += error == 0;
    taken.slots += counted->fails && error == 0;
    return error;
}

static void cspace_free(void *data, seL4_CPtr slot)
{
    struct counted_vka *counted = data;

    vka_cspace_free(counted->inner, slot);
    --*counted->slots;
}

static void cspace_make_path(void *data, seL4_CPtr slot, cspacepath_t *path)
{
    vka_cspace_make_path(((struct counted_vka *)data)->inner, slot, path);
}

static uintptr_t utspace_paddr(void *data, seL4_Word target, seL4_Word type, seL4_Word size_bits)
{
    return vka_utspace_paddr(((struct counted_vka *)data)->inner, target, type, size_bits);
}

/* Whether an object counts as normal memory. */
static bool is_normal(struct counted_vka *counted, seL4_Word target, seL4_Word type, seL4_Word size_bits)
{
    uintptr_t paddr = utspace_paddr(counted, target, type, size_bits);

    return counted->normal_budget != UINT64_MAX &&
           (paddr < ROOT_RAM_PADDR || paddr >= ROOT_BOOT_RAM_PADDR + (1ul << ROOT_RAM_BITS));
}

/* Note an object, or give it back where it is more than may be had. */
static int note(struct counted_vka *counted, const cspacepath_t *dest, seL4_Word type, seL4_Word size_bits,
                seL4_Word target)
{
    uint64_t bytes = 1ul << vka_get_object_size(type, size_bits);

    if (is_normal(counted, target, type, size_bits)) {
        if (bytes > counted->normal_budget) {
            vka_cnode_delete(dest);
            vka_utspace_free(counted->inner, type, size_bits, target);
            return -1;
        }
        counted->normal_budget -= bytes;
    }
    ++*counted->objects;
    taken.objects += counted->fails;
    return 0;
}

static int utspace_alloc_maybe_device(void *data, const cspacepath_t *dest, seL4_Word type,
                                      seL4_Word size_bits, bool can_use_dev, seL4_Word *target)
{
    struct counted_vka *counted = data;
    bool device = can_use_dev && counted->device_ram;
    uint64_t bytes = 1ul << vka_get_object_size(type, size_bits);
    int error;

    if (counted->fails && request_fails(GM_FAIL_OBJECT, "utspace_alloc")) {
        return -1;
    }
    if (!device && bytes > counted->normal_budget) {
        return -1;
    }
    error = vka_utspace_alloc_maybe_device(counted->inner, dest, type, size_bits, device, target);
    return error != 0 ? error : note(counted, dest, type, size_bits, *target);
}

static int utspace_alloc(void *data, const cspacepath_t *dest, seL4_Word type, seL4_Word size_bits,
                         seL4_Word *target)
{
    return utspace_alloc_maybe_device(data, dest, type, size_bits, false, target);
}

static int utspace_alloc_at(void *data, const cspacepath_t *dest, seL4_Word type, seL4_Word size_bits,
                            uintptr_t paddr, seL4_Word *target)
{
    struct counted_vka *counted = data;
    int error;

    if (counted->fails && request_fails(GM_FAIL_OBJECT, "utspace_alloc_at")) {
        return -1;
    }
    error = vka_utspace_alloc_at(counted->inner, dest, type, size_bits, paddr, target);
    return error != 0 ? error : note(counted, dest, type, size_bits, *target);
}

static void utspace_free(void *data, seL4_Word type, seL4_Word size_bits, seL4_Word target)
{
    struct counted_vka *counted = data;

    if (is_normal(counted, target, type, size_bits)) {
        counted->normal_budget += 1ul << vka_get_object_size(type, size_bits);
    }
    vka_utspace_free(counted->inner, type, size_bits, target);
    --*counted->objects;
}

void counted_vka_start(struct counted_vka *counted, vka_t *inner, uint64_t *slots, uint64_t *objects)
{
    *counted = (struct counted_vka){
        .vka = {.data = counted,
                .cspace_alloc = cspace_alloc,
                .cspace_make_path = cspace_make_path,
                .utspace_alloc = utspace_alloc,
                .utspace_alloc_maybe_device = utspace_alloc_maybe_device,
                .utspace_alloc_at = utspace_alloc_at,
                .cspace_free = cspace_free,
                .utspace_free = utspace_free,
                .utspace_paddr = utspace_paddr},
        .inner = inner,
        .slots = slots,
        .objects = objects,
        .normal_budget = UINT64_MAX,
    };
}

/* -------------------------------------------------------------------------------------- malloc */

static int count_malloc(void *cookie, size_t size, void **block)
{
    (void)cookie;
    if (request_fails(GM_FAIL_MALLOC, "malloc")) {
        return ENOMEM;
    }
    *block = malloc(size);
    if (*block == NULL) {
        return ENOMEM;
    }
    held.heap_blocks++;
    taken.heap_blocks++;
    held.heap_bytes += size;
    return 0;
}

static int count_calloc(void *cookie, size_t count, size_t size, void **block)
{
    int error = count_malloc(cookie, count * size, block);

    if (error == 0) {
        memset(*block, 0, count * size);
    }
    return error;
}

static int count_free(void *cookie, size_t size, void *block)
{
    (void)cookie;
    free(block);
    held.heap_blocks--;
    held.heap_bytes -= size;
    return 0;
}

void counted_malloc_start(ps_malloc_ops_t *ops)
{
    *ops = (ps_malloc_ops_t){.malloc = count_malloc, .calloc = count_calloc, .free = count_free};
}

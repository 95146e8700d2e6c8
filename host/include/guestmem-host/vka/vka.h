/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The allocator's interface: slots of the CSpace, and objects made from untyped memory into slots.
 * Every function of the table is set by the host environment. Results: 0, or an error; on error
 * nothing was taken. The wrappers answer -1 for what is missing.
 */
#pragma once

#include <autoconf.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <sel4/sel4.h>
#include <utils/util.h>
#include <vka/cspacepath_t.h>

/* Answer of vka_utspace_paddr where there is none; as an argument: any address. */
#define VKA_NO_PADDR 1

typedef int (*vka_cspace_alloc_fn)(void *data, seL4_CPtr *res);
typedef void (*vka_cspace_make_path_fn)(void *data, seL4_CPtr slot, cspacepath_t *res);
typedef void (*vka_cspace_free_fn)(void *data, seL4_CPtr slot);
/* An object into the empty slot at dest; *res: the cookie that free and paddr need. */
typedef int (*vka_utspace_alloc_fn)(void *data, const cspacepath_t *dest, seL4_Word type,
                                    seL4_Word size_bits, seL4_Word *res);
typedef int (*vka_utspace_alloc_at_fn)(void *data, const cspacepath_t *dest, seL4_Word type,
                                       seL4_Word size_bits, uintptr_t paddr, seL4_Word *cookie);
typedef int (*vka_utspace_alloc_maybe_device_fn)(void *data, const cspacepath_t *dest,
                                                 seL4_Word type, seL4_Word size_bits,
                                                 bool can_use_dev, seL4_Word *res);
/* The object's caps are gone already: whoever frees deleted them. */
typedef void (*vka_utspace_free_fn)(void *data, seL4_Word type, seL4_Word size_bits,
                                    seL4_Word target);
typedef uintptr_t (*vka_utspace_paddr_fn)(void *data, seL4_Word target, seL4_Word type,
                                          seL4_Word size_bits);

typedef struct vka {
    void *data;
    vka_cspace_alloc_fn cspace_alloc;
    vka_cspace_make_path_fn cspace_make_path;
    vka_utspace_alloc_fn utspace_alloc;
    vka_utspace_alloc_maybe_device_fn utspace_alloc_maybe_device;
    vka_utspace_alloc_at_fn utspace_alloc_at;
    vka_cspace_free_fn cspace_free;
    vka_utspace_free_fn utspace_free;
    vka_utspace_paddr_fn utspace_paddr;
} vka_t;

static inline int vka_cspace_alloc(vka_t *vka, seL4_CPtr *res)
{
    if (vka == NULL || res == NULL || vka->cspace_alloc == NULL) {
        return -1;
    }
    return vka->cspace_alloc(vka->data, res);
}

static inline void vka_cspace_make_path(vka_t *vka, seL4_CPtr slot, cspacepath_t *res)
{
    ZF_LOGF_IF(vka == NULL || res == NULL || vka->cspace_make_path == NULL, "no vka or no result");
    vka->cspace_make_path(vka->data, slot, res);
}

static inline int vka_cspace_alloc_path(vka_t *vka, cspacepath_t *res)
{
    seL4_CPtr slot;
    int error = vka_cspace_alloc(vka, &slot);

    if (error == 0) {
        vka_cspace_make_path(vka, slot, res);
    }
    return error;
}

static inline void vka_cspace_free(vka_t *vka, seL4_CPtr slot)
{
    if (vka != NULL && vka->cspace_free != NULL) {
        vka->cspace_free(vka->data, slot);
    }
}

static inline void vka_cspace_free_path(vka_t *vka, cspacepath_t path)
{
    vka_cspace_free(vka, path.capPtr);
}

static inline int vka_utspace_alloc(vka_t *vka, const cspacepath_t *dest, seL4_Word type,
                                    seL4_Word size_bits, seL4_Word *res)
{
    if (vka == NULL || res == NULL || vka->utspace_alloc == NULL) {
        return -1;
    }
    return vka->utspace_alloc(vka->data, dest, type, size_bits, res);
}

static inline int vka_utspace_alloc_maybe_device(vka_t *vka, const cspacepath_t *dest,
                                                 seL4_Word type, seL4_Word size_bits,
                                                 bool can_use_dev, seL4_Word *res)
{
    if (vka == NULL || res == NULL || vka->utspace_alloc_maybe_device == NULL) {
        return -1;
    }
    return vka->utspace_alloc_maybe_device(vka->data, dest, type, size_bits, can_use_dev, res);
}

static inline int vka_utspace_alloc_at(vka_t *vka, const cspacepath_t *dest, seL4_Word type,
                                       seL4_Word size_bits, uintptr_t paddr, seL4_Word *cookie)
{
    if (vka == NULL || cookie == NULL || vka->utspace_alloc_at == NULL) {
        return -1;
    }
    return vka->utspace_alloc_at(vka->data, dest, type, size_bits, paddr, cookie);
}

static inline void vka_utspace_free(vka_t *vka, seL4_Word type, seL4_Word size_bits,
                                    seL4_Word target)
{
    if (vka != NULL && vka->utspace_free != NULL) {
        vka->utspace_free(vka->data, type, size_bits, target);
    }
}

static inline uintptr_t vka_utspace_paddr(vka_t *vka, seL4_Word target, seL4_Word type,
                                          seL4_Word size_bits)
{
    if (vka == NULL || vka->utspace_paddr == NULL) {
        return VKA_NO_PADDR;
    }
    return vka->utspace_paddr(vka->data, target, type, size_bits);
}

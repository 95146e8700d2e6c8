/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Objects of each kind from a vka: taken with their slot, given back with it.
 */
#pragma once

#include <string.h>

#include <utils/util.h>
#include <vka/kobject_t.h>
#include <vka/vka.h>

/* An object with the slot of its cap, the allocator's cookie, and what was asked for. */
typedef struct vka_object {
    seL4_CPtr cptr;
    seL4_Word ut;
    seL4_Word type;
    seL4_Word size_bits;
} vka_object_t;

/* On failure *result is all zero and nothing was taken. */
static inline int vka_alloc_object_at_maybe_dev(vka_t *vka, seL4_Word type, seL4_Word size_bits,
                                                uintptr_t paddr, bool can_use_dev,
                                                vka_object_t *result)
{
    cspacepath_t path;
    seL4_CPtr slot;
    seL4_Word cookie = 0;
    int error = -1;

    memset(result, 0, sizeof(*result));
    if (type >= seL4_ObjectTypeCount || vka_cspace_alloc(vka, &slot) != 0) {
        return error;
    }
    vka_cspace_make_path(vka, slot, &path);
    if (paddr == VKA_NO_PADDR) {
        error = vka_utspace_alloc_maybe_device(vka, &path, type, size_bits, can_use_dev, &cookie);
    } else {
        error = vka_utspace_alloc_at(vka, &path, type, size_bits, paddr, &cookie);
    }
    if (error != 0) {
        vka_cspace_free(vka, slot);
        return error;
    }
    result->cptr = slot;
    result->ut = cookie;
    result->type = type;
    result->size_bits = size_bits;
    return 0;
}

static inline int vka_alloc_object_at(vka_t *vka, seL4_Word type, seL4_Word size_bits,
                                      uintptr_t paddr, vka_object_t *result)
{
    return vka_alloc_object_at_maybe_dev(vka, type, size_bits, paddr, false, result);
}

static inline int vka_alloc_object(vka_t *vka, seL4_Word type, seL4_Word size_bits,
                                   vka_object_t *result)
{
    return vka_alloc_object_at(vka, type, size_bits, VKA_NO_PADDR, result);
}

/* The cap's slot alone, 0 on failure: nobody can give such an object back. */
static inline seL4_CPtr vka_alloc_object_leaky(vka_t *vka, seL4_Word type, seL4_Word size_bits)
{
    vka_object_t result;

    return vka_alloc_object(vka, type, size_bits, &result) == 0 ? result.cptr : 0;
}

/* Deletes the object's own cap; copies elsewhere are their owner's to delete first. */
static inline void vka_free_object(vka_t *vka, vka_object_t *object)
{
    cspacepath_t path;

    vka_cspace_make_path(vka, object->cptr, &path);
    if (path.capPtr == 0) {
        ZF_LOGE("an object without a slot can't be freed");
        return;
    }
    seL4_CNode_Delete(path.root, path.capPtr, (seL4_Uint8)path.capDepth);
    vka_cspace_free(vka, object->cptr);
    vka_utspace_free(vka, object->type, object->size_bits, object->ut);
}

static inline uintptr_t vka_object_paddr(vka_t *vka, vka_object_t *object)
{
    return vka_utspace_paddr(vka, object->ut, object->type, object->size_bits);
}

static inline int vka_alloc_tcb(vka_t *vka, vka_object_t *result)
{
    return vka_alloc_object(vka, seL4_TCBObject, seL4_TCBBits, result);
}

static inline seL4_CPtr vka_alloc_tcb_leaky(vka_t *vka)
{
    return vka_alloc_object_leaky(vka, seL4_TCBObject, seL4_TCBBits);
}

static inline int vka_alloc_endpoint(vka_t *vka, vka_object_t *result)
{
    return vka_alloc_object(vka, seL4_EndpointObject, seL4_EndpointBits, result);
}

static inline seL4_CPtr vka_alloc_endpoint_leaky(vka_t *vka)
{
    return vka_alloc_object_leaky(vka, seL4_EndpointObject, seL4_EndpointBits);
}

static inline int vka_alloc_notification(vka_t *vka, vka_object_t *result)
{
    return vka_alloc_object(vka, seL4_NotificationObject, seL4_NotificationBits, result);
}

static inline seL4_CPtr vka_alloc_notification_leaky(vka_t *vka)
{
    return vka_alloc_object_leaky(vka, seL4_NotificationObject, seL4_NotificationBits);
}

static inline int vka_alloc_page_directory(vka_t *vka, vka_object_t *result)
{
    return vka_alloc_object(vka, seL4_ARM_PageTableObject, seL4_PageTableBits, result);
}

static inline seL4_CPtr vka_alloc_page_directory_leaky(vka_t *vka)
{
    return vka_alloc_object_leaky(vka, seL4_ARM_PageTableObject, seL4_PageTableBits);
}

static inline int vka_alloc_page_table(vka_t *vka, vka_object_t *result)
{
    return vka_alloc_object(vka, seL4_ARM_PageTableObject, seL4_PageTableBits, result);
}

static inline seL4_CPtr vka_alloc_page_table_leaky(vka_t *vka)
{
    return vka_alloc_object_leaky(vka, seL4_ARM_PageTableObject, seL4_PageTableBits);
}

static inline int vka_alloc_vcpu(vka_t *vka, vka_object_t *result)
{
    return vka_alloc_object(vka, seL4_ARM_VCPUObject, seL4_ARM_VCPUBits, result);
}

static inline seL4_CPtr vka_alloc_vcpu_leaky(vka_t *vka)
{
    return vka_alloc_object_leaky(vka, seL4_ARM_VCPUObject, seL4_ARM_VCPUBits);
}

static inline int vka_alloc_vspace_root(vka_t *vka, vka_object_t *result)
{
    return vka_alloc_object(vka, seL4_ARM_VSpaceObject, seL4_VSpaceBits, result);
}

static inline seL4_CPtr vka_alloc_vspace_root_leaky(vka_t *vka)
{
    return vka_alloc_object_leaky(vka, seL4_ARM_VSpaceObject, seL4_VSpaceBits);
}

static inline int vka_alloc_untyped(vka_t *vka, uint32_t size_bits, vka_object_t *result)
{
    return vka_alloc_object(vka, seL4_UntypedObject, size_bits, result);
}

static inline seL4_CPtr vka_alloc_untyped_leaky(vka_t *vka, uint32_t size_bits)
{
    return vka_alloc_object_leaky(vka, seL4_UntypedObject, size_bits);
}

static inline int vka_alloc_cnode_object(vka_t *vka, uint32_t size_bits, vka_object_t *result)
{
    return vka_alloc_object(vka, seL4_CapTableObject, size_bits, result);
}

static inline seL4_CPtr vka_alloc_cnode_object_leaky(vka_t *vka, uint32_t size_bits)
{
    return vka_alloc_object_leaky(vka, seL4_CapTableObject, size_bits);
}

static inline int vka_alloc_untyped_at(vka_t *vka, uint32_t size_bits, uintptr_t paddr,
                                       vka_object_t *result)
{
    return vka_alloc_object_at(vka, seL4_UntypedObject, size_bits, paddr, result);
}

static inline int vka_alloc_frame(vka_t *vka, uint32_t size_bits, vka_object_t *result)
{
    return vka_alloc_object(vka, kobject_get_type(KOBJECT_FRAME, size_bits), size_bits, result);
}

static inline seL4_CPtr vka_alloc_frame_leaky(vka_t *vka, uint32_t size_bits)
{
    return vka_alloc_object_leaky(vka, kobject_get_type(KOBJECT_FRAME, size_bits), size_bits);
}

static inline int vka_alloc_frame_maybe_device(vka_t *vka, uint32_t size_bits, bool can_use_dev,
                                               vka_object_t *result)
{
    return vka_alloc_object_at_maybe_dev(vka, kobject_get_type(KOBJECT_FRAME, size_bits), size_bits,
                                         VKA_NO_PADDR, can_use_dev, result);
}

static inline int vka_alloc_frame_at(vka_t *vka, uint32_t size_bits, uintptr_t paddr,
                                     vka_object_t *result)
{
    return vka_alloc_object_at(vka, kobject_get_type(KOBJECT_FRAME, size_bits), size_bits, paddr,
                               result);
}

static inline int vka_alloc_kobject(vka_t *vka, kobject_t type, seL4_Word size_bits,
                                    vka_object_t *result)
{
    return vka_alloc_object(vka, kobject_get_type(type, size_bits), size_bits, result);
}

/* Bits of untyped memory that an object of this type takes. */
static inline unsigned long vka_get_object_size(seL4_Word objectType, seL4_Word objectSize)
{
    switch (objectType) {
    case seL4_UntypedObject:
        return objectSize;
    case seL4_TCBObject:
        return seL4_TCBBits;
    case seL4_EndpointObject:
        return seL4_EndpointBits;
    case seL4_NotificationObject:
        return seL4_NotificationBits;
    case seL4_CapTableObject:
        return seL4_SlotBits + objectSize;
    case seL4_ARM_SmallPageObject:
        return seL4_PageBits;
    case seL4_ARM_LargePageObject:
        return seL4_LargePageBits;
    case seL4_ARM_HugePageObject:
        return seL4_HugePageBits;
    case seL4_ARM_PageTableObject:
        return seL4_PageTableBits;
    case seL4_ARM_VSpaceObject:
        return seL4_VSpaceBits;
    case seL4_ARM_VCPUObject:
        return seL4_ARM_VCPUBits;
    default:
        return (unsigned long)-1;
    }
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Invocations on slots given by their paths.
 */
#pragma once

#include <vka/cspacepath_t.h>
#include <vka/object.h>

static inline int vka_cnode_copy(const cspacepath_t *dest, const cspacepath_t *src,
                                 seL4_CapRights_t rights)
{
    return (int)seL4_CNode_Copy(dest->root, dest->capPtr, (seL4_Uint8)dest->capDepth, src->root,
                                src->capPtr, (seL4_Uint8)src->capDepth, rights);
}

static inline int vka_cnode_mint(const cspacepath_t *dest, const cspacepath_t *src,
                                 seL4_CapRights_t rights, seL4_Word badge)
{
    return (int)seL4_CNode_Mint(dest->root, dest->capPtr, (seL4_Uint8)dest->capDepth, src->root,
                                src->capPtr, (seL4_Uint8)src->capDepth, rights, badge);
}

static inline int vka_cnode_move(const cspacepath_t *dest, const cspacepath_t *src)
{
    return (int)seL4_CNode_Move(dest->root, dest->capPtr, (seL4_Uint8)dest->capDepth, src->root,
                                src->capPtr, (seL4_Uint8)src->capDepth);
}

static inline int vka_cnode_mutate(const cspacepath_t *dest, const cspacepath_t *src,
                                   seL4_Word badge)
{
    return (int)seL4_CNode_Mutate(dest->root, dest->capPtr, (seL4_Uint8)dest->capDepth, src->root,
                                  src->capPtr, (seL4_Uint8)src->capDepth, badge);
}

static inline int vka_cnode_rotate(const cspacepath_t *dest, seL4_Word dest_badge,
                                   const cspacepath_t *pivot, seL4_Word pivot_badge,
                                   const cspacepath_t *src)
{
    return (int)seL4_CNode_Rotate(dest->root, dest->capPtr, (seL4_Uint8)dest->capDepth, dest_badge,
                                  pivot->root, pivot->capPtr, (seL4_Uint8)pivot->capDepth,
                                  pivot_badge, src->root, src->capPtr, (seL4_Uint8)src->capDepth);
}

static inline int vka_cnode_delete(const cspacepath_t *src)
{
    return (int)seL4_CNode_Delete(src->root, src->capPtr, (seL4_Uint8)src->capDepth);
}

static inline int vka_cnode_revoke(const cspacepath_t *src)
{
    return (int)seL4_CNode_Revoke(src->root, src->capPtr, (seL4_Uint8)src->capDepth);
}

static inline int vka_cnode_cancelBadgedSends(const cspacepath_t *src)
{
    return (int)seL4_CNode_CancelBadgedSends(src->root, src->capPtr, (seL4_Uint8)src->capDepth);
}

static inline int vka_cnode_saveCaller(const cspacepath_t *src)
{
    return (int)seL4_CNode_SaveCaller(src->root, src->capPtr, (seL4_Uint8)src->capDepth);
}

/* num_objects objects into the slots from dest on. */
static inline int vka_untyped_retype(vka_object_t *untyped, int type, int size_bits,
                                     int num_objects, const cspacepath_t *dest)
{
    return (int)seL4_Untyped_Retype(
        untyped->cptr, (seL4_Word)type, vka_get_object_size((seL4_Word)type, (seL4_Word)size_bits),
        dest->root, dest->dest, dest->destDepth, dest->offset, (seL4_Word)num_objects);
}

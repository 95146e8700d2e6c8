/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Calls through a simple's table, which answer an error where a function is missing. Included by
 * simple/simple.h, at its end.
 */
#pragma once

#include <simple/simple.h>

static inline seL4_Error simple_get_frame_cap(simple_t *simple, void *paddr, int size_bits,
                                              cspacepath_t *path)
{
    if (simple == NULL || simple->frame_cap == NULL) {
        return seL4_InvalidArgument;
    }
    return simple->frame_cap(simple->data, paddr, size_bits, path);
}

static inline void *simple_get_frame_vaddr(simple_t *simple, void *paddr, int size_bits)
{
    if (simple == NULL || simple->frame_mapping == NULL) {
        return NULL;
    }
    return simple->frame_mapping(simple->data, paddr, size_bits);
}

static inline void *simple_get_frame_info(simple_t *simple, void *paddr, int size_bits,
                                          seL4_CPtr *cap, seL4_Word *ut_offset)
{
    if (simple == NULL || simple->frame_info == NULL) {
        return NULL;
    }
    return simple->frame_info(simple->data, paddr, size_bits, cap, ut_offset);
}

static inline seL4_Error simple_ASIDPool_assign(simple_t *simple, seL4_CPtr vspace)
{
    if (simple == NULL || simple->ASID_assign == NULL) {
        return seL4_InvalidArgument;
    }
    return simple->ASID_assign(simple->data, vspace);
}

static inline int simple_get_cap_count(simple_t *simple)
{
    if (simple == NULL || simple->cap_count == NULL) {
        return -1;
    }
    return simple->cap_count(simple->data);
}

static inline seL4_CPtr simple_get_nth_cap(simple_t *simple, int n)
{
    if (simple == NULL || simple->nth_cap == NULL) {
        return seL4_CapNull;
    }
    return simple->nth_cap(simple->data, n);
}

static inline seL4_CPtr simple_init_cap(simple_t *simple, seL4_CPtr cap)
{
    if (simple == NULL || simple->init_cap == NULL) {
        return seL4_CapNull;
    }
    return simple->init_cap(simple->data, cap);
}

static inline int simple_get_cnode_size_bits(simple_t *simple)
{
    if (simple == NULL || simple->cnode_size == NULL) {
        return -1;
    }
    return simple->cnode_size(simple->data);
}

static inline int simple_get_untyped_count(simple_t *simple)
{
    if (simple == NULL || simple->untyped_count == NULL) {
        return -1;
    }
    return simple->untyped_count(simple->data);
}

static inline seL4_CPtr simple_get_nth_untyped(simple_t *simple, int n, size_t *size_bits,
                                               uintptr_t *paddr, bool *device)
{
    if (simple == NULL || simple->nth_untyped == NULL) {
        return seL4_CapNull;
    }
    return simple->nth_untyped(simple->data, n, size_bits, paddr, device);
}

static inline int simple_get_userimage_count(simple_t *simple)
{
    if (simple == NULL || simple->userimage_count == NULL) {
        return -1;
    }
    return simple->userimage_count(simple->data);
}

static inline seL4_CPtr simple_get_nth_userimage(simple_t *simple, int n)
{
    if (simple == NULL || simple->nth_userimage == NULL) {
        return seL4_CapNull;
    }
    return simple->nth_userimage(simple->data, n);
}

static inline int simple_get_core_count(simple_t *simple)
{
    if (simple == NULL || simple->core_count == NULL) {
        return -1;
    }
    return simple->core_count(simple->data);
}

static inline void simple_print(simple_t *simple)
{
    if (simple != NULL && simple->print != NULL) {
        simple->print(simple->data);
    }
}

static inline seL4_CPtr simple_get_sched_ctrl(simple_t *simple, int core)
{
    if (simple == NULL || simple->sched_ctrl == NULL) {
        return seL4_CapNull;
    }
    return simple->sched_ctrl(simple->data, core);
}

static inline ssize_t simple_get_extended_bootinfo_length(simple_t *simple, seL4_Word type)
{
    if (simple == NULL || simple->extended_bootinfo_len == NULL) {
        return -1;
    }
    return simple->extended_bootinfo_len(simple->data, type);
}

static inline ssize_t simple_get_extended_bootinfo(simple_t *simple, seL4_Word type, void *dest,
                                                   ssize_t max_len)
{
    if (simple == NULL || simple->extended_bootinfo == NULL) {
        return -1;
    }
    return simple->extended_bootinfo(simple->data, type, dest, max_len);
}

static inline seL4_CPtr simple_get_cnode(simple_t *simple)
{
    return simple_init_cap(simple, seL4_CapInitThreadCNode);
}

static inline seL4_CPtr simple_get_tcb(simple_t *simple)
{
    return simple_init_cap(simple, seL4_CapInitThreadTCB);
}

static inline seL4_CPtr simple_get_pd(simple_t *simple)
{
    return simple_init_cap(simple, seL4_CapInitThreadVSpace);
}

static inline seL4_CPtr simple_get_irq_ctrl(simple_t *simple)
{
    return simple_init_cap(simple, seL4_CapIRQControl);
}

static inline seL4_CPtr simple_get_init_cap(simple_t *simple, seL4_CPtr cap)
{
    return simple_init_cap(simple, cap);
}

static inline seL4_Error simple_get_IRQ_handler(simple_t *simple, int irq, cspacepath_t path)
{
    if (simple == NULL || simple->arch_simple.irq == NULL) {
        return seL4_InvalidArgument;
    }
    return simple->arch_simple.irq(simple->data, irq, path.root, path.capPtr,
                                   (uint8_t)path.capDepth);
}

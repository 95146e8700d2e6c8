/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * What a root task was given at boot, whatever gave it: first caps, untypeds, frames by address.
 * The wrappers answer an error where a function is missing.
 */
#pragma once

#include <autoconf.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sel4/sel4.h>
#include <simple/arch/simple.h>
#include <utils/util.h>
#include <vka/cspacepath_t.h>

#define SIMPLE_NUM_INIT_CAPS (seL4_NumInitialCaps - SIMPLE_SKIPPED_INIT_CAPS)

/* A cap to the frame at a physical address, into the empty slot at path. */
typedef seL4_Error (*simple_get_frame_cap_fn)(void *data, void *paddr, int size_bits,
                                              cspacepath_t *path);
/* Where such a frame is mapped already, or NULL. */
typedef void *(*simple_get_frame_mapping_fn)(void *data, void *paddr, int size_bits);
/* The untyped that covers a physical address, and the offset in it. */
typedef void *(*simple_get_frame_info_fn)(void *data, void *paddr, int size_bits, seL4_CPtr *cap,
                                          seL4_Word *ut_offset);
/* Gives a VSpace root an ASID of the root task's own pool. */
typedef seL4_Error (*simple_ASIDPool_assign_fn)(void *data, seL4_CPtr vspace);
/* Caps that nth_cap knows. */
typedef int (*simple_get_cap_count_fn)(void *data);
/* The n-th of them, from 0. */
typedef seL4_CPtr (*simple_get_nth_cap_fn)(void *data, int n);
/* One of enum seL4_RootCNodeCapSlots. */
typedef seL4_CPtr (*simple_get_init_cap_fn)(void *data, seL4_CPtr cap);
/* Slots of the root CNode, in bits. */
typedef uint8_t (*simple_get_cnode_size_fn)(void *data);
/* Untypeds that the root task was given at boot. */
typedef int (*simple_get_untyped_count_fn)(void *data);
/* The n-th of them, from 0, with its size, address and device flag (each may be NULL). */
typedef seL4_CPtr (*simple_get_nth_untyped_fn)(void *data, int n, size_t *size_bits,
                                               uintptr_t *paddr, bool *device);
/* Frames of the program itself: none on the host. */
typedef int (*simple_get_userimage_count_fn)(void *data);
/* The n-th of them. */
typedef seL4_CPtr (*simple_get_nth_userimage_fn)(void *data, int n);
/* Cores. */
typedef int (*simple_get_core_count_fn)(void *data);
/* Writes what is known to standard output. */
typedef void (*simple_print_fn)(void *data);
/* Scheduling control: none, the kernel is not MCS. */
typedef seL4_CPtr (*simple_get_sched_ctrl_fn)(void *data, int core);
/* Further boot information: none (-1). */
typedef ssize_t (*simple_get_extended_bootinfo_len_fn)(void *data, seL4_Word type);
/* Further boot information: none (-1). */
typedef ssize_t (*simple_get_extended_bootinfo_fn)(void *data, seL4_Word type, void *dest,
                                                   ssize_t max_len);

typedef struct simple_t {
    void *data;
    simple_get_frame_cap_fn frame_cap;
    simple_get_frame_mapping_fn frame_mapping;
    simple_get_frame_info_fn frame_info;
    simple_ASIDPool_assign_fn ASID_assign;
    simple_get_cap_count_fn cap_count;
    simple_get_nth_cap_fn nth_cap;
    simple_get_init_cap_fn init_cap;
    simple_get_cnode_size_fn cnode_size;
    simple_get_untyped_count_fn untyped_count;
    simple_get_nth_untyped_fn nth_untyped;
    simple_get_userimage_count_fn userimage_count;
    simple_get_nth_userimage_fn nth_userimage;
    simple_get_core_count_fn core_count;
    simple_print_fn print;
    simple_get_sched_ctrl_fn sched_ctrl;
    simple_get_extended_bootinfo_len_fn extended_bootinfo_len;
    simple_get_extended_bootinfo_fn extended_bootinfo;
    arch_simple_t arch_simple;
} simple_t;

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

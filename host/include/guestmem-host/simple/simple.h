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

#include <simple/wrappers.h>

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * AArch64 stage 2: 4 KiB, 2 MiB and 1 GiB leaves; one object type for all tables below the root.
 *
 *      root      1 GiB an entry where stage 2 has 40 bits, 512 GiB where it has 44
 *      level 2   512 x 1 GiB    (44 bits only)
 *      level 1   512 x 2 MiB
 *      level 0   512 x 4 KiB
 *
 * A table of level n has leaves of size index n.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <sel4/sel4.h>
#include <sel4/sel4_arch/mapping.h>

enum { GM_ARCH_SIZE_COUNT = 3 };

#if defined(CONFIG_ARM_PA_SIZE_BITS_40)
enum { GM_ARCH_LEVEL_COUNT = 2 };
#else
enum { GM_ARCH_LEVEL_COUNT = 3 };
#endif

static const unsigned gm_arch_frame_bits[GM_ARCH_SIZE_COUNT] = {
    seL4_PageBits,
    seL4_LargePageBits,
    seL4_HugePageBits,
};

/* Bits of guest address that one table of a level covers. */
static inline unsigned gm_arch_table_bits(unsigned level)
{
    return gm_arch_frame_bits[0] + (level + 1) * seL4_PageTableIndexBits;
}

/* Last byte that a frame can be mapped at: the kernel refuses what ends above it. */
static inline uintptr_t gm_arch_last(void)
{
    const uintptr_t page = ((uintptr_t)1 << seL4_PageBits) - 1;

    return (((uintptr_t)seL4_UserTop + 1) & ~page) - 1;
}

static inline seL4_Word gm_arch_frame_type(unsigned size)
{
    static const seL4_Word type[GM_ARCH_SIZE_COUNT] = {
        seL4_ARM_SmallPageObject,
        seL4_ARM_LargePageObject,
        seL4_ARM_HugePageObject,
    };

    return type[size];
}

/* Cacheable normal memory, or device memory (the kernel's stage 2 has these two). */
static inline seL4_ARM_VMAttributes gm_arch_attributes(bool device)
{
    return device ? (seL4_ARM_VMAttributes)0 : seL4_ARM_Default_VMAttributes;
}

static inline int gm_arch_frame_map(seL4_CPtr frame, seL4_CPtr root, uintptr_t gpa,
                                    seL4_CapRights_t rights, bool device)
{
    return (int)seL4_ARM_Page_Map(frame, root, gpa, rights, gm_arch_attributes(device));
}

/* Whether the kernel refuses a frame at `vaddr` because a table is where its entry would be; if
 * not, the frame may be mapped there now. */
static inline bool gm_arch_frame_blocked(seL4_CPtr frame, seL4_CPtr root, uintptr_t vaddr,
                                         unsigned size)
{
    int error =
        (int)seL4_ARM_Page_Map(frame, root, vaddr, seL4_NoRights, seL4_ARM_Default_VMAttributes);

    return error == (int)seL4_FailedLookup &&
           seL4_MappingFailedLookupLevel() < gm_arch_frame_bits[size];
}

static inline int gm_arch_frame_unmap(seL4_CPtr frame)
{
    return (int)seL4_ARM_Page_Unmap(frame);
}

static inline int gm_arch_frame_paddr(seL4_CPtr frame, uintptr_t *paddr)
{
    seL4_ARM_Page_GetAddress_t answer = seL4_ARM_Page_GetAddress(frame);

    *paddr = answer.paddr;
    return (int)answer.error;
}

/* Write what the VMM put into a frame back to memory, by the cap of the VMM's mapping. */
static inline int gm_arch_frame_clean(seL4_CPtr frame, unsigned size)
{
    return (int)seL4_ARM_Page_CleanInvalidate_Data(frame, 0,
                                                   (seL4_Word)1 << gm_arch_frame_bits[size]);
}

/*
 * Let instructions that the VMM wrote to bytes [from, to) of a frame be the ones that the guest
 * fetches, by the cap of the VMM's mapping: data to memory, since a guest whose caches are off
 * fetches from there; stale instructions dropped.
 */
static inline int gm_arch_frame_sync(seL4_CPtr frame, seL4_Word from, seL4_Word to)
{
    int error = (int)seL4_ARM_Page_CleanInvalidate_Data(frame, from, to);

    return error != 0 ? error : (int)seL4_ARM_Page_Unify_Instruction(frame, from, to);
}

static inline int gm_arch_table_map(seL4_CPtr table, seL4_CPtr root, uintptr_t gpa)
{
    return (int)seL4_ARM_PageTable_Map(table, root, gpa, seL4_ARM_Default_VMAttributes);
}

static inline int gm_arch_table_unmap(seL4_CPtr table)
{
    return (int)seL4_ARM_PageTable_Unmap(table);
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Sizes of objects in bits (2^n bytes), limits, and the numbers of messages.
 */
#pragma once

#include <autoconf.h>
#include <sel4/macros.h>
#include <sel4/simple_types.h>

#define seL4_WordBits (sizeof(seL4_Word) * 8)
#define seL4_WordSizeBits 3

#define seL4_PageBits 12
#define seL4_LargePageBits 21
#define seL4_HugePageBits 30
#define seL4_SlotBits 5
#define seL4_TCBBits 11
#define seL4_EndpointBits 4
#define seL4_NotificationBits 5
#define seL4_PageTableBits 12
#define seL4_PageTableEntryBits 3
#define seL4_PageTableIndexBits 9
#define seL4_NumASIDPoolsBits 7
#define seL4_ASIDPoolBits 12
#define seL4_ASIDPoolIndexBits 9
#define seL4_VSpaceEntryBits 3
#define seL4_ARM_VCPUBits 12
#define seL4_VCPUBits 12
#define seL4_IPCBufferSizeBits 10
#define seL4_MinUntypedBits 4
#define seL4_MaxUntypedBits 47
#define seL4_BootInfoFrameBits seL4_PageBits

#if defined(CONFIG_ARM_PA_SIZE_BITS_40)
/* three levels; the root has 1,024 entries */
#define seL4_VSpaceBits 13
#define seL4_VSpaceIndexBits 10
#define seL4_UserTop 0x000000fffffffffful
#define seL4_PGDBits 0
#define seL4_PGDIndexBits 0
#define seL4_PUDBits 13
#define seL4_PUDIndexBits 10
#else
/* four levels */
#define seL4_VSpaceBits 12
#define seL4_VSpaceIndexBits 9
#define seL4_UserTop 0x00000ffffffffffful
#define seL4_PGDBits 12
#define seL4_PGDIndexBits 9
#define seL4_PUDBits 12
#define seL4_PUDIndexBits 9
#endif
#define seL4_UserVSpaceTop seL4_UserTop
#define seL4_PageDirBits seL4_PageTableBits
#define seL4_PageDirIndexBits seL4_PageTableIndexBits

#define seL4_DataFault 0
#define seL4_InstructionFault 1

enum priorityConstants {
    seL4_InvalidPrio = -1,
    seL4_MinPrio = 0,
    seL4_MaxPrio = CONFIG_NUM_PRIORITIES - 1
};

enum seL4_MsgLimits { seL4_MsgLengthBits = 7, seL4_MsgExtraCapBits = 2, seL4_MsgMaxLength = 120 };
#define seL4_MsgMaxExtraCaps (LIBSEL4_BIT(seL4_MsgExtraCapBits) - 1)
#define seL4_CapRightsBits 4

/* Message register 1 after seL4_FailedLookup. */
typedef enum {
    seL4_NoFailure = 0,
    seL4_InvalidRoot,
    seL4_MissingCapability,
    seL4_DepthMismatch,
    seL4_GuardMismatch,
    SEL4_FORCE_LONG_ENUM(seL4_LookupFailureType)
} seL4_LookupFailureType;

typedef enum {
    seL4_VMFault_IP,
    seL4_VMFault_Addr,
    seL4_VMFault_PrefetchFault,
    seL4_VMFault_FSR,
    seL4_VMFault_Length,
    SEL4_FORCE_LONG_ENUM(seL4_VMFault_Msg)
} seL4_VMFault_Msg;

typedef enum {
    seL4_VCPUFault_HSR,
    seL4_VCPUFault_Length,
    SEL4_FORCE_LONG_ENUM(seL4_VCPUFault_Msg)
} seL4_VCPUFault_Msg;

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Kinds of kernel objects under names that every architecture has, and their types and sizes here.
 */
#pragma once

#include <autoconf.h>

#include <sel4/sel4.h>
#include <utils/util.h>

typedef int kobject_t;

enum _kobject_type {
    KOBJECT_FRAME = 0,
    KOBJECT_PAGE_GLOBAL_DIRECTORY,
    KOBJECT_PAGE_UPPER_DIRECTORY,
    KOBJECT_PAGE_DIRECTORY,
    KOBJECT_PAGE_TABLE,
    KOBJECT_TCB,
    KOBJECT_CNODE,
    KOBJECT_CSLOT,
    KOBJECT_UNTYPED,
    KOBJECT_ENDPOINT,
    KOBJECT_NOTIFICATION,
    KOBJECT_REPLY,
    KOBJECT_SCHED_CONTEXT,
    NUM_KOBJECT_TYPES
};

/* The type that seL4_Untyped_Retype takes; (seL4_Word)-1 where there is none. */
static inline seL4_Word kobject_get_type(kobject_t type, seL4_Word objectSize)
{
    switch (type) {
    case KOBJECT_FRAME:
        return objectSize == seL4_PageBits        ? (seL4_Word)seL4_ARM_SmallPageObject
               : objectSize == seL4_LargePageBits ? (seL4_Word)seL4_ARM_LargePageObject
               : objectSize == seL4_HugePageBits  ? (seL4_Word)seL4_ARM_HugePageObject
                                                  : (seL4_Word)-1;
    case KOBJECT_PAGE_GLOBAL_DIRECTORY:
#if defined(CONFIG_ARM_PA_SIZE_BITS_40)
        return (seL4_Word)-1;
#else
        return seL4_ARM_PageGlobalDirectoryObject;
#endif
    case KOBJECT_PAGE_UPPER_DIRECTORY:
        return seL4_ARM_PageUpperDirectoryObject;
    case KOBJECT_PAGE_DIRECTORY:
    case KOBJECT_PAGE_TABLE:
        return seL4_ARM_PageTableObject;
    case KOBJECT_TCB:
        return seL4_TCBObject;
    case KOBJECT_CNODE:
        return seL4_CapTableObject;
    case KOBJECT_UNTYPED:
        return seL4_UntypedObject;
    case KOBJECT_ENDPOINT:
        return seL4_EndpointObject;
    case KOBJECT_NOTIFICATION:
        return seL4_NotificationObject;
    default:
        return (seL4_Word)-1;
    }
}

/* Bits of untyped memory that an object takes; 0 where it takes none. */
static inline seL4_Word kobject_get_size(kobject_t type, seL4_Word objectSize)
{
    switch (type) {
    case KOBJECT_FRAME:
        return kobject_get_type(type, objectSize) == (seL4_Word)-1 ? 0 : objectSize;
    case KOBJECT_PAGE_UPPER_DIRECTORY:
        return seL4_PUDBits;
    case KOBJECT_PAGE_GLOBAL_DIRECTORY:
        return seL4_PGDBits;
    case KOBJECT_PAGE_DIRECTORY:
    case KOBJECT_PAGE_TABLE:
        return seL4_PageTableBits;
    case KOBJECT_TCB:
        return seL4_TCBBits;
    case KOBJECT_CNODE:
        return seL4_SlotBits + objectSize;
    case KOBJECT_UNTYPED:
        return objectSize;
    case KOBJECT_ENDPOINT:
        return seL4_EndpointBits;
    case KOBJECT_NOTIFICATION:
        return seL4_NotificationBits;
    default:
        return 0;
    }
}

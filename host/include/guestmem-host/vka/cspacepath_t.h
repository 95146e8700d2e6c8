/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Where a slot is: by its address (capPtr, capDepth) from a root CNode, and, as a destination of a
 * retype, by its CNode (dest, destDepth) and offset in it.
 */
#pragma once

#include <inttypes.h>

#include <sel4/sel4.h>

typedef struct _cspacepath_t {
    seL4_CPtr capPtr;
    seL4_Word capDepth;
    seL4_CNode root;
    seL4_Word dest;
    seL4_Word destDepth;
    seL4_Word offset;
    seL4_Word window; /* slots from this one on that belong to the path */
} cspacepath_t;

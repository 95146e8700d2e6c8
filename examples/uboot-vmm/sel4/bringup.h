/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The VMM's environment on the kernel: the tree's own allocator, address space and console.
 */
#pragma once

#include "uboot_vmm.h"

/* Bring it up, once. NULL, or what failed; nothing can be printed then on a kernel that doesn't. */
const char *bringup(struct uboot_vmm_environment *environment);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Device trees: the one that describes the VM, and those that somebody else gives us.
 */
#pragma once

#include <stddef.h>

#include "uboot_vmm.h"

/* Describe the VM: its RAM regions, its UART, one cpu. Returns the tree's bytes, or 0: no room. */
size_t uboot_device_tree_build(struct uboot_vmm *vmm, void *tree, size_t room);

enum { UBOOT_DEVICE_TREE_ABSENT_MAX = 256 };

/* What somebody else's tree says. */
struct uboot_device_tree {
    size_t bytes;
    struct uboot_vmm_range absent[UBOOT_DEVICE_TREE_ABSENT_MAX]; /* each device's registers */
    size_t absent_count;
    char error[160];
};

/*
 * Check a tree of `room` bytes against a VM with `ram_bytes` of RAM, and list the devices in it.
 * Returns 0, or -1 and a sentence in `error`.
 */
int uboot_device_tree_read(struct uboot_device_tree *info, const void *tree, size_t room,
                           size_t ram_bytes);

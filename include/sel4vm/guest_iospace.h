/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#pragma once

#include <sel4/sel4.h>
#include <vspace/vspace.h>

#include <sel4vm/guest_vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Mirror the guest's memory in an IO space, so that a pass-through device's DMA sees it. To be
 * called before any mapping is made. AArch64's kernel has no IO space that can be mapped: always -1
 * there.
 */
int vm_guest_add_iospace(vm_t *vm, vspace_t *loader, seL4_CPtr iospace);

#ifdef __cplusplus
}
#endif

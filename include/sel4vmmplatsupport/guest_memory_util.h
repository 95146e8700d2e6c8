/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Six helpers that reserve guest address ranges, back them with frames and show them to the VMM.
 *
 * Each does all of it or none of it, and logs one line if it fails. What a helper takes, the
 * library owns: frames, slots and page tables go back when the reservation is freed, by
 * guestmem_created_destroy() for the two create_* helpers, or with guestmem_destroy().
 *
 * "By address" means: from the allocator (vka_utspace_alloc_at), and from boot information
 * (simple_get_frame_cap) where the allocator has nothing there. Addresses that lie in a device
 * untyped are mapped as device memory, all else as normal cacheable memory;
 * guestmem_reservation_set_policy() says otherwise for one reservation. Each range is backed with
 * the largest frames that guest address, physical address, length and policy allow.
 */
#pragma once

#include <stdint.h>

#include <sel4vm/guest_vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a page of normal memory that guest and VMM share. The VMM sees it read-write, with the same
 * attributes as the guest; the guest sees it with `rights`, and what they forbid calls the
 * callback.
 *   Needs:   `addr` aligned to 4 KiB, unclaimed; a callback.
 *   Owns:    the page, of 64 KiB that the VM's created pages share: they, and a slot for each page
 *            of them, go back with the last page in use. Where 64 KiB can't be had, a single page.
 *   Returns: where the VMM sees the page, valid until guestmem_created_destroy(); or NULL.
 */
void *create_allocated_reservation_frame(vm_t *vm, uintptr_t addr, seL4_CapRights_t rights,
                                         memory_fault_callback_fn alloc_fault_callback,
                                         void *alloc_fault_cookie);

/* The same with the frame whose physical address is `addr`: a device's page, by address. */
void *create_device_reservation_frame(vm_t *vm, uintptr_t addr, seL4_CapRights_t rights,
                                      memory_fault_callback_fn fault_callback, void *fault_cookie);

/*
 * Back a reservation, by address, with the frames from physical address `paddr` on: the
 * reservation's first byte shows the byte at `paddr`.
 *   Needs:   a reservation that isn't backed; `paddr` with the same offset in its page as the
 *            reservation's start; memory there that nobody has taken.
 *   Returns: 0 or -1. All rights.
 */
int map_ut_alloc_reservation_with_base_paddr(vm_t *vm, uintptr_t paddr,
                                             vm_memory_reservation_t *reservation);

/* The same with physical address = guest address. */
int map_ut_alloc_reservation(vm_t *vm, vm_memory_reservation_t *reservation);

/* Back a reservation with cleared normal memory. Returns 0 or -1. All rights. */
int map_frame_alloc_reservation(vm_t *vm, vm_memory_reservation_t *reservation);

/*
 * Back a reservation with normal memory or device RAM, as the allocator prefers (device RAM is
 * memory that a platform sets aside as device untyped). Device RAM is cleared before the guest sees
 * it.
 */
int map_maybe_device_reservation(vm_t *vm, vm_memory_reservation_t *reservation);

#ifdef __cplusplus
}
#endif

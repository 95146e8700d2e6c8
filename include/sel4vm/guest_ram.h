/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest RAM: ranges that the guest uses as memory and that the VMM reads, writes and hands out.
 *
 * Registering backs a range and notes it in vm->mem.ram_regions: sorted, disjoint, neighbours of
 * the same kind merged. Allocating and freeing only mark; returning memory to the allocator is
 * guestmem_ram_discard()'s. Errors, ownership and threads are as in guest_memory.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sel4vm/guest_memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Called with one piece of a touched range: `size` bytes at `guest_addr`, which the VMM sees at
 * `vmm_vaddr`, `offset` bytes behind the start of the whole range. A piece never crosses a 4 KiB
 * page. A non-zero answer ends the touch and is its result.
 */
typedef int (*ram_touch_callback_fn)(vm_t *vm, uintptr_t guest_addr, void *vmm_vaddr, size_t size,
                                     size_t offset, void *cookie);

/* A touch callback that copies the piece from guest RAM to `buf` + offset. Returns 0. */
int vm_guest_ram_read_callback(vm_t *vm, uintptr_t guest_addr, void *vaddr, size_t size,
                               size_t offset, void *buf);

/* A touch callback that copies the piece from `buf` + offset to guest RAM. Returns 0. */
int vm_guest_ram_write_callback(vm_t *vm, uintptr_t guest_addr, void *vaddr, size_t size,
                                size_t offset, void *buf);

/*
 * Call `touch_callback` for [addr, addr + size), in ascending pieces. The VMM's view of a frame is
 * made at the first touch and kept (guestmem_policy.views), mapped through the VMM's own vspace, so
 * that vspace_get_cap() on it finds the cap to clean caches by. Populates what is lazy. What was
 * seen before is found as by guestmem/access.h, with no invocation and no allocation.
 *   Needs:   size > 0; the whole range registered as RAM, allocated or not.
 *   Returns: 0; the first non-zero result of the callback; or -1, and then nothing was called.
 */
int vm_ram_touch(vm_t *vm, uintptr_t addr, size_t size, ram_touch_callback_fn touch_callback,
                 void *cookie);

/* The largest region that isn't allocated, the lowest of equals. Returns 0, or -1 if there is none.
 */
int vm_ram_find_largest_free_region(vm_t *vm, uintptr_t *addr, size_t *size);

/*
 * Register `bytes` of RAM at an address of the library's choice in the anonymous memory, backed by
 * any memory; device RAM is cleared first.
 *   Returns: the address, or 0. It is given back with vm_free_reserved_memory() or
 *            guestmem_destroy().
 */
uintptr_t vm_ram_register(vm_t *vm, size_t bytes);

/*
 * Register [start, start + bytes) as RAM. With `untyped`, the frame of each guest address is the
 * one at the same physical address; else any memory. Any byte address and size will do; the frames
 * cover the pages that the range touches.
 *   Returns: 0 or -1.
 */
int vm_ram_register_at(vm_t *vm, uintptr_t start, size_t bytes, bool untyped);

/* The same with the caller's frames: see vm_map_reservation(). They are mapped as RAM (cacheable).
 */
int vm_ram_register_at_custom_iterator(vm_t *vm, uintptr_t start, size_t bytes,
                                       memory_map_iterator_fn map_iterator, void *cookie);

/*
 * Mark [start, start + bytes) as allocated. If the range isn't wholly free RAM nothing changes, and
 * one line in the log says so; guestmem_ram_mark() returns the error instead.
 */
void vm_ram_mark_allocated(vm_t *vm, uintptr_t start, size_t bytes);

/* Allocate `bytes` from the first free region that is large enough. Returns the address, or 0. */
uintptr_t vm_ram_allocate(vm_t *vm, size_t bytes);

/* Undo vm_ram_allocate() for all or part of it: the range can be allocated again. It only marks. */
void vm_ram_free(vm_t *vm, uintptr_t start, size_t bytes);

#ifdef __cplusplus
}
#endif

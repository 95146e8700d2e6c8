/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest-physical address space: claim ranges, back them with frames, take them back.
 *
 * Source-compatible with the interface that VMMs on seL4 already program against. Addresses are
 * guest-physical (gpa) and sizes are bytes unless said otherwise; a range is base + size, half
 * open. Every call does all of it or none of it: after a failure, caps, slots, frames, page tables
 * and bytes are as before, and one line in the log says operation, range, step and cause
 * (guestmem_last_failure() gives the same as a structure).
 *
 * Threads: a VM's memory is one thread's at a time, until it is shared: guestmem/threads.h. Two VMs are
 * independent.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <sel4/sel4.h>
#include <sel4vm/arch/guest_memory_arch.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vm vm_t;
typedef struct vm_vcpu vm_vcpu_t;

/* A claimed range of guest addresses. Made by the reserve calls, gone with
 * vm_free_reserved_memory(). */
typedef struct vm_memory_reservation vm_memory_reservation_t;

/* All reservations of one VM. Made by vm_memory_init(), gone with guestmem_destroy(). */
typedef struct vm_memory_reservation_cookie vm_memory_reservation_cookie_t;

/* One frame to be mapped into the guest; what a memory_map_iterator_fn returns. */
typedef struct vm_frame {
    seL4_CPtr cptr;          /* unmapped frame cap; 0 says that the iterator failed */
    seL4_CapRights_t rights; /* the guest's; write without read maps as none */
    uintptr_t vaddr;         /* gpa inside the frame, which goes to this rounded down to its size */
    size_t size_bits;        /* 12, 21 or 30 on AArch64 */
} vm_frame_t;

/* What a fault callback answers, and what the VM then does with the guest's access. */
typedef enum memory_fault_result {
    FAULT_HANDLED,   /* done: the callback completed the access, or completes it later */
    FAULT_UNHANDLED, /* not mine: asks the VM's unhandled handler, if there is one */
    FAULT_RESTART,   /* do the same access again */
    FAULT_IGNORE,    /* skip the access */
    FAULT_ERROR      /* stop the VM: vm_run() returns -1 */
} memory_fault_result_t;

/*
 * A guest access to [fault_addr, fault_addr + fault_length) that the mapping did not allow. The
 * range lies wholly inside the reservation. The callback may reserve, back and free other
 * reservations, but not free its own.
 */
typedef memory_fault_result_t (*memory_fault_callback_fn)(vm_t *vm, vm_vcpu_t *vcpu,
                                                          uintptr_t fault_addr, size_t fault_length,
                                                          void *cookie);

/*
 * Gives the frame for gpa `addr`. Called with the reservation's own start first, then with the
 * address behind each frame that it gave. Where population is lazy: with the page of the access
 * instead. The frame stays the caller's: at free it is unmapped, its cap and slot left alone.
 */
typedef vm_frame_t (*memory_map_iterator_fn)(uintptr_t addr, void *cookie);

/*
 * Claim [addr, addr + size) for the caller. Maps nothing: until it is backed, each guest access to
 * it calls `fault_callback`.
 *   Needs:   size > 0, addr + size at most the end of the guest's address space, a callback; no
 *            other reservation or anonymous region in the range, no backed one on its pages. Two
 *            reservations may share a page while neither is backed.
 *   Owns:    the caller owns the reservation until vm_free_reserved_memory(); `cookie` stays the
 *            caller's.
 *   Returns: the reservation, or NULL.
 */
vm_memory_reservation_t *vm_reserve_memory_at(vm_t *vm, uintptr_t addr, size_t size,
                                              memory_fault_callback_fn fault_callback,
                                              void *cookie);

/*
 * Claim `size` bytes out of what vm_memory_make_anon() donated, first fit.
 *   Needs:   `align` a power of two, at least 1. The reservation takes whole pages, and starts on
 *            one, so that each anonymous reservation can be backed.
 *   Returns: the reservation, its start in `*addr`; or NULL and `*addr` as it was.
 */
vm_memory_reservation_t *vm_reserve_anon_memory(vm_t *vm, size_t size, size_t align,
                                                memory_fault_callback_fn fault_callback,
                                                void *cookie, uintptr_t *addr);

/*
 * Donate [addr, addr + size) as the pool of vm_reserve_anon_memory(). Several ranges may be
 * donated. Only the whole pages inside are handed out.
 *   Needs:   as vm_reserve_memory_at(), and at least one whole page in the range.
 *   Returns: 0, or -1. The range stays donated until guestmem_destroy().
 */
int vm_memory_make_anon(vm_t *vm, uintptr_t addr, size_t size);

/*
 * Give a reservation back, mapped or not, anonymous or not. Frames that a helper of this library
 * took go back to the vka they came from, untyped memory included; frames that the caller brought
 * are unmapped and stay the caller's. Page tables that nothing needs any more are returned. If the
 * range was registered as RAM, it is RAM no longer. Never allocates.
 *   Returns: 0; or -1 for NULL, a handle that is stale or of another VM, or from inside a fault
 *            callback of this very reservation.
 */
int vm_free_reserved_memory(vm_t *vm, vm_memory_reservation_t *reservation);

/*
 * Back the whole reservation with the frames that `map_iterator` gives, in ascending order, or
 * none. With CONFIG_LIB_SEL4VM_DEFER_MEMORY_MAP, or a lazy policy (guestmem/guestmem.h), each frame
 * is asked for at the first access to it; `cookie` must then live as long as the reservation.
 *   Needs:   a reservation that isn't backed; no other one on its pages; each frame unmapped, of a
 *            size of the architecture, covering the address asked for, inside the reservation's
 *            pages.
 *   Returns: 0, or -1. After a failure no frame is mapped; those that the iterator gave are the
 *            caller's, as always.
 */
int vm_map_reservation(vm_t *vm, vm_memory_reservation_t *reservation,
                       memory_map_iterator_fn map_iterator, void *cookie);

/*
 * The same with an array of caps, all of one size, mapped with all rights. `num_frames` must cover
 * the reservation's pages exactly. The array isn't needed after the call; the caps stay the
 * caller's.
 */
int vm_map_reservation_frames(vm_t *vm, vm_memory_reservation_t *reservation, seL4_CPtr *frames,
                              size_t num_frames, size_t frame_size_bits);

/* The range that was asked for: its start in `*addr`, its bytes in `*size`. Either may be NULL. */
void vm_get_reservation_memory_region(vm_memory_reservation_t *reservation, uintptr_t *addr,
                                      size_t *size);

/* Make the reservation book-keeping of a VM, once, in a vm_t that was zeroed; called by vm_init().
 * Returns 0 or -1. */
int vm_memory_init(vm_t *vm);

#ifdef __cplusplus
}
#endif

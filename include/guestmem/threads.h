/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Many vcpus at once: looking up, dispatching and accessing guest memory on any number of threads
 * while one of them changes it.
 *
 * Until a VM's first guestmem_reader_register(), its memory belongs to one thread at a time, and
 * nothing costs more than it must. From then on the VM is shared, for the rest of its life:
 *
 *   readers  vm_memory_handle_fault(), guestmem/access.h on memory that is there,
 *            guestmem_reservation_at(): never wait, never allocate, see each change whole or not at
 *            all;
 *   changes  every other call, and populating lazy memory: one thread at a time has the VM's turn.
 *            Who has it may take it again, so an iterator may call the library. A call that takes
 *            something away (free, discard, rights, destroy) returns when no reader can use what
 *            was there before.
 *
 * Fault callbacks run outside the turn and may change memory. Rules for them:
 *   - vm_free_reserved_memory() returns 0 when no callback of the reservation runs, and none is
 *     entered afterwards. It waits for those that run on other threads; called from inside a
 *     callback or an iterator it fails instead (GUESTMEM_EBUSY), and nothing has changed.
 *   - So don't free a reservation while holding a lock that its callback takes.
 *   - The thread's read sections are ended while a callback runs, and begun anew after it. It may
 *     open its own.
 *
 * A thread that never registered may read too: correct, never waiting, but slower, since it counts
 * itself in a word that it shares with others like it. guestmem_last_failure() of a registered thread
 * is its own; others share one, which each failure overwrites. vm_ram_touch() of a thread that isn't
 * registered takes the turn.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <guestmem/guestmem.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make the calling thread a reader of the VM. The first one makes the VM shared; no other thread
 * may use the VM meanwhile.
 *   Owns:    some 7 KiB from the VM's malloc, until guestmem_reader_unregister().
 *   Needs:   thread-local storage, as libsel4 does.
 *   Returns: GUESTMEM_EINVAL (no VM), GUESTMEM_EBUSY (registered already), GUESTMEM_ENOMEM.
 */
int guestmem_reader_register(vm_t *vm);

/* End that, on the same thread, before the thread ends. guestmem_destroy() does it for its own thread,
 * and fails (GUESTMEM_EBUSY) while others are registered. GUESTMEM_EINVAL: it isn't registered;
 * GUESTMEM_EBUSY: inside a section or a callback. */
int guestmem_reader_unregister(vm_t *vm);

/*
 * A read section of the calling thread, which is registered (else nothing happens). Inside it
 * lookups and accesses cost no synchronisation, and what they gave stays usable: a vcpu opens one
 * an exit. Sections nest. A change made by the same thread inside one is like an end and a new
 * begin, and so is a fault that calls a callback: check spans from before by their generation. Keep
 * them short, and wait for nothing inside: a call that takes something away waits for them.
 */
void guestmem_read_begin(vm_t *vm);
void guestmem_read_end(vm_t *vm);

/* Counted up when memory that the VMM could see or a reservation is taken away. */
uint64_t guestmem_generation(vm_t *vm);

/* What waiting for the turn and for readers calls again and again; NULL, the default: seL4_Yield().
 * A VMM whose threads have different priorities gives one that sleeps. GUESTMEM_EINVAL: no VM. */
int guestmem_set_wait(vm_t *vm, void (*wait)(void *cookie), void *cookie);

#ifdef __cplusplus
}
#endif

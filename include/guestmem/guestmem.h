/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What goes beyond the compatible interface: policy, teardown, rights, returning memory,
 * statistics, a walk over the memory map, and errors with a type and a text.
 *
 * Errors: calls that return int give GUESTMEM_OK (0) or a negative enum guestmem_error, log
 * nothing, and change nothing when they fail. guestmem_last_failure() says more about the VM's last
 * failure, also after a call of the compatible interface. Threads: as in sel4vm/guest_memory.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sel4vm/guest_vm.h>

#ifdef __cplusplus
extern "C" {
#endif

enum guestmem_error {
    GUESTMEM_OK = 0,
    GUESTMEM_EINVAL = -1,  /* an argument that is never right: null, zero, not aligned, unknown */
    GUESTMEM_ERANGE = -2,  /* the range wraps, or ends behind the guest's address space */
    GUESTMEM_ETAKEN = -3,  /* something else is claimed, or backed, there; the failure names both */
    GUESTMEM_ESTALE = -4,  /* of another VM, or freed, and no new one took its place */
    GUESTMEM_EMAPPED = -5, /* it is backed already */
    GUESTMEM_EUNMAPPED = -6, /* nothing is reserved, backed or registered there */
    GUESTMEM_EBUSY = -7,     /* not from inside a fault callback of the same reservation */
    GUESTMEM_ENOMEM = -8,    /* no bytes for book-keeping */
    GUESTMEM_ENOSLOT = -9,   /* no free cap slot */
    GUESTMEM_ENOFRAME = -10, /* no memory for a frame, or none at that physical address */
    GUESTMEM_ENOTABLE = -11, /* no memory for a page table */
    GUESTMEM_EFRAME = -12,   /* the caller's frame is null, mapped, misplaced or of a wrong size */
    GUESTMEM_EGRAIN = -13,   /* a frame would have to be cut in two */
    GUESTMEM_EVMM = -14,     /* the VMM's address space has no room, or refused the mapping */
    GUESTMEM_EKERNEL = -15,  /* the kernel refused an invocation; the failure has its error */
    GUESTMEM_ENOSUP = -16,   /* this kernel or environment can't do it */
};

/* A short text for an error, such as "no free cap slot". Never NULL. */
const char *guestmem_strerror(int error);

/* The last failure of a VM: what was asked, and what went wrong. Overwritten by the next. */
struct guestmem_failure {
    int error;             /* enum guestmem_error; GUESTMEM_OK: nothing has failed yet */
    const char *operation; /* the public function */
    const char *step;      /* what inside it failed, such as "map a page table" */
    uintptr_t base;        /* the range it was about */
    size_t size;
    uintptr_t other_base; /* with GUESTMEM_ETAKEN, _ENOSUP: the range in the way; else size 0 */
    size_t other_size;
    int cause; /* the seL4 error, or what the allocator answered; 0: none */
};

/* NULL for a VM whose memory isn't initialised. */
const struct guestmem_failure *guestmem_last_failure(vm_t *vm);

/* Write the failure as one line into `text`. Returns its length as snprintf() does. */
int guestmem_failure_text(const struct guestmem_failure *failure, char *text, size_t size);

/* ------------------------------------------------------------------------------------- policy */

enum guestmem_populate {
    GUESTMEM_POPULATE_EAGER, /* a backing call maps every frame */
    /* Each frame is taken and mapped at the first access to it; frames at given physical addresses
     * at once even so, before somebody else takes them. */
    GUESTMEM_POPULATE_LAZY,
};

enum guestmem_memory_type {
    GUESTMEM_MEMORY_AUTO, /* device memory where the untypeds say device, else cacheable; RAM always
                             cacheable */
    GUESTMEM_MEMORY_NORMAL, /* cacheable: framebuffers, prefetchable BARs */
    GUESTMEM_MEMORY_DEVICE,
};

enum guestmem_discarded {
    GUESTMEM_DISCARDED_POPULATES, /* discarded RAM is populated, cleared, at its next use */
    GUESTMEM_DISCARDED_REFUSES, /* it faults to the reservation's callback, and can't be touched */
};

enum guestmem_views {
    GUESTMEM_VIEWS_KEPT,   /* as long as the memory is there */
    GUESTMEM_VIEWS_WINDOW, /* the last used ones, in view_bytes_max bytes of the VMM's addresses */
    GUESTMEM_VIEWS_NONE,   /* each for a call only */
};

/*
 * How ranges are backed. A frame can't be split or joined with its contents kept, so rights,
 * sharing and dirty tracking work frame by frame: smaller frames give a finer grain there, larger
 * ones cost less (1 GiB of RAM takes 512 caps and one table in 2 MiB frames, 262,144 caps and 513
 * tables in 4 KiB ones).
 */
struct guestmem_policy {
    /* Largest frame: 12, 21 or 30 bits. Default 21. With 30, one kernel call clears 1 GiB, some 100
     * million instructions during which the core does nothing else; never chosen unasked. */
    unsigned frame_bits_max;
    enum guestmem_populate populate;       /* default eager */
    enum guestmem_memory_type memory_type; /* default auto */
    enum guestmem_discarded discarded;     /* default populates */
    /* What else a guest's access to lazy memory populates: the aligned 2^this bytes around it, as
     * far as they are lazy, of the same reservation, and there is memory for them. 12..30; default
     * 0: nothing but the frame that it needs. An iterator is asked for that one only. */
    unsigned populate_around_bits;
    /* Most bytes of frames that one kernel call makes, since it can't be preempted; at least one
     * frame is made. Default 16 MiB. */
    size_t call_bytes_max;
    /* Memory is taken in untypeds of at most 2^this bytes and given back in the same units. Smaller
     * ones let guestmem_ram_discard() return less at a time, and cost a slot and some invocations
     * each. 12..47; default 30. */
    unsigned untyped_bits_max;
    /* Views of guest memory in the VMM; the VM's policy counts, and changing it gives all of them back
     * (GUESTMEM_EBUSY: inside vm_ram_touch()). A view is 2 MiB or one larger frame; two are possible
     * always. What doesn't fit is accessed piece by piece, and may fail with bytes moved. */
    enum guestmem_views views;
    size_t view_bytes_max; /* at least 1 with GUESTMEM_VIEWS_WINDOW */
};

/* Fill in the defaults. */
void guestmem_policy_default(struct guestmem_policy *policy);

/* The policy of what is reserved from now on. GUESTMEM_EINVAL: a field is out of range. */
int guestmem_set_policy(vm_t *vm, const struct guestmem_policy *policy);
int guestmem_get_policy(vm_t *vm, struct guestmem_policy *policy);

/* The policy of one reservation, before it is backed (GUESTMEM_EMAPPED), or GUESTMEM_ESTALE. */
int guestmem_reservation_set_policy(vm_t *vm, vm_memory_reservation_t *reservation,
                                    const struct guestmem_policy *policy);
int guestmem_reservation_get_policy(vm_t *vm, vm_memory_reservation_t *reservation,
                                    struct guestmem_policy *policy);

/* ------------------------------------------------------------------------------ reservations */

/* The reservation that holds `gpa`, for callers that kept no handle (RAM, create_*); or NULL. */
vm_memory_reservation_t *guestmem_reservation_at(vm_t *vm, uintptr_t gpa);

/* Takes back a frame that an iterator gave; called once for each, after it is unmapped. */
typedef void (*guestmem_release_fn)(vm_t *vm, seL4_CPtr frame, size_t size_bits, void *cookie);

/*
 * vm_map_reservation() for iterators that allocate: every frame that the iterator gives is released
 * with `release`, once: at free or teardown, or before this call returns if it fails. `release`
 * must not call the library with the same VM.
 */
int guestmem_map_iterator(vm_t *vm, vm_memory_reservation_t *reservation,
                          memory_map_iterator_fn map_iterator, guestmem_release_fn release,
                          void *cookie);

/* Back what is lazy in [base, base + size), all of it or nothing. GUESTMEM_EUNMAPPED: not reserved
 * and given a source of frames all through. */
int guestmem_populate(vm_t *vm, uintptr_t base, size_t size);

/*
 * Change the guest's rights to a backed range of one reservation. GUESTMEM_EGRAIN: an end lies
 * inside a frame; GUESTMEM_EUNMAPPED: some of it isn't populated, or is another reservation's.
 * Rights are read-write, read-only or none; write-only is GUESTMEM_EINVAL. The VMM's own view stays
 * read-write.
 */
int guestmem_set_rights(vm_t *vm, uintptr_t base, size_t size, seL4_CapRights_t rights);

/* Free the reservation, and the VMM's view, of the page that create_*_reservation_frame() made at
 * `addr`. GUESTMEM_EUNMAPPED: no such page. */
int guestmem_created_destroy(vm_t *vm, uintptr_t addr);

/* ------------------------------------------------------------------------------------- RAM */

/* vm_ram_mark_allocated() and vm_ram_free() with an error: GUESTMEM_EUNMAPPED unless all of the
 * range is RAM that isn't marked so already. */
int guestmem_ram_mark(vm_t *vm, uintptr_t start, size_t bytes, bool allocated);

/*
 * Give the frames of [start, start + bytes) back; the range stays RAM and reserved, and its
 * contents are lost. What happens at its next use is the policy's `discarded`. Memory goes back to
 * the allocator when the whole untyped that it came from is unused (policy: untyped_bits_max;
 * lazily populated frames are untypeds of their own); until then the VM keeps it. The caller's
 * frames are unmapped, and released if they have a release function. GUESTMEM_EGRAIN: an end lies
 * inside a frame; or, in RAM at given physical addresses, inside an untyped, since that very memory
 * is only to be had again when the allocator has it. GUESTMEM_EUNMAPPED: not RAM all through.
 */
int guestmem_ram_discard(vm_t *vm, uintptr_t start, size_t bytes);

/* ------------------------------------------------------------------------- looking at a VM */

enum { GUESTMEM_SIZE_COUNT = 3 }; /* frame sizes: 4 KiB, 2 MiB, 1 GiB, in this order */

struct guestmem_stats {
    size_t frames[GUESTMEM_SIZE_COUNT];       /* mapped in the guest */
    size_t alias_frames[GUESTMEM_SIZE_COUNT]; /* mapped in the VMM */
    size_t fallbacks[GUESTMEM_SIZE_COUNT]; /* times that memory was too fragmented for this size */
    size_t reservations;
    size_t slots;    /* cap slots that it holds: frames, idle pages, aliases, tables, untypeds */
    size_t untypeds; /* untyped objects and single frames taken from the allocator */
    size_t tables;   /* stage-2 tables below the root */
    size_t bytes;    /* of book-keeping, from malloc; without the fixed part of a VM */
    uint64_t faults; /* since the start: guest accesses dispatched, */
    uint64_t faults_populated; /* of them answered by populating, */
    uint64_t faults_failed;    /* by FAULT_ERROR, since populating failed, */
    uint64_t faults_unhandled; /* and in no reservation */
    uint64_t frames_around;    /* populated beside what an access needed (policy) */
};

int guestmem_get_stats(vm_t *vm, struct guestmem_stats *stats);

enum guestmem_kind {
    GUESTMEM_KIND_EMULATED, /* reserved, not backed: each access calls the callback */
    GUESTMEM_KIND_RAM,
    GUESTMEM_KIND_MAPPED,  /* backed, and not RAM */
    GUESTMEM_KIND_CREATED, /* by create_*: seen by the VMM too */
    GUESTMEM_KIND_VSPACE,  /* through vspace_* calls on mem.vm_vspace */
    GUESTMEM_KIND_POOL,    /* donated with vm_memory_make_anon(); its reservations follow it */
};

struct guestmem_map_entry {
    uintptr_t base;
    size_t size;
    enum guestmem_kind kind;
    size_t frames[GUESTMEM_SIZE_COUNT]; /* mapped now; fewer than the range takes if it is lazy */
    bool lazy;
    bool anonymous; /* out of a pool */
    bool device;    /* the first frame is mapped as device memory */
    bool can_read;  /* the guest's rights to the first frame */
    bool can_write;
    void *vmm_addr; /* where the VMM sees the range's start; NULL if no view has been made */
    memory_fault_callback_fn fault_callback;
    void *fault_cookie;
};

/* Call `visit` for each pool and reservation in ascending order of address until it answers
 * non-zero, which is then the result. It may not change the VM's memory. */
int guestmem_walk(vm_t *vm, int (*visit)(const struct guestmem_map_entry *entry, void *cookie),
                  void *cookie);

/* ---------------------------------------------------------------------------------- the end */

/*
 * Take down the memory of a VM in any state, half-built ones included: everything that the library
 * made goes back to where it came from, the caller's frames are unmapped. Never allocates. The
 * order: first stop the vcpus, then this, then free vcpus and vm->mem.vm_vspace_root, which are
 * whoever made them's. All reservations, and pointers to the VMM's views, are invalid afterwards.
 * A second call does nothing. GUESTMEM_EBUSY: from inside a fault callback.
 */
int guestmem_destroy(vm_t *vm);

#ifdef __cplusplus
}
#endif

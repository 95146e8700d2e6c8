/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * One guest address space: everything that the library knows of a VM's memory.
 *
 *      vm->mem.reservation_cookie -> gm_space <- vm->mem.vm_vspace.data
 *
 *      gm_space -- index     reservations by address
 *               -- handles   where reservations live; tells a live handle from a stale one
 *               -- pools     free anonymous ranges
 *               -- tables    stage-2 tables, by level
 *      reservation -- backing -- frames, alias, holdings
 *
 * The VM library makes the book-keeping (vm_memory_init) and the guest's vspace
 * (vm_init_guest_vspace) apart; the first call that needs both joins them (gm_space_of).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <platsupport/io.h>
#include <sel4/sel4.h>
#include <simple/simple.h>
#include <vka/capops.h>
#include <vka/object.h>
#include <vka/vka.h>
#include <vspace/vspace.h>

#include <guestmem/guestmem.h>

#include "arch/arch.h"
#include "handles.h"
#include "index.h"
#include "range_alloc.h"
#include "reader.h"
#include "room.h"
#include "turn.h"

struct gm_backing;
struct gm_page_block;
struct gm_window;

/* guestmem_policy, packed. */
struct gm_policy {
    size_t call_bytes_max;
    uint8_t largest; /* index of the largest frame size */
    uint8_t populate;
    uint8_t memory_type;
    uint8_t discarded;
    uint8_t untyped_bits_max;
    uint8_t populate_around_bits;
};

/* Who made a reservation; says what may be done with it. */
enum gm_reservation_kind {
    GM_RESERVATION_GUEST,   /* vm_reserve_*() */
    GM_RESERVATION_RAM,     /* vm_ram_register*() */
    GM_RESERVATION_CREATED, /* create_*() */
    GM_RESERVATION_VSPACE,  /* vspace_reserve_*() on the guest's vspace */
};

#define GM_RESERVATION_DEAD (1u << 30) /* no enumerator: unsigned, as the count is */

struct vm_memory_reservation {
    uintptr_t base;
    size_t size;
    memory_fault_callback_fn callback;
    void *cookie;
    struct gm_backing *backing; /* NULL: not backed */
    atomic_bool lazy;           /* accesses may populate it: they are handled with the turn */
    struct gm_policy policy;
    uint32_t busy; /* what the thread that changes it has under way: it can't be freed */
    atomic_uint calls; /* callbacks under way in a shared VM (else they count as busy), and whether it
                          is GM_RESERVATION_DEAD: its callback isn't entered any more */
    uint8_t kind;  /* enum gm_reservation_kind */
    uint8_t anonymous;
    uint8_t taking;           /* frames are being taken for it */
    uint8_t populated;        /* by accesses, of the guest's or the VMM's */
    uint8_t vspace_rights;    /* of a vspace reservation: what its pages are mapped with */
    uint8_t vspace_deferred;  /* its pages bring rights of their own */
    uint8_t vspace_automatic; /* of a vspace reservation: goes with its last page */
};

/* A pool range, as donated. */
struct gm_pool {
    uintptr_t base;
    size_t size;
};

struct gm_pools {
    struct gm_pool *at; /* ascending */
    size_t count;
    struct gm_room room;
    struct gm_range_alloc free;
    struct gm_room free_room;
};

/* A stage-2 table. */
struct gm_table {
    uintptr_t base; /* first gpa that it covers */
    seL4_CPtr cptr;
    seL4_Word ut;
    uint32_t used; /* entries in use: leaves, and tables of the level below */
};

struct gm_tables {
    struct gm_table *at; /* ascending */
    size_t count;
    struct gm_room room;
};

/* What the untypeds said of the last address looked up. */
struct gm_memory_kind {
    uintptr_t base;
    uintptr_t last;
    bool listed; /* in an untyped of boot information */
    bool device;
};

struct gm_space {
    vm_t *vm; /* NULL until joined */
    vka_t *vka;
    vspace_t *vmm;
    simple_t *simple; /* NULL until joined */
    vspace_t *own;    /* the vspace_t that this is the data of */
    ps_malloc_ops_t ops;
    ps_malloc_ops_t own_ops; /* that the space itself came from */
    seL4_CPtr root;
    uintptr_t last; /* last gpa */
    struct gm_policy policy;
    struct gm_readers readers;
    struct gm_turn turn;
    struct gm_index index;
    struct gm_index seen;     /* where the VMM sees what may be accessed (seen.h) */
    struct gm_window *window; /* of the views that aren't kept; NULL: all are */
    struct gm_handles handles;
    struct gm_pools pools;
    struct gm_tables tables[GM_ARCH_LEVEL_COUNT];
    struct gm_page_block *blocks; /* those with idle pages; see page_block.h */
    struct gm_memory_kind memory_kind;
    struct guestmem_stats stats;
    struct guestmem_failure failure;  /* of the step that failed last */
    struct guestmem_failure reported; /* of the public call that failed last */
    atomic_uint_fast64_t generation; /* counts removals: what was looked up before may be gone */
    struct gm_recent recent;         /* of whoever uses the VM while it isn't shared */
    struct gm_room *grown;   /* arrays that the call under way enlarged */
    struct gm_room ram_room; /* of vm->mem.ram_regions; capacity 0: the array isn't ours yet */
    size_t ram_count;        /* the same as vm->mem.num_ram_regions */
    size_t ram_reservations; /* registered */
    size_t ram_pending;      /* being registered */
    unsigned busy;   /* touches and iterators under way; fault callbacks count in reservations */
    unsigned taking; /* takings of frames under way: a call that ends meanwhile is an inner one */
};

/* vm->mem.reservation_cookie */
struct vm_memory_reservation_cookie {
    ps_malloc_ops_t ops;
    struct gm_space *space; /* NULL until joined */
};

/* Join a VM's book-keeping and its guest vspace, if they can be. The space, or NULL. */
struct gm_space *gm_space_join(vm_t *vm);

/* The space of a VM that has been used before; else NULL. For short ways: whatever may call
 * something in between, as gm_space_of() may, saves registers for that. */
static inline struct gm_space *gm_space_used(const vm_t *vm)
{
    return vm != NULL && vm->mem.reservation_cookie != NULL ? vm->mem.reservation_cookie->space
                                                            : NULL;
}

/* The space of a VM, or NULL: no VM, or one whose memory isn't initialised. */
static inline struct gm_space *gm_space_of(vm_t *vm)
{
    struct gm_space *space = gm_space_used(vm);

    if (space != NULL || vm == NULL || vm->mem.reservation_cookie == NULL) {
        return space;
    }
    return gm_space_join(vm);
}

/* The same for a call that changes memory, or looks at what changes move: takes the turn, which
 * gm_end() gives back. */
static inline struct gm_space *gm_begin(vm_t *vm)
{
    struct gm_space *space = gm_space_of(vm);

    if (space != NULL && space->readers.shared) {
        gm_turn_take(space);
    }
    return space;
}

/* What was found before the generation moved on may be gone. seq_cst: as the index' root. */
static inline uint64_t gm_generation(const struct gm_space *space)
{
    return atomic_load_explicit(&space->generation, memory_order_seq_cst);
}

static inline void gm_generation_next(struct gm_space *space)
{
    /* the load is relaxed: only who has the turn writes it */
    uint64_t now = atomic_load_explicit(&space->generation, memory_order_relaxed);

    atomic_store_explicit(&space->generation, now + 1, memory_order_seq_cst);
}

/* From now on other threads may read. The caller has the turn afterwards. GUESTMEM_ENOMEM. */
int gm_space_share(struct gm_space *space);

/* Whether a callback or an iterator of the space is under way: it can't be taken down. */
bool gm_space_is_busy(const struct gm_space *space);

/* Whether a vspace is one of ours; defined where its functions are. */
bool gm_vspace_is_ours(const vspace_t *vspace);

/* Make the space of a new guest vspace, or NULL. */
struct gm_space *gm_space_new(vspace_t *own, vspace_t *vmm, vka_t *vka, seL4_CPtr root);

/* Take a whole space down: all reservations, pools, tables, and the space itself. Never allocates.
 */
void gm_space_drop(struct gm_space *space);

/* Bytes of book-keeping, counted. NULL: none left. */
void *gm_alloc(struct gm_space *space, size_t size);
void gm_free(struct gm_space *space, void *block, size_t size);

/* A free cap slot, and with its way; GUESTMEM_ENOSLOT. Counted. */
int gm_slot_take_plain(struct gm_space *space, seL4_CPtr *slot);
int gm_slot_take(struct gm_space *space, cspacepath_t *path);
/* Give an empty slot back. */
void gm_slot_give(struct gm_space *space, seL4_CPtr slot);
/* Delete all that was made from the cap in a slot: an untyped's frames, or a frame's copies. */
void gm_slot_revoke(struct gm_space *space, seL4_CPtr slot);
/* Delete what is in a slot; and give it back. */
void gm_slot_empty(struct gm_space *space, seL4_CPtr slot);
void gm_slot_clear(struct gm_space *space, seL4_CPtr slot);
/* Copy a cap into an empty slot; GUESTMEM_EKERNEL. */
int gm_slot_copy(struct gm_space *space, seL4_CPtr from, seL4_CPtr to);
/* A copy in a new slot; also GUESTMEM_ENOSLOT. */
int gm_slot_take_copy(struct gm_space *space, seL4_CPtr from, seL4_CPtr *copy);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Claims on guest ranges: the index, the pools of anonymous memory, and the rules of who may stand
 * next to whom.
 *
 *      page     |          0x9000          |
 *      emulated |[uart 0x9000][rtc 0x9100] |     two reservations share a page while neither is
 * backed
 */
#pragma once

#include "space.h"

/* What a new reservation is to be. */
struct gm_claim {
    uintptr_t base;
    size_t size;
    memory_fault_callback_fn callback;
    void *cookie;
    uint8_t kind; /* enum gm_reservation_kind */
    uint8_t anonymous;
};

/* The last byte of a reservation; its first page as an address; its pages. */
static inline uintptr_t gm_last(const struct vm_memory_reservation *res)
{
    return res->base + (res->size - 1);
}

static inline uintptr_t gm_page_base(const struct vm_memory_reservation *res)
{
    return res->base & ~(((uintptr_t)1 << gm_arch_frame_bits[0]) - 1);
}

static inline uint64_t gm_page_count(const struct vm_memory_reservation *res)
{
    return ((gm_last(res) - gm_page_base(res)) >> gm_arch_frame_bits[0]) + 1;
}

/* Check a range at the public edge: GUESTMEM_EINVAL if empty, GUESTMEM_ERANGE. */
int gm_range_check(struct gm_space *space, uintptr_t base, size_t size);

/* Check a handle at the public edge: GUESTMEM_EINVAL if NULL, GUESTMEM_ESTALE. */
int gm_reservation_check(struct gm_space *space, vm_memory_reservation_t *res);

/* Make a reservation; all or nothing. */
int gm_reservation_new(struct gm_space *space, const struct gm_claim *claim,
                       vm_memory_reservation_t **res);

/* The same at an address of the pools' choice; claim->base is filled in. GUESTMEM_EUNMAPPED: no
 * room. */
int gm_reservation_new_anonymous(struct gm_space *space, struct gm_claim *claim, size_t align,
                                 vm_memory_reservation_t **res);

/* Check that a handle can be freed now: GUESTMEM_EBUSY. Then free it, backing and all. */
int gm_reservation_may_drop(struct gm_space *space, vm_memory_reservation_t *res);
void gm_reservation_drop(struct gm_space *space, vm_memory_reservation_t *res);

/* Whether the reservation has its pages to itself: GUESTMEM_ETAKEN names the other. */
int gm_reservation_check_alone(struct gm_space *space, vm_memory_reservation_t *res);

/* Being freed by another thread, or by a call that this one is inside of. relaxed: a moment earlier
 * it wasn't. */
static inline bool gm_reservation_is_dead(const vm_memory_reservation_t *res)
{
    return (atomic_load_explicit(&res->calls, memory_order_relaxed) & GM_RESERVATION_DEAD) != 0;
}

/* `lazy`: accesses may have to populate it. relaxed: who sees that has the turn before it looks at
 * the backing, and no access fails to find what isn't there yet before this was said. */
static inline void gm_reservation_set_backing(vm_memory_reservation_t *res,
                                              struct gm_backing *backing, bool lazy)
{
    res->backing = backing;
    atomic_store_explicit(&res->lazy, lazy, memory_order_relaxed);
}

/* The reservation that holds this byte, or NULL. */
static inline vm_memory_reservation_t *gm_reservation_find(struct gm_space *space, uintptr_t gpa)
{
    return gm_index_find(&space->index, gpa);
}

/* The same with what the thread found lately; NULL: it remembers nothing. */
static inline vm_memory_reservation_t *
gm_reservation_find_again(struct gm_space *space, struct gm_recent *recent, uintptr_t gpa)
{
    uint64_t generation = gm_generation(space); /* before the index: see lookup_cache.h */
    const struct gm_range_index *index = gm_index_root(&space->index);

    return recent == NULL ? gm_range_index_find(index, gpa)
                          : gm_lookup_cache_find(&recent->lookups, index, gpa, generation);
}

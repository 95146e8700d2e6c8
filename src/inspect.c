/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at a VM's memory: statistics, the walk over the map, guest address to physical.
 */
#include <guestmem/guestmem.h>

#include "alias.h"
#include "backing.h"
#include "failure.h"
#include "reservation.h"

int guestmem_get_stats(vm_t *vm, struct guestmem_stats *stats)
{
    struct gm_space *space = gm_begin(vm);

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    if (stats == NULL) {
        gm_fail(space, GUESTMEM_EINVAL, "there is no place for the statistics", 0);
        return gm_end(space, GUESTMEM_EINVAL, "guestmem_get_stats", 0, 0);
    }
    *stats = space->stats;
    gm_faults_add(stats, &space->readers.visitor_faults);
    for (const struct gm_reader *reader = space->readers.list; reader != NULL;
         reader = reader->next) {
        gm_faults_add(stats, &reader->faults);
    }
    return gm_end(space, GUESTMEM_OK, "guestmem_get_stats", 0, 0);
}

/* What the calling thread found lately, where it may look without further ado: in a VM that isn't
 * shared, or in a section that is open. NULL: it has to open one. */
static struct gm_recent *recent_here(struct gm_space *space)
{
    struct gm_reader *reader;

    if (!space->readers.shared) {
        return &space->recent;
    }
    reader = gm_reader_here(space);
    return reader != NULL && reader->depth > 0 ? &reader->recent : NULL;
}

static inline vm_memory_reservation_t *find_live(struct gm_space *space, struct gm_recent *recent,
                                                 uintptr_t gpa)
{
    vm_memory_reservation_t *res = gm_reservation_find_again(space, recent, gpa);

    return res != NULL && !gm_reservation_is_dead(res) ? res : NULL;
}

/* Not inlined: the short way would save registers for it. */
__attribute__((noinline)) static vm_memory_reservation_t *find_in_section(struct gm_space *space,
                                                                          uintptr_t gpa)
{
    struct gm_section section = gm_section_begin(space);
    vm_memory_reservation_t *res = find_live(space, gm_section_recent(space, &section), gpa);

    gm_section_end(space, &section);
    return res;
}

vm_memory_reservation_t *guestmem_reservation_at(vm_t *vm, uintptr_t gpa)
{
    struct gm_space *space = gm_space_of(vm);
    struct gm_recent *recent;

    if (space == NULL) {
        return NULL;
    }
    recent = recent_here(space);
    return recent != NULL ? find_live(space, recent, gpa) : find_in_section(space, gpa);
}

static enum guestmem_kind kind_of(const vm_memory_reservation_t *res)
{
    switch (res->kind) {
    case GM_RESERVATION_RAM:
        return GUESTMEM_KIND_RAM;
    case GM_RESERVATION_CREATED:
        return GUESTMEM_KIND_CREATED;
    case GM_RESERVATION_VSPACE:
        return GUESTMEM_KIND_VSPACE;
    default:
        return res->backing == NULL ? GUESTMEM_KIND_EMULATED : GUESTMEM_KIND_MAPPED;
    }
}

static struct guestmem_map_entry entry_of(const vm_memory_reservation_t *res)
{
    const struct gm_backing *backing = res->backing;
    struct guestmem_map_entry entry = {
        .base = res->base,
        .size = res->size,
        .kind = kind_of(res),
        .anonymous = res->anonymous != 0,
        .fault_callback = res->callback,
        .fault_cookie = res->cookie,
    };

    if (backing == NULL) {
        return entry;
    }
    for (size_t i = 0; i < backing->memory.frames.count; i++) {
        const struct gm_extent *extent = &backing->memory.frames.at[i];

        entry.frames[extent->size] += extent->count;
    }
    if (backing->memory.frames.count > 0) {
        const struct gm_extent *first = &backing->memory.frames.at[0];

        entry.device = first->device;
        entry.can_read = (first->rights & GM_RIGHT_READ) != 0;
        entry.can_write = (first->rights & GM_RIGHT_WRITE) != 0;
    }
    entry.lazy =
        backing->source.kind != GM_SOURCE_NONE && res->policy.populate == GUESTMEM_POPULATE_LAZY;
    entry.vmm_addr = gm_alias_at(res, 0);
    if (entry.vmm_addr != NULL) {
        entry.vmm_addr = (char *)entry.vmm_addr + (res->base - gm_page_base(res));
    }
    return entry;
}

/* Tell of every pool that starts below `limit` and hasn't been told of. */
static int walk_pools(const struct gm_space *space, size_t *pool, uintptr_t limit,
                      int (*visit)(const struct guestmem_map_entry *entry, void *cookie),
                      void *cookie)
{
    int result = 0;

    for (; result == 0 && *pool < space->pools.count && space->pools.at[*pool].base <= limit;
         (*pool)++) {
        struct guestmem_map_entry entry = {
            .base = space->pools.at[*pool].base,
            .size = space->pools.at[*pool].size,
            .kind = GUESTMEM_KIND_POOL,
        };

        result = visit(&entry, cookie);
    }
    return result;
}

int guestmem_walk(vm_t *vm, int (*visit)(const struct guestmem_map_entry *entry, void *cookie),
                  void *cookie)
{
    struct gm_space *space = gm_begin(vm);
    const struct gm_range_index *index;
    struct gm_range_pos pos;
    size_t pool = 0;
    int result = 0;

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    if (visit == NULL) {
        gm_fail(space, GUESTMEM_EINVAL, "there is nothing to visit with", 0);
        return gm_end(space, GUESTMEM_EINVAL, "guestmem_walk", 0, 0);
    }
    index = gm_index_root(&space->index);
    for (bool more = gm_range_index_first(index, &pos); more && result == 0;
         more = gm_range_index_next(index, &pos)) {
        struct guestmem_map_entry entry = entry_of(gm_range_index_item(index, pos));

        result = walk_pools(space, &pool, entry.base, visit, cookie);
        if (result == 0) {
            result = visit(&entry, cookie);
        }
    }
    result = result != 0 ? result : walk_pools(space, &pool, space->last, visit, cookie);
    gm_turn_give(space);
    return result;
}

/* The physical address of the frame at gpa, and the guest address behind the frame. */
static int find_paddr(struct gm_space *space, uintptr_t gpa, uintptr_t *paddr, uintptr_t *behind)
{
    uintptr_t mask = ((uintptr_t)1 << gm_arch_frame_bits[0]) - 1;
    vm_memory_reservation_t *res = gm_index_meets(&space->index, gpa & ~mask, gpa | mask);
    const struct gm_extent *extent = NULL;
    uintptr_t frame_mask;
    uint64_t page = 0;
    int error;

    if (res != NULL && res->backing != NULL) {
        page = (gpa - gm_page_base(res)) >> gm_arch_frame_bits[0];
        extent = gm_extents_find(&res->backing->memory.frames, page);
    }
    if (extent == NULL) {
        return gm_fail(space, GUESTMEM_EUNMAPPED, "find a frame at every address", 0);
    }
    error = gm_arch_frame_paddr(extent->cptr + (page - extent->page) / gm_size_pages(extent->size),
                                paddr);
    if (error != 0) {
        return gm_fail(space, GUESTMEM_EKERNEL, "get a frame's physical address", error);
    }
    frame_mask = ((uintptr_t)1 << gm_arch_frame_bits[extent->size]) - 1;
    *paddr += gpa & frame_mask;
    *behind = (gpa | frame_mask) + 1;
    return GUESTMEM_OK;
}

/* The physical address of a whole range, which must be contiguous. */
static int find_paddr_of_range(struct gm_space *space, uintptr_t base, size_t size,
                               uintptr_t *first)
{
    uintptr_t at = base;
    int error = gm_range_check(space, base, size);

    while (error == GUESTMEM_OK && at <= base + (size - 1)) {
        uintptr_t start = at;
        uintptr_t paddr = 0;

        error = find_paddr(space, start, &paddr, &at);
        if (error == GUESTMEM_OK && start == base) {
            *first = paddr;
        }
        if (error == GUESTMEM_OK && paddr - *first != start - base) {
            error = gm_fail(space, GUESTMEM_EUNMAPPED, "find contiguous physical memory", 0);
        }
    }
    return error;
}

uintptr_t vm_arm_ipa_to_pa(vm_t *vm, uintptr_t ipa_base, size_t size)
{
    struct gm_space *space = gm_begin(vm);
    uintptr_t paddr = 0;
    int error =
        space == NULL ? GUESTMEM_EINVAL : find_paddr_of_range(space, ipa_base, size, &paddr);

    return gm_end_logged(space, error, "vm_arm_ipa_to_pa", ipa_base, size) == 0 ? paddr : 0;
}

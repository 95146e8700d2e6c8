/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "space.h"

#include <string.h>

#include "failure.h"
#include "policy.h"
#include "pool.h"
#include "reservation.h"
#include "window.h"

void *gm_alloc(struct gm_space *space, size_t size)
{
    void *block = NULL;

    if (ps_malloc(&space->ops, size, &block) != 0 || block == NULL) {
        return NULL;
    }
    space->stats.bytes += size;
    return block;
}

void gm_free(struct gm_space *space, void *block, size_t size)
{
    if (block != NULL) {
        ps_free(&space->ops, size, block);
        space->stats.bytes -= size;
    }
}

struct gm_space *gm_space_new(vspace_t *own, vspace_t *vmm, vka_t *vka, seL4_CPtr root)
{
    ps_malloc_ops_t ops;
    struct gm_space *space = NULL;

    if (ps_new_stdlib_malloc_ops(&ops) != 0 ||
        ps_malloc(&ops, sizeof(*space), (void **)&space) != 0 || space == NULL) {
        return NULL;
    }
    memset(space, 0, sizeof(*space));
    space->own = own;
    space->vmm = vmm;
    space->vka = vka;
    space->root = root;
    space->last = gm_arch_last();
    space->ops = ops;
    space->own_ops = ops;
    gm_policy_start(&space->policy);
    gm_index_start(&space->index);
    gm_index_start(&space->seen);
    atomic_store_explicit(&space->readers.epoch, 1, memory_order_relaxed);
    return space;
}

/* The VM's array of RAM regions is the library's from the first registration on. */
static void drop_ram(struct gm_space *space)
{
    if (space->vm != NULL && space->ram_room.capacity != 0) {
        gm_room_drop(space, &space->ram_room, &space->vm->mem.ram_regions,
                     sizeof(space->vm->mem.ram_regions[0]));
        space->vm->mem.num_ram_regions = 0;
    }
}

void gm_space_drop(struct gm_space *space)
{
    ps_malloc_ops_t own_ops = space->own_ops;
    struct gm_range_pos pos;

    while (gm_range_index_first(gm_index_root(&space->index), &pos)) {
        gm_reservation_drop(space, gm_range_index_item(gm_index_root(&space->index), pos));
    }
    gm_index_drop(space, &space->index);
    gm_index_drop(space, &space->seen);
    gm_window_drop(space);
    gm_readers_drop(space);
    gm_pools_drop(space);
    for (unsigned level = 0; level < GM_ARCH_LEVEL_COUNT; level++) {
        struct gm_tables *tables = &space->tables[level];

        gm_room_drop(space, &tables->room, &tables->at, sizeof(tables->at[0]));
    }
    drop_ram(space);
    if (space->vm != NULL) {
        space->vm->mem.vm_vspace.data = NULL; /* also when a copy of that vspace_t was torn down */
        space->vm->mem.reservation_cookie->space = NULL;
    }
    ps_free(&own_ops, sizeof(*space), space);
}

/*
 * The VM's own allocator takes over from the one that made the space, if nothing was allocated from
 * that yet: then all book-keeping of a VM comes from vm->io_ops.
 */
static void join(struct gm_space *space, vm_t *vm)
{
    if (space->stats.bytes == 0) {
        space->ops = vm->mem.reservation_cookie->ops;
    }
    space->vm = vm;
    space->simple = vm->simple;
    space->own = &vm->mem.vm_vspace;
    vm->mem.reservation_cookie->space = space;
}

struct gm_space *gm_space_join(vm_t *vm)
{
    if (gm_vspace_is_ours(&vm->mem.vm_vspace)) {
        join(vm->mem.vm_vspace.data, vm);
    }
    return vm->mem.reservation_cookie->space;
}

bool gm_space_is_busy(const struct gm_space *space)
{
    const struct gm_range_index *index = gm_index_root(&space->index);
    struct gm_range_pos pos;

    for (bool more = gm_range_index_first(index, &pos); more;
         more = gm_range_index_next(index, &pos)) {
        const vm_memory_reservation_t *res = gm_range_index_item(index, pos);

        if (res->busy != 0 || atomic_load_explicit(&res->calls, memory_order_relaxed) != 0) {
            return true;
        }
    }
    return space->busy != 0 || gm_readers_are_there(space);
}

int gm_space_share(struct gm_space *space)
{
    static const char step[] = "make the index one that can be shared";

    if (gm_index_share_prepare(space, &space->index) != GUESTMEM_OK) {
        return gm_fail(space, GUESTMEM_ENOMEM, step, 0);
    }
    if (gm_index_share_prepare(space, &space->seen) != GUESTMEM_OK) {
        gm_index_share_abandon(space, &space->index);
        return gm_fail(space, GUESTMEM_ENOMEM, step, 0);
    }
    gm_index_share(space, &space->index);
    gm_index_share(space, &space->seen);
    space->readers.shared = true;
    gm_turn_take(space);
    return GUESTMEM_OK;
}

int gm_slot_take_plain(struct gm_space *space, seL4_CPtr *slot)
{
    int error = vka_cspace_alloc(space->vka, slot);

    if (error != 0) {
        return gm_fail(space, GUESTMEM_ENOSLOT, "take a cap slot", error);
    }
    space->stats.slots++;
    return GUESTMEM_OK;
}

int gm_slot_take(struct gm_space *space, cspacepath_t *path)
{
    seL4_CPtr slot;
    int error = gm_slot_take_plain(space, &slot);

    if (error == GUESTMEM_OK) {
        vka_cspace_make_path(space->vka, slot, path);
    }
    return error;
}

void gm_slot_give(struct gm_space *space, seL4_CPtr slot)
{
    vka_cspace_free(space->vka, slot);
    space->stats.slots--;
}

void gm_slot_revoke(struct gm_space *space, seL4_CPtr slot)
{
    cspacepath_t path;

    vka_cspace_make_path(space->vka, slot, &path);
    vka_cnode_revoke(&path);
}

void gm_slot_empty(struct gm_space *space, seL4_CPtr slot)
{
    cspacepath_t path;

    vka_cspace_make_path(space->vka, slot, &path);
    vka_cnode_delete(&path);
}

void gm_slot_clear(struct gm_space *space, seL4_CPtr slot)
{
    gm_slot_empty(space, slot);
    gm_slot_give(space, slot);
}

int gm_slot_copy(struct gm_space *space, seL4_CPtr from, seL4_CPtr to)
{
    cspacepath_t source;
    cspacepath_t target;
    int error;

    vka_cspace_make_path(space->vka, from, &source);
    vka_cspace_make_path(space->vka, to, &target);
    error = vka_cnode_copy(&target, &source, seL4_AllRights);
    return error == seL4_NoError ? GUESTMEM_OK
                                 : gm_fail(space, GUESTMEM_EKERNEL, "copy a frame's cap", error);
}

int gm_slot_take_copy(struct gm_space *space, seL4_CPtr from, seL4_CPtr *copy)
{
    cspacepath_t path;
    int error = gm_slot_take(space, &path);

    if (error != GUESTMEM_OK) {
        return error;
    }
    error = gm_slot_copy(space, from, path.capPtr);
    if (error != GUESTMEM_OK) {
        gm_slot_give(space, path.capPtr);
        return error;
    }
    *copy = path.capPtr;
    return GUESTMEM_OK;
}

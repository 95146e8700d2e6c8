/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest memory faults: address -> reservation -> populate, or its callback.
 */
#include <guestmem/runtime.h>
#include <utils/util.h>

#include "backing.h"
#include "failure.h"
#include "reservation.h"

/* ------------------------------------------------------------------------------- lazy memory */

/* Whether the guest may read and write `page` as it pleases. */
static bool is_open(const vm_memory_reservation_t *res, uint64_t page)
{
    const struct gm_extent *frame = gm_extents_find(&res->backing->memory.frames, page);

    return frame != NULL && frame->rights == GM_RIGHTS_ALL && !frame->device;
}

/*
 * Populate what of the access is lazy. False: nothing is, the callback decides. Where accesses have
 * populated before, one that nothing keeps from its memory any more came while another vcpu's was
 * being answered. Not inlined: the way to the callback of an emulated device would save registers for
 * it.
 */
__attribute__((noinline)) static bool populate(struct gm_space *space, vm_memory_reservation_t *res,
                                               uintptr_t addr, size_t size,
                                               memory_fault_result_t *result)
{
    unsigned bits = gm_arch_frame_bits[0];
    uint64_t first = (addr - gm_page_base(res)) >> bits;
    uint64_t last = (addr + (size - 1) - gm_page_base(res)) >> bits;
    int error;

    if (!gm_backing_is_lazy_at(res, first) && !gm_backing_is_lazy_at(res, last)) {
        *result = FAULT_RESTART;
        return res->populated && is_open(res, first) && is_open(res, last);
    }
    gm_turn_take(space);
    error = gm_backing_populate_at_access(space, res, first, last + 1);
    if (gm_end_logged(space, error, "populate at a guest access", addr, size) != 0) {
        *result = FAULT_ERROR;
        return true;
    }
    *result = FAULT_RESTART;
    return true;
}

/* Whether a reservation, or NULL, holds the whole access and can answer it. */
static inline bool can_answer(const vm_memory_reservation_t *res, uintptr_t addr, size_t size)
{
    return res != NULL && size - 1 <= gm_last(res) - addr && res->callback != NULL;
}

static vm_memory_reservation_t *find(struct gm_space *space, struct gm_recent *recent,
                                     uintptr_t addr, size_t size)
{
    vm_memory_reservation_t *res = gm_reservation_find_again(space, recent, addr);

    return can_answer(res, addr, size) ? res : NULL;
}

/* ------------------------------------------------------------------------------- shared VMs */

/* relaxed: numbers, each by itself. Only visitors share theirs. */
static void count(atomic_uint_fast64_t *counter, bool shared)
{
    if (shared) {
        atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
    } else {
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    }
}

/*
 * Find the reservation, and count this thread among those that are at its callback: from then on it
 * stays where it is, unless it is dead already. acquire: not entered before it is known to live.
 */
static vm_memory_reservation_t *enter(struct gm_space *space, uintptr_t addr, size_t size,
                                      bool *lazy)
{
    struct gm_section section = gm_section_begin(space);
    vm_memory_reservation_t *res = find(space, gm_section_recent(space, &section), addr, size);

    if (res != NULL) {
        unsigned before = atomic_fetch_add_explicit(&res->calls, 1, memory_order_acquire);

        *lazy = atomic_load_explicit(&res->lazy, memory_order_relaxed);
        if ((before & GM_RESERVATION_DEAD) != 0) {
            atomic_fetch_sub_explicit(&res->calls, 1, memory_order_relaxed);
            res = NULL;
        }
    }
    gm_section_end(space, &section);
    return res;
}

static void leave(vm_memory_reservation_t *res)
{
    /* release: what the callback did is done before a free goes on */
    atomic_fetch_sub_explicit(&res->calls, 1, memory_order_release);
}

/* The same as populate(), which needs the turn. While that is waited for the reservation may be
 * freed: no vcpu holds it meanwhile, or the free would wait for a fault that isn't a callback. */
static bool populate_shared(struct gm_space *space, uintptr_t addr, size_t size,
                            memory_fault_result_t *result)
{
    vm_memory_reservation_t *res;
    bool answered = false;

    gm_turn_take(space);
    res = find(space, &space->recent, addr, size);
    if (res != NULL && res->backing != NULL) {
        answered = populate(space, res, addr, size, result);
    }
    gm_turn_give(space);
    return answered;
}

/* The thread's sections end for the time of the callback, which may wait for others. */
static memory_fault_result_t call(struct gm_reader *reader, vm_memory_reservation_t *res, vm_t *vm,
                                  vm_vcpu_t *vcpu, uintptr_t addr, size_t size)
{
    unsigned depth = reader == NULL ? 0 : gm_reader_set_aside(reader);
    memory_fault_result_t result;

    gm_thread.callbacks++;
    result = res->callback(vm, vcpu, addr, size, res->cookie);
    gm_thread.callbacks--;
    leave(res);
    if (reader != NULL) {
        gm_reader_put_back(reader, depth);
    }
    return result;
}

__attribute__((noinline)) static memory_fault_result_t
handle_shared(struct gm_space *space, vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size)
{
    struct gm_reader *reader = gm_reader_here(space);
    struct gm_fault_counts *counts =
        reader != NULL ? &reader->faults : &space->readers.visitor_faults;
    memory_fault_result_t result;
    bool lazy = false;
    vm_memory_reservation_t *res = enter(space, addr, size, &lazy);

    count(&counts->all, reader == NULL);
    if (res != NULL && lazy) {
        leave(res);
        if (populate_shared(space, addr, size, &result)) {
            return result;
        }
        res = enter(space, addr, size, &lazy);
    }
    if (res == NULL) {
        count(&counts->unhandled, reader == NULL);
        return FAULT_UNHANDLED;
    }
    return call(reader, res, vm, vcpu, addr, size);
}

/* ------------------------------------------------------------------------------- the way in */

static inline memory_fault_result_t call_alone(vm_memory_reservation_t *res, vm_t *vm,
                                               vm_vcpu_t *vcpu, uintptr_t addr, size_t size)
{
    memory_fault_result_t result;

    res->busy++;
    result = res->callback(vm, vcpu, addr, size, res->cookie);
    res->busy--;
    return result;
}

__attribute__((noinline)) static memory_fault_result_t
handle_backed(struct gm_space *space, vm_memory_reservation_t *res, vm_t *vm, vm_vcpu_t *vcpu,
              uintptr_t addr, size_t size)
{
    memory_fault_result_t result;

    return populate(space, res, addr, size, &result) ? result
                                                     : call_alone(res, vm, vcpu, addr, size);
}

/* What wasn't found lately. */
__attribute__((noinline)) static memory_fault_result_t
handle_new(struct gm_space *space, struct gm_lookup_entry *entry, vm_t *vm, vm_vcpu_t *vcpu,
           uintptr_t addr, size_t size)
{
    vm_memory_reservation_t *res = gm_lookup_cache_search(entry, gm_index_root(&space->index), addr,
                                                          gm_generation(space));

    space->stats.faults++;
    if (!can_answer(res, addr, size)) {
        space->stats.faults_unhandled++;
        return FAULT_UNHANDLED;
    }
    return res->backing != NULL ? handle_backed(space, res, vm, vcpu, addr, size)
                                : call_alone(res, vm, vcpu, addr, size);
}

__attribute__((noinline)) static memory_fault_result_t
handle_otherwise(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size)
{
    struct gm_space *space = gm_space_of(vm);

    if (space == NULL) {
        ZF_LOGE("vm_memory_handle_fault: no VM, or one whose memory isn't initialised");
        return FAULT_ERROR;
    }
    return space->readers.shared ? handle_shared(space, vm, vcpu, addr, size)
                                 : handle_new(space, gm_lookup_cache_entry(&space->recent.lookups,
                                                                           addr),
                                              vm, vcpu, addr, size);
}

/* Short on purpose, and with few registers to save: it runs at each access to an emulated device. */
memory_fault_result_t vm_memory_handle_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size)
{
    struct gm_space *space = gm_space_used(vm);
    struct gm_lookup_entry *entry;
    vm_memory_reservation_t *res;

    if (space == NULL || space->readers.shared) {
        return handle_otherwise(vm, vcpu, addr, size);
    }
    entry = gm_lookup_cache_entry(&space->recent.lookups, addr);
    res = gm_lookup_entry_item(entry, addr, gm_generation(space));
    if (!can_answer(res, addr, size) || res->backing != NULL) {
        return handle_new(space, entry, vm, vcpu, addr, size);
    }
    space->stats.faults++;
    return call_alone(res, vm, vcpu, addr, size);
}

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

/* Populate what of the access is lazy. False: nothing is, the callback decides. Not inlined: the
 * way to the callback of an emulated device would save registers for it. */
__attribute__((noinline)) static bool populate(struct gm_space *space, vm_memory_reservation_t *res,
                                               uintptr_t addr, size_t size,
                                               memory_fault_result_t *result)
{
    unsigned bits = gm_arch_frame_bits[0];
    uint64_t first = (addr - gm_page_base(res)) >> bits;
    uint64_t last = (addr + (size - 1) - gm_page_base(res)) >> bits;
    int error;

    if (!gm_backing_is_lazy_at(res, first) && !gm_backing_is_lazy_at(res, last)) {
        return false;
    }
    error = gm_backing_populate_at_access(space, res, first, last + 1);
    if (gm_end_logged(space, error, "populate at a guest access", addr, size) != 0) {
        *result = FAULT_ERROR;
        return true;
    }
    *result = FAULT_RESTART;
    return true;
}

static memory_fault_result_t unhandled(struct gm_space *space)
{
    if (space == NULL) {
        ZF_LOGE("vm_memory_handle_fault: no VM, or one whose memory isn't initialised");
        return FAULT_ERROR;
    }
    space->stats.faults_unhandled++;
    return FAULT_UNHANDLED;
}

/* Short on purpose: it runs at each access to an emulated device. */
memory_fault_result_t vm_memory_handle_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size)
{
    struct gm_space *space = gm_space_of(vm);
    vm_memory_reservation_t *res;
    memory_fault_result_t result;

    if (space == NULL) {
        return unhandled(space);
    }
    space->stats.faults++;
    res = gm_range_index_find(&space->index, addr);
    if (res == NULL || size - 1 > gm_last(res) - addr || res->callback == NULL) {
        return unhandled(space);
    }
    if (res->backing != NULL && populate(space, res, addr, size, &result)) {
        return result;
    }
    res->busy++;
    result = res->callback(vm, vcpu, addr, size, res->cookie);
    res->busy--;
    return result;
}

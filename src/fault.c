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

static memory_fault_result_t populate(struct gm_space *space, vm_memory_reservation_t *res, uintptr_t addr,
                                      size_t size)
{
    unsigned bits = gm_arch_frame_bits[0];
    uint64_t from = (addr - gm_page_base(res)) >> bits;
    uint64_t to = ((addr + (size - 1) - gm_page_base(res)) >> bits) + 1;
    int error = gm_backing_populate(space, res, from, to, false);

    if (gm_end_logged(space, error, "populate at a guest access", addr, size) != 0) {
        return FAULT_ERROR;
    }
    space->stats.faults_populated++;
    return FAULT_RESTART;
}

static bool is_lazy(const vm_memory_reservation_t *res, uintptr_t addr, size_t size)
{
    unsigned bits = gm_arch_frame_bits[0];
    uintptr_t base = gm_page_base(res);

    return gm_backing_is_lazy_at(res, (addr - base) >> bits) ||
           gm_backing_is_lazy_at(res, (addr + (size - 1) - base) >> bits);
}

memory_fault_result_t vm_memory_handle_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size)
{
    struct gm_space *space = gm_space_of(vm);
    vm_memory_reservation_t *res;
    memory_fault_result_t result;

    if (space == NULL) {
        ZF_LOGE("vm_memory_handle_fault: no VM, or one whose memory isn't initialised");
        return FAULT_ERROR;
    }
    space->stats.faults++;
    res = gm_range_index_find(&space->index, addr);
    if (res == NULL || size == 0 || size - 1 > gm_last(res) - addr || res->callback == NULL) {
        space->stats.faults_unhandled++;
        return FAULT_UNHANDLED;
    }
    if (res->backing != NULL && is_lazy(res, addr, size)) {
        return populate(space, res, addr, size);
    }
    res->busy++;
    result = res->callback(vm, vcpu, addr, size, res->cookie);
    res->busy--;
    return result;
}

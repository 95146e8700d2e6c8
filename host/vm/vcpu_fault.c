/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The fault that a vcpu waits with. The getters may be called for as long as it waits, the replies
 * from any thread: `reply` is the one word that two threads write, and what was set before it is
 * seen with it.
 */
#include <sel4vm/guest_vcpu_fault.h>

#include "runtime.h"

static struct fault *pending(vm_vcpu_t *vcpu)
{
    struct fault *fault = vcpu == NULL ? NULL : vcpu->vcpu_arch.fault;

    return fault != NULL && atomic_load(&fault->kind) != PENDING_NOTHING ? fault : NULL;
}

static struct fault *pending_access(vm_vcpu_t *vcpu)
{
    struct fault *fault = pending(vcpu);

    return fault != NULL && atomic_load(&fault->kind) == PENDING_ACCESS ? fault : NULL;
}

static seL4_Word low_mask(const struct fault *fault)
{
    return fault->exit.size >= sizeof(seL4_Word) ? ~(seL4_Word)0
                                                 : ((seL4_Word)1 << fault->exit.size * 8) - 1;
}

static unsigned lane(const struct fault *fault)
{
    return (fault->exit.address & 3) * 8;
}

seL4_Word get_vcpu_fault_address(vm_vcpu_t *vcpu)
{
    struct fault *fault = pending_access(vcpu);

    return fault != NULL ? fault->exit.address : 0;
}

seL4_Word get_vcpu_fault_ip(vm_vcpu_t *vcpu)
{
    struct fault *fault = pending(vcpu);

    return fault != NULL ? fault->exit.pc : 0;
}

seL4_Word get_vcpu_fault_data(vm_vcpu_t *vcpu)
{
    struct fault *fault = pending_access(vcpu);

    return fault != NULL ? fault->data : 0;
}

seL4_Word get_vcpu_fault_data_mask(vm_vcpu_t *vcpu)
{
    struct fault *fault = pending_access(vcpu);

    return fault != NULL ? low_mask(fault) << lane(fault) : 0;
}

size_t get_vcpu_fault_size(vm_vcpu_t *vcpu)
{
    struct fault *fault = pending_access(vcpu);

    return fault != NULL ? fault->exit.size : 0;
}

bool is_vcpu_read_fault(vm_vcpu_t *vcpu)
{
    struct fault *fault = pending_access(vcpu);

    return fault != NULL && !fault->exit.write;
}

int set_vcpu_fault_data(vm_vcpu_t *vcpu, seL4_Word data)
{
    struct fault *fault = pending_access(vcpu);

    if (fault == NULL) {
        return -1;
    }
    fault->data = data;
    return 0;
}

seL4_Word emulate_vcpu_fault(vm_vcpu_t *vcpu, seL4_Word data)
{
    struct fault *fault = pending_access(vcpu);
    seL4_Word mask;

    if (fault == NULL) {
        return data;
    }
    mask = low_mask(fault);
    if (fault->exit.write) {
        return (data & ~(mask << lane(fault))) | (fault->data & mask) << lane(fault);
    }
    return (data & ~mask) | (fault->data >> lane(fault) & mask);
}

static void give_reply(vm_vcpu_t *vcpu, enum fault_reply reply)
{
    struct fault *fault = pending(vcpu);
    int none = REPLY_NONE;

    if (fault != NULL && atomic_compare_exchange_strong(&fault->reply, &none, (int)reply)) {
        if (!run_serves(fault)) {
            runtime_wake(fault->runtime);
        }
    }
}

void advance_vcpu_fault(vm_vcpu_t *vcpu)
{
    give_reply(vcpu, REPLY_ADVANCE);
}

void restart_vcpu_fault(vm_vcpu_t *vcpu)
{
    give_reply(vcpu, REPLY_RESTART);
}

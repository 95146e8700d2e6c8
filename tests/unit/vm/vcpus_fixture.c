/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "vcpus_fixture.h"

#include <stdlib.h>
#include <string.h>

static int on_trap(vm_vcpu_t *vcpu, uint32_t hsr, void *cookie)
{
    struct vcpus *vcpus = cookie;

    if (hsr >> 26 == 1) { /* WFI */
        advance_vcpu_fault(vcpu);
        return 0;
    }
    if (hsr >> 26 != 0x16 || (hsr & 0xffff) != 0) {
        vcpus->failed++;
        guestmem_host_vm_stop(vcpu->vm);
    } else if (atomic_fetch_add(&vcpus->done, 1) + 1 == vcpus->expected) {
        guestmem_host_vm_stop(vcpu->vm);
    }
    return 0; /* without an answer: the vcpu waits from here on */
}

static int set_up(void **state, bool parallel)
{
    struct vcpus *vcpus = calloc(1, sizeof(*vcpus));

    assert_non_null(vcpus);
    vcpus->parallel = parallel;
    vcpus->expected = VCPU_COUNT;
    assert_int_equal(guestmem_host_create(NULL, &vcpus->base.host), 0);
    assert_int_equal(fixture_vm_init(&vcpus->base, &vcpus->base.vm, "vcpus"), 0);
    fixture_ram(&vcpus->base.vm);
    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        vcpus->vcpu[n] = vm_create_vcpu(&vcpus->base.vm, 1);
        assert_non_null(vcpus->vcpu[n]);
        assert_int_equal(vm_register_unhandled_vcpu_fault_callback(vcpus->vcpu[n], on_trap, vcpus),
                         0);
        vcpus->context[n].pc = FIXTURE_RAM + n * VCPUS_CODE_BYTES;
        vcpus->context[n].spsr = FIXTURE_EL1H;
        vcpus->context[n].x0 = n;
    }
    assert_int_equal(guestmem_host_vm_set_parallel(&vcpus->base.vm, parallel), 0);
    *state = vcpus;
    return 0;
}

int vcpus_set_up_in_turns(void **state)
{
    return set_up(state, false);
}

int vcpus_set_up_in_parallel(void **state)
{
    return set_up(state, true);
}

int vcpus_tear_down(void **state)
{
    struct vcpus *vcpus = *state;

    assert_int_equal(guestmem_host_vm_destroy(&vcpus->base.vm), 0);
    guestmem_host_destroy(vcpus->base.host);
    free(vcpus);
    return 0;
}

void vcpus_code(struct vcpus *vcpus, unsigned n, const uint32_t *code, size_t bytes)
{
    uint64_t place = FIXTURE_RAM + n * VCPUS_CODE_BYTES;

    assert_true(bytes <= VCPUS_CODE_BYTES);
    fixture_write(&vcpus->base.vm, place, code, bytes);
    guestmem_host_vm_code_changed(&vcpus->base.vm, place, bytes);
}

void vcpus_start(struct vcpus *vcpus, unsigned n)
{
    assert_int_equal(vm_set_thread_context(vcpus->vcpu[n], vcpus->context[n]), 0);
    assert_int_equal(vcpu_start(vcpus->vcpu[n]), 0);
}

void vcpus_run(struct vcpus *vcpus)
{
    assert_int_equal(vm_run(&vcpus->base.vm), 0);
    assert_int_equal(vcpus->failed, 0);
    assert_int_equal(vcpus->done, vcpus->expected);
}

void vcpus_run_both(struct vcpus *vcpus, const uint32_t *code, size_t bytes)
{
    for (unsigned n = 0; n < VCPU_COUNT; n++) {
        uint64_t pc = vcpus->context[n].pc;

        vcpus_code(vcpus, n, code, bytes);
        vcpus->context[n] = vcpus->context[0];
        vcpus->context[n].pc = pc;
        vcpus->context[n].x0 = n;
        vcpus_start(vcpus, n);
    }
    vcpus_run(vcpus);
}

seL4_UserContext vcpus_context(struct vcpus *vcpus, unsigned n)
{
    seL4_UserContext context;

    assert_int_equal(vm_get_thread_context(vcpus->vcpu[n], &context), 0);
    return context;
}

void vcpus_clear(struct vcpus *vcpus, uint64_t gpa, size_t bytes)
{
    static const uint8_t zeroes[4096];

    for (size_t at = 0; at < bytes; at += sizeof(zeroes)) {
        size_t left = bytes - at;

        fixture_write(&vcpus->base.vm, gpa + at, zeroes,
                      left < sizeof(zeroes) ? left : sizeof(zeroes));
    }
}

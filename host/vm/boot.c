/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A VM from vm_init() to its end.
 */
#define _GNU_SOURCE
#include <sel4vm/boot.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <guestmem/guestmem.h>
#include <guestmem/runtime.h>
#include <sel4vm/guest_vm_exits.h>
#include <sel4vm/guest_vm_util.h>
#include <utils/util.h>
#include <vka/object.h>

#include "runtime.h"

static void take_down_vcpus(vm_t *vm)
{
    while (vm->num_vcpus > 0) {
        struct fault *fault = vm->vcpus[--vm->num_vcpus]->vcpu_arch.fault;

        engine_cpu_destroy(fault->cpu);
        free(fault);
        vm->vcpus[vm->num_vcpus] = NULL;
    }
}

/* Reverse of vm_init() and whatever of it was done. */
static void take_down(vm_t *vm)
{
    struct runtime *runtime = runtime_of(vm);
    seL4_CPtr root = vm->mem.vm_vspace_root.cptr;

    take_down_vcpus(vm);
    if (runtime != NULL) {
        if (runtime->engine != NULL) {
            guestmem_host_unwatch(runtime->host, root);
            engine_destroy(runtime->engine);
        }
        runtime_remove(runtime);
    }
    if (vm->mem.vm_vspace.data != NULL) {
        guestmem_destroy(vm);
    }
    if (root != seL4_CapNull) {
        vka_free_object(vm->vka, &vm->mem.vm_vspace_root);
    }
    free(vm->vm_name);
    memset(vm, 0, sizeof(*vm));
}

static int make_space(vm_t *vm)
{
    if (vka_alloc_vspace_root(vm->vka, &vm->mem.vm_vspace_root) != 0) {
        vm->mem.vm_vspace_root.cptr = seL4_CapNull;
        ZF_LOGE("vm_init: no memory for the guest's address space");
        return -1;
    }
    if (simple_ASIDPool_assign(vm->simple, vm->mem.vm_vspace_root.cptr) != seL4_NoError) {
        ZF_LOGE("vm_init: no ASID for the guest's address space");
        return -1;
    }
    if (vm_init_guest_vspace(&vm->mem.vmm_vspace, &vm->mem.vmm_vspace, &vm->mem.vm_vspace, vm->vka,
                             vm->mem.vm_vspace_root.cptr) != 0) {
        return -1;
    }
    return vm_memory_init(vm);
}

static int make_engine(vm_t *vm)
{
    struct guestmem_host *host = guestmem_host_current();
    seL4_CPtr root = vm->mem.vm_vspace_root.cptr;
    struct runtime *runtime = NULL;
    struct engine *engine = NULL;
    int err = host == NULL ? -ENODEV : runtime_add(vm, host, &runtime);

    if (!err) {
        err = engine_create(host, root, &engine);
    }
    if (!err) {
        err = guestmem_host_watch(host, root, engine_invalidate, engine);
    }
    if (err) {
        engine_destroy(engine);
        ZF_LOGE("vm_init: can't make the guest CPU's view of memory: %s", strerror(-err));
        return -1;
    }
    runtime->engine = engine;
    return 0;
}

int vm_init(vm_t *vm, vka_t *vka, simple_t *host_simple, vspace_t host_vspace, ps_io_ops_t *io_ops,
            seL4_CPtr host_endpoint, const char *name)
{
    if (vm == NULL || vka == NULL || host_simple == NULL || io_ops == NULL || name == NULL) {
        ZF_LOGE("vm_init: a VM, vka, simple, io ops and name are needed");
        return -1;
    }
    if (runtime_of(vm) != NULL) {
        ZF_LOGE("vm_init: the VM '%s' is there already; guestmem_host_vm_destroy() ends it", name);
        return -1;
    }
    memset(vm, 0, sizeof(*vm));
    vm->vka = vka;
    vm->simple = host_simple;
    vm->io_ops = io_ops;
    vm->mem.vmm_vspace = host_vspace;
    vm->host_endpoint = host_endpoint;
    vm->run.exit_reason = VM_GUEST_UNKNOWN_EXIT;
    vm->vm_name = strdup(name);
    if (vm->vm_name == NULL || make_space(vm) != 0 || make_engine(vm) != 0) {
        take_down(vm);
        return -1;
    }
    vm->vm_initialised = true;
    return 0;
}

vm_vcpu_t *vm_create_vcpu(vm_t *vm, int priority)
{
    struct runtime *runtime = vm == NULL ? NULL : runtime_of(vm);
    struct fault *fault;

    if (runtime == NULL || vm->num_vcpus == CONFIG_MAX_NUM_NODES) {
        ZF_LOGE("vm_create_vcpu: %s",
                runtime == NULL ? "no VM" : "the VM has all the vcpus it may have");
        return NULL;
    }
    if (atomic_load(&runtime->is_parallel)) {
        ZF_LOGE("vm_create_vcpu: not while the VM runs in parallel");
        return NULL;
    }
    fault = calloc(1, sizeof(*fault));
    if (fault == NULL || engine_cpu_create(runtime->engine, &fault->cpu) != 0) {
        ZF_LOGE("vm_create_vcpu: no memory for a guest CPU");
        free(fault);
        return NULL;
    }
    fault->runtime = runtime;
    fault->vcpu.vm = vm;
    fault->vcpu.vcpu_id = vm->num_vcpus;
    fault->vcpu.target_cpu = -1;
    fault->vcpu.tcb.priority = priority;
    fault->vcpu.vcpu_arch.fault = fault;
    vm->vcpus[vm->num_vcpus++] = &fault->vcpu;
    return &fault->vcpu;
}

int vm_assign_vcpu_target(vm_vcpu_t *vcpu, int target_cpu)
{
    if (vcpu == NULL || target_cpu < -1) {
        ZF_LOGE("vm_assign_vcpu_target: no vcpu, or no such core");
        return -1;
    }
    if (target_cpu != -1) {
        vm_vcpu_t *other = vm_vcpu_for_target_cpu(vcpu->vm, target_cpu);

        if (other != NULL && other != vcpu) {
            ZF_LOGE("vm_assign_vcpu_target: vcpu %u is on core %d", other->vcpu_id, target_cpu);
            return -1;
        }
    }
    vcpu->target_cpu = target_cpu;
    return 0;
}

int guestmem_host_vm_destroy(vm_t *vm)
{
    struct runtime *runtime = vm == NULL ? NULL : runtime_of(vm);

    if (vm == NULL) {
        return 0;
    }
    if (runtime != NULL && atomic_load(&runtime->running)) {
        return -EBUSY;
    }
    guestmem_host_vm_enter();
    take_down(vm);
    guestmem_host_vm_leave();
    return 0;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>

#include <sel4/sel4.h>
#include <simple/simple.h>
#include <vka/object.h>
#include <vka/vka.h>
#include <vspace/vspace.h>

#include <guestmem/guestmem.h>
#include <guestmem/runtime.h>
#include <guestmem/threads.h>

#include "gm_env_port.h"
#include "gm_test.h"

struct gm_env_vm {
    struct gm_env_vm *next;
    vm_t vm;
};

struct gm_env_frame {
    struct gm_env_frame *next;
    vka_object_t object;
    uintptr_t paddr;
};

/* ---------------------------------------------------------------------- open and close */

struct gm_env *gm_env_open(const struct gm_env_options *options, const char **reason)
{
    struct gm_env *env = calloc(1, sizeof(*env));

    if (env == NULL) {
        *reason = "no memory for the test's environment";
        return NULL;
    }
    *reason = gm_env_port_open(env, options);
    if (*reason != NULL) {
        free(env);
        return NULL;
    }
    env->before = gm_env_snapshot(env);
    return env;
}

static void forget_all(struct gm_env *env)
{
    while (env->vms != NULL) {
        struct gm_env_vm *next = env->vms->next;

        free(env->vms);
        env->vms = next;
    }
    while (env->frames != NULL) {
        struct gm_env_frame *next = env->frames->next;

        free(env->frames);
        env->frames = next;
    }
}

void gm_env_close_checked(struct gm_env *env)
{
    struct gm_env_snapshot *before = env->before;

    while (env->vms != NULL) {
        gm_env_drop_vm(env, &env->vms->vm);
    }
    while (env->frames != NULL) {
        gm_env_check_frame(env, env->frames->object.cptr);
        gm_env_frame_free(env, env->frames->object.cptr);
    }
    env->before = NULL;
    gm_env_check_same(env, before);
    gm_env_port_close(env);
    free(env);
}

void gm_env_close(struct gm_env *env)
{
    forget_all(env);
    gm_env_snapshot_free(env->before);
    gm_env_port_close(env);
    free(env);
}

/* ------------------------------------------------------------------------------- VMs */

bool gm_env_is_shared(void)
{
    const char *shared = getenv("GUESTMEM_TEST_SHARED");

    return shared != NULL && *shared == '1';
}

vm_t *gm_env_blank_vm(struct gm_env *env)
{
    struct gm_env_vm *entry = calloc(1, sizeof(*entry));
    static char name[] = "test";
    vm_t *vm;

    GM_CHECK_NOT_NULL(entry);
    entry->next = env->vms;
    env->vms = entry;
    vm = &entry->vm;
    vm->vka = env->vka;
    vm->simple = env->simple;
    vm->io_ops = env->io_ops;
    vm->host_endpoint = env->endpoint;
    vm->vm_name = name;
    vm->mem.vmm_vspace = *env->vmm;
    GM_CHECK_EQ(vka_alloc_vspace_root(env->vka, &vm->mem.vm_vspace_root), 0);
    GM_CHECK_EQ(simple_ASIDPool_assign(env->simple, vm->mem.vm_vspace_root.cptr), seL4_NoError);
    return vm;
}

vm_t *gm_env_new_vm(struct gm_env *env)
{
    vm_t *vm = gm_env_blank_vm(env);

    GM_CHECK_EQ(vm_memory_init(vm), 0);
    GM_CHECK_EQ(vm_init_guest_vspace(&vm->mem.vmm_vspace, &vm->mem.vmm_vspace, &vm->mem.vm_vspace,
                                     vm->vka, vm->mem.vm_vspace_root.cptr),
                0);
    if (env->vm == NULL) {
        env->vm = vm;
    }
    if (gm_env_is_shared()) {
        GM_CHECK_EQ(guestmem_reader_register(vm), GUESTMEM_OK);
    }
    return vm;
}

void gm_env_drop_vm(struct gm_env *env, vm_t *vm)
{
    struct gm_env_vm **link = &env->vms;
    struct gm_env_vm *entry;

    while (&(*link)->vm != vm) {
        link = &(*link)->next;
    }
    gm_env_check_failures(env);
    GM_CHECK_EQ(guestmem_destroy(vm), GUESTMEM_OK);
    vka_free_object(env->vka, &vm->mem.vm_vspace_root);
    entry = *link;
    *link = entry->next;
    if (env->vm == vm) {
        env->vm = NULL;
    }
    free(entry);
}

memory_fault_result_t gm_env_fault(vm_t *vm, uintptr_t addr, size_t size)
{
    vm_vcpu_t vcpu = {.vm = vm};

    return vm_memory_handle_fault(vm, &vcpu, addr, size);
}

memory_fault_result_t gm_fault_note(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                    void *log)
{
    struct gm_fault_log *entry = log;

    entry->count++;
    entry->vm = vm;
    entry->vcpu = vcpu;
    entry->addr = addr;
    entry->length = length;
    return entry->answer;
}

void gm_env_failure_text(const struct gm_env *env, char *text, size_t size)
{
    size_t length = 0;

    text[0] = '\0';
    for (struct gm_env_vm *entry = env->vms; entry != NULL && length < size; entry = entry->next) {
        const struct guestmem_failure *failure = guestmem_last_failure(&entry->vm);

        if (failure != NULL && failure->error != GUESTMEM_OK) {
            length += (size_t)snprintf(text + length, size - length, length == 0 ? "" : "; ");
            if (length < size) {
                length += (size_t)guestmem_failure_text(failure, text + length, size - length);
            }
        }
    }
}

/* Only who asks somebody else, the kernel or an allocator, has an answer to tell; what is in the
 * way is told where something is. */
static void check_failure(const struct guestmem_failure *failure)
{
    static const int of_others[] = {GUESTMEM_EVMM,    GUESTMEM_EKERNEL,  GUESTMEM_EFRAME,
                                    GUESTMEM_ENOSLOT, GUESTMEM_ENOTABLE, GUESTMEM_ENOFRAME};
    bool of_other = false;

    for (size_t i = 0; i < sizeof(of_others) / sizeof(of_others[0]); i++) {
        of_other = of_other || failure->error == of_others[i];
    }
    GM_CHECK(of_other || failure->cause == 0);
    GM_CHECK(failure->error != GUESTMEM_EKERNEL || failure->cause != 0);
    GM_CHECK(failure->error == GUESTMEM_ETAKEN || failure->error == GUESTMEM_ENOSUP ||
             failure->other_size == 0);
}

void gm_env_check_failures(const struct gm_env *env)
{
    for (struct gm_env_vm *entry = env->vms; entry != NULL; entry = entry->next) {
        const struct guestmem_failure *failure = guestmem_last_failure(&entry->vm);

        if (failure != NULL && failure->error != GUESTMEM_OK) {
            check_failure(failure);
        }
    }
}

/* ----------------------------------------------------------------------------- frames */

uintptr_t gm_env_frame_paddr(seL4_CPtr cap)
{
    seL4_ARM_Page_GetAddress_t answer = seL4_ARM_Page_GetAddress(cap);

    GM_CHECK_EQ(answer.error, seL4_NoError);
    return answer.paddr;
}

seL4_CPtr gm_env_frame(struct gm_env *env, size_t size_bits)
{
    struct gm_env_frame *frame = calloc(1, sizeof(*frame));

    GM_CHECK_NOT_NULL(frame);
    if (vka_alloc_frame(env->vka, (uint32_t)size_bits, &frame->object) != 0) {
        free(frame);
        return seL4_CapNull;
    }
    frame->paddr = vka_object_paddr(env->vka, &frame->object);
    frame->next = env->frames;
    env->frames = frame;
    return frame->object.cptr;
}

void gm_env_frames(struct gm_env *env, size_t size_bits, size_t count, seL4_CPtr *caps)
{
    for (size_t i = 0; i < count; i++) {
        caps[i] = gm_env_frame(env, size_bits);
        GM_CHECK_NE(caps[i], seL4_CapNull);
    }
}

static struct gm_env_frame **frame_link(struct gm_env *env, seL4_CPtr cap)
{
    struct gm_env_frame **link = &env->frames;

    while (*link != NULL && (*link)->object.cptr != cap) {
        link = &(*link)->next;
    }
    if (*link == NULL) {
        GM_FAIL("cap %#jx is none of the case's frames", (uintmax_t)cap);
    }
    return link;
}

void gm_env_frame_free(struct gm_env *env, seL4_CPtr cap)
{
    struct gm_env_frame **link = frame_link(env, cap);
    struct gm_env_frame *frame = *link;

    *link = frame->next;
    vka_free_object(env->vka, &frame->object);
    free(frame);
}

/* One cap has one mapping: only an unmapped one can be mapped at an address of the VMM's choice. */
void gm_env_check_frame(struct gm_env *env, seL4_CPtr cap)
{
    struct gm_env_frame *frame = *frame_link(env, cap);

    GM_CHECK_EQ(gm_env_frame_paddr(cap), frame->paddr);
    if (!gm_env_port_try_map(env, cap, frame->object.size_bits)) {
        GM_FAIL("the frame of cap %#jx is still mapped", (uintmax_t)cap);
    }
}

size_t gm_env_frame_count(const struct gm_env *env)
{
    size_t count = 0;

    for (const struct gm_env_frame *frame = env->frames; frame != NULL; frame = frame->next) {
        count++;
    }
    return count;
}

uintptr_t gm_env_free_paddr(struct gm_env *env, size_t bits)
{
    vka_object_t untyped;
    uintptr_t paddr;

    GM_CHECK_EQ(vka_alloc_untyped(env->vka, (uint32_t)bits, &untyped), 0);
    paddr = vka_object_paddr(env->vka, &untyped);
    vka_free_object(env->vka, &untyped);
    return paddr;
}

vm_frame_t gm_giver_next(uintptr_t addr, void *cookie)
{
    struct gm_giver *giver = cookie;
    vm_frame_t frame = {.rights = giver->rights, .vaddr = addr, .size_bits = giver->size_bits};

    giver->calls++;
    if (giver->calls != giver->fail_at) {
        frame.cptr = gm_env_frame(giver->env, giver->size_bits);
    }
    if (giver->calls <= GM_GIVER_NOTED) {
        giver->addresses[giver->calls - 1] = addr;
        giver->caps[giver->calls - 1] = frame.cptr;
    }
    return frame;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <guestmem/runtime.h>
#include <utils/zf_log.h>

struct world world;

uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

void give_up(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "FAILED: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    _exit(1);
}

/* ------------------------------------------------------------------------ up and down */

static void make_frame(struct frame *frame, uint64_t number)
{
    uint64_t *words;

    if (vka_alloc_frame(guestmem_host_vka(world.host), 12, &frame->object) != 0) {
        give_up("no frame for the test");
    }
    frame->number = number;
    words = guestmem_host_phys(
        world.host, vka_object_paddr(guestmem_host_vka(world.host), &frame->object), PAGE);
    for (size_t i = 0; i < PAGE / sizeof(*words); i++) {
        words[i] = pattern(number);
    }
}

static void make_vm(vm_t *vm)
{
    static char name[] = "stress";

    vm->vka = guestmem_host_vka(world.host);
    vm->simple = guestmem_host_simple(world.host);
    vm->io_ops = guestmem_host_io_ops(world.host);
    vm->host_endpoint = guestmem_host_endpoint(world.host);
    vm->vm_name = name;
    vm->mem.vmm_vspace = *guestmem_host_vspace(world.host);
    if (vka_alloc_vspace_root(vm->vka, &vm->mem.vm_vspace_root) != 0 ||
        simple_ASIDPool_assign(vm->simple, vm->mem.vm_vspace_root.cptr) != seL4_NoError ||
        vm_memory_init(vm) != 0 ||
        vm_init_guest_vspace(&vm->mem.vmm_vspace, &vm->mem.vmm_vspace, &vm->mem.vm_vspace, vm->vka,
                             vm->mem.vm_vspace_root.cptr) != 0) {
        give_up("no VM for the test");
    }
}

static void set_policy(enum guestmem_views views, enum guestmem_populate populate)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.frame_bits_max = 12;
    policy.populate = populate;
    policy.views = views;
    policy.view_bytes_max = 32 * PAGE;
    if (guestmem_set_policy(&world.vm, &policy) != GUESTMEM_OK) {
        give_up("the policy isn't taken");
    }
}

/* One guest access, before any other thread is there: from then on the region is known as one that
 * accesses populate, and a fault on memory that is there by now is answered by trying again. */
static void make_ram(void)
{
    vm_vcpu_t vcpu = {.vm = &world.vm};

    if (vm_ram_register_at(&world.vm, RAM_BASE, RAM_PAGES * PAGE, false) != 0 ||
        vm_memory_handle_fault(&world.vm, &vcpu, RAM_BASE, 4) != FAULT_RESTART) {
        give_up("no lazy RAM for the test");
    }
    for (unsigned i = 0; i < RAM_PAGES; i++) {
        world.ram[i].base = RAM_BASE + i * (uintptr_t)PAGE;
        atomic_store(&world.ram[i].history[0].kind, RAM);
    }
}

void world_open(enum guestmem_views views)
{
    int error = guestmem_host_create(NULL, &world.host);

    if (error != 0) {
        give_up("the host environment can't be brought up: %s", strerror(-error));
    }
    zf_log_set_output_level(ZF_LOG_FATAL); /* frees that are refused are what the test wants */
    world.before = guestmem_host_snapshot(world.host);
    for (unsigned i = 0; i < FRAMES; i++) {
        make_frame(&world.frames[i], i + 1);
    }
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        make_frame(&world.corner_frames[i], FRAMES + i + 1);
    }
    make_vm(&world.vm);
    for (unsigned i = 0; i < SLOTS; i++) {
        world.slots[i].base = SLOT_BASE + i * SLOT_STRIDE;
    }
    world.gives_pointers = views != GUESTMEM_VIEWS_NONE;
    set_policy(views, GUESTMEM_POPULATE_LAZY);
    make_ram();
    set_policy(views, GUESTMEM_POPULATE_EAGER);
}

void world_close(void)
{
    vka_t *vka = guestmem_host_vka(world.host);
    struct guestmem_host_snapshot *after;
    int error = guestmem_destroy(&world.vm);

    if (error != GUESTMEM_OK) {
        give_up("the VM can't be taken down: %s", guestmem_strerror(error));
    }
    vka_free_object(vka, &world.vm.mem.vm_vspace_root);
    for (unsigned i = 0; i < FRAMES; i++) {
        vka_free_object(vka, &world.frames[i].object);
    }
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        vka_free_object(vka, &world.corner_frames[i].object);
    }
    after = guestmem_host_snapshot(world.host);
    if (!guestmem_host_snapshot_same(world.before, after, stderr)) {
        give_up("something stayed behind");
    }
    guestmem_host_snapshot_free(world.before);
    guestmem_host_snapshot_free(after);
    guestmem_host_destroy(world.host);
}

/* --------------------------------------------------------------------------- versions */

struct state *slot_now(struct slot *slot)
{
    return &slot->history[(atomic_load(&slot->version) / 2) % HISTORY];
}

struct state *slot_begin(struct slot *slot, enum kind kind, uint64_t value, struct device *device)
{
    uint64_t version = atomic_load(&slot->version);
    struct state *next = &slot->history[(version / 2 + 1) % HISTORY];

    atomic_store(&next->kind, kind);
    atomic_store(&next->value, value);
    atomic_store(&next->device, device);
    atomic_store(&next->res, NULL);
    atomic_store(&slot->version, version + 1);
    return next;
}

void slot_done(struct slot *slot, struct state *state, vm_memory_reservation_t *res)
{
    atomic_store(&state->res, res);
    atomic_store(&slot->version, atomic_load(&slot->version) + 1);
}

struct seen seen_begin(struct slot *slot)
{
    return (struct seen){.slot = slot, .from = atomic_load(&slot->version)};
}

void seen_end(struct seen *seen)
{
    seen->to = atomic_load(&seen->slot->version);
}

enum verdict seen_judge(const struct seen *seen, bool (*fits)(const struct state *, const void *),
                        const void *answer)
{
    uint64_t first = seen->from / 2;
    uint64_t last = (seen->to + 1) / 2;
    enum verdict verdict = WRONG;

    for (uint64_t n = first; n <= last && verdict == WRONG; n++) {
        if (fits(&seen->slot->history[n % HISTORY], answer)) {
            verdict = RIGHT;
        }
    }
    /* The state after the writer's present one may be written over already. */
    if ((atomic_load(&seen->slot->version) + 1) / 2 + 1 - first >= HISTORY) {
        return TOO_LATE;
    }
    return verdict;
}

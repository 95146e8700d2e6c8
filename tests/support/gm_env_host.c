/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The environment on the host: the model of the kernel's memory objects, in this process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <autoconf.h>
#include <guestmem/host.h>

#include "gm_env_port.h"
#include "gm_test.h"

#define DEVICE_BASE 0x10000000u
#define DEVICE_BYTES (8 * GM_MIB)
#define DEVICE_RAM_BASE 0x60000000u
#define DEVICE_RAM_BYTES (16 * GM_MIB)
#ifdef CONFIG_ARM_PA_SIZE_BITS_44
#define PA_BITS 44
#else
#define PA_BITS 40
#endif

struct gm_env_port {
    struct guestmem_host *host;
};

struct gm_env_snapshot {
    struct guestmem_host_snapshot *state;
};

_Static_assert((unsigned)GM_FAIL_SLOT == (unsigned)GUESTMEM_HOST_FAIL_SLOT &&
                   (unsigned)GM_FAIL_OBJECT == (unsigned)GUESTMEM_HOST_FAIL_OBJECT &&
                   (unsigned)GM_FAIL_INVOCATION == (unsigned)GUESTMEM_HOST_FAIL_INVOCATION &&
                   (unsigned)GM_FAIL_MALLOC == (unsigned)GUESTMEM_HOST_FAIL_MALLOC &&
                   (unsigned)GM_FAIL_VMM_MAP == (unsigned)GUESTMEM_HOST_FAIL_VMM_MAP &&
                   (unsigned)GM_FAIL_ANY == (unsigned)GUESTMEM_HOST_FAIL_ANY,
               "the kinds are passed on as they are");

static int create_host(const struct gm_env_options *options, struct guestmem_host **host)
{
    const struct guestmem_host_region regions[] = {
        {.paddr = DEVICE_BASE, .bytes = DEVICE_BYTES, .device_ram = false},
        {.paddr = DEVICE_RAM_BASE, .bytes = DEVICE_RAM_BYTES, .device_ram = true},
    };
    const struct guestmem_host_config config = {
        .ram_bytes = options->ram_bytes,
        .regions = regions,
        .region_count = options->device_ram ? 2 : 1,
        .flavour = options->boot_frames ? GUESTMEM_HOST_BOOT_FRAMES : GUESTMEM_HOST_OWNS_DEVICES,
        .cnode_bits = options->cnode_bits,
        .pa_bits = PA_BITS,
    };

    return guestmem_host_create(&config, host);
}

const char *gm_env_port_open(struct gm_env *env, const struct gm_env_options *options)
{
    struct guestmem_host *host;

    env->port = calloc(1, sizeof(*env->port));
    if (env->port == NULL) {
        return "no memory for the test's environment";
    }
    if (create_host(options, &host) != 0) {
        free(env->port);
        return "the host environment can't be brought up";
    }
    env->port->host = host;
    env->vka = guestmem_host_vka(host);
    env->vmm = guestmem_host_vspace(host);
    env->simple = guestmem_host_simple(host);
    env->io_ops = guestmem_host_io_ops(host);
    env->endpoint = guestmem_host_endpoint(host);
    env->guest_end = (uintptr_t)1 << PA_BITS;
    env->nowhere = env->guest_end - GM_MIB;
    env->vmm_shares = true;
    env->device_base = DEVICE_BASE;
    env->device_bytes = DEVICE_BYTES;
    if (options->device_ram) {
        env->device_ram_base = DEVICE_RAM_BASE;
        env->device_ram_bytes = DEVICE_RAM_BYTES;
    }
    return NULL;
}

void gm_env_port_close(struct gm_env *env)
{
    guestmem_host_destroy(env->port->host);
    free(env->port);
}

void gm_env_make_room(struct gm_env *env, size_t size_bits)
{
    (void)env; /* the model's space needs no tables */
    (void)size_bits;
}

bool gm_env_port_try_map(struct gm_env *env, seL4_CPtr frame, size_t size_bits)
{
    void *view = vspace_map_pages(env->vmm, &frame, NULL, seL4_AllRights, 1, size_bits, 1);

    if (view != NULL) {
        vspace_unmap_pages(env->vmm, view, 1, size_bits, VSPACE_PRESERVE);
    }
    return view != NULL;
}

/* ------------------------------------------------------------------------------- views */

static enum gm_env_view view(struct gm_env *env, seL4_CPtr root, uintptr_t addr,
                             struct gm_env_leaf *leaf)
{
    struct guestmem_host_leaf found;

    if (!guestmem_host_translate(env->port->host, root, addr, &found)) {
        return GM_VIEW_NONE;
    }
    leaf->paddr = found.paddr + (addr & (((uintptr_t)1 << found.size_bits) - 1));
    leaf->size_bits = found.size_bits;
    leaf->read = found.read;
    leaf->write = found.write;
    leaf->device = found.device;
    leaf->blind = false;
    return GM_VIEW_LEAF;
}

enum gm_env_view gm_env_guest_view(struct gm_env *env, vm_t *vm, uintptr_t gpa,
                                   struct gm_env_leaf *leaf)
{
    return view(env, vm->mem.vm_vspace_root.cptr, gpa, leaf);
}

enum gm_env_view gm_env_vmm_view(struct gm_env *env, const void *vaddr, struct gm_env_leaf *leaf)
{
    return view(env, vspace_get_root(env->vmm), (uintptr_t)vaddr, leaf);
}

enum gm_env_view gm_env_guest_copy(struct gm_env *env, vm_t *vm, uintptr_t gpa, void *bytes,
                                   size_t size, bool write)
{
    struct gm_env_leaf leaf;
    uint8_t *at = bytes;

    for (size_t piece; size > 0; size -= piece, gpa += piece, at += piece) {
        uint8_t *memory;

        if (gm_env_guest_view(env, vm, gpa, &leaf) != GM_VIEW_LEAF ||
            !(write ? leaf.write : leaf.read)) {
            return GM_VIEW_NONE;
        }
        piece = ((size_t)1 << leaf.size_bits) - (gpa & (((uintptr_t)1 << leaf.size_bits) - 1));
        piece = piece < size ? piece : size;
        memory = guestmem_host_phys(env->port->host, leaf.paddr, piece);
        GM_CHECK_NOT_NULL(memory);
        memcpy(write ? memory : at, write ? at : memory, piece);
    }
    return GM_VIEW_LEAF;
}

bool gm_env_fill_device_ram(struct gm_env *env, int value)
{
    void *memory =
        guestmem_host_phys(env->port->host, env->device_ram_base, env->device_ram_bytes);

    GM_CHECK_NOT_NULL(memory);
    memset(memory, value, env->device_ram_bytes);
    return true;
}

/* --------------------------------------------------------------- counting and comparing */

void gm_env_count(struct gm_env *env, struct gm_env_counts *counts)
{
    struct guestmem_host_counts now;

    guestmem_host_count(env->port->host, &now);
    *counts = (struct gm_env_counts){
        .slots = now.slots_used,
        .objects = now.frames_4k + now.frames_2m + now.frames_1g + now.tables + now.other_objects,
        .heap_bytes = now.malloc_bytes,
        .frames = {now.frames_4k, now.frames_2m, now.frames_1g},
        .tables = now.tables,
        .vmm_mappings = now.vmm_mappings,
        .free_bytes = now.free_bytes,
        .invocations = now.invocations,
        .complete = true,
    };
}

struct gm_env_snapshot *gm_env_snapshot(struct gm_env *env)
{
    struct gm_env_snapshot *snapshot = calloc(1, sizeof(*snapshot));

    GM_CHECK_NOT_NULL(snapshot);
    snapshot->state = guestmem_host_snapshot(env->port->host);
    GM_CHECK_NOT_NULL(snapshot->state);
    return snapshot;
}

void gm_env_snapshot_free(struct gm_env_snapshot *snapshot)
{
    if (snapshot != NULL) {
        guestmem_host_snapshot_free(snapshot->state);
        free(snapshot);
    }
}

void gm_env_check_same(struct gm_env *env, struct gm_env_snapshot *before)
{
    struct gm_env_snapshot *after = gm_env_snapshot(env);
    bool same = guestmem_host_snapshot_same(before->state, after->state, stderr);

    gm_env_snapshot_free(after);
    gm_env_snapshot_free(before);
    if (!same) {
        GM_FAIL("something has changed (see above)");
    }
    gm_env_check_failures(env);
}

/* --------------------------------------------------------------------- failure injection */

unsigned gm_env_fail_kinds(struct gm_env *env)
{
    (void)env;
    return GM_FAIL_ANY;
}

void gm_env_fail(struct gm_env *env, unsigned kinds, uint64_t k, bool sticky)
{
    guestmem_host_fail(env->port->host, kinds, k, sticky);
}

bool gm_env_failed(struct gm_env *env, const char **step)
{
    return guestmem_host_failed(env->port->host, step);
}

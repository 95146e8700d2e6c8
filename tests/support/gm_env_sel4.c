/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The environment on the real kernel: the tree's allocator, or a statically composed system's own,
 * behind wrappers that count and fail (tests/sel4). What a guest sees is asked of a thread in the
 * guest's own address space, and of the cap that the library notes there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vka/capops.h>
#include <vka/object.h>

#include <guestmem/guestmem.h>

#include "composed.h"
#include "gm_env_port.h"
#include "gm_test.h"
#include "gm_test_sel4.h"
#include "probe.h"
#include "requests.h"
#include "root.h"

#ifdef CONFIG_ARM_PA_SIZE_BITS_44
#define PA_BITS 44
#else
#define PA_BITS 40
#endif
#define DEFAULT_RAM_BITS 28

struct gm_env_port {
    vka_t own_vka; /* of a composed system */
    struct counted_vka vka;
    vspace_t vmm;
    simple_t simple;
    ps_io_ops_t io_ops;
    bool composed;
};

struct gm_env_snapshot {
    struct held held;
};

static unsigned bits_for(size_t bytes)
{
    unsigned bits = seL4_PageBits;

    while ((size_t)1 << bits < bytes) {
        bits++;
    }
    return bits;
}

static bool is_composed(const struct gm_env_options *options)
{
    return options->boot_frames || options->cnode_bits != 0 ||
           (options->ram_bytes != 0 && options->ram_bytes < (size_t)1 << DEFAULT_RAM_BITS);
}

/* Whether the tree's allocator has that much normal memory now: untypeds of 256 MiB of it. */
static bool has_memory(size_t bytes)
{
    enum { MOST = 64 };
    vka_object_t pieces[MOST];
    size_t count = 0;
    size_t wanted = bytes >> DEFAULT_RAM_BITS;

    while (count < MOST && count < wanted &&
           vka_alloc_untyped(&root.vka, DEFAULT_RAM_BITS, &pieces[count]) == 0) {
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        vka_free_object(&root.vka, &pieces[i]);
    }
    return count == wanted;
}

static const char *start_tree(struct gm_env *env, const struct gm_env_options *options)
{
    struct counted_vka *vka = &env->port->vka;
    size_t bytes = options->ram_bytes == 0 ? (size_t)1 << DEFAULT_RAM_BITS : options->ram_bytes;

    if (options->ram_bytes != 0 && !has_memory(bytes)) {
        return "this machine has not as much memory";
    }
    counted_vka_start(vka, &root.vka, &held.slots, &held.objects);
    vka->normal_budget = bytes;
    vka->device_ram = options->device_ram;
    env->port->simple = root.simple;
    env->device_base = ROOT_DEVICE_PADDR;
    env->device_ram_base = options->device_ram ? ROOT_RAM_PADDR : 0;
    return NULL;
}

static const char *start_composed(struct gm_env *env, const struct gm_env_options *options)
{
    struct gm_env_port *port = env->port;
    unsigned bits = options->ram_bytes == 0 ? DEFAULT_RAM_BITS : bits_for(options->ram_bytes);
    const char *reason = composed_start(bits, options->cnode_bits, &port->own_vka, &port->simple);

    if (reason != NULL) {
        return reason;
    }
    counted_vka_start(&port->vka, &port->own_vka, &held.slots, &held.objects);
    port->composed = true;
    env->device_base = ROOT_BOOT_DEVICE_PADDR;
    env->device_ram_base = options->device_ram ? ROOT_BOOT_RAM_PADDR : 0;
    return NULL;
}

const char *gm_env_port_open(struct gm_env *env, const struct gm_env_options *options)
{
    struct gm_env_port *port = calloc(1, sizeof(*port));
    const char *reason;

    if (port == NULL) {
        return "no memory for the test's environment";
    }
    env->port = port;
    reason = is_composed(options) ? start_composed(env, options) : start_tree(env, options);
    if (reason != NULL) {
        free(port);
        return reason;
    }
    requests_arm(0, 0, false);
    port->vka.fails = true;
    counted_malloc_start(&port->io_ops.malloc_ops);
    counted_vspace_start(&port->vmm, &root.vspace, &port->vka.vka);
    env->vka = &port->vka.vka;
    env->vmm = &port->vmm;
    env->simple = &port->simple;
    env->io_ops = &port->io_ops;
    env->endpoint = root.endpoint;
    env->guest_end = (uintptr_t)1 << PA_BITS;
    env->device_bytes = (size_t)1 << ROOT_DEVICE_BITS;
    env->device_ram_bytes = options->device_ram ? (size_t)1 << ROOT_RAM_BITS : 0;
    env->nowhere = root.nowhere;
    env->vmm_shares = false;
    return NULL;
}

void gm_env_port_close(struct gm_env *env)
{
    counted_vspace_give_room();
    if (env->port->composed && !composed_stop()) {
        gm_test_note_leak("the kernel says that something made of the system's memory is left");
    }
    free(env->port);
}

void gm_env_make_room(struct gm_env *env, size_t size_bits)
{
    (void)env;
    if (!counted_vspace_make_room(size_bits)) {
        GM_FAIL("the VMM's vspace has no room for a frame of %zu bits", size_bits);
    }
}

/* At an address of the probe's: the tree's address space would hand out one with tables in a large
 * frame's way. */
bool gm_env_port_try_map(struct gm_env *env, seL4_CPtr frame, size_t size_bits)
{
    (void)env;
    return probe_try_map(frame, size_bits);
}

/* ------------------------------------------------------------------------------- views */

static seL4_CPtr noted_cap(vm_t *vm, uintptr_t gpa, size_t *bits)
{
    vspace_t *space = &vm->mem.vm_vspace;
    void *page = (void *)(gpa & ~((uintptr_t)GM_PAGE - 1));
    seL4_CPtr cap = space->get_cap == NULL ? seL4_CapNull : vspace_get_cap(space, page);

    *bits = cap == seL4_CapNull ? 0 : vspace_get_cookie(space, page);
    return cap;
}

static void enter(vm_t *vm)
{
    size_t bits;

    if (noted_cap(vm, PROBE_GPA, &bits) != seL4_CapNull ||
        !probe_enter(vm->mem.vm_vspace_root.cptr)) {
        GM_FAIL("the probe can't go into the guest's address space");
    }
}

/* What the guest can do at `gpa`, by trying it. `bits` is the frame's size where a refusal tells. */
static enum probe_end look(vm_t *vm, uintptr_t gpa, struct gm_env_leaf *leaf, size_t *bits)
{
    static const size_t level_bits[] = {0, GM_BITS_1G, GM_BITS_2M, GM_BITS_4K};
    struct probe_answer read;
    struct probe_answer write = {0};

    enter(vm);
    read = probe_read(gpa, 1);
    if (read.end == PROBE_DONE) {
        write = probe_rewrite(gpa);
    }
    probe_leave();
    if (read.end == PROBE_ODD || write.end == PROBE_ODD) {
        GM_FAIL("gpa %#zx: the guest's access ends oddly, status %#x", (size_t)gpa,
                read.end == PROBE_ODD ? read.status : write.status);
    }
    leaf->read = read.end == PROBE_DONE;
    leaf->write = leaf->read && write.end == PROBE_DONE;
    *bits = leaf->write ? 0 : level_bits[leaf->read ? write.level : read.level];
    return read.end;
}

/* A word in the root task's memory, by a thread that may fail at it. */
static bool write_word(volatile uint64_t *word, uint64_t value)
{
    uint64_t *buffer = probe_buffer();
    bool done;

    *buffer = value;
    if (!probe_enter(seL4_CapInitThreadVSpace)) {
        GM_FAIL("the probe can't come home");
    }
    done = probe_write((uintptr_t)word, sizeof(*word)).end == PROBE_DONE;
    probe_leave();
    return done;
}

static uint64_t guest_word(vm_t *vm, uintptr_t gpa)
{
    enter(vm);
    if (probe_read(gpa, sizeof(uint64_t)).end != PROBE_DONE) {
        probe_leave();
        GM_FAIL("gpa %#zx can't be read any more", (size_t)gpa);
    }
    probe_leave();
    return *(uint64_t *)probe_buffer();
}

/* That the guest at `gpa` sees the very frame of `cap`, of that size: what is written into the one
 * is read in the other. */
static bool is_same_frame(vm_t *vm, uintptr_t gpa, seL4_CPtr cap, size_t bits)
{
    uintptr_t at = gpa & ~(uintptr_t)7;
    char *frame = probe_show(cap, bits);
    volatile uint64_t *word;
    uint64_t before;
    bool same;

    if (frame == NULL) {
        return false;
    }
    word = (volatile uint64_t *)(frame + (at & (((uintptr_t)1 << bits) - 1)));
    before = *word;
    same = guest_word(vm, at) == before;
    if (same && write_word(word, ~before)) {
        same = guest_word(vm, at) == ~before;
        same = write_word(word, before) && same;
    }
    probe_hide();
    return same;
}

enum gm_env_view gm_env_guest_view(struct gm_env *env, vm_t *vm, uintptr_t gpa,
                                   struct gm_env_leaf *leaf)
{
    size_t told;
    seL4_CPtr cap;

    (void)env;
    *leaf = (struct gm_env_leaf){.blind = true};
    cap = noted_cap(vm, gpa, &leaf->size_bits);
    if (look(vm, gpa, leaf, &told) == PROBE_NOT_MAPPED) {
        /* A shared frame may be gone with its owner, and its cap with it. */
        if (cap != seL4_CapNull && seL4_ARM_Page_GetAddress(cap).error == seL4_NoError) {
            GM_FAIL("gpa %#zx: the library notes cap %#zx, but nothing is mapped", (size_t)gpa,
                    (size_t)cap);
        }
        return GM_VIEW_NONE;
    }
    if (cap == seL4_CapNull) {
        GM_FAIL("gpa %#zx: a frame is mapped that the library doesn't note", (size_t)gpa);
    }
    if (told != 0 && told != leaf->size_bits) {
        GM_FAIL("gpa %#zx: a frame of %zu bits, not of %zu", (size_t)gpa, told, leaf->size_bits);
    }
    if (leaf->read && !is_same_frame(vm, gpa, cap, leaf->size_bits)) {
        GM_FAIL("gpa %#zx: it isn't the frame of cap %#zx that the guest sees", (size_t)gpa,
                (size_t)cap);
    }
    leaf->paddr = gm_env_frame_paddr(cap) + (gpa & (((uintptr_t)1 << leaf->size_bits) - 1));
    return GM_VIEW_LEAF;
}

/* The mapping as the VMM's address space was asked for it. */
enum gm_env_view gm_env_vmm_view(struct gm_env *env, const void *vaddr, struct gm_env_leaf *leaf)
{
    const struct vmm_mapping *mapping = counted_vspace_find(vaddr);
    seL4_CPtr cap = vspace_get_cap(env->vmm, (void *)(uintptr_t)vaddr);

    if (mapping == NULL || cap == seL4_CapNull) {
        return GM_VIEW_NONE;
    }
    *leaf = (struct gm_env_leaf){
        .paddr = gm_env_frame_paddr(cap) + ((uintptr_t)vaddr - mapping->vaddr),
        .size_bits = mapping->bits,
        .read = seL4_CapRights_get_capAllowRead(mapping->rights),
        .write = seL4_CapRights_get_capAllowWrite(mapping->rights),
        .device = !mapping->cacheable,
    };
    return GM_VIEW_LEAF;
}

enum gm_env_view gm_env_guest_copy(struct gm_env *env, vm_t *vm, uintptr_t gpa, void *bytes,
                                   size_t size, bool write)
{
    struct probe_answer answer = {.end = PROBE_DONE};
    uint8_t *at = bytes;

    (void)env;
    enter(vm);
    for (size_t piece; size > 0 && answer.end == PROBE_DONE; size -= piece, gpa += piece, at += piece) {
        piece = size < PROBE_BYTES ? size : PROBE_BYTES;
        if (write) {
            memcpy(probe_buffer(), at, piece);
        }
        answer = write ? probe_write(gpa, piece) : probe_read(gpa, piece);
        if (!write) {
            memcpy(at, probe_buffer(), piece);
        }
    }
    probe_leave();
    return answer.end == PROBE_DONE ? GM_VIEW_LEAF : GM_VIEW_NONE;
}

static bool fill_frame(seL4_CPtr cap, size_t bits, int value)
{
    void *bytes = probe_show(cap, bits);

    if (bytes != NULL) {
        memset(bytes, value, (size_t)1 << bits);
        probe_hide();
    }
    return bytes != NULL;
}

static bool fill_boot_frames(int value)
{
    for (size_t i = 0; i < (size_t)1 << (ROOT_RAM_BITS - GM_BITS_4K); i++) {
        if (!fill_frame(root.boot_ram.capPtr + i, GM_BITS_4K, value)) {
            return false;
        }
    }
    return true;
}

static bool fill_free_frame(uintptr_t paddr, int value)
{
    vka_object_t frame;
    bool done;

    if (vka_alloc_frame_at(&root.vka, GM_BITS_2M, paddr, &frame) != 0) {
        return false;
    }
    done = fill_frame(frame.cptr, GM_BITS_2M, value);
    vka_free_object(&root.vka, &frame);
    return done;
}

bool gm_env_fill_device_ram(struct gm_env *env, int value)
{
    bool done = true;

    if (env->port->composed) {
        return fill_boot_frames(value);
    }
    for (size_t at = 0; at < env->device_ram_bytes && done; at += (size_t)1 << GM_BITS_2M) {
        done = fill_free_frame(env->device_ram_base + at, value);
    }
    return done;
}

/* --------------------------------------------------------------- counting and comparing */

void gm_env_count(struct gm_env *env, struct gm_env_counts *counts)
{
    (void)env;
    *counts = (struct gm_env_counts){
        .slots = held.slots,
        .objects = held.objects,
        .heap_bytes = held.heap_bytes,
    };
}

struct gm_env_snapshot *gm_env_snapshot(struct gm_env *env)
{
    struct gm_env_snapshot *snapshot = calloc(1, sizeof(*snapshot));

    (void)env;
    GM_CHECK_NOT_NULL(snapshot);
    snapshot->held = held;
    return snapshot;
}

void gm_env_snapshot_free(struct gm_env_snapshot *snapshot)
{
    free(snapshot);
}

void gm_env_check_same(struct gm_env *env, struct gm_env_snapshot *before)
{
    bool same = held_same(&before->held, &held, true);

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
    return GM_FAIL_ANY & ~(unsigned)GM_FAIL_INVOCATION;
}

void gm_env_fail(struct gm_env *env, unsigned kinds, uint64_t k, bool sticky)
{
    (void)env;
    requests_arm(kinds, k, sticky);
}

bool gm_env_failed(struct gm_env *env, const char **step)
{
    (void)env;
    return requests_failed(step);
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * simple: what the root task was given at boot.
 *
 * Frames by address come, in the flavour whose vka owns the devices, as a seL4 tree's own simple
 * makes them: by a retype of the boot untyped that starts exactly there, which the allocator knows
 * nothing of. In the other flavour boot information lists frames, and a copy of the cap is given.
 */
#include "env.h"

#include <stdio.h>

static const struct env_boot_untyped *untyped_at(const struct guestmem_host *host, uint64_t paddr,
                                                 unsigned bits)
{
    for (unsigned k = 0; k < host->boot_count; k++) {
        if (host->boot[k].paddr == paddr && host->boot[k].bits >= bits) {
            return &host->boot[k];
        }
    }
    return NULL;
}

static seL4_Error retype_at(const struct guestmem_host *host, uint64_t paddr, unsigned bits,
                            const cspacepath_t *path)
{
    const struct env_boot_untyped *untyped = untyped_at(host, paddr, bits);

    if (untyped == NULL) {
        return seL4_FailedLookup;
    }
    return seL4_Untyped_Retype(untyped->cap, kobject_get_type(KOBJECT_FRAME, bits), bits,
                               path->root, path->dest, path->destDepth, path->offset, 1);
}

static seL4_Error copy_boot_frame(const struct guestmem_host *host, uint64_t paddr, unsigned bits,
                                  const cspacepath_t *path)
{
    for (unsigned k = 0; k < host->frames_count && bits == seL4_PageBits; k++) {
        const struct env_boot_frames *frames = &host->frames[k];
        uint64_t index = (paddr - frames->paddr) >> seL4_PageBits;

        if ((paddr & 0xfff) == 0 && index < frames->count) {
            return seL4_CNode_Copy(path->root, path->capPtr, (seL4_Uint8)path->capDepth,
                                   seL4_CapInitThreadCNode, frames->first + index, seL4_WordBits,
                                   seL4_AllRights);
        }
    }
    return seL4_FailedLookup;
}

static seL4_Error frame_cap(void *data, void *paddr, int size_bits, cspacepath_t *path)
{
    const struct guestmem_host *host = data;
    uint64_t address = (uint64_t)(uintptr_t)paddr;

    if (size_bits < 0 || !sel4_valid_size_bits((size_t)size_bits)) {
        return seL4_InvalidArgument;
    }
    if (host->flavour == GUESTMEM_HOST_BOOT_FRAMES) {
        return copy_boot_frame(host, address, (unsigned)size_bits, path);
    }
    return retype_at(host, address, (unsigned)size_bits, path);
}

static void *frame_mapping(void *data, void *paddr, int size_bits)
{
    (void)data;
    (void)paddr;
    (void)size_bits;
    return NULL;
}

static void *frame_info(void *data, void *paddr, int size_bits, seL4_CPtr *cap,
                        seL4_Word *ut_offset)
{
    const struct guestmem_host *host = data;
    uint64_t address = (uint64_t)(uintptr_t)paddr;

    for (unsigned k = 0; k < host->boot_count; k++) {
        const struct env_boot_untyped *boot = &host->boot[k];
        uint64_t offset = address - boot->paddr;

        if (size_bits <= boot->bits && offset <= BIT(boot->bits) - BIT(size_bits)) {
            *cap = boot->cap;
            *ut_offset = offset;
            break;
        }
    }
    return NULL;
}

static seL4_Error assign_asid(void *data, seL4_CPtr vspace)
{
    (void)data;
    return seL4_ARM_ASIDPool_Assign(seL4_CapInitThreadASIDPool, vspace);
}

static seL4_CPtr init_cap(void *data, seL4_CPtr cap)
{
    (void)data;
    return cap;
}

/* First caps that are there, then the untypeds. */
static int cap_count(void *data)
{
    const struct guestmem_host *host = data;

    return SIMPLE_NUM_INIT_CAPS + (int)host->boot_count;
}

static seL4_CPtr nth_cap(void *data, int n)
{
    const struct guestmem_host *host = data;
    static const seL4_CPtr caps[] = {
        seL4_CapInitThreadTCB, seL4_CapInitThreadCNode,    seL4_CapInitThreadVSpace,
        seL4_CapIRQControl,    seL4_CapASIDControl,        seL4_CapInitThreadASIDPool,
        seL4_CapBootInfoFrame, seL4_CapInitThreadIPCBuffer, seL4_CapDomain,
    };

    compile_time_assert(all_init_caps, ARRAY_SIZE(caps) == SIMPLE_NUM_INIT_CAPS);
    if (n < 0 || n >= cap_count(data)) {
        return seL4_CapNull;
    }
    return n < SIMPLE_NUM_INIT_CAPS ? caps[n] : host->boot[n - SIMPLE_NUM_INIT_CAPS].cap;
}

static uint8_t cnode_size(void *data)
{
    const struct guestmem_host *host = data;

    return (uint8_t)host->kernel->root_bits;
}

static int untyped_count(void *data)
{
    const struct guestmem_host *host = data;

    return (int)host->boot_count;
}

static seL4_CPtr nth_untyped(void *data, int n, size_t *size_bits, uintptr_t *paddr, bool *device)
{
    const struct guestmem_host *host = data;

    if (n < 0 || n >= untyped_count(data)) {
        return seL4_CapNull;
    }
    if (size_bits != NULL) {
        *size_bits = host->boot[n].bits;
    }
    if (paddr != NULL) {
        *paddr = host->boot[n].paddr;
    }
    if (device != NULL) {
        *device = host->boot[n].device;
    }
    return host->boot[n].cap;
}

static int no_userimage(void *data)
{
    (void)data;
    return 0;
}

static seL4_CPtr none(void *data, int n)
{
    (void)data;
    (void)n;
    return seL4_CapNull;
}

static int core_count(void *data)
{
    (void)data;
    return CONFIG_MAX_NUM_NODES;
}

static void print(void *data)
{
    const struct guestmem_host *host = data;

    for (unsigned k = 0; k < host->boot_count; k++) {
        const struct env_boot_untyped *boot = &host->boot[k];

        printf("untyped %#14lx, 2^%u bytes%s, cap %lu\n", boot->paddr, boot->bits,
               boot->device ? ", device" : "", boot->cap);
    }
}

static ssize_t no_bootinfo_len(void *data, seL4_Word type)
{
    (void)data;
    (void)type;
    return -1;
}

static ssize_t no_bootinfo(void *data, seL4_Word type, void *dest, ssize_t max_len)
{
    (void)dest;
    (void)max_len;
    return no_bootinfo_len(data, type);
}

static seL4_Error no_irq(void *data, int irq, seL4_CNode cnode, seL4_Word index, uint8_t depth)
{
    (void)data;
    (void)irq;
    (void)cnode;
    (void)index;
    (void)depth;
    return seL4_IllegalOperation;
}

static seL4_Error no_irq_trigger(void *data, int irq, int trigger, int core, seL4_CNode root,
                                 seL4_Word index, uint8_t depth)
{
    (void)trigger;
    (void)core;
    return no_irq(data, irq, root, index, depth);
}

void env_simple_init(struct guestmem_host *host)
{
    host->simple = (simple_t){.data = host,
                              .frame_cap = frame_cap,
                              .frame_mapping = frame_mapping,
                              .frame_info = frame_info,
                              .ASID_assign = assign_asid,
                              .cap_count = cap_count,
                              .nth_cap = nth_cap,
                              .init_cap = init_cap,
                              .cnode_size = cnode_size,
                              .untyped_count = untyped_count,
                              .nth_untyped = nth_untyped,
                              .userimage_count = no_userimage,
                              .nth_userimage = none,
                              .core_count = core_count,
                              .print = print,
                              .sched_ctrl = none,
                              .extended_bootinfo_len = no_bootinfo_len,
                              .extended_bootinfo = no_bootinfo,
                              .arch_simple = {no_irq, no_irq_trigger, host}};
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Bring-up, counts, and what tools and guest CPUs ask.
 */
#include "env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct guestmem_host *env_current;

int guestmem_host_create(const struct guestmem_host_config *config, struct guestmem_host **out)
{
    const struct guestmem_host_config defaults = {0};
    struct guestmem_host *host;
    int err;

    if (env_current != NULL) {
        return -EBUSY;
    }
    if (config == NULL) {
        config = &defaults;
    }
    err = env_check_config(config);
    if (err != 0) {
        return err;
    }
    host = calloc(1, sizeof(*host));
    if (host == NULL) {
        return -ENOMEM;
    }
    env_inject_reset();
    err = env_vmm_init(&host->vmm);
    if (err != 0) {
        goto free_host;
    }
    err = env_boot(host, config);
    if (err != 0) {
        goto destroy_vmm;
    }
    env_vka_init(host);
    env_simple_init(host);
    env_io_ops_init(host);
    env_vmm_vspace(&host->vmm, &host->vmm.vspace);
    memset((char *)&host->kernel->counts + offsetof(struct k_counts, invocations), 0,
           sizeof(host->kernel->counts) - offsetof(struct k_counts, invocations));
    host->mallocs_before = env_malloc_counts().mallocs;
    env_current = host;
    *out = host;
    return 0;

destroy_vmm:
    env_vmm_destroy(&host->vmm);
free_host:
    free(host);
    return err;
}

/* The whole area goes at once. */
static void leave_mapped(uint64_t vaddr, unsigned bits)
{
    (void)vaddr;
    (void)bits;
}

void guestmem_host_destroy(struct guestmem_host *host)
{
    if (host == NULL) {
        return;
    }
    host->kernel->hooks.vmm_unmap = leave_mapped;
    k_destroy(host->kernel);
    env_untypeds_destroy(&host->untypeds);
    env_slots_destroy(&host->slots);
    env_vmm_destroy(&host->vmm);
    env_inject_reset();
    free(host);
    env_current = NULL;
}

struct guestmem_host *guestmem_host_current(void)
{
    return env_current;
}

vka_t *guestmem_host_vka(struct guestmem_host *host)
{
    return &host->vka;
}

vspace_t *guestmem_host_vspace(struct guestmem_host *host)
{
    return &host->vmm.vspace;
}

simple_t *guestmem_host_simple(struct guestmem_host *host)
{
    return &host->simple;
}

ps_io_ops_t *guestmem_host_io_ops(struct guestmem_host *host)
{
    return &host->io_ops;
}

seL4_CPtr guestmem_host_endpoint(struct guestmem_host *host)
{
    return host->endpoint;
}

void guestmem_host_count(struct guestmem_host *host, struct guestmem_host_counts *counts)
{
    K_ALONE;
    const struct k_counts *kernel = &host->kernel->counts;
    struct env_malloc_counts malloc_counts = env_malloc_counts();

    *counts = (struct guestmem_host_counts){
        .slots_used = host->slots.used,
        .frames_4k = kernel->frames[0],
        .frames_2m = kernel->frames[1],
        .frames_1g = kernel->frames[2],
        .tables = kernel->tables,
        .untypeds = kernel->untypeds,
        .other_objects = kernel->others,
        .vmm_mappings = host->vmm.mappings,
        .vmm_reserved_bytes = host->vmm.reserved_bytes,
        .free_bytes = host->untypeds.free_bytes,
        .malloc_bytes = malloc_counts.bytes,
        .malloc_blocks = malloc_counts.blocks,
        .invocations = kernel->invocations,
        .maps = kernel->maps,
        .unmaps = kernel->unmaps,
        .retypes = kernel->retypes,
        .copies = kernel->copies,
        .deletes = kernel->deletes,
        .slot_allocs = host->slots.allocs,
        .object_allocs = host->object_allocs,
        .mallocs = malloc_counts.mallocs - host->mallocs_before,
    };
}

/* Whoever holds the pointer may write: what is given back later must be cleared. */
void *guestmem_host_phys(struct guestmem_host *host, uint64_t paddr, size_t bytes)
{
    if (k_region_of(host->kernel, paddr, bytes) == NULL) {
        return NULL;
    }
    k_memory_touched(host->kernel, paddr, bytes);
    return k_phys(host->kernel, paddr);
}

int guestmem_host_memfd(struct guestmem_host *host)
{
    return host->kernel->memfd;
}

bool guestmem_host_phys_offset(struct guestmem_host *host, uint64_t paddr, off_t *memfd_offset)
{
    const struct k_region *region = k_region_of(host->kernel, paddr, 1);

    if (region == NULL) {
        return false;
    }
    *memfd_offset = (off_t)(region->offset + (paddr - region->base));
    return true;
}

/* The VMM's own space has no tables: its mappings are in the books. */
static bool translate_vmm(struct guestmem_host *host, uint64_t vaddr,
                          struct guestmem_host_leaf *leaf)
{
    const struct env_page *page = env_vmm_page(&host->vmm, vaddr);

    if (page == NULL) {
        return false;
    }
    *leaf = (struct guestmem_host_leaf){.paddr = host->kernel->root[page->cap].cap.base,
                                        .size_bits = page->bits,
                                        .read = page->rights & K_READ,
                                        .write = page->rights & K_WRITE,
                                        .device = !page->cacheable};
    return true;
}

static const struct k_cap *space_of(const struct guestmem_host *host, seL4_CPtr vspace_root)
{
    const struct k_cap *cap;

    if (vspace_root >> host->kernel->root_bits != 0) {
        return NULL;
    }
    cap = &host->kernel->root[vspace_root].cap;
    return cap->type == K_VSPACE && cap->mapped ? cap : NULL;
}

bool guestmem_host_translate(struct guestmem_host *host, seL4_CPtr vspace_root, uint64_t gpa,
                             struct guestmem_host_leaf *leaf)
{
    const struct k_cap *space = space_of(host, vspace_root);
    uint64_t entry, root;
    struct k_walk walk;

    if (space == NULL || !k_asid_find(host->kernel, space->asid, &root)) {
        return false;
    }
    if (gpa > host->kernel->user_top) {
        return space->asid == K_VMM_ASID && translate_vmm(host, gpa, leaf);
    }
    walk = k_walk(host->kernel, root, gpa);
    entry = __atomic_load_n(walk.entry, __ATOMIC_ACQUIRE);
    if (!(entry & K_PTE_VALID) || entry & K_PTE_TABLE) {
        return false;
    }
    *leaf = (struct guestmem_host_leaf){.paddr = entry & K_PTE_ADDRESS,
                                        .size_bits = walk.bits,
                                        .read = entry & K_PTE_READ,
                                        .write = entry & K_PTE_WRITE,
                                        .device = !(entry & K_PTE_CACHED)};
    return true;
}

int guestmem_host_watch(struct guestmem_host *host, seL4_CPtr vspace_root,
                        guestmem_host_invalidate_fn fn, void *cookie)
{
    K_ALONE;
    const struct k_cap *space = space_of(host, vspace_root);
    struct k_watch *watch;

    if (space == NULL || fn == NULL) {
        return -EINVAL;
    }
    for (watch = host->kernel->watches; watch != NULL; watch = watch->next) {
        if (watch->asid == space->asid) {
            return -EBUSY;
        }
    }
    watch = malloc(sizeof(*watch));
    if (watch == NULL) {
        return -ENOMEM;
    }
    *watch = (struct k_watch){host->kernel->watches, space->asid, fn, cookie};
    host->kernel->watches = watch;
    return 0;
}

void guestmem_host_unwatch(struct guestmem_host *host, seL4_CPtr vspace_root)
{
    K_ALONE;
    const struct k_cap *space = space_of(host, vspace_root);

    if (space != NULL) {
        k_watch_end(host->kernel, space->asid);
    }
}

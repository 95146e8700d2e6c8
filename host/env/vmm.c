/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Frames in the VMM's own address space: the memfd's pages at real host addresses, in one area that
 * is inaccessible elsewhere. The model knows of each mapping by its cap, as in any other space, but
 * there are no tables.
 */
#define _GNU_SOURCE
#include "env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GIB (UINT64_C(1) << 30)

static void *map_nothing(void *at, uint64_t bytes, int flags)
{
    return mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

/* Take memory out of the VMM's sight. Unmapping can't fail in the interface, and going on with memory
 * in sight that isn't the VMM's any more would be worse than to end. */
static void hide(uint64_t vaddr, uint64_t bytes)
{
    if (map_nothing((void *)(uintptr_t)vaddr, bytes, MAP_FIXED) == MAP_FAILED) {
        ZF_LOGF("the VMM's memory at %#lx can't be unmapped: Linux: %s (see vm.max_map_count)",
                (unsigned long)vaddr, strerror(errno));
    }
}

/* The area starts at a multiple of 1 GiB, so that frames of every size are aligned in it. */
static uint8_t *reserve_area(void)
{
    uint8_t *whole = map_nothing(NULL, ENV_AREA_BYTES + GIB, 0);
    uint64_t skip;

    if (whole == MAP_FAILED) {
        return NULL;
    }
    skip = -(uint64_t)(uintptr_t)whole & (GIB - 1);
    if (skip != 0) {
        munmap(whole, skip);
    }
    munmap(whole + skip + ENV_AREA_BYTES, GIB - skip);
    return whole + skip;
}

int env_vmm_init(struct env_vmm *vmm)
{
    vmm->area = reserve_area();
    if (vmm->area == NULL) {
        return -ENOMEM;
    }
    vmm->pages = mmap(NULL, ENV_AREA_PAGES * sizeof(*vmm->pages), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (vmm->pages == MAP_FAILED) {
        munmap(vmm->area, ENV_AREA_BYTES);
        return -ENOMEM;
    }
    return 0;
}

void env_vmm_destroy(struct env_vmm *vmm)
{
    for (size_t k = 0; k < vmm->count; k++) {
        free(vmm->spans[k]);
    }
    free(vmm->spans);
    munmap(vmm->pages, ENV_AREA_PAGES * sizeof(*vmm->pages));
    munmap(vmm->area, ENV_AREA_BYTES);
}

uint64_t env_vmm_address(const struct env_vmm *vmm, const struct env_page *page)
{
    return (uint64_t)(uintptr_t)vmm->area + ((uint64_t)(page - vmm->pages) << 12);
}

/* Frames are aligned to their size: one that covers the page starts at one of three places. */
struct env_page *env_vmm_page(struct env_vmm *vmm, uint64_t vaddr)
{
    static const unsigned sizes[] = {seL4_PageBits, seL4_LargePageBits, seL4_HugePageBits};
    uint64_t offset = vaddr - (uint64_t)(uintptr_t)vmm->area;

    if (offset >= ENV_AREA_BYTES) {
        return NULL;
    }
    for (unsigned k = 0; k < ARRAY_SIZE(sizes); k++) {
        struct env_page *page = &vmm->pages[offset >> sizes[k] << (sizes[k] - 12)];

        if (page->bits >= sizes[k]) {
            return page;
        }
    }
    return NULL;
}

/* Called by the model: the cap of a mapped frame was deleted or unmapped by an invocation. The
 * memory is gone from the VMM; what the vspace knows stays until it is told to unmap, as in a real
 * system. */
void env_vmm_unmap_hook(uint64_t vaddr, unsigned bits)
{
    hide(vaddr, UINT64_C(1) << bits);
}

static int protection(unsigned rights)
{
    return (rights & K_READ ? PROT_READ : 0) | (rights & K_WRITE ? PROT_WRITE : 0);
}

static const struct k_cap *cap_of(const struct env_page *page)
{
    return &env_current->kernel->root[page->cap].cap;
}

/* Put the host's pages of `count` frames in place, physically contiguous runs at once. */
static bool place(struct env_vmm *vmm, uint64_t vaddr, size_t count, unsigned bits)
{
    const struct kernel *kernel = env_current->kernel;
    size_t step = (size_t)1 << (bits - 12), run;

    for (size_t k = 0; k < count; k += run) {
        struct env_page *page = env_vmm_page(vmm, vaddr + ((uint64_t)k << bits));
        uint64_t base = cap_of(page)->base;
        const struct k_region *region = k_region_of(kernel, base, UINT64_C(1) << bits);

        run = 1;
        while (k + run < count && page[run * step].rights == page->rights &&
               cap_of(&page[run * step])->base == base + ((uint64_t)run << bits) &&
               k_region_of(kernel, base, (uint64_t)(run + 1) << bits) == region) {
            run++;
        }
        if (page->rights != 0 &&
            mmap((void *)(uintptr_t)env_vmm_address(vmm, page), (uint64_t)run << bits,
                 protection(page->rights), MAP_SHARED | MAP_FIXED, kernel->memfd,
                 (off_t)(region->offset + (base - region->base))) == MAP_FAILED) {
            return false;
        }
    }
    return true;
}

static void drop_frame(vka_t *vka, const struct env_page *page)
{
    cspacepath_t path;

    vka_cspace_make_path(vka, page->cap, &path);
    seL4_CNode_Delete(path.root, path.capPtr, (seL4_Uint8)path.capDepth);
    vka_cspace_free(vka, page->cap);
    if (page->cookie != 0) {
        vka_utspace_free(vka, kobject_get_type(KOBJECT_FRAME, page->bits), page->bits,
                         page->cookie);
    }
}

/* Take `count` frames of one span that are mapped side by side out of the books and off the host's
 * address space; with a vka, delete them too. */
static void take_away(struct env_vmm *vmm, struct env_span *span, uint64_t vaddr, size_t count,
                      unsigned bits, vka_t *vka)
{
    for (size_t k = 0; k < count; k++) {
        uint64_t at = vaddr + ((uint64_t)k << bits);
        struct env_page *page = env_vmm_page(vmm, at);
        struct env_page was = *page;

        k_frame_unmap_vmm(env_current->kernel, was.cap, at);
        *page = (struct env_page){0};
        if (vka != NULL) {
            drop_frame(vka, &was);
        }
    }
    hide(vaddr, (uint64_t)count << bits);
    vmm->mappings -= count;
    env_span_unmapped(vmm, span, (uint64_t)count << (bits - 12));
}

/* Write the frame into the books, and the mapping into its cap. */
static bool enter(struct env_vmm *vmm, const struct env_span *span, uint64_t vaddr, seL4_CPtr cap,
                  uintptr_t cookie, unsigned bits, unsigned rights)
{
    struct kernel *kernel = env_current->kernel;
    uint64_t page = (vaddr - (uint64_t)(uintptr_t)vmm->area) >> 12;
    const struct k_cap *frame;

    if (cap >> kernel->root_bits != 0) {
        return false;
    }
    frame = &kernel->root[cap].cap;
    rights = k_frame_rights(frame->rights, (seL4_CapRights_t){{rights}});
    if (frame->type != K_FRAME || frame->bits != bits ||
        k_frame_map_vmm(kernel, cap, vaddr, rights & K_WRITE) != seL4_NoError) {
        return false;
    }
    vmm->pages[page] = (struct env_page){.cap = (uint32_t)cap, .cookie = cookie,
                                         .bits = (uint8_t)bits, .rights = (uint8_t)rights,
                                         .cacheable = span->cacheable};
    return true;
}

static bool nothing_mapped(struct env_vmm *vmm, uint64_t vaddr, uint64_t bytes)
{
    const struct env_span *span =
        env_span_find(vmm, (vaddr - (uint64_t)(uintptr_t)vmm->area) >> 12);

    for (uint64_t at = 0; span->mapped != 0 && at < bytes; at += 1u << 12) {
        if (env_vmm_page(vmm, vaddr + at) != NULL) {
            return false;
        }
    }
    return true;
}

static bool fits(const struct env_vmm *vmm, const struct env_span *span, uint64_t vaddr,
                 size_t count, unsigned bits)
{
    uint64_t start = (uint64_t)(uintptr_t)vmm->area + (span->page << 12);

    return (vaddr & ((UINT64_C(1) << bits) - 1)) == 0 && vaddr >= start &&
           vaddr - start <= span->pages << 12 &&
           count <= ((span->pages << 12) - (vaddr - start)) >> bits;
}

int env_vmm_map(struct env_vmm *vmm, struct env_span *span, uint64_t vaddr, seL4_CPtr caps[],
                uintptr_t cookies[], size_t count, unsigned bits, unsigned rights)
{
    size_t done = 0;

    if (!sel4_valid_size_bits(bits) || !fits(vmm, span, vaddr, count, bits) ||
        !nothing_mapped(vmm, vaddr, (uint64_t)count << bits)) {
        return -1;
    }
    while (done < count && enter(vmm, span, vaddr + ((uint64_t)done << bits), caps[done],
                                 cookies == NULL ? 0 : cookies[done], bits, rights)) {
        done++;
    }
    vmm->mappings += done;
    span->mapped += (uint64_t)done << (bits - 12);
    if (done == count && place(vmm, vaddr, count, bits)) {
        return 0;
    }
    if (done > 0) {
        take_away(vmm, span, vaddr, done, bits, NULL);
    }
    return -1;
}

/* Does a frame of that size start here, in this span? */
static bool is_frame_at(struct env_vmm *vmm, const struct env_span *span, uint64_t vaddr,
                        unsigned bits)
{
    const struct env_page *page = env_vmm_page(vmm, vaddr);

    return page != NULL && page->bits == bits && env_vmm_address(vmm, page) == vaddr &&
           (uint64_t)(page - vmm->pages) - span->page < span->pages;
}

void env_vmm_unmap(struct env_vmm *vmm, uint64_t vaddr, size_t count, unsigned bits, vka_t *vka)
{
    size_t run;

    for (size_t k = 0; k < count; k += run) {
        uint64_t at = vaddr + ((uint64_t)k << bits);
        const struct env_page *page = env_vmm_page(vmm, at);
        struct env_span *span;

        run = 1;
        if (page == NULL) {
            continue;
        }
        span = env_span_find(vmm, (uint64_t)(page - vmm->pages));
        if (!is_frame_at(vmm, span, at, bits)) {
            ZF_LOGE("unmap of 2^%u bytes at %#lx: a frame of 2^%u bytes is there", bits, at,
                    page->bits);
            continue;
        }
        while (k + run < count && is_frame_at(vmm, span, at + ((uint64_t)run << bits), bits)) {
            run++;
        }
        take_away(vmm, span, at, run, bits, vka);
    }
}

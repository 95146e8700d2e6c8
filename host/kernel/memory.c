/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Physical memory: one sparse memfd, regions one after the other, mapped once.
 *
 * Memory is clean (zero) until something could have written it. The model knows every way to get at
 * it, so it marks pages when one opens, and clearing touches marked pages only: what nobody could
 * write is never cleared, and never takes host memory.
 */
#define _GNU_SOURCE /* memfd_create, fallocate */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE_BITS = 12, WORD_PAGES = 64, PUNCH_FROM_PAGES = 32 };

static uint64_t lay_out(struct kernel *kernel)
{
    const uint64_t huge = UINT64_C(1) << 21;
    uint64_t offset = 0;

    /* Aligned as the physical address is, so that the host can use large pages. */
    for (unsigned k = 0; k < kernel->region_count; k++) {
        struct k_region *region = &kernel->regions[k];

        offset = (offset + huge - 1) & ~(huge - 1);
        region->offset = offset + (region->base & (huge - 1));
        offset = region->offset + region->bytes;
    }
    return offset;
}

int k_memory_open(struct kernel *kernel)
{
    uint64_t pages = kernel->regions[0].bytes >> PAGE_BITS;
    int err;

    kernel->linear_bytes = lay_out(kernel);
    kernel->dirty = calloc(pages / WORD_PAGES + 1, sizeof(*kernel->dirty));
    if (kernel->dirty == NULL) {
        return -ENOMEM;
    }
    kernel->memfd = memfd_create("guestmem-host", MFD_CLOEXEC);
    if (kernel->memfd < 0) {
        goto fail;
    }
    if (ftruncate(kernel->memfd, (off_t)kernel->linear_bytes) != 0) {
        goto close_memfd;
    }
    /* There is at least one region, normal memory. */
    // NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions)
    kernel->linear = mmap(NULL, kernel->linear_bytes, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_NORESERVE, kernel->memfd, 0);
    if (kernel->linear != MAP_FAILED) {
        return 0;
    }

close_memfd:
    err = errno;
    close(kernel->memfd);
    errno = err;
fail:
    err = errno;
    free(kernel->dirty);
    return -err;
}

void k_memory_close(struct kernel *kernel)
{
    munmap(kernel->linear, kernel->linear_bytes);
    close(kernel->memfd);
    free(kernel->dirty);
}

const struct k_region *k_region_of(const struct kernel *kernel, uint64_t paddr, uint64_t bytes)
{
    for (unsigned k = 0; k < kernel->region_count; k++) {
        const struct k_region *region = &kernel->regions[k];

        if (paddr - region->base < region->bytes &&
            bytes <= region->bytes - (paddr - region->base)) {
            return region;
        }
    }
    return NULL;
}

void *k_phys(const struct kernel *kernel, uint64_t paddr)
{
    const struct k_region *region = k_region_of(kernel, paddr, 1);

    return region == NULL ? NULL : kernel->linear + region->offset + (paddr - region->base);
}

/* The bits of one word for pages first .. first + count - 1 (count up to the word's end). */
static uint64_t page_mask(uint64_t first, uint64_t count)
{
    uint64_t ones = count == WORD_PAGES ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1;

    return ones << (first % WORD_PAGES);
}

static uint64_t pages_in_word(uint64_t page, uint64_t end)
{
    uint64_t left = WORD_PAGES - page % WORD_PAGES;

    return left < end - page ? left : end - page;
}

/* Called by guest CPUs too, on any thread: the bits are set and cleared atomically. */
void k_memory_touched(struct kernel *kernel, uint64_t paddr, uint64_t bytes)
{
    const struct k_region *ram = &kernel->regions[0];
    uint64_t page = (paddr - ram->base) >> PAGE_BITS;
    uint64_t end = (paddr - ram->base + bytes + (1u << PAGE_BITS) - 1) >> PAGE_BITS;

    if (bytes == 0 || k_region_of(kernel, paddr, bytes) != ram) {
        return; /* device memory is never cleared */
    }
    while (page < end) {
        uint64_t count = pages_in_word(page, end);
        uint64_t mask = page_mask(page, count);
        uint64_t *word = &kernel->dirty[page / WORD_PAGES];

        if ((__atomic_load_n(word, __ATOMIC_RELAXED) & mask) != mask) {
            __atomic_fetch_or(word, mask, __ATOMIC_RELAXED);
        }
        page += count;
    }
}

static void clear_pages(struct kernel *kernel, uint64_t page, uint64_t count)
{
    const struct k_region *ram = &kernel->regions[0];
    uint64_t offset = ram->offset + (page << PAGE_BITS);
    uint64_t bytes = count << PAGE_BITS;

    if (count < PUNCH_FROM_PAGES ||
        fallocate(kernel->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                  (off_t)bytes) != 0) {
        memset(kernel->linear + offset, 0, bytes);
    }
}

static bool is_dirty(const struct kernel *kernel, uint64_t page)
{
    return __atomic_load_n(&kernel->dirty[page / WORD_PAGES], __ATOMIC_RELAXED) >>
               (page % WORD_PAGES) &
           1;
}

/* Length of the run of dirty pages from `page` on; *clean: of the clean ones before it. */
static uint64_t next_run(const struct kernel *kernel, uint64_t page, uint64_t end, uint64_t *clean)
{
    uint64_t first = page, last;

    while (first < end && !is_dirty(kernel, first)) {
        bool word_is_clean =
            first % WORD_PAGES == 0 &&
            __atomic_load_n(&kernel->dirty[first / WORD_PAGES], __ATOMIC_RELAXED) == 0;

        first += word_is_clean ? WORD_PAGES : 1;
    }
    first = first < end ? first : end;
    for (last = first; last < end && is_dirty(kernel, last); last++) {
    }
    *clean = first - page;
    return last - first;
}

void k_memory_clear(struct kernel *kernel, uint64_t paddr, uint64_t bytes)
{
    const struct k_region *ram = &kernel->regions[0];
    uint64_t page = (paddr - ram->base) >> PAGE_BITS;
    uint64_t end = (paddr - ram->base + bytes) >> PAGE_BITS;
    uint64_t clean, run;

    if (bytes < UINT64_C(1) << PAGE_BITS) {
        if (is_dirty(kernel, page)) { /* part of a page: its neighbours keep the mark */
            memset(kernel->linear + ram->offset + (paddr - ram->base), 0, bytes);
        }
        return;
    }
    while ((run = next_run(kernel, page, end, &clean)) != 0) {
        page += clean;
        clear_pages(kernel, page, run);
        for (uint64_t k = 0; k < run; k++) {
            __atomic_fetch_and(&kernel->dirty[(page + k) / WORD_PAGES],
                               ~(UINT64_C(1) << (page + k) % WORD_PAGES), __ATOMIC_RELAXED);
        }
        page += run;
    }
}

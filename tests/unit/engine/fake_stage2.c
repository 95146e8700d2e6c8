/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "fake_stage2.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RANGE_COUNT_MAX = 512, PAGE_BITS = 12 };

static const uint64_t memory_bytes = UINT64_C(256) << 20;
static const uint64_t memory_paddr = UINT64_C(0x80000000);

struct range {
    uint64_t gpa;
    uint64_t size;
    uint64_t offset;
    bool write;
};

struct guestmem_host {
    int memfd;
    uint8_t *memory;
    uint64_t next;
    struct range ranges[RANGE_COUNT_MAX];
    unsigned range_count;
};

struct guestmem_host *fake_stage2_create(void)
{
    struct guestmem_host *host = calloc(1, sizeof(*host));

    if (host == NULL) {
        abort();
    }
    host->memfd = memfd_create("stage2", MFD_CLOEXEC);
    if (host->memfd < 0 || ftruncate(host->memfd, (off_t)memory_bytes) != 0) {
        abort();
    }
    host->memory = mmap(NULL, memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, host->memfd, 0);
    if (host->memory == MAP_FAILED) {
        abort();
    }
    return host;
}

void fake_stage2_destroy(struct guestmem_host *host)
{
    munmap(host->memory, memory_bytes);
    close(host->memfd);
    free(host);
}

void *fake_stage2_map(struct guestmem_host *host, uint64_t gpa, uint64_t size, bool write)
{
    struct range range = {.gpa = gpa, .size = size, .offset = host->next, .write = write};

    if (host->range_count == RANGE_COUNT_MAX || size > memory_bytes - host->next) {
        abort();
    }
    host->ranges[host->range_count++] = range;
    host->next += size;
    return host->memory + range.offset;
}

static struct range *range_of(struct guestmem_host *host, uint64_t gpa)
{
    for (unsigned i = 0; i < host->range_count; i++) {
        if (gpa - host->ranges[i].gpa < host->ranges[i].size) {
            return &host->ranges[i];
        }
    }
    return NULL;
}

void fake_stage2_unmap(struct guestmem_host *host, uint64_t gpa)
{
    struct range *range = range_of(host, gpa);

    *range = host->ranges[--host->range_count];
}

void fake_stage2_protect(struct guestmem_host *host, uint64_t gpa, bool write)
{
    range_of(host, gpa)->write = write;
}

bool guestmem_host_translate(struct guestmem_host *host, seL4_CPtr root, uint64_t gpa,
                             struct guestmem_host_leaf *leaf)
{
    const struct range *range = range_of(host, gpa);

    (void)root;
    if (range == NULL) {
        return false;
    }
    *leaf = (struct guestmem_host_leaf){
        .paddr = memory_paddr + range->offset + ((gpa - range->gpa) & ~UINT64_C(0xfff)),
        .size_bits = PAGE_BITS,
        .read = true,
        .write = range->write,
    };
    return true;
}

void *guestmem_host_phys(struct guestmem_host *host, uint64_t paddr, size_t bytes)
{
    uint64_t offset = paddr - memory_paddr;

    return offset < memory_bytes && bytes <= memory_bytes - offset ? host->memory + offset : NULL;
}

int guestmem_host_memfd(struct guestmem_host *host)
{
    return host->memfd;
}

bool guestmem_host_phys_offset(struct guestmem_host *host, uint64_t paddr, off_t *offset)
{
    (void)host;
    *offset = (off_t)(paddr - memory_paddr);
    return paddr - memory_paddr < memory_bytes;
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Snapshots: taking one, and comparing two by walking both in key order.
 */
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

void env_record_add(struct guestmem_host_snapshot *snapshot, const struct env_record *record)
{
    if (snapshot->count == snapshot->room) {
        size_t room = snapshot->room == 0 ? 256 : snapshot->room * 2;
        struct env_record *records = realloc(snapshot->records, room * sizeof(*records));

        if (records == NULL) {
            snapshot->failed = true;
            return;
        }
        snapshot->records = records;
        snapshot->room = room;
    }
    snapshot->records[snapshot->count++] = *record;
}

static void add_memory(struct guestmem_host_snapshot *snapshot, const struct env_node *node)
{
    if (node->state == ENV_SPLIT) {
        add_memory(snapshot, node->child[0]);
        add_memory(snapshot, node->child[1]);
    } else if (node->state == ENV_TAKEN) {
        env_record_add(snapshot, &(struct env_record){.kind = ENV_RECORD_MEMORY,
                                                      .key = {0, node->paddr},
                                                      .value = {node->bits, node->cap}});
    }
}

/* Every entry of a table that is not empty, and of those below. */
static void add_entries(struct guestmem_host *host, struct guestmem_host_snapshot *snapshot,
                        unsigned asid, const uint64_t *table, unsigned bits, uint64_t count,
                        uint64_t gpa)
{
    for (uint64_t k = 0; k < count; k++, gpa += UINT64_C(1) << bits) {
        if (table[k] == 0) {
            continue;
        }
        env_record_add(snapshot, &(struct env_record){.kind = ENV_RECORD_ENTRY,
                                                      .key = {(uint64_t)asid << 8 | bits, gpa},
                                                      .value = {table[k]}});
        if (table[k] & K_PTE_TABLE) {
            add_entries(host, snapshot, asid, k_table(host->kernel, table[k] & K_PTE_ADDRESS),
                        bits - 9, 512, gpa);
        }
    }
}

static void add_spaces(struct guestmem_host *host, struct guestmem_host_snapshot *snapshot)
{
    const struct kernel *kernel = host->kernel;
    unsigned bits = 9 * (kernel->levels - 1) + 12;

    for (unsigned pool = 0; pool < K_ASID_POOLS; pool++) {
        for (unsigned k = 0; kernel->pools[pool] != 0 && k < 1u << K_ASID_POOL_BITS; k++) {
            unsigned asid = pool << K_ASID_POOL_BITS | k;
            uint64_t root;

            if (k_asid_find(kernel, asid, &root)) {
                add_entries(host, snapshot, asid, k_table(kernel, root), bits,
                            UINT64_C(1) << kernel->root_index_bits, 0);
            }
        }
    }
}

static void add_pages(struct env_vmm *vmm, struct guestmem_host_snapshot *snapshot,
                      const struct env_span *span)
{
    uint64_t seen = 0;

    for (uint64_t at = span->page; seen < span->mapped;) {
        const struct env_page *page = &vmm->pages[at];
        uint64_t step = page->bits == 0 ? 1 : UINT64_C(1) << (page->bits - 12);

        if (page->bits != 0) {
            seen += step;
            env_record_add(snapshot,
                           &(struct env_record){
                               .kind = ENV_RECORD_PAGE,
                               .key = {0, env_vmm_address(vmm, page)},
                               .value = {page->cap, page->bits, page->rights, page->cacheable}});
        }
        at += step;
    }
}

static void add_vmm(struct env_vmm *vmm, struct guestmem_host_snapshot *snapshot)
{
    for (size_t k = 0; k < vmm->count; k++) {
        const struct env_span *span = vmm->spans[k];
        struct env_record record = {
            .kind = ENV_RECORD_SPAN,
            .key = {0, env_vmm_address(vmm, &vmm->pages[span->page])},
            .value = {span->pages << 12, span->mapped << 12, span->reserved, span->deferred,
                      span->rights, span->cacheable},
        };

        env_record_add(snapshot, &record);
        add_pages(vmm, snapshot, span);
    }
}

static void add_totals(struct guestmem_host *host, struct guestmem_host_snapshot *snapshot)
{
    struct env_malloc_counts counts = env_malloc_counts();

    env_record_add(snapshot, &(struct env_record){.kind = ENV_RECORD_TOTALS,
                                                  .value = {counts.bytes, counts.blocks,
                                                            host->untypeds.free_bytes}});
}

static int compare_keys(const struct env_record *a, const struct env_record *b)
{
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    for (unsigned k = 0; k < 2; k++) {
        if (a->key[k] != b->key[k]) {
            return a->key[k] < b->key[k] ? -1 : 1;
        }
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    return compare_keys(a, b);
}

struct guestmem_host_snapshot *guestmem_host_snapshot(struct guestmem_host *host)
{
    K_ALONE;
    struct guestmem_host_snapshot *snapshot = calloc(1, sizeof(*snapshot));

    if (snapshot == NULL) {
        return NULL;
    }
    env_snapshot_caps(host, snapshot);
    for (unsigned k = 0; k < host->untypeds.count; k++) {
        add_memory(snapshot, host->untypeds.roots[k].node);
    }
    add_spaces(host, snapshot);
    add_vmm(&host->vmm, snapshot);
    add_totals(host, snapshot);
    if (snapshot->failed) {
        guestmem_host_snapshot_free(snapshot);
        return NULL;
    }
    qsort(snapshot->records, snapshot->count, sizeof(*snapshot->records), compare);
    return snapshot;
}

void guestmem_host_snapshot_free(struct guestmem_host_snapshot *snapshot)
{
    if (snapshot != NULL) {
        free(snapshot->records);
        free(snapshot);
    }
}

static void report_line(FILE *report, const char *what, const struct env_record *record)
{
    if (report != NULL) {
        fprintf(report, "%s: ", what);
        env_record_print(report, record);
        fputc('\n', report);
    }
}

bool guestmem_host_snapshot_same(const struct guestmem_host_snapshot *before,
                                 const struct guestmem_host_snapshot *after, FILE *report)
{
    const struct env_record *a = before->records, *b = after->records;
    const struct env_record *a_end = a + before->count, *b_end = b + after->count;
    bool same = true;

    while (a < a_end || b < b_end) {
        int order = a == a_end ? 1 : b == b_end ? -1 : compare_keys(a, b);

        if (order < 0) {
            report_line(report, "gone", a++);
        } else if (order > 0) {
            report_line(report, "new", b++);
        } else if (memcmp(a->value, b->value, sizeof(a->value)) != 0) {
            report_line(report, "was", a++);
            report_line(report, "is now", b++);
        } else {
            a++;
            b++;
            continue;
        }
        same = false;
    }
    return same;
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Which pages of the VMM's area belong together: a span is a reservation, and stays after the
 * reservation is freed as long as something is mapped in it.
 *
 *   |XXXX|XXXXXXX|   |XX|      |XXXX|
 *    spans in ascending order, disjoint; the first two are "packed": nothing fits before the third
 */
#include "env.h"

#include <stdlib.h>
#include <string.h>

static uint64_t end_of(const struct env_span *span)
{
    return span->page + span->pages;
}

/* The first span that ends after the page. */
static size_t position(const struct env_vmm *vmm, uint64_t page)
{
    size_t low = 0, high = vmm->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (end_of(vmm->spans[middle]) > page) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void advance_packed(struct env_vmm *vmm)
{
    while (vmm->packed < vmm->count) {
        uint64_t before = vmm->packed == 0 ? 0 : end_of(vmm->spans[vmm->packed - 1]);

        if (vmm->spans[vmm->packed]->page != before) {
            return;
        }
        vmm->packed++;
    }
}

static struct env_span *insert(struct env_vmm *vmm, size_t at, uint64_t page, uint64_t pages)
{
    struct env_span *span = malloc(sizeof(*span));

    if (span == NULL) {
        return NULL;
    }
    if (vmm->count == vmm->room) {
        size_t room = vmm->room == 0 ? 64 : vmm->room * 2;
        struct env_span **spans = realloc(vmm->spans, room * sizeof(*spans));

        if (spans == NULL) {
            free(span);
            return NULL;
        }
        vmm->spans = spans;
        vmm->room = room;
    }
    *span = (struct env_span){.page = page, .pages = pages, .reserved = true};
    memmove(&vmm->spans[at + 1], &vmm->spans[at], (vmm->count - at) * sizeof(*vmm->spans));
    vmm->spans[at] = span;
    vmm->count++;
    vmm->reserved_bytes += pages << 12;
    advance_packed(vmm);
    return span;
}

struct env_span *env_span_reserve(struct env_vmm *vmm, uint64_t pages, unsigned align_bits)
{
    uint64_t align = align_bits > 12 ? UINT64_C(1) << (align_bits - 12) : 1;
    uint64_t page = vmm->packed == 0 ? 0 : end_of(vmm->spans[vmm->packed - 1]);

    for (size_t at = vmm->packed;; at++) {
        uint64_t gap_end = at < vmm->count ? vmm->spans[at]->page : ENV_AREA_PAGES;

        page = (page + align - 1) & ~(align - 1);
        if (page <= gap_end && pages <= gap_end - page) {
            return insert(vmm, at, page, pages);
        }
        if (at == vmm->count) {
            return NULL;
        }
        page = end_of(vmm->spans[at]);
    }
}

struct env_span *env_span_reserve_at(struct env_vmm *vmm, uint64_t page, uint64_t pages)
{
    size_t at = position(vmm, page);

    if (pages > ENV_AREA_PAGES || page > ENV_AREA_PAGES - pages ||
        (at < vmm->count && vmm->spans[at]->page < page + pages)) {
        return NULL;
    }
    return insert(vmm, at, page, pages);
}

struct env_span *env_span_find(struct env_vmm *vmm, uint64_t page)
{
    size_t at = position(vmm, page);

    return at < vmm->count && vmm->spans[at]->page <= page ? vmm->spans[at] : NULL;
}

/* Without looking into it: it may be gone. */
bool env_span_is(const struct env_vmm *vmm, const struct env_span *span)
{
    for (size_t k = 0; k < vmm->count; k++) {
        if (vmm->spans[k] == span) {
            return span->reserved;
        }
    }
    return false;
}

static void drop_if_unused(struct env_vmm *vmm, struct env_span *span)
{
    size_t at;

    if (span->reserved || span->mapped != 0) {
        return;
    }
    at = position(vmm, span->page);
    memmove(&vmm->spans[at], &vmm->spans[at + 1], (vmm->count - at - 1) * sizeof(*vmm->spans));
    vmm->count--;
    vmm->packed = vmm->packed < at ? vmm->packed : at;
    free(span);
}

void env_span_unreserve(struct env_vmm *vmm, struct env_span *span)
{
    span->reserved = false;
    vmm->reserved_bytes -= span->pages << 12;
    drop_if_unused(vmm, span);
}

void env_span_unmapped(struct env_vmm *vmm, struct env_span *span, uint64_t pages)
{
    span->mapped -= pages;
    drop_if_unused(vmm, span);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "page_block.h"

#include <string.h>

#include "failure.h"
#include "frames_sources.h"
#include "slots.h"
#include "space.h"

enum { ALL_PAGES = (1 << GM_PAGE_BLOCK_PAGES) - 1 };

struct gm_page_block {
    struct gm_page_block *next;
    struct gm_page_block **link; /* what points to this one; NULL: in no list */
    seL4_CPtr untyped;
    seL4_Word ut;
    uint32_t idle; /* a bit a page */
    uint32_t used; /* a bit a page: lent before, so it may hold bytes */
    seL4_CPtr page[GM_PAGE_BLOCK_PAGES];
};

static void list(struct gm_space *space, struct gm_page_block *block)
{
    block->next = space->blocks;
    block->link = &space->blocks;
    if (block->next != NULL) {
        block->next->link = &block->next;
    }
    space->blocks = block;
}

static void unlist(struct gm_page_block *block)
{
    *block->link = block->next;
    if (block->next != NULL) {
        block->next->link = block->link;
    }
    block->link = NULL;
}

static int take_untyped(struct gm_space *space, struct gm_page_block *block)
{
    cspacepath_t path;
    int error = gm_slot_take(space, &path);

    if (error != GUESTMEM_OK) {
        return error;
    }
    error =
        vka_utspace_alloc(space->vka, &path, seL4_UntypedObject, GM_PAGE_BLOCK_BITS, &block->ut);
    if (error != 0) {
        gm_slot_give(space, path.capPtr);
        return gm_fail(space, GUESTMEM_ENOFRAME, "take memory from the allocator", error);
    }
    block->untyped = path.capPtr;
    space->stats.untypeds++;
    return GUESTMEM_OK;
}

static void give_untyped(struct gm_space *space, const struct gm_page_block *block)
{
    gm_slot_clear(space, block->untyped);
    vka_utspace_free(space->vka, seL4_UntypedObject, GM_PAGE_BLOCK_BITS, block->ut);
    space->stats.untypeds--;
}

/* Make all pages; after a failure there are none, and no slots. */
static int make_pages(struct gm_space *space, size_t most, struct gm_page_block *block)
{
    struct gm_slots slots;
    cspacepath_t path;
    int error;

    gm_slots_start(&slots);
    error = gm_slots_fill(space, &slots, GM_PAGE_BLOCK_PAGES);
    while (error == GUESTMEM_OK && slots.used < slots.count) {
        size_t run = gm_slots_run(space, &slots, most, &path);
        int answer =
            (int)seL4_Untyped_Retype(block->untyped, gm_arch_frame_type(0), gm_arch_frame_bits[0],
                                     path.root, path.dest, path.destDepth, path.offset, run);

        slots.used += run;
        if (answer != seL4_NoError) {
            error = gm_fail(space, GUESTMEM_EKERNEL, "retype memory into frames", answer);
        }
    }
    if (error != GUESTMEM_OK) {
        gm_slot_revoke(space, block->untyped);
        slots.used = 0;
        gm_slots_give_unused(space, &slots);
        return error;
    }
    memcpy(block->page, slots.at, sizeof(block->page));
    block->idle = ALL_PAGES;
    return GUESTMEM_OK;
}

static int make(struct gm_space *space, size_t most, struct gm_page_block **out)
{
    struct gm_page_block *block = gm_alloc(space, sizeof(*block));
    int error;

    if (block == NULL) {
        return gm_fail(space, GUESTMEM_ENOMEM, "note a block of pages", 0);
    }
    memset(block, 0, sizeof(*block));
    error = take_untyped(space, block);
    if (error != GUESTMEM_OK) {
        goto free_block;
    }
    error = make_pages(space, most, block);
    if (error != GUESTMEM_OK) {
        goto give_untyped;
    }
    list(space, block);
    *out = block;
    return GUESTMEM_OK;

give_untyped:
    give_untyped(space, block);
free_block:
    gm_free(space, block, sizeof(*block));
    return error;
}

/* Its pages' caps go with the untyped's, copies and all. */
static void drop(struct gm_space *space, struct gm_page_block *block)
{
    gm_slot_revoke(space, block->untyped);
    for (size_t i = 0; i < GM_PAGE_BLOCK_PAGES; i++) {
        gm_slot_give(space, block->page[i]);
    }
    give_untyped(space, block);
    gm_free(space, block, sizeof(*block));
}

/* Lend a page of a block that has one idle, if possible one that needs no clearing. */
static int lend(struct gm_space *space, struct gm_page_block *block, seL4_CPtr *page)
{
    uint32_t fresh = block->idle & ~block->used;
    unsigned i = (unsigned)__builtin_ctz(fresh != 0 ? fresh : block->idle);
    int error = fresh != 0 ? GUESTMEM_OK : gm_memory_clear(space, block->page[i], 0);

    if (error != GUESTMEM_OK) {
        return error;
    }
    block->idle &= ~(1u << i);
    block->used |= 1u << i;
    if (block->idle == 0) {
        unlist(block);
    }
    *page = block->page[i];
    return GUESTMEM_OK;
}

int gm_page_block_take(struct gm_space *space, seL4_CPtr *page, struct gm_page_block **block)
{
    *block = space->blocks;
    return *block == NULL ? GUESTMEM_ENOFRAME : lend(space, *block, page);
}

int gm_page_block_take_new(struct gm_space *space, size_t most, seL4_CPtr *page,
                           struct gm_page_block **block)
{
    int error = make(space, most, block);

    return error != GUESTMEM_OK ? error : lend(space, *block, page);
}

void gm_page_block_give(struct gm_space *space, struct gm_page_block *block, seL4_CPtr page)
{
    unsigned i = 0;

    while (block->page[i] != page) {
        i++;
    }
    block->idle |= 1u << i;
    if (block->idle == ALL_PAGES) {
        unlist(block);
        drop(space, block);
        return;
    }
    gm_slot_revoke(space, page);
    gm_arch_frame_unmap(page);
    if (block->link == NULL) {
        list(space, block);
    }
}

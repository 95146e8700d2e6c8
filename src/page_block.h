/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Pages that are made sixteen at a time and lent one by one: taking an object a page from the
 * allocator costs several times what making the page does.
 *
 *      space->blocks --> block ------> block ------> NULL      those with idle pages
 *                        |
 *                        untyped, 64 KiB
 *                        pages  [ lent | lent | idle, used | idle | idle |  ...  ]
 *                        slots    81     82     83           84     85
 *
 * A page is lent with its slot and comes back with it, whether it was used or its taker failed: the
 * caps are then as before. What was lent once is cleared before it is lent again. With the last
 * page that is lent the whole block goes back to the allocator, so a block always has one; a block
 * that is all lent is in no list, and known by its pages' holdings.
 */
#pragma once

#include <stddef.h>

#include <sel4/sel4.h>

struct gm_space;
struct gm_page_block;

enum {
    GM_PAGE_BLOCK_BITS = 16, /* log2 of a block's bytes */
    GM_PAGE_BLOCK_PAGES = 16,
};

/*
 * Lend an idle page, cleared, mapped nowhere. GUESTMEM_ENOFRAME: there is none, which isn't noted
 * as a failure; what clearing it gives: GUESTMEM_EVMM, GUESTMEM_EKERNEL.
 */
int gm_page_block_take(struct gm_space *space, seL4_CPtr *page, struct gm_page_block **block);

/*
 * The same of a new block; one kernel call makes at most `most` of its pages. GUESTMEM_ENOMEM,
 * GUESTMEM_ENOSLOT, GUESTMEM_ENOFRAME, GUESTMEM_EKERNEL.
 */
int gm_page_block_take_new(struct gm_space *space, size_t most, seL4_CPtr *page,
                           struct gm_page_block **block);

/* Take a page back: unmap it, and delete the copies of its cap. Never allocates. */
void gm_page_block_give(struct gm_space *space, struct gm_page_block *block, seL4_CPtr page);

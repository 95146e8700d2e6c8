/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "holding.h"

#include <string.h>

#include "page_block.h"
#include "space.h"

enum { FIRST_CAPACITY = 2 };

int gm_holdings_reserve(struct gm_space *space, struct gm_holdings *list, size_t more)
{
    return gm_room_reserve(space, &list->room, &list->at, &list->count, sizeof(list->at[0]),
                           list->count + more, FIRST_CAPACITY);
}

/* Index of the first holding above `page`. */
static size_t first_above(const struct gm_holdings *list, uint64_t page)
{
    size_t low = 0;
    size_t high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (list->at[middle].page <= page) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct gm_holding *gm_holdings_insert(struct gm_holdings *list, struct gm_holding holding)
{
    size_t at = first_above(list, holding.page);

    if (at < list->count) {
        memmove(&list->at[at + 1], &list->at[at], (list->count - at) * sizeof(list->at[0]));
    }
    list->at[at] = holding;
    list->count++;
    return &list->at[at];
}

struct gm_holding *gm_holdings_below(const struct gm_holdings *list, uint64_t page)
{
    size_t above = first_above(list, page);

    return above == 0 ? NULL : &list->at[above - 1];
}

struct gm_holding *gm_holdings_at(const struct gm_holdings *list, uint64_t page)
{
    struct gm_holding *holding = gm_holdings_below(list, page);

    return holding != NULL && holding->page == page ? holding : NULL;
}

void gm_holdings_remove(struct gm_holdings *list, struct gm_holding *holding)
{
    list->count--;
    memmove(holding, holding + 1, (size_t)(&list->at[list->count] - holding) * sizeof(*holding));
}

void gm_holding_give(struct gm_space *space, const struct gm_holding *holding)
{
    switch (holding->kind) {
    case GM_HOLDING_UNTYPED:
        gm_slot_clear(space, holding->cptr);
        vka_utspace_free(space->vka, seL4_UntypedObject, holding->bits, holding->ut);
        space->stats.untypeds--;
        break;
    case GM_HOLDING_FRAME:
        vka_utspace_free(space->vka, gm_arch_frame_type(holding->size), holding->bits, holding->ut);
        space->stats.untypeds--;
        break;
    case GM_HOLDING_LENT:
        gm_page_block_give(space, (struct gm_page_block *)holding->ut, holding->cptr);
        break;
    default:
        break;
    }
}

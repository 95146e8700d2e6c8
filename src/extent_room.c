/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a list of extents takes from outside: its bytes, from the VM's space; and cap rights, which
 * it keeps as two bits.
 */
#include "extent.h"
#include "space.h"

enum { FIRST_CAPACITY = 4 };

unsigned gm_rights_of(seL4_CapRights_t rights)
{
    bool read = seL4_CapRights_get_capAllowRead(rights) != 0;
    bool write = seL4_CapRights_get_capAllowWrite(rights) != 0;

    return read ? (unsigned)GM_RIGHT_READ | (write ? (unsigned)GM_RIGHT_WRITE : 0u) : 0u;
}

seL4_CapRights_t gm_rights_to_cap(unsigned rights)
{
    return seL4_CapRights_new(0, 0, (rights & GM_RIGHT_READ) != 0, (rights & GM_RIGHT_WRITE) != 0);
}

int gm_extents_reserve(struct gm_space *space, struct gm_extents *list, size_t more)
{
    return gm_room_reserve(space, &list->room, &list->at, &list->count, sizeof(list->at[0]),
                           list->count + more, FIRST_CAPACITY);
}

int gm_extents_reserve_pages(struct gm_space *space, struct gm_extents *list, uint64_t from,
                             uint64_t to)
{
    return gm_extents_reserve(space, list, (to - from) / (GM_EXTENT_COUNT_END - 1) + 2);
}

void gm_extents_drop(struct gm_space *space, struct gm_extents *list)
{
    gm_room_drop(space, &list->room, &list->at, sizeof(list->at[0]));
    list->count = 0;
}

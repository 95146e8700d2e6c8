/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Translation tables of a hostile guest: its code is where it was; all else is anywhere, and some
 * tables are where there is no memory, or a device. 39 bits of addresses, granule of 4 KiB, three
 * levels.
 */
#include "hostile.h"

#include <string.h>

enum { ENTRIES = 512, VALID_TABLE = 3, VALID_BLOCK = 0x401, VALID_PAGE = 0x403 };

static uint64_t page_entry(void)
{
    uint64_t page = random_address() & UINT64_C(0x0000fffffffff000);

    if (page - HOME < HOME_PAGES * PAGE) {
        page = ARENA; /* not its own tables and code: it would no longer be known what it does */
    }
    return one_in(12) ? 0 : page | VALID_PAGE;
}

static uint64_t table_entry(void)
{
    uint64_t target = random_address() & UINT64_C(0x0000fffffffff000);

    if (target - HOME < HOME_PAGES * PAGE) {
        target = ARENA;
    }
    return target | VALID_TABLE;
}

void tables_make(struct player *player, unsigned vcpu)
{
    uint64_t at = HOME_TABLES(vcpu);
    uint64_t *first = page_bytes(player, at);
    uint64_t *second = page_bytes(player, at + PAGE);
    uint64_t *third = page_bytes(player, at + 2 * PAGE);

    memset(first, 0, PAGE);
    memset(second, 0, PAGE);
    first[1] = (at + PAGE) | VALID_TABLE;
    first[0] = one_in(3) ? table_entry() : 0;
    first[2] = one_in(3) ? table_entry() : 0;
    second[0] = (at + 2 * PAGE) | VALID_TABLE;
    for (unsigned i = 1; i <= LARGE_SLOTS; i++) {
        second[i] = one_in(4) ? table_entry()
                              : (LARGE + random_below(LARGE_SLOTS) * LARGE_BYTES) | VALID_BLOCK;
    }
    second[8] = table_entry();
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t same = HOME + i * PAGE;

        third[i] = i < HOME_PAGES || one_in(2) ? same | VALID_PAGE : page_entry();
    }
}

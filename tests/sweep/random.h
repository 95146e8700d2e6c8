/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#pragma once

#include "sweep.h"

enum { GAME_PLAYERS = 2, GAME_ITEMS = 12, ITEM_CAPS = 9 };

enum item_kind {
    ITEM_NONE,
    ITEM_RESERVED,
    ITEM_BACKED,  /* with memory of the library's */
    ITEM_BROUGHT, /* with the caller's frames */
    ITEM_RAM,
    ITEM_CREATED,
    ITEM_PAGES, /* through the vspace */
};

/* One range of a VM. */
struct item {
    enum item_kind kind;
    uintptr_t area; /* where it may lie: 16 MiB */
    uintptr_t base;
    size_t size;
    vm_memory_reservation_t *res;
    void *view;
    uint8_t value; /* all its bytes; 0: never written */
    bool marked;   /* as allocated RAM */
    seL4_CPtr caps[ITEM_CAPS];
    size_t cap_count;
    size_t released;
};

struct player {
    vm_t *vm;
    struct item items[GAME_ITEMS];
};

struct game {
    struct gm_env *env;
    uint64_t seed;
    vm_t *vm; /* whose turn it is */
    struct player players[GAME_PLAYERS];
    unsigned failed;
    uint8_t bytes[2 * GM_MIB + 2 * GM_PAGE];
};

uint32_t game_below(struct game *game, uint32_t limit);
void game_play(struct gm_env *env, uint64_t seed, unsigned rounds);

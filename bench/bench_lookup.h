/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * What bench-lookup compares: structures that find the range that holds an address. Another one is
 * an entry in the table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lookup_range {
    uintptr_t base;
    uintptr_t last;
    void *item; /* what finding it answers */
};

struct lookup_ranges {
    size_t count;
    struct lookup_range *at; /* ascending, disjoint */
    const unsigned *order;   /* in which they are inserted */
};

struct lookup_structure {
    const char *name; /* in the names of results; "": what a guest memory fault costs */
    void *(*make)(const struct lookup_ranges *ranges); /* holds all ranges */
    void (*drop)(void *made);
    void *(*find)(void *made, uintptr_t addr);
    /* Look `count` addresses up; each one needs the answer before, of which `zero` takes nothing.
     */
    uintptr_t (*latency)(void *made, const uintptr_t *at, size_t count, uintptr_t zero);
    /* The same, none needing another. */
    uintptr_t (*throughput)(void *made, const uintptr_t *at, size_t count);
    /* Change it by these ranges, that are in it, or aren't. NULL: not compared. */
    void (*insert)(void *made, const struct lookup_ranges *ranges, const unsigned *which,
                   size_t count);
    void (*remove)(void *made, const struct lookup_ranges *ranges, const unsigned *which,
                   size_t count);
};

/* The first one is what the others are measured against. */
extern const struct lookup_structure lookup_structures[];
extern const unsigned lookup_structure_count;

/* Bytes of a made structure's index, if it is one of guestmem's, as the library would allocate
 * them. */
size_t lookup_index_bytes(const void *made);

/* Whether looking up addr would be answered without a search, by the same. */
bool lookup_remembers(void *made, uintptr_t addr);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a case asks for goes through wrappers: of a vka, of malloc, and of the VMM's address space.
 * They count what is held, and let a request fail where gm_env_fail() says so. What those allocators
 * ask each other for inside is neither counted as the case's nor fails.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <platsupport/io.h>
#include <vka/vka.h>
#include <vspace/vspace.h>

/* What is held now. */
struct held {
    uint64_t slots; /* by cases, and the library in them */
    uint64_t objects;
    uint64_t heap_blocks;
    uint64_t heap_bytes;
    uint64_t vmm_mappings;
    uint64_t vmm_reservations;
    uint64_t vmm_slots; /* by the VMM's address space, for tables and book-keeping that it keeps */
    uint64_t vmm_objects;
};
extern struct held held;

/* What cases have taken since the start. */
struct taken {
    uint64_t slots;
    uint64_t objects;
    uint64_t heap_blocks;
};
extern struct taken taken;

/* Print the fields that differ, a line each; whether none does. `cases_only`: those of cases. */
bool held_same(const struct held *before, const struct held *after, bool cases_only);

void requests_arm(unsigned kinds, uint64_t k, bool sticky);
/* Whether an armed failure has struck, and at what. */
bool requests_failed(const char **step);
/* Count a request of this kind; whether it has to fail. */
bool request_fails(unsigned kind, const char *step);

/* A vka in front of another. */
struct counted_vka {
    vka_t vka;
    vka_t *inner;
    uint64_t *slots;
    uint64_t *objects;
    bool fails;             /* its requests may be made to fail */
    bool device_ram;        /* device RAM may be handed out where the caller takes any memory */
    uint64_t normal_budget; /* bytes of normal memory that are left; UINT64_MAX: all */
};

/* No failures, no device RAM, all memory. */
void counted_vka_start(struct counted_vka *counted, vka_t *inner, uint64_t *slots, uint64_t *objects);

/* malloc, counted. */
void counted_malloc_start(ps_malloc_ops_t *ops);

/* The VMM's address space in front of the tree's; `vka` frees what a caller lets it free. */
void counted_vspace_start(vspace_t *counted, vspace_t *inner, vka_t *vka);

/* How the VMM asked for its mapping of `vaddr`. */
struct vmm_mapping {
    uintptr_t vaddr;
    size_t bits;
    seL4_CapRights_t rights;
    bool cacheable;
};
const struct vmm_mapping *counted_vspace_find(const void *vaddr);

/*
 * The tree's address space hands out large addresses that had small pages, whose tables are still in
 * the way. Set those aside, so that the next is a good one; and give them back.
 */
bool counted_vspace_make_room(size_t bits);
void counted_vspace_give_room(void);

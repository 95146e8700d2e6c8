/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * What the files of the environment share.
 */
#pragma once

#include <guestmem/host.h>

#include "../kernel/kernel.h"

/* ---- inject.c ---- */

/* Shall this request fail? Numbers it if its kind is armed; `kind` is one GUESTMEM_HOST_FAIL_*. */
bool env_refuse(unsigned kind, const char *step);
bool env_refuse_invocation(const char *step);
/* Between these the environment works on its own behalf: nothing is numbered. They nest. */
void env_enter(void);
void env_leave(void);
void env_inject_reset(void);

/* ---- malloc.c ---- */
struct env_malloc_counts {
    uint64_t bytes, blocks, mallocs;
};
struct env_malloc_counts env_malloc_counts(void); /* of the whole process */

/* ---- slots.c: which slots of the root CNode are free ---- */

struct env_slots {
    uint64_t *levels[6]; /* a bit a slot (1: free), then a bit a word of the level below */
    unsigned depth;
    uint64_t words; /* of level 0 */
    uint64_t used, allocs;
};

int env_slots_init(struct env_slots *slots, unsigned bits, seL4_CPtr first_free);
void env_slots_destroy(struct env_slots *slots);
/* As allocman does: the lowest group of 64 that has one, from its top downwards; 0: none left. */
seL4_CPtr env_slot_take(struct env_slots *slots);
/* Two neighbours, the lower one returned; 0: no such pair. */
seL4_CPtr env_slot_take_pair(struct env_slots *slots);
void env_slot_give(struct env_slots *slots, seL4_CPtr slot);
bool env_slot_is_free(const struct env_slots *slots, seL4_CPtr slot);

/* ---- untypeds.c: untyped memory, split and rejoined ---- */

enum env_node_state { ENV_FREE, ENV_SPLIT, ENV_TAKEN };

struct env_node {
    struct env_node *parent, *child[2];
    uint64_t paddr;
    uint64_t free; /* bit b: a free node of 2^b bytes is here or below */
    seL4_CPtr cap;
    uint8_t bits, state;
};

struct env_root {
    struct env_node *node;
    bool device, device_ram;
};

struct env_untypeds {
    struct env_root *roots; /* ascending addresses */
    unsigned count;
    uint64_t free_bytes; /* normal memory */
    struct env_slots *slots;
};

int env_untypeds_add(struct env_untypeds *untypeds, seL4_CPtr cap, uint64_t paddr, unsigned bits,
                     bool device, bool device_ram);
void env_untypeds_destroy(struct env_untypeds *untypeds);
/* An untyped of exactly that size, from normal memory or device RAM, or NULL. */
struct env_node *env_untyped_take(struct env_untypeds *untypeds, unsigned bits, bool device_ram);
struct env_node *env_untyped_take_at(struct env_untypeds *untypeds, unsigned bits, uint64_t paddr);
void env_untyped_give(struct env_untypeds *untypeds, struct env_node *node);

/* ---- vmm.c, spans.c: the VMM's own address space ---- */

struct env_span {
    uint64_t page, pages; /* of the area, 4 KiB each */
    uint64_t mapped;      /* pages that are */
    bool reserved;        /* a reservation; else it stays for what is mapped in it */
    bool deferred;        /* rights come with each mapping */
    bool cacheable;
    uint8_t rights; /* K_READ, K_WRITE */
};

struct env_page { /* at a mapped frame's first page */
    uintptr_t cookie;
    uint32_t cap;
    uint8_t bits; /* 0: nothing starts here */
    uint8_t rights;
    bool cacheable;
};

struct env_vmm {
    uint8_t *area;
    struct env_page *pages;
    struct env_span **spans; /* ascending, disjoint */
    size_t count, room;
    size_t packed; /* so many spans from the first on leave no gap */
    uint64_t mappings, reserved_bytes;
    vspace_t vspace;
};

#define ENV_AREA_BYTES (UINT64_C(24) << 30) /* valgrind has no room for much more */
#define ENV_AREA_PAGES (ENV_AREA_BYTES >> 12)

struct env_span *env_span_reserve(struct env_vmm *vmm, uint64_t pages, unsigned align_bits);
struct env_span *env_span_reserve_at(struct env_vmm *vmm, uint64_t page, uint64_t pages);
struct env_span *env_span_find(struct env_vmm *vmm, uint64_t page);
bool env_span_is(const struct env_vmm *vmm, const struct env_span *span);
void env_span_unreserve(struct env_vmm *vmm, struct env_span *span);
void env_span_unmapped(struct env_vmm *vmm, struct env_span *span, uint64_t pages);

int env_vmm_init(struct env_vmm *vmm);
void env_vmm_destroy(struct env_vmm *vmm);
void env_vmm_unmap_hook(uint64_t vaddr, unsigned bits);
/* The mapped frame that covers an address, or NULL. */
struct env_page *env_vmm_page(struct env_vmm *vmm, uint64_t vaddr);
uint64_t env_vmm_address(const struct env_vmm *vmm, const struct env_page *page);
void env_vmm_vspace(struct env_vmm *vmm, vspace_t *vspace);
int env_vmm_map(struct env_vmm *vmm, struct env_span *span, uint64_t vaddr, seL4_CPtr caps[],
                uintptr_t cookies[], size_t count, unsigned bits, unsigned rights);
void env_vmm_unmap(struct env_vmm *vmm, uint64_t vaddr, size_t count, unsigned bits, vka_t *vka);

/* ---- the environment ---- */

struct env_boot_untyped {
    seL4_CPtr cap;
    uint64_t paddr;
    uint8_t bits;
    bool device, device_ram;
};

/* Boot-information frames of one device region, 4 KiB each, in consecutive slots. */
struct env_boot_frames {
    uint64_t paddr, count;
    seL4_CPtr first;
};

struct guestmem_host {
    struct kernel *kernel;
    struct env_slots slots;
    struct env_untypeds untypeds;
    struct env_vmm vmm;
    struct env_boot_untyped boot[CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS];
    unsigned boot_count;
    struct env_boot_frames frames[CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS];
    unsigned frames_count;
    enum guestmem_host_flavour flavour;
    seL4_CPtr endpoint;
    uint64_t object_allocs, mallocs_before;
    vka_t vka;
    simple_t simple;
    ps_io_ops_t io_ops;
};

extern struct guestmem_host *env_current;

void env_vka_init(struct guestmem_host *host);
void env_simple_init(struct guestmem_host *host);
void env_io_ops_init(struct guestmem_host *host);

/* ---- boot.c ---- */
int env_check_config(const struct guestmem_host_config *config);
int env_boot(struct guestmem_host *host, const struct guestmem_host_config *config);

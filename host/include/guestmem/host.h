/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The host environment: a root task's surroundings in one Linux process. It models seL4's memory
 * objects exactly (untypeds, CNode slots with the capability derivation tree, frames, page tables,
 * address spaces; no IPC, scheduling or interrupts) and stands up a vka, the VMM's vspace, a simple
 * and io ops over them.
 *
 * One environment lives in a process at a time; its caps are slot numbers of one root CNode, and
 * the invocations of <sel4/sel4.h> are its. Physical memory is a memfd: sparse, zero at first.
 *
 * Threads: invocations and the calls of vka, vspace, simple and malloc ops may come from any
 * thread, and are done one after the other, as by a kernel with one lock; so are the functions here
 * but for bring-up and destruction. guestmem_host_translate (of a guest's space),
 * guestmem_host_phys and guestmem_host_phys_offset take no lock and allocate nothing; signal
 * handlers may call them. What they found may be used until a watcher of the space has been called.
 *
 * Functions that can fail return 0 or a negative errno value and change nothing on failure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <platsupport/io.h>
#include <sel4/sel4.h>
#include <simple/simple.h>
#include <vka/vka.h>
#include <vspace/vspace.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- bring-up ---- */

enum guestmem_host_flavour {
    /* The vka owns the device untypeds: vka_utspace_alloc_at finds them. */
    GUESTMEM_HOST_OWNS_DEVICES,
    /* It has none of them, as in statically composed systems: frames by device address come from
     * simple_get_frame_cap only, 4 KiB each, one slot for each page of the regions. */
    GUESTMEM_HOST_BOOT_FRAMES
};

/* Memory that boots as device untypeds: paddr and bytes are multiples of 4 KiB. */
struct guestmem_host_region {
    uint64_t paddr;
    uint64_t bytes;
    bool device_ram; /* RAM set aside as device untyped: the vka hands it out where device memory
                        may be used, before normal memory */
};

struct guestmem_host_config {
    uint64_t ram_bytes; /* normal memory, a multiple of 4 KiB; 0: 256 MiB */
    uint64_t ram_base;  /* its physical address; 0: 0x80000000 */
    const struct guestmem_host_region *regions;
    size_t region_count;
    enum guestmem_host_flavour flavour;
    unsigned cnode_bits; /* the root CNode has 2^bits slots, 10 to 28; 0: 20 */
    unsigned fan_out;    /* most objects that one retype makes; 0: 256 */
    unsigned pa_bits;    /* 40: three levels, a root of 1,024 entries; 44: four levels; 0: 40.
                            Code that is to run on 44 is built with GUESTMEM_HOST_PA_BITS_44. */
};

struct guestmem_host;

/*
 * Bring an environment up; config NULL: all defaults.
 *
 * Owns: the caller destroys it, after everything that came from it was given back.
 * Returns: 0; -EINVAL (sizes, alignment, overlap, more untypeds than boot information holds,
 * or more boot frames than slots); -EBUSY while another one lives; -ENOMEM or another errno of the
 * system's.
 */
int guestmem_host_create(const struct guestmem_host_config *config, struct guestmem_host **host);

/* Take it down with whatever is still in it. Accepts NULL. */
void guestmem_host_destroy(struct guestmem_host *host);

/* The environment that lives now; NULL: none. */
struct guestmem_host *guestmem_host_current(void);

/* What a root task works with; valid until the environment is destroyed. */
vka_t *guestmem_host_vka(struct guestmem_host *host);
vspace_t *guestmem_host_vspace(struct guestmem_host *host); /* the VMM's own */
simple_t *guestmem_host_simple(struct guestmem_host *host);
ps_io_ops_t *guestmem_host_io_ops(struct guestmem_host *host);
seL4_CPtr guestmem_host_endpoint(struct guestmem_host *host);

/* ---- counts ---- */

struct guestmem_host_counts {
    /* now */
    uint64_t slots_used; /* slots taken from the vka, its own untypeds' included */
    uint64_t frames_4k, frames_2m, frames_1g;
    uint64_t tables;        /* page tables and roots */
    uint64_t untypeds;      /* caps of untypeds, those given at boot included */
    uint64_t other_objects; /* CNodes, TCBs, endpoints, notifications, vcpus, ASID pools */
    uint64_t vmm_mappings;  /* pages mapped in the VMM */
    uint64_t vmm_reserved_bytes;
    uint64_t free_bytes; /* normal memory that the vka could still hand out */
    uint64_t malloc_bytes, malloc_blocks;
    /* since creation; a retype of many objects is one invocation */
    uint64_t invocations, maps, unmaps, retypes, copies, deletes;
    uint64_t slot_allocs, object_allocs, mallocs;
};

void guestmem_host_count(struct guestmem_host *host, struct guestmem_host_counts *counts);

/* ---- failure injection ---- */

enum {
    GUESTMEM_HOST_FAIL_SLOT = 1,       /* vka_cspace_alloc */
    GUESTMEM_HOST_FAIL_OBJECT = 2,     /* vka_utspace_alloc, _at, _maybe_device */
    GUESTMEM_HOST_FAIL_INVOCATION = 4, /* retype, copy, mint, move, map, assign, get address */
    GUESTMEM_HOST_FAIL_MALLOC = 8,     /* ps_malloc, ps_calloc, of the environment or not */
    GUESTMEM_HOST_FAIL_VMM_MAP = 16,   /* the VMM's vspace: reserve, map, new pages, share */
    GUESTMEM_HOST_FAIL_ANY = 31
};

/*
 * From now on, number each request of the given kinds from 1, and fail the k-th; with sticky, each
 * later one too. k = 0 disarms. Invocations fail as when the kernel is out of resources,
 * with seL4_NotEnoughMemory. What never fails in the kernel (delete, revoke, unmap) never fails
 * here, and requests that the vka and the vspace make on their own behalf are not numbered.
 */
void guestmem_host_fail(struct guestmem_host *host, unsigned kinds, uint64_t k, bool sticky);

/* Whether an armed failure struck since it was armed; *step names the last one's request, e.g.
 * "Untyped_Retype" or "cspace_alloc" (step may be NULL; untouched when false). */
bool guestmem_host_failed(struct guestmem_host *host, const char **step);

/* ---- comparing whole states ---- */

struct guestmem_host_snapshot;

/*
 * Everything at this moment: caps (type, size, paddr, rights, mapping), the derivation tree, slots,
 * what untypeds have left, page tables of every space, the VMM's mappings and reservations, bytes
 * from malloc. Addresses of host memory are not part of it. NULL where memory is short.
 */
struct guestmem_host_snapshot *guestmem_host_snapshot(struct guestmem_host *host);
void guestmem_host_snapshot_free(struct guestmem_host_snapshot *snapshot); /* accepts NULL */

/* Whether two moments are equal; report: each difference on a line (NULL: silent). */
bool guestmem_host_snapshot_same(const struct guestmem_host_snapshot *before,
                                 const struct guestmem_host_snapshot *after, FILE *report);

/* ---- for tools and guest CPUs ---- */

/* Host address of that physical memory, whoever owns it; NULL where there is none. It counts as
 * written from then on: normal memory is cleared when it is used again. */
void *guestmem_host_phys(struct guestmem_host *host, uint64_t paddr, size_t bytes);

/* The memfd behind it (the environment's own: not to be closed), and an address's offset in it. */
int guestmem_host_memfd(struct guestmem_host *host);
bool guestmem_host_phys_offset(struct guestmem_host *host, uint64_t paddr, off_t *memfd_offset);

struct guestmem_host_leaf {
    uint64_t paddr;     /* of the frame's first byte */
    unsigned size_bits; /* 12, 21 or 30 */
    bool read, write;
    bool device; /* mapped as device memory, not cacheable */
};

/* Walk the modelled stage 2 of a space; false where no leaf is. A leaf without rights is found. For
 * seL4_CapInitThreadVSpace and a host address: the VMM's mapping there. */
bool guestmem_host_translate(struct guestmem_host *host, seL4_CPtr vspace_root, uint64_t gpa,
                             struct guestmem_host_leaf *leaf);

/* Called, by the thread that made the change and after it, whenever a leaf or a table of the space
 * is removed, replaced or changes rights, by delete and revoke too; not for a leaf put where none
 * was. The range may cover more than what changed. The callback makes no invocation. */
typedef void (*guestmem_host_invalidate_fn)(void *cookie, uint64_t gpa, uint64_t bytes);

/* One watcher a space: -EBUSY where there is one; -EINVAL where the cap is no assigned root. It
 * ends with unwatch or with the space. */
int guestmem_host_watch(struct guestmem_host *host, seL4_CPtr vspace_root,
                        guestmem_host_invalidate_fn fn, void *cookie);
void guestmem_host_unwatch(struct guestmem_host *host, seL4_CPtr vspace_root);

#ifdef __cplusplus
}
#endif

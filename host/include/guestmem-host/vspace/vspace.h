/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * An address space's manager: reserve ranges, map frames into them, share frames with another
 * space. Every function of the table is set in the host's own space. Rules that callers rely on:
 * - pages are mapped inside a reservation of the same space; rights and cacheability are the
 *   reservation's, or come with the call where the reservation is a deferred-rights one;
 * - free_reservation ends the reservation, never the pages mapped in it;
 * - unmap_pages with VSPACE_PRESERVE leaves caps and slots alone, with VSPACE_FREE or a vka it
 *   deletes the caps, frees their slots, and frees the frames whose cookies are known;
 * - share_mem_at_vaddr and access go by copies of the source's caps, made with the space's own
 *   vka.
 * Each function of the table answers 0 / NULL / {NULL} as its type says; a failure changes
 * nothing.
 */
#pragma once

#include <autoconf.h>

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vka/object.h>
#include <vspace/page.h>

typedef struct vspace vspace_t;

typedef struct reservation {
    void *res; /* NULL: none */
} reservation_t;

typedef struct vspace_new_pages_config {
    void *vaddr; /* NULL: anywhere */
    size_t num_pages;
    size_t size_bits;
    bool can_use_dev; /* the frames may be device RAM */
} vspace_new_pages_config_t;

#define VSPACE_FREE ((vka_t *)0xffffffff)
#define VSPACE_PRESERVE ((vka_t *)0)

typedef void *(*vspace_new_pages_fn)(vspace_t *vspace, seL4_CapRights_t rights, size_t num_pages,
                                     size_t size_bits);
typedef void *(*vspace_map_pages_fn)(vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[],
                                     seL4_CapRights_t rights, size_t num_pages, size_t size_bits,
                                     int cacheable);
typedef int (*vspace_new_pages_at_vaddr_fn)(vspace_t *vspace, void *vaddr, size_t num_pages,
                                            size_t size_bits, reservation_t reservation,
                                            bool can_use_dev);
typedef int (*vspace_map_pages_at_vaddr_fn)(vspace_t *vspace, seL4_CPtr caps[],
                                            uintptr_t cookies[], void *vaddr, size_t num_pages,
                                            size_t size_bits, reservation_t reservation);
typedef int (*vspace_deferred_rights_map_pages_at_vaddr_fn)(
    vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[], void *vaddr, size_t num_pages,
    size_t size_bits, seL4_CapRights_t rights, reservation_t reservation);
typedef void (*vspace_unmap_pages_fn)(vspace_t *vspace, void *vaddr, size_t num_pages,
                                      size_t size_bits, vka_t *free);
typedef void (*vspace_tear_down_fn)(vspace_t *vspace, vka_t *free);
typedef reservation_t (*vspace_reserve_range_aligned_fn)(vspace_t *vspace, size_t bytes,
                                                         size_t size_bits, seL4_CapRights_t rights,
                                                         int cacheable, void **vaddr);
typedef reservation_t (*vspace_reserve_range_at_fn)(vspace_t *vspace, void *vaddr, size_t bytes,
                                                    seL4_CapRights_t rights, int cacheable);
typedef reservation_t (*vspace_reserve_deferred_rights_range_at_fn)(vspace_t *vspace, void *vaddr,
                                                                    size_t bytes, int cacheable);
typedef void (*vspace_free_reservation_fn)(vspace_t *vspace, reservation_t reservation);
typedef void (*vspace_free_reservation_by_vaddr_fn)(vspace_t *vspace, void *vaddr);
typedef seL4_CPtr (*vspace_get_cap_fn)(vspace_t *vspace, void *vaddr);
typedef uintptr_t (*vspace_get_cookie_fn)(vspace_t *vspace, void *vaddr);
typedef void (*vspace_allocated_object_fn)(void *allocated_object_cookie, vka_object_t object);
typedef seL4_CPtr (*vspace_get_root_fn)(vspace_t *vspace);
typedef int (*vspace_share_mem_at_vaddr_fn)(vspace_t *from, vspace_t *to, void *start,
                                            int num_pages, size_t size_bits, void *vaddr,
                                            reservation_t res);
typedef int (*vspace_access_callback_fn)(void *access_addr, void *vaddr, void *cookie);

struct vspace {
    void *data;

    vspace_new_pages_fn new_pages;
    vspace_map_pages_fn map_pages;

    vspace_new_pages_at_vaddr_fn new_pages_at_vaddr;

    vspace_map_pages_at_vaddr_fn map_pages_at_vaddr;
    vspace_deferred_rights_map_pages_at_vaddr_fn deferred_rights_map_pages_at_vaddr;

    vspace_unmap_pages_fn unmap_pages;
    vspace_tear_down_fn tear_down;

    vspace_reserve_range_aligned_fn reserve_range_aligned;
    vspace_reserve_range_at_fn reserve_range_at;
    vspace_reserve_deferred_rights_range_at_fn reserve_deferred_rights_range_at;
    vspace_free_reservation_fn free_reservation;
    vspace_free_reservation_by_vaddr_fn free_reservation_by_vaddr;

    vspace_get_cap_fn get_cap;
    vspace_get_root_fn get_root;
    vspace_get_cookie_fn get_cookie;

    vspace_share_mem_at_vaddr_fn share_mem_at_vaddr;

    vspace_allocated_object_fn allocated_object; /* NULL, or told of each object taken */
    void *allocated_object_cookie;
};

#ifdef __cplusplus
extern "C" {
#endif

/* Made of the functions of the table, for any space. */
reservation_t vspace_reserve_range(vspace_t *vspace, size_t bytes, seL4_CapRights_t rights,
                                   int cacheable, void **vaddr);
void *vspace_share_mem(vspace_t *from, vspace_t *to, void *start, int num_pages, size_t size_bits,
                       seL4_CapRights_t rights, int cacheable);
void *vspace_new_pages_with_config(vspace_t *vspace, vspace_new_pages_config_t *config,
                                   seL4_CapRights_t rights);
int vspace_access_page_with_callback(vspace_t *from, vspace_t *to, void *access_addr,
                                     size_t size_bits, seL4_CapRights_t rights, int cacheable,
                                     vspace_access_callback_fn callback, void *cookie);
void *vspace_new_sized_stack(vspace_t *vspace, size_t n_pages);
void vspace_free_sized_stack(vspace_t *vspace, void *stack_top, size_t n_pages);
void *vspace_new_ipc_buffer(vspace_t *vspace, seL4_CPtr *page);
void vspace_free_ipc_buffer(vspace_t *vspace, void *addr);

#ifdef __cplusplus
}
#endif

#include <vspace/wrappers.h>

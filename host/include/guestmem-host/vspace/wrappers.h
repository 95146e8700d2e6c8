/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Calls through a space's table, which answer an error where a function is missing. Included by
 * vspace/vspace.h, at its end.
 */
#pragma once

#include <vspace/vspace.h>

static inline int default_vspace_new_pages_config(size_t num_pages, size_t size_bits,
                                                  vspace_new_pages_config_t *config)
{
    if (num_pages == 0) {
        return -1;
    }
    config->vaddr = NULL;
    config->num_pages = num_pages;
    config->size_bits = size_bits;
    config->can_use_dev = false;
    return 0;
}

static inline int vspace_new_pages_config_set_vaddr(void *vaddr, vspace_new_pages_config_t *config)
{
    config->vaddr = vaddr;
    return 0;
}

static inline int vspace_new_pages_config_use_device_ut(bool can_use_dev,
                                                        vspace_new_pages_config_t *config)
{
    config->can_use_dev = can_use_dev;
    return 0;
}

static inline void *vspace_new_stack(vspace_t *vspace)
{
    return vspace_new_sized_stack(vspace, BYTES_TO_4K_PAGES(CONFIG_SEL4UTILS_STACK_SIZE));
}

static inline void vspace_free_stack(vspace_t *vspace, void *stack_top)
{
    vspace_free_sized_stack(vspace, stack_top, BYTES_TO_4K_PAGES(CONFIG_SEL4UTILS_STACK_SIZE));
}

static inline void *vspace_new_pages(vspace_t *vspace, seL4_CapRights_t rights, size_t num_pages,
                                     size_t size_bits)
{
    if (vspace == NULL || vspace->new_pages == NULL || num_pages == 0 ||
        !sel4_valid_size_bits(size_bits)) {
        return NULL;
    }
    return vspace->new_pages(vspace, rights, num_pages, size_bits);
}

/* new_pages is tested, as in a seL4 tree: a space without it maps nothing. */
static inline void *vspace_map_pages(vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[],
                                     seL4_CapRights_t rights, size_t num_pages, size_t size_bits,
                                     int cacheable)
{
    if (vspace == NULL || vspace->new_pages == NULL || num_pages == 0 ||
        !sel4_valid_size_bits(size_bits)) {
        return NULL;
    }
    return vspace->map_pages(vspace, caps, cookies, rights, num_pages, size_bits, cacheable);
}

static inline int vspace_new_pages_at_vaddr_with_config(vspace_t *vspace,
                                                        vspace_new_pages_config_t *config,
                                                        reservation_t res)
{
    if (vspace == NULL || vspace->new_pages_at_vaddr == NULL || res.res == NULL) {
        return -1;
    }
    return vspace->new_pages_at_vaddr(vspace, config->vaddr, config->num_pages, config->size_bits,
                                      res, config->can_use_dev);
}

static inline int vspace_new_pages_at_vaddr(vspace_t *vspace, void *vaddr, size_t num_pages,
                                            size_t size_bits, reservation_t reservation)
{
    vspace_new_pages_config_t config;

    if (default_vspace_new_pages_config(num_pages, size_bits, &config) != 0) {
        return -1;
    }
    config.vaddr = vaddr;
    return vspace_new_pages_at_vaddr_with_config(vspace, &config, reservation);
}

static inline int vspace_map_pages_at_vaddr(vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[],
                                            void *vaddr, size_t num_pages, size_t size_bits,
                                            reservation_t reservation)
{
    if (vspace == NULL || num_pages == 0 || vspace->map_pages_at_vaddr == NULL) {
        return -1;
    }
    return vspace->map_pages_at_vaddr(vspace, caps, cookies, vaddr, num_pages, size_bits,
                                      reservation);
}

static inline int vspace_deferred_rights_map_pages_at_vaddr(vspace_t *vspace, seL4_CPtr caps[],
                                                            uintptr_t cookies[], void *vaddr,
                                                            size_t num_pages, size_t size_bits,
                                                            seL4_CapRights_t rights,
                                                            reservation_t reservation)
{
    if (vspace == NULL || num_pages == 0 || vspace->deferred_rights_map_pages_at_vaddr == NULL) {
        return -1;
    }
    return vspace->deferred_rights_map_pages_at_vaddr(vspace, caps, cookies, vaddr, num_pages,
                                                      size_bits, rights, reservation);
}

static inline void vspace_unmap_pages(vspace_t *vspace, void *vaddr, size_t num_pages,
                                      size_t size_bits, vka_t *vka)
{
    if (vspace != NULL && num_pages != 0 && vspace->unmap_pages != NULL) {
        vspace->unmap_pages(vspace, vaddr, num_pages, size_bits, vka);
    }
}

static inline void vspace_tear_down(vspace_t *vspace, vka_t *vka)
{
    if (vspace != NULL && vspace->tear_down != NULL) {
        vspace->tear_down(vspace, vka);
    }
}

static inline reservation_t vspace_reserve_range_aligned(vspace_t *vspace, size_t bytes,
                                                         size_t size_bits, seL4_CapRights_t rights,
                                                         int cacheable, void **vaddr)
{
    reservation_t none = {NULL};

    if (vspace == NULL || vspace->reserve_range_aligned == NULL || bytes == 0 || vaddr == NULL) {
        return none;
    }
    return vspace->reserve_range_aligned(vspace, bytes, size_bits, rights, cacheable, vaddr);
}

static inline reservation_t vspace_reserve_range_at(vspace_t *vspace, void *vaddr, size_t bytes,
                                                    seL4_CapRights_t rights, int cacheable)
{
    reservation_t none = {NULL};

    if (vspace == NULL || vspace->reserve_range_at == NULL || bytes == 0) {
        return none;
    }
    return vspace->reserve_range_at(vspace, vaddr, bytes, rights, cacheable);
}

static inline reservation_t vspace_reserve_deferred_rights_range_at(vspace_t *vspace, void *vaddr,
                                                                    size_t bytes, int cacheable)
{
    reservation_t none = {NULL};

    if (vspace == NULL || vspace->reserve_deferred_rights_range_at == NULL || bytes == 0) {
        return none;
    }
    return vspace->reserve_deferred_rights_range_at(vspace, vaddr, bytes, cacheable);
}

static inline void vspace_free_reservation(vspace_t *vspace, reservation_t reservation)
{
    if (vspace != NULL && vspace->free_reservation != NULL) {
        vspace->free_reservation(vspace, reservation);
    }
}

static inline void vspace_free_reservation_by_vaddr(vspace_t *vspace, void *vaddr)
{
    if (vspace != NULL && vspace->free_reservation_by_vaddr != NULL) {
        vspace->free_reservation_by_vaddr(vspace, vaddr);
    }
}

static inline seL4_CPtr vspace_get_cap(vspace_t *vspace, void *vaddr)
{
    if (vspace == NULL || vspace->get_cap == NULL) {
        return seL4_CapNull;
    }
    return vspace->get_cap(vspace, vaddr);
}

static inline uintptr_t vspace_get_cookie(vspace_t *vspace, void *vaddr)
{
    if (vspace == NULL || vspace->get_cookie == NULL) {
        return 0;
    }
    return vspace->get_cookie(vspace, vaddr);
}

static inline seL4_CPtr vspace_get_root(vspace_t *vspace)
{
    if (vspace == NULL || vspace->get_root == NULL) {
        return seL4_CapNull;
    }
    return vspace->get_root(vspace);
}

static inline void vspace_maybe_call_allocated_object(vspace_t *vspace, vka_object_t object)
{
    if (vspace != NULL && vspace->allocated_object != NULL) {
        vspace->allocated_object(vspace->allocated_object_cookie, object);
    }
}

static inline int vspace_share_mem_at_vaddr(vspace_t *from, vspace_t *to, void *start,
                                            int num_pages, size_t size_bits, void *vaddr,
                                            reservation_t res)
{
    if (num_pages <= 0 || from == NULL || to == NULL || vaddr == NULL ||
        from->share_mem_at_vaddr == NULL) {
        return -1;
    }
    return from->share_mem_at_vaddr(from, to, start, num_pages, size_bits, vaddr, res);
}

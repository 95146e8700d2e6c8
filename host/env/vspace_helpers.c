/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Functions over any vspace_t, made of its own.
 */
#include <vspace/vspace.h>

reservation_t vspace_reserve_range(vspace_t *vspace, size_t bytes, seL4_CapRights_t rights,
                                   int cacheable, void **vaddr)
{
    return vspace_reserve_range_aligned(vspace, bytes, seL4_PageBits, rights, cacheable, vaddr);
}

void *vspace_share_mem(vspace_t *from, vspace_t *to, void *start, int num_pages, size_t size_bits,
                       seL4_CapRights_t rights, int cacheable)
{
    void *vaddr = NULL;
    reservation_t res;
    int err;

    if (num_pages <= 0 || !sel4_valid_size_bits(size_bits)) {
        return NULL;
    }
    res = vspace_reserve_range_aligned(to, (size_t)num_pages << size_bits, size_bits, rights,
                                       cacheable, &vaddr);
    if (res.res == NULL) {
        return NULL;
    }
    err = vspace_share_mem_at_vaddr(from, to, start, num_pages, size_bits, vaddr, res);
    vspace_free_reservation(to, res);
    return err == 0 ? vaddr : NULL;
}

void *vspace_new_pages_with_config(vspace_t *vspace, vspace_new_pages_config_t *config,
                                   seL4_CapRights_t rights)
{
    size_t bytes = config->num_pages << config->size_bits;
    reservation_t res;
    int err;

    if (config->vaddr == NULL) {
        res = vspace_reserve_range_aligned(vspace, bytes, config->size_bits, rights, 1,
                                           &config->vaddr);
    } else {
        res = vspace_reserve_range_at(vspace, config->vaddr, bytes, rights, 1);
    }
    if (res.res == NULL) {
        return NULL;
    }
    err = vspace_new_pages_at_vaddr_with_config(vspace, config, res);
    vspace_free_reservation(vspace, res);
    return err == 0 ? config->vaddr : NULL;
}

int vspace_access_page_with_callback(vspace_t *from, vspace_t *to, void *access_addr,
                                     size_t size_bits, seL4_CapRights_t rights, int cacheable,
                                     vspace_access_callback_fn callback, void *cookie)
{
    void *vaddr = vspace_share_mem(from, to, access_addr, 1, size_bits, rights, cacheable);
    int result;

    if (vaddr == NULL) {
        return -1;
    }
    result = callback(access_addr, vaddr, cookie);
    vspace_unmap_pages(to, vaddr, 1, size_bits, VSPACE_FREE);
    return result;
}

/* The lowest page is a guard: reserved, with nothing in it. */
void *vspace_new_sized_stack(vspace_t *vspace, size_t n_pages)
{
    void *vaddr = NULL;
    uint8_t *bottom;
    reservation_t res = vspace_reserve_range(vspace, (n_pages + 1) * PAGE_SIZE_4K, seL4_AllRights,
                                             1, &vaddr);

    if (res.res == NULL) {
        return NULL;
    }
    bottom = (uint8_t *)vaddr + PAGE_SIZE_4K;
    if (vspace_new_pages_at_vaddr(vspace, bottom, n_pages, seL4_PageBits, res) != 0) {
        vspace_free_reservation(vspace, res);
        return NULL;
    }
    return bottom + n_pages * PAGE_SIZE_4K;
}

void vspace_free_sized_stack(vspace_t *vspace, void *stack_top, size_t n_pages)
{
    uint8_t *bottom = (uint8_t *)stack_top - n_pages * PAGE_SIZE_4K;

    vspace_unmap_pages(vspace, bottom, n_pages, seL4_PageBits, VSPACE_FREE);
    vspace_free_reservation_by_vaddr(vspace, bottom - PAGE_SIZE_4K);
}

void *vspace_new_ipc_buffer(vspace_t *vspace, seL4_CPtr *page)
{
    void *vaddr = vspace_new_pages(vspace, seL4_AllRights, 1, seL4_PageBits);

    if (vaddr != NULL) {
        *page = vspace_get_cap(vspace, vaddr);
    }
    return vaddr;
}

void vspace_free_ipc_buffer(vspace_t *vspace, void *addr)
{
    vspace_unmap_pages(vspace, addr, 1, seL4_PageBits, VSPACE_FREE);
}

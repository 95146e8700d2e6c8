/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's address space as a vspace_t, in two files: reservations and look-ups in
 * guest_vspace.c, pages in guest_vspace_pages.c.
 */
#pragma once

#include "space.h"

/* The functions of a vspace_t that put pages in and take them out. */
void *gm_vspace_new_pages(vspace_t *vspace, seL4_CapRights_t rights, size_t num_pages,
                          size_t size_bits);
void *gm_vspace_map_pages(vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[],
                          seL4_CapRights_t rights, size_t num_pages, size_t size_bits,
                          int cacheable);
int gm_vspace_new_pages_at(vspace_t *vspace, void *vaddr, size_t num_pages, size_t size_bits,
                           reservation_t reservation, bool can_use_dev);
int gm_vspace_map_pages_at(vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[], void *vaddr,
                           size_t num_pages, size_t size_bits, reservation_t reservation);
int gm_vspace_map_pages_at_deferred(vspace_t *vspace, seL4_CPtr caps[], uintptr_t cookies[],
                                    void *vaddr, size_t num_pages, size_t size_bits,
                                    seL4_CapRights_t rights, reservation_t reservation);
void gm_vspace_unmap_pages(vspace_t *vspace, void *vaddr, size_t num_pages, size_t size_bits,
                           vka_t *vka);
int gm_vspace_share(vspace_t *from, vspace_t *to, void *start, int num_pages, size_t size_bits,
                    void *vaddr, reservation_t reservation);

/* Delete all caller's frames of a reservation through `vka`; with VSPACE_PRESERVE, nothing. */
void gm_vspace_free_given(struct gm_space *space, vm_memory_reservation_t *res, vka_t *vka);

/* Reserve [base, base + size) as a vspace reservation. */
int gm_vspace_claim(struct gm_space *space, uintptr_t base, size_t size, unsigned rights,
                    int cacheable, vm_memory_reservation_t **res);

/* Find free pages for `size` bytes, aligned to a frame size. GUESTMEM_EUNMAPPED: there are none. */
int gm_vspace_find_free(struct gm_space *space, size_t size, size_t bits, uintptr_t *base);

/* The space behind a vspace_t of ours, or NULL after it was torn down. */
struct gm_space *gm_vspace_space(const vspace_t *vspace);

/* The same, with the turn, which gm_end() gives back. */
struct gm_space *gm_vspace_begin(const vspace_t *vspace);

/* The frame at an address, and the page where it starts; NULL: none. */
const struct gm_extent *gm_vspace_frame_at(struct gm_space *space, uintptr_t gpa,
                                           vm_memory_reservation_t **res, uint64_t *page);

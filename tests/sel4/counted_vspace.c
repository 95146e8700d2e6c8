/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The VMM's address space, in front of the tree's. What was asked for is noted, since the kernel
 * doesn't tell what a page is mapped with.
 */
#include <stdlib.h>

#include <utils/util.h>

#include <sel4/sel4.h>
#include <sel4/sel4_arch/mapping.h>
#include <sel4utils/vspace.h>
#include <vka/object.h>

#include "gm_env.h"
#include "requests.h"
#include "root.h"

static vspace_t *tree;
static vka_t *case_vka;
static struct vmm_mapping *mappings;
static size_t capacity;

enum { ROOM_MAX = 256 };
static reservation_t room[ROOM_MAX];
static size_t room_count;

static size_t find(uintptr_t vaddr)
{
    size_t at = held.vmm_mappings;

    while (at > 0 && vaddr - mappings[at - 1].vaddr >= (uintptr_t)1 << mappings[at - 1].bits) {
        at--;
    }
    return at; /* one behind it; 0: none */
}

const struct vmm_mapping *counted_vspace_find(const void *vaddr)
{
    size_t at = find((uintptr_t)vaddr);

    return at == 0 ? NULL : &mappings[at - 1];
}

static bool make_room(size_t count)
{
    size_t wanted = held.vmm_mappings + count;
    struct vmm_mapping *larger;

    if (wanted <= capacity) {
        return true;
    }
    wanted = wanted > 2 * capacity ? wanted : 2 * capacity;
    larger = realloc(mappings, wanted * sizeof(*mappings));
    if (larger == NULL) {
        return false;
    }
    mappings = larger;
    capacity = wanted;
    return true;
}

static void note(const void *vaddr, size_t count, size_t bits, seL4_CapRights_t rights, int cacheable)
{
    for (size_t i = 0; i < count; i++) {
        mappings[held.vmm_mappings++] =
            (struct vmm_mapping){(uintptr_t)vaddr + (i << bits), bits, rights, cacheable != 0};
    }
}

static void *new_pages(vspace_t *self, seL4_CapRights_t rights, size_t count, size_t bits)
{
    (void)self;
    if (request_fails(GM_FAIL_VMM_MAP, "vspace new_pages")) {
        return NULL;
    }
    return tree->new_pages(tree, rights, count, bits);
}

static void *map_pages(vspace_t *self, seL4_CPtr caps[], uintptr_t cookies[], seL4_CapRights_t rights,
                       size_t count, size_t bits, int cacheable)
{
    void *vaddr;

    (void)self;
    if (request_fails(GM_FAIL_VMM_MAP, "vspace map_pages") || !make_room(count)) {
        return NULL;
    }
    vaddr = tree->map_pages(tree, caps, cookies, rights, count, bits, cacheable);
    if (vaddr != NULL) {
        note(vaddr, count, bits, rights, cacheable);
    }
    return vaddr;
}

static int new_pages_at(vspace_t *self, void *vaddr, size_t count, size_t bits, reservation_t reservation,
                        bool can_use_dev)
{
    (void)self;
    if (request_fails(GM_FAIL_VMM_MAP, "vspace new_pages_at_vaddr")) {
        return -1;
    }
    return tree->new_pages_at_vaddr(tree, vaddr, count, bits, reservation, can_use_dev);
}

static int map_pages_at(vspace_t *self, seL4_CPtr caps[], uintptr_t cookies[], void *vaddr, size_t count,
                        size_t bits, reservation_t reservation)
{
    const sel4utils_res_t *noted = reservation.res;
    int error;

    (void)self;
    if (request_fails(GM_FAIL_VMM_MAP, "vspace map_pages_at_vaddr") || !make_room(count)) {
        return -1;
    }
    error = tree->map_pages_at_vaddr(tree, caps, cookies, vaddr, count, bits, reservation);
    if (error == 0) {
        note(vaddr, count, bits, noted->rights, noted->cacheable);
    }
    return error;
}

/* The caps that a caller lets it free are the caller's, of the caller's vka. */
static void unmap_pages(vspace_t *self, void *vaddr, size_t count, size_t bits, vka_t *vka)
{
    (void)self;
    for (size_t i = 0; i < count; i++) {
        size_t at = find((uintptr_t)vaddr + (i << bits));

        if (at > 0) {
            vka = vka == VSPACE_FREE ? case_vka : vka;
            mappings[at - 1] = mappings[--held.vmm_mappings];
        }
    }
    tree->unmap_pages(tree, vaddr, count, bits, vka);
}

static reservation_t counted(reservation_t reservation)
{
    held.vmm_reservations += reservation.res != NULL;
    return reservation;
}

static reservation_t reserve_aligned(vspace_t *self, size_t bytes, size_t bits, seL4_CapRights_t rights,
                                     int cacheable, void **vaddr)
{
    (void)self;
    if (request_fails(GM_FAIL_VMM_MAP, "vspace reserve_range_aligned")) {
        return (reservation_t){NULL};
    }
    return counted(tree->reserve_range_aligned(tree, bytes, bits, rights, cacheable, vaddr));
}

static reservation_t reserve_at(vspace_t *self, void *vaddr, size_t bytes, seL4_CapRights_t rights,
                                int cacheable)
{
    (void)self;
    if (request_fails(GM_FAIL_VMM_MAP, "vspace reserve_range_at")) {
        return (reservation_t){NULL};
    }
    return counted(tree->reserve_range_at(tree, vaddr, bytes, rights, cacheable));
}

static void free_reservation(vspace_t *self, reservation_t reservation)
{
    (void)self;
    held.vmm_reservations--;
    tree->free_reservation(tree, reservation);
}

static void free_reservation_by_vaddr(vspace_t *self, void *vaddr)
{
    (void)self;
    held.vmm_reservations--;
    tree->free_reservation_by_vaddr(tree, vaddr);
}

static bool is_free_of_tables(seL4_CPtr frame, const void *vaddr)
{
    bool free = seL4_ARM_Page_Map(frame, seL4_CapInitThreadVSpace, (seL4_Word)vaddr, seL4_AllRights,
                                  seL4_ARM_Default_VMAttributes) == seL4_NoError ||
                seL4_MappingFailedLookupLevel() > seL4_LargePageBits;

    seL4_ARM_Page_Unmap(frame);
    return free;
}

bool counted_vspace_make_room(size_t bits)
{
    vka_object_t frame;
    bool found = false;

    if (vka_alloc_frame(&root.vka, bits, &frame) != 0) {
        return false;
    }
    while (!found && room_count < ROOM_MAX) {
        void *vaddr;
        reservation_t reservation =
            vspace_reserve_range_aligned(&root.vspace, (size_t)1 << bits, bits, seL4_AllRights, 1, &vaddr);

        if (reservation.res == NULL) {
            break;
        }
        found = is_free_of_tables(frame.cptr, vaddr);
        if (found) {
            vspace_free_reservation(&root.vspace, reservation);
        } else {
            room[room_count++] = reservation;
        }
    }
    vka_free_object(&root.vka, &frame);
    return found;
}

void counted_vspace_give_room(void)
{
    while (room_count > 0) {
        vspace_free_reservation(&root.vspace, room[--room_count]);
    }
}

void counted_vspace_start(vspace_t *counted_vspace, vspace_t *inner, vka_t *vka)
{
    tree = inner;
    case_vka = vka;
    *counted_vspace = *inner;
    counted_vspace->new_pages = new_pages;
    counted_vspace->map_pages = map_pages;
    counted_vspace->new_pages_at_vaddr = new_pages_at;
    counted_vspace->map_pages_at_vaddr = map_pages_at;
    counted_vspace->unmap_pages = unmap_pages;
    counted_vspace->reserve_range_aligned = reserve_aligned;
    counted_vspace->reserve_range_at = reserve_at;
    counted_vspace->free_reservation = free_reservation;
    counted_vspace->free_reservation_by_vaddr = free_reservation_by_vaddr;
}

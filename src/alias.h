/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest frames as the VMM sees them: a second cap for each, mapped through the VMM's own vspace_t,
 * frame by frame, at the first use; kept.
 *
 *      guest    |4K|4K|  |4K|...|     2 MiB      |        |     2 MiB      |
 *      view     [  2 MiB or less ][  2 MiB      ]          [  2 MiB        ]
 *
 * The VMM's addresses are set aside in views: one for each aligned 2 MiB of guest addresses, or for
 * one larger frame, when the first frame in it is mapped. A view of more would be contiguous; but
 * sel4utils can't take back a stretch of addresses in which an aligned 2 MiB was never mapped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "space.h"

struct gm_backing;

/* Make what is missing of views of all frames in pages [from, to), which are populated; marked
 * fresh. After a failure gm_backing_revert() undoes what is fresh. */
int gm_alias_make(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from, uint64_t to);

/* Where the VMM sees `page`. NULL: nowhere. */
void *gm_alias_at(const vm_memory_reservation_t *res, uint64_t page);

/*
 * The part of a view that shows `gpa`, as far as it goes on in both directions; whether it is
 * device memory. False: nowhere.
 */
bool gm_alias_part(const struct gm_space *space, const vm_memory_reservation_t *res, uintptr_t gpa,
                   struct gm_seen_part *part, bool *device);

/* Let the guest run what the VMM wrote to [base, last], which it sees all of. GUESTMEM_EKERNEL. */
int gm_alias_sync(struct gm_space *space, const vm_memory_reservation_t *res, uintptr_t base,
                  uintptr_t last);

/* Unmap and forget views: of pages [from, to), whose ends are edges; the fresh ones; all. */
void gm_alias_remove(struct gm_space *space, vm_memory_reservation_t *res, uint64_t from,
                     uint64_t to);
void gm_alias_revert(struct gm_space *space, vm_memory_reservation_t *res);
void gm_alias_drop(struct gm_space *space, vm_memory_reservation_t *res);

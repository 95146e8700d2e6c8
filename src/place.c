/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "place.h"

#include "failure.h"
#include "space.h"

enum { HELD_MAX = 128 }; /* stretches with tables in them that are passed over */

bool gm_place_is_blocked(vspace_t *vspace, seL4_CPtr frame, unsigned size, const void *vaddr)
{
    return size > 0 &&
           gm_arch_frame_blocked(frame, vspace_get_root(vspace), (uintptr_t)vaddr, size);
}

/* Reservations that are blocked are kept until a good one is found, or the same would come again.
 */
int gm_place_take(struct gm_space *space, seL4_CPtr frame, unsigned size, size_t bytes,
                  unsigned align, bool device, void **base, reservation_t *reservation)
{
    reservation_t held[HELD_MAX];
    size_t count = 0;
    bool blocked = true;

    while (blocked && count < HELD_MAX) {
        *reservation = vspace_reserve_range_aligned(space->vmm, bytes, gm_arch_frame_bits[align],
                                                    seL4_AllRights, !device, base);
        if (reservation->res == NULL) {
            break;
        }
        blocked = gm_place_is_blocked(space->vmm, frame, size, *base);
        if (blocked) {
            held[count++] = *reservation;
        }
    }
    while (count > 0) {
        vspace_free_reservation(space->vmm, held[--count]);
    }
    return blocked ? gm_fail(space, GUESTMEM_EVMM, "find room for a view in the VMM", 0)
                   : GUESTMEM_OK;
}

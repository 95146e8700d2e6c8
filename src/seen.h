/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the VMM sees guest memory: a second index of the space, from guest addresses to addresses
 * of the VMM. What is in it can be used without the turn; what isn't is found by the slow way
 * (show.h), which notes it here.
 *
 *      guest   0x4000_0000 .............. 0x4fff_ffff | 0x5000_0000 ...
 *      item    the VMM's address minus the guest's, and flags (seen_cache.h)
 *
 * Device memory is never noted. Ranges lie in one reservation each. Neighbours that go on in the
 * guest's and in the VMM's addresses are one range, as far as other threads allow: in a shared VM
 * what is noted already stays as it is. Taking away needs no memory: where there is none to note
 * the rest of a range, that goes too, and is noted again at its next use.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "space.h"

/*
 * The part that holds `gpa`, in a version of the index; false: it isn't noted. The caller has the
 * turn or is in a section. `part->generation` is left alone: it is to be read before the version.
 */
bool gm_seen_find(const struct gm_space *space, const struct gm_range_index *seen, uintptr_t gpa,
                  struct gm_seen_part *part);

/* Whether one part goes on where the other ends, in the guest and in the VMM. */
bool gm_seen_goes_on(const struct gm_seen_part *low, const struct gm_seen_part *high);

/* Note a part of a reservation, if there is memory for that; needs the turn. */
void gm_seen_note(struct gm_space *space, const vm_memory_reservation_t *res,
                  const struct gm_seen_part *part);

/* Take [base, last] out. Readers may have it in hand until gm_readers_wait(). */
void gm_seen_forget(struct gm_space *space, uintptr_t base, uintptr_t last);

/* Where [gpa, gpa + size) is in a part that was used lately, if it is still there and holds all of
 * it; else NULL. */
static inline char *gm_seen_again(const struct gm_space *space, const struct gm_seen_part *part,
                                  uintptr_t gpa, size_t size)
{
    if (part->generation != gm_generation(space) || gpa - part->base > part->last - part->base ||
        size - 1 > part->last - gpa) {
        return NULL;
    }
    return gm_seen_address(part, gpa);
}

/* The same of any part, which is then in `part`; in a section, or in a VM that isn't shared. */
char *gm_seen_next(const struct gm_space *space, struct gm_seen_part *part, uintptr_t gpa,
                   size_t size);

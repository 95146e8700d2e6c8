/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The slow way to guest memory, under the turn: check ranges, populate what is lazy, let the VMM
 * see it, and note that, so that the next access finds it without any of this.
 *
 *      begin    every range: valid, backed, no device; populated; views made, where they are kept
 *      at       the part at an address; made now, where views aren't kept
 *      end      keep it all and note it, or undo it all
 */
#pragma once

#include <guestmem/access.h>

#include "space.h"

/* What a call works on. */
struct gm_show {
    struct gm_space *space;
    const struct guestmem_buffer *ranges;
    size_t count;
    bool ram_only;     /* anything else is GUESTMEM_EUNMAPPED */
    bool with_devices; /* RAM that is mapped as device memory may be touched */
    size_t at;         /* the range that is worked on, or failed */
    size_t begun;      /* ranges */
    size_t parts;      /* of the last of them */
};

/* After a failure everything is as before, and gm_show_end() isn't called. */
int gm_show_begin(struct gm_show *show);
void gm_show_end(struct gm_show *show, bool keep);

/* The part that the VMM sees `gpa` in. Where its view has to be made, it gets the frames up to
 * `last` too that it can hold. GUESTMEM_EUNMAPPED: the frame has gone since. */
int gm_show_at(struct gm_space *space, uintptr_t gpa, uintptr_t last, struct gm_seen_part *part);

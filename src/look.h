/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * How an access finds where the VMM sees guest memory: what it used last; one version of the index,
 * in a read section; or, under the turn, by having it shown.
 */
#pragma once

#include "failure.h"
#include "seen.h"
#include "show.h"

struct gm_look {
    struct gm_space *space;
    const struct gm_range_index *seen; /* one version, for all of a call; NULL: under the turn */
    uint64_t generation;               /* read before the version was */
};

static inline struct gm_look gm_look_in_section(struct gm_space *space)
{
    struct gm_look look = {.space = space, .generation = gm_generation(space)};

    look.seen = gm_index_root(&space->seen);
    return look;
}

/* The part that holds `gpa`; where it has to be made, up to `last`. Errors as gm_show_at(). */
static inline int gm_look_at(const struct gm_look *look, uintptr_t gpa, uintptr_t last,
                             struct gm_seen_part *part)
{
    if (look->seen == NULL) {
        return gm_show_at(look->space, gpa, last, part);
    }
    part->generation = look->generation;
    return gm_seen_find(look->space, look->seen, gpa, part) ? GUESTMEM_OK : GUESTMEM_EUNMAPPED;
}

/* Whether the version has all of [gpa, gpa + size), which may be nothing or wrap; of RAM only, if
 * asked. `part` is then the one that holds the last byte. */
static inline bool gm_look_has(const struct gm_look *look, uintptr_t gpa, size_t size, bool ram,
                               struct gm_seen_part *part)
{
    uintptr_t last = gpa + (size - 1);
    uintptr_t at = gpa;

    if (size == 0 || last < gpa) {
        return false;
    }
    while (gm_look_at(look, at, last, part) == GUESTMEM_OK && (part->is_ram || !ram)) {
        if (part->last >= last) {
            return true;
        }
        at = part->last + 1;
    }
    return false;
}

/* The part that the calling thread used last; NULL: it isn't in a section. */
static inline const struct gm_seen_part *gm_look_recent(const struct gm_space *space)
{
    const struct gm_reader *reader;

    if (!space->readers.shared) {
        return &space->recent.seen;
    }
    reader = gm_reader_here(space);
    return reader != NULL && reader->depth > 0 ? &reader->recent.seen : NULL;
}

/* Where all of [gpa, gpa + size) is, if that is in the part used last; else NULL. */
static inline char *gm_look_again(vm_t *vm, uintptr_t gpa, size_t size)
{
    const struct gm_space *space = gm_space_of(vm);
    const struct gm_seen_part *part = space == NULL ? NULL : gm_look_recent(space);

    return part == NULL ? NULL : gm_seen_again(space, part, gpa, size);
}

static inline void gm_look_remember(struct gm_space *space, const struct gm_section *section,
                                    const struct gm_seen_part *part)
{
    struct gm_recent *recent = gm_section_recent(space, section);

    if (recent != NULL) {
        recent->seen = *part;
    }
}

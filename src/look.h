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
    while (gm_look_at(look, at, last, part) == GUESTMEM_OK && (gm_seen_is_ram(part) || !ram)) {
        if (part->last >= last) {
            return true;
        }
        at = part->last + 1;
    }
    return false;
}

/* A VM, and what of its memory the calling thread used lately where it is going to. */
struct gm_here {
    struct gm_space *space;    /* NULL: there is no VM, or it was never used */
    struct gm_seen_part *part; /* NULL: the thread isn't in a section */
};

static inline struct gm_here gm_here(vm_t *vm, uintptr_t gpa)
{
    struct gm_space *space = gm_space_used(vm);
    struct gm_reader *reader;

    if (space == NULL) {
        return (struct gm_here){NULL, NULL};
    }
    if (!space->readers.shared) {
        return (struct gm_here){space, gm_seen_cache_part(&space->recent.seen, gpa)};
    }
    reader = gm_reader_here(space);
    if (reader == NULL || reader->depth == 0) {
        return (struct gm_here){space, NULL};
    }
    return (struct gm_here){space, gm_seen_cache_part(&reader->recent.seen, gpa)};
}

/* Where all of [gpa, gpa + size) is, if it is in that part; else NULL. Every access begins with
 * this: it is kept short. */
static inline char *gm_look_again(struct gm_here here, uintptr_t gpa, size_t size)
{
    return here.part == NULL ? NULL : gm_seen_again(here.space, here.part, gpa, size);
}

/* The same in any part, if the calling thread may look at the index as things are. */
static inline char *gm_look_further(struct gm_here here, uintptr_t gpa, size_t size)
{
    return here.part == NULL ? NULL : gm_seen_next(here.space, here.part, gpa, size);
}

static inline void gm_look_remember(struct gm_space *space, const struct gm_section *section,
                                    const struct gm_seen_part *part, uintptr_t gpa)
{
    struct gm_recent *recent = gm_section_recent(space, section);

    if (recent != NULL && gm_seen_slot(part) == 0) {
        *gm_seen_cache_part(&recent->seen, gpa) = *part;
    }
}

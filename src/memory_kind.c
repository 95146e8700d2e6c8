/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "memory_kind.h"

static bool can_list(const simple_t *simple)
{
    return simple != NULL && simple->untyped_count != NULL && simple->nth_untyped != NULL;
}

const struct gm_memory_kind *gm_memory_kind_at(struct gm_space *space, uintptr_t paddr)
{
    struct gm_memory_kind *kind = &space->memory_kind;
    const uintptr_t page = ((uintptr_t)1 << gm_arch_frame_bits[0]) - 1;

    if (kind->listed && paddr >= kind->base && paddr <= kind->last) {
        return kind;
    }
    *kind = (struct gm_memory_kind){paddr & ~page, paddr | page, false, false};
    for (int i = 0; can_list(space->simple) && i < simple_get_untyped_count(space->simple); i++) {
        size_t bits = 0;
        uintptr_t base = 0;
        bool device = false;

        simple_get_nth_untyped(space->simple, i, &bits, &base, &device);
        if (paddr >= base && paddr - base < (uintptr_t)1 << bits) {
            *kind =
                (struct gm_memory_kind){base, base + (((uintptr_t)1 << bits) - 1), true, device};
            break;
        }
    }
    return kind;
}

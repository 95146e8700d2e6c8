/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Cache operations by address in a space. Host memory has no caches to care for: the answers matter,
 * and that what a guest fetches is what is there now.
 */
#include "kernel.h"

static seL4_Error clean_range(struct kernel *kernel, const struct k_cap *space, seL4_Word start,
                              seL4_Word end)
{
    struct k_walk walk;
    uint64_t root, page;

    if (end <= start) {
        return k_invalid_argument(1);
    }
    if (end > kernel->user_top) {
        return seL4_IllegalOperation;
    }
    if (!space->mapped) {
        return k_invalid_capability(0);
    }
    if (!k_asid_find(kernel, space->asid, &root)) {
        return k_invalid_root(false);
    }
    if (root != space->base) {
        return k_invalid_capability(0);
    }
    walk = k_walk(kernel, root, start);
    if (!(*walk.entry & K_PTE_VALID)) {
        return seL4_NoError; /* nothing there that a cache could hold */
    }
    page = UINT64_C(1) << walk.bits;
    if (((start ^ (end - 1)) & ~(page - 1)) != 0) {
        return k_range_error(start, (start & ~(page - 1)) + page - 1);
    }
    return seL4_NoError;
}

static seL4_Error clean_space(seL4_ARM_VSpace service, seL4_Word start, seL4_Word end)
{
    seL4_Error err = seL4_NoError;
    struct k_slot *space = k_invoke(service, K_VSPACE, NULL, &err);

    return space == NULL ? err : clean_range(k_current, &space->cap, start, end);
}

seL4_Error seL4_ARM_VSpace_Clean_Data(seL4_ARM_VSpace _service, seL4_Word start, seL4_Word end)
{
    K_ALONE;

    return clean_space(_service, start, end);
}

seL4_Error seL4_ARM_VSpace_Invalidate_Data(seL4_ARM_VSpace _service, seL4_Word start, seL4_Word end)
{
    K_ALONE;

    return clean_space(_service, start, end);
}

seL4_Error seL4_ARM_VSpace_CleanInvalidate_Data(seL4_ARM_VSpace _service, seL4_Word start,
                                                seL4_Word end)
{
    K_ALONE;

    return clean_space(_service, start, end);
}

seL4_Error seL4_ARM_VSpace_Unify_Instruction(seL4_ARM_VSpace _service, seL4_Word start,
                                             seL4_Word end)
{
    K_ALONE;
    seL4_Error err = clean_space(_service, start, end);

    if (err == seL4_NoError) {
        start &= ~(seL4_Word)0xfff; /* a hook is told of whole pages */
        k_invalidate(k_current, k_current->root[_service].cap.asid, start,
                     ((end + 0xfff) & ~(seL4_Word)0xfff) - start);
    }
    return err;
}

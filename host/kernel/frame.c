/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Frames. One cap, one mapping: the cap remembers the space and the address. Mapping looks at the
 * level of the entry only, never at what it holds, as the kernel does.
 */
#include "kernel.h"

/* End of the physical memory that the kernel itself can reach for cache operations. */
#define KERNEL_WINDOW_END UINT64_C(0x7fc0000000)

static bool is_vmm_mapping(const struct kernel *kernel, const struct k_cap *frame)
{
    return frame->asid == K_VMM_ASID && frame->data > kernel->user_top;
}

/* Remove the leaf, if it is still this frame's: another may have taken its place. */
void k_frame_unlink(struct kernel *kernel, const struct k_cap *frame)
{
    struct k_walk walk;
    uint64_t root, entry;

    if (is_vmm_mapping(kernel, frame)) {
        kernel->hooks.vmm_unmap(frame->data, frame->bits);
        return;
    }
    if (!k_asid_find(kernel, frame->asid, &root)) {
        return;
    }
    walk = k_walk(kernel, root, frame->data);
    entry = *walk.entry;
    if (walk.bits != frame->bits || !(entry & K_PTE_VALID) || entry & K_PTE_TABLE ||
        (entry & K_PTE_ADDRESS) != frame->base) {
        return;
    }
    __atomic_store_n(walk.entry, 0, __ATOMIC_RELEASE);
    k_invalidate(kernel, frame->asid, frame->data, UINT64_C(1) << frame->bits);
}

static uint64_t leaf(const struct k_cap *frame, unsigned rights, seL4_Word attr)
{
    uint64_t entry = frame->base | K_PTE_VALID;

    entry |= rights & K_READ ? K_PTE_READ : 0;
    entry |= rights & K_WRITE ? K_PTE_WRITE : 0;
    entry |= attr & seL4_ARM_PageCacheable ? K_PTE_CACHED : 0;
    entry |= attr & seL4_ARM_ExecuteNever ? K_PTE_NO_EXECUTE : 0;
    return entry;
}

/* May this cap be mapped there: for the first time, or again? */
static seL4_Error check_place(const struct kernel *kernel, const struct k_cap *frame, unsigned asid,
                              seL4_Word vaddr)
{
    uint64_t bytes = UINT64_C(1) << frame->bits;

    if ((vaddr & (bytes - 1)) != 0) {
        return seL4_AlignmentError;
    }
    if (frame->asid != 0) {
        if (frame->asid != asid) {
            return k_invalid_capability(1);
        }
        return frame->data == vaddr ? seL4_NoError : k_invalid_argument(0);
    }
    return vaddr + bytes - 1 > kernel->user_top ? k_invalid_argument(0) : seL4_NoError;
}

static seL4_Error map_frame(struct kernel *kernel, struct k_cap *frame, const struct k_slot *space,
                            seL4_Word vaddr, seL4_CapRights_t mask, seL4_Word attr)
{
    uint64_t bytes = UINT64_C(1) << frame->bits;
    unsigned rights = k_frame_rights(frame->rights, mask);
    struct k_walk walk;
    uint64_t root, old;
    seL4_Error err = k_space(kernel, space, &root);

    if (err == seL4_NoError) {
        err = check_place(kernel, frame, space->cap.asid, vaddr);
    }
    if (err != seL4_NoError) {
        return err;
    }
    walk = k_walk(kernel, root, vaddr);
    if (walk.bits != frame->bits) {
        return k_missing_capability(false, walk.bits);
    }
    if (rights & K_WRITE) {
        k_memory_touched(kernel, frame->base, bytes);
    }
    frame->asid = space->cap.asid;
    frame->data = vaddr;
    old = *walk.entry;
    __atomic_store_n(walk.entry, leaf(frame, rights, attr), __ATOMIC_RELEASE);
    if (old & K_PTE_VALID) {
        k_invalidate(kernel, frame->asid, vaddr, bytes);
    }
    kernel->counts.maps++;
    return seL4_NoError;
}

seL4_Error seL4_ARM_Page_Map(seL4_ARM_Page _service, seL4_CPtr vspace, seL4_Word vaddr,
                             seL4_CapRights_t rights, seL4_ARM_VMAttributes attr)
{
    K_ALONE;
    seL4_Error err = seL4_NoError;
    struct k_slot *frame = k_invoke(_service, K_FRAME, "Page_Map", &err);
    struct k_slot *space = frame == NULL ? NULL : k_argument(vspace, &err);

    return space == NULL ? err : map_frame(k_current, &frame->cap, space, vaddr, rights, attr);
}

static void unmap_frame(struct kernel *kernel, struct k_cap *frame)
{
    if (frame->asid != 0) {
        k_frame_unlink(kernel, frame);
    }
    frame->asid = 0;
    frame->data = 0;
    kernel->counts.unmaps++;
}

seL4_Error seL4_ARM_Page_Unmap(seL4_ARM_Page _service)
{
    K_ALONE;
    seL4_Error err = seL4_NoError;
    struct k_slot *frame = k_invoke(_service, K_FRAME, NULL, &err);

    if (frame != NULL) {
        unmap_frame(k_current, &frame->cap);
    }
    return err;
}

seL4_ARM_Page_GetAddress_t seL4_ARM_Page_GetAddress(seL4_ARM_Page _service)
{
    K_ALONE;
    seL4_ARM_Page_GetAddress_t result = {0, 0};
    seL4_Error err = seL4_NoError;
    struct k_slot *frame = k_invoke(_service, K_FRAME, "Page_GetAddress", &err);

    if (frame != NULL) {
        result.paddr = frame->cap.base;
        seL4_SetMR(0, frame->cap.base);
    }
    result.error = (int)err;
    return result;
}

/* Whoever maps the frame fetches from now on what is there now. All caps of a frame are neighbours
 * in the list. */
static void forget_instructions(struct kernel *kernel, const struct k_slot *frame, uint64_t start,
                                uint64_t end)
{
    const struct k_slot *slot = frame;
    uint64_t first = start & ~UINT64_C(0xfff);
    uint64_t bytes = ((end + 0xfff) & ~UINT64_C(0xfff)) - first; /* a hook is told of whole pages */

    while (slot->prev != NULL && k_same_object(&slot->prev->cap, &frame->cap)) {
        slot = slot->prev;
    }
    for (; slot != NULL && k_same_object(&slot->cap, &frame->cap); slot = slot->next) {
        if (slot->cap.asid != 0) {
            k_invalidate(kernel, slot->cap.asid, slot->cap.data + first, bytes);
        }
    }
}

/* Host memory has no caches to care for: the answer matters, and with `unify` what was made of
 * instructions. */
static seL4_Error clean_frame(seL4_ARM_Page service, seL4_Word start, seL4_Word end, bool unify)
{
    seL4_Error err = seL4_NoError;
    struct k_slot *frame = k_invoke(service, K_FRAME, NULL, &err);
    uint64_t bytes, root;

    if (frame == NULL) {
        return err;
    }
    bytes = UINT64_C(1) << frame->cap.bits;
    if (frame->cap.asid == 0) {
        return seL4_IllegalOperation;
    }
    if (!k_asid_find(k_current, frame->cap.asid, &root)) {
        return k_invalid_root(false);
    }
    if (end <= start) {
        return k_invalid_argument(1);
    }
    if (start >= bytes || end > bytes) {
        return k_invalid_argument(0);
    }
    if (frame->cap.base + end > KERNEL_WINDOW_END) {
        return seL4_IllegalOperation;
    }
    if (unify) {
        forget_instructions(k_current, frame, start, end);
    }
    return seL4_NoError;
}

seL4_Error seL4_ARM_Page_Clean_Data(seL4_ARM_Page _service, seL4_Word start_offset,
                                    seL4_Word end_offset)
{
    K_ALONE;

    return clean_frame(_service, start_offset, end_offset, false);
}

seL4_Error seL4_ARM_Page_Invalidate_Data(seL4_ARM_Page _service, seL4_Word start_offset,
                                         seL4_Word end_offset)
{
    K_ALONE;

    return clean_frame(_service, start_offset, end_offset, false);
}

seL4_Error seL4_ARM_Page_CleanInvalidate_Data(seL4_ARM_Page _service, seL4_Word start_offset,
                                              seL4_Word end_offset)
{
    K_ALONE;

    return clean_frame(_service, start_offset, end_offset, false);
}

seL4_Error seL4_ARM_Page_Unify_Instruction(seL4_ARM_Page _service, seL4_Word start_offset,
                                           seL4_Word end_offset)
{
    K_ALONE;

    return clean_frame(_service, start_offset, end_offset, true);
}

seL4_Error k_frame_map_vmm(struct kernel *kernel, seL4_CPtr frame, uint64_t vaddr, bool write)
{
    K_ALONE;
    seL4_Error err = seL4_NoError;
    struct k_slot *slot = k_invoke(frame, K_FRAME, NULL, &err);

    if (slot == NULL) {
        return err;
    }
    if (slot->cap.asid != 0) {
        return k_invalid_capability(1);
    }
    if (write) {
        k_memory_touched(kernel, slot->cap.base, UINT64_C(1) << slot->cap.bits);
    }
    slot->cap.asid = K_VMM_ASID;
    slot->cap.data = vaddr;
    kernel->counts.maps++;
    return seL4_NoError;
}

/* The environment takes its mapping away itself, so the hook is not called. The slot may hold
 * another cap by now: only the one that is mapped at that address is meant. */
void k_frame_unmap_vmm(struct kernel *kernel, seL4_CPtr frame, uint64_t vaddr)
{
    K_ALONE;
    seL4_Error err = seL4_NoError;
    struct k_slot *slot = k_invoke(frame, K_FRAME, NULL, &err);

    if (slot != NULL && is_vmm_mapping(kernel, &slot->cap) && slot->cap.data == vaddr) {
        slot->cap.asid = 0;
        slot->cap.data = 0;
        kernel->counts.unmaps++;
    }
}

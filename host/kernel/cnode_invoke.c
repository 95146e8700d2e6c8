/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Invocations of CNodes. The order of the checks is the kernel's: destination, that it is empty,
 * source, that it holds a cap, then what the cap itself allows.
 */
#include "kernel.h"

struct place {
    seL4_CNode root;
    seL4_Word index;
    seL4_Word depth;
};

struct ends {
    struct k_slot *from, *to;
};

/* The slot that a CNode invocation works on. */
static seL4_Error target(struct place place, const char *step, struct k_slot **slot)
{
    seL4_Error err = seL4_NoError;
    struct k_slot *cnode = k_invoke(place.root, K_CNODE, step, &err);

    *slot = NULL;
    if (cnode == NULL) {
        return err;
    }
    err = k_lookup(k_current, &cnode->cap, place.index, place.depth, false, slot);
    if (err != seL4_NoError) {
        *slot = NULL; /* a lookup that stops half-way leaves the slot where it stopped */
    }
    return err;
}

static seL4_Error source(struct place place, struct k_slot **slot)
{
    seL4_Error err = seL4_NoError;
    struct k_slot *root = k_argument(place.root, &err);

    if (err != seL4_NoError) {
        return err;
    }
    return k_lookup(k_current, &root->cap, place.index, place.depth, true, slot);
}

static seL4_Error find_ends(struct place to, struct place from, const char *step, struct ends *ends)
{
    seL4_Error err = target(to, step, &ends->to);

    if (err != seL4_NoError || ends->to == NULL) {
        return err;
    }
    if (ends->to->cap.type != K_NULL) {
        ends->to = NULL;
        return seL4_DeleteFirst;
    }
    err = source(from, &ends->from);
    if (err == seL4_NoError && ends->from->cap.type == K_NULL) {
        err = k_missing_capability(true, from.depth);
    }
    if (err != seL4_NoError) {
        ends->to = NULL;
    }
    return err;
}

static seL4_Error insert_derived(const struct ends *ends, struct k_cap cap)
{
    seL4_Error err = k_derive(ends->from, &cap);

    if (err != seL4_NoError) {
        return err;
    }
    if (cap.type == K_NULL) {
        return seL4_IllegalOperation;
    }
    k_insert_copy(ends->from, ends->to, cap);
    k_slot_used(k_current, ends->to);
    if (cap.type == K_UNTYPED) {
        k_object_created(k_current, &cap, 1);
    }
    k_current->counts.copies++;
    return seL4_NoError;
}

static seL4_Error move(const struct ends *ends, struct k_cap cap)
{
    if (cap.type == K_NULL) {
        return seL4_IllegalOperation;
    }
    k_move(ends->from, ends->to, cap);
    k_slot_used(k_current, ends->to);
    return seL4_NoError;
}

seL4_Error seL4_CNode_Copy(seL4_CNode _service, seL4_Word dest_index, seL4_Uint8 dest_depth,
                           seL4_CNode src_root, seL4_Word src_index, seL4_Uint8 src_depth,
                           seL4_CapRights_t rights)
{
    K_ALONE;
    struct ends ends;
    seL4_Error err = find_ends((struct place){_service, dest_index, dest_depth},
                               (struct place){src_root, src_index, src_depth}, "CNode_Copy", &ends);

    return ends.to == NULL ? err : insert_derived(&ends, k_masked(ends.from->cap, rights));
}

seL4_Error seL4_CNode_Mint(seL4_CNode _service, seL4_Word dest_index, seL4_Uint8 dest_depth,
                           seL4_CNode src_root, seL4_Word src_index, seL4_Uint8 src_depth,
                           seL4_CapRights_t rights, seL4_Word badge)
{
    K_ALONE;
    struct ends ends;
    seL4_Error err = find_ends((struct place){_service, dest_index, dest_depth},
                               (struct place){src_root, src_index, src_depth}, "CNode_Mint", &ends);

    if (ends.to == NULL) {
        return err;
    }
    return insert_derived(&ends, k_with_data(k_masked(ends.from->cap, rights), false, badge));
}

seL4_Error seL4_CNode_Move(seL4_CNode _service, seL4_Word dest_index, seL4_Uint8 dest_depth,
                           seL4_CNode src_root, seL4_Word src_index, seL4_Uint8 src_depth)
{
    K_ALONE;
    struct ends ends;
    seL4_Error err = find_ends((struct place){_service, dest_index, dest_depth},
                               (struct place){src_root, src_index, src_depth}, "CNode_Move", &ends);

    return ends.to == NULL ? err : move(&ends, ends.from->cap);
}

seL4_Error seL4_CNode_Mutate(seL4_CNode _service, seL4_Word dest_index, seL4_Uint8 dest_depth,
                             seL4_CNode src_root, seL4_Word src_index, seL4_Uint8 src_depth,
                             seL4_Word badge)
{
    K_ALONE;
    struct ends ends;
    seL4_Error err =
        find_ends((struct place){_service, dest_index, dest_depth},
                  (struct place){src_root, src_index, src_depth}, "CNode_Mutate", &ends);

    return ends.to == NULL ? err : move(&ends, k_with_data(ends.from->cap, true, badge));
}

static seL4_Error rotate(struct k_slot *to, struct k_slot *pivot, struct k_cap pivot_cap,
                         struct k_slot *from, struct k_cap from_cap)
{
    if (from_cap.type == K_NULL || pivot_cap.type == K_NULL) {
        return seL4_IllegalOperation;
    }
    if (from == to) {
        k_swap(from, from_cap, pivot, pivot_cap);
    } else {
        k_move(pivot, to, pivot_cap);
        k_move(from, pivot, from_cap);
    }
    k_slot_used(k_current, to);
    k_slot_used(k_current, pivot);
    return seL4_NoError;
}

seL4_Error seL4_CNode_Rotate(seL4_CNode _service, seL4_Word dest_index, seL4_Uint8 dest_depth,
                             seL4_Word dest_badge, seL4_CNode pivot_root, seL4_Word pivot_index,
                             seL4_Uint8 pivot_depth, seL4_Word pivot_badge, seL4_CNode src_root,
                             seL4_Word src_index, seL4_Uint8 src_depth)
{
    K_ALONE;
    struct k_slot *to, *from, *pivot;
    seL4_Error err = target((struct place){_service, dest_index, dest_depth}, "CNode_Rotate", &to);

    if (err != seL4_NoError || to == NULL) {
        return err;
    }
    err = source((struct place){src_root, src_index, src_depth}, &from);
    if (err == seL4_NoError) {
        err = source((struct place){pivot_root, pivot_index, pivot_depth}, &pivot);
    }
    if (err != seL4_NoError) {
        return err;
    }
    if (pivot == from || pivot == to) {
        return seL4_IllegalOperation;
    }
    if (from != to && to->cap.type != K_NULL) {
        return seL4_DeleteFirst;
    }
    if (from->cap.type == K_NULL) {
        return k_missing_capability(true, src_depth);
    }
    if (pivot->cap.type == K_NULL) {
        return k_missing_capability(false, pivot_depth);
    }
    /* As the kernel's stub passes them: the badge named after the destination is the pivot's. */
    return rotate(to, pivot, k_with_data(pivot->cap, true, dest_badge), from,
                  k_with_data(from->cap, true, pivot_badge));
}

seL4_Error seL4_CNode_Delete(seL4_CNode _service, seL4_Word index, seL4_Uint8 depth)
{
    K_ALONE;
    struct k_slot *slot;
    seL4_Error err = target((struct place){_service, index, depth}, NULL, &slot);

    if (err == seL4_NoError && slot != NULL) {
        k_delete(k_current, slot);
        k_cnode_free_ended(k_current);
        k_current->counts.deletes++;
    }
    return err;
}

seL4_Error seL4_CNode_Revoke(seL4_CNode _service, seL4_Word index, seL4_Uint8 depth)
{
    K_ALONE;
    struct k_slot *slot;
    seL4_Error err = target((struct place){_service, index, depth}, NULL, &slot);

    if (err == seL4_NoError && slot != NULL) {
        k_revoke(k_current, slot);
        k_cnode_free_ended(k_current);
    }
    return err;
}

seL4_Error seL4_CNode_CancelBadgedSends(seL4_CNode _service, seL4_Word index, seL4_Uint8 depth)
{
    K_ALONE;
    struct k_slot *slot;
    seL4_Error err = target((struct place){_service, index, depth}, NULL, &slot);
    const unsigned all = K_WRITE | K_READ | K_GRANT | K_GRANT_REPLY;

    if (err != seL4_NoError || slot == NULL) {
        return err;
    }
    return slot->cap.type == K_ENDPOINT && slot->cap.rights == all ? seL4_NoError
                                                                   : seL4_IllegalOperation;
}

/* There is no IPC, so nobody waits for a reply: an empty slot stays empty. */
seL4_Error seL4_CNode_SaveCaller(seL4_CNode _service, seL4_Word index, seL4_Uint8 depth)
{
    K_ALONE;
    struct k_slot *slot;
    seL4_Error err = target((struct place){_service, index, depth}, NULL, &slot);

    if (err != seL4_NoError || slot == NULL) {
        return err;
    }
    return slot->cap.type == K_NULL ? seL4_NoError : seL4_DeleteFirst;
}

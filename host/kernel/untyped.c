/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Untyped memory, and making objects of it.
 *
 *   | object | object | .. padding .. | object |   free   |
 *   base                                        ^ base + data, the watermark
 *
 * The watermark only rises while the untyped has children; without any, the next retype starts
 * from the base again, over memory that is cleared first (device memory is not).
 */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

struct retype {
    struct k_slot *untyped;
    seL4_Word type, user_bits, count;
    unsigned bits;       /* of one object */
    bool reset;          /* the untyped has no children */
    struct k_slot *dest; /* the first slot */
};

static bool is_frame_type(seL4_Word type)
{
    return type == seL4_ARM_SmallPageObject || type == seL4_ARM_LargePageObject ||
           type == seL4_ARM_HugePageObject;
}

static seL4_Error check_type(struct kernel *kernel, struct retype *retype)
{
    if (retype->type >= seL4_ObjectTypeCount) {
        return k_invalid_argument(0);
    }
    if (retype->user_bits >= seL4_WordBits) {
        return k_range_error(0, seL4_MaxUntypedBits);
    }
    retype->bits = k_object_bits(kernel, retype->type, retype->user_bits);
    if (retype->bits > seL4_MaxUntypedBits) {
        return k_range_error(0, seL4_MaxUntypedBits);
    }
    if (retype->type == seL4_CapTableObject && retype->user_bits == 0) {
        return k_invalid_argument(1);
    }
    if (retype->type == seL4_UntypedObject && retype->user_bits < seL4_MinUntypedBits) {
        return k_invalid_argument(1);
    }
    return seL4_NoError;
}

static seL4_Error find_window(struct kernel *kernel, const struct k_cap *node, seL4_Word depth,
                              seL4_Word offset, struct retype *retype)
{
    uint64_t size = UINT64_C(1) << node->bits;

    if (node->type != K_CNODE) {
        return k_missing_capability(false, depth);
    }
    if (offset > size - 1) {
        return k_range_error(0, size - 1);
    }
    if (retype->count < 1 || retype->count > kernel->fan_out) {
        return k_range_error(1, kernel->fan_out);
    }
    if (retype->count > size - offset) {
        return k_range_error(1, size - offset);
    }
    retype->dest = k_cnode_slots(kernel, node) + offset;
    for (seL4_Word k = 0; k < retype->count; k++) {
        if (retype->dest[k].cap.type != K_NULL) {
            return seL4_DeleteFirst;
        }
    }
    return seL4_NoError;
}

static seL4_Error check_room(struct retype *retype)
{
    const struct k_cap *cap = &retype->untyped->cap;
    uint64_t left;

    retype->reset = !k_has_children(retype->untyped);
    left = (UINT64_C(1) << cap->bits) - (retype->reset ? 0 : cap->data);
    if (left >> retype->bits < retype->count) {
        return k_not_enough_memory(left);
    }
    if (cap->device && !is_frame_type(retype->type) && retype->type != seL4_UntypedObject) {
        return k_invalid_argument(1);
    }
    return seL4_NoError;
}

static void reset(struct kernel *kernel, struct k_cap *cap)
{
    const uint64_t page = UINT64_C(1) << seL4_PageBits;
    uint64_t bytes = UINT64_C(1) << cap->bits;

    if (cap->data != 0 && !cap->device) {
        if (bytes >= page) {
            bytes = (cap->data + page - 1) & ~(page - 1);
        }
        k_memory_clear(kernel, cap->base, bytes);
    }
    cap->data = 0;
}

static struct k_cap new_cap(const struct retype *retype, uint64_t base)
{
    static const uint8_t types[] = {
        [seL4_UntypedObject] = K_UNTYPED,     [seL4_TCBObject] = K_THREAD,
        [seL4_EndpointObject] = K_ENDPOINT,   [seL4_NotificationObject] = K_NOTIFICATION,
        [seL4_CapTableObject] = K_CNODE,      [seL4_ARM_HugePageObject] = K_FRAME,
        [seL4_ARM_VSpaceObject] = K_VSPACE,   [seL4_ARM_SmallPageObject] = K_FRAME,
        [seL4_ARM_LargePageObject] = K_FRAME, [seL4_ARM_PageTableObject] = K_TABLE,
        [seL4_ARM_VCPUObject] = K_VCPU,
    };
    struct k_cap cap = {.base = base, .type = types[retype->type], .bits = (uint8_t)retype->bits};

    cap.device = retype->untyped->cap.device;
    switch (cap.type) {
    case K_FRAME:
    case K_NOTIFICATION:
        cap.rights = K_READ | K_WRITE;
        break;
    case K_ENDPOINT:
        cap.rights = K_READ | K_WRITE | K_GRANT | K_GRANT_REPLY;
        break;
    case K_CNODE:
        cap.bits = (uint8_t)retype->user_bits;
        break;
    default:
        break;
    }
    return cap;
}

/* Objects with slots are the ones whose making can fail: the slots are host memory. */
static bool make_slots(struct kernel *kernel, const struct retype *retype, uint64_t base)
{
    unsigned radix = retype->type == seL4_CapTableObject ? (unsigned)retype->user_bits : 0;

    for (seL4_Word k = 0; k < retype->count; k++) {
        if (!k_cnode_create(kernel, base + (k << retype->bits), radix)) {
            while (k-- > 0) {
                k_cnode_end(kernel, base + (k << retype->bits));
            }
            return false;
        }
    }
    return true;
}

static seL4_Error make_objects(struct kernel *kernel, const struct retype *retype)
{
    struct k_cap *from = &retype->untyped->cap;
    uint64_t size = UINT64_C(1) << retype->bits, base;
    struct k_cap cap;

    if (retype->reset) {
        reset(kernel, from);
    }
    base = (from->base + from->data + size - 1) & ~(size - 1);
    if ((retype->type == seL4_CapTableObject || retype->type == seL4_TCBObject) &&
        !make_slots(kernel, retype, base)) {
        return k_not_enough_memory(0);
    }
    from->data = base + (retype->count << retype->bits) - from->base;
    cap = new_cap(retype, base);
    if (cap.type == K_TABLE || cap.type == K_VSPACE) {
        k_memory_touched(kernel, base, retype->count << retype->bits);
    }
    k_object_created(kernel, &cap, (int)retype->count);
    for (seL4_Word k = 0; k < retype->count; k++) {
        k_insert_child(retype->untyped, &retype->dest[k], cap);
        cap.base += size;
    }
    k_slot_used(kernel, &retype->dest[retype->count - 1]);
    kernel->counts.retypes++;
    return seL4_NoError;
}

static seL4_Error find_node(struct kernel *kernel, seL4_CNode root, seL4_Word index,
                            seL4_Word depth, struct k_slot **node)
{
    seL4_Error err = seL4_NoError;

    *node = k_argument(root, &err);
    if (*node == NULL || depth == 0) {
        return err;
    }
    return k_lookup(kernel, &(*node)->cap, index, depth, false, node);
}

seL4_Error seL4_Untyped_Retype(seL4_Untyped _service, seL4_Word type, seL4_Word size_bits,
                               seL4_CNode root, seL4_Word node_index, seL4_Word node_depth,
                               seL4_Word node_offset, seL4_Word num_objects)
{
    K_ALONE;
    seL4_Error err = seL4_NoError;
    struct retype retype = {.type = type, .user_bits = size_bits, .count = num_objects};
    struct k_slot *node;

    retype.untyped = k_invoke(_service, K_UNTYPED, "Untyped_Retype", &err);
    if (retype.untyped == NULL) {
        return err;
    }
    err = check_type(k_current, &retype);
    if (err == seL4_NoError) {
        err = find_node(k_current, root, node_index, node_depth, &node);
    }
    if (err == seL4_NoError) {
        err = find_window(k_current, &node->cap, node_depth, node_offset, &retype);
    }
    if (err == seL4_NoError) {
        err = check_room(&retype);
    }
    return err == seL4_NoError ? make_objects(k_current, &retype) : err;
}

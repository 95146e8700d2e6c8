/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Answers of invocations. Which words come with an error: manual, "Errors".
 */
#include "kernel.h"

static _Thread_local seL4_IPCBuffer ipc_buffer;

seL4_IPCBuffer *seL4_GetIPCBuffer(void)
{
    return &ipc_buffer;
}

seL4_Word seL4_GetMR(int i)
{
    return ipc_buffer.msg[i];
}

void seL4_SetMR(int i, seL4_Word value)
{
    ipc_buffer.msg[i] = value;
}

seL4_Error k_invalid_argument(seL4_Word number)
{
    seL4_SetMR(0, number);
    return seL4_InvalidArgument;
}

seL4_Error k_invalid_capability(seL4_Word number)
{
    seL4_SetMR(0, number);
    return seL4_InvalidCapability;
}

seL4_Error k_range_error(seL4_Word min, seL4_Word max)
{
    seL4_SetMR(0, min);
    seL4_SetMR(1, max);
    return seL4_RangeError;
}

seL4_Error k_not_enough_memory(seL4_Word left)
{
    seL4_SetMR(0, left);
    return seL4_NotEnoughMemory;
}

static seL4_Error failed_lookup(bool source, seL4_LookupFailureType type)
{
    seL4_SetMR(0, source);
    seL4_SetMR(1, type);
    return seL4_FailedLookup;
}

seL4_Error k_invalid_root(bool source)
{
    return failed_lookup(source, seL4_InvalidRoot);
}

seL4_Error k_missing_capability(bool source, seL4_Word bits_left)
{
    seL4_SetMR(2, bits_left);
    return failed_lookup(source, seL4_MissingCapability);
}

seL4_Error k_depth_mismatch(bool source, seL4_Word bits_left, seL4_Word bits_found)
{
    seL4_SetMR(2, bits_left);
    seL4_SetMR(3, bits_found);
    return failed_lookup(source, seL4_DepthMismatch);
}

seL4_Error k_guard_mismatch(bool source, seL4_Word bits_left, seL4_Word guard, seL4_Word found)
{
    seL4_SetMR(2, bits_left);
    seL4_SetMR(3, guard);
    seL4_SetMR(4, found);
    return failed_lookup(source, seL4_GuardMismatch);
}

/*
 * What a cap of another type answers: each type knows its own invocations only. Two are IPC: a
 * notification is signalled, which succeeds and has no effect here; an endpoint would block for
 * ever, so the model refuses.
 */
static seL4_Error wrong_type(const struct k_cap *cap)
{
    switch (cap->type) {
    case K_NULL:
    case K_ZOMBIE:
        return k_invalid_capability(0);
    case K_ENDPOINT:
    case K_NOTIFICATION:
        if (!(cap->rights & K_WRITE)) {
            return k_invalid_capability(0);
        }
        return cap->type == K_NOTIFICATION ? seL4_NoError : seL4_IllegalOperation;
    default:
        return seL4_IllegalOperation;
    }
}

struct k_slot *k_argument(seL4_CPtr cptr, seL4_Error *answer)
{
    if (k_current == NULL || cptr >> k_current->root_bits != 0) {
        *answer = k_invalid_capability(0); /* a real thread would fault */
        return NULL;
    }
    return &k_current->root[cptr];
}

struct k_slot *k_invoke(seL4_CPtr service, enum k_cap_type type, const char *step,
                        seL4_Error *answer)
{
    struct k_slot *slot = k_argument(service, answer);

    if (slot == NULL) {
        return NULL;
    }
    k_current->counts.invocations++;
    if (step != NULL && k_current->hooks.refuse(step)) {
        *answer = k_not_enough_memory(0);
        return NULL;
    }
    if (slot->cap.type != type) {
        *answer = wrong_type(&slot->cap);
        return NULL;
    }
    return slot;
}

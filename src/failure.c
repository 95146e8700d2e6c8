/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "failure.h"

#include <stdio.h>
#include <utils/util.h>

const char *guestmem_strerror(int error)
{
    static const char *const text[] = {
        [-GUESTMEM_OK] = "no error",
        [-GUESTMEM_EINVAL] = "invalid argument",
        [-GUESTMEM_ERANGE] = "range wraps or leaves the guest's address space",
        [-GUESTMEM_ETAKEN] = "range is taken",
        [-GUESTMEM_ESTALE] = "reservation is not one of this VM's",
        [-GUESTMEM_EMAPPED] = "reservation is backed already",
        [-GUESTMEM_EUNMAPPED] = "nothing suitable at this address",
        [-GUESTMEM_EBUSY] = "a fault callback is under way",
        [-GUESTMEM_ENOMEM] = "no memory for book-keeping",
        [-GUESTMEM_ENOSLOT] = "no free cap slot",
        [-GUESTMEM_ENOFRAME] = "no memory for a frame",
        [-GUESTMEM_ENOTABLE] = "no memory for a page table",
        [-GUESTMEM_EFRAME] = "unusable frame",
        [-GUESTMEM_EGRAIN] = "a frame would be cut in two",
        [-GUESTMEM_EVMM] = "the VMM's address space refused",
        [-GUESTMEM_EKERNEL] = "the kernel refused",
        [-GUESTMEM_ENOSUP] = "not supported here",
    };
    size_t index = (size_t) - (int64_t)error;

    return error <= 0 && index < sizeof(text) / sizeof(text[0]) ? text[index] : "unknown error";
}

void gm_failure_note(struct gm_space *space, int error, const char *step, int cause)
{
    space->failure = (struct guestmem_failure){.error = error, .step = step, .cause = cause};
}

int gm_fail_taken(struct gm_space *space, const char *step, uintptr_t base, size_t size)
{
    gm_failure_note(space, GUESTMEM_ETAKEN, step, 0);
    space->failure.other_base = base;
    space->failure.other_size = size;
    return GUESTMEM_ETAKEN;
}

/* All of gm_end() but giving the turn. */
static void conclude(struct gm_space *space, int error, const char *operation, uintptr_t base,
                     size_t size)
{
    bool outermost = space->taking == 0;
    struct gm_reader *reader;

    if (outermost && space->readers.shared) {
        gm_index_settle(space, &space->index);
    }
    if (error == GUESTMEM_OK) {
        if (outermost) {
            gm_room_settle(space);
        }
        return;
    }
    if (outermost) {
        gm_room_revert(space);
    }
    space->failure.operation = operation;
    space->failure.base = base;
    space->failure.size = size;
    space->reported = space->failure;
    reader = gm_reader_here(space);
    if (reader != NULL) {
        reader->reported = space->failure;
    }
}

void gm_failure_end(struct gm_space *space, int error, const char *operation, uintptr_t base,
                    size_t size)
{
    conclude(space, error, operation, base, size);
    gm_turn_give(space);
}

int guestmem_failure_text(const struct guestmem_failure *failure, char *text, size_t size)
{
    char other[64] = "";
    char cause[32] = "";

    if (failure == NULL || failure->error == GUESTMEM_OK) {
        return snprintf(text, size, "%s", guestmem_strerror(GUESTMEM_OK));
    }
    if (failure->other_size != 0) {
        snprintf(other, sizeof(other), " %s [0x%zx, +0x%zx)",
                 failure->error == GUESTMEM_ETAKEN ? "by" : "at", (size_t)failure->other_base,
                 failure->other_size);
    }
    if (failure->cause != 0) {
        snprintf(cause, sizeof(cause), ", error %d", failure->cause);
    }
    return snprintf(text, size, "%s [0x%zx, +0x%zx): %s: %s%s%s", failure->operation,
                    (size_t)failure->base, failure->size, failure->step,
                    guestmem_strerror(failure->error), other, cause);
}

void gm_failure_end_logged(struct gm_space *space, int error, const char *operation, uintptr_t base,
                           size_t size)
{
    char line[256];

    if (space == NULL) {
        ZF_LOGE("%s [0x%zx, +0x%zx): no VM, or one whose memory isn't initialised", operation,
                (size_t)base, size);
        return;
    }
    conclude(space, error, operation, base, size);
    if (error != GUESTMEM_OK) {
        guestmem_failure_text(&space->reported, line, sizeof(line));
        ZF_LOGE("%s", line);
    }
    gm_turn_give(space);
}

const struct guestmem_failure *guestmem_last_failure(vm_t *vm)
{
    struct gm_space *space = gm_space_of(vm);

    const struct gm_reader *reader = space == NULL ? NULL : gm_reader_here(space);

    if (reader != NULL) {
        return &reader->reported;
    }
    return space == NULL ? NULL : &space->reported;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Two pages that guest and VMM share, and no register at all.
 *
 *   offset  page    guest   VMM     contents
 *   0x0000  outbox  rw      reads   struct mailbox_page, a message for the VMM
 *   0x1000  inbox   r       writes  struct mailbox_page, the answer. The guest's writes trap, and
 *                                   are the doorbell: "look into the outbox".
 *
 * Who sends writes text and length, then the next number with release. Who receives reads the
 * number with acquire. The answer to message n has number n: the text in capital letters, or no
 * text if the message's length can't be.
 */
#pragma once

#include <stdint.h>

#include <sel4vm/guest_vm.h>

#include "mmio.h"

enum {
    MAILBOX_PAGE = 0x1000,
    MAILBOX_TEXT_BYTES = 256,
    MAILBOX_BYTES = 2 * MAILBOX_PAGE,
};

struct mailbox_page {
    uint32_t number;
    uint32_t length;
    char text[MAILBOX_TEXT_BYTES];
};

struct mailbox {
    device_lock lock;
    const volatile struct mailbox_page *outbox; /* where the VMM sees them */
    struct mailbox_page *inbox;
    unsigned rings;
    unsigned refused; /* messages whose length can't be */
    char last[MAILBOX_TEXT_BYTES + 1];
};

/* The pages at guest address `base`, a multiple of the page. They live as long as the VM's memory.
 * Returns 0, or -1 and there are none. */
int mailbox_create(struct mailbox *mailbox, vm_t *vm, uintptr_t base);

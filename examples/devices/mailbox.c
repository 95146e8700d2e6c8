/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "mailbox.h"

#include <string.h>

#include <guestmem/guestmem.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

/* Take the message out, once: the guest may go on writing, so that what was checked is not looked
 * at again. Returns its bytes, or -1. */
static int outbox_take(struct mailbox *mailbox)
{
    const volatile struct mailbox_page *page = mailbox->outbox;
    uint32_t length = page->length;

    if (length > MAILBOX_TEXT_BYTES) {
        return -1;
    }
    for (uint32_t i = 0; i < length; i++) {
        mailbox->last[i] = page->text[i];
    }
    mailbox->last[length] = '\0';
    return (int)length;
}

static void inbox_put(struct mailbox *mailbox, uint32_t number, uint32_t length)
{
    struct mailbox_page *page = mailbox->inbox;

    for (uint32_t i = 0; i < length; i++) {
        char c = mailbox->last[i];

        page->text[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    page->length = length;
    /* release: who sees the number sees the text */
    __atomic_store_n(&page->number, number, __ATOMIC_RELEASE);
}

static void mailbox_serve(struct mailbox *mailbox)
{
    uint32_t number = __atomic_load_n(&mailbox->outbox->number, __ATOMIC_ACQUIRE);
    int length = outbox_take(mailbox);

    mailbox->rings++;
    mailbox->refused += length < 0;
    inbox_put(mailbox, number, length < 0 ? 0 : (uint32_t)length);
}

/* The guest wrote to the inbox, which its rights forbid. What it wrote goes nowhere. */
static memory_fault_result_t inbox_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t gpa, size_t size,
                                         void *cookie)
{
    struct mailbox *mailbox = cookie;
    struct mmio_access access = mmio_begin(vcpu, gpa & (MAILBOX_PAGE - 1), size);

    (void)vm;
    device_lock_take(&mailbox->lock);
    mailbox_serve(mailbox);
    device_lock_give(&mailbox->lock);
    return mmio_end(vcpu, &access);
}

int mailbox_create(struct mailbox *mailbox, vm_t *vm, uintptr_t base)
{
    memset(mailbox, 0, sizeof(*mailbox));
    mailbox->outbox = create_allocated_reservation_frame(vm, base, seL4_ReadWrite,
                                                         default_error_fault_callback, NULL);
    if (mailbox->outbox == NULL) {
        return -1;
    }
    mailbox->inbox = create_allocated_reservation_frame(vm, base + MAILBOX_PAGE, seL4_CanRead,
                                                        inbox_fault, mailbox);
    if (mailbox->inbox == NULL) {
        guestmem_created_destroy(vm, base);
        return -1;
    }
    return 0;
}

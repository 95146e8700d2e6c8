/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The shared pages of the examples.
 */
#include "fixture.h"

#include <string.h>

#include <guestmem/guestmem.h>

enum {
    OUTBOX = MACHINE_MAILBOX,
    INBOX = MACHINE_MAILBOX + MAILBOX_PAGE,
    LENGTH = offsetof(struct mailbox_page, length),
    TEXT = offsetof(struct mailbox_page, text),
};

/* Eight letters, and the doorbell. */
static void send(struct fixture *fixture, uint32_t number, const char *text, uint32_t length)
{
    uint64_t letters = 0;
    struct guest_access accesses[] = {
        {.address = OUTBOX + TEXT, .size = 8, .write = true},
        {.address = OUTBOX + LENGTH, .size = 4, .write = true, .value = length},
        {.address = OUTBOX, .size = 4, .write = true, .value = number},
        {.address = INBOX, .size = 4, .write = true, .value = 0xbad},
    };

    memcpy(&letters, text, strnlen(text, sizeof(letters)));
    accesses[0].value = letters;
    assert_int_equal(guest_does(fixture, accesses, 4), 0);
}

static uint64_t word_of(const char *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof(word));
    return word;
}

static void a_message_is_answered_in_capital_letters(void **state)
{
    struct fixture *fixture = *state;

    send(fixture, 7, "hi there", 8);
    assert_int_equal(guest_reads(fixture, INBOX, 4), 7);
    assert_int_equal(guest_reads(fixture, INBOX + LENGTH, 4), 8);
    assert_int_equal(guest_reads(fixture, INBOX + TEXT, 8), word_of("HI THERE"));
    assert_string_equal(fixture->machine.mailbox.last, "hi there");
}

/* Sharing is by memory: of all these accesses only the doorbell came to the VMM. */
static void reading_and_writing_the_pages_costs_no_exit(void **state)
{
    struct fixture *fixture = *state;
    struct guestmem_stats before;
    struct guestmem_stats after;

    send(fixture, 1, "once", 4);
    assert_int_equal(guestmem_get_stats(&fixture->machine.vm, &before), 0);
    send(fixture, 2, "twice", 5);
    guest_reads(fixture, INBOX + TEXT, 8);
    assert_int_equal(guestmem_get_stats(&fixture->machine.vm, &after), 0);
    assert_int_equal(after.faults - before.faults, 1 + 2); /* and two times the guest's end */
}

static void a_length_that_cannot_be_is_answered_with_no_text(void **state)
{
    struct fixture *fixture = *state;
    static const uint32_t lengths[] = {MAILBOX_TEXT_BYTES + 1, 0x7fffffff, 0x80000000, UINT32_MAX};

    for (unsigned i = 0; i < 4; i++) {
        send(fixture, i + 1, "x", lengths[i]);
        assert_int_equal(guest_reads(fixture, INBOX, 4), i + 1);
        assert_int_equal(guest_reads(fixture, INBOX + LENGTH, 4), 0);
    }
    assert_int_equal(fixture->machine.mailbox.refused, 4);
    send(fixture, 9, "", MAILBOX_TEXT_BYTES);
    assert_int_equal(guest_reads(fixture, INBOX + LENGTH, 4), MAILBOX_TEXT_BYTES);
    send(fixture, 10, "", 0);
    assert_int_equal(guest_reads(fixture, INBOX + LENGTH, 4), 0);
    assert_int_equal(fixture->machine.mailbox.refused, 4);
}

static void the_guest_cannot_write_the_inbox(void **state)
{
    struct fixture *fixture = *state;

    send(fixture, 1, "mine", 4);
    guest_writes(fixture, INBOX + TEXT, 8, 0);
    assert_int_equal(guest_reads(fixture, INBOX + TEXT, 4), 0x454e494d); /* MINE */
}

static void without_memory_for_both_pages_there_is_none(void **state)
{
    struct fixture *fixture = *state;
    struct mailbox mailbox;
    vm_t *vm = &fixture->machine.vm;
    const uintptr_t base = MACHINE_RAM - MAILBOX_PAGE; /* the second page would be RAM */

    assert_int_equal(mailbox_create(&mailbox, vm, base), -1);
    assert_null(guestmem_reservation_at(vm, base));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_message_is_answered_in_capital_letters),
        CASE(reading_and_writing_the_pages_costs_no_exit),
        CASE(a_length_that_cannot_be_is_answered_with_no_text),
        CASE(the_guest_cannot_write_the_inbox),
        CASE(without_memory_for_both_pages_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

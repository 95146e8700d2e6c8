/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * guestmem/access.h, byte by byte.
 */
#include "world.h"

#include <string.h>

enum { MOST = 12 * 1024, PIECES = 24 };

static uint8_t actual[MOST];
static uint8_t expected[MOST];

/* Ranges that deserve an error may be of any size; what is moved has a limit. */
static bool is_too_much(struct range range, unsigned errors)
{
    return errors == 0 && range.size > MOST;
}

/* Views that don't stay may be given back by a call that then fails; and some bytes may have moved.
 */
static void begin(const char *name)
{
    call_begin(name);
    world.call.may_change = world.me->policy.views != GUESTMEM_VIEWS_KEPT;
}

static bool end(int error, unsigned errors, struct range range, bool writes)
{
    if (call_end(error, errors)) {
        pages_used(range.base, range.size);
        return true;
    }
    area_scan_all(world.call.may_change);
    if (writes && call_was_struck() && world.call.may_change) {
        bytes_forget(range.base, range.size);
    }
    return false;
}

static void fill_pattern(uint8_t *bytes, size_t size)
{
    uint8_t tag = (uint8_t)(world.me == &world.player[0] ? 0x40 : 0x80);

    world.pattern++;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(tag ^ world.pattern ^ i * 7);
    }
}

void op_read(void)
{
    struct range range = choose_range();
    unsigned errors = expect_use(range.base, range.size, false);

    if (is_too_much(range, errors)) {
        return;
    }
    begin("guestmem_ram_read");
    if (end(guestmem_ram_read(&world.me->vm, range.base, actual, range.size), errors, range,
            false)) {
        bytes_get(range.base, expected, range.size);
        FUZZ_CHECK(memcmp(actual, expected, range.size) == 0);
    }
}

void op_write(void)
{
    struct range range = choose_range();
    unsigned errors = expect_use(range.base, range.size, false);

    if (is_too_much(range, errors)) {
        return;
    }
    fill_pattern(actual, errors != 0 ? 0 : range.size);
    begin("guestmem_ram_write");
    if (end(guestmem_ram_write(&world.me->vm, range.base, actual, range.size), errors, range,
            true)) {
        bytes_set(range.base, actual, range.size);
    }
}

void op_fill(void)
{
    struct range range = choose_range();
    unsigned errors = expect_use(range.base, range.size, false);
    uint8_t byte = ++world.pattern;

    if (is_too_much(range, errors)) {
        return;
    }
    begin("guestmem_ram_fill");
    if (end(guestmem_ram_fill(&world.me->vm, range.base, byte, range.size), errors, range, true)) {
        memset(actual, byte, range.size);
        bytes_set(range.base, actual, range.size);
    }
}

void op_copy(void)
{
    struct range from = choose_range();
    struct range to = {choose_range().base, from.size};
    unsigned errors;

    if (fuzz_flag(world.in)) {
        to.base = from.base + fuzz_byte(world.in) * 16; /* they may overlap */
    }
    errors = expect_use(from.base, from.size, false) | expect_use(to.base, to.size, false);
    if (is_too_much(from, errors)) {
        return;
    }
    begin("guestmem_ram_copy");
    if (end(guestmem_ram_copy(&world.me->vm, to.base, from.base, from.size), errors, to, true)) {
        pages_used(from.base, from.size);
        bytes_get(from.base, actual, from.size);
        bytes_set(to.base, actual, from.size);
    }
}

static unsigned expect_word(struct range range)
{
    bool is_word = (range.size == 1 || range.size == 2 || range.size == 4 || range.size == 8) &&
                   range.base % range.size == 0;

    return is_word ? expect_use(range.base, range.size, false) : ANSWER(GUESTMEM_EINVAL);
}

static struct range choose_word(void)
{
    struct range range = choose_range();
    unsigned choice = fuzz_byte(world.in);

    range.base += choice >> 4;
    range.size = choice & 8 ? choice & 15 : (size_t)1 << (choice & 3);
    return range;
}

void op_load(void)
{
    struct range range = choose_word();
    bool acquire = fuzz_flag(world.in);
    unsigned errors = expect_word(range);
    uint64_t value = 0x5a5a;
    uint64_t known = 0;
    int error;

    begin("guestmem_ram_load");
    error = acquire ? guestmem_ram_load_acquire(&world.me->vm, range.base, range.size, &value)
                    : guestmem_ram_load(&world.me->vm, range.base, range.size, &value);
    if (end(error, errors, range, false)) {
        bytes_get(range.base, (uint8_t *)&known, range.size);
        FUZZ_CHECK_EQ(value, guestmem_le(known, 8));
    } else {
        FUZZ_CHECK_EQ(value, 0x5a5a);
    }
}

void op_store(void)
{
    struct range range = choose_word();
    bool release = fuzz_flag(world.in);
    unsigned errors = expect_word(range);
    uint64_t value = 0;
    int error;

    fill_pattern((uint8_t *)&value, sizeof(value));
    begin("guestmem_ram_store");
    error = release ? guestmem_ram_store_release(&world.me->vm, range.base, range.size, value)
                    : guestmem_ram_store(&world.me->vm, range.base, range.size, value);
    if (end(error, errors, range, true)) {
        bytes_set(range.base, (const uint8_t *)&value, range.size);
    }
}

/* ------------------------------------------------------------------------------------ pointers */

static void check_piece(uintptr_t gpa, const void *address, size_t size)
{
    size_t here = size < MOST ? size : MOST;

    bytes_get(gpa, expected, here);
    FUZZ_CHECK(memcmp(address, expected, here) == 0);
}

/* A VMM whose views last for a call only has no pointers. */
static unsigned expect_pointer(void)
{
    return world.me->policy.views == GUESTMEM_VIEWS_NONE ? ANSWER(GUESTMEM_ENOSUP) : 0;
}

void op_span(void)
{
    struct range range = choose_range();
    unsigned errors = expect_use(range.base, range.size, false) | expect_pointer();
    struct guestmem_span span;

    if (is_too_much(range, errors)) {
        return;
    }
    begin("guestmem_ram_span");
    if (end(guestmem_ram_span(&world.me->vm, range.base, range.size, &span), errors, range,
            false)) {
        FUZZ_CHECK(span.size >= 1 && span.size <= range.size);
        FUZZ_CHECK(guestmem_span_is_valid(&world.me->vm, &span));
        check_piece(range.base, span.address, span.size);
    }
}

static unsigned expect_buffer(struct range range)
{
    unsigned errors = expect_use(range.base, range.size, false);

    if (expect_range(range.base, range.size) == 0 && !regions_cover(range.base, range.size)) {
        errors |= ANSWER(GUESTMEM_EUNMAPPED);
    }
    return errors;
}

/* The pieces hold the buffers' bytes, in order; none holds bytes of two. */
static void check_pieces(const struct guestmem_buffer *buffers, size_t buffer_count,
                         const struct guestmem_iovec *pieces, size_t count)
{
    size_t at = 0;

    for (size_t i = 0; i < buffer_count; i++) {
        size_t done = 0;

        while (done < buffers[i].size) {
            FUZZ_CHECK(at < count && pieces[at].iov_len > 0 &&
                       pieces[at].iov_len <= buffers[i].size - done);
            check_piece(buffers[i].base + done, pieces[at].iov_base, pieces[at].iov_len);
            done += pieces[at++].iov_len;
        }
    }
    FUZZ_CHECK_EQ(at, count);
}

void op_iovec(void)
{
    struct range ranges[2] = {choose_range(), choose_range()};
    size_t buffer_count = 1 + fuzz_below(world.in, 2);
    size_t most = fuzz_byte(world.in) % PIECES;
    struct guestmem_buffer buffers[2];
    struct guestmem_iovec pieces[PIECES];
    size_t count = 0x5a5a;
    unsigned errors = expect_pointer();
    int error;

    for (size_t i = 0; i < buffer_count; i++) {
        buffers[i] = (struct guestmem_buffer){ranges[i].base, ranges[i].size};
        errors |= expect_buffer(ranges[i]);
    }
    for (size_t i = 0; i < buffer_count; i++) {
        if (is_too_much(ranges[i], errors)) {
            return;
        }
    }
    begin("guestmem_ram_iovec");
    error = guestmem_ram_iovec(&world.me->vm, buffers, buffer_count, pieces, most, &count);
    if (error == GUESTMEM_ENOMEM && errors == 0) {
        errors = ANSWER(GUESTMEM_ENOMEM); /* how many pieces there are is the views' affair */
        FUZZ_CHECK(most < 2 * (MOST / PAGE + 2) || call_was_struck() || world.call.armed);
    } else if (error == GUESTMEM_ENOMEM && most < PIECES) {
        errors |= ANSWER(GUESTMEM_ENOMEM);
    }
    if (error == GUESTMEM_EVMM && world.me->policy.views == GUESTMEM_VIEWS_WINDOW) {
        errors |= ANSWER(GUESTMEM_EVMM); /* the window doesn't hold all of it at a time */
    }
    if (end(error, errors, ranges[0], false)) {
        pages_used(ranges[buffer_count - 1].base, ranges[buffer_count - 1].size);
        FUZZ_CHECK(count <= most);
        check_pieces(buffers, buffer_count, pieces, count);
    } else {
        FUZZ_CHECK_EQ(count, 0x5a5a);
    }
}

/* ---------------------------------------------------------------------------- physical addresses
 */

static uintptr_t naive_physical(struct range range)
{
    const struct page *first = page_at(range.base);
    uintptr_t last = range.base + (range.size - 1);

    if (expect_range(range.base, range.size) != 0 || first == NULL) {
        return 0;
    }
    for (uintptr_t at = range.base & ~(PAGE - 1); at <= last; at += PAGE) {
        uintptr_t inside = at < range.base ? range.base : at;
        const struct page *page = page_at(inside);

        if (page == NULL || page->state != PAGE_THERE ||
            page->paddr - first->paddr != at - (range.base & ~(PAGE - 1))) {
            return 0;
        }
    }
    return first->paddr + range.base % PAGE;
}

/* Bytes of a backed area's last page that aren't its own have a frame all the same. */
void op_physical(void)
{
    struct range range = choose_range();
    uintptr_t expected_paddr = naive_physical(range);
    const struct area *end_area = area_at(range.base + (range.size - 1));
    uintptr_t paddr;

    call_begin("vm_arm_ipa_to_pa");
    paddr = vm_arm_ipa_to_pa(&world.me->vm, range.base, range.size);
    if (guestmem_host_failed(world.host, NULL)) {
        call_end_compatible(paddr != 0, answer_resources());
        return;
    }
    call_end(GUESTMEM_OK, 0);
    if (area_at(range.base) != NULL && end_area != NULL) {
        FUZZ_CHECK_EQ(paddr, expected_paddr);
    }
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * guestmem/access.h: pointers, buffer lists; and what is kept of views (policy).
 */
#include <guestmem/access.h>
#include <guestmem/threads.h>
#include <string.h>

#include "conformance.h"

enum { PIECES = 16 };

static uint8_t bytes[9 * 1024 * 1024];

static void make_ram(vm_t *vm, uintptr_t start, size_t size)
{
    GM_CHECK_EQ(vm_ram_register_at(vm, start, size, false), 0);
}

static void set_views(vm_t *vm, enum guestmem_views views, size_t bytes_max)
{
    struct guestmem_policy policy;

    GM_CHECK_EQ(guestmem_get_policy(vm, &policy), GUESTMEM_OK);
    policy.views = views;
    policy.view_bytes_max = bytes_max;
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
}

/* That a call refuses with this error, says so, and changes nothing. */
#define REFUSES(env, vm, expected, call)                           \
    CHANGES_NOTHING(env, {                                         \
        GM_CHECK_EQ(call, expected);                               \
        GM_CHECK_EQ(guestmem_last_failure(vm)->error, (expected)); \
    })

/* ------------------------------------------------------------------------------------ pointers */

static void a_span_is_the_guests_memory(struct gm_env *env, vm_t *vm)
{
    struct guestmem_span span;

    make_ram(vm, BASE + 0x10, 4 * GM_MIB);
    for (unsigned seen = 0; seen < 2; seen++) {
        GM_CHECK_EQ(guestmem_ram_span(vm, BASE + GM_MIB + 5, 100, &span), GUESTMEM_OK);
        GM_CHECK_EQ(span.size, 100);
        GM_CHECK(guestmem_span_is_valid(vm, &span));
        GM_CHECK_EQ(span.generation, guestmem_generation(vm));
        memcpy(span.address, "vmm says", 8);
        if (gm_test_guest_write(env, vm, BASE + GM_MIB + 9, "SAYS", 4)) {
            GM_CHECK_BYTES(span.address, "vmm SAYS", 8);
        }
    }
}

/* Spans one after the other make up the range, whatever pieces the VMM sees it in. */
static void spans_make_up_a_range(struct gm_env *env, vm_t *vm)
{
    const size_t size = 6 * GM_MIB + 2 * GM_PAGE;
    size_t count = 0;

    (void)env;
    make_ram(vm, BASE - GM_PAGE, 3 * GM_MIB + GM_PAGE);
    make_ram(vm, BASE + 3 * GM_MIB, 3 * GM_MIB + GM_PAGE);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 7 + (i >> 12));
    }
    GM_CHECK_EQ(guestmem_ram_write(vm, BASE - GM_PAGE, bytes, size), GUESTMEM_OK);
    for (size_t done = 0; done < size; count++) {
        struct guestmem_span span;

        GM_CHECK_EQ(guestmem_ram_span(vm, BASE - GM_PAGE + done, size - done, &span), GUESTMEM_OK);
        GM_CHECK(span.size > 0 && span.size <= size - done);
        GM_CHECK_BYTES(span.address, bytes + done, span.size);
        done += span.size;
    }
    GM_CHECK(count <= 6);
}

static void a_span_ends_with_what_backs_it(struct gm_env *env, vm_t *vm)
{
    struct guestmem_span span;
    struct guestmem_span none = {.address = NULL, .generation = guestmem_generation(vm)};

    (void)env;
    make_ram(vm, BASE, 4 * GM_PAGE);
    make_ram(vm, BASE + GM_MIB, 4 * GM_PAGE);
    GM_CHECK_EQ(guestmem_ram_span(vm, BASE, GM_PAGE, &span), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_fill(vm, BASE + GM_MIB, 1, GM_PAGE), GUESTMEM_OK);
    reserve(vm, BASE + 2 * GM_MIB, GM_PAGE);
    GM_CHECK(guestmem_span_is_valid(vm, &span));
    GM_CHECK_EQ(guestmem_ram_discard(vm, BASE, 4 * GM_PAGE), GUESTMEM_OK);
    GM_CHECK(!guestmem_span_is_valid(vm, &span));
    GM_CHECK(!guestmem_span_is_valid(vm, NULL));
    GM_CHECK(!guestmem_span_is_valid(NULL, &span));
    GM_CHECK(!guestmem_span_is_valid(vm, &none));
}

static void a_span_of_what_is_not_there_is_refused(struct gm_env *env, vm_t *vm)
{
    struct guestmem_span span = {.size = 42};

    make_ram(vm, BASE, GM_PAGE);
    for (unsigned seen = 0; seen < 2; seen++) {
        REFUSES(env, vm, GUESTMEM_EUNMAPPED, guestmem_ram_span(vm, BASE + GM_PAGE, 1, &span));
        REFUSES(env, vm, GUESTMEM_EUNMAPPED, guestmem_ram_span(vm, BASE, GM_PAGE + 1, &span));
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_span(vm, BASE, 0, &span));
        REFUSES(env, vm, GUESTMEM_ERANGE, guestmem_ram_span(vm, BASE, SIZE_MAX, &span));
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_span(vm, BASE, 1, NULL));
        GM_CHECK_EQ(span.size, 42);
        GM_CHECK_EQ(guestmem_ram_read(vm, BASE, bytes, GM_PAGE), GUESTMEM_OK);
    }
    GM_CHECK_EQ(guestmem_ram_span(NULL, BASE, 1, &span), GUESTMEM_EINVAL);
}

/* -------------------------------------------------------------------------------- buffer lists */

static void buffers_become_pieces_in_order(struct gm_env *env, vm_t *vm)
{
    const struct guestmem_buffer buffers[] = {
        {BASE + 3 * GM_MIB - 7, 20}, {BASE, 16}, {BASE + 16, 100}, {BASE, 16}};
    struct guestmem_iovec pieces[PIECES];
    size_t count = 0;

    (void)env;
    make_ram(vm, BASE, 3 * GM_MIB);
    make_ram(vm, BASE + 3 * GM_MIB, GM_PAGE);
    for (unsigned seen = 0; seen < 2; seen++) {
        size_t at = 0;

        for (size_t i = 0; i < 200; i++) {
            bytes[i] = (uint8_t)(i + seen);
        }
        GM_CHECK_EQ(guestmem_ram_iovec(vm, buffers, 4, pieces, PIECES, &count), GUESTMEM_OK);
        GM_CHECK(count >= 4 && count <= 5);
        for (size_t i = 0; i < count; i++) {
            memcpy(pieces[i].iov_base, bytes + at, pieces[i].iov_len);
            at += pieces[i].iov_len;
        }
        GM_CHECK_EQ(at, 152);
        GM_CHECK_EQ(guestmem_ram_read(vm, BASE + 3 * GM_MIB - 7, bytes + 1000, 20), GUESTMEM_OK);
        GM_CHECK_BYTES(bytes + 1000, bytes, 20);
        GM_CHECK_EQ(guestmem_ram_read(vm, BASE, bytes + 1000, 116), GUESTMEM_OK);
        GM_CHECK_BYTES(bytes + 1000, bytes + 136, 16); /* the last buffer is the second once more */
        GM_CHECK_BYTES(bytes + 1016, bytes + 36, 100);
    }
}

static void pieces_never_exceed_their_list(struct gm_env *env, vm_t *vm)
{
    const struct guestmem_buffer buffers[] = {{BASE, 16}, {BASE + 64, 16}, {BASE + 128, 16}};
    struct guestmem_iovec pieces[4];
    size_t count = 7;

    memset(pieces, 0x6b, sizeof(pieces));
    make_ram(vm, BASE, GM_PAGE);
    for (unsigned seen = 0; seen < 2; seen++) {
        REFUSES(env, vm, GUESTMEM_ENOMEM, guestmem_ram_iovec(vm, buffers, 3, pieces, 2, &count));
        REFUSES(env, vm, GUESTMEM_ENOMEM, guestmem_ram_iovec(vm, buffers, 3, pieces, 0, &count));
        GM_CHECK_EQ(count, 7);
        GM_CHECK_FILLED(&pieces[2], 0x6b, 2 * sizeof(pieces[0]));
        GM_CHECK_EQ(guestmem_ram_fill(vm, BASE, 0, GM_PAGE), GUESTMEM_OK);
    }
    GM_CHECK_EQ(guestmem_ram_iovec(vm, buffers, 3, pieces, 3, &count), GUESTMEM_OK);
    GM_CHECK_EQ(count, 3);
    GM_CHECK_FILLED(&pieces[3], 0x6b, sizeof(pieces[0]));
}

static void lists_are_of_ram_only(struct gm_env *env, vm_t *vm)
{
    struct guestmem_buffer buffers[] = {{BASE, 16}, {BASE + 64, 16}};
    struct guestmem_iovec pieces[PIECES];
    size_t count = 7;

    make_ram(vm, BASE, GM_PAGE);
    GM_CHECK_NOT_NULL(create_allocated_reservation_frame(vm, BASE + GM_PAGE, seL4_AllRights,
                                                         default_error_fault_callback, NULL));
    reserve(vm, BASE + 2 * GM_PAGE, GM_PAGE);
    GM_CHECK_EQ(guestmem_ram_fill(vm, BASE + GM_PAGE, 0, GM_PAGE), GUESTMEM_OK);
    for (unsigned seen = 0; seen < 2; seen++) {
        static const uintptr_t bad[] = {GM_PAGE, GM_PAGE - 1, 2 * GM_PAGE, 3 * GM_PAGE};

        for (size_t i = 0; i < 4; i++) {
            buffers[1].base = BASE + bad[i];
            REFUSES(env, vm, GUESTMEM_EUNMAPPED,
                    guestmem_ram_iovec(vm, buffers, 2, pieces, PIECES, &count));
            GM_CHECK_EQ(guestmem_last_failure(vm)->base, BASE + bad[i]);
            GM_CHECK_EQ(guestmem_last_failure(vm)->size, 16);
        }
        buffers[1] = (struct guestmem_buffer){BASE, 0};
        REFUSES(env, vm, GUESTMEM_EINVAL,
                guestmem_ram_iovec(vm, buffers, 2, pieces, PIECES, &count));
        buffers[1] = (struct guestmem_buffer){UINTPTR_MAX - 3, 16};
        REFUSES(env, vm, GUESTMEM_ERANGE,
                guestmem_ram_iovec(vm, buffers, 2, pieces, PIECES, &count));
        buffers[1] = (struct guestmem_buffer){BASE, 16};
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_iovec(vm, NULL, 2, pieces, 2, &count));
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_iovec(vm, buffers, 0, pieces, 2, &count));
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_iovec(vm, buffers, 2, NULL, 2, &count));
        REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_ram_iovec(vm, buffers, 2, pieces, 2, NULL));
        GM_CHECK_EQ(count, 7);
        GM_CHECK_EQ(guestmem_ram_fill(vm, BASE, 0, GM_PAGE), GUESTMEM_OK);
    }
    GM_CHECK_EQ(guestmem_ram_iovec(NULL, buffers, 2, pieces, 2, &count), GUESTMEM_EINVAL);
}

/* Lazy RAM of the first buffers goes back if a later one is bad. */
static void a_list_populates_all_or_nothing(struct gm_env *env, vm_t *vm)
{
    struct guestmem_buffer buffers[] = {
        {BASE, 16}, {BASE + 5 * GM_PAGE, GM_PAGE}, {BASE, 16}, {BASE + 64 * GM_PAGE, 1}};
    struct guestmem_iovec pieces[PIECES];
    struct guestmem_policy policy;
    struct guestmem_stats stats;
    size_t count;

    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.frame_bits_max = GM_BITS_4K;
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
    make_ram(vm, BASE, 64 * GM_PAGE);
    REFUSES(env, vm, GUESTMEM_EUNMAPPED,
            guestmem_ram_iovec(vm, buffers, 4, pieces, PIECES, &count));
    REFUSES(env, vm, GUESTMEM_ENOMEM, guestmem_ram_iovec(vm, buffers, 3, pieces, 2, &count));
    GM_CHECK_EQ(guestmem_ram_iovec(vm, buffers, 3, pieces, PIECES, &count), GUESTMEM_OK);
    GM_CHECK_EQ(count, 3);
    GM_CHECK_EQ(pieces[0].iov_base, pieces[2].iov_base);
    GM_CHECK_EQ(guestmem_get_stats(vm, &stats), GUESTMEM_OK);
    GM_CHECK_EQ(stats.frames[0], 2);
}

/* --------------------------------------------------------------------------- what is kept of views
 */

/* Write and read all of 8 MiB, and words here and there, and check what comes of it. */
static void check_all_works(struct gm_env *env, vm_t *vm)
{
    const size_t size = 8 * GM_MIB;

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 11 + (i >> 10));
    }
    GM_CHECK_EQ(guestmem_ram_write(vm, BASE, bytes, size), GUESTMEM_OK);
    for (size_t i = 0; i < 64; i++) {
        uintptr_t at = (i * 0x1f3f40) % size & ~(uintptr_t)7;
        uint64_t word;

        GM_CHECK_EQ(guestmem_ram_load(vm, BASE + at, 8, &word), GUESTMEM_OK);
        GM_CHECK_EQ(memcmp(&word, bytes + at, 8), 0);
    }
    GM_CHECK_EQ(guestmem_ram_copy(vm, BASE + 3 * GM_MIB + 1, BASE + 2 * GM_MIB, 4 * GM_MIB),
                GUESTMEM_OK);
    memmove(bytes + 3 * GM_MIB + 1, bytes + 2 * GM_MIB, 4 * GM_MIB);
    GM_CHECK_EQ(guestmem_ram_copy(vm, BASE + GM_MIB, BASE + 3 * GM_MIB, 4 * GM_MIB), GUESTMEM_OK);
    memmove(bytes + GM_MIB, bytes + 3 * GM_MIB, 4 * GM_MIB);
    for (size_t at = 0; at < size; at += GM_MIB) {
        static uint8_t back[GM_MIB];

        GM_CHECK_EQ(guestmem_ram_read(vm, BASE + at, back, GM_MIB), GUESTMEM_OK);
        GM_CHECK_BYTES(back, bytes + at, GM_MIB);
        if (gm_test_guest_read(env, vm, BASE + at, back, GM_MIB)) {
            GM_CHECK_BYTES(back, bytes + at, GM_MIB);
        }
    }
}

static uint64_t view_bytes(vm_t *vm)
{
    struct guestmem_stats stats;

    GM_CHECK_EQ(guestmem_get_stats(vm, &stats), GUESTMEM_OK);
    return stats.alias_frames[0] * GM_PAGE + stats.alias_frames[1] * 2 * GM_MIB;
}

static void a_window_bounds_the_views(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE, 8 * GM_MIB);
    set_views(vm, GUESTMEM_VIEWS_WINDOW, 4 * GM_MIB);
    check_all_works(env, vm);
    GM_CHECK_EQ(view_bytes(vm), 4 * GM_MIB);
    set_views(vm, GUESTMEM_VIEWS_WINDOW, 6 * GM_MIB);
    GM_CHECK_EQ(view_bytes(vm), 0);
    check_all_works(env, vm);
    GM_CHECK_EQ(view_bytes(vm), 6 * GM_MIB);
}

static void a_window_bounds_views_of_small_frames(struct gm_env *env, vm_t *vm)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.frame_bits_max = GM_BITS_4K;
    GM_CHECK_EQ(guestmem_set_policy(vm, &policy), GUESTMEM_OK);
    make_ram(vm, BASE, 8 * GM_MIB);
    set_views(vm, GUESTMEM_VIEWS_WINDOW, 4 * GM_MIB);
    check_all_works(env, vm);
    GM_CHECK(view_bytes(vm) > 0 && view_bytes(vm) <= 4 * GM_MIB);
}

/* Where the VMM sees an address now; NULL: nowhere. */
struct seen {
    uintptr_t gpa;
    void *at;
};

static int note_view(const struct guestmem_map_entry *entry, void *cookie)
{
    struct seen *seen = cookie;

    if (entry->base == seen->gpa) {
        seen->at = entry->vmm_addr;
    }
    return 0;
}

static bool is_seen(vm_t *vm, uintptr_t gpa)
{
    struct seen seen = {.gpa = gpa};

    GM_CHECK_EQ(guestmem_walk(vm, note_view, &seen), 0);
    return seen.at != NULL;
}

static void the_least_recently_used_view_goes(struct gm_env *env, vm_t *vm)
{
    uint64_t word;

    (void)env;
    for (uintptr_t i = 0; i < 4; i++) {
        make_ram(vm, BASE + i * 2 * GM_MIB, 2 * GM_MIB);
    }
    set_views(vm, GUESTMEM_VIEWS_WINDOW, 6 * GM_MIB);
    GM_CHECK_EQ(guestmem_ram_load(vm, BASE, 4, &word), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_load(vm, BASE + 2 * GM_MIB, 4, &word), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_load(vm, BASE + 4 * GM_MIB, 4, &word), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_load(vm, BASE, 4, &word), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_load(vm, BASE + 6 * GM_MIB, 4, &word), GUESTMEM_OK);
    GM_CHECK(is_seen(vm, BASE) && !is_seen(vm, BASE + 2 * GM_MIB) &&
             is_seen(vm, BASE + 4 * GM_MIB) && is_seen(vm, BASE + 6 * GM_MIB));
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE + 4 * GM_MIB, bytes, 1), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE + 2 * GM_MIB, bytes, 1), GUESTMEM_OK);
    GM_CHECK(!is_seen(vm, BASE) && is_seen(vm, BASE + 6 * GM_MIB));
}

static void a_view_in_the_window_takes_nothing_more(struct gm_env *env, vm_t *vm)
{
    struct gm_env_counts before;
    struct gm_env_counts after;

    make_ram(vm, BASE, 8 * GM_MIB);
    set_views(vm, GUESTMEM_VIEWS_WINDOW, 4 * GM_MIB);
    GM_CHECK_EQ(guestmem_ram_fill(vm, BASE + GM_MIB, 3, 2 * GM_MIB), GUESTMEM_OK);
    gm_env_count(env, &before);
    for (size_t i = 0; i < 100; i++) {
        GM_CHECK_EQ(guestmem_ram_store(vm, BASE + i % 2 * 2 * GM_MIB, 4, i), GUESTMEM_OK);
    }
    gm_env_count(env, &after);
    if (!before.complete) {
        gm_test_unchecked("invocations can't be counted here");
    }
    GM_CHECK_EQ(after.invocations, before.invocations);
    GM_CHECK_EQ(after.slots, before.slots);
}

static void a_list_is_seen_at_once_or_refused(struct gm_env *env, vm_t *vm)
{
    const struct guestmem_buffer buffers[] = {
        {BASE, 16}, {BASE + 2 * GM_MIB, 16}, {BASE + 4 * GM_MIB, 16}};
    struct guestmem_iovec pieces[PIECES];
    size_t count;

    (void)env;
    make_ram(vm, BASE, 8 * GM_MIB);
    GM_CHECK_EQ(guestmem_ram_fill(vm, BASE, 0x21, 8 * GM_MIB), GUESTMEM_OK);
    set_views(vm, GUESTMEM_VIEWS_WINDOW, 4 * GM_MIB);
    GM_CHECK_EQ(guestmem_ram_iovec(vm, buffers, 3, pieces, PIECES, &count), GUESTMEM_EVMM);
    GM_CHECK_EQ(guestmem_last_failure(vm)->base, BASE + 4 * GM_MIB);
    GM_CHECK_EQ(guestmem_ram_iovec(vm, buffers, 2, pieces, PIECES, &count), GUESTMEM_OK);
    GM_CHECK_EQ(count, 2);
    GM_CHECK_FILLED(pieces[0].iov_base, 0x21, 16);
    GM_CHECK_FILLED(pieces[1].iov_base, 0x21, 16);
    /* what the list held doesn't stay for ever */
    GM_CHECK_EQ(guestmem_ram_fill(vm, BASE + 4 * GM_MIB, 0x22, 4 * GM_MIB), GUESTMEM_OK);
    GM_CHECK_EQ(view_bytes(vm), 4 * GM_MIB);
}

static void no_view_stays_behind_a_call(struct gm_env *env, vm_t *vm)
{
    const struct guestmem_buffer buffer = {BASE, 16};
    struct guestmem_iovec piece;
    struct guestmem_span span;
    size_t count;
    char *page;

    make_ram(vm, BASE, 8 * GM_MIB);
    page = create_allocated_reservation_frame(vm, BASE + GM_GIB, seL4_AllRights,
                                              default_error_fault_callback, NULL);
    GM_CHECK_NOT_NULL(page);
    set_views(vm, GUESTMEM_VIEWS_NONE, 0);
    check_all_works(env, vm);
    GM_CHECK_EQ(view_bytes(vm), GM_PAGE);
    REFUSES(env, vm, GUESTMEM_ENOSUP, guestmem_ram_span(vm, BASE, 16, &span));
    REFUSES(env, vm, GUESTMEM_ENOSUP, guestmem_ram_iovec(vm, &buffer, 1, &piece, 1, &count));
    /* the pages of create_* stay */
    page[7] = 0x77;
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE + GM_GIB + 7, bytes, 1), GUESTMEM_OK);
    GM_CHECK_EQ(bytes[0], 0x77);
    set_views(vm, GUESTMEM_VIEWS_KEPT, 0);
    check_all_works(env, vm);
    GM_CHECK_EQ(view_bytes(vm), 8 * GM_MIB + GM_PAGE);
}

/* A callback that uses other memory than the piece that it was called with. */
static int use_others(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset,
                      void *cookie)
{
    (void)cookie;
    (void)offset;
    for (uintptr_t i = 0; i < 4; i++) {
        GM_CHECK_EQ(guestmem_ram_store(vm, BASE + 8 * GM_MIB + i * 2 * GM_MIB, 8, addr),
                    GUESTMEM_OK);
    }
    memset(vaddr, (int)(addr >> 12), size);
    return 0;
}

static void a_piece_stays_while_its_callback_runs(struct gm_env *env, vm_t *vm)
{
    static const enum guestmem_views views[] = {GUESTMEM_VIEWS_WINDOW, GUESTMEM_VIEWS_NONE};

    make_ram(vm, BASE, 16 * GM_MIB);
    for (size_t i = 0; i < 2; i++) {
        set_views(vm, views[i], 4 * GM_MIB);
        GM_CHECK_EQ(vm_ram_touch(vm, BASE + GM_MIB, 3 * GM_MIB, use_others, NULL), 0);
        for (uintptr_t at = BASE + GM_MIB; at < BASE + 4 * GM_MIB; at += 64 * GM_PAGE) {
            GM_CHECK_EQ(guestmem_ram_read(vm, at, bytes, GM_PAGE), GUESTMEM_OK);
            GM_CHECK_FILLED(bytes, (uint8_t)(at >> 12), GM_PAGE);
        }
        GM_CHECK(view_bytes(vm) <= 4 * GM_MIB);
        GM_CHECK_EQ(guestmem_ram_fill(vm, BASE, 0, 8 * GM_MIB), GUESTMEM_OK);
    }
    (void)env;
}

static int use_none(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset, void *cookie)
{
    (void)vm, (void)addr, (void)vaddr, (void)size, (void)offset, (void)cookie;
    return 0;
}

/* What making views for a touch took belongs to the touch: no later call that fails gives it back. */
static void what_a_touch_took_is_settled_with_it(struct gm_env *env, vm_t *vm)
{
    static const enum guestmem_views views[] = {GUESTMEM_VIEWS_WINDOW, GUESTMEM_VIEWS_NONE};

    make_ram(vm, BASE, 16 * GM_MIB);
    for (size_t i = 0; i < 2; i++) {
        set_views(vm, views[i], 64 * GM_MIB);
        for (uintptr_t at = BASE; at < BASE + 16 * GM_MIB; at += 2 * GM_MIB) {
            GM_CHECK_EQ(vm_ram_touch(vm, at, GM_PAGE, use_none, NULL), 0);
            CHANGES_NOTHING(
                env, { GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 16 * GM_MIB, false), -1); });
        }
    }
}

/* A callback that changes what is kept of views, which its own may not survive. */
static int change_policy(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset,
                         void *cookie)
{
    struct guestmem_policy policy;

    (void)addr;
    (void)vaddr;
    (void)size;
    (void)offset;
    GM_CHECK_EQ(guestmem_get_policy(vm, &policy), GUESTMEM_OK);
    policy.views = GUESTMEM_VIEWS_NONE;
    *(int *)cookie = guestmem_set_policy(vm, &policy);
    return 0;
}

static void views_are_not_given_back_under_a_callback(struct gm_env *env, vm_t *vm)
{
    struct guestmem_policy policy;
    int error = 0;

    (void)env;
    make_ram(vm, BASE, GM_PAGE);
    set_views(vm, GUESTMEM_VIEWS_WINDOW, 4 * GM_MIB);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE, 1, change_policy, &error), 0);
    GM_CHECK_EQ(error, GUESTMEM_EBUSY);
    GM_CHECK_EQ(guestmem_get_policy(vm, &policy), GUESTMEM_OK);
    GM_CHECK_EQ(policy.views, GUESTMEM_VIEWS_WINDOW);
    GM_CHECK_EQ(policy.view_bytes_max, 4 * GM_MIB);
}

static void policies_that_make_no_sense_are_refused(struct gm_env *env, vm_t *vm)
{
    struct guestmem_policy policy;

    make_ram(vm, BASE, 2 * GM_MIB);
    GM_CHECK_EQ(guestmem_ram_read(vm, BASE, bytes, 1), GUESTMEM_OK);
    guestmem_policy_default(&policy);
    GM_CHECK_EQ(policy.views, GUESTMEM_VIEWS_KEPT);
    policy.views = (enum guestmem_views)(GUESTMEM_VIEWS_NONE + 1);
    REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_set_policy(vm, &policy));
    policy.views = GUESTMEM_VIEWS_WINDOW;
    REFUSES(env, vm, GUESTMEM_EINVAL, guestmem_set_policy(vm, &policy));
    GM_CHECK(is_seen(vm, BASE));
    /* the smallest holds the two views that a copy takes */
    set_views(vm, GUESTMEM_VIEWS_WINDOW, 1);
    GM_CHECK(!is_seen(vm, BASE));
    make_ram(vm, BASE + 2 * GM_MIB, 6 * GM_MIB);
    check_all_works(env, vm);
}

static void memory_in_the_window_can_go(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE, 8 * GM_MIB);
    make_ram(vm, BASE + 8 * GM_MIB, 8 * GM_MIB);
    set_views(vm, GUESTMEM_VIEWS_WINDOW, 6 * GM_MIB);
    GM_CHECK_EQ(guestmem_ram_fill(vm, BASE + 7 * GM_MIB, 1, 4 * GM_MIB), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_ram_discard(vm, BASE + 6 * GM_MIB, 2 * GM_MIB), GUESTMEM_OK);
    GM_CHECK_EQ(view_bytes(vm), 4 * GM_MIB);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, guestmem_reservation_at(vm, BASE + 8 * GM_MIB)), 0);
    GM_CHECK_EQ(view_bytes(vm), 0);
    check_all_works(env, vm);
}

static const struct gm_case cases[] = {
    GM_CASE(a_span_is_the_guests_memory),
    GM_CASE(spans_make_up_a_range),
    GM_CASE(a_span_ends_with_what_backs_it),
    GM_CASE(a_span_of_what_is_not_there_is_refused),
    GM_CASE(buffers_become_pieces_in_order),
    GM_CASE(pieces_never_exceed_their_list),
    GM_CASE(lists_are_of_ram_only),
    GM_CASE(a_list_populates_all_or_nothing),
    GM_CASE(a_window_bounds_the_views),
    GM_CASE(a_window_bounds_views_of_small_frames),
    GM_CASE(the_least_recently_used_view_goes),
    GM_CASE(a_view_in_the_window_takes_nothing_more),
    GM_CASE(a_list_is_seen_at_once_or_refused),
    GM_CASE(no_view_stays_behind_a_call),
    GM_CASE(a_piece_stays_while_its_callback_runs),
    GM_CASE(what_a_touch_took_is_settled_with_it),
    GM_CASE(views_are_not_given_back_under_a_callback),
    GM_CASE(policies_that_make_no_sense_are_refused),
    GM_CASE(memory_in_the_window_can_go),
};

const struct gm_suite access_views_suite = GM_SUITE("access views", cases);

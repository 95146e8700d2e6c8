/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * D20 to D26: guest RAM.
 */
#include <string.h>

#include "defects.h"

/* Bytes that differ from page to page, and from their neighbours. */
static void make_pattern(uint8_t *to, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = (uint8_t)(i * 7 + i / GM_PAGE * 13 + seed);
    }
}

/* With the defect each page gets the first page's bytes. */
static void D20_copies_over_page_boundaries_are_whole(struct gm_env *env, vm_t *vm)
{
    const uintptr_t at = BASE + 0x1234;
    static uint8_t out[4 * GM_PAGE];
    static uint8_t in[4 * GM_PAGE];

    make_pattern(out, sizeof(out), 1);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 8 * GM_PAGE, false), 0);
    GM_CHECK_EQ(vm_ram_touch(vm, at, sizeof(out), vm_guest_ram_write_callback, out), 0);
    memset(in, 0, sizeof(in));
    if (gm_test_guest_read(env, vm, at, in, sizeof(in))) {
        GM_CHECK_BYTES(in, out, sizeof(in));
    }
    memset(in, 0, sizeof(in));
    GM_CHECK_EQ(vm_ram_touch(vm, at, sizeof(in), vm_guest_ram_read_callback, in), 0);
    GM_CHECK_BYTES(in, out, sizeof(in));
}

/* With the defect the touch fails, and each try loses a slot. */
static void D21_ram_of_large_frames_can_be_touched_anywhere(struct gm_env *env, vm_t *vm)
{
    uint8_t out[64];
    uint8_t in[64];

    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 4 * GM_MIB, false), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 2 * GM_MIB - 32, 64, vm_guest_ram_read_callback, in), 0);
    CHANGES_NOTHING(env, for (unsigned i = 0; i < 200; i++) {
        uintptr_t at = BASE + (i * 0x5a5b7u) % (4 * GM_MIB - sizeof(out));

        make_pattern(out, sizeof(out), i);
        GM_CHECK_EQ(vm_ram_touch(vm, at, sizeof(out), vm_guest_ram_write_callback, out), 0);
        GM_CHECK_EQ(vm_ram_touch(vm, at, sizeof(in), vm_guest_ram_read_callback, in), 0);
        GM_CHECK_BYTES(in, out, sizeof(in));
    });
}

struct pieces {
    size_t count;
    size_t bytes;
};

static int note_piece(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset, void *cookie)
{
    struct pieces *pieces = cookie;

    (void)vm;
    (void)addr;
    GM_CHECK_NOT_NULL(vaddr);
    GM_CHECK_EQ(offset, pieces->bytes);
    pieces->count++;
    pieces->bytes += size;
    return 0;
}

/* With the defect a range that wraps answers 0, though nothing was touched. */
static void D22_a_touch_outside_ram_fails_and_calls_nothing(struct gm_env *env, vm_t *vm)
{
    const struct {
        uintptr_t base;
        size_t size;
    } bad[] = {
        {BASE, SIZE_MAX}, {BASE, SIZE_MAX - BASE + 2}, {BASE, 0},          {UINTPTR_MAX, 2},
        {BASE - 1, 2},    {BASE + GM_MIB - 1, 2},      {BASE, GM_MIB + 1}, {BASE + 2 * GM_MIB, 1},
    };
    struct pieces pieces = {0};

    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_MIB, false), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHANGES_NOTHING(env, GM_CHECK_EQ(vm_ram_touch(vm, bad[i].base, bad[i].size, note_piece, &pieces), -1));
    }
    GM_CHECK_EQ(pieces.count, 0);
}

/* With the defect it answers -1. */
static void D22_a_touch_goes_over_the_border_of_allocated_ram(struct gm_env *env, vm_t *vm)
{
    struct pieces pieces = {0};

    (void)env;
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_MIB, false), 0);
    vm_ram_mark_allocated(vm, BASE + 0x4000, 0x8000);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 3);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 0x3ff0, 0x8020, note_piece, &pieces), 0);
    GM_CHECK_EQ(pieces.bytes, 0x8020);
}

/* With the defect the second allocation fails. */
static void D23_ram_that_was_freed_can_be_allocated_again(struct gm_env *env, vm_t *vm)
{
    uintptr_t first;
    uintptr_t second;

    (void)env;
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_MIB, false), 0);
    first = vm_ram_allocate(vm, GM_MIB / 2);
    second = vm_ram_allocate(vm, GM_MIB / 2);
    GM_CHECK_EQ(first, BASE);
    GM_CHECK_EQ(second, BASE + GM_MIB / 2);
    GM_CHECK_EQ(vm_ram_allocate(vm, 1), 0);
    vm_ram_free(vm, first + 0x1000, 0x2000);
    GM_CHECK_EQ(vm_ram_allocate(vm, 0x2001), 0);
    GM_CHECK_EQ(vm_ram_allocate(vm, 0x2000), first + 0x1000);
    vm_ram_free(vm, first, GM_MIB);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 1);
    GM_CHECK_EQ(vm_ram_allocate(vm, GM_MIB), BASE);
}

/* With the defect the range stays taken, or registered, after the failure. */
static void D24_a_failed_registration_leaves_its_range_free(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights, .fail_at = 3};

    if (gm_env_fail_kinds(env) & GM_FAIL_OBJECT) {
        struct gm_env_snapshot *before = gm_env_snapshot(env);

        gm_env_fail(env, GM_FAIL_OBJECT, 1, true);
        GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_MIB, false), -1);
        gm_env_fail(env, 0, 0, false);
        gm_env_check_same(env, before);
        CHECK_FAILURE(vm, GUESTMEM_ENOFRAME, "vm_ram_register_at");
    }
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_ram_register_at(vm, BASE, 512 * GM_MIB, false), -1));
    GM_CHECK_EQ(vm->mem.num_ram_regions, 0);
    GM_CHECK_EQ(vm_ram_register_at_custom_iterator(vm, BASE, GM_MIB, gm_giver_next, &giver), -1);
    CHECK_FAILURE(vm, GUESTMEM_EFRAME, "vm_ram_register_at_custom_iterator");
    GM_CHECK_EQ(vm->mem.num_ram_regions, 0);
    GM_CHECK_EQ(vm_free_reserved_memory(vm, reserve(vm, BASE, GM_MIB)), 0);
    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_MIB, false), 0);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 1);
}

/* With the defect a failed growth of the array loses all regions. */
static void D25_ram_regions_survive_a_registration_that_fails(struct gm_env *env, vm_t *vm)
{
    if ((gm_env_fail_kinds(env) & GM_FAIL_MALLOC) == 0) {
        GM_SKIP("the library's mallocs can't be made to fail here");
    }
    for (unsigned i = 0; i < 40; i++) {
        bool done = false;

        for (uint64_t k = 1; !done; k++) {
            gm_env_fail(env, GM_FAIL_MALLOC, k, true);
            done = vm_ram_register_at(vm, BASE + i * 2 * GM_PAGE, GM_PAGE, false) == 0;
            gm_env_fail(env, 0, 0, false);
            GM_CHECK_EQ(vm->mem.num_ram_regions, done ? i + 1 : i);
            for (unsigned r = 0; r < i; r++) {
                GM_CHECK_EQ(vm->mem.ram_regions[r].start, BASE + r * 2 * GM_PAGE);
                GM_CHECK_EQ(vm->mem.ram_regions[r].size, GM_PAGE);
            }
        }
    }
}

/* With the defect nobody hears of it. */
static void D26_marking_what_is_not_free_ram_is_an_error(struct gm_env *env, vm_t *vm)
{
    const struct {
        uintptr_t base;
        size_t size;
        int error;
    } bad[] = {
        {BASE - 0x1000, 0x1000, GUESTMEM_EUNMAPPED}, {BASE - 0x1000, 0x2000, GUESTMEM_EUNMAPPED},
        {BASE + GM_MIB - 1, 2, GUESTMEM_EUNMAPPED},  {BASE + 0x4000, 0x1000, GUESTMEM_EUNMAPPED},
        {BASE + 0x3000, 0x2000, GUESTMEM_EUNMAPPED}, {BASE, 0, GUESTMEM_EINVAL},
        {BASE, SIZE_MAX, GUESTMEM_ERANGE},
    };

    GM_CHECK_EQ(vm_ram_register_at(vm, BASE, GM_MIB, false), 0);
    vm_ram_mark_allocated(vm, BASE + 0x4000, 0x1000);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHANGES_NOTHING(env, vm_ram_mark_allocated(vm, bad[i].base, bad[i].size));
        CHECK_FAILURE(vm, bad[i].error, "vm_ram_mark_allocated");
        GM_CHECK_EQ(guestmem_ram_mark(vm, bad[i].base, bad[i].size, true), bad[i].error);
        CHECK_FAILURE(vm, bad[i].error, "guestmem_ram_mark");
        GM_CHECK_EQ(vm->mem.num_ram_regions, 3);
    }
    CHANGES_NOTHING(env, vm_ram_free(vm, BASE, 0x1000));
    CHECK_FAILURE(vm, GUESTMEM_EUNMAPPED, "vm_ram_free");
    GM_CHECK_EQ(guestmem_ram_mark(vm, BASE, 0x4000, true), GUESTMEM_OK);
}

static const struct gm_case cases[] = {
    GM_CASE(D20_copies_over_page_boundaries_are_whole),
    GM_CASE(D21_ram_of_large_frames_can_be_touched_anywhere),
    GM_CASE(D22_a_touch_outside_ram_fails_and_calls_nothing),
    GM_CASE(D22_a_touch_goes_over_the_border_of_allocated_ram),
    GM_CASE(D23_ram_that_was_freed_can_be_allocated_again),
    GM_CASE(D24_a_failed_registration_leaves_its_range_free),
    GM_CASE(D25_ram_regions_survive_a_registration_that_fails),
    GM_CASE(D26_marking_what_is_not_free_ram_is_an_error),
};
const struct gm_suite ram_defects = GM_SUITE("ram", cases);

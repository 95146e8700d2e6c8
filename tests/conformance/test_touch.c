/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * vm_ram_touch(), vm_guest_ram_read_callback(), vm_guest_ram_write_callback().
 */
#include <string.h>

#include "conformance.h"

enum { NOTED = 40 };

/* What a touch called back with, piece by piece. */
struct pieces {
    size_t count;
    size_t stop_at; /* the call, from 1, that answers `answer`; 0: none */
    int answer;
    vm_t *vm;
    struct {
        uintptr_t addr;
        uint8_t *vaddr;
        size_t size;
        size_t offset;
    } piece[NOTED];
};

static int note_piece(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset,
                      void *cookie)
{
    struct pieces *pieces = cookie;

    if (pieces->count < NOTED) {
        pieces->piece[pieces->count].addr = addr;
        pieces->piece[pieces->count].vaddr = vaddr;
        pieces->piece[pieces->count].size = size;
        pieces->piece[pieces->count].offset = offset;
    }
    pieces->vm = vm;
    pieces->count++;
    return pieces->count == pieces->stop_at ? pieces->answer : 0;
}

static void make_ram(vm_t *vm, uintptr_t start, size_t size)
{
    GM_CHECK_EQ(vm_ram_register_at(vm, start, size, false), 0);
}

static void fill(uint8_t *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 31 + (i >> 8) + seed);
    }
}

/* Write by touch, and check that guest and a second touch read the same. */
static void check_write_and_read(struct gm_env *env, vm_t *vm, uintptr_t addr, size_t size)
{
    static uint8_t out[6 * 1024 * 1024];
    static uint8_t back[6 * 1024 * 1024];

    GM_CHECK(size <= sizeof(out));
    fill(out, size, (unsigned)addr);
    GM_CHECK_EQ(vm_ram_touch(vm, addr, size, vm_guest_ram_write_callback, out), 0);
    memset(back, 0, size);
    GM_CHECK_EQ(vm_ram_touch(vm, addr, size, vm_guest_ram_read_callback, back), 0);
    GM_CHECK_BYTES(back, out, size);
    memset(back, 0, size);
    if (gm_test_guest_read(env, vm, addr, back, size)) {
        GM_CHECK_BYTES(back, out, size);
    }
}

static void pieces_ascend_and_never_cross_a_page(struct gm_env *env, vm_t *vm)
{
    struct pieces pieces = {0};

    (void)env;
    make_ram(vm, BASE, 2 * GM_MIB);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 0xff0, 0x2020, note_piece, &pieces), 0);
    GM_CHECK_EQ(pieces.count, 4);
    GM_CHECK(pieces.vm == vm);
    for (unsigned i = 0; i < 4; i++) {
        static const size_t offsets[] = {0, 0x10, 0x1010, 0x2010};
        static const size_t sizes[] = {0x10, 0x1000, 0x1000, 0x10};

        GM_CHECK_EQ(pieces.piece[i].offset, offsets[i]);
        GM_CHECK_EQ(pieces.piece[i].size, sizes[i]);
        GM_CHECK_EQ(pieces.piece[i].addr, BASE + 0xff0 + offsets[i]);
        GM_CHECK_EQ((uintptr_t)pieces.piece[i].vaddr % GM_PAGE, pieces.piece[i].addr % GM_PAGE);
    }
}

static void one_byte_is_one_piece(struct gm_env *env, vm_t *vm)
{
    struct pieces pieces = {0};

    (void)env;
    make_ram(vm, BASE, GM_PAGE);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 0xfff, 1, note_piece, &pieces), 0);
    GM_CHECK_EQ(pieces.count, 1);
    GM_CHECK_EQ(pieces.piece[0].addr, BASE + 0xfff);
    GM_CHECK_EQ(pieces.piece[0].size, 1);
    GM_CHECK_EQ(pieces.piece[0].offset, 0);
}

static void a_piece_is_the_guests_memory(struct gm_env *env, vm_t *vm)
{
    struct pieces pieces = {0};

    make_ram(vm, BASE, 4 * GM_MIB);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 3 * GM_MIB + 5, 8, note_piece, &pieces), 0);
    memcpy(pieces.piece[0].vaddr, "vmm says", 8);
    if (gm_test_guest_write(env, vm, BASE + 3 * GM_MIB + 9, "SAYS", 4)) {
        GM_CHECK_BYTES(pieces.piece[0].vaddr, "vmm SAYS", 8);
    }
}

static void what_is_written_is_read_by_the_guest_and_back(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE, 16 * GM_PAGE);
    check_write_and_read(env, vm, BASE, 16 * GM_PAGE);
    check_write_and_read(env, vm, BASE + 0x123, 3 * GM_PAGE + 0x456);
    check_write_and_read(env, vm, BASE + 16 * GM_PAGE - 1, 1);
}

static void a_copy_inside_and_across_large_frames_works(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE, 6 * GM_MIB);
    check_write_and_read(env, vm, BASE + 2 * GM_MIB - 3, 7);
    check_write_and_read(env, vm, BASE + GM_PAGE, GM_PAGE);
    check_write_and_read(env, vm, BASE, 6 * GM_MIB);
}

static void a_copy_across_mixed_frame_sizes_works(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE - GM_PAGE, 2 * GM_MIB + 2 * GM_PAGE);
    GM_CHECK_LEAF(env, vm, BASE - GM_PAGE, GM_BITS_4K, "rw", false);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_2M, "rw", false);
    check_write_and_read(env, vm, BASE - GM_PAGE, 2 * GM_MIB + 2 * GM_PAGE);
}

static void ram_that_starts_inside_a_page_can_be_touched(struct gm_env *env, vm_t *vm)
{
    struct pieces pieces = {0};

    make_ram(vm, 0x500, 3 * GM_PAGE);
    check_write_and_read(env, vm, 0x500, 3 * GM_PAGE);
    GM_CHECK_EQ(vm_ram_touch(vm, 0x500, 3 * GM_PAGE, note_piece, &pieces), 0);
    GM_CHECK_EQ(pieces.count, 4);
    GM_CHECK_EQ(pieces.piece[0].size, 0xb00);
    pieces.count = 0;
    CHANGES_NOTHING(env, GM_CHECK_EQ(vm_ram_touch(vm, 0x4ff, 2, note_piece, &pieces), -1));
    GM_CHECK_EQ(pieces.count, 0);
}

static void ram_at_both_ends_of_the_space_can_be_touched(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, 0, 2 * GM_PAGE);
    make_ram(vm, env->guest_end - 2 * GM_PAGE, 2 * GM_PAGE);
    check_write_and_read(env, vm, 0, 2 * GM_PAGE);
    check_write_and_read(env, vm, env->guest_end - 2 * GM_PAGE, 2 * GM_PAGE);
}

static void a_copy_over_two_registrations_works(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE, 2 * GM_PAGE);
    make_ram(vm, BASE + 2 * GM_PAGE, 2 * GM_MIB);
    check_write_and_read(env, vm, BASE + 0x800, 4 * GM_PAGE);
}

static void a_copy_over_allocated_and_free_ram_works(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE, 8 * GM_PAGE);
    vm_ram_mark_allocated(vm, BASE + 2 * GM_PAGE, 3 * GM_PAGE);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 3);
    check_write_and_read(env, vm, BASE, 8 * GM_PAGE);
}

static void the_first_answer_that_is_not_zero_ends_the_touch(struct gm_env *env, vm_t *vm)
{
    static const int answers[] = {1, -1, 42, -7};

    (void)env;
    make_ram(vm, BASE, 16 * GM_PAGE);
    for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct pieces pieces = {.stop_at = i + 1, .answer = answers[i]};

        GM_CHECK_EQ(vm_ram_touch(vm, BASE, 16 * GM_PAGE, note_piece, &pieces), answers[i]);
        GM_CHECK_EQ(pieces.count, i + 1);
    }
}

static void what_is_not_all_ram_is_not_touched(struct gm_env *env, vm_t *vm)
{
    struct pieces pieces = {0};

    make_ram(vm, BASE, 4 * GM_PAGE);
    make_ram(vm, BASE + 8 * GM_PAGE, 4 * GM_PAGE);
    GM_CHECK_EQ(map_frame_alloc_reservation(vm, reserve(vm, BASE + 4 * GM_PAGE, GM_PAGE)), 0);
    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(vm_ram_touch(vm, BASE - 1, 2, note_piece, &pieces), -1);
        GM_CHECK_EQ(vm_ram_touch(vm, BASE, 4 * GM_PAGE + 1, note_piece, &pieces), -1);
        GM_CHECK_EQ(vm_ram_touch(vm, BASE + 4 * GM_PAGE, 4, note_piece, &pieces), -1);
        GM_CHECK_EQ(vm_ram_touch(vm, BASE, 12 * GM_PAGE, note_piece, &pieces), -1);
        GM_CHECK_EQ(vm_ram_touch(vm, BASE + 12 * GM_PAGE, 1, note_piece, &pieces), -1);
        GM_CHECK_EQ(vm_ram_touch(vm, BASE + GM_GIB, 4, note_piece, &pieces), -1);
    });
    GM_CHECK_EQ(pieces.count, 0);
}

static void ranges_that_wrap_or_are_empty_are_not_touched(struct gm_env *env, vm_t *vm)
{
    struct pieces pieces = {0};

    make_ram(vm, BASE, 4 * GM_PAGE);
    CHANGES_NOTHING(env, {
        GM_CHECK_EQ(vm_ram_touch(vm, BASE, 0, note_piece, &pieces), -1);
        GM_CHECK_EQ(vm_ram_touch(vm, BASE, SIZE_MAX, note_piece, &pieces), -1);
        GM_CHECK_EQ(vm_ram_touch(vm, BASE + GM_PAGE, SIZE_MAX - BASE, note_piece, &pieces), -1);
        GM_CHECK_EQ(vm_ram_touch(vm, UINTPTR_MAX, 2, note_piece, &pieces), -1);
        GM_CHECK_EQ(vm_ram_touch(vm, BASE, 4, NULL, NULL), -1);
        GM_CHECK_EQ(vm_ram_touch(NULL, BASE, 4, note_piece, &pieces), -1);
    });
    GM_CHECK_EQ(pieces.count, 0);
}

static void views_are_kept_from_touch_to_touch(struct gm_env *env, vm_t *vm)
{
    struct pieces first = {0};
    struct pieces second = {0};

    make_ram(vm, BASE, 4 * GM_MIB);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 0x5000, 0x3000, note_piece, &first), 0);
    CHANGES_NOTHING(env,
                    GM_CHECK_EQ(vm_ram_touch(vm, BASE + 0x5000, 0x3000, note_piece, &second), 0));
    for (unsigned i = 0; i < 3; i++) {
        GM_CHECK(first.piece[i].vaddr == second.piece[i].vaddr);
    }
}

static void the_vmms_own_vspace_knows_the_cap_to_clean_caches_by(struct gm_env *env, vm_t *vm)
{
    struct pieces pieces = {0};
    uintptr_t addr = BASE + 2 * GM_MIB + 5 * GM_PAGE;
    seL4_CPtr cap;

    make_ram(vm, BASE, 4 * GM_MIB);
    GM_CHECK_EQ(vm_ram_touch(vm, addr, 8, note_piece, &pieces), 0);
    cap = vspace_get_cap(&vm->mem.vmm_vspace, pieces.piece[0].vaddr);
    GM_CHECK_NE(cap, seL4_CapNull);
    GM_CHECK_NE(cap, vspace_get_cap(&vm->mem.vm_vspace, (void *)addr));
    GM_CHECK_PADDR(env, vm, BASE + 2 * GM_MIB, gm_env_frame_paddr(cap));
    GM_CHECK_EQ(seL4_ARM_Page_CleanInvalidate_Data(cap, 5 * GM_PAGE, 6 * GM_PAGE), seL4_NoError);
    GM_CHECK_EQ(seL4_ARM_Page_Unify_Instruction(cap, 5 * GM_PAGE, 6 * GM_PAGE), seL4_NoError);
}

static void the_callers_frames_can_be_touched(struct gm_env *env, vm_t *vm)
{
    struct gm_giver small = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_AllRights};
    struct gm_giver large = {.env = env, .size_bits = GM_BITS_2M, .rights = seL4_AllRights};

    GM_CHECK_EQ(vm_ram_register_at_custom_iterator(vm, BASE, 4 * GM_PAGE, gm_giver_next, &small),
                0);
    GM_CHECK_EQ(vm_ram_register_at_custom_iterator(vm, BASE + 2 * GM_MIB, 4 * GM_MIB, gm_giver_next,
                                                   &large),
                0);
    check_write_and_read(env, vm, BASE, 4 * GM_PAGE);
    check_write_and_read(env, vm, BASE + 2 * GM_MIB, 4 * GM_MIB);
}

static void ram_that_the_guest_may_not_write_can_be_written_by_the_vmm(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_4K, .rights = seL4_CanRead};

    GM_CHECK_EQ(vm_ram_register_at_custom_iterator(vm, BASE, 4 * GM_PAGE, gm_giver_next, &giver),
                0);
    check_write_and_read(env, vm, BASE, 4 * GM_PAGE);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_4K, "r", false);
}

static void identity_ram_can_be_touched(struct gm_env *env, vm_t *vm)
{
    uintptr_t paddr = gm_env_free_paddr(env, 22);

    GM_CHECK_EQ(vm_ram_register_at(vm, paddr, 4 * GM_MIB, true), 0);
    check_write_and_read(env, vm, paddr + GM_PAGE, 3 * GM_MIB);
}

static void the_read_and_write_callbacks_honour_the_offset(struct gm_env *env, vm_t *vm)
{
    char page[16] = "................";
    char buffer[16] = "0123456789abcdef";

    (void)env;
    GM_CHECK_EQ(vm_guest_ram_write_callback(vm, BASE, page, 4, 6, buffer), 0);
    GM_CHECK_BYTES(page, "6789............", 16);
    GM_CHECK_EQ(vm_guest_ram_read_callback(vm, BASE, page, 3, 12, buffer), 0);
    GM_CHECK_BYTES(buffer, "0123456789ab678f", 16);
}

/* A callback that touches other RAM of the same VM, as loaders that follow pointers do. */
static int touch_more(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset,
                      void *cookie)
{
    (void)vaddr;
    (void)offset;
    return vm_ram_touch(vm, addr + GM_MIB, size, note_piece, cookie);
}

static void a_touch_may_touch(struct gm_env *env, vm_t *vm)
{
    struct pieces pieces = {0};

    (void)env;
    make_ram(vm, BASE, 4 * GM_MIB);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE, 3 * GM_PAGE, touch_more, &pieces), 0);
    GM_CHECK_EQ(pieces.count, 3);
    GM_CHECK_EQ(pieces.piece[2].addr, BASE + GM_MIB + 2 * GM_PAGE);
}

static int register_more(vm_t *vm, uintptr_t addr, void *vaddr, size_t size, size_t offset,
                         void *cookie)
{
    (void)cookie;
    memset(vaddr, 0x42, size);
    return vm_ram_register_at(vm, addr + GM_GIB + offset, GM_PAGE, false);
}

static void a_touch_may_register_more_ram(struct gm_env *env, vm_t *vm)
{
    make_ram(vm, BASE, 40 * GM_PAGE);
    GM_CHECK_EQ(vm_ram_touch(vm, BASE, 40 * GM_PAGE, register_more, NULL), 0);
    GM_CHECK_EQ(vm->mem.num_ram_regions, 41);
    GM_CHECK_GUEST_FILLED(env, vm, BASE, 0x42, 40 * GM_PAGE);
}

/* The VMM's address space may hand out again what had small pages, and keep their table there. */
static void large_frames_can_be_touched_where_small_pages_were(struct gm_env *env, vm_t *vm)
{
    enum { SMALL_PAGES = 1500 };
    void *pages = vspace_new_pages(env->vmm, seL4_AllRights, SMALL_PAGES, GM_BITS_4K);

    GM_CHECK_NOT_NULL(pages);
    vspace_unmap_pages(env->vmm, pages, SMALL_PAGES, GM_BITS_4K, VSPACE_FREE);
    make_ram(vm, BASE, 6 * GM_MIB);
    check_write_and_read(env, vm, BASE, 6 * GM_MIB);
}

static void huge_frames_can_be_touched(struct gm_env *env, vm_t *vm)
{
    struct gm_giver giver = {.env = env, .size_bits = GM_BITS_1G, .rights = seL4_AllRights};

    GM_CHECK_EQ(vm_ram_register_at_custom_iterator(vm, BASE, GM_GIB, gm_giver_next, &giver), 0);
    GM_CHECK_LEAF(env, vm, BASE, GM_BITS_1G, "rw", false);
    check_write_and_read(env, vm, BASE + 512 * GM_MIB - 5, 2 * GM_MIB + 10);
    check_write_and_read(env, vm, BASE + GM_GIB - 1, 1);
}

static const struct gm_case cases[] = {
    GM_CASE(pieces_ascend_and_never_cross_a_page),
    GM_CASE(one_byte_is_one_piece),
    GM_CASE(a_piece_is_the_guests_memory),
    GM_CASE(what_is_written_is_read_by_the_guest_and_back),
    GM_CASE(a_copy_inside_and_across_large_frames_works),
    GM_CASE(a_copy_across_mixed_frame_sizes_works),
    GM_CASE(ram_that_starts_inside_a_page_can_be_touched),
    GM_CASE(ram_at_both_ends_of_the_space_can_be_touched),
    GM_CASE(a_copy_over_two_registrations_works),
    GM_CASE(a_copy_over_allocated_and_free_ram_works),
    GM_CASE(the_first_answer_that_is_not_zero_ends_the_touch),
    GM_CASE(what_is_not_all_ram_is_not_touched),
    GM_CASE(ranges_that_wrap_or_are_empty_are_not_touched),
    GM_CASE(views_are_kept_from_touch_to_touch),
    GM_CASE(the_vmms_own_vspace_knows_the_cap_to_clean_caches_by),
    GM_CASE(the_callers_frames_can_be_touched),
    GM_CASE(ram_that_the_guest_may_not_write_can_be_written_by_the_vmm),
    GM_CASE(identity_ram_can_be_touched),
    GM_CASE(the_read_and_write_callbacks_honour_the_offset),
    GM_CASE(large_frames_can_be_touched_where_small_pages_were),
    GM_CASE(a_touch_may_touch),
    GM_CASE(a_touch_may_register_more_ram),
    GM_CASE_WITH(huge_frames_can_be_touched, .ram_bytes = 3 * GM_GIB),
};

const struct gm_suite touch_suite = GM_SUITE("touch", cases);

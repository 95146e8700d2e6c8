/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Blocks of pages: what create_allocated_reservation_frame() lends its pages from.
 */
#include "unit_vm.h"

#include <stdlib.h>
#include <string.h>

#include <vka/capops.h>
#include <vka/object.h>

#include "page_block.h"

#define BASE ((uintptr_t)0x40000000)

enum { PAGES = GM_PAGE_BLOCK_PAGES, HOARD_MAX = 4096 };

static uintptr_t page_at(size_t i)
{
    return BASE + i * PAGE;
}

static uint8_t *create(struct unit *u, size_t i)
{
    return create_allocated_reservation_frame(&u->vm, page_at(i), seL4_AllRights, unit_fault, NULL);
}

static void destroy(struct unit *u, size_t i)
{
    assert_int_equal(guestmem_created_destroy(&u->vm, page_at(i)), GUESTMEM_OK);
}

static void create_many(struct unit *u, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        assert_non_null(create(u, i));
    }
}

static uint64_t paddr_of(struct unit *u, size_t i)
{
    struct guestmem_host_leaf leaf;

    assert_true(unit_leaf(u, page_at(i), &leaf));
    assert_int_equal(leaf.size_bits, 12);
    return leaf.paddr;
}

/* Memory and slots that the test keeps from everybody. */
static struct {
    vka_object_t object[HOARD_MAX];
    size_t object_count;
    seL4_CPtr slot[1 << 16];
    size_t slot_count;
} hoard;

/* All memory but what comes in pieces below 2^bits. */
static void hoard_memory(struct unit *u, size_t bits)
{
    for (size_t size = 24; size >= bits; size--) {
        while (hoard.object_count < HOARD_MAX &&
               vka_alloc_untyped(u->vka, (uint32_t)size, &hoard.object[hoard.object_count]) == 0) {
            hoard.object_count++;
        }
    }
    assert_true(hoard.object_count < HOARD_MAX);
}

static void hoard_slots_but(struct unit *u, size_t left)
{
    while (vka_cspace_alloc(u->vka, &hoard.slot[hoard.slot_count]) == 0) {
        hoard.slot_count++;
    }
    while (left-- > 0) {
        vka_cspace_free(u->vka, hoard.slot[--hoard.slot_count]);
    }
}

static void give_hoard(struct unit *u)
{
    while (hoard.object_count > 0) {
        vka_free_object(u->vka, &hoard.object[--hoard.object_count]);
    }
    while (hoard.slot_count > 0) {
        vka_cspace_free(u->vka, hoard.slot[--hoard.slot_count]);
    }
}

static void sixteen_pages_are_one_block_and_one_more_makes_another(void **state)
{
    struct unit *u = *state;
    const struct guestmem_stats *stats = &u->space->stats;
    struct guestmem_host_counts before;
    struct guestmem_host_counts after;

    assert_non_null(create(u, 0));
    assert_int_equal(stats->untypeds, 1);
    assert_int_equal(stats->slots, 1 + PAGES + 1 + 2); /* one view; a table of each level */
    assert_int_equal(stats->frames[0], 1);
    guestmem_host_count(u->host, &before);
    create_many(u, 1, PAGES);
    guestmem_host_count(u->host, &after);
    assert_int_equal(after.object_allocs, before.object_allocs);
    assert_int_equal(after.retypes, before.retypes);
    assert_int_equal(stats->untypeds, 1);
    assert_int_equal(stats->slots, 1 + PAGES + PAGES + 2);
    assert_null(u->space->blocks);
    assert_non_null(create(u, PAGES));
    assert_int_equal(stats->untypeds, 2);
    assert_int_equal(stats->slots, 2 * (1 + PAGES) + PAGES + 1 + 2);
    assert_int_equal(stats->frames[0], PAGES + 1);
    assert_non_null(u->space->blocks);
}

/* The pages are distinct, and the guest sees what the VMM writes there. */
static void pages_of_a_block_are_different_ones(void **state)
{
    struct unit *u = *state;
    uint32_t *view[PAGES + 1];

    for (uint32_t i = 0; i <= PAGES; i++) {
        view[i] = (void *)create(u, i);
        assert_non_null(view[i]);
        assert_int_equal(*view[i], 0);
        *view[i] = i + 1;
    }
    for (uint32_t i = 0; i <= PAGES; i++) {
        const uint32_t *seen = guestmem_host_phys(u->host, paddr_of(u, i), sizeof(*seen));

        assert_int_equal(*seen, i + 1);
    }
}

/* Destroy pages 0 .. count - 1 in this order; all is as before there were any. */
static void destroy_in_order(struct unit *u, const size_t *order, size_t count)
{
    struct guestmem_host_snapshot *before = unit_snapshot(u);
    struct guestmem_stats stats = u->space->stats;

    create_many(u, 0, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(u->space->stats.frames[0], count - i);
        destroy(u, order[i]);
        unit_check_no_leaf(u, page_at(order[i]));
    }
    unit_check_same(u, before);
    assert_memory_equal(&u->space->stats, &stats, sizeof(stats));
    assert_null(u->space->blocks);
}

static void shuffle(struct unit_random *random, size_t *order, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = unit_random_below(random, i);
        size_t swapped = order[i - 1];

        order[i - 1] = order[other];
        order[other] = swapped;
    }
}

static void destroys_in_any_order_return_all(void **state)
{
    enum { COUNT = 2 * PAGES + 3, ROUNDS = 60 };
    struct unit *u = *state;
    struct unit_random random = {0x9a6e5};
    size_t order[COUNT];

    for (size_t i = 0; i < COUNT; i++) {
        order[i] = i;
    }
    destroy_in_order(u, order, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        order[i] = COUNT - 1 - i;
    }
    destroy_in_order(u, order, COUNT);
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t count = 1 + unit_random_below(&random, COUNT);

        for (size_t i = 0; i < count; i++) {
            order[i] = i;
        }
        shuffle(&random, order, count);
        destroy_in_order(u, order, count);
    }
}

/* All 24 orders of four pages. */
static void destroys_in_every_order_of_four_return_all(void **state)
{
    struct unit *u = *state;

    for (size_t code = 0; code < 256; code++) {
        size_t order[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
        unsigned seen = 1u << order[0] | 1u << order[1] | 1u << order[2] | 1u << order[3];

        if (seen == 0xf) {
            destroy_in_order(u, order, 4);
        }
    }
}

/* As many blocks as the pages that live need, whatever came and went meanwhile. */
static void pages_that_come_and_go_take_no_more_blocks(void **state)
{
    struct unit *u = *state;
    struct unit_random random = {77};
    bool there[PAGES] = {false};
    size_t count = 1;

    assert_non_null(create(u, PAGES)); /* keeps the block */
    for (size_t step = 0; step < 500; step++) {
        size_t i = unit_random_below(&random, PAGES - 1);

        if (there[i]) {
            destroy(u, i);
        } else {
            uint8_t *view = create(u, i);

            assert_non_null(view);
            for (size_t at = 0; at < PAGE; at++) {
                assert_int_equal(view[at], 0);
            }
            memset(view, 0xa5, PAGE);
        }
        there[i] = !there[i];
        count = there[i] ? count + 1 : count - 1;
        assert_int_equal(u->space->stats.frames[0], count);
        assert_int_equal(u->space->stats.untypeds, 1);
    }
}

static void a_page_that_was_used_is_cleared_before_the_next_use(void **state)
{
    struct unit *u = *state;
    uint64_t paddr;
    uint8_t *view;

    create_many(u, 0, PAGES);
    paddr = paddr_of(u, 5);
    memset(guestmem_host_phys(u->host, paddr, PAGE), 0x5a, PAGE);
    destroy(u, 5);
    view = create(u, PAGES);
    assert_non_null(view);
    assert_int_equal(paddr_of(u, PAGES), paddr);
    for (size_t at = 0; at < PAGE; at++) {
        assert_int_equal(view[at], 0);
    }
}

static void a_page_that_cannot_be_cleared_is_left_and_another_is_made(void **state)
{
    struct unit *u = *state;
    uint64_t paddr;

    create_many(u, 0, PAGES);
    paddr = paddr_of(u, 5);
    destroy(u, 5);
    guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_VMM_MAP, 1, false);
    assert_non_null(create(u, 5));
    assert_true(guestmem_host_failed(u->host, NULL));
    guestmem_host_fail(u->host, 0, 0, false);
    assert_true(paddr_of(u, 5) != paddr);
    assert_int_equal(u->space->stats.untypeds, 2);
}

/* Whoever has a copy of the cap loses it: the page is to be somebody else's. */
static void copies_of_a_pages_cap_go_with_it(void **state)
{
    struct unit *u = *state;
    cspacepath_t from;
    cspacepath_t to;

    create_many(u, 0, 3);
    vka_cspace_make_path(u->vka, vspace_get_cap(&u->vm.mem.vm_vspace, (void *)page_at(1)), &from);
    assert_int_equal(vka_cspace_alloc_path(u->vka, &to), 0);
    assert_int_equal(vka_cnode_copy(&to, &from, seL4_AllRights), seL4_NoError);
    assert_int_equal(seL4_ARM_Page_GetAddress(to.capPtr).error, seL4_NoError);
    destroy(u, 1);
    assert_int_not_equal(seL4_ARM_Page_GetAddress(to.capPtr).error, seL4_NoError);
    vka_cspace_free(u->vka, to.capPtr);
}

static int create_one(struct unit *u)
{
    return create(u, 40) != NULL ? 0 : -1;
}

static void destroy_one(struct unit *u)
{
    destroy(u, 40);
}

/* With k pages of a block lent, or 15 and one that has to be cleared. */
static void a_create_that_fails_within_a_block_changes_nothing(void **state)
{
    struct unit *u = *state;

    for (size_t lent = 1; lent < PAGES; lent++) {
        assert_non_null(create(u, lent));
        assert_true(unit_fail_each(u, create_one, destroy_one) >= 4);
        assert_int_equal(u->space->stats.untypeds, 1);
        destroy_one(u);
    }
    assert_non_null(create(u, PAGES));
    destroy(u, 3);
    assert_true(unit_fail_each(u, create_one, destroy_one) >= 4);
    assert_int_equal(u->space->stats.untypeds, 1); /* it was cleared in the end */
}

/* Nothing of a kind is to be had from the k-th request on. */
static void fail_from_each_on(struct unit *u, unsigned kinds)
{
    for (uint64_t k = 1;; k++) {
        struct guestmem_host_snapshot *before = unit_snapshot(u);
        struct guestmem_stats stats = u->space->stats;
        int result;

        guestmem_host_fail(u->host, kinds, k, true);
        result = create_one(u);
        guestmem_host_fail(u->host, 0, 0, false);
        if (result == 0) {
            guestmem_host_snapshot_free(before);
            destroy_one(u);
            return;
        }
        unit_check_same(u, before);
        stats.fallbacks[0] = u->space->stats.fallbacks[0];
        assert_memory_equal(&u->space->stats, &stats, sizeof(stats));
    }
}

static void a_create_that_fails_gives_the_block_back_that_it_made(void **state)
{
    static const unsigned kinds[] = {GUESTMEM_HOST_FAIL_SLOT,    GUESTMEM_HOST_FAIL_OBJECT,
                                     GUESTMEM_HOST_FAIL_MALLOC,  GUESTMEM_HOST_FAIL_INVOCATION,
                                     GUESTMEM_HOST_FAIL_VMM_MAP, GUESTMEM_HOST_FAIL_ANY};
    struct unit *u = *state;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        fail_from_each_on(u, kinds[i]);
        assert_null(u->space->blocks);
    }
    create_many(u, 0, PAGES); /* now the next is of a second block */
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        fail_from_each_on(u, kinds[i]);
        assert_null(u->space->blocks);
    }
}

/* One request failing in the making of a block: the call still finds a page. */
static void a_block_that_cannot_be_made_is_done_without(void **state)
{
    struct unit *u = *state;

    for (uint64_t k = 1; k <= PAGES + 1; k++) {
        guestmem_host_fail(u->host, GUESTMEM_HOST_FAIL_SLOT, k, false);
        assert_non_null(create(u, 0));
        assert_true(guestmem_host_failed(u->host, NULL));
        guestmem_host_fail(u->host, 0, 0, false);
        assert_int_equal(u->space->stats.slots, 1 + 1 + 2);
        assert_null(u->space->blocks);
        destroy(u, 0);
    }
}

static void where_there_is_no_block_single_pages_do(void **state)
{
    struct unit *u = *state;

    hoard_memory(u, GM_PAGE_BLOCK_BITS); /* what is left stood beside the VM's root table */
    create_many(u, 0, 5);
    assert_int_equal(u->space->stats.untypeds, 5);
    assert_int_equal(u->space->stats.slots, 5 + 5 + 2);
    for (size_t i = 0; i < 5; i++) {
        destroy(u, i);
    }
    give_hoard(u);
}

/* A page and its tables fit into 64 KiB; a block leaves no room for the tables. */
static void a_block_does_not_take_what_a_table_needs(void **state)
{
    struct unit *u = *state;

    hoard_memory(u, 12);
    vka_free_object(u->vka, &hoard.object[0]);
    hoard.object[0] = hoard.object[--hoard.object_count];
    for (size_t size = 23; size >= GM_PAGE_BLOCK_BITS; size--) { /* all but one 64 KiB of it */
        assert_int_equal(
            vka_alloc_untyped(u->vka, (uint32_t)size, &hoard.object[hoard.object_count++]), 0);
    }
    assert_non_null(create(u, 0));
    assert_int_equal(u->space->stats.untypeds, 1);
    assert_int_equal(u->space->stats.slots, 1 + 1 + 2);
    assert_null(u->space->blocks);
    destroy(u, 0);
    give_hoard(u);
}

static void where_slots_are_short_a_single_page_does(void **state)
{
    struct unit *u = *state;
    size_t left = 3;

    unit_frame(u, 12); /* memory is split by now, which takes slots too */
    hoard_slots_but(u, left);
    while (create(u, 0) == NULL) {
        struct guestmem_host_snapshot *before = unit_snapshot(u);

        assert_null(create(u, 0));
        unit_check_same(u, before);
        left++;
        vka_cspace_free(u->vka, hoard.slot[--hoard.slot_count]);
    }
    assert_in_range(left, 4, PAGES); /* a page, its view, two tables, splits */
    assert_int_equal(u->space->stats.slots, 1 + 1 + 2);
    assert_null(u->space->blocks);
    destroy(u, 0);
    give_hoard(u);
}

/* What a block has idle isn't lost to the VM when the allocator has nothing any more. */
static void idle_pages_serve_as_ram_when_nothing_else_is_left(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_snapshot *before;
    vm_memory_reservation_t *res;

    create_many(u, 0, 4);
    memset(create(u, 4), 0xff, PAGE);
    destroy(u, 4);
    hoard_memory(u, 12);
    before = unit_snapshot(u);
    res = unit_reserve(u, page_at(20), 12 * PAGE);
    assert_int_equal(map_frame_alloc_reservation(&u->vm, res), 0);
    for (size_t i = 20; i < 32; i++) {
        const uint8_t *byte = guestmem_host_phys(u->host, paddr_of(u, i), PAGE);

        for (size_t at = 0; at < PAGE; at++) {
            assert_int_equal(byte[at], 0);
        }
    }
    assert_null(u->space->blocks);
    assert_null(create(u, 4));
    unit_check_failure(u, GUESTMEM_ENOFRAME);
    assert_int_equal(vm_free_reserved_memory(&u->vm, res), 0);
    unit_check_same(u, before);
    res = unit_reserve(u, page_at(20), 13 * PAGE);
    before = unit_snapshot(u);
    assert_int_not_equal(map_frame_alloc_reservation(&u->vm, res), 0); /* one too many */
    unit_check_failure(u, GUESTMEM_ENOFRAME);
    unit_check_same(u, before);
    give_hoard(u);
}

/* Such a page outlives those that the block was made for, and leaves one by one. */
static void ram_from_a_block_is_discarded_page_by_page(void **state)
{
    struct unit *u = *state;

    assert_non_null(create(u, 0));
    hoard_memory(u, 12);
    unit_policy(u, 12, GUESTMEM_POPULATE_LAZY);
    assert_int_equal(vm_ram_register_at(&u->vm, page_at(20), 4 * PAGE, false), 0);
    assert_int_equal(guestmem_populate(&u->vm, page_at(20), 4 * PAGE), GUESTMEM_OK);
    destroy(u, 0);
    assert_int_equal(guestmem_ram_discard(&u->vm, page_at(21), 2 * PAGE), GUESTMEM_OK);
    unit_check_leaf(u, page_at(20), 12);
    unit_check_no_leaf(u, page_at(21));
    unit_check_no_leaf(u, page_at(22));
    unit_check_leaf(u, page_at(23), 12);
    assert_int_equal(guestmem_populate(&u->vm, page_at(22), PAGE), GUESTMEM_OK);
    assert_int_equal(guestmem_ram_discard(&u->vm, page_at(20), 4 * PAGE), GUESTMEM_OK);
    assert_int_equal(u->space->stats.untypeds, 0);
    assert_null(u->space->blocks);
    give_hoard(u);
}

/* Pages whose caps may become the caller's are never lent. */
static void pages_of_the_guests_vspace_are_of_their_own(void **state)
{
    struct unit *u = *state;
    vspace_t *vspace = &u->vm.mem.vm_vspace;
    void *at = (void *)page_at(20); /* where the tables are there by now */
    reservation_t range;

    create_many(u, 0, 2);
    range = vspace_reserve_range_at(vspace, at, PAGE, seL4_AllRights, 1);
    assert_non_null(range.res);
    hoard_memory(u, 12);
    assert_int_not_equal(vspace_new_pages_at_vaddr(vspace, at, 1, 12, range), 0);
    unit_check_failure(u, GUESTMEM_ENOFRAME);
    give_hoard(u);
    assert_int_equal(vspace_new_pages_at_vaddr(vspace, at, 1, 12, range), 0);
    assert_int_equal(u->space->stats.untypeds, 2);
}

static void set_limits(struct unit *u, unsigned untyped_bits_max, size_t call_bytes_max)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.untyped_bits_max = untyped_bits_max;
    policy.call_bytes_max = call_bytes_max;
    assert_int_equal(guestmem_set_policy(&u->vm, &policy), GUESTMEM_OK);
}

static void the_policy_bounds_blocks_too(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_counts before;
    struct guestmem_host_counts after;

    set_limits(u, GM_PAGE_BLOCK_BITS - 1, 16 * MIB);
    create_many(u, 0, 3);
    assert_int_equal(u->space->stats.untypeds, 3);
    set_limits(u, GM_PAGE_BLOCK_BITS, 4 * PAGE);
    guestmem_host_count(u->host, &before);
    create_many(u, 3, 6);
    guestmem_host_count(u->host, &after);
    assert_int_equal(u->space->stats.untypeds, 4);
    assert_in_range(after.retypes - before.retypes, PAGES / 4, PAGES / 4 + 14); /* and splits */
}

/* Blocks are full, half used, and used again when the VM goes: the unit's end checks the rest. */
static void a_vm_goes_with_blocks_half_used(void **state)
{
    struct unit *u = *state;

    create_many(u, 0, 2 * PAGES + 5);
    for (size_t i = 3; i < 2 * PAGES; i += 5) {
        destroy(u, i);
    }
    assert_non_null(create(u, 3));
    assert_non_null(u->space->blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(sixteen_pages_are_one_block_and_one_more_makes_another),
        UNIT_TEST(pages_of_a_block_are_different_ones),
        UNIT_TEST(destroys_in_any_order_return_all),
        UNIT_TEST(destroys_in_every_order_of_four_return_all),
        UNIT_TEST(pages_that_come_and_go_take_no_more_blocks),
        UNIT_TEST(a_page_that_was_used_is_cleared_before_the_next_use),
        UNIT_TEST(a_page_that_cannot_be_cleared_is_left_and_another_is_made),
        UNIT_TEST(copies_of_a_pages_cap_go_with_it),
        UNIT_TEST(a_create_that_fails_within_a_block_changes_nothing),
        UNIT_TEST(a_create_that_fails_gives_the_block_back_that_it_made),
        UNIT_TEST(a_block_that_cannot_be_made_is_done_without),
        UNIT_TEST(where_there_is_no_block_single_pages_do),
        UNIT_TEST(a_block_does_not_take_what_a_table_needs),
        UNIT_TEST(where_slots_are_short_a_single_page_does),
        UNIT_TEST(idle_pages_serve_as_ram_when_nothing_else_is_left),
        UNIT_TEST(ram_from_a_block_is_discarded_page_by_page),
        UNIT_TEST(pages_of_the_guests_vspace_are_of_their_own),
        UNIT_TEST(the_policy_bounds_blocks_too),
        UNIT_TEST(a_vm_goes_with_blocks_half_used),
    };

    return cmocka_run_group_tests_name("page_block", tests, NULL, NULL);
}

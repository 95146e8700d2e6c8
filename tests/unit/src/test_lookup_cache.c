/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a thread found lately: kept as long as it is good, and never taken for something else.
 */
#include "unit.h"

#include "lookup_cache.h"

#define TOP UINTPTR_MAX
#define PAGE ((uintptr_t)1 << GM_LOOKUP_PAGE_BITS)

enum { CHUNK_MAX = 64 };

static const struct gm_range_index nothing;

struct fixture {
    struct gm_range_index index;
    struct gm_range_top top[CHUNK_MAX];
    struct gm_range_chunk chunk[CHUNK_MAX];
    struct gm_range_chunk *spare[CHUNK_MAX];
    size_t spare_count;
    struct gm_lookup_cache cache;
    uint64_t generation;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->index.top = f->top;
    for (size_t i = 0; i < CHUNK_MAX; i++) {
        f->spare[f->spare_count++] = &f->chunk[i];
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

/* The item stands for the base. */
static void *item_of(uintptr_t base)
{
    return (void *)(base ^ 0x5a5a5a5a);
}

static void insert(struct fixture *f, uintptr_t base, uintptr_t last)
{
    bool needs = gm_range_index_needs_chunk(&f->index, base);

    assert_true(!needs || f->spare_count > 0);
    gm_range_index_insert(&f->index, base, last, item_of(base),
                          needs ? f->spare[--f->spare_count] : NULL);
}

static void remove_range(struct fixture *f, uintptr_t base)
{
    struct gm_range_chunk *unused = gm_range_index_remove(&f->index, base);

    if (unused != NULL) {
        f->spare[f->spare_count++] = unused;
    }
    f->generation++;
}

static void *find(struct fixture *f, uintptr_t addr)
{
    return gm_lookup_cache_find(&f->cache, &f->index, addr, f->generation);
}

/* What is answered without a search. */
static void *remembered(struct fixture *f, uintptr_t addr)
{
    return gm_lookup_cache_find(&f->cache, &nothing, addr, f->generation);
}

static void what_was_found_is_remembered_for_the_whole_range(void **state)
{
    struct fixture *f = *state;

    insert(f, 0x9000000, 0x9000000 + 3 * PAGE / 2 - 1);
    assert_null(remembered(f, 0x9000000));
    assert_ptr_equal(find(f, 0x9000010), item_of(0x9000000));
    assert_ptr_equal(remembered(f, 0x9000000), item_of(0x9000000));
    assert_ptr_equal(remembered(f, 0x9000fff), item_of(0x9000000));
    assert_null(remembered(f, 0x9001000)); /* another page: not looked up yet */
    assert_ptr_equal(find(f, 0x9001000), item_of(0x9000000));
    assert_ptr_equal(remembered(f, 0x90017ff), item_of(0x9000000));
    assert_null(remembered(f, 0x9001800));
    assert_null(find(f, 0x9001800));
    assert_null(find(f, 0x8ffffff));
}

static void what_was_removed_is_not_remembered(void **state)
{
    struct fixture *f = *state;

    insert(f, 0x1000, 0x1fff);
    assert_ptr_equal(find(f, 0x1000), item_of(0x1000));
    remove_range(f, 0x1000);
    assert_null(find(f, 0x1000));
    insert(f, 0x1800, 0x1fff);
    assert_null(find(f, 0x1000));
    assert_ptr_equal(find(f, 0x1800), item_of(0x1800));
}

static void what_was_not_found_is_found_once_it_is_there(void **state)
{
    const uintptr_t bases[] = {0, 0x1000, TOP - 0xfff, TOP};

    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        struct fixture *f = *state;

        assert_null(find(f, bases[i]));
        insert(f, bases[i], bases[i]);
        assert_ptr_equal(find(f, bases[i]), item_of(bases[i]));
        assert_ptr_equal(remembered(f, bases[i]), item_of(bases[i]));
    }
}

/* A zeroed entry, with the generation that a zeroed VM would have, isn't a range at address 0. */
static void an_empty_cache_remembers_nothing_at_address_0(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(f->generation, 0);
    assert_null(remembered(f, 0));
    insert(f, 0, 9);
    assert_ptr_equal(find(f, 0), item_of(0));
    assert_ptr_equal(find(f, 9), item_of(0));
    assert_null(find(f, 10));
}

static void ranges_at_the_top_of_the_address_space_are_remembered(void **state)
{
    struct fixture *f = *state;

    insert(f, TOP - 9, TOP);
    assert_ptr_equal(find(f, TOP), item_of(TOP - 9));
    assert_ptr_equal(remembered(f, TOP - 9), item_of(TOP - 9));
    assert_null(find(f, TOP - 10));
    assert_null(find(f, 0));
}

static void a_range_of_all_addresses_is_found_each_time(void **state)
{
    struct fixture *f = *state;

    insert(f, 0, TOP);
    for (unsigned i = 0; i < 2; i++) {
        assert_ptr_equal(find(f, 0), item_of(0));
        assert_ptr_equal(find(f, TOP / 2), item_of(0));
        assert_ptr_equal(find(f, TOP), item_of(0));
    }
    remove_range(f, 0);
    assert_null(find(f, TOP / 2));
}

/* Two pages that share an entry take turns in it, and none is taken for the other. */
static void pages_that_share_an_entry_are_told_apart(void **state)
{
    struct fixture *f = *state;
    struct gm_lookup_entry *entry = gm_lookup_cache_entry(&f->cache, 0);
    uintptr_t other = PAGE;

    while (gm_lookup_cache_entry(&f->cache, other) != entry) {
        other += PAGE;
    }
    insert(f, 0, PAGE - 1);
    insert(f, other, other + PAGE - 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(find(f, 5), item_of(0));
        assert_null(remembered(f, other + 5));
        assert_ptr_equal(find(f, other + 5), item_of(other));
        assert_null(remembered(f, 5));
    }
}

/* 64 pages in a row, 16 devices every 64 KiB, 16 every 16 MiB: none in another's place. */
static void devices_side_by_side_have_entries_of_their_own(void **state)
{
    static const struct {
        uintptr_t step;
        unsigned count;
    } rows[] = {{PAGE, 64}, {0x10000, 16}, {0x1000000, 16}};
    struct fixture *f = *state;

    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        bool taken[GM_LOOKUP_ENTRIES] = {false};

        for (unsigned i = 0; i < rows[row].count; i++) {
            uintptr_t addr = 0x8000000 + i * rows[row].step;
            size_t entry = (size_t)(gm_lookup_cache_entry(&f->cache, addr) - f->cache.entry);

            assert_in_range(entry, 0, GM_LOOKUP_ENTRIES - 1);
            assert_false(taken[entry]);
            taken[entry] = true;
        }
    }
}

static void run_random(struct fixture *f, uint64_t seed, uintptr_t start)
{
    struct unit_random random = {seed};
    unsigned found = 0;
    unsigned from_cache = 0;

    for (unsigned i = 0; i < 20000; i++) {
        uintptr_t addr = start + unit_random_below(&random, 200 * PAGE);
        uintptr_t base = addr & ~(PAGE - 1);
        void *item = gm_range_index_find(&f->index, addr);
        void *kept = remembered(f, addr);

        assert_true(kept == NULL || kept == item);
        assert_ptr_equal(find(f, addr), item);
        found += item != NULL;
        from_cache += kept != NULL;
        if (i % 16 == 0 && item != NULL) {
            remove_range(f, (uintptr_t)item_of((uintptr_t)item));
        } else if (i % 4 == 1 && gm_range_index_meets(&f->index, base, base + (PAGE - 1)) == NULL) {
            insert(f, base + 16, base + (PAGE - 1) - unit_random_below(&random, 2) * 16);
        }
    }
    assert_true(found > 5000);
    assert_true(from_cache > 10 && from_cache < found);
}

static void every_answer_is_the_index_s(void **state)
{
    struct fixture *f = *state;

    run_random(f, 1, 0);
    run_random(f, 2, TOP - (200 * PAGE - 1));
    run_random(f, 3, 0xfffff000u);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_found_is_remembered_for_the_whole_range),
        TEST(what_was_removed_is_not_remembered),
        TEST(what_was_not_found_is_found_once_it_is_there),
        TEST(an_empty_cache_remembers_nothing_at_address_0),
        TEST(ranges_at_the_top_of_the_address_space_are_remembered),
        TEST(a_range_of_all_addresses_is_found_each_time),
        TEST(pages_that_share_an_entry_are_told_apart),
        TEST(devices_side_by_side_have_entries_of_their_own),
        TEST(every_answer_is_the_index_s),
    };

    return cmocka_run_group_tests_name("lookup_cache", tests, NULL, NULL);
}

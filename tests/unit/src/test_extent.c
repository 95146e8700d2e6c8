/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Lists of extents against a model that knows each page: which cap, which size, which rights.
 */
#include "unit.h"

#include "extent.h"

enum { PAGES = 4096, SKEW = 5 }; /* a reservation need not start where large frames do */

struct page {
    seL4_CPtr cptr; /* 0: no frame */
    uint32_t start; /* first page of its frame */
    unsigned size;
    unsigned rights;
    bool owned;
};

struct fixture {
    struct gm_extents list;
    struct page page[PAGES];
};

static struct fixture *new_fixture(void)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    return f;
}

static void free_fixture(struct fixture *f)
{
    free(f->list.at);
    free(f);
}

/* Room for exactly so many more, so that what reads or writes behind it is seen. */
static void make_room(struct fixture *f, size_t more)
{
    struct gm_extent *at = malloc((f->list.count + more) * sizeof(*at));

    assert_non_null(at);
    if (f->list.count > 0) {
        memcpy(at, f->list.at, f->list.count * sizeof(*at));
    }
    free(f->list.at);
    f->list.at = at;
}

static struct gm_extent extent(uint32_t page, uint32_t count, unsigned size, seL4_CPtr cptr)
{
    return (struct gm_extent){.cptr = cptr,
                              .page = page,
                              .count = count & 0xffffffu,
                              .size = size & 3u,
                              .rights = GM_RIGHTS_ALL,
                              .owned = 1};
}

static void insert(struct fixture *f, struct gm_extent extent)
{
    uint32_t pages = (uint32_t)gm_size_pages(extent.size);

    make_room(f, 1);
    gm_extents_insert(&f->list, extent);
    for (uint32_t i = 0; i < extent.count * pages; i++) {
        f->page[extent.page + i] =
            (struct page){extent.cptr + i / pages, extent.page + i / pages * pages, extent.size,
                          extent.rights, extent.owned};
    }
}

static void cut(struct fixture *f, uint32_t from, uint32_t to)
{
    make_room(f, 1);
    gm_extents_cut(&f->list, from, to);
    memset(&f->page[from], 0, (to - from) * sizeof(f->page[0]));
}

static bool is_edge(const struct fixture *f, uint32_t page)
{
    return page == PAGES || f->page[page].cptr == 0 || f->page[page].start == page;
}

/* The list says of each page what the model says; it is sorted; no extent is empty. */
static void check(const struct fixture *f)
{
    uint64_t end = 0;

    for (size_t i = 0; i < f->list.count; i++) {
        const struct gm_extent *e = &f->list.at[i];

        assert_true(e->count > 0 && e->page >= end);
        end = gm_extent_end(e);
    }
    for (uint32_t p = 0; p < PAGES; p++) {
        const struct gm_extent *e = gm_extents_find(&f->list, p);
        const struct page *page = &f->page[p];

        assert_int_equal(e != NULL, page->cptr != 0);
        assert_int_equal(gm_extents_edge(&f->list, p), is_edge(f, p));
        if (e != NULL) {
            assert_int_equal(e->cptr + (p - e->page) / gm_size_pages(e->size), page->cptr);
            assert_int_equal(e->size, page->size);
            assert_int_equal(e->rights, page->rights);
            assert_int_equal(e->owned, page->owned);
        }
    }
}

/* No two neighbours could be one. */
static void check_joined(const struct fixture *f)
{
    for (size_t i = 1; i < f->list.count; i++) {
        const struct gm_extent *a = &f->list.at[i - 1];
        const struct gm_extent *b = &f->list.at[i];

        assert_false(gm_extent_end(a) == b->page && a->cptr + a->count == b->cptr &&
                     a->size == b->size && a->rights == b->rights && a->owned == b->owned);
    }
}

static void an_extent_takes_16_bytes(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct gm_extent), 16);
}

static void rights_turn_round_and_write_only_is_none(void **state)
{
    (void)state;
    assert_int_equal(gm_rights_of(seL4_AllRights), GM_RIGHTS_ALL);
    assert_int_equal(gm_rights_of(seL4_CanRead), GM_RIGHT_READ);
    assert_int_equal(gm_rights_of(seL4_NoRights), 0);
    assert_int_equal(gm_rights_of(seL4_CanWrite), 0);
    for (unsigned rights = 0; rights <= GM_RIGHTS_ALL; rights++) {
        unsigned back = gm_rights_of(gm_rights_to_cap(rights));

        assert_int_equal(back, rights == GM_RIGHT_WRITE ? 0 : rights);
    }
}

/* |4K|4K|  ->  |4K|4K|4K|4K|: frames and caps side by side make one record. */
static void equal_neighbours_join_from_either_side(void **state)
{
    struct fixture *f = new_fixture();

    (void)state;
    insert(f, extent(10, 2, 0, 100));
    insert(f, extent(14, 2, 0, 104));
    insert(f, extent(12, 2, 0, 102));
    assert_int_equal(f->list.count, 1);
    assert_int_equal(f->list.at[0].count, 6);
    insert(f, extent(8, 2, 0, 98));
    assert_int_equal(f->list.count, 1);
    assert_int_equal(f->list.at[0].page, 8);
    check(f);
    free_fixture(f);
}

static void unlike_neighbours_stay_apart(void **state)
{
    struct fixture *f = new_fixture();
    struct gm_extent other = extent(12, 1, 0, 102);

    (void)state;
    insert(f, extent(10, 2, 0, 100));
    other.rights = GM_RIGHT_READ;
    insert(f, other);
    other = extent(13, 1, 0, 103);
    other.fresh = 1;
    insert(f, other);
    other = extent(14, 1, 0, 104);
    other.device = 1;
    insert(f, other);
    other = extent(15, 1, 0, 105);
    other.owned = 0;
    insert(f, other);
    other = extent(16, 1, 0, 106);
    other.lent = 1;
    insert(f, other);
    insert(f, extent(17, 1, 0, 107));
    insert(f, extent(18, 1, 0, 109));
    insert(f, extent(512, 1, 1, 600));
    insert(f, extent(1024, 1, 0, 601));
    assert_int_equal(f->list.count, 10);
    check(f);
    free_fixture(f);
}

/* The cap behind the last is none; counting on from it would end at the null cap. */
static void no_extent_goes_on_behind_the_last_cap(void **state)
{
    struct fixture *f = new_fixture();
    const seL4_CPtr last = UINT64_MAX;

    (void)state;
    make_room(f, 4);
    gm_extents_insert(&f->list, extent(10, 1, 0, last));
    gm_extents_insert(&f->list, extent(11, 1, 0, 0));
    gm_extents_insert(&f->list, extent(9, 1, 0, last - 1));
    gm_extents_join(&f->list);
    assert_int_equal(f->list.count, 2);
    assert_int_equal(f->list.at[0].count, 2);
    assert_int_equal(f->list.at[1].cptr, 0);
    free_fixture(f);
}

/* A count has 24 bits: what would overflow it isn't joined. */
static void extents_never_outgrow_their_count(void **state)
{
    struct fixture *f = new_fixture();

    (void)state;
    make_room(f, 8);
    gm_extents_insert(&f->list, extent(0, 0xfffffe, 0, 1));
    gm_extents_insert(&f->list, extent(0xfffffe, 1, 0, 0xffffff));
    assert_int_equal(f->list.count, 1);
    assert_int_equal(f->list.at[0].count, 0xffffff);
    gm_extents_insert(&f->list, extent(0xffffff, 1, 0, 0x1000000));
    assert_int_equal(f->list.count, 2);
    gm_extents_join(&f->list);
    assert_int_equal(f->list.count, 2);
    free_fixture(f);
}

/* Page 2^32 - 1 is the last of a space of 44 bits: the end behind it doesn't fit 32. */
static void the_last_page_of_the_largest_space_is_found(void **state)
{
    struct fixture *f = new_fixture();
    const uint64_t end = (uint64_t)1 << 32;

    (void)state;
    make_room(f, 8);
    gm_extents_insert(&f->list, extent(0xfffffe00u, 1, 1, 50));
    assert_true(gm_extent_end(&f->list.at[0]) == end);
    assert_non_null(gm_extents_find(&f->list, end - 1));
    assert_null(gm_extents_find(&f->list, end));
    assert_int_equal(gm_extents_above(&f->list, end), 1);
    assert_true(gm_extents_free(&f->list, end, end + 1));
    assert_false(gm_extents_free(&f->list, 0xfffffdffu, 0xfffffe01u));
    assert_true(gm_extents_edge(&f->list, end));
    gm_extents_cut(&f->list, 0xfffffe00u, end);
    assert_int_equal(f->list.count, 0);
    free_fixture(f);
}

/* A 1 GiB frame is 2^18 pages; the largest count of them still has its end right. */
static void large_frames_count_in_pages(void **state)
{
    struct gm_extent e = extent(0, 0x4000, 2, 1);

    (void)state;
    assert_true(gm_extent_end(&e) == (uint64_t)1 << 32);
    assert_int_equal(gm_size_pages(1), 512);
    assert_int_equal(gm_size_pages(2), 512 * 512);
}

/*
 *      |   10 .. 19   |       cut [13, 15)       |10..12|  |15..19|
 */
static void a_cut_in_the_middle_leaves_both_sides(void **state)
{
    struct fixture *f = new_fixture();

    (void)state;
    insert(f, extent(10, 10, 0, 100));
    cut(f, 13, 15);
    assert_int_equal(f->list.count, 2);
    assert_int_equal(f->list.at[1].cptr, 105);
    check(f);
    free_fixture(f);
}

static void a_cut_spans_extents_and_holes(void **state)
{
    struct fixture *f = new_fixture();

    (void)state;
    insert(f, extent(10, 10, 0, 100));
    insert(f, extent(30, 2, 0, 300));
    insert(f, extent(512, 3, 1, 500));
    cut(f, 15, 1024);
    check(f);
    assert_int_equal(f->list.count, 2);
    cut(f, 0, 10);
    cut(f, 2048, PAGES);
    assert_int_equal(f->list.count, 2);
    check(f);
    free_fixture(f);
}

static void cutting_an_empty_list_is_nothing(void **state)
{
    struct gm_extents list = {0};

    (void)state;
    gm_extents_cut(&list, 0, 10);
    gm_extents_split(&list, 5);
    gm_extents_join(&list);
    assert_int_equal(list.count, 0);
    assert_null(gm_extents_find(&list, 0));
    assert_true(gm_extents_free(&list, 0, UINT64_MAX));
}

static void splitting_changes_no_page_and_joining_undoes_it(void **state)
{
    struct fixture *f = new_fixture();

    (void)state;
    insert(f, extent(10, 10, 0, 100));
    insert(f, extent(512, 4, 1, 500));
    make_room(f, 2);
    gm_extents_split(&f->list, 13);
    gm_extents_split(&f->list, 1024);
    assert_int_equal(f->list.count, 4);
    check(f);
    gm_extents_split(&f->list, 13); /* is one already */
    gm_extents_split(&f->list, 25); /* is in none */
    gm_extents_split(&f->list, 10); /* starts one */
    assert_int_equal(f->list.count, 4);
    gm_extents_join(&f->list);
    assert_int_equal(f->list.count, 2);
    check(f);
    free_fixture(f);
}

/* ---- lists that stand for pages alone ---- */

static void note(struct fixture *f, uint32_t from, uint32_t to)
{
    make_room(f, 2);
    gm_extents_note_pages(&f->list, from, to);
    for (uint32_t p = from; p < to; p++) {
        f->page[p] = (struct page){.cptr = p + 1, .start = p};
    }
}

static void check_noted(const struct fixture *f)
{
    for (uint32_t p = 0; p < PAGES; p++) {
        assert_int_equal(gm_extents_find(&f->list, p) != NULL, f->page[p].cptr != 0);
    }
    for (size_t i = 1; i < f->list.count; i++) {
        assert_true(f->list.at[i].page > gm_extent_end(&f->list.at[i - 1]));
    }
}

/* |  10..19  |   |  30..39  |   and over both   |      5..49      | */
static void noted_pages_are_one_stretch_whatever_was_noted_before(void **state)
{
    struct fixture *f = new_fixture();

    (void)state;
    note(f, 10, 20);
    note(f, 30, 40);
    check_noted(f);
    note(f, 15, 35);
    assert_int_equal(f->list.count, 1);
    check_noted(f);
    note(f, 12, 13);
    note(f, 5, 50);
    note(f, 0, 1);
    check_noted(f);
    assert_int_equal(f->list.count, 2);
    free_fixture(f);
}

static void all_pages_of_the_largest_space_can_be_noted(void **state)
{
    struct fixture *f = new_fixture();
    const uint64_t all = (uint64_t)1 << 32;

    (void)state;
    make_room(f, all / 0xffffff + 2);
    gm_extents_note_pages(&f->list, 0, all);
    assert_int_equal(f->list.count, all / 0xffffff + 1);
    for (uint64_t p = 0; p < all; p += 0x123457) {
        assert_non_null(gm_extents_find(&f->list, p));
    }
    assert_non_null(gm_extents_find(&f->list, all - 1));
    free_fixture(f);
}

static void random_pages_are_noted_as_in_the_model(void **state)
{
    struct fixture *f = new_fixture();
    struct unit_random random = {23};

    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        uint32_t from = (uint32_t)unit_random_below(&random, PAGES - 64);

        note(f, from, from + 1 + (uint32_t)unit_random_below(&random, 63));
        if (i % 50 == 49) {
            cut(f, 0, PAGES / 2);
        }
        check_noted(f);
    }
    free_fixture(f);
}

/* ---- long random sequences ---- */

/* A run of free pages for `count` frames of this size, from a random place on; false: none. */
static bool find_place(const struct fixture *f, struct unit_random *random, unsigned size,
                       uint32_t count, uint32_t *page)
{
    uint32_t pages = (uint32_t)gm_size_pages(size);
    uint32_t base = (uint32_t)unit_random_below(random, PAGES) / pages * pages + SKEW;

    if (base + count * pages > PAGES) {
        return false;
    }
    for (uint32_t i = 0; i < count * pages; i++) {
        if (f->page[base + i].cptr != 0) {
            return false;
        }
    }
    *page = base;
    return true;
}

static uint32_t random_edge(const struct fixture *f, struct unit_random *random)
{
    uint32_t page = (uint32_t)unit_random_below(random, PAGES + 1);

    while (!is_edge(f, page)) {
        page--;
    }
    return page;
}

static void change_rights(struct fixture *f, uint32_t from, uint32_t to, unsigned rights)
{
    make_room(f, 2);
    gm_extents_split(&f->list, from);
    gm_extents_split(&f->list, to);
    for (size_t i = gm_extents_above(&f->list, from); i < f->list.count && f->list.at[i].page < to;
         i++) {
        f->list.at[i].rights = rights & 3u;
    }
    gm_extents_join(&f->list);
    for (uint32_t p = from; p < to; p++) {
        f->page[p].rights = f->page[p].cptr != 0 ? rights : 0;
    }
}

static void change(struct fixture *f, struct unit_random *random)
{
    unsigned size = unit_random_below(random, 4) == 0;
    uint32_t count = 1 + (uint32_t)unit_random_below(random, size == 0 ? 20 : 3);
    uint32_t from = random_edge(f, random);
    uint32_t to = random_edge(f, random);
    uint32_t page;

    if (unit_random_below(random, 2) == 0 && find_place(f, random, size, count, &page)) {
        /* caps that go with the page, so that neighbours often join */
        insert(f,
               extent(page, count, size, 1 + page / (uint32_t)gm_size_pages(size) + size * 100000));
    } else if (from < to && to - from < PAGES / 4) {
        if (unit_random_below(random, 2) == 0) {
            cut(f, from, to);
        } else {
            change_rights(f, from, to,
                          unit_random_below(random, 2) ? GM_RIGHTS_ALL : GM_RIGHT_READ);
        }
    }
}

static void random_sequences_answer_as_the_model(void **state)
{
    struct fixture *f = new_fixture();
    struct unit_random random = {21};

    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        change(f, &random);
        if (i % 8 == 0) {
            check(f);
            check_joined(f);
        }
    }
    free_fixture(f);
}

static void free_ranges_are_told_as_by_the_model(void **state)
{
    struct fixture *f = new_fixture();
    struct unit_random random = {22};

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        uint32_t from = (uint32_t)unit_random_below(&random, PAGES);
        uint32_t to = from + 1 + (uint32_t)unit_random_below(&random, PAGES - from);
        bool is_free = true;

        change(f, &random);
        for (uint32_t p = from; p < to; p++) {
            is_free = is_free && f->page[p].cptr == 0;
        }
        assert_int_equal(gm_extents_free(&f->list, from, to), is_free);
    }
    free_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_extent_takes_16_bytes),
        cmocka_unit_test(rights_turn_round_and_write_only_is_none),
        cmocka_unit_test(equal_neighbours_join_from_either_side),
        cmocka_unit_test(unlike_neighbours_stay_apart),
        cmocka_unit_test(no_extent_goes_on_behind_the_last_cap),
        cmocka_unit_test(extents_never_outgrow_their_count),
        cmocka_unit_test(the_last_page_of_the_largest_space_is_found),
        cmocka_unit_test(large_frames_count_in_pages),
        cmocka_unit_test(a_cut_in_the_middle_leaves_both_sides),
        cmocka_unit_test(a_cut_spans_extents_and_holes),
        cmocka_unit_test(cutting_an_empty_list_is_nothing),
        cmocka_unit_test(splitting_changes_no_page_and_joining_undoes_it),
        cmocka_unit_test(noted_pages_are_one_stretch_whatever_was_noted_before),
        cmocka_unit_test(all_pages_of_the_largest_space_can_be_noted),
        cmocka_unit_test(random_pages_are_noted_as_in_the_model),
        cmocka_unit_test(random_sequences_answer_as_the_model),
        cmocka_unit_test(free_ranges_are_told_as_by_the_model),
    };

    return cmocka_run_group_tests_name("extent", tests, NULL, NULL);
}

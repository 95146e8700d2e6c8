/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Lists of memory that is held, and what giving it back does.
 */
#include "unit_vm.h"

#include "holding.h"

static void insert(struct unit *u, struct gm_holdings *list, uint32_t page)
{
    assert_int_equal(gm_holdings_reserve(u->space, list, 1), GUESTMEM_OK);
    gm_holdings_insert(
        list, (struct gm_holding){.page = page, .cptr = page + 1, .kind = GM_HOLDING_BOOT});
}

static void drop(struct unit *u, struct gm_holdings *list)
{
    gm_room_drop(u->space, &list->room, &list->at, sizeof(list->at[0]));
}

static void an_empty_list_has_no_holding(void **state)
{
    struct gm_holdings list = {0};

    (void)state;
    assert_null(gm_holdings_at(&list, 0));
    assert_null(gm_holdings_below(&list, UINT32_MAX));
}

/*
 *      page   0      8         100
 *             [ A    [ B  ]    [ C      the holding at or below a page */
static void holdings_are_found_by_page(void **state)
{
    struct unit *u = *state;
    struct gm_holdings list = {0};

    insert(u, &list, 100);
    insert(u, &list, 0);
    insert(u, &list, 8);
    assert_ptr_equal(gm_holdings_at(&list, 8), &list.at[1]);
    assert_null(gm_holdings_at(&list, 9));
    assert_ptr_equal(gm_holdings_below(&list, 9), &list.at[1]);
    assert_ptr_equal(gm_holdings_below(&list, 7), &list.at[0]);
    assert_ptr_equal(gm_holdings_below(&list, (uint64_t)1 << 32), &list.at[2]);
    gm_holdings_remove(&list, &list.at[0]);
    assert_null(gm_holdings_below(&list, 7));
    assert_int_equal(gm_holdings_at(&list, 100)->cptr, 101);
    gm_holdings_remove(&list, &list.at[1]);
    gm_holdings_remove(&list, &list.at[0]);
    assert_int_equal(list.count, 0);
    drop(u, &list);
}

enum { PAGES = 512 };

static void random_holdings_are_found_as_the_model_says(void **state)
{
    struct unit *u = *state;
    struct unit_random random = {81};
    struct gm_holdings list = {0};
    bool held[PAGES] = {false};

    for (unsigned i = 0; i < 5000; i++) {
        uint32_t page = (uint32_t)unit_random_below(&random, PAGES);
        const struct gm_holding *below;
        uint32_t expected = page;

        if (held[page]) {
            gm_holdings_remove(&list, gm_holdings_at(&list, page));
        } else {
            insert(u, &list, page);
        }
        held[page] = !held[page];
        page = (uint32_t)unit_random_below(&random, PAGES);
        assert_int_equal(gm_holdings_at(&list, page) != NULL, held[page]);
        for (expected = page; expected > 0 && !held[expected];) {
            expected--;
        }
        below = gm_holdings_below(&list, page);
        assert_int_equal(below != NULL, held[expected]);
        assert_true(below == NULL || (below->page == expected && below->cptr == expected + 1));
    }
    gm_room_settle(u->space);
    drop(u, &list);
}

/* An untyped goes with its cap and slot, a frame's memory alone, of the others nothing. */
static void each_kind_gives_back_what_it_holds(void **state)
{
    struct unit *u = *state;
    struct guestmem_host_snapshot *before = unit_snapshot(u);
    struct gm_holding untyped = {.bits = 16, .kind = GM_HOLDING_UNTYPED};
    struct gm_holding frame = {.bits = 12, .kind = GM_HOLDING_FRAME};
    struct gm_holding others[] = {{.kind = GM_HOLDING_BOOT, .cptr = 1, .ut = 77},
                                  {.kind = GM_HOLDING_COOKIE, .cptr = 1, .ut = 77}};
    cspacepath_t path;

    assert_int_equal(gm_slot_take(u->space, &path), GUESTMEM_OK);
    untyped.cptr = path.capPtr;
    assert_int_equal(vka_utspace_alloc(u->vka, &path, seL4_UntypedObject, 16, &untyped.ut), 0);
    assert_int_equal(gm_slot_take(u->space, &path), GUESTMEM_OK);
    frame.cptr = path.capPtr;
    assert_int_equal(vka_utspace_alloc(u->vka, &path, seL4_ARM_SmallPageObject, 12, &frame.ut), 0);
    u->space->stats.untypeds = 2;
    gm_holding_give(u->space, &untyped);
    gm_slot_clear(u->space, frame.cptr);
    gm_holding_give(u->space, &frame);
    gm_holding_give(u->space, &others[0]);
    gm_holding_give(u->space, &others[1]);
    assert_int_equal(u->space->stats.untypeds, 0);
    assert_int_equal(u->space->stats.slots, 0);
    unit_check_same(u, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_has_no_holding),
        UNIT_TEST(holdings_are_found_by_page),
        UNIT_TEST(random_holdings_are_found_as_the_model_says),
        UNIT_TEST(each_kind_gives_back_what_it_holds),
    };

    return cmocka_run_group_tests_name("holding", tests, NULL, NULL);
}

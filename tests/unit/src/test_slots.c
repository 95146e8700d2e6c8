/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Slots in batches, from allocators that hand them out in any order, in one CNode or several.
 */
#include "unit.h"

#include "slots.h"
#include "space.h"

enum { SLOTS = 1024 };

/* An allocator that gives what it is told to, and knows what is out. */
struct fake {
    struct gm_space space;
    vka_t vka;
    seL4_CPtr next[SLOTS];
    size_t count;
    size_t given;
    bool out[2 * SLOTS];
    seL4_CPtr border; /* slots from here on are in another CNode; 0: all in one */
    enum { BY_ROOT, BY_DEST, BY_DEPTH, BY_OFFSET, DIFFERENCES } differs;
};

static int take_slot(void *data, seL4_CPtr *slot)
{
    struct fake *f = data;

    if (f->given == f->count) {
        return -1;
    }
    *slot = f->next[f->given++];
    assert_false(f->out[*slot]);
    f->out[*slot] = true;
    return 0;
}

static void give_slot(void *data, seL4_CPtr slot)
{
    struct fake *f = data;

    assert_true(f->out[slot]);
    f->out[slot] = false;
}

/* The CNode behind the border differs in one thing only; without that, nothing tells the two apart.
 */
static void make_path(void *data, seL4_CPtr slot, cspacepath_t *path)
{
    struct fake *f = data;
    bool second = f->border != 0 && slot >= f->border;

    *path = (cspacepath_t){.capPtr = slot, .root = 2, .offset = slot, .capDepth = 64};
    path->root += second && f->differs == BY_ROOT;
    path->dest += second && f->differs == BY_DEST;
    path->destDepth += second && f->differs == BY_DEPTH;
    path->offset += second && f->differs == BY_OFFSET;
}

static struct fake *new_fake(void)
{
    struct fake *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->vka = (vka_t){.data = f,
                     .cspace_alloc = take_slot,
                     .cspace_free = give_slot,
                     .cspace_make_path = make_path};
    f->space.vka = &f->vka;
    return f;
}

static size_t out_count(const struct fake *f)
{
    size_t count = 0;

    for (size_t i = 0; i < 2 * SLOTS; i++) {
        count += f->out[i];
    }
    return count;
}

/* Everything given back, in the fake's books and in the statistics. */
static void check_and_free(struct fake *f)
{
    assert_int_equal(out_count(f), 0);
    assert_int_equal(f->space.stats.slots, 0);
    free(f);
}

/* As allocman does: 63 62 .. 0 | 127 126 .. 64 | .. */
static void hand_out_as_allocman(struct fake *f, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        f->next[i] = i / 64 * 64 + 63 - i % 64;
    }
    f->count = count;
}

static void slots_that_fall_in_groups_make_one_run(void **state)
{
    struct fake *f = new_fake();
    struct gm_slots slots;
    cspacepath_t path;

    (void)state;
    hand_out_as_allocman(f, 256);
    gm_slots_start(&slots);
    assert_int_equal(gm_slots_fill(&f->space, &slots, 256), GUESTMEM_OK);
    assert_int_equal(gm_slots_run(&f->space, &slots, 256, &path), 256);
    assert_int_equal(path.capPtr, 0);
    assert_int_equal(gm_slots_run(&f->space, &slots, 100, &path), 100);
    slots.used = 200;
    assert_int_equal(gm_slots_run(&f->space, &slots, 256, &path), 56);
    assert_int_equal(path.offset, 200);
    slots.used = 0;
    gm_slots_give_unused(&f->space, &slots);
    check_and_free(f);
}

/*
 *      10 11 12 | 14 15 | 40      a gap ends a run
 */
static void a_gap_ends_a_run(void **state)
{
    const seL4_CPtr given[] = {40, 15, 10, 12, 14, 11};
    const size_t runs[] = {3, 2, 1};
    struct fake *f = new_fake();
    struct gm_slots slots;
    cspacepath_t path;

    (void)state;
    memcpy(f->next, given, sizeof(given));
    f->count = 6;
    gm_slots_start(&slots);
    assert_int_equal(gm_slots_fill(&f->space, &slots, 6), GUESTMEM_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(gm_slots_run(&f->space, &slots, 256, &path), runs[i]);
        assert_int_equal(path.capPtr, slots.at[slots.used]);
        slots.used += runs[i];
    }
    for (size_t i = 0; i < 6; i++) {
        give_slot(f, slots.at[i]);
        f->space.stats.slots--;
    }
    check_and_free(f);
}

/*
 *      0 ...      99 | 100 ...     127      slot numbers that follow one another, in two CNodes
 */
static void the_border_of_a_cnode_ends_a_run(void **state)
{
    (void)state;
    for (unsigned differs = 0; differs < DIFFERENCES; differs++) {
        for (seL4_CPtr border = 1; border < 128; border++) {
            struct fake *f = new_fake();
            struct gm_slots slots;
            cspacepath_t path;

            hand_out_as_allocman(f, 128);
            f->border = border;
            f->differs = differs;
            gm_slots_start(&slots);
            assert_int_equal(gm_slots_fill(&f->space, &slots, 128), GUESTMEM_OK);
            assert_int_equal(gm_slots_run(&f->space, &slots, 256, &path), border);
            assert_int_equal(path.capPtr, 0);
            assert_int_equal(gm_slots_run(&f->space, &slots, border, &path), border);
            slots.used = border;
            assert_int_equal(gm_slots_run(&f->space, &slots, 256, &path), 128 - border);
            assert_int_equal(path.capPtr, border);
            slots.used = 0;
            gm_slots_give_unused(&f->space, &slots);
            check_and_free(f);
        }
    }
}

static void what_is_left_of_a_batch_is_used_with_the_next(void **state)
{
    const seL4_CPtr given[] = {12, 11, 10, 9, 8, 7};
    struct fake *f = new_fake();
    struct gm_slots slots;
    cspacepath_t path;

    (void)state;
    memcpy(f->next, given, sizeof(given));
    f->count = 6;
    gm_slots_start(&slots);
    assert_int_equal(gm_slots_fill(&f->space, &slots, 3), GUESTMEM_OK);
    assert_int_equal(gm_slots_fill(&f->space, &slots, 6), GUESTMEM_OK);
    assert_int_equal(gm_slots_run(&f->space, &slots, 256, &path), 6);
    assert_int_equal(path.capPtr, 7);
    slots.used = 4;
    assert_int_equal(gm_slots_fill(&f->space, &slots, 2), GUESTMEM_OK);
    assert_int_equal(slots.at[0], 11);
    assert_int_equal(slots.at[1], 12);
    gm_slots_give_unused(&f->space, &slots);
    assert_int_equal(out_count(f), 4);
    assert_int_equal(f->space.stats.slots, 4);
    free(f);
}

static void when_slots_run_out_those_taken_are_given_back(void **state)
{
    struct fake *f = new_fake();
    struct gm_slots slots;

    (void)state;
    hand_out_as_allocman(f, 100);
    gm_slots_start(&slots);
    assert_int_equal(gm_slots_fill(&f->space, &slots, 101), GUESTMEM_ENOSLOT);
    assert_int_equal(f->space.failure.error, GUESTMEM_ENOSLOT);
    gm_slots_give_unused(&f->space, &slots);
    check_and_free(f);
}

/* Whatever the order: each slot once, ascending, in maximal runs. */
static void slots_in_any_order_are_sorted_into_runs(void **state)
{
    struct unit_random random = {51};

    (void)state;
    for (unsigned round = 0; round < 500; round++) {
        struct fake *f = new_fake();
        size_t count = 1 + unit_random_below(&random, GM_SLOTS_MAX);
        struct gm_slots slots;
        cspacepath_t path;
        size_t total = 0;

        for (size_t i = 0; i < SLOTS; i++) {
            f->next[i] = i + 1;
        }
        for (size_t i = 0; i < SLOTS; i++) { /* a few swaps, or many */
            size_t a = unit_random_below(&random, SLOTS);
            size_t b = round % 2 == 0 ? unit_random_below(&random, SLOTS) : (a + 1) % SLOTS;
            seL4_CPtr swapped = f->next[a];

            f->next[a] = f->next[b];
            f->next[b] = swapped;
        }
        f->count = SLOTS;
        gm_slots_start(&slots);
        assert_int_equal(gm_slots_fill(&f->space, &slots, count), GUESTMEM_OK);
        assert_int_equal(slots.count, count);
        for (size_t i = 1; i < count; i++) {
            assert_true(slots.at[i - 1] < slots.at[i]);
        }
        while (slots.used < slots.count) {
            size_t run = gm_slots_run(&f->space, &slots, 256, &path);
            size_t end = slots.used + run;

            assert_true(run > 0 && slots.at[end - 1] == slots.at[slots.used] + run - 1);
            assert_true(end == count || slots.at[end] != slots.at[end - 1] + 1);
            slots.used = end;
            total += run;
        }
        assert_int_equal(total, count);
        slots.used = 0;
        gm_slots_give_unused(&f->space, &slots);
        check_and_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_that_fall_in_groups_make_one_run),
        cmocka_unit_test(a_gap_ends_a_run),
        cmocka_unit_test(the_border_of_a_cnode_ends_a_run),
        cmocka_unit_test(what_is_left_of_a_batch_is_used_with_the_next),
        cmocka_unit_test(when_slots_run_out_those_taken_are_given_back),
        cmocka_unit_test(slots_in_any_order_are_sorted_into_runs),
    };

    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}

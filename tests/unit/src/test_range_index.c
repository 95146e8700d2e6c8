/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The index of disjoint ranges: by example, in every small case, and against a naive model.
 */
#include "unit.h"

#include "range_index.h"

#define TOP UINTPTR_MAX

enum { RANGE_MAX = 1024 };

/* An index with its memory, and the model: the same ranges, in no order. */
struct range {
    uintptr_t base;
    uintptr_t last;
};

struct fixture {
    struct gm_range_index index;
    struct range model[RANGE_MAX];
    size_t count;
    size_t chunk_count; /* that the index holds */
    char items[RANGE_MAX];
};

static struct fixture *new_fixture(void)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    return f;
}

static void free_fixture(struct fixture *f)
{
    for (size_t i = 0; i < f->index.count; i++) {
        free(f->index.top[i].chunk);
    }
    assert_int_equal(f->chunk_count, f->index.count);
    free(f->index.top);
    free(f);
}

/* Room in top[] for exactly one chunk more, so that what reads or writes behind it is seen. */
static void make_room(struct fixture *f)
{
    struct gm_range_top *top = malloc((f->index.count + 1) * sizeof(*top));

    assert_non_null(top);
    if (f->index.count > 0) {
        memcpy(top, f->index.top, f->index.count * sizeof(*top));
    }
    free(f->index.top);
    f->index.top = top;
}

/* The item stands for the base, so that a wrong one is seen. */
static void *item_of(uintptr_t base)
{
    return (void *)(base ^ 0x5a5a5a5a);
}

static void insert(struct fixture *f, uintptr_t base, uintptr_t last)
{
    struct gm_range_chunk *spare = NULL;

    if (gm_range_index_needs_chunk(&f->index, base)) {
        spare = malloc(sizeof(*spare));
        assert_non_null(spare);
        memset(spare, 0xee, sizeof(*spare));
        f->chunk_count++;
        make_room(f);
    }
    gm_range_index_insert(&f->index, base, last, item_of(base), spare);
    f->model[f->count++] = (struct range){base, last};
}

static void remove_range(struct fixture *f, uintptr_t base)
{
    struct gm_range_chunk *unused = gm_range_index_remove(&f->index, base);

    if (unused != NULL) {
        free(unused);
        f->chunk_count--;
    }
    for (size_t i = 0; i < f->count; i++) {
        if (f->model[i].base == base) {
            f->model[i] = f->model[--f->count];
            return;
        }
    }
    assert_null(unused);
}

static void *model_find(const struct fixture *f, uintptr_t addr)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->model[i].base <= addr && addr <= f->model[i].last) {
            return item_of(f->model[i].base);
        }
    }
    return NULL;
}

/* The highest that meets [base, last]. */
static void *model_meets(const struct fixture *f, uintptr_t base, uintptr_t last)
{
    const struct range *highest = NULL;

    for (size_t i = 0; i < f->count; i++) {
        const struct range *range = &f->model[i];

        if (range->base <= last && range->last >= base &&
            (highest == NULL || range->base > highest->base)) {
            highest = range;
        }
    }
    return highest == NULL ? NULL : item_of(highest->base);
}

/* A chunk's places: ascending and disjoint behind `last`, and nothing behind its ranges. */
static void check_chunk(const struct gm_range_chunk *chunk, bool any, uintptr_t last)
{
    assert_in_range(chunk->count, 1, GM_RANGE_CHUNK);
    for (size_t i = 0; i < GM_RANGE_CHUNK; i++) {
        const struct gm_range *range = &chunk->range[i];

        if (i >= chunk->count) {
            assert_true(range->base == TOP && range->last == TOP && range->item == NULL);
            continue;
        }
        assert_true(range->base <= range->last);
        assert_true(!any || range->base > last);
        assert_ptr_equal(range->item, item_of(range->base));
        last = range->last;
        any = true;
    }
}

static void check_half(const struct gm_range_index *index)
{
    if (index->count < 2) {
        assert_int_equal(index->half, 0);
        return;
    }
    assert_int_equal(index->half & (index->half - 1), 0);
    assert_true(index->half < index->count && index->count <= 2 * index->half);
}

/* Ascending, disjoint, no chunk empty or over-full, top[] right, and as many as in the model. */
static void check_structure(const struct fixture *f)
{
    const struct gm_range_index *index = &f->index;
    uintptr_t last = 0;
    size_t count = 0;

    for (size_t c = 0; c < index->count; c++) {
        const struct gm_range_chunk *chunk = index->top[c].chunk;

        check_chunk(chunk, c > 0, last);
        last = chunk->range[chunk->count - 1].last;
        assert_true(index->top[c].bound == (c + 1 < index->count ? last : TOP));
        count += chunk->count;
    }
    assert_int_equal(count, f->count);
    assert_int_equal(index->count, f->chunk_count);
    check_half(index);
}

/* A walk visits every range once, in order. */
static void check_walk(const struct fixture *f)
{
    struct gm_range_pos pos;
    size_t count = 0;
    uintptr_t last_base = 0;

    for (bool more = gm_range_index_first(&f->index, &pos); more;
         more = gm_range_index_next(&f->index, &pos)) {
        uintptr_t base = (uintptr_t)item_of((uintptr_t)gm_range_index_item(&f->index, pos));

        assert_true(count == 0 || base > last_base);
        last_base = base;
        count++;
    }
    assert_int_equal(count, f->count);
}

static void an_empty_index_holds_nothing(void **state)
{
    struct fixture *f = new_fixture();
    struct gm_range_pos pos;

    (void)state;
    assert_null(gm_range_index_find(&f->index, 0));
    assert_null(gm_range_index_find(&f->index, TOP));
    assert_null(gm_range_index_meets(&f->index, 0, TOP));
    assert_false(gm_range_index_first(&f->index, &pos));
    assert_false(gm_range_index_below(&f->index, TOP, &pos));
    assert_null(gm_range_index_remove(&f->index, 0));
    assert_true(gm_range_index_needs_chunk(&f->index, 0));
    free_fixture(f);
}

/*
 *      0        9 10     19             TOP-9     TOP
 *      [   A    ] [  B   ]              [    C     ]
 */
static void ranges_at_both_ends_of_the_address_space_are_found(void **state)
{
    struct fixture *f = new_fixture();

    (void)state;
    insert(f, TOP - 9, TOP);
    insert(f, 0, 9);
    insert(f, 10, 19);
    assert_ptr_equal(gm_range_index_find(&f->index, 0), item_of(0));
    assert_ptr_equal(gm_range_index_find(&f->index, 9), item_of(0));
    assert_ptr_equal(gm_range_index_find(&f->index, 10), item_of(10));
    assert_ptr_equal(gm_range_index_find(&f->index, 19), item_of(10));
    assert_null(gm_range_index_find(&f->index, 20));
    assert_null(gm_range_index_find(&f->index, TOP - 10));
    assert_ptr_equal(gm_range_index_find(&f->index, TOP - 9), item_of(TOP - 9));
    assert_ptr_equal(gm_range_index_find(&f->index, TOP), item_of(TOP - 9));
    assert_null(gm_range_index_meets(&f->index, 20, TOP - 10));
    assert_ptr_equal(gm_range_index_meets(&f->index, 0, 12), item_of(10));
    check_structure(f);
    free_fixture(f);
}

static void one_range_can_be_the_whole_address_space(void **state)
{
    struct fixture *f = new_fixture();

    (void)state;
    insert(f, 0, TOP);
    assert_ptr_equal(gm_range_index_find(&f->index, TOP / 2), item_of(0));
    assert_ptr_equal(gm_range_index_meets(&f->index, TOP, TOP), item_of(0));
    remove_range(f, 0);
    assert_null(gm_range_index_find(&f->index, TOP / 2));
    free_fixture(f);
}

static void a_base_inside_a_range_is_not_removed(void **state)
{
    struct fixture *f = new_fixture();

    (void)state;
    insert(f, 100, 199);
    assert_null(gm_range_index_remove(&f->index, 150));
    assert_null(gm_range_index_remove(&f->index, 99));
    assert_ptr_equal(gm_range_index_find(&f->index, 150), item_of(100));
    free_fixture(f);
}

/* Ascending and descending series are what devices and RAM come in. */
static void a_series_fills_its_chunks(void **state)
{
    enum { COUNT = 10 * GM_RANGE_CHUNK };
    struct fixture *up = new_fixture();
    struct fixture *down = new_fixture();

    (void)state;
    for (uintptr_t i = 0; i < COUNT; i++) {
        insert(up, i * 0x1000, i * 0x1000 + 0xfff);
        insert(down, (COUNT - i) * 0x1000, (COUNT - i) * 0x1000 + 0xfff);
    }
    assert_int_equal(up->index.count, COUNT / GM_RANGE_CHUNK);
    assert_int_equal(down->index.count, COUNT / GM_RANGE_CHUNK);
    check_structure(up);
    check_structure(down);
    free_fixture(up);
    free_fixture(down);
}

static void chunks_go_when_their_ranges_go(void **state)
{
    enum { COUNT = 8 * GM_RANGE_CHUNK };
    struct fixture *f = new_fixture();

    (void)state;
    for (uintptr_t i = 0; i < COUNT; i++) {
        insert(f, i * 16, i * 16 + 7);
    }
    for (uintptr_t i = 0; i < COUNT; i++) {
        remove_range(f, (i * 37 % COUNT) * 16);
        check_structure(f);
    }
    assert_int_equal(f->index.count, 0);
    free_fixture(f);
}

/*
 * Whatever the index holds, and wherever the range goes: what an insert did to the chunks, removing
 * the range undoes, so that a call that fails leaves no byte behind.
 */
static void removing_what_was_just_inserted_restores_the_chunks(void **state)
{
    struct unit_random random = {7};
    struct fixture *f = new_fixture();

    (void)state;
    for (unsigned round = 0; round < 400; round++) {
        uintptr_t at = unit_random_below(&random, 4000) * 16;
        struct gm_range_top before[RANGE_MAX];
        size_t counts[RANGE_MAX];
        size_t count = f->index.count;

        if (model_meets(f, at, at + 7) != NULL) {
            remove_range(f, at);
            continue;
        }
        if (count > 0) {
            memcpy(before, f->index.top, count * sizeof(before[0]));
        }
        for (size_t c = 0; c < count; c++) {
            counts[c] = f->index.top[c].chunk->count;
        }
        insert(f, at, at + 7);
        remove_range(f, at);
        check_structure(f);
        assert_int_equal(f->index.count, count);
        for (size_t c = 0; c < count; c++) {
            assert_ptr_equal(f->index.top[c].chunk, before[c].chunk);
            assert_true(f->index.top[c].bound == before[c].bound);
        }
        for (size_t c = 0; c < count; c++) {
            assert_int_equal(f->index.top[c].chunk->count, counts[c]);
        }
        insert(f, at, at + 7);
    }
    free_fixture(f);
}

/*
 *      [ full ] ..................... [ full ]
 *               [a][b][c] ->
 *                    <- [c][b][a]
 */
static void a_series_between_full_chunks_fills_chunks(void **state)
{
    enum { COUNT = 3 * GM_RANGE_CHUNK };

    (void)state;
    for (unsigned descending = 0; descending < 2; descending++) {
        struct fixture *f = new_fixture();

        for (uintptr_t i = 0; i < GM_RANGE_CHUNK; i++) {
            insert(f, i * 16, i * 16 + 15);
            insert(f, (10 * GM_RANGE_CHUNK + i) * 16, (10 * GM_RANGE_CHUNK + i) * 16 + 15);
        }
        assert_int_equal(f->index.count, 2);
        for (uintptr_t i = 0; i < COUNT; i++) {
            uintptr_t base = (2 * GM_RANGE_CHUNK + (descending ? COUNT - i : i)) * 16;

            insert(f, base, base + 15);
        }
        assert_int_equal(f->index.count, 2 + COUNT / GM_RANGE_CHUNK);
        check_structure(f);
        free_fixture(f);
    }
}

static void chunks_with_few_ranges_join_either_neighbour(void **state)
{
    enum { LEFT = GM_RANGE_CHUNK / 4 };

    (void)state;
    for (unsigned upper = 0; upper < 2; upper++) {
        struct fixture *f = new_fixture();
        size_t other = upper ? 0 : GM_RANGE_CHUNK;
        size_t from = upper ? GM_RANGE_CHUNK : 0;

        for (uintptr_t i = 0; i < 2 * GM_RANGE_CHUNK; i++) {
            insert(f, i * 16, i * 16 + 7);
        }
        for (uintptr_t i = LEFT; i < GM_RANGE_CHUNK; i++) {
            remove_range(f, (other + i) * 16);
        }
        assert_int_equal(f->index.count, 2);
        for (uintptr_t i = LEFT; i < GM_RANGE_CHUNK; i++) {
            remove_range(f, (from + i) * 16);
        }
        assert_int_equal(f->index.count, 1);
        check_structure(f);
        check_walk(f);
        free_fixture(f);
    }
}

/* ---- what a change writes to ---- */

struct version {
    struct gm_range_chunk *chunk[RANGE_MAX];
    struct gm_range_chunk bytes[RANGE_MAX / 8];
    size_t count;
};

static void note_version(const struct gm_range_index *index, struct version *version)
{
    assert_in_range(index->count, 0, RANGE_MAX / 8);
    version->count = index->count;
    for (size_t c = 0; c < index->count; c++) {
        version->chunk[c] = index->top[c].chunk;
        version->bytes[c] = *index->top[c].chunk;
    }
}

/* All chunks of before but `at` are as they were. */
static void check_version(const struct version *version, size_t at)
{
    for (size_t c = 0; c < version->count; c++) {
        if (c != at) {
            assert_memory_equal(version->chunk[c], &version->bytes[c], sizeof(version->bytes[c]));
        }
    }
}

static void insert_checked(struct fixture *f, uintptr_t base, struct version *version)
{
    size_t at = 0;

    note_version(&f->index, version);
    if (f->index.count > 0) {
        at = gm_range_index_chunk_of(&f->index, base);
        assert_in_range(at, 0, f->index.count - 1);
    }
    insert(f, base, base + 7);
    check_version(version, at);
}

static void remove_checked(struct fixture *f, uintptr_t base, struct version *version)
{
    size_t at = gm_range_index_chunk_of(&f->index, base);
    struct gm_range_chunk *unused;

    note_version(&f->index, version);
    unused = gm_range_index_remove(&f->index, base);
    check_version(version, at);
    if (unused != NULL) {
        free(unused);
        f->chunk_count--;
    }
    for (size_t i = 0; i < f->count; i++) {
        if (f->model[i].base == base) {
            f->model[i] = f->model[--f->count];
        }
    }
    check_structure(f);
}

static void a_change_writes_to_the_chunk_that_was_named(void **state)
{
    struct unit_random random = {11};
    struct fixture *f = new_fixture();
    struct version *version = malloc(sizeof(*version));

    (void)state;
    assert_non_null(version);
    for (unsigned round = 0; round < 6000; round++) {
        uintptr_t base = unit_random_below(&random, 1200) * 16;
        bool growing = round < 1500 || (round >= 3000 && round < 4500);

        if (model_meets(f, base, base + 7) == NULL) {
            if (growing && f->count < RANGE_MAX) {
                insert_checked(f, base, version);
                if (unit_random_below(&random, 4) == 0) {
                    remove_checked(f, base, version);
                }
            }
        } else if (!growing) {
            remove_checked(f, base, version);
        }
    }
    while (f->count > 0) {
        remove_checked(f, f->model[0].base, version);
    }
    free(version);
    free_fixture(f);
}

/* ---- any number of chunks ---- */

enum { CHUNKS = GM_RANGE_CACHED + 20, STEP = 32, SIZE = 16 };

/* The outermost ranges of each chunk are found, and nothing between. */
static void check_edges(const struct gm_range_index *index, uintptr_t start)
{
    size_t count = index->count * GM_RANGE_CHUNK;

    check_half(index);
    assert_true(count == 0 || index->top[index->count - 1].bound == TOP);
    assert_null(gm_range_index_find(index, start + count * STEP));
    assert_null(gm_range_index_find(index, TOP));
    for (size_t i = 0; i < count; i += i % GM_RANGE_CHUNK == 0 ? GM_RANGE_CHUNK - 1 : 1) {
        uintptr_t base = start + i * STEP;

        assert_ptr_equal(gm_range_index_find(index, base), item_of(base));
        assert_ptr_equal(gm_range_index_find(index, base + (SIZE - 1)), item_of(base));
        assert_null(gm_range_index_find(index, base + SIZE));
        assert_null(gm_range_index_find(index, base - 1));
        assert_null(gm_range_index_meets(index, base + SIZE, base + (STEP - 1)));
    }
}

static void run_chunks(uintptr_t start)
{
    struct gm_range_chunk *chunks = calloc(CHUNKS, sizeof(*chunks));
    struct gm_range_index index = {0};

    index.top = calloc(CHUNKS, sizeof(*index.top));
    assert_true(chunks != NULL && index.top != NULL);
    for (size_t i = 0; i < (size_t)CHUNKS * GM_RANGE_CHUNK; i++) {
        uintptr_t base = start + i * STEP;
        bool needs = gm_range_index_needs_chunk(&index, base);

        assert_true(needs == (i % GM_RANGE_CHUNK == 0));
        gm_range_index_insert(&index, base, base + (SIZE - 1), item_of(base),
                              needs ? &chunks[index.count] : NULL);
        if ((i + 1) % GM_RANGE_CHUNK == 0) {
            check_edges(&index, start);
        }
    }
    for (size_t i = (size_t)CHUNKS * GM_RANGE_CHUNK; i-- > 0;) {
        struct gm_range_chunk *unused = gm_range_index_remove(&index, start + i * STEP);

        if (i % GM_RANGE_CHUNK == 0) {
            assert_int_equal(index.count, i / GM_RANGE_CHUNK);
            check_edges(&index, start);
        } else if (unused != NULL) {
            fail_msg("chunk given back at range %zu", i);
        }
    }
    free(index.top);
    free(chunks);
}

static void ranges_are_found_among_any_number_of_chunks(void **state)
{
    (void)state;
    run_chunks(STEP);
    run_chunks(TOP - (uintptr_t)CHUNKS * GM_RANGE_CHUNK * STEP);
}

/* ---- every small case: all sequences of DEPTH changes on POINTS addresses ---- */

enum { POINTS = 5, DEPTH = 5 };

static size_t checked;

/* Every address and every range of the few against the model; the addresses around them too. */
static void check_everything(const struct fixture *f, uintptr_t start)
{
    for (uintptr_t a = start; a - start < POINTS; a++) {
        assert_ptr_equal(gm_range_index_find(&f->index, a), model_find(f, a));
        for (uintptr_t b = a; b - start < POINTS; b++) {
            assert_ptr_equal(gm_range_index_meets(&f->index, a, b), model_meets(f, a, b));
            if (b == TOP) {
                break;
            }
        }
        if (a == TOP) {
            break;
        }
    }
    checked++;
}

static void try_all(struct fixture *f, uintptr_t start, unsigned depth);

static void try_insert(struct fixture *f, uintptr_t start, unsigned depth, uintptr_t base,
                       uintptr_t last)
{
    if (model_meets(f, base, last) == NULL) {
        insert(f, base, last);
        check_everything(f, start);
        try_all(f, start, depth - 1);
        remove_range(f, base);
        check_structure(f);
    }
}

static void try_all(struct fixture *f, uintptr_t start, unsigned depth)
{
    struct range model[POINTS];
    size_t count = f->count;

    if (depth == 0) {
        return;
    }
    for (uintptr_t a = 0; a < POINTS; a++) {
        for (uintptr_t b = a; b < POINTS; b++) {
            try_insert(f, start, depth, start + a, start + b);
        }
    }
    memcpy(model, f->model, sizeof(model));
    for (size_t i = 0; i < count; i++) {
        remove_range(f, model[i].base);
        check_everything(f, start);
        try_all(f, start, depth - 1);
        insert(f, model[i].base, model[i].last);
        check_structure(f);
    }
}

static void every_small_sequence_answers_as_the_model(void **state)
{
    /* the lowest addresses, the highest, and the edge of 32 bits */
    const uintptr_t starts[] = {0, TOP - (POINTS - 1), 0xfffffffdu};

    (void)state;
    checked = 0;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct fixture *f = new_fixture();

        try_all(f, starts[i], DEPTH);
        free_fixture(f);
    }
    assert_true(checked > 10000);
    print_message("           %zu states checked\n", checked);
}

/* ---- long random sequences ---- */

static void check_around(const struct fixture *f, uintptr_t addr)
{
    for (uintptr_t a = addr - 2; a != addr + 3; a++) {
        assert_ptr_equal(gm_range_index_find(&f->index, a), model_find(f, a));
    }
}

/* One change: insert if the range is free, else remove one of those in the way. */
static void change(struct fixture *f, struct unit_random *random, uintptr_t mask, uintptr_t offset)
{
    uintptr_t base = (unit_random_next(random) & mask) + offset;
    uintptr_t size = unit_random_next(random) & 0x3f;
    uintptr_t last = TOP - base < size ? TOP : base + size;
    void *item = gm_range_index_meets(&f->index, base, last);

    assert_ptr_equal(item, model_meets(f, base, last));
    if (item == NULL && f->count < RANGE_MAX) {
        insert(f, base, last);
        check_around(f, last);
    } else if (item != NULL) {
        remove_range(f, (uintptr_t)item_of((uintptr_t)item));
    }
    check_around(f, base);
}

static void run_random(uint64_t seed, uintptr_t mask, uintptr_t offset)
{
    struct unit_random random = {seed};
    struct fixture *f = new_fixture();

    for (unsigned i = 0; i < 20000; i++) {
        change(f, &random, mask, offset);
        if (i % 64 == 0) {
            check_structure(f);
            check_walk(f);
        }
    }
    while (f->count > 0) {
        remove_range(f, f->model[unit_random_below(&random, f->count)].base);
    }
    check_structure(f);
    free_fixture(f);
}

static void random_sequences_at_address_0_answer_as_the_model(void **state)
{
    (void)state;
    run_random(1, 0x7fff, 0);
    run_random(2, 0x3ff, 0);
}

static void random_sequences_at_the_top_answer_as_the_model(void **state)
{
    (void)state;
    run_random(3, 0x7fff, TOP - 0x7fff);
    run_random(4, 0x3ff, TOP - 0x3ff);
}

static void random_sequences_over_all_addresses_answer_as_the_model(void **state)
{
    (void)state;
    run_random(5, TOP, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_index_holds_nothing),
        cmocka_unit_test(ranges_at_both_ends_of_the_address_space_are_found),
        cmocka_unit_test(one_range_can_be_the_whole_address_space),
        cmocka_unit_test(a_base_inside_a_range_is_not_removed),
        cmocka_unit_test(a_series_fills_its_chunks),
        cmocka_unit_test(chunks_go_when_their_ranges_go),
        cmocka_unit_test(removing_what_was_just_inserted_restores_the_chunks),
        cmocka_unit_test(a_series_between_full_chunks_fills_chunks),
        cmocka_unit_test(chunks_with_few_ranges_join_either_neighbour),
        cmocka_unit_test(a_change_writes_to_the_chunk_that_was_named),
        cmocka_unit_test(ranges_are_found_among_any_number_of_chunks),
        cmocka_unit_test(every_small_sequence_answers_as_the_model),
        cmocka_unit_test(random_sequences_at_address_0_answer_as_the_model),
        cmocka_unit_test(random_sequences_at_the_top_answer_as_the_model),
        cmocka_unit_test(random_sequences_over_all_addresses_answer_as_the_model),
    };

    return cmocka_run_group_tests_name("range_index", tests, NULL, NULL);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * RAM: registering, touching, marking, discarding.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------- registering */

static void registered(struct area *area, struct range range, enum source source, bool lazy)
{
    area->live = true;
    area->base = range.base;
    area->size = range.size;
    area->kind = GUESTMEM_KIND_RAM;
    area->handle = guestmem_reservation_at(&world.me->vm, range.base);
    FUZZ_CHECK(area->handle != NULL);
    area->device = area->policy.memory_type == GUESTMEM_MEMORY_DEVICE;
    area->paddr = range.base & ~(PAGE - 1);
    area_back(area, source, lazy);
    regions_add(range.base, range.size);
    regions_check();
}

static void register_at(struct area *area, struct range range, bool untyped)
{
    unsigned errors = expect_claim_backed(range.base, range.size);
    bool lazy = !untyped && area->policy.populate == GUESTMEM_POPULATE_LAZY;

    if (errors == 0 && range.size > BACKED_MAX) {
        return;
    }
    if (errors == 0 && untyped) {
        uintptr_t first = range.base & ~(PAGE - 1);

        errors = expect_paddr(first, ((range.base + (range.size - 1)) - first) / PAGE + 1);
    }
    call_begin("vm_ram_register_at");
    if (call_end_compatible(vm_ram_register_at(&world.me->vm, range.base, range.size, untyped) == 0,
                            errors)) {
        registered(area, range, untyped ? SOURCE_ADDRESS : SOURCE_ANY, lazy);
    }
}

/* Address 0 means failure: what is free there isn't used. */
static bool fits_above_zero(size_t size)
{
    uintptr_t base;

    return pool_fit(size, PAGE, &base);
}

static void register_anywhere(struct area *area, size_t size)
{
    size_t whole = (size + PAGE - 1) & ~(PAGE - 1);
    unsigned errors = expect_range(0, size);
    uintptr_t base;

    if (errors == 0 && !fits_above_zero(whole)) {
        errors = ANSWER(GUESTMEM_EUNMAPPED);
    }
    call_begin("vm_ram_register");
    base = vm_ram_register(&world.me->vm, size);
    if (call_end_compatible(base != 0, errors)) {
        FUZZ_CHECK(base % PAGE == 0 && pool_is_free(base, whole));
        area->anonymous = true;
        registered(area, (struct range){base, size}, SOURCE_ANY,
                   area->policy.populate == GUESTMEM_POPULATE_LAZY);
    }
}

void op_ram(void)
{
    struct range range = choose_range();
    unsigned how = fuzz_byte(world.in);
    struct area *area = area_new();

    if (area == NULL) {
        return;
    }
    if ((how & 3) == 0) {
        register_anywhere(area, range.size);
    } else {
        if ((how & 0x3f) == 0x3f) {
            range.base = RAM_BASE + RAM_BYTES / 2 + range.base % (2 * MIB);
        }
        register_at(area, range, (how & 7) == 7);
    }
}

void op_ram_given(void)
{
    struct range range = choose_range();
    struct area *area = area_new();
    unsigned errors = expect_claim_backed(range.base, range.size);
    size_t pages = ((range.base + (range.size - 1)) / PAGE) - range.base / PAGE + 1;
    bool done;

    if (area == NULL || range.size > GIVEN * PAGE || pages > GIVEN) {
        return;
    }
    area->base = range.base; /* the iterator asks where the area is */
    area->size = range.size;
    if (errors == 0) {
        given_take(area, (unsigned)pages);
    }
    call_begin("vm_ram_register_at_custom_iterator");
    done = vm_ram_register_at_custom_iterator(&world.me->vm, range.base, range.size, given_next,
                                              area) == 0;
    if (call_end_compatible(done, errors)) {
        registered(area, range, SOURCE_GIVEN, false);
    } else {
        given_drop(area);
    }
}

/* ----------------------------------------------------------------------------------- touching */

struct touch {
    struct range range;
    size_t done;
    unsigned pieces;
    unsigned stop_at; /* the piece, from 1, at which it ends; 0: none */
    bool write;
};

enum { STOPPED = 77 };

static int touch_piece(vm_t *vm, uintptr_t gpa, void *at, size_t size, size_t offset, void *cookie)
{
    static uint8_t expected[4096];
    struct touch *touch = cookie;

    FUZZ_CHECK(vm == &world.me->vm);
    FUZZ_CHECK_EQ(offset, touch->done);
    FUZZ_CHECK_EQ(gpa, touch->range.base + offset);
    FUZZ_CHECK(size > 0 && gpa % PAGE + size <= PAGE && size <= touch->range.size - offset);
    if (++touch->pieces == touch->stop_at) {
        return STOPPED;
    }
    area_scan(area_at(gpa), true);
    bytes_get(gpa, expected, size);
    FUZZ_CHECK(memcmp(at, expected, size) == 0);
    if (touch->write) {
        memset(at, ++world.pattern, size);
        bytes_set(gpa, at, size);
    }
    touch->done += size;
    return 0;
}

void op_touch(void)
{
    struct touch touch = {.range = choose_range()};
    unsigned choice = fuzz_byte(world.in);
    unsigned errors = expect_range(touch.range.base, touch.range.size);
    int result;

    if (errors == 0) {
        errors = expect_use(touch.range.base, touch.range.size, true);
        errors |=
            regions_cover(touch.range.base, touch.range.size) ? 0 : ANSWER(GUESTMEM_EUNMAPPED);
    }
    touch.write = choice & 1;
    touch.stop_at = (choice & 0x0e) == 0x0e ? 1 + (choice >> 4) : 0;
    call_begin("vm_ram_touch");
    world.call.may_change = world.me->policy.views != GUESTMEM_VIEWS_KEPT;
    result = vm_ram_touch(&world.me->vm, touch.range.base, touch.range.size, touch_piece, &touch);
    if (result == STOPPED) {
        FUZZ_CHECK_EQ(touch.pieces, touch.stop_at);
        result = 0;
        touch.done = touch.range.size;
    }
    if (call_end_compatible(result == 0, errors)) {
        FUZZ_CHECK_EQ(touch.done, touch.range.size);
        pages_used(touch.range.base, touch.range.size);
    } else {
        FUZZ_CHECK(touch.pieces == 0 || world.call.may_change);
        area_scan_all(world.call.may_change);
    }
}

/* ------------------------------------------------------------------------------------ marking */

void op_mark(void)
{
    struct range range = choose_range();
    bool allocated = fuzz_flag(world.in);
    bool compatible = fuzz_flag(world.in);
    unsigned errors = expect_range(range.base, range.size);
    bool may = errors == 0 && regions_cover_kind(range.base, range.size, !allocated);
    vm_t *vm = &world.me->vm;
    bool done;

    if (errors == 0 && !may) {
        errors = ANSWER(GUESTMEM_EUNMAPPED);
    }
    if (world.me->region_count > REGIONS - 4) {
        return;
    }
    call_begin("guestmem_ram_mark");
    if (!compatible) {
        done = call_end(guestmem_ram_mark(vm, range.base, range.size, allocated), errors);
    } else {
        allocated ? vm_ram_mark_allocated(vm, range.base, range.size)
                  : vm_ram_free(vm, range.base, range.size);
        done = may && !guestmem_host_failed(world.host, NULL);
        done = call_end_compatible(done, done ? 0 : errors);
    }
    if (done) {
        regions_mark(range.base, range.size, allocated);
    }
    regions_check();
}

/* The lowest free region that is large enough, without the page at 0. */
static uintptr_t naive_allocate(size_t size)
{
    uintptr_t lowest = 0;

    for (size_t i = 0; i < world.me->region_count; i++) {
        const struct region *region = &world.me->region[i];
        size_t skip = region->base == 0 ? PAGE : 0;

        if (!region->allocated && region->size > skip && region->size - skip >= size &&
            (lowest == 0 || region->base + skip < lowest)) {
            lowest = region->base + skip;
        }
    }
    return lowest;
}

void op_allocate(void)
{
    size_t size = choose_range().size;
    unsigned errors = expect_range(0, size);
    uintptr_t expected = errors == 0 ? naive_allocate(size) : 0;
    uintptr_t base;

    if (world.me->region_count > REGIONS - 4) {
        return;
    }
    if (errors == 0 && expected == 0) {
        errors = ANSWER(GUESTMEM_EUNMAPPED);
    }
    call_begin("vm_ram_allocate");
    base = vm_ram_allocate(&world.me->vm, size);
    if (call_end_compatible(base != 0, errors)) {
        FUZZ_CHECK_EQ(base, expected);
        regions_mark(base, size, true);
    }
    regions_check();
}

void op_largest(void)
{
    const struct region *largest = NULL;
    uintptr_t base = 0;
    size_t size = 0;
    bool done;

    for (size_t i = 0; i < world.me->region_count; i++) {
        const struct region *region = &world.me->region[i];

        if (!region->allocated &&
            (largest == NULL || region->size > largest->size ||
             (region->size == largest->size && region->base < largest->base))) {
            largest = region;
        }
    }
    call_begin("vm_ram_find_largest_free_region");
    done = vm_ram_find_largest_free_region(&world.me->vm, &base, &size) == 0;
    if (call_end_compatible(done, largest == NULL ? ANSWER(GUESTMEM_EUNMAPPED) : 0)) {
        FUZZ_CHECK_EQ(base, largest->base);
        FUZZ_CHECK_EQ(size, largest->size);
    }
}

/* --------------------------------------------------------------------------------- discarding */

static unsigned expect_discard(struct range range)
{
    unsigned errors = expect_range(range.base, range.size);
    uintptr_t last = range.base + (range.size - 1);

    if (errors != 0) {
        return errors;
    }
    if (!regions_cover(range.base, range.size)) {
        return ANSWER(GUESTMEM_EUNMAPPED);
    }
    for (uintptr_t at = range.base; at <= last;) {
        const struct area *area = area_at(at);
        uintptr_t end = area_last(area) < last ? area_last(area) : last;
        size_t behind = area_page_of(area, end) + 1;
        const struct page *first = &area->page[area_page_of(area, at)];

        if ((at % PAGE != 0 && at != area->base) ||
            ((end + 1) % PAGE != 0 && end != area_last(area)) ||
            (first->state == PAGE_THERE &&
             (at & ~(PAGE - 1) & (((uintptr_t)1 << first->size_bits) - 1)) != 0) ||
            (behind < area->pages && area->page[behind].state == PAGE_THERE &&
             ((area_page_base(area) + behind * PAGE) &
              (((uintptr_t)1 << area->page[behind].size_bits) - 1)) != 0)) {
            errors = ANSWER(GUESTMEM_EGRAIN);
        }
        at = end + 1;
    }
    return errors;
}

static void discard_page(struct area *area, size_t i)
{
    bool refuses = area->policy.discarded == GUESTMEM_DISCARDED_REFUSES;
    unsigned char state = area->source == SOURCE_GIVEN && !area->makes ? PAGE_GONE : PAGE_LAZY;

    if (refuses) {
        state = PAGE_REFUSED;
    }
    free(area->page[i].bytes);
    area->page[i] = (struct page){.state = state};
    area->hollow = area->hollow || area->source == SOURCE_ADDRESS;
}

/* RAM by address is given back by the untyped, and the model doesn't know which those are. */
static void note_fixed(struct range range, unsigned errors)
{
    for (size_t i = 0; errors == 0 && i < AREAS; i++) {
        const struct area *area = &world.me->area[i];

        if (area->live && area->source == SOURCE_ADDRESS &&
            area->base <= range.base + (range.size - 1) && area_last(area) >= range.base) {
            world.may |= ANSWER(GUESTMEM_EGRAIN);
        }
    }
}

void op_discard(void)
{
    struct range range = choose_range();
    unsigned errors = expect_discard(range);

    note_fixed(range, errors);
    call_begin("guestmem_ram_discard");
    if (call_end(guestmem_ram_discard(&world.me->vm, range.base, range.size), errors)) {
        for (uintptr_t at = range.base; at <= range.base + (range.size - 1);
             at = (at | (PAGE - 1)) + 1) {
            struct area *area = area_at(at);

            discard_page(area, area_page_of(area, at));
        }
    }
    area_scan_all(false);
}

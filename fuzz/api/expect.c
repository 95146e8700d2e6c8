/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the arguments of a call deserve, by the headers' words: a set of errors, empty for success.
 * Where several apply, any of them will do.
 */
#include "world.h"

/* -------------------------------------------------------------------------------- claims */

unsigned expect_range(uintptr_t base, size_t size)
{
    if (size == 0) {
        return ANSWER(GUESTMEM_EINVAL);
    }
    return base >= GUEST_END || size > GUEST_END - base ? ANSWER(GUESTMEM_ERANGE) : 0;
}

static bool meets_pool(uintptr_t base, size_t size)
{
    for (size_t i = 0; i < world.me->pool_count; i++) {
        const struct range *pool = &world.me->pool[i];

        if (pool->base <= base + (size - 1) && pool->base + (pool->size - 1) >= base) {
            return true;
        }
    }
    return false;
}

/* The range itself is free; its first and last page are nobody's memory. */
unsigned expect_claim(uintptr_t base, size_t size)
{
    unsigned errors = expect_range(base, size);
    uintptr_t page_base = base & ~(PAGE - 1);
    uintptr_t page_last = (base + (size - 1)) | (PAGE - 1);

    if (errors != 0) {
        return errors;
    }
    if (meets_pool(base, size)) {
        return ANSWER(GUESTMEM_ETAKEN);
    }
    for (size_t i = 0; i < AREAS; i++) {
        const struct area *area = &world.me->area[i];

        if (!area->live) {
            continue;
        }
        if (area->base <= base + (size - 1) && area_last(area) >= base) {
            return ANSWER(GUESTMEM_ETAKEN);
        }
        if (area->backed && area->base <= page_last && area_last(area) >= page_base) {
            return ANSWER(GUESTMEM_ETAKEN);
        }
    }
    return 0;
}

unsigned expect_claim_backed(uintptr_t base, size_t size)
{
    unsigned errors = expect_claim(base, size);
    uintptr_t first = base & ~(PAGE - 1);

    if (errors == 0 &&
        area_meeting(first, ((base + (size - 1)) | (PAGE - 1)) - first + 1) != NULL) {
        errors = ANSWER(GUESTMEM_ETAKEN);
    }
    return errors;
}

/* To be backed an area needs its pages for itself. */
unsigned expect_alone(const struct area *area)
{
    uintptr_t page_last = area_last(area) | (PAGE - 1);

    if (area->backed) {
        return ANSWER(GUESTMEM_EMAPPED);
    }
    for (size_t i = 0; i < AREAS; i++) {
        const struct area *other = &world.me->area[i];

        if (other->live && other != area && other->base <= page_last &&
            area_last(other) >= area_page_base(area)) {
            return ANSWER(GUESTMEM_ETAKEN);
        }
    }
    return 0;
}

/* ------------------------------------------------------------------------------------ uses */

/* Each byte's page is there or will be made, and none is device memory, unless that will do. */
unsigned expect_use(uintptr_t base, size_t size, bool devices)
{
    unsigned errors = expect_range(base, size);
    uintptr_t last = base + (size - 1);

    if (errors != 0) {
        return errors;
    }
    for (uintptr_t at = base; at <= last; at = (at | (PAGE - 1)) + 1) {
        uintptr_t end = (at | (PAGE - 1)) < last ? at | (PAGE - 1) : last;
        const struct area *area = area_at(at);
        const struct page *page = page_at(at);

        if (page == NULL || area_last(area) < end || page->state == PAGE_REFUSED ||
            page->state == PAGE_GONE || (page->state == PAGE_LAZY && !area->makes)) {
            errors |= ANSWER(GUESTMEM_EUNMAPPED); /* two backed areas never share a page */
        }
        if (area != NULL && area->backed && area->device && !devices) {
            errors |= ANSWER(GUESTMEM_ENOSUP);
        }
        if (errors & ANSWER(GUESTMEM_EUNMAPPED)) {
            break; /* a range may be as large as the guest */
        }
    }
    /* What is device memory behind the first hole may be told, too. */
    for (size_t i = 0; errors != 0 && !devices && i < AREAS; i++) {
        const struct area *area = &world.me->area[i];

        if (area->live && area->device && area->base <= last && area_last(area) >= base) {
            errors |= ANSWER(GUESTMEM_ENOSUP);
        }
    }
    return errors;
}

/* ---------------------------------------------------------------------------- anonymous memory */

static bool page_is_free(uintptr_t page)
{
    for (size_t i = 0; i < AREAS; i++) {
        const struct area *area = &world.me->area[i];

        if (area->live && area->anonymous && page >= area_page_base(area) &&
            page <= area_last(area)) {
            return false;
        }
    }
    for (size_t i = 0; i < world.me->pool_count; i++) {
        const struct range *pool = &world.me->pool[i];

        if (page >= pool->base && pool->size >= PAGE && page - pool->base <= pool->size - PAGE) {
            return true;
        }
    }
    return false;
}

bool pool_is_free(uintptr_t base, size_t size)
{
    for (uintptr_t page = base; page - base < size; page += PAGE) {
        if (!page_is_free(page)) {
            return false;
        }
    }
    return true;
}

/* Page by page from the lowest pool on. */
bool pool_fit(size_t size, size_t align, uintptr_t *base)
{
    bool found = false;

    for (size_t i = 0; i < world.me->pool_count; i++) {
        const struct range *pool = &world.me->pool[i];
        uintptr_t first = (pool->base + PAGE - 1) & ~(PAGE - 1);

        for (uintptr_t page = first; page < pool->base + pool->size; page += PAGE) {
            if (page % align == 0 && (!found || page < *base) && pool_is_free(page, size)) {
                *base = page;
                found = true;
                break;
            }
        }
    }
    return found;
}

/* ------------------------------------------------------------------------------------- RAM */

static uintptr_t region_last(const struct region *region)
{
    return region->base + (region->size - 1);
}

/* Let a region start at `at`, if one goes across it. */
static void split(uintptr_t at)
{
    struct player *me = world.me;

    for (size_t i = 0; i < me->region_count; i++) {
        struct region *region = &me->region[i];

        if (region->base < at && region_last(region) >= at) {
            struct region upper = {at, region_last(region) - at + 1, region->allocated};

            FUZZ_CHECK(me->region_count < REGIONS);
            region->size = at - region->base;
            me->region[me->region_count++] = upper;
            return;
        }
    }
}

/* Join what touches and is of one kind, until there is no such pair. */
static void join(void)
{
    struct player *me = world.me;

    for (size_t i = 0; i < me->region_count; i++) {
        for (size_t k = 0; k < me->region_count; k++) {
            struct region *low = &me->region[i];
            struct region *high = &me->region[k];

            if (low->base + low->size == high->base && low->allocated == high->allocated) {
                low->size += high->size;
                *high = me->region[--me->region_count];
                join();
                return;
            }
        }
    }
}

void regions_add(uintptr_t base, size_t size)
{
    FUZZ_CHECK(world.me->region_count < REGIONS);
    world.me->region[world.me->region_count++] = (struct region){base, size, false};
    join();
}

static void cut(uintptr_t base, size_t size)
{
    split(base);
    if (base + size != 0) {
        split(base + size);
    }
}

void regions_remove(uintptr_t base, size_t size)
{
    struct player *me = world.me;

    cut(base, size);
    for (size_t i = 0; i < me->region_count;) {
        if (me->region[i].base >= base && region_last(&me->region[i]) <= base + (size - 1)) {
            me->region[i] = me->region[--me->region_count];
        } else {
            i++;
        }
    }
    join();
}

void regions_mark(uintptr_t base, size_t size, bool allocated)
{
    cut(base, size);
    for (size_t i = 0; i < world.me->region_count; i++) {
        struct region *region = &world.me->region[i];

        if (region->base >= base && region_last(region) <= base + (size - 1)) {
            region->allocated = allocated;
        }
    }
    join();
}

static const struct region *region_at(uintptr_t gpa)
{
    for (size_t i = 0; i < world.me->region_count; i++) {
        const struct region *region = &world.me->region[i];

        if (region->base <= gpa && region_last(region) >= gpa) {
            return region;
        }
    }
    return NULL;
}

bool regions_cover_kind(uintptr_t base, size_t size, bool allocated)
{
    const struct region *region = region_at(base);

    return region != NULL && region->allocated == allocated &&
           region_last(region) >= base + (size - 1);
}

bool regions_cover(uintptr_t base, size_t size)
{
    uintptr_t last = base + (size - 1);

    for (const struct region *region; (region = region_at(base)) != NULL;
         base = region_last(region) + 1) {
        if (region_last(region) >= last) {
            return true;
        }
    }
    return false;
}

/* The public array has the same regions, in ascending order. */
void regions_check(void)
{
    const vm_mem_t *mem = &world.me->vm.mem;
    uintptr_t above = 0;

    FUZZ_CHECK_EQ(mem->num_ram_regions, world.me->region_count);
    for (int i = 0; i < mem->num_ram_regions; i++) {
        const struct vm_ram_region *region = &mem->ram_regions[i];
        const struct region *expected = region_at(region->start);

        FUZZ_CHECK(i == 0 || region->start >= above);
        FUZZ_CHECK(expected != NULL && expected->base == region->start);
        FUZZ_CHECK_EQ(region->size, expected->size);
        FUZZ_CHECK_EQ(region->allocated, expected->allocated);
        above = region->start + region->size;
    }
}

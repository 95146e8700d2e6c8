/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Areas, their pages, and what the guest's tables say of them.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { SCAN_ALL = 64, SCAN_STEP = 16, OWNERS = 4096 };

/* ---------------------------------------------------------------------------------- areas */

struct area *area_new(void)
{
    for (size_t i = 0; i < AREAS; i++) {
        struct area *area = &world.me->area[i];

        if (!area->live) {
            memset(area, 0, sizeof(*area));
            area->policy = world.me->policy;
            area->answer = FAULT_HANDLED;
            area->rights = RIGHT_READ | RIGHT_WRITE;
            return area;
        }
    }
    return NULL;
}

uintptr_t area_last(const struct area *area)
{
    return area->base + (area->size - 1);
}

struct area *area_meeting(uintptr_t base, size_t size)
{
    for (size_t i = 0; i < AREAS; i++) {
        struct area *area = &world.me->area[i];

        if (area->live && area->base <= base + (size - 1) && area_last(area) >= base) {
            return area;
        }
    }
    return NULL;
}

struct area *area_at(uintptr_t gpa)
{
    return area_meeting(gpa, 1);
}

uintptr_t area_page_base(const struct area *area)
{
    return area->base & ~(PAGE - 1);
}

size_t area_page_of(const struct area *area, uintptr_t gpa)
{
    return (gpa - area_page_base(area)) / PAGE;
}

bool area_is_device_page(uintptr_t paddr)
{
    return paddr >= DEVICE_BASE && paddr - DEVICE_BASE < DEVICE_BYTES;
}

enum owner { NOBODY, SOMEBODY, PERHAPS };

static bool is_normal_page(uintptr_t paddr)
{
    return paddr >= RAM_BASE && paddr - RAM_BASE < RAM_BYTES;
}

/* Of the areas by address: others have normal memory only. */
static enum owner owner_of(uintptr_t paddr)
{
    enum owner owner = is_normal_page(paddr) ? PERHAPS : NOBODY;

    for (size_t i = 0; i < VMS * AREAS; i++) {
        const struct area *area = &world.player[i / AREAS].area[i % AREAS];

        if (!area->live || !area->backed || area->source != SOURCE_ADDRESS || paddr < area->paddr ||
            paddr - area->paddr >= area->pages * PAGE) {
            continue;
        }
        if (area->page[(paddr - area->paddr) / PAGE].state == PAGE_THERE) {
            return SOMEBODY;
        }
    }
    return owner;
}

/* What was discarded is the allocator's, so that it can be had again, unless somebody else has. */
bool area_may_lack(const struct area *area)
{
    for (size_t i = 0; area->live && area->hollow && i < area->pages; i++) {
        if (area->page[i].state == PAGE_LAZY && owner_of(area->paddr + i * PAGE) != NOBODY) {
            return true;
        }
    }
    return false;
}

unsigned expect_paddr(uintptr_t paddr, size_t pages)
{
    unsigned errors = 0;

    for (size_t i = 0; i < pages; i++) {
        uintptr_t page = paddr + i * PAGE;
        enum owner owner = owner_of(page);

        if (!area_is_device_page(page) && !is_normal_page(page)) {
            errors |= ANSWER(GUESTMEM_ENOFRAME);
        } else if (world.boot_frames && area_is_device_page(page)) {
            continue;
        } else if (owner == SOMEBODY) {
            errors |= ANSWER(GUESTMEM_ENOFRAME);
        } else if (owner == PERHAPS) {
            world.may |= ANSWER(GUESTMEM_ENOFRAME);
        }
    }
    return errors;
}

void area_back(struct area *area, enum source source, bool lazy)
{
    area->backed = true;
    area->source = source;
    area->makes = source == SOURCE_ANY || source == SOURCE_ADDRESS || lazy;
    area->pages = area_page_of(area, area_last(area)) + 1;
    area->page = calloc(area->pages, sizeof(area->page[0]));
    FUZZ_CHECK(area->page != NULL);
    if (!lazy) {
        area_scan(area, true);
        for (size_t i = 0; i < area->pages; i++) {
            FUZZ_CHECK_EQ(area->page[i].state, PAGE_THERE);
        }
    } else {
        area_scan(area, false);
    }
}

void area_drop(struct area *area)
{
    bool live = world.me->vm.mem.reservation_cookie != NULL;

    for (size_t i = 0; i < area->pages; i++) {
        struct guestmem_host_leaf leaf;

        if (live && (i < SCAN_ALL || i % SCAN_STEP == 0)) {
            FUZZ_CHECK(!guestmem_host_translate(world.host, world.me->vm.mem.vm_vspace_root.cptr,
                                                area_page_base(area) + i * PAGE, &leaf));
        }
        free(area->page[i].bytes);
    }
    free(area->page);
    given_drop(area);
    memset(area, 0, sizeof(*area));
}

/* ---------------------------------------------------------------------------- page tables */

static bool look(uintptr_t gpa, struct guestmem_host_leaf *leaf)
{
    return guestmem_host_translate(world.host, world.me->vm.mem.vm_vspace_root.cptr, gpa, leaf);
}

static void check_there(const struct area *area, size_t i, const struct guestmem_host_leaf *leaf)
{
    const struct page *page = &area->page[i];
    uintptr_t gpa = area_page_base(area) + i * PAGE;
    uintptr_t inside = gpa & (((uintptr_t)1 << leaf->size_bits) - 1);

    FUZZ_CHECK_EQ(leaf->size_bits, page->size_bits);
    FUZZ_CHECK_EQ(leaf->paddr + inside, page->paddr);
    FUZZ_CHECK_EQ(leaf->read, (page->rights & RIGHT_READ) != 0);
    FUZZ_CHECK_EQ(leaf->write, (page->rights & RIGHT_WRITE) != 0);
    FUZZ_CHECK_EQ(leaf->device, area->device);
}

/* A frame has appeared: it lies in the area, on pages that were lazy, and isn't larger than
 * allowed. */
static void appear(struct area *area, size_t i, const struct guestmem_host_leaf *leaf)
{
    size_t pages = ((size_t)1 << leaf->size_bits) / PAGE;
    uintptr_t gpa = area_page_base(area) + i * PAGE;

    FUZZ_CHECK(gpa % ((uintptr_t)1 << leaf->size_bits) == 0);
    FUZZ_CHECK(i + pages <= area->pages);
    FUZZ_CHECK(leaf->size_bits <= area->policy.frame_bits_max || area->source == SOURCE_GIVEN);
    FUZZ_CHECK_EQ(leaf->read, (area->rights & RIGHT_READ) != 0);
    FUZZ_CHECK_EQ(leaf->write, (area->rights & RIGHT_WRITE) != 0);
    FUZZ_CHECK_EQ(leaf->device, area->device);
    FUZZ_CHECK(area->source != SOURCE_ADDRESS || leaf->paddr == area->paddr + i * PAGE);
    for (size_t k = i; k < i + pages; k++) {
        FUZZ_CHECK_EQ(area->page[k].state, PAGE_LAZY);
        area->page[k] = (struct page){.state = PAGE_THERE,
                                      .rights = area->rights,
                                      .size_bits = (unsigned char)leaf->size_bits,
                                      .unknown = area->source == SOURCE_ADDRESS,
                                      .paddr = leaf->paddr + (k - i) * PAGE};
    }
}

void area_scan(struct area *area, bool may)
{
    struct guestmem_host_leaf leaf;

    if (!area->live || !area->backed) {
        return;
    }
    for (size_t i = 0; i < area->pages;) {
        struct page *page = &area->page[i];

        if (!may && page->state != PAGE_THERE && i >= SCAN_ALL && i % SCAN_STEP != 0) {
            i++;
            continue;
        }
        if (!look(area_page_base(area) + i * PAGE, &leaf)) {
            FUZZ_CHECK(page->state != PAGE_THERE);
            i++;
            continue;
        }
        if (may && page->state == PAGE_LAZY) {
            appear(area, i, &leaf);
        }
        FUZZ_CHECK_EQ(page->state, PAGE_THERE);
        check_there(area, i, &leaf);
        i += ((size_t)1 << leaf.size_bits) / PAGE;
    }
}

void area_scan_all(bool may)
{
    for (size_t i = 0; i < AREAS; i++) {
        area_scan(&world.me->area[i], may);
    }
}

struct page *page_at(uintptr_t gpa)
{
    struct area *area = area_at(gpa);

    return area == NULL || !area->backed ? NULL : &area->page[area_page_of(area, gpa)];
}

void pages_used(uintptr_t base, size_t size)
{
    uintptr_t last = base + (size - 1);

    for (uintptr_t at = base; at <= last;) {
        struct area *area = area_at(at);
        uintptr_t end;

        FUZZ_CHECK(area != NULL && area->backed);
        area_scan(area, true);
        end = area_last(area) < last ? area_last(area) : last;
        for (size_t i = area_page_of(area, at); i <= area_page_of(area, end); i++) {
            FUZZ_CHECK_EQ(area->page[i].state, PAGE_THERE);
        }
        at = end + 1;
    }
}

/* ---------------------------------------------------------------------------------- bytes */

static uint8_t *bytes_of(struct page *page)
{
    if (page->bytes == NULL) {
        page->bytes = calloc(1, PAGE);
        FUZZ_CHECK(page->bytes != NULL);
    }
    return page->bytes;
}

/* What a page holds that may hold anything is what it is found to hold. */
static void learn(struct page *page)
{
    FUZZ_CHECK(page != NULL);
    if (page->unknown) {
        memcpy(bytes_of(page), guestmem_host_phys(world.host, page->paddr, PAGE), PAGE);
        page->unknown = false;
    }
}

static size_t piece_of(uintptr_t gpa, size_t size)
{
    size_t left = PAGE - gpa % PAGE;

    return left < size ? left : size;
}

void bytes_get(uintptr_t gpa, uint8_t *to, size_t size)
{
    for (size_t piece; size > 0; gpa += piece, to += piece, size -= piece) {
        struct page *page = page_at(gpa);

        piece = piece_of(gpa, size);
        learn(page);
        if (page->bytes == NULL) {
            memset(to, 0, piece);
        } else {
            memcpy(to, page->bytes + gpa % PAGE, piece);
        }
    }
}

void bytes_set(uintptr_t gpa, const uint8_t *from, size_t size)
{
    for (size_t piece; size > 0; gpa += piece, from += piece, size -= piece) {
        struct page *page = page_at(gpa);

        piece = piece_of(gpa, size);
        learn(page);
        memcpy(bytes_of(page) + gpa % PAGE, from, piece);
    }
}

void bytes_forget(uintptr_t gpa, size_t size)
{
    for (size_t piece; size > 0; gpa += piece, size -= piece) {
        struct page *page = page_at(gpa);

        piece = piece_of(gpa, size);
        if (page != NULL && page->state == PAGE_THERE) {
            page->unknown = true;
        }
    }
}

static void check_page(struct page *page)
{
    static const uint8_t zero[4096];
    const uint8_t *memory = guestmem_host_phys(world.host, page->paddr, PAGE);

    FUZZ_CHECK(memory != NULL);
    if (!page->unknown && memcmp(memory, page->bytes != NULL ? page->bytes : zero, PAGE) != 0) {
        FUZZ_FAIL("the bytes of physical page %#llx aren't what was written",
                  (unsigned long long)page->paddr);
    }
}

/* All that were written, and of the others some. */
void area_check_bytes(const struct area *area)
{
    for (size_t i = 0; i < area->pages; i++) {
        struct page *page = &area->page[i];

        if (page->state == PAGE_THERE && !area->device &&
            (page->bytes != NULL || i < SCAN_STEP || i % (8 * SCAN_STEP) == 0)) {
            check_page(page);
        }
    }
}

/* ---------------------------------------------------------------------------------- owners */

static int by_paddr(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void world_check_owners(void)
{
    static uint64_t owned[OWNERS];
    size_t count = 0;

    for (size_t i = 0; i < VMS * AREAS; i++) {
        const struct area *area = &world.player[i / AREAS].area[i % AREAS];

        for (size_t k = 0; area->live && k < area->pages && count < OWNERS; k++) {
            if (area->page[k].state == PAGE_THERE &&
                !(world.boot_frames && area_is_device_page(area->page[k].paddr)) &&
                (area->page[k].size_bits == 12 || k % 64 == 0)) {
                owned[count++] = area->page[k].paddr;
            }
        }
    }
    qsort(owned, count, sizeof(owned[0]), by_paddr);
    for (size_t i = 1; i < count; i++) {
        FUZZ_CHECK(owned[i] != owned[i - 1]);
    }
}

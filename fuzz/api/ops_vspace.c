/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's space as a vspace_t, by its table: the wrappers refuse some things themselves. Its
 * claims are areas of which each page is there or gone; they never make one. The caller's frames
 * are the area's `given`, of which each page knows its own.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include <vka/object.h>

static vspace_t *space(void)
{
    return &world.me->vm.mem.vm_vspace;
}

static void *at(uintptr_t gpa)
{
    return (void *)gpa; /* addresses of this vspace are the guest's */
}

static uintptr_t round_up(uintptr_t gpa)
{
    return (gpa + PAGE - 1) & ~(PAGE - 1);
}

static size_t choose_bits(void)
{
    static const size_t bits[] = {12, 12, 12, 12, 12, 21, 21, 13};

    return bits[fuzz_byte(world.in) & 7];
}

static bool is_frame_size(size_t bits)
{
    return bits == 12 || bits == 21 || bits == 30;
}

/* ----------------------------------------------------------------------------- finding a place */

static bool is_free(uintptr_t base, size_t size)
{
    return base < GUEST_END && size <= GUEST_END - base && expect_claim_backed(base, size) == 0;
}

/* The lowest aligned place, but never 0: behind something, or the first of all. */
static bool lowest_place(size_t size, size_t bits, uintptr_t *base)
{
    uintptr_t align = (uintptr_t)1 << bits;
    bool found = false;

    for (size_t i = 0; i < 1 + AREAS + world.me->pool_count; i++) {
        uintptr_t candidate = align;

        if (i > AREAS) {
            const struct range *pool = &world.me->pool[i - AREAS - 1];

            candidate = ((pool->base + (pool->size - 1)) | (align - 1)) + 1;
        } else if (i > 0 && world.me->area[i - 1].live) {
            candidate = (area_last(&world.me->area[i - 1]) | (align - 1)) + 1;
        }
        if ((!found || candidate < *base) && is_free(candidate, size)) {
            *base = candidate;
            found = true;
        }
    }
    return found;
}

static unsigned expect_place(size_t size, size_t bits, uintptr_t *base)
{
    if (!is_frame_size(bits) || size == 0 || size > GUEST_END) {
        return ANSWER(GUESTMEM_EINVAL);
    }
    return lowest_place(round_up(size), bits, base) ? 0 : ANSWER(GUESTMEM_EUNMAPPED);
}

/* ------------------------------------------------------------------------------------- claims */

static void claim(struct area *area, uintptr_t base, size_t size, unsigned rights, bool cacheable)
{
    area->live = true;
    area->base = base & ~(PAGE - 1);
    area->size = round_up(base + size) - area->base;
    area->kind = GUESTMEM_KIND_VSPACE;
    area->handle = guestmem_reservation_at(&world.me->vm, base);
    FUZZ_CHECK(area->handle != NULL);
    area->device = !cacheable;
    area->policy.memory_type = cacheable ? GUESTMEM_MEMORY_NORMAL : GUESTMEM_MEMORY_DEVICE;
    area->rights = rights == RIGHT_WRITE ? 0 : (unsigned char)rights;
    area->backed = true;
    area->source = SOURCE_GIVEN;
    area->pages = area->size / PAGE;
    area->page = calloc(area->pages, sizeof(area->page[0]));
    FUZZ_CHECK(area->page != NULL);
    for (size_t i = 0; i < area->pages; i++) {
        area->page[i].state = PAGE_GONE;
    }
}

void op_vspace_reserve(void)
{
    struct range range = choose_range();
    unsigned choice = fuzz_byte(world.in);
    size_t bits = choose_bits();
    unsigned rights;
    seL4_CapRights_t cap_rights = choose_rights(&rights);
    bool aligned = (choice & 3) == 3;
    bool deferred = !aligned && (choice & 3) == 2;
    bool cacheable = (choice & 0x1c) != 0;
    void *found = at(range.base);
    struct area *area = area_new();
    reservation_t result;
    unsigned errors;

    if (area == NULL || (range.size > BACKED_MAX && range.size <= GUEST_END)) {
        return; /* a claim that takes so much is refused by nothing, and the model has pages */
    }
    errors = aligned ? expect_place(range.size, bits, &range.base)
                     : expect_claim_backed(range.base, range.size);
    call_begin("reserving through the vspace");
    if (aligned) {
        result = space()->reserve_range_aligned(space(), range.size, bits, cap_rights, cacheable,
                                                &found);
    } else if (deferred) {
        result = space()->reserve_deferred_rights_range_at(space(), found, range.size, cacheable);
    } else {
        result = space()->reserve_range_at(space(), found, range.size, cap_rights, cacheable);
    }
    if (call_end_compatible(result.res != NULL, errors)) {
        FUZZ_CHECK(!aligned || found == at(range.base));
        claim(area, range.base, range.size, rights, cacheable);
        FUZZ_CHECK(result.res == area->handle);
        area->deferred = deferred;
    }
}

void op_vspace_free(void)
{
    struct area *area = choose_area();
    bool by_address = fuzz_flag(world.in);
    unsigned errors = 0;
    bool stays = false;

    if (area == NULL) {
        return;
    }
    errors = area->kind == GUESTMEM_KIND_VSPACE ? 0 : ANSWER(GUESTMEM_ESTALE);
    call_begin("freeing through the vspace");
    if (world.call.armed) {
        guestmem_host_fail(world.host, GUESTMEM_HOST_FAIL_ANY, 1, true); /* it needs nothing */
    }
    if (by_address) {
        space()->free_reservation_by_vaddr(space(), at(area_last(area)));
    } else {
        space()->free_reservation(space(), (reservation_t){area->handle});
    }
    call_end_compatible(errors == 0, errors);
    FUZZ_CHECK(!call_was_struck());
    for (size_t i = 0; i < area->pages; i++) {
        stays = stays || area->page[i].state == PAGE_THERE;
    }
    if (errors != 0 || stays) {
        FUZZ_CHECK(guestmem_reservation_at(&world.me->vm, area->base) == area->handle);
        area->automatic = area->automatic || errors == 0;
    } else {
        FUZZ_CHECK(guestmem_reservation_at(&world.me->vm, area->base) == NULL);
        area_drop(area);
    }
}

/* -------------------------------------------------------------------------------------- pages */

/* Pages of a request appear, and no others. `given`: number of the first one's frame, or 0. */
static void appear_at(struct area *area, uintptr_t base, size_t count, size_t bits, unsigned given)
{
    size_t first = area_page_of(area, base);

    for (size_t i = first; i < first + (count << bits) / PAGE; i++) {
        area->page[i].state = PAGE_LAZY;
    }
    area_scan(area, true);
    for (size_t i = first; i < first + (count << bits) / PAGE; i++) {
        FUZZ_CHECK_EQ(area->page[i].state, PAGE_THERE);
        FUZZ_CHECK_EQ(area->page[i].size_bits, bits);
        area->page[i].given = given == 0 ? 0 : (unsigned char)(given + (i - first));
    }
}

/* Frames for a request: the area's list grows, and they are there until it goes. */
struct brought {
    seL4_CPtr caps[GIVEN];
    uintptr_t cookies[GIVEN];
    unsigned before;
};

static bool bring(struct area *area, size_t count, struct brought *brought, bool lacking)
{
    brought->before = area->given_count;
    if (count > GIVEN || area->given_count + count > GIVEN) {
        return false;
    }
    given_take(area, area->given_count + (unsigned)count);
    for (size_t i = 0; i < count; i++) {
        brought->caps[i] = area->given[brought->before + i].cptr;
        brought->cookies[i] = area->given[brought->before + i].ut;
    }
    if (lacking) {
        brought->caps[count - 1] = seL4_CapNull;
    }
    return true;
}

static void take_back(struct area *area, unsigned before)
{
    while (area->given_count > before) {
        vka_free_object(world.me->vm.vka, &area->given[--area->given_count]);
    }
}

static unsigned expect_pages(const struct area *area, uintptr_t base, size_t count, size_t bits,
                             bool says_rights)
{
    uintptr_t step = (uintptr_t)1 << bits;
    unsigned errors = is_frame_size(bits) ? 0 : ANSWER(GUESTMEM_EINVAL);

    if (area->kind != GUESTMEM_KIND_VSPACE) {
        return errors | ANSWER(GUESTMEM_ESTALE) | (says_rights ? ANSWER(GUESTMEM_EINVAL) : 0);
    }
    errors |= area->deferred != says_rights ? ANSWER(GUESTMEM_EINVAL) : 0;
    errors |= count == 0 || base % step != 0 ? ANSWER(GUESTMEM_EINVAL) : 0;
    if (base < area->base || base > area_last(area) ||
        count > (area->size - (base - area->base)) >> bits) {
        return errors | ANSWER(GUESTMEM_ERANGE);
    }
    for (size_t i = 0; i < (count << bits) / PAGE; i++) {
        if (area->page[area_page_of(area, base) + i].state == PAGE_THERE) {
            errors |= ANSWER(GUESTMEM_ETAKEN);
        }
    }
    return errors;
}

static int map_at(struct area *area, uintptr_t base, size_t count, size_t bits,
                  struct brought *brought, const seL4_CapRights_t *rights, bool with_cookies)
{
    reservation_t res = {area->handle};
    uintptr_t *cookies = brought != NULL && with_cookies ? brought->cookies : NULL;

    if (brought == NULL) {
        return space()->new_pages_at_vaddr(space(), at(base), count, bits, res, with_cookies);
    }
    if (rights != NULL) {
        return space()->deferred_rights_map_pages_at_vaddr(space(), brought->caps, cookies,
                                                           at(base), count, bits, *rights, res);
    }
    return space()->map_pages_at_vaddr(space(), brought->caps, cookies, at(base), count, bits, res);
}

/* What was brought with its cookie is freed by whoever frees the page. */
static void note_cookies(struct area *area, unsigned before, bool with_cookies)
{
    for (unsigned i = before; i < area->given_count; i++) {
        area->given_cookie[i] = with_cookies;
    }
}

void op_vspace_pages(void)
{
    struct area *area = choose_area();
    unsigned choice = fuzz_byte(world.in);
    size_t bits = choose_bits();
    size_t count = fuzz_byte(world.in) % 5;
    unsigned rights;
    seL4_CapRights_t cap_rights = choose_rights(&rights);
    bool given = (choice & 3) != 0 && bits == 12;
    bool says_rights = (choice & 3) == 3 && given;
    bool lacking = given && count > 0 && (choice & 0x1c) == 0x1c;
    bool with_cookies = (choice & 0x20) != 0;
    struct brought brought;
    uintptr_t base;
    unsigned errors;
    int result;

    if (area == NULL || (given && !bring(area, count, &brought, lacking))) {
        return;
    }
    base = area_page_base(area) + (choice >> 6) * PAGE +
           (area->size >= 2 * MIB && bits != 12 ? -area_page_base(area) & (2 * MIB - 1) : 0);
    errors = expect_pages(area, base, count, bits, says_rights);
    errors |= lacking ? ANSWER(GUESTMEM_EFRAME) : 0;
    call_begin("mapping through the vspace");
    result = map_at(area, base, count, bits, given ? &brought : NULL,
                    says_rights ? &cap_rights : NULL, with_cookies);
    if (call_end_compatible(result == 0, errors)) {
        unsigned char kept = area->rights;

        area->rights = !says_rights ? kept : rights == RIGHT_WRITE ? 0 : (unsigned char)rights;
        note_cookies(area, given ? brought.before : area->given_count, with_cookies);
        appear_at(area, base, count, bits, given ? brought.before + 1 : 0);
        area->rights = kept;
    } else if (given) {
        take_back(area, brought.before);
    }
}

void op_vspace_anywhere(void)
{
    struct area *area = area_new();
    unsigned choice = fuzz_byte(world.in);
    size_t bits = choose_bits();
    size_t count = choice == 0xff ? SIZE_MAX >> 3 : (choice & 7) % 5;
    unsigned rights;
    seL4_CapRights_t cap_rights = choose_rights(&rights);
    bool given = (choice & 8) != 0 && bits == 12 && choice != 0xff;
    bool cacheable = !given || (choice & 0x30) != 0;
    struct brought brought;
    uintptr_t base = 0;
    unsigned errors;
    void *result;

    if (area == NULL || (bits == 21 && count > 1 && choice != 0xff)) {
        return;
    }
    if (given && !bring(area, count, &brought, false)) {
        return;
    }
    errors = choice == 0xff ? ANSWER(GUESTMEM_ERANGE) | ANSWER(GUESTMEM_EINVAL)
                            : expect_place(count << bits, bits, &base);
    call_begin("mapping through the vspace anywhere");
    result = given ? space()->map_pages(space(), brought.caps, brought.cookies, cap_rights, count,
                                        bits, cacheable)
                   : space()->new_pages(space(), cap_rights, count, bits);
    if (call_end_compatible(result != NULL, errors)) {
        FUZZ_CHECK(result == at(base));
        claim(area, base, count << bits, rights, cacheable);
        area->automatic = true;
        note_cookies(area, 0, true);
        appear_at(area, base, count, bits, given);
    } else if (given) {
        take_back(area, 0);
    }
}

/* ------------------------------------------------------------------------------------ unmapping */

static unsigned expect_unmap(uintptr_t base, size_t count, size_t bits)
{
    if (!is_frame_size(bits) || count == 0) {
        return ANSWER(GUESTMEM_EINVAL);
    }
    if (count > GUEST_END >> bits || expect_range(base, count << bits) != 0) {
        return ANSWER(GUESTMEM_ERANGE) | ANSWER(GUESTMEM_EUNMAPPED);
    }
    for (size_t i = 0; i < count; i++) {
        uintptr_t gpa = base + (i << bits);
        const struct area *area = area_at(gpa);
        const struct page *page = page_at(gpa);

        if (gpa % ((uintptr_t)1 << bits) != 0 || page == NULL || page->state != PAGE_THERE ||
            page->size_bits != bits || area->kind != GUESTMEM_KIND_VSPACE) {
            return ANSWER(GUESTMEM_EUNMAPPED);
        }
    }
    return 0;
}

/* Whether some of these pages are the library's: those can't be left to the caller, who wouldn't
 * know whose memory it is. */
static bool are_owned(uintptr_t base, size_t count, size_t bits)
{
    for (size_t i = 0; i < count; i++) {
        if (page_at(base + (i << bits))->given == 0) {
            return true;
        }
    }
    return false;
}

/* The cap went with its page, and the memory too if its cookie was known. */
static void lose_given(struct area *area, unsigned given)
{
    vka_object_t *object = &area->given[given - 1];

    if (!area->given_cookie[given - 1]) {
        vka_utspace_free(world.me->vm.vka, object->type, object->size_bits, object->ut);
    }
    object->cptr = seL4_CapNull;
}

static void vanish(uintptr_t gpa, size_t bits, bool preserve)
{
    struct area *area = area_at(gpa);
    size_t first = area_page_of(area, gpa);
    bool any = false;

    if (area->page[first].given != 0 && !preserve) {
        lose_given(area, area->page[first].given);
    }
    for (size_t i = first; i < first + ((size_t)1 << bits) / PAGE; i++) {
        free(area->page[i].bytes);
        area->page[i] = (struct page){.state = PAGE_GONE};
    }
    for (size_t i = 0; i < area->pages; i++) {
        any = any || area->page[i].state == PAGE_THERE;
    }
    if (!any && area->automatic) {
        area_drop(area);
    }
}

void op_vspace_unmap(void)
{
    struct area *area = choose_area();
    unsigned choice = fuzz_byte(world.in);
    size_t count = (choice & 0xf) == 0xf ? SIZE_MAX >> 2 : (choice & 3) + 1;
    bool preserve = (choice & 0x30) == 0x30;
    vka_t *vka = preserve ? VSPACE_PRESERVE : choice & 0x20 ? VSPACE_FREE : world.me->vm.vka;
    size_t bits = choose_bits();
    unsigned errors;
    uintptr_t base;
    bool had;

    if (area == NULL) {
        return;
    }
    base = area_page_base(area) + (choice >> 6) * PAGE +
           (area->size >= 2 * MIB && bits != 12 ? -area_page_base(area) & (2 * MIB - 1) : 0);
    errors = expect_unmap(base, count, bits);
    if (preserve && errors == 0 && are_owned(base, count, bits)) {
        return;
    }
    had = vspace_get_cap(space(), at(base)) != seL4_CapNull;
    call_begin("unmapping through the vspace");
    space()->unmap_pages(space(), at(base), count, bits, vka);
    if (call_end_compatible(had && vspace_get_cap(space(), at(base)) == seL4_CapNull, errors)) {
        for (size_t i = 0; i < count; i++) {
            vanish(base + (i << bits), bits, preserve);
        }
    }
    area_scan_all(false);
}

/* ----------------------------------------------------------------------------- looking, sharing */

/* What is said of a page is the whole page's, whoever asks for which byte of it. */
void op_vspace_look(void)
{
    struct range range = choose_range();
    uintptr_t page_base = range.base & ~(PAGE - 1);
    const struct area *area = range.base >= GUEST_END ? NULL : area_meeting(page_base, PAGE);
    const struct page *page = area == NULL || !area->backed
                                  ? NULL
                                  : &area->page[(page_base - area_page_base(area)) / PAGE];
    bool there = page != NULL && page->state == PAGE_THERE;
    seL4_CPtr cap;

    world.said = "vspace_get_cap";
    cap = vspace_get_cap(space(), at(range.base));
    FUZZ_CHECK_EQ(cap != seL4_CapNull, there);
    FUZZ_CHECK_EQ(vspace_get_cookie(space(), at(range.base)), there ? page->size_bits : 0);
    FUZZ_CHECK(!there || page->given == 0 || cap == area->given[page->given - 1].cptr);
    FUZZ_CHECK_EQ(vspace_get_root(space()), world.me->vm.mem.vm_vspace_root.cptr);
}

static unsigned expect_share(uintptr_t base, int count, size_t bits)
{
    if (!is_frame_size(bits) || count <= 0) {
        return ANSWER(GUESTMEM_EINVAL);
    }
    for (int i = 0; i < count; i++) {
        uintptr_t gpa = base + ((uintptr_t)i << bits);
        const struct area *area = gpa >= GUEST_END ? NULL : area_meeting(gpa & ~(PAGE - 1), PAGE);
        const struct page *page;

        if (gpa % ((uintptr_t)1 << bits) != 0 || area == NULL || !area->backed) {
            return ANSWER(GUESTMEM_EUNMAPPED);
        }
        page = &area->page[(gpa - area_page_base(area)) / PAGE];
        if (page->state != PAGE_THERE || page->size_bits != bits) {
            return ANSWER(GUESTMEM_EUNMAPPED);
        }
    }
    return 0;
}

/* The VMM sees the guest's own bytes there; another guest has the very frames. */
static void check_shared(uintptr_t base, int count, size_t bits, vspace_t *to, void *shown)
{
    for (int i = 0; i < count; i++) {
        struct guestmem_host_leaf here;
        struct guestmem_host_leaf there;
        uintptr_t offset = (uintptr_t)i << bits;

        FUZZ_CHECK(
            guestmem_host_translate(world.host, vspace_get_root(space()), base + offset, &here));
        FUZZ_CHECK(guestmem_host_translate(world.host, vspace_get_root(to),
                                           (uintptr_t)shown + offset, &there));
        FUZZ_CHECK_EQ(here.paddr, there.paddr);
        FUZZ_CHECK_EQ(here.size_bits, there.size_bits);
    }
}

/* Show pages in the VMM's space or the other guest's, look, and take them away again. */
void op_vspace_share(void)
{
    struct range range = choose_range();
    unsigned choice = fuzz_byte(world.in);
    size_t bits = choose_bits();
    int count = (int)(choice & 7) - 1;
    struct player *other = &world.player[world.me == &world.player[0]];
    vspace_t *to = choice & 8 ? &other->vm.mem.vm_vspace : guestmem_host_vspace(world.host);
    size_t bytes = count > 0 ? (size_t)count << (bits == 13 ? 12 : bits) : PAGE;
    unsigned errors = expect_share(range.base, count, bits);
    reservation_t claim;
    void *shown = NULL;

    if (bytes > 4 * MIB) {
        return;
    }
    claim =
        vspace_reserve_range_aligned(to, bytes, bits == 21 ? 21 : 12, seL4_AllRights, 1, &shown);
    FUZZ_CHECK(claim.res != NULL);
    call_begin("vspace_share_mem_at_vaddr");
    if (call_end_compatible(space()->share_mem_at_vaddr(space(), to, at(range.base), count, bits,
                                                        shown, claim) == 0,
                            errors)) {
        check_shared(range.base, count, bits, to, shown);
        vspace_unmap_pages(to, shown, (size_t)count, bits, VSPACE_FREE);
    }
    vspace_free_reservation(to, claim);
    area_scan_all(false);
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Backing, created pages, population, rights, faults.
 */
#include "world.h"

#include <string.h>

#include <vka/object.h>

/* ------------------------------------------------------------------- frames that the caller brings
 */

bool given_take(struct area *area, unsigned count)
{
    FUZZ_CHECK(count <= GIVEN);
    while (area->given_count < count) {
        FUZZ_CHECK_EQ(vka_alloc_frame(world.me->vm.vka, 12, &area->given[area->given_count]), 0);
        area->given_count++;
    }
    return true;
}

void given_drop(struct area *area)
{
    while (area->given_count > 0) {
        vka_object_t *object = &area->given[--area->given_count];

        if (object->cptr != seL4_CapNull) {
            vka_free_object(world.me->vm.vka, object);
        }
    }
}

enum { BAD_NULL, BAD_PLACE, BAD_TWICE, BAD_SIZE, BADS };

vm_frame_t given_next(uintptr_t addr, void *cookie)
{
    struct area *area = cookie;
    size_t i = area_page_of(area, addr);
    vm_frame_t frame = {0, seL4_AllRights, addr, 12};

    area->asked++;
    FUZZ_CHECK(i < area->given_count);
    frame.cptr = area->given[i].cptr;
    if (area->asked == area->fail_at) {
        switch (area->bad) {
        case BAD_NULL:
            frame.cptr = 0;
            break;
        case BAD_PLACE:
            frame.vaddr = addr + PAGE;
            break;
        case BAD_TWICE:
            frame.cptr = area->given[0].cptr;
            break;
        default:
            frame.size_bits = 13;
            break;
        }
    }
    return frame;
}

void given_release(vm_t *vm, seL4_CPtr frame, size_t size_bits, void *cookie)
{
    struct area *area = cookie;

    FUZZ_CHECK(vm == &world.me->vm);
    FUZZ_CHECK(frame != 0 || area->bad == BAD_NULL);
    FUZZ_CHECK(size_bits == 12 || area->bad == BAD_SIZE);
    area->released++;
}

/* ------------------------------------------------------------------------------------ backing */

static bool is_device(const struct area *area, enum source source, bool ram)
{
    switch (area->policy.memory_type) {
    case GUESTMEM_MEMORY_DEVICE:
        return true;
    case GUESTMEM_MEMORY_NORMAL:
        return false;
    default:
        return source == SOURCE_ADDRESS && !ram && area_is_device_page(area->paddr);
    }
}

static int back_by_address(struct area *area, uintptr_t paddr, bool identity)
{
    return identity ? map_ut_alloc_reservation(&world.me->vm, area->handle)
                    : map_ut_alloc_reservation_with_base_paddr(&world.me->vm, paddr, area->handle);
}

void op_back(void)
{
    struct area *area = choose_area();
    unsigned how = fuzz_byte(world.in);
    uintptr_t paddr = DEVICE_BASE + fuzz_below(world.in, 1060) * PAGE;
    enum source source = how % 4 < 2 ? SOURCE_ANY : SOURCE_ADDRESS;
    unsigned errors;
    bool lazy;
    int result;

    if (area == NULL || area->size > BACKED_MAX) {
        return;
    }
    errors = expect_alone(area);
    if (source == SOURCE_ADDRESS) {
        paddr += (how & 0x60) == 0x60 ? RAM_BASE + RAM_BYTES / 2 - DEVICE_BASE : 0;
        paddr = how % 4 == 3 ? area_page_base(area) : paddr;
        paddr += how & 0x80 && how % 4 == 2 ? 8 : area->base % PAGE;
        if (paddr % PAGE != area->base % PAGE) {
            errors |= ANSWER(GUESTMEM_EINVAL);
        } else {
            errors |= expect_paddr(paddr & ~(PAGE - 1), area_page_of(area, area_last(area)) + 1);
        }
    }
    lazy = source == SOURCE_ANY && area->policy.populate == GUESTMEM_POPULATE_LAZY;
    call_begin("backing a reservation");
    switch (how % 4) {
    case 0:
        result = map_frame_alloc_reservation(&world.me->vm, area->handle);
        break;
    case 1:
        result = map_maybe_device_reservation(&world.me->vm, area->handle);
        break;
    default:
        result = back_by_address(area, paddr, how % 4 == 3);
        break;
    }
    if (call_end_compatible(result == 0, errors)) {
        area->paddr = paddr & ~(PAGE - 1);
        area->device = is_device(area, source, false);
        area->kind = GUESTMEM_KIND_MAPPED;
        area_back(area, source, lazy);
    }
}

static seL4_CPtr *given_caps(const struct area *area, unsigned count)
{
    static seL4_CPtr caps[GIVEN + 1];

    for (unsigned i = 0; i < count; i++) {
        caps[i] = area->given[i < area->given_count ? i : 0].cptr;
    }
    return caps;
}

static int call_given(struct area *area, unsigned how, unsigned count)
{
    vm_t *vm = &world.me->vm;

    switch (how) {
    case 0:
        return vm_map_reservation(vm, area->handle, given_next, area);
    case 1:
        return map_vm_memory_reservation(vm, area->handle, given_next, area);
    case 2:
        return guestmem_map_iterator(vm, area->handle, given_next, given_release, area);
    default:
        return vm_map_reservation_frames(vm, area->handle, given_caps(area, count), count, 12);
    }
}

/* Bad frames are for backing at once; later the first use would meet them. */
void op_given(void)
{
    struct area *area = choose_area();
    unsigned choice = fuzz_byte(world.in);
    unsigned how = choice & 3;
    bool wrong = (choice & 0x1c) == 0x1c;
    bool lazy;
    size_t pages;
    unsigned errors;
    int result;

    if (area == NULL || area->size > GIVEN * PAGE) {
        return;
    }
    pages = area_page_of(area, area_last(area)) + 1;
    if (pages > GIVEN || area->backed) {
        return;
    }
    errors = expect_alone(area);
    lazy = area->policy.populate == GUESTMEM_POPULATE_LAZY && how != 1;
    given_take(area, (unsigned)pages);
    area->asked = 0;
    area->released = 0;
    area->bad = choice >> 5 & 3;
    area->fail_at = wrong && !lazy && how != 3 ? 1 + fuzz_byte(world.in) % (unsigned)pages : 0;
    if (area->bad == BAD_TWICE && area->fail_at == 1) {
        area->fail_at = 0;
    }
    if (area->fail_at != 0 || (how == 3 && wrong)) {
        errors |= ANSWER(GUESTMEM_EFRAME);
    }
    call_begin("backing with the caller's frames");
    result = call_given(area, how, (unsigned)pages + (how == 3 && wrong));
    if (call_end_compatible(result == 0, errors)) {
        area->device = is_device(area, SOURCE_GIVEN, false);
        area->kind = GUESTMEM_KIND_MAPPED;
        area_back(area, SOURCE_GIVEN, lazy);
        FUZZ_CHECK_EQ(area->released, 0);
        FUZZ_CHECK(lazy || how == 3 || area->asked == pages);
    } else {
        FUZZ_CHECK(how != 2 || area->released <= area->asked);
        given_drop(area);
    }
}

/* ------------------------------------------------------------------------------- created pages */

static void created(struct area *area, uintptr_t base, unsigned rights, void *view)
{
    area->live = true;
    area->base = base;
    area->size = PAGE;
    area->kind = GUESTMEM_KIND_CREATED;
    area->view = view;
    area->handle = guestmem_reservation_at(&world.me->vm, base);
    FUZZ_CHECK(area->handle != NULL);
    area->rights = rights == RIGHT_WRITE ? 0 : (unsigned char)rights;
}

void op_create(void)
{
    struct range range = choose_range();
    struct area *area = area_new();
    unsigned rights;
    seL4_CapRights_t cap_rights = choose_rights(&rights);
    unsigned errors = range.base % PAGE != 0 ? ANSWER(GUESTMEM_EINVAL) : 0;
    void *view;

    if (area == NULL) {
        return;
    }
    errors |= expect_claim(range.base, PAGE);
    call_begin("create_allocated_reservation_frame");
    view =
        create_allocated_reservation_frame(&world.me->vm, range.base, cap_rights, note_fault, area);
    if (call_end_compatible(view != NULL, errors)) {
        created(area, range.base, rights, view);
        area->device = is_device(area, SOURCE_NONE, false);
        area_back(area, SOURCE_NONE, false);
        memset(view, 0xc0, 64);
        bytes_set(range.base, view, 64);
    }
}

void op_create_device(void)
{
    struct range range = choose_range();
    struct area *area = area_new();
    unsigned rights;
    seL4_CapRights_t cap_rights = choose_rights(&rights);
    uintptr_t base = fuzz_flag(world.in) ? range.base : DEVICE_BASE + range.base % (2 * MIB);
    unsigned errors = base % PAGE != 0 ? ANSWER(GUESTMEM_EINVAL) : 0;
    void *view;

    if (area == NULL) {
        return;
    }
    errors |= expect_claim(base, PAGE);
    errors |= expect_paddr(base, 1);
    call_begin("create_device_reservation_frame");
    view = create_device_reservation_frame(&world.me->vm, base, cap_rights, note_fault, area);
    if (call_end_compatible(view != NULL, errors)) {
        created(area, base, rights, view);
        area->paddr = base;
        area->device = is_device(area, SOURCE_ADDRESS, false);
        area_back(area, SOURCE_ADDRESS, false);
    }
}

void op_created_destroy(void)
{
    struct range range = choose_range();
    struct area *area = area_at(range.base);
    bool is_created = area != NULL && area->kind == GUESTMEM_KIND_CREATED;

    call_begin("guestmem_created_destroy");
    if (call_end(guestmem_created_destroy(&world.me->vm, range.base),
                 is_created ? 0 : ANSWER(GUESTMEM_EUNMAPPED))) {
        FUZZ_CHECK(guestmem_reservation_at(&world.me->vm, range.base) == NULL);
        area_drop(area);
    }
}

/* ----------------------------------------------------------------------------------- presence */

void op_populate(void)
{
    struct range range = choose_range();
    unsigned errors = expect_use(range.base, range.size, true);

    call_begin("guestmem_populate");
    if (call_end(guestmem_populate(&world.me->vm, range.base, range.size), errors)) {
        pages_used(range.base, range.size);
    } else {
        area_scan_all(false);
    }
}

/* Whether `gpa` is inside a frame that is there. */
static bool cuts_frame(uintptr_t gpa)
{
    const struct page *page = page_at(gpa);

    return page != NULL && page->state == PAGE_THERE &&
           (gpa & ~(PAGE - 1) & (((uintptr_t)1 << page->size_bits) - 1)) != 0;
}

/* Whether the range cuts a page, or a frame, that reaches out of it. */
static bool cuts(struct range range)
{
    uintptr_t last = range.base + (range.size - 1);
    const struct area *first = area_at(range.base);
    const struct area *end = area_at(last);

    if ((range.base % PAGE != 0 && (first == NULL || first->base != range.base)) ||
        ((last + 1) % PAGE != 0 && (end == NULL || area_last(end) != last))) {
        return true;
    }
    return cuts_frame(range.base) ||
           (end != NULL && last < (area_last(end) & ~(PAGE - 1)) && cuts_frame(last + 1));
}

static unsigned expect_rights(struct range range, unsigned rights)
{
    unsigned errors = expect_range(range.base, range.size);
    const struct area *area = errors != 0 ? NULL : area_at(range.base);

    if (errors != 0) {
        return errors;
    }
    if (rights == RIGHT_WRITE) {
        errors |= ANSWER(GUESTMEM_EINVAL);
    }
    if (area == NULL || !area->backed || range.size - 1 > area_last(area) - range.base) {
        return errors | ANSWER(GUESTMEM_EUNMAPPED) | (cuts(range) ? ANSWER(GUESTMEM_EGRAIN) : 0);
    }
    for (size_t i = area_page_of(area, range.base);
         i <= area_page_of(area, range.base + (range.size - 1)); i++) {
        if (area->page[i].state != PAGE_THERE) {
            errors |= ANSWER(GUESTMEM_EUNMAPPED);
        }
    }
    return errors | (cuts(range) ? ANSWER(GUESTMEM_EGRAIN) : 0);
}

void op_rights(void)
{
    struct range range = choose_range();
    unsigned rights;
    seL4_CapRights_t cap_rights = choose_rights(&rights);
    unsigned errors = expect_rights(range, rights);

    call_begin("guestmem_set_rights");
    if (call_end(guestmem_set_rights(&world.me->vm, range.base, range.size, cap_rights), errors)) {
        struct area *area = area_at(range.base);
        size_t last = area_page_of(area, range.base + (range.size - 1));

        for (size_t i = area_page_of(area, range.base); i <= last; i++) {
            area->page[i].rights = (unsigned char)rights;
        }
    }
    area_scan_all(false);
}

/* ------------------------------------------------------------------------------------- faults */

static bool is_lazy(const struct area *area, uintptr_t gpa)
{
    return area->backed && area->makes && area->page[area_page_of(area, gpa)].state == PAGE_LAZY;
}

static bool is_open(const struct area *area, uintptr_t gpa)
{
    const struct page *page = &area->page[area_page_of(area, gpa)];

    return page->state == PAGE_THERE && page->rights == (RIGHT_READ | RIGHT_WRITE) && !area->device;
}

/* Trying again may be the answer only where the guest has the memory by now; else the callback
 * decides. */
static void check_answer(struct area *area, uintptr_t addr, size_t size,
                         memory_fault_result_t result, unsigned calls)
{
    bool ram = area->kind == GUESTMEM_KIND_RAM;

    if (result == FAULT_RESTART && area->calls == calls && area->backed && is_open(area, addr) &&
        is_open(area, addr + (size - 1))) {
        return;
    }
    if (area->kind == GUESTMEM_KIND_VSPACE) {
        FUZZ_CHECK_EQ(result, FAULT_UNHANDLED);
        return;
    }
    FUZZ_CHECK_EQ(result, ram ? FAULT_ERROR : area->answer);
    FUZZ_CHECK_EQ(area->calls, calls + !ram);
}

static void check_lazy(struct area *area, uintptr_t addr, size_t size, memory_fault_result_t result,
                       bool failed)
{
    bool refused = area->page[area_page_of(area, addr)].state > PAGE_THERE ||
                   area->page[area_page_of(area, addr + (size - 1))].state > PAGE_THERE;

    FUZZ_CHECK(result == FAULT_RESTART || (result == FAULT_ERROR && (failed || refused)));
    if (result == FAULT_RESTART) {
        pages_used(addr, size);
    }
    area_scan_all(result == FAULT_RESTART);
}

void op_fault(void)
{
    struct range range = choose_range();
    size_t size = 1 + fuzz_byte(world.in) % 16;
    uintptr_t addr = range.base;
    struct area *area = addr >= GUEST_END ? NULL : area_at(addr);
    vm_vcpu_t vcpu = {.vm = &world.me->vm};
    unsigned calls = area == NULL ? 0 : area->calls;
    memory_fault_result_t result;
    bool failed;

    call_begin("vm_memory_handle_fault");
    result = vm_memory_handle_fault(&world.me->vm, &vcpu, addr, size);
    failed = guestmem_host_failed(world.host, NULL) || (area != NULL && area_may_lack(area));
    call_end(GUESTMEM_OK, 0);
    world.me->faults++;
    if (area == NULL || size - 1 > area_last(area) - addr) {
        FUZZ_CHECK_EQ(result, FAULT_UNHANDLED);
    } else if (is_lazy(area, addr) || is_lazy(area, addr + (size - 1))) {
        FUZZ_CHECK_EQ(area->calls, calls);
        check_lazy(area, addr, size, result, failed);
    } else {
        check_answer(area, addr, size, result, calls);
    }
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Choices; claiming and freeing; policy; looking at the map.
 */
#include "world.h"

#include <string.h>

/* -------------------------------------------------------------------------------- choices */

static size_t choose_size(void)
{
    static const size_t odd[] = {0, SIZE_MAX, GUEST_END, (size_t)1 << 30, 5, 4095, 4097, 12289};
    unsigned choice = fuzz_byte(world.in);

    if (choice < 176) {
        return (1 + choice % 6) * PAGE;
    }
    if (choice < 216) {
        return 1 + (choice - 176) * 37;
    }
    if (choice < 240) {
        return 2 * MIB + (choice & 3) * PAGE;
    }
    return odd[choice & 7];
}

static uintptr_t choose_fine(unsigned choice)
{
    static const uintptr_t fine[] = {0, 0, 0, 0, 0, 1, 0x808, 0xfff};

    return fine[choice & 7];
}

/* Close together in a few places; or inside an area, so that calls find what they are for. */
struct range choose_range(void)
{
    static const uintptr_t places[] = {0,          0x10000,    DEVICE_BASE,       0x40000000,
                                       0x40200000, 0x5fffe000, GUEST_END - 0x4000};
    unsigned choice = fuzz_byte(world.in);
    unsigned offset = fuzz_byte(world.in);
    size_t size = choose_size();
    const struct area *area = choice & 0x80 ? choose_area() : NULL;
    struct range range = {places[choice % 7] + (offset & 15) * PAGE + choose_fine(offset >> 4),
                          size};

    if (area == NULL) {
        return range;
    }
    if (choice & 1) {
        return (struct range){area->base, area->size};
    }
    range.base = (offset & 0x80 ? area->base : area_page_base(area)) + (offset & 7) * PAGE +
                 (choice & 2 ? choose_fine(choice >> 2) : 0);
    if (choice & 0x40 && range.base <= area_last(area)) {
        range.size = area_last(area) - range.base + 1;
    }
    return range;
}

struct area *choose_area(void)
{
    unsigned from = fuzz_byte(world.in);

    for (unsigned i = 0; i < AREAS; i++) {
        struct area *area = &world.me->area[(from + i) % AREAS];

        if (area->live) {
            return area;
        }
    }
    return NULL;
}

/* Write-only too, which nobody may ask for. */
seL4_CapRights_t choose_rights(unsigned *rights)
{
    *rights = fuzz_byte(world.in) & 3;
    return seL4_CapRights_new(0, 0, (*rights & RIGHT_READ) != 0, (*rights & RIGHT_WRITE) != 0);
}

memory_fault_result_t note_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                 void *cookie)
{
    struct area *area = cookie;

    FUZZ_CHECK(vm == &world.me->vm && vcpu->vm == vm);
    FUZZ_CHECK(addr >= area->base && length - 1 <= area_last(area) - addr);
    area->calls++;
    return area->answer;
}

/* ------------------------------------------------------------------------------ claiming */

static void claimed(struct area *area, vm_memory_reservation_t *handle, struct range range)
{
    uintptr_t base = 0;
    size_t size = 0;

    area->live = true;
    area->handle = handle;
    area->base = range.base;
    area->size = range.size;
    area->kind = GUESTMEM_KIND_EMULATED;
    vm_get_reservation_memory_region(handle, &base, &size);
    FUZZ_CHECK(base == range.base && size == range.size);
    FUZZ_CHECK(guestmem_reservation_at(&world.me->vm, area_last(area)) == handle);
}

void op_reserve(void)
{
    struct range range = choose_range();
    bool callback = fuzz_byte(world.in) != 0xff;
    struct area *area = area_new();
    unsigned errors = callback ? expect_claim(range.base, range.size) : ANSWER(GUESTMEM_EINVAL);
    vm_memory_reservation_t *handle;

    if (area == NULL) {
        return;
    }
    call_begin("vm_reserve_memory_at");
    handle = vm_reserve_memory_at(&world.me->vm, range.base, range.size,
                                  callback ? note_fault : NULL, area);
    if (call_end_compatible(handle != NULL, errors)) {
        claimed(area, handle, range);
        area->answer = (memory_fault_result_t)fuzz_below(world.in, FAULT_ERROR + 1);
    }
}

void op_reserve_anon(void)
{
    static const uintptr_t nowhere = 0x5a5a5a5a;
    size_t size = choose_size();
    unsigned choice = fuzz_byte(world.in);
    size_t align = choice == 0xff ? 0 : choice == 0xfe ? 24 : (size_t)1 << (choice % 24);
    struct range range = {nowhere, size};
    struct area *area = area_new();
    vm_memory_reservation_t *handle;
    uintptr_t expected = nowhere;
    unsigned errors = align == 0 || align == 24 ? ANSWER(GUESTMEM_EINVAL) : 0;

    if (area == NULL) {
        return;
    }
    errors |= expect_range(0, size);
    if (errors == 0 &&
        !pool_fit((size + PAGE - 1) & ~(PAGE - 1), align > PAGE ? align : PAGE, &expected)) {
        errors = ANSWER(GUESTMEM_EUNMAPPED);
    }
    call_begin("vm_reserve_anon_memory");
    handle = vm_reserve_anon_memory(&world.me->vm, size, align, note_fault, area, &range.base);
    if (call_end_compatible(handle != NULL, errors)) {
        FUZZ_CHECK_EQ(range.base, expected);
        area->anonymous = true;
        claimed(area, handle, range);
    } else {
        FUZZ_CHECK_EQ(range.base, nowhere);
    }
}

void op_make_anon(void)
{
    struct player *me = world.me;
    struct range range = choose_range();
    unsigned errors = expect_range(range.base, range.size);
    uintptr_t page = (range.base + PAGE - 1) & ~(PAGE - 1);

    if (me->pool_count == POOLS || range.size > BACKED_MAX || range.base == 0) {
        return;
    }
    if (errors == 0 &&
        (page - range.base > range.size || range.size - (page - range.base) < PAGE)) {
        errors |= ANSWER(GUESTMEM_EINVAL);
    }
    if (errors == 0 || errors == ANSWER(GUESTMEM_EINVAL)) {
        for (size_t i = 0; i < me->pool_count; i++) {
            if (me->pool[i].base < range.base + range.size &&
                me->pool[i].base + me->pool[i].size > range.base) {
                errors |= ANSWER(GUESTMEM_ETAKEN);
            }
        }
        errors |= range.size > 0 && area_meeting(range.base, range.size) != NULL
                      ? ANSWER(GUESTMEM_ETAKEN)
                      : 0;
    }
    call_begin("vm_memory_make_anon");
    if (call_end_compatible(vm_memory_make_anon(&me->vm, range.base, range.size) == 0, errors)) {
        me->pool[me->pool_count++] = range;
    }
}

/* -------------------------------------------------------------------------------- freeing */

/* A handle that isn't this VM's: the other one's, or one that was freed. */
static vm_memory_reservation_t *choose_stale(void)
{
    const struct player *other = &world.player[world.me == &world.player[0]];

    for (size_t i = 0; i < AREAS; i++) {
        if (other->area[i].live) {
            return other->area[i].handle;
        }
    }
    return NULL;
}

static void freed(struct area *area)
{
    uintptr_t base = area->base;
    size_t size = area->size;

    FUZZ_CHECK(guestmem_reservation_at(&world.me->vm, base) == NULL);
    if (area->kind == GUESTMEM_KIND_RAM) {
        regions_remove(base, size);
        regions_check();
    }
    area_drop(area);
}

void op_free(void)
{
    bool stale = fuzz_below(world.in, 16) == 15;
    struct area *area = stale ? NULL : choose_area();
    vm_memory_reservation_t *handle = stale ? choose_stale() : area == NULL ? NULL : area->handle;
    unsigned errors = area != NULL     ? 0
                      : handle == NULL ? ANSWER(GUESTMEM_EINVAL)
                                       : ANSWER(GUESTMEM_ESTALE);

    call_begin("vm_free_reserved_memory");
    if (world.call.armed) {
        guestmem_host_fail(world.host, GUESTMEM_HOST_FAIL_ANY, 1, true); /* it needs nothing */
    }
    if (call_end_compatible(vm_free_reserved_memory(&world.me->vm, handle) == 0, errors)) {
        FUZZ_CHECK(!call_was_struck());
        freed(area);
    }
}

void op_destroy(void)
{
    struct player *me = world.me;
    bool shared = fuzz_flag(world.in);

    if (fuzz_byte(world.in) % 4 != 0) {
        return;
    }
    world.said = "guestmem_destroy";
    player_end(me);
    player_start(me);
    if (shared) {
        FUZZ_CHECK_EQ(guestmem_reader_register(&me->vm), GUESTMEM_OK);
        FUZZ_CHECK_EQ(guestmem_reader_register(&me->vm), GUESTMEM_EBUSY);
        me->shared = true;
    }
}

/* The VM gets shared in the middle; what is made once is refused a second time. */
void op_again(void)
{
    struct player *me = world.me;
    int error;

    call_begin("vm_memory_init");
    error = vm_memory_init(&me->vm);
    guestmem_host_fail(world.host, 0, 0, false);
    guestmem_host_snapshot_free(world.call.before);
    FUZZ_CHECK_EQ(error, -1);
    if (me->shared) {
        return;
    }
    call_begin("guestmem_reader_register");
    if (call_end(guestmem_reader_register(&me->vm), 0)) {
        me->shared = true;
    }
}

void op_region(void)
{
    struct range range = choose_range();
    struct area *area = area_at(range.base);
    uintptr_t base = 1;
    size_t size = 1;

    world.said = "guestmem_reservation_at";
    FUZZ_CHECK(guestmem_reservation_at(&world.me->vm, range.base) ==
               (area == NULL ? NULL : area->handle));
    vm_get_reservation_memory_region(NULL, &base, &size);
    FUZZ_CHECK(base == 0 && size == 0);
}

/* --------------------------------------------------------------------------------- policy */

static bool in(unsigned value, unsigned low, unsigned high)
{
    return value >= low && value <= high;
}

static struct guestmem_policy choose_policy(bool *valid)
{
    static const unsigned frames[] = {12, 12, 21, 21, 21, 30, 13, 0};
    static const unsigned views[] = {0, 0, 0, 0, 0, 1, 2, 3};
    struct guestmem_policy policy;
    unsigned a = fuzz_byte(world.in);
    unsigned b = fuzz_byte(world.in);
    unsigned c = fuzz_byte(world.in);

    guestmem_policy_default(&policy);
    policy.frame_bits_max = frames[a & 7];
    policy.populate = (enum guestmem_populate)(a >> 3 & 1);
    policy.memory_type = (enum guestmem_memory_type)(a >> 4 & 1 ? a >> 5 & 3 : 0);
    policy.discarded = (enum guestmem_discarded)(b & 1);
    policy.populate_around_bits = b & 2 ? 11 + (b >> 2 & 15) : 0;
    policy.views = (enum guestmem_views)views[b >> 5];
    policy.view_bytes_max = (c & 3) * 2 * MIB + (c >> 2 & 1);
    policy.untyped_bits_max = c & 8 ? 11 + (c >> 4) : 30;
    policy.call_bytes_max = c == 0xff ? 0 : (size_t)1 << (12 + (c & 15));
    *valid = (policy.frame_bits_max == 12 || policy.frame_bits_max == 21 ||
              policy.frame_bits_max == 30) &&
             in(policy.memory_type, 0, GUESTMEM_MEMORY_DEVICE) &&
             (policy.populate_around_bits == 0 || in(policy.populate_around_bits, 12, 30)) &&
             in(policy.views, 0, GUESTMEM_VIEWS_NONE) &&
             (policy.views != GUESTMEM_VIEWS_WINDOW || policy.view_bytes_max > 0) &&
             in(policy.untyped_bits_max, 12, 47) && policy.call_bytes_max > 0;
    return policy;
}

static void check_policy(const struct guestmem_policy *policy, const struct guestmem_policy *set)
{
    FUZZ_CHECK_EQ(policy->frame_bits_max, set->frame_bits_max);
    FUZZ_CHECK_EQ(policy->populate, set->populate);
    FUZZ_CHECK_EQ(policy->memory_type, set->memory_type);
    FUZZ_CHECK_EQ(policy->discarded, set->discarded);
    FUZZ_CHECK_EQ(policy->populate_around_bits, set->populate_around_bits);
    FUZZ_CHECK_EQ(policy->untyped_bits_max, set->untyped_bits_max);
    FUZZ_CHECK_EQ(policy->call_bytes_max, set->call_bytes_max);
    FUZZ_CHECK_EQ(policy->views, world.me->policy.views);
}

void op_policy(void)
{
    bool valid;
    struct guestmem_policy policy = choose_policy(&valid);
    struct guestmem_policy now;

    call_begin("guestmem_set_policy");
    if (call_end(guestmem_set_policy(&world.me->vm, &policy),
                 valid ? 0 : ANSWER(GUESTMEM_EINVAL))) {
        world.me->policy = policy;
    }
    FUZZ_CHECK_EQ(guestmem_get_policy(&world.me->vm, &now), GUESTMEM_OK);
    check_policy(&now, &world.me->policy);
}

void op_area_policy(void)
{
    struct area *area = choose_area();
    bool valid;
    struct guestmem_policy policy = choose_policy(&valid);
    struct guestmem_policy now;

    if (area == NULL) {
        return;
    }
    call_begin("guestmem_reservation_set_policy");
    if (call_end(guestmem_reservation_set_policy(&world.me->vm, area->handle, &policy),
                 (valid ? 0 : ANSWER(GUESTMEM_EINVAL)) |
                     (area->backed ? ANSWER(GUESTMEM_EMAPPED) : 0))) {
        area->policy = policy;
    }
    FUZZ_CHECK_EQ(guestmem_reservation_get_policy(&world.me->vm, area->handle, &now), GUESTMEM_OK);
    check_policy(&now, &area->policy);
}

/* ------------------------------------------------------------------------------ the whole map */

struct walk {
    uintptr_t above;
    size_t areas;
    size_t pools;
    size_t pages;
};

static size_t pages_there(const struct area *area)
{
    size_t count = 0;

    for (size_t i = 0; i < area->pages; i++) {
        count += area->page[i].state == PAGE_THERE;
    }
    return count;
}

static int visit(const struct guestmem_map_entry *entry, void *cookie)
{
    struct walk *walk = cookie;
    size_t pages = entry->frames[0] + 512 * entry->frames[1] + 262144 * entry->frames[2];
    const struct area *area;

    FUZZ_CHECK(entry->base >= walk->above);
    walk->above = entry->base;
    if (entry->kind == GUESTMEM_KIND_POOL) {
        walk->pools++;
        return 0;
    }
    area = area_at(entry->base);
    FUZZ_CHECK(area != NULL && area->base == entry->base && area->size == entry->size);
    FUZZ_CHECK_EQ(entry->kind, area->kind);
    FUZZ_CHECK_EQ(entry->anonymous, area->anonymous);
    FUZZ_CHECK_EQ(pages, pages_there(area));
    walk->areas++;
    walk->pages += pages;
    return 0;
}

void op_walk(void)
{
    struct walk walk = {0, 0, 0, 0};
    struct guestmem_stats stats;
    size_t areas = 0;

    world.said = "guestmem_walk";
    FUZZ_CHECK_EQ(guestmem_walk(&world.me->vm, visit, &walk), 0);
    for (size_t i = 0; i < AREAS; i++) {
        areas += world.me->area[i].live;
    }
    FUZZ_CHECK_EQ(walk.areas, areas);
    FUZZ_CHECK_EQ(walk.pools, world.me->pool_count);
    FUZZ_CHECK_EQ(guestmem_get_stats(&world.me->vm, &stats), GUESTMEM_OK);
    FUZZ_CHECK_EQ(stats.reservations, areas);
    FUZZ_CHECK_EQ(stats.frames[0] + 512 * stats.frames[1] + 262144 * stats.frames[2], walk.pages);
    FUZZ_CHECK_EQ(stats.faults, world.me->faults);
}

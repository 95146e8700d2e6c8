/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Ranges of a VM, made in each way there is, and given back.
 */
#include "soak.h"

#include <string.h>

#include <guestmem/runtime.h>

static vm_t *vm(void)
{
    return &soak.me->vm;
}

static vspace_t *guest_space(void)
{
    return &soak.me->vm.mem.vm_vspace;
}

memory_fault_result_t soak_fault(vm_t *guest, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                 void *cookie)
{
    (void)addr;
    (void)size;
    (void)cookie;
    if (vcpu->vcpu_arch.fault != NULL) { /* a guest's; else the soak's own */
        if (is_vcpu_read_fault(vcpu)) {
            set_vcpu_fault_data(vcpu, 1);
        }
        advance_vcpu_fault(vcpu);
    }
    return guest == NULL ? FAULT_ERROR : FAULT_HANDLED;
}

struct item *item_free_place(void)
{
    struct item *item = &soak.me->items[soak_below(ITEMS)];

    return item->kind == ITEM_NONE ? item : NULL;
}

void policy_choose(struct guestmem_policy *policy)
{
    static const enum guestmem_views views[] = {GUESTMEM_VIEWS_KEPT, GUESTMEM_VIEWS_KEPT,
                                                GUESTMEM_VIEWS_WINDOW, GUESTMEM_VIEWS_NONE};

    guestmem_policy_default(policy);
    policy->populate = soak_one_in(2) ? GUESTMEM_POPULATE_LAZY : GUESTMEM_POPULATE_EAGER;
    policy->frame_bits_max = soak_one_in(4) ? 21 : 12;
    policy->untyped_bits_max = 12 + soak_below(12);
    policy->populate_around_bits = soak_one_in(2) ? 12 + soak_below(5) : 0;
    policy->call_bytes_max = PAGE << soak_below(13);
    policy->discarded = soak_one_in(8) ? GUESTMEM_DISCARDED_REFUSES : GUESTMEM_DISCARDED_POPULATES;
    policy->views = views[soak_below(4)];
    policy->view_bytes_max = policy->views == GUESTMEM_VIEWS_WINDOW ? PAGE << soak_below(12) : 0;
}

static void set_policy(struct item *item)
{
    struct guestmem_policy policy;

    policy_choose(&policy);
    call_arm();
    /* a policy before has the other views, and a reader may be at one of them */
    call_may_fail(guestmem_set_policy(vm(), &policy));
    SOAK_CHECK(guestmem_get_policy(vm(), &policy) == GUESTMEM_OK);
    item->refuses = policy.discarded == GUESTMEM_DISCARDED_REFUSES;
}

static void choose_range(struct item *item)
{
    bool large = soak_one_in(24);

    *item = (struct item){.area = item->area};
    item->base = item->area + (soak_one_in(2) ? soak_below(PAGE) : 0);
    item->size = large ? 2 * MIB + soak_below(PAGE) : 1 + soak_below(8 * PAGE);
}

static void made(struct item *item, enum item_kind kind, bool done)
{
    if (done) {
        item->kind = kind;
    }
}

/* ------------------------------------------------------------------------------- claiming */

static void make_reserved(struct item *item)
{
    set_policy(item);
    call_arm();
    item->res = vm_reserve_memory_at(vm(), item->base, item->size, soak_fault, NULL);
    made(item, ITEM_RESERVED, call_ended_compatible(item->res != NULL));
}

static void make_anonymous(struct item *item)
{
    uintptr_t base = 0;

    set_policy(item);
    call_arm();
    item->res = vm_reserve_anon_memory(vm(), item->size, (size_t)1 << soak_below(15), soak_fault,
                                       NULL, &base);
    made(item, ITEM_RESERVED, call_may_fail_compatible(item->res != NULL));
    if (item->res != NULL) {
        vm_get_reservation_memory_region(item->res, &item->base, &item->size);
        SOAK_CHECK(item->base == base);
    }
}

/* ------------------------------------------------------------------------------------ RAM */

static void make_ram(struct item *item)
{
    set_policy(item);
    call_arm();
    made(item, ITEM_RAM,
         call_ended_compatible(vm_ram_register_at(vm(), item->base, item->size, false) == 0));
}

static void make_ram_anywhere(struct item *item)
{
    set_policy(item);
    call_arm();
    item->base = vm_ram_register(vm(), item->size);
    made(item, ITEM_RAM, call_may_fail_compatible(item->base != 0));
}

/* RAM where guest address and physical address are the same. */
static void make_ram_by_address(struct item *item)
{
    size_t bytes = soak.flavour->config.ram_bytes;

    set_policy(item);
    item->base = RAM_BASE + soak_below((uint32_t)(bytes / 2 / PAGE)) * PAGE + bytes / 2;
    item->size = (1 + soak_below(4)) * PAGE;
    item->value = VALUE_UNKNOWN;
    call_arm();
    made(item, ITEM_RAM,
         call_may_fail_compatible(vm_ram_register_at(vm(), item->base, item->size, true) == 0));
}

static void make_ram_brought(struct item *item)
{
    set_policy(item);
    if (item->size > 8 * PAGE || !bring(item)) {
        return;
    }
    call_arm();
    made(item, ITEM_RAM,
         call_ended_compatible(vm_ram_register_at_custom_iterator(vm(), item->base, item->size,
                                                                  bring_next, item) == 0));
    if (item->kind == ITEM_NONE) {
        give_up(item);
    }
}

/* -------------------------------------------------------------------------------- created */

static void make_created(struct item *item)
{
    item->base = item->area;
    item->size = PAGE;
    call_arm();
    item->view =
        create_allocated_reservation_frame(vm(), item->base, seL4_CanRead, soak_fault, NULL);
    made(item, ITEM_CREATED, call_ended_compatible(item->view != NULL));
}

static void make_created_device(struct item *item)
{
    item->base = DEVICE_BASE + soak_below(DEVICE_BYTES / PAGE) * PAGE;
    item->size = PAGE;
    item->device = true;
    call_arm();
    item->view =
        create_device_reservation_frame(vm(), item->base, seL4_AllRights, soak_fault, NULL);
    made(item, ITEM_CREATED, call_may_fail_compatible(item->view != NULL));
}

/* ------------------------------------------------------------------------- vspace's pages */

static void make_pages(struct item *item)
{
    size_t bits = soak_one_in(12) ? 21 : 12;
    size_t count = bits == 21 ? 1 : 1 + soak_below(4);

    item->size = count << bits;
    call_arm();
    item->view = vspace_new_pages(guest_space(), seL4_AllRights, count, bits);
    item->base = (uintptr_t)item->view;
    made(item, ITEM_PAGES, call_ended_compatible(item->view != NULL));
}

static void make_pages_brought(struct item *item)
{
    item->base = item->area;
    item->size = (1 + soak_below(4)) * PAGE;
    if (!bring(item)) {
        return;
    }
    call_arm();
    item->view =
        vspace_map_pages(guest_space(), item->caps, NULL, seL4_AllRights, item->cap_count, 12, 1);
    item->base = (uintptr_t)item->view;
    made(item, ITEM_PAGES, call_ended_compatible(item->view != NULL));
    if (item->kind == ITEM_NONE) {
        give_up(item);
    }
}

/* A range of which the middle has pages. */
static void make_claim(struct item *item)
{
    item->base = item->area;
    item->size = 8 * PAGE;
    call_arm();
    item->claim =
        vspace_reserve_range_at(guest_space(), (void *)item->base, item->size, seL4_AllRights, 1);
    if (!call_ended_compatible(item->claim.res != NULL)) {
        return;
    }
    item->kind = ITEM_CLAIM;
    call_arm();
    if (call_ended_compatible(
            guest_space()->new_pages_at_vaddr(guest_space(), (void *)(item->base + PAGE), 4, 12,
                                              item->claim, soak_one_in(2)) == 0)) {
        item->view = (void *)(item->base + PAGE);
        item->value = VALUE_UNKNOWN; /* some of it isn't there */
    }
}

void item_make(struct item *item)
{
    static void (*const ways[])(struct item *) = {
        make_reserved,     make_reserved,      make_reserved,
        make_reserved,     make_anonymous,     make_ram,
        make_ram,          make_ram,           make_ram,
        make_ram_anywhere, make_created,       make_created_device,
        make_ram_brought,  make_pages,         make_ram_by_address,
        make_claim,        make_pages_brought,
    };

    choose_range(item);
    ways[soak_below(sizeof(ways) / sizeof(ways[0]))](item);
}

/* ------------------------------------------------------------------------------- giving back */

static void drop_claim(struct item *item)
{
    if (item->view != NULL) {
        vspace_unmap_pages(guest_space(), item->view, 4, 12, VSPACE_FREE);
    }
    if (soak_one_in(2)) {
        vspace_free_reservation(guest_space(), item->claim);
    } else {
        vspace_free_reservation_by_vaddr(guest_space(), (void *)item->base);
    }
}

static void drop_pages(struct item *item)
{
    bool large = item->size >= 2 * MIB;
    size_t bits = large ? 21 : 12;

    vspace_unmap_pages(guest_space(), item->view, item->size >> bits, bits,
                       item->cap_count != 0 ? VSPACE_PRESERVE : VSPACE_FREE);
}

/* Giving back asks for nothing: it succeeds whatever is armed. */
void item_drop(struct item *item)
{
    guestmem_host_fail(soak.host, GUESTMEM_HOST_FAIL_ANY, 1, true);
    switch (item->kind) {
    case ITEM_CREATED:
        SOAK_CHECK(guestmem_created_destroy(vm(), item->base) == GUESTMEM_OK);
        break;
    case ITEM_PAGES:
        drop_pages(item);
        break;
    case ITEM_CLAIM:
        drop_claim(item);
        break;
    default:
        SOAK_CHECK(vm_free_reserved_memory(vm(), guestmem_reservation_at(vm(), item->base)) == 0);
        break;
    }
    guestmem_host_fail(soak.host, 0, 0, false);
    SOAK_CHECK(guestmem_reservation_at(vm(), item->base) == NULL);
    give_up(item);
    item->kind = ITEM_NONE;
}

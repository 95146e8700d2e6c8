/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Backing a reservation: with memory of the library's, by address, with the caller's frames.
 */
#include "soak.h"

bool bring(struct item *item)
{
    size_t count = ((item->base + item->size - 1) / PAGE) - item->base / PAGE + 1;

    SOAK_CHECK(count <= ITEM_CAPS);
    for (item->cap_count = 0; item->cap_count < count; item->cap_count++) {
        size_t at = item->cap_count;

        if (vka_alloc_frame(guestmem_host_vka(soak.host), 12, &item->frames[at]) != 0) {
            SOAK_CHECK(!soak.flavour->roomy);
            give_up(item);
            return false;
        }
        item->caps[at] = item->frames[at].cptr;
    }
    return true;
}

void give_up(struct item *item)
{
    while (item->cap_count > 0) {
        vka_free_object(guestmem_host_vka(soak.host), &item->frames[--item->cap_count]);
    }
}

vm_frame_t bring_next(uintptr_t addr, void *cookie)
{
    const struct item *item = cookie;
    size_t index = (addr >> 12) - (item->base >> 12);

    return (vm_frame_t){item->caps[index], seL4_AllRights, addr & ~(PAGE - 1), 12};
}

/* The frames themselves are freed with their item. */
static void take_back(vm_t *vm, seL4_CPtr frame, size_t size_bits, void *cookie)
{
    (void)vm;
    (void)cookie;
    SOAK_CHECK(frame != seL4_CapNull && size_bits == 12);
}

static void back_brought(struct item *item)
{
    vm_t *vm = &soak.me->vm;
    bool done;

    if (!bring(item)) {
        return;
    }
    call_arm();
    switch (soak_below(3)) {
    case 0:
        done = vm_map_reservation_frames(vm, item->res, item->caps, item->cap_count, 12) == 0;
        break;
    case 1:
        done = vm_map_reservation(vm, item->res, bring_next, item) == 0;
        break;
    default:
        done = guestmem_map_iterator(vm, item->res, bring_next, take_back, item) == GUESTMEM_OK;
        break;
    }
    if (call_ended_compatible(done)) {
        item->kind = ITEM_BROUGHT;
    } else {
        give_up(item);
    }
}

static void back_own(struct item *item)
{
    vm_t *vm = &soak.me->vm;
    bool done;

    call_arm();
    done = (soak_one_in(2) ? map_maybe_device_reservation(vm, item->res)
                           : map_frame_alloc_reservation(vm, item->res)) == 0;
    if (call_ended_compatible(done)) {
        item->kind = ITEM_BACKED;
    }
}

/* A device's pages, or memory that nobody has. */
static void back_by_address(struct item *item)
{
    bool device = soak_one_in(2);
    uintptr_t bytes = device ? DEVICE_BYTES : soak.flavour->config.ram_bytes;
    uintptr_t paddr = (device ? DEVICE_BASE : RAM_BASE) +
                      soak_below((uint32_t)(bytes / PAGE)) * PAGE + item->base % PAGE;

    call_arm();
    if (call_may_fail_compatible(
            map_ut_alloc_reservation_with_base_paddr(&soak.me->vm, paddr, item->res) == 0)) {
        item->kind = ITEM_ADDRESS;
        item->device = device;
        item->value = VALUE_UNKNOWN;
    }
}

/* The range's own policy, if it doesn't keep the VM's. */
static void choose_own_policy(struct item *item)
{
    struct guestmem_policy policy;

    if (soak_one_in(2)) {
        policy_choose(&policy);
        SOAK_CHECK(guestmem_reservation_set_policy(&soak.me->vm, item->res, &policy) ==
                   GUESTMEM_OK);
    }
}

void item_back(struct item *item)
{
    choose_own_policy(item);
    switch (soak_below(4)) {
    case 0:
        if (item->size <= 8 * PAGE) {
            back_brought(item);
        }
        break;
    case 1:
        back_by_address(item);
        break;
    default:
        back_own(item);
        break;
    }
}

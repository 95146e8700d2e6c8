/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * sel4vm/guest_ram.h and sel4vm/arch/guest_memory_arch.h.
 */
#include "sweep.h"

static bool register_at(struct sweep *sweep)
{
    return vm_ram_register_at(sweep->vm, sweep_mixed_base(sweep), sweep_mixed_size(sweep), false) == 0;
}

/* RAM whose guest address is its physical one: device RAM where there is any. */
static void find_paddr(struct sweep *sweep)
{
    sweep->size = sweep->env->device_ram_base != 0 ? sweep->env->device_ram_base : gm_env_free_paddr(sweep->env, 14);
}

static bool register_identity(struct sweep *sweep)
{
    return vm_ram_register_at(sweep->vm, sweep->size, 4 * GM_PAGE, true) == 0;
}

static void make_pool(struct sweep *sweep)
{
    GM_CHECK_EQ(vm_memory_make_anon(sweep->vm, CALL_AT + GM_PAGE, 64 * GM_PAGE), 0);
}

static bool register_anywhere(struct sweep *sweep)
{
    return vm_ram_register(sweep->vm, 0x2800) != 0;
}

static void bring_few(struct sweep *sweep)
{
    sweep_bring_frames(sweep, CALL_AT, GM_BITS_4K, 4);
}

static bool register_brought(struct sweep *sweep)
{
    return vm_ram_register_at_custom_iterator(sweep->vm, CALL_AT, 4 * GM_PAGE, sweep_give, sweep) == 0;
}

/* RAM in two reservations, each with an allocated part. */
static void have_ram(struct sweep *sweep)
{
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT, 4 * GM_PAGE, false), 0);
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT + 4 * GM_PAGE, 4 * GM_PAGE, false), 0);
    vm_ram_mark_allocated(sweep->vm, CALL_AT + GM_PAGE, 2 * GM_PAGE);
}

static void have_lazy_ram(struct sweep *sweep)
{
    sweep_set_policy(sweep->vm, GUESTMEM_POPULATE_LAZY, GM_BITS_4K);
    have_ram(sweep);
}

static void have_brought_ram(struct sweep *sweep)
{
    bring_few(sweep);
    GM_CHECK(register_brought(sweep));
    GM_CHECK_EQ(vm_ram_register_at(sweep->vm, CALL_AT + 4 * GM_PAGE, 4 * GM_PAGE, false), 0);
}

static bool touch(struct sweep *sweep)
{
    static uint8_t bytes[8 * GM_PAGE];

    return vm_ram_touch(sweep->vm, CALL_AT + 2 * GM_PAGE + 8, 4 * GM_PAGE, vm_guest_ram_write_callback, bytes) == 0;
}

/* Some of the views are there already. */
static void have_views(struct sweep *sweep)
{
    uint8_t byte;

    have_ram(sweep);
    GM_CHECK_EQ(vm_ram_touch(sweep->vm, CALL_AT + 3 * GM_PAGE, 1, vm_guest_ram_read_callback, &byte), 0);
    GM_CHECK_EQ(vm_ram_touch(sweep->vm, CALL_AT + 5 * GM_PAGE, 1, vm_guest_ram_read_callback, &byte), 0);
}

static bool find_largest(struct sweep *sweep)
{
    uintptr_t addr;
    size_t size;

    return vm_ram_find_largest_free_region(sweep->vm, &addr, &size) == 0;
}

static bool mark_allocated(struct sweep *sweep)
{
    int regions = sweep->vm->mem.num_ram_regions;

    vm_ram_mark_allocated(sweep->vm, CALL_AT + 5 * GM_PAGE + 1, 0x10);
    return sweep->vm->mem.num_ram_regions == regions + 2;
}

static bool allocate(struct sweep *sweep)
{
    return vm_ram_allocate(sweep->vm, 0x7ff) != 0;
}

static bool free_part(struct sweep *sweep)
{
    int regions = sweep->vm->mem.num_ram_regions;

    vm_ram_free(sweep->vm, CALL_AT + GM_PAGE + 0x100, 0x100);
    return sweep->vm->mem.num_ram_regions == regions + 2;
}

static bool find_physical(struct sweep *sweep)
{
    return vm_arm_ipa_to_pa(sweep->vm, CALL_AT + 0x10, 0x20) != 0;
}

static void have_populated_ram(struct sweep *sweep)
{
    have_ram(sweep);
    GM_CHECK_EQ(guestmem_populate(sweep->vm, CALL_AT, GM_PAGE), GUESTMEM_OK);
}

static const struct sweep_call calls[] = {
    {"vm_ram_register_at", "anything", NULL, register_at, 0},
    {"vm_ram_register_at", "by address", find_paddr, register_identity, 0},
    {"vm_ram_register", "from a pool", make_pool, register_anywhere, 0},
    {"vm_ram_register_at_custom_iterator", "small frames", bring_few, register_brought, 0},
    {"vm_ram_touch", "first", have_ram, touch, 0},
    {"vm_ram_touch", "lazy", have_lazy_ram, touch, 0},
    {"vm_ram_touch", "of frames brought", have_brought_ram, touch, 0},
    {"vm_ram_touch", "with some views there", have_views, touch, 0},
    {"vm_ram_find_largest_free_region", "one of some", have_ram, find_largest, SWEEP_ASKS_NOTHING},
    {"vm_ram_mark_allocated", "in the middle", have_ram, mark_allocated, 0},
    {"vm_ram_allocate", "some", have_ram, allocate, 0},
    {"vm_ram_free", "in the middle", have_ram, free_part, 0},
    {"vm_arm_ipa_to_pa", "mapped", have_populated_ram, find_physical, 0},
};
const struct sweep_table sweep_ram_calls = SWEEP_TABLE(calls);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lazy_world.h"

#include <stdlib.h>
#include <string.h>

static void take(struct world *world, unsigned bits)
{
    vka_t *vka = guestmem_host_vka(world->fixture->host);

    while (world->taken_count < OBJECTS_MAX &&
           vka_alloc_untyped(vka, bits, &world->taken[world->taken_count]) == 0) {
        world->taken_count++;
    }
    assert_true(world->taken_count < OBJECTS_MAX);
}

bool lazy_give_one_back(struct world *world)
{
    if (world->taken_count == 0) {
        return false;
    }
    vka_free_object(guestmem_host_vka(world->fixture->host), &world->taken[--world->taken_count]);
    return true;
}

void lazy_starve(struct world *world)
{
    for (unsigned bits = 28; bits >= 12; bits--) {
        take(world, bits);
    }
    assert_true(lazy_give_one_back(world));
    take(world, 12);
    assert_true(world->taken_count >= PAGES);
}

void lazy_feed(struct world *world)
{
    while (lazy_give_one_back(world)) {
    }
}

static void set_lazy(vm_t *vm)
{
    struct guestmem_policy policy;

    guestmem_policy_default(&policy);
    policy.populate = GUESTMEM_POPULATE_LAZY;
    policy.frame_bits_max = 12;
    assert_int_equal(guestmem_set_policy(vm, &policy), 0);
}

size_t lazy_frames(vm_t *vm)
{
    struct guestmem_stats stats;

    assert_int_equal(guestmem_get_stats(vm, &stats), 0);
    return stats.frames[0];
}

void lazy_pattern(uint8_t *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)((seed + i * 7) % 251 + 1);
    }
}

void *lazy_frame_bytes(struct world *world, seL4_CPtr frame)
{
    return guestmem_host_phys(world->fixture->host, seL4_ARM_Page_GetAddress(frame).paddr, PAGE);
}

void lazy_lend(struct world *world)
{
    vm_t *vm = &world->fixture->vm;

    for (unsigned i = 0; i < PAGES; i++) {
        lazy_pattern(lazy_frame_bytes(world, world->lent[i]), PAGE, i * 31);
    }
    world->lent_res =
        vm_reserve_memory_at(vm, LENT, PAGES * PAGE, default_error_fault_callback, NULL);
    assert_non_null(world->lent_res);
    assert_int_equal(vm_map_reservation_frames(vm, world->lent_res, world->lent, PAGES, 12), 0);
}

int lazy_set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    void *fixture;

    assert_non_null(world);
    fixture_vm_set_up(&fixture);
    world->fixture = fixture;
    assert_int_equal(vm_ram_register_at(&world->fixture->vm, TWIN, PAGES * PAGE, false), 0);
    fixture_write(&world->fixture->vm, FIXTURE_RAM, "", 1); /* seen by the VMM from now on */
    set_lazy(&world->fixture->vm);
    /* The last page is populated, so that the tables are there. */
    assert_int_equal(vm_ram_register_at(&world->fixture->vm, LAZY, 16 * PAGE, false), 0);
    assert_int_equal(guestmem_populate(&world->fixture->vm, LAZY + 15 * PAGE, PAGE), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        assert_int_equal(
            vka_alloc_frame(guestmem_host_vka(world->fixture->host), 12, &world->lent_frames[i]),
            0);
        world->lent[i] = world->lent_frames[i].cptr;
    }
    *state = world;
    return 0;
}

int lazy_tear_down(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->fixture;
    struct guestmem_host_counts counts;
    void *inner = fixture;

    guestmem_host_fail(fixture->host, 0, 0, false);
    lazy_feed(world);
    assert_int_equal(guestmem_host_vm_destroy(&fixture->vm), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        vka_free_object(guestmem_host_vka(fixture->host), &world->lent_frames[i]);
    }
    guestmem_host_count(fixture->host, &counts);
    assert_int_equal(counts.frames_4k + counts.frames_2m + counts.tables, 0);
    fixture_tear_down(&inner);
    free(world);
    return 0;
}

struct guestmem_host_vm_exit lazy_stopped(struct world *world)
{
    struct guestmem_host_vm_exit exit;

    guestmem_host_vm_get_exit(&world->fixture->vm, &exit);
    assert_int_equal(exit.reason, GUESTMEM_HOST_VM_POPULATE);
    assert_string_equal(exit.why, guestmem_strerror(exit.error));
    return exit;
}

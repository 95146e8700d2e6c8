/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Environments and VMs, up and down.
 */
#include "soak.h"

#include <string.h>

/* ----------------------------------------------------------------------- environments */

void env_up(struct flavour *flavour)
{
    struct guestmem_host_snapshot *now;
    int error = guestmem_host_create(&flavour->config, &soak.host);

    if (error != 0) {
        soak_fail("the environment can't be brought up: %s", strerror(-error));
    }
    soak.flavour = flavour;
    if (flavour->first == NULL) {
        flavour->first = guestmem_host_snapshot(soak.host);
        guestmem_host_count(soak.host, &flavour->rest);
        SOAK_CHECK(flavour->first != NULL);
        return;
    }
    now = guestmem_host_snapshot(soak.host);
    SOAK_CHECK(now != NULL);
    if (!guestmem_host_snapshot_same(flavour->first, now, stdout)) {
        soak_fail("a new environment isn't as the first of its flavour");
    }
    guestmem_host_snapshot_free(now);
}

void env_down(void)
{
    guestmem_host_destroy(soak.host);
    soak.host = NULL;
}

void quiet_check(void)
{
    struct guestmem_host_snapshot *now = guestmem_host_snapshot(soak.host);

    SOAK_CHECK(now != NULL);
    if (!guestmem_host_snapshot_same(soak.flavour->first, now, stdout)) {
        soak_fail("with all VMs gone, the environment isn't as it was at first");
    }
    guestmem_host_snapshot_free(now);
    soak.totals.quiet++;
}

/* -------------------------------------------------------------------------------- VMs */

static void end_half_built(struct player *player)
{
    vm_t *vm = &player->vm;

    SOAK_CHECK(guestmem_destroy(vm) == GUESTMEM_OK);
    if (vm->mem.vm_vspace_root.cptr != seL4_CapNull) {
        vka_free_object(vm->vka, &vm->mem.vm_vspace_root);
    }
    soak.totals.half_built++;
}

/* Its memory alone, as a VM library brings it up. */
static bool memory_up(vm_t *vm)
{
    static char name[] = "soak";

    vm->vka = guestmem_host_vka(soak.host);
    vm->simple = guestmem_host_simple(soak.host);
    vm->io_ops = guestmem_host_io_ops(soak.host);
    vm->host_endpoint = guestmem_host_endpoint(soak.host);
    vm->vm_name = name;
    vm->mem.vmm_vspace = *guestmem_host_vspace(soak.host);
    if (vka_alloc_vspace_root(vm->vka, &vm->mem.vm_vspace_root) != 0) {
        vm->mem.vm_vspace_root.cptr = seL4_CapNull;
        return false;
    }
    return simple_ASIDPool_assign(vm->simple, vm->mem.vm_vspace_root.cptr) == seL4_NoError &&
           vm_memory_init(vm) == 0 &&
           vm_init_guest_vspace(&vm->mem.vmm_vspace, &vm->mem.vmm_vspace, &vm->mem.vm_vspace,
                                vm->vka, vm->mem.vm_vspace_root.cptr) == 0;
}

/* Somebody's bring-up failed: only because a request did, or memory is short. */
static void check_excuse(bool struck)
{
    SOAK_CHECK(struck || !soak.flavour->roomy);
    soak.totals.failed++;
}

static bool with_vcpus_up(struct player *player)
{
    if (vm_init(&player->vm, guestmem_host_vka(soak.host), guestmem_host_simple(soak.host),
                *guestmem_host_vspace(soak.host), guestmem_host_io_ops(soak.host),
                guestmem_host_endpoint(soak.host), "soak") != 0) {
        soak.totals.half_built++;
        return false;
    }
    return true;
}

static void settle(struct player *player)
{
    player->live = true;
    soak.totals.vms++;
    player->vm.mem.clean_cache = soak_one_in(4);
    if (soak_one_in(2)) {
        call_arm();
        player->has_pool =
            call_ended_compatible(vm_memory_make_anon(&player->vm, POOL_BASE, POOL_BYTES) == 0);
    }
    if (player->runs) {
        player->has_code = guest_up(player);
    }
}

void vm_up(struct player *player)
{
    bool done;
    bool struck;

    memset(player, 0, sizeof(*player));
    soak.me = player;
    for (size_t i = 0; i < ITEMS; i++) {
        player->items[i].area = AREA_BASE + i * AREA_STRIDE;
    }
    player->runs = soak_one_in(6);
    call_arm();
    done = player->runs ? with_vcpus_up(player) : memory_up(&player->vm);
    struck = guestmem_host_failed(soak.host, NULL);
    guestmem_host_fail(soak.host, 0, 0, false);
    if (done) {
        settle(player);
        return;
    }
    check_excuse(struck);
    if (!player->runs) {
        end_half_built(player);
    }
}

/* Giving back asks for nothing: it succeeds whatever is armed. */
void vm_down(struct player *player)
{
    soak.me = player;
    guestmem_host_fail(soak.host, GUESTMEM_HOST_FAIL_ANY, 1, true);
    if (player->runs) {
        SOAK_CHECK(guestmem_host_vm_destroy(&player->vm) == 0);
    } else {
        SOAK_CHECK(guestmem_destroy(&player->vm) == GUESTMEM_OK);
        vka_free_object(player->vm.vka, &player->vm.mem.vm_vspace_root);
    }
    guestmem_host_fail(soak.host, 0, 0, false);
    for (size_t i = 0; i < ITEMS; i++) {
        give_up(&player->items[i]);
    }
    player->live = false;
}

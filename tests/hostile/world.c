/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Two VMs in one environment, and that nothing is left of them.
 */
#include "hostile.h"

#include <dirent.h>
#include <string.h>

#include <guestmem/threads.h>

struct world world;

static const struct guestmem_host_region regions[] = {
    {.paddr = DEVICE_PADDR, .bytes = DEVICE_BYTES},
    {.paddr = DEVICE_RAM_PADDR, .bytes = 0x40000, .device_ram = true},
};

static unsigned open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    while (folder != NULL && readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

/* ------------------------------------------------------------------------------- beginning */

/* What the guest does with its exceptions: go on behind the instruction; or, from outside of its
 * home, at the link. */
static void write_vectors(const struct player *player)
{
    static const uint32_t handler[] = {
        0xd5384031, /* mrs x17, elr_el1 */
        0xd350fe30, /* lsr x16, x17, #16 */
        0xf140121f, /* cmp x16, #0x4000 */
        0x54000040, /* b.eq . + 8 */
        0xd10013d1, /* sub x17, x30, #4 */
        0x91001231, /* add x17, x17, #4 */
        0xd5184031, /* msr elr_el1, x17 */
        0xd69f03e0, /* eret */
    };
    uint8_t *vectors = page_bytes(player, HOME);

    for (unsigned i = 0; i < 16; i++) {
        memcpy(vectors + i * 0x80, handler, sizeof(handler));
    }
    for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++) {
        memset((uint8_t *)page_bytes(player, HOME_CODE(vcpu)) + 0xfc0, fill_byte(player), 0x40);
    }
}

/* In frames of 4 KiB, never touched by changes. */
static void make_home(struct player *player)
{
    CHECK(vm_ram_register_at(&player->vm, HOME, HOME_PAGES * PAGE, false) == 0, "no home");
    for (unsigned i = 0; i < HOME_PAGES; i++) {
        CHECK(all_are(page_bytes(player, HOME + i * PAGE), PAGE, 0), "new memory isn't clear");
    }
    write_vectors(player);
}

static void make_vcpus(struct player *player)
{
    player->vcpu_count = 1 + (player->number == 1 && one_in(2) ? 1u : 0u);
    for (unsigned i = 0; i < player->vcpu_count; i++) {
        player->vcpu[i] = vm_create_vcpu(&player->vm, 100);
        CHECK(player->vcpu[i] != NULL, "no vcpu");
        vm_register_unhandled_vcpu_fault_callback(player->vcpu[i], on_trap, player);
    }
}

static void player_begin(struct player *player)
{
    vm_t *vm = &player->vm;

    CHECK(vm_init(vm, guestmem_host_vka(world.host), guestmem_host_simple(world.host),
                  *guestmem_host_vspace(world.host), guestmem_host_io_ops(world.host),
                  guestmem_host_endpoint(world.host), player->number == 0 ? "zero" : "one") == 0,
          "no VM");
    CHECK(vm_memory_make_anon(vm, POOL, POOL_BYTES) == 0, "no pool");
    make_home(player);
    make_vcpus(player);
    vm_register_unhandled_mem_fault_callback(vm, on_unhandled, player);
    vm_register_notification_callback(vm, on_notification, player);
    vm_register_smc_handler_callback(vm, on_smc);
    guestmem_host_vm_watch_faults(vm, on_seen, player);
    if (one_in(3)) { /* a VM that threads share, with its other ways to look up and to free */
        CHECK(guestmem_reader_register(vm) == GUESTMEM_OK, "no reader");
        count_one("programs", "VMs that are shared");
    }
    slots_start(player);
    player->alive = true;
}

/* Memory of nobody's guest, beside theirs. */
static void take_foreign(struct player *player)
{
    player->has_foreign =
        vka_alloc_frame(guestmem_host_vka(world.host), seL4_PageBits, &player->foreign) == 0;
    if (player->has_foreign) {
        memset(frame_bytes(&player->foreign), POISON, PAGE);
    }
}

static void environment_begin(void)
{
    const struct guestmem_host_config config = {
        .ram_bytes = UINT64_C(64) << 20, .regions = regions, .region_count = 2, .cnode_bits = 14};

    if (world.host == NULL) {
        CHECK(guestmem_host_create(&config, &world.host) == 0, "no environment");
    }
    for (uint64_t i = 0; i < 2; i++) { /* what devices hold is nobody's */
        memset(guestmem_host_phys(world.host, regions[i].paddr, regions[i].bytes), POISON,
               regions[i].bytes);
    }
    world.before = guestmem_host_snapshot(world.host);
    guestmem_host_count(world.host, &world.counts);
    world.descriptors = open_descriptors();
}

void world_begin(void)
{
    environment_begin();
    memset(world.players, 0, sizeof(world.players));
    world.depth = 0;
    for (unsigned i = 0; i < PLAYERS; i++) {
        world.players[i].number = i;
        take_foreign(&world.players[i]);
        player_begin(&world.players[i]);
    }
    count_one("programs", "worlds");
}

/* ------------------------------------------------------------------------------- the end */

static void player_end(struct player *player)
{
    struct guestmem_stats stats;

    look_at_memory(player, true);
    CHECK(guestmem_get_stats(&player->vm, &stats) == GUESTMEM_OK, "no statistics");
    count_many("programs", "frames populated", stats.faults_populated + stats.frames_around);
    player->alive = false;
    CHECK(guestmem_host_vm_destroy(&player->vm) == 0, "a VM can't be destroyed");
    slots_give_lent(player);
    if (player->has_foreign) {
        vka_free_object(guestmem_host_vka(world.host), &player->foreign);
    }
}

static void check_counts(void)
{
    struct guestmem_host_counts now;
    const struct guestmem_host_counts *then = &world.counts;

    guestmem_host_count(world.host, &now);
    CHECK(now.slots_used == then->slots_used && now.frames_4k == then->frames_4k &&
              now.frames_2m == then->frames_2m && now.tables == then->tables &&
              now.untypeds == then->untypeds && now.other_objects == then->other_objects &&
              now.vmm_mappings == then->vmm_mappings &&
              now.vmm_reserved_bytes == then->vmm_reserved_bytes &&
              now.free_bytes == then->free_bytes && now.malloc_bytes == then->malloc_bytes &&
              now.malloc_blocks == then->malloc_blocks,
          "something is left of a world");
}

/* Devices' frames hold what their last owner left: nobody's from now on, as other memory is when it
 * is freed. */
void world_end(void)
{
    struct guestmem_host_snapshot *after;

    for (unsigned i = 0; i < PLAYERS; i++) {
        player_end(&world.players[i]);
    }
    check_counts();
    after = guestmem_host_snapshot(world.host);
    CHECK(after != NULL && guestmem_host_snapshot_same(world.before, after, stderr),
          "the environment isn't as it was before the world");
    guestmem_host_snapshot_free(after);
    guestmem_host_snapshot_free(world.before);
    world.before = NULL;
    CHECK(open_descriptors() == world.descriptors, "a descriptor is left of a world");
}

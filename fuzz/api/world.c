/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Bringing the environment and VMs up and down; judging calls.
 */
#include "world.h"

#include <string.h>

#include <utils/util.h>

struct world world;

static struct guestmem_host_counts at_rest;
static bool struck;

/* ------------------------------------------------------------------------------- bring-up */

static void tell(void)
{
    char text[256];

    fprintf(stderr, "at: %s\n", world.said == NULL ? "start" : world.said);
    if (world.me != NULL && world.me->live) {
        guestmem_failure_text(guestmem_last_failure(&world.me->vm), text, sizeof(text));
        fprintf(stderr, "last failure: %s\n", text);
    }
}

void world_open(bool boot_frames)
{
    static const struct guestmem_host_region device = {.paddr = DEVICE_BASE, .bytes = DEVICE_BYTES};
    struct guestmem_host_config config = {.ram_bytes = RAM_BYTES,
                                          .ram_base = RAM_BASE,
                                          .regions = &device,
                                          .region_count = 1,
                                          .cnode_bits = 14,
                                          .flavour = boot_frames ? GUESTMEM_HOST_BOOT_FRAMES
                                                                 : GUESTMEM_HOST_OWNS_DEVICES};

    if (world.host != NULL && world.boot_frames == boot_frames) {
        return;
    }
    guestmem_host_destroy(world.host);
    world.boot_frames = boot_frames;
    fuzz_tell = tell;
    zf_log_set_output_level(ZF_LOG_NONE);
    FUZZ_CHECK_EQ(guestmem_host_create(&config, &world.host), 0);
    guestmem_host_count(world.host, &at_rest);
}

void player_start(struct player *player)
{
    static char name[] = "fuzz";
    vm_t *vm = &player->vm;

    memset(player, 0, sizeof(*player));
    vm->vka = guestmem_host_vka(world.host);
    vm->simple = guestmem_host_simple(world.host);
    vm->io_ops = guestmem_host_io_ops(world.host);
    vm->host_endpoint = guestmem_host_endpoint(world.host);
    vm->vm_name = name;
    vm->mem.vmm_vspace = *guestmem_host_vspace(world.host);
    FUZZ_CHECK_EQ(vka_alloc_vspace_root(vm->vka, &vm->mem.vm_vspace_root), 0);
    FUZZ_CHECK_EQ(simple_ASIDPool_assign(vm->simple, vm->mem.vm_vspace_root.cptr), 0);
    FUZZ_CHECK_EQ(vm_memory_init(vm), 0);
    FUZZ_CHECK_EQ(vm_init_guest_vspace(&vm->mem.vmm_vspace, &vm->mem.vmm_vspace, &vm->mem.vm_vspace,
                                       vm->vka, vm->mem.vm_vspace_root.cptr),
                  0);
    FUZZ_CHECK_EQ(guestmem_get_policy(vm, &player->policy), GUESTMEM_OK);
    player->live = true;
}

void player_end(struct player *player)
{
    struct player *me = world.me;

    world.me = player;
    FUZZ_CHECK_EQ(guestmem_destroy(&player->vm), GUESTMEM_OK);
    FUZZ_CHECK_EQ(guestmem_destroy(&player->vm), GUESTMEM_OK);
    for (size_t i = 0; i < AREAS; i++) {
        if (player->area[i].live) {
            area_drop(&player->area[i]);
        }
    }
    vka_free_object(player->vm.vka, &player->vm.mem.vm_vspace_root);
    player->live = false;
    world.me = me;
}

void world_begin(struct fuzz_input *input)
{
    unsigned shared = fuzz_byte(input);

    world.in = input;
    world.pattern = 0;
    world.boot_frame = false;
    world.may = 0;
    world.said = NULL;
    for (size_t i = 0; i < VMS; i++) {
        player_start(&world.player[i]);
        if (shared >> i & 1) {
            FUZZ_CHECK_EQ(guestmem_reader_register(&world.player[i].vm), GUESTMEM_OK);
            world.player[i].shared = true;
        }
    }
    world.me = &world.player[0];
}

static void check_counts(const struct guestmem_host_counts *before)
{
    struct guestmem_host_counts now;

    guestmem_host_count(world.host, &now);
    FUZZ_CHECK_EQ(now.slots_used, before->slots_used);
    FUZZ_CHECK_EQ(now.frames_4k, before->frames_4k);
    FUZZ_CHECK_EQ(now.frames_2m, before->frames_2m);
    FUZZ_CHECK_EQ(now.frames_1g, before->frames_1g);
    FUZZ_CHECK_EQ(now.tables, before->tables);
    FUZZ_CHECK_EQ(now.untypeds, before->untypeds);
    FUZZ_CHECK_EQ(now.other_objects, before->other_objects);
    FUZZ_CHECK_EQ(now.vmm_mappings, before->vmm_mappings);
    FUZZ_CHECK_EQ(now.vmm_reserved_bytes, before->vmm_reserved_bytes);
    FUZZ_CHECK_EQ(now.free_bytes, before->free_bytes);
    FUZZ_CHECK_EQ(now.malloc_bytes, before->malloc_bytes);
    FUZZ_CHECK_EQ(now.malloc_blocks, before->malloc_blocks);
}

void world_end(void)
{
    world.said = "the end";
    for (size_t i = 0; i < VMS; i++) {
        player_end(&world.player[i]);
    }
    check_counts(&at_rest);
}

/* ---------------------------------------------------------------------------------- calls */

unsigned answer_resources(void)
{
    return ANSWER(GUESTMEM_ENOMEM) | ANSWER(GUESTMEM_ENOSLOT) | ANSWER(GUESTMEM_ENOFRAME) |
           ANSWER(GUESTMEM_ENOTABLE) | ANSWER(GUESTMEM_EVMM) | ANSWER(GUESTMEM_EKERNEL) |
           ANSWER(GUESTMEM_EFRAME); /* so is told what the kernel says to a frame of the caller's */
}

void call_begin(const char *name)
{
    struct call *call = &world.call;
    unsigned choice = fuzz_byte(world.in);
    unsigned kinds = (choice >> 3 & 7) < 5 ? 1u << (choice >> 3 & 7) : GUESTMEM_HOST_FAIL_ANY;
    bool sticky = choice >> 6 & 1;

    world.said = name;
    for (size_t i = 0; i < AREAS; i++) {
        if (area_may_lack(&world.me->area[i])) {
            world.may |= ANSWER(GUESTMEM_ENOFRAME);
        }
    }
    *call = (struct call){.armed = (choice & 7) == 7};
    if (call->armed) {
        call->before = guestmem_host_snapshot(world.host);
        FUZZ_CHECK(call->before != NULL);
        /* Changing rights back is an invocation, which a kernel would not refuse. */
        kinds &= sticky ? ~(unsigned)GUESTMEM_HOST_FAIL_INVOCATION : GUESTMEM_HOST_FAIL_ANY;
        guestmem_host_fail(world.host, kinds, 1 + fuzz_byte(world.in) % 24, sticky);
    } else {
        guestmem_host_count(world.host, &call->counts);
    }
}

/* A failed call has changed nothing. */
static void check_unchanged(struct call *call)
{
    struct guestmem_host_snapshot *after;

    if (call->may_change) {
        return;
    }
    if (!call->armed) {
        check_counts(&call->counts);
        return;
    }
    after = guestmem_host_snapshot(world.host);
    FUZZ_CHECK(after != NULL);
    FUZZ_CHECK(guestmem_host_snapshot_same(call->before, after, stderr));
    guestmem_host_snapshot_free(after);
}

/*
 * Where the allocator fails, a frame by address may come from the boot frames: out of the device
 * region as a whole, of which the allocator gets no part then, as long as the frame is there.
 */
static bool lacks_the_region(int error)
{
    return world.boot_frame && error == GUESTMEM_ENOFRAME &&
           strcmp(guestmem_last_failure(&world.me->vm)->step,
                  "find memory at that physical address") == 0;
}

bool call_end(int error, unsigned errors)
{
    struct call *call = &world.call;

    struck = call->armed && guestmem_host_failed(world.host, NULL);
    guestmem_host_fail(world.host, 0, 0, false);
    FUZZ_CHECK(error <= 0 && error >= GUESTMEM_ENOSUP);
    world.boot_frame = world.boot_frame || (struck && error == GUESTMEM_OK);
    if (error == GUESTMEM_OK) {
        if (errors != 0) {
            FUZZ_FAIL("%s succeeded; one of the errors %#x was due", world.said, errors);
        }
    } else {
        unsigned allowed = errors | world.may | (struck ? answer_resources() : 0);

        if ((ANSWER(error) & allowed) == 0 && !lacks_the_region(error)) {
            FUZZ_FAIL("%s: %d (%s); allowed: %#x", world.said, error, guestmem_strerror(error),
                      allowed);
        }
        check_unchanged(call);
    }
    guestmem_host_snapshot_free(call->before);
    call->before = NULL;
    world.may = 0;
    return error == GUESTMEM_OK;
}

bool call_end_compatible(bool done, unsigned errors)
{
    const struct guestmem_failure *failure = guestmem_last_failure(&world.me->vm);

    FUZZ_CHECK(failure != NULL);
    FUZZ_CHECK(done || failure->error != GUESTMEM_OK);
    return call_end(done ? GUESTMEM_OK : failure->error, errors);
}

bool call_was_struck(void)
{
    return struck;
}

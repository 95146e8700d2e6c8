/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Target (b): random calls on two VMs of one environment, some of them with a request that fails.
 * The first byte says which VMs are shared, and how devices come; then each operation begins with a
 * byte that names it and its VM.
 */
#include "world.h"

static void (*const operations[])(void) = {
    op_reserve,   op_reserve, op_reserve_anon, op_make_anon, op_free,          op_free,
    op_destroy,   op_again,   op_region,       op_policy,    op_area_policy,   op_walk,
    op_back,      op_back,    op_given,        op_create,    op_create_device, op_created_destroy,
    op_populate,  op_rights,  op_fault,        op_fault,     op_ram,           op_ram,
    op_ram_given, op_touch,   op_mark,         op_allocate,  op_largest,       op_discard,
    op_read,      op_write,   op_fill,         op_copy,      op_load,          op_store,
    op_span,      op_iovec,   op_physical,
};

static void (*const vspace_operations[])(void) = {
    op_vspace_reserve, op_vspace_pages, op_vspace_pages, op_vspace_anywhere,
    op_vspace_unmap,   op_vspace_free,  op_vspace_look,  op_vspace_share,
};

enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]), VSPACE_FROM = 2 * OPERATIONS };

enum { BOOT_FRAMES_FROM = 0xf0 };

_Static_assert(VSPACE_FROM + 8 <= 128, "seven bits name an operation");

static void step(struct fuzz_input *input)
{
    unsigned choice = fuzz_byte(input);

    world.me = &world.player[choice >> 7];
    choice &= 0x7f;
    if (choice < VSPACE_FROM) {
        operations[choice % OPERATIONS]();
    } else {
        vspace_operations[(choice - VSPACE_FROM) % 8]();
    }
}

static void check_everything(void)
{
    for (size_t i = 0; i < VMS; i++) {
        world.me = &world.player[i];
        area_scan_all(false);
        regions_check();
        op_walk();
        for (size_t k = 0; k < AREAS; k++) {
            if (world.me->area[k].live) {
                area_check_bytes(&world.me->area[k]);
            }
        }
    }
    world_check_owners();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};

    world_open(size > 0 && data[0] >= BOOT_FRAMES_FROM);
    world_begin(&input);
    for (unsigned steps = 0; fuzz_more(&input) && steps < STEPS_MAX; steps++) {
        step(&input);
    }
    world.said = "the last look";
    check_everything();
    world_end();
    return 0;
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The world that a sequence finds: two fresh pools and empty slots. Both pools lie at the start of
 * untypeds that are aligned to more than the pools' size, so offsets in them are the same
 * everywhere.
 */
#include <stdio.h>
#include <string.h>

#include "model.h"

static void must(const struct model_world *world, int error, const char *what)
{
    char where[MODEL_NAME_MAX + 32];

    if (error != 0) {
        snprintf(where, sizeof(where), "%s: error %d", world->sequence, error);
        model_fail(where, what);
    }
}

static const struct model_name *bind(struct model_world *world, const char *text, seL4_CPtr slot,
                                     seL4_Word count)
{
    struct model_name *name = &world->names[world->name_count];

    if (world->name_count == sizeof(world->names) / sizeof(world->names[0])) {
        model_fail(world->sequence, "too many names");
    }
    world->name_count++;
    snprintf(name->text, sizeof(name->text), "%s", text);
    name->slot = slot;
    name->count = count;
    return name;
}

static void make_pool(struct model_world *world, seL4_CPtr from, unsigned bits, const char *name)
{
    seL4_CPtr slot = model_world_name(world, name, 1, true)->slot;

    must(
        world,
        seL4_Untyped_Retype(from, seL4_UntypedObject, bits, world->port->root_cnode, 0, 0, slot, 1),
        "making a pool");
}

static seL4_Word base_of(struct model_world *world, seL4_CPtr untyped)
{
    seL4_CPtr slot = world->port->first_slot;
    seL4_ARM_Page_GetAddress_t got;

    must(world,
         seL4_Untyped_Retype(untyped, seL4_ARM_SmallPageObject, 0, world->port->root_cnode, 0, 0,
                             slot, 1),
         "making a frame at the pool's base");
    got = seL4_ARM_Page_GetAddress(slot);
    must(world, got.error, "asking for its address");
    must(world, seL4_CNode_Revoke(world->port->root_cnode, untyped, seL4_WordBits),
         "taking it back");
    return got.paddr;
}

void model_world_init(struct model_world *world, const struct model_port *port)
{
    memset(world, 0, sizeof(*world));
    world->port = port;
    world->sequence = "start";
    world->normal_base = base_of(world, port->normal);
    world->device_base = base_of(world, port->device);
}

void model_world_begin(struct model_world *world, const char *sequence)
{
    world->sequence = sequence;
    world->loop = 0;
    world->slots_used = 0;
    world->name_count = 0;
    bind(world, "@", world->port->root_cnode, 1);
    bind(world, "A", world->port->asid_pool, 1);
    bind(world, "K", world->port->asid_control, 1);
    make_pool(world, world->port->normal, MODEL_NORMAL_BITS, "N");
    make_pool(world, world->port->device, MODEL_DEVICE_BITS, "D");
    make_pool(world, world->port->far, MODEL_FAR_BITS, "F");
}

void model_world_end(struct model_world *world)
{
    const struct model_port *port = world->port;

    must(world, seL4_CNode_Revoke(port->root_cnode, port->normal, seL4_WordBits), "cleaning up");
    must(world, seL4_CNode_Revoke(port->root_cnode, port->device, seL4_WordBits), "cleaning up");
    must(world, seL4_CNode_Revoke(port->root_cnode, port->far, seL4_WordBits), "cleaning up");
    for (seL4_Word k = 0; k < world->slots_used; k++) {
        must(world, seL4_CNode_Delete(port->root_cnode, port->first_slot + k, seL4_WordBits),
             "cleaning up");
    }
}

const struct model_name *model_world_name(struct model_world *world, const char *text,
                                          seL4_Word count, bool create)
{
    seL4_CPtr slot = world->port->first_slot + world->slots_used;

    for (unsigned k = 0; k < world->name_count; k++) {
        if (strcmp(world->names[k].text, text) == 0) {
            return &world->names[k];
        }
    }
    if (!create) {
        return NULL;
    }
    if (count > world->port->slot_count - world->slots_used) {
        model_fail(world->sequence, "too many slots");
    }
    world->slots_used += count;
    return bind(world, text, slot, count);
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "port_host.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ROOT_CNODE_BITS = 16,         /* as the recorded kernel's root task has */
    SLOT_COUNT = 1024,            /* what the longest sequence needs, and some */
    SLOTS_ASKED = 2 * SLOT_COUNT, /* among so many, as many lie together */
};

static const struct guestmem_host_region regions[] = {
    {.paddr = 0x200000000, .bytes = (uint64_t)2 << MODEL_DEVICE_BITS},
    {.paddr = MODEL_FAR_PADDR, .bytes = (uint64_t)2 << MODEL_FAR_BITS},
};

void model_fail(const char *where, const char *what)
{
    fprintf(stderr, "model: %s: %s\n", where, what);
    exit(2);
}

static int by_value(const void *a, const void *b)
{
    seL4_CPtr x = *(const seL4_CPtr *)a;
    seL4_CPtr y = *(const seL4_CPtr *)b;

    return (x > y) - (x < y);
}

/* An allocator promises no consecutive slots: many are taken, and a run of them is used. */
static seL4_CPtr take_slots(vka_t *vka)
{
    static seL4_CPtr slots[SLOTS_ASKED];
    size_t first = 0;

    for (size_t k = 0; k < SLOTS_ASKED; k++) {
        if (vka_cspace_alloc(vka, &slots[k]) != 0) {
            model_fail("host", "no slots");
        }
    }
    qsort(slots, SLOTS_ASKED, sizeof(slots[0]), by_value);
    for (size_t k = 1; k < SLOTS_ASKED; k++) {
        if (slots[k] != slots[k - 1] + 1) {
            first = k;
        }
        if (k - first + 1 == SLOT_COUNT) {
            return slots[first];
        }
    }
    model_fail("host", "no consecutive slots");
}

static seL4_CPtr take_device(vka_t *vka, uint64_t paddr, unsigned bits)
{
    cspacepath_t path;
    seL4_Word cookie;

    if (vka_cspace_alloc_path(vka, &path) != 0 ||
        vka_utspace_alloc_at(vka, &path, seL4_UntypedObject, bits, paddr, &cookie) != 0) {
        model_fail("host", "no device untyped");
    }
    return path.capPtr;
}

struct guestmem_host *model_port_create(unsigned pa_bits, struct model_port *port)
{
    struct guestmem_host_config config = {
        .ram_bytes = (uint64_t)4 << MODEL_NORMAL_BITS,
        .regions = regions,
        .region_count = sizeof(regions) / sizeof(regions[0]),
        .flavour = GUESTMEM_HOST_OWNS_DEVICES,
        .cnode_bits = ROOT_CNODE_BITS,
        .pa_bits = pa_bits,
    };
    struct guestmem_host *host = NULL;
    vka_object_t normal;
    vka_t *vka;

    if (guestmem_host_create(&config, &host) != 0) {
        model_fail("host", "no environment");
    }
    vka = guestmem_host_vka(host);
    if (vka_alloc_untyped(vka, MODEL_NORMAL_BITS + 1, &normal) != 0) {
        model_fail("host", "no normal untyped");
    }
    *port = (struct model_port){
        .root_cnode = seL4_CapInitThreadCNode,
        .asid_pool = seL4_CapInitThreadASIDPool,
        .asid_control = seL4_CapASIDControl,
        .normal = normal.cptr,
        .device = take_device(vka, regions[0].paddr, MODEL_DEVICE_BITS + 1),
        .far = take_device(vka, regions[1].paddr, MODEL_FAR_BITS + 1),
        .first_slot = take_slots(vka),
        .slot_count = SLOT_COUNT,
    };
    return host;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "root.h"

#include <stdio.h>
#include <stdlib.h>

#include <allocman/bootstrap.h>
#include <allocman/vka.h>
#include <sel4platsupport/bootinfo.h>
#include <sel4platsupport/platsupport.h>
#include <sel4utils/vspace.h>
#include <simple-default/simple-default.h>
#include <simple/simple_helpers.h>
#include <vka/object.h>

#include "requests.h"

#define MIB (1ul << 20)
#define FRAMES_OF(bits) (1ul << ((bits) - seL4_PageBits))

struct root root;

static char pool[16 << 20];
static sel4utils_alloc_data_t vspace_data;
static struct counted_vka vmm_vka;

void root_require(bool ok, const char *what)
{
    if (!ok) {
        printf("sel4-tests: FAILED to %s\n", what);
        abort();
    }
}

cspacepath_t root_path(seL4_CPtr slot)
{
    cspacepath_t path;

    vka_cspace_make_path(&root.vka, slot, &path);
    return path;
}

/* Whether one device untyped contains all that this root task takes by address. */
static bool is_set_aside(seL4_BootInfo *info)
{
    for (seL4_CPtr cap = info->untyped.start; cap < info->untyped.end; cap++) {
        const seL4_UntypedDesc *untyped = &info->untypedList[cap - info->untyped.start];
        seL4_Word last = untyped->paddr + ((1ul << untyped->sizeBits) - 1);

        if (untyped->isDevice && untyped->paddr <= ROOT_RAM_PADDR &&
            last >= ROOT_BOOT_RAM_PADDR + (1ul << ROOT_RAM_BITS) - 1) {
            return true;
        }
    }
    return false;
}

/* Whether no untyped meets the MiB at `base`. */
static bool is_nowhere(seL4_BootInfo *info, uintptr_t base)
{
    for (seL4_CPtr cap = info->untyped.start; cap < info->untyped.end; cap++) {
        const seL4_UntypedDesc *untyped = &info->untypedList[cap - info->untyped.start];

        if (untyped->paddr < base + MIB && base < untyped->paddr + (1ul << untyped->sizeBits)) {
            return false;
        }
    }
    return true;
}

/* Where an untyped ends and no other begins: the kernel's own memory. */
static uintptr_t find_nowhere(seL4_BootInfo *info)
{
    for (seL4_CPtr cap = info->untyped.start; cap < info->untyped.end; cap++) {
        const seL4_UntypedDesc *untyped = &info->untypedList[cap - info->untyped.start];
        uintptr_t end = untyped->paddr + (1ul << untyped->sizeBits);

        end = (end + MIB - 1) & ~(MIB - 1);
        if (end + MIB <= seL4_UserTop && is_nowhere(info, end)) {
            return end;
        }
    }
    return 0;
}

/* The tree's allocator over all untypeds, with the slots from `first` on. */
static void start_allocator(seL4_CPtr first)
{
    unsigned bits = simple_get_cnode_size_bits(&root.simple);
    pmem_region_t ram = {PMEM_TYPE_RAM, ROOT_RAM_PADDR, 1ul << ROOT_RAM_BITS};
    allocman_t *allocman = bootstrap_use_current_1level(simple_get_cnode(&root.simple), bits, first,
                                                        1ul << bits, sizeof(pool), pool);

    root_require(allocman != NULL, "bring up the allocator");
    root_require(allocman_add_simple_untypeds_with_regions(allocman, &root.simple, 1, &ram) == 0,
                 "give it the memory");
    allocman_make_vka(&root.vka, allocman);
}

/* Frames of [paddr, paddr + 2^bits) in the slots from `first` on. */
static cspacepath_t make_boot_frames(uintptr_t paddr, unsigned bits, seL4_CPtr first)
{
    cspacepath_t path = root_path(first);
    vka_object_t untyped;
    seL4_Word step = CONFIG_RETYPE_FAN_OUT_LIMIT;

    root_require(vka_alloc_untyped_at(&root.vka, bits, paddr, &untyped) == 0, "find the boot frames");
    for (seL4_Word done = 0; done < FRAMES_OF(bits); done += step) {
        step = step < FRAMES_OF(bits) - done ? step : FRAMES_OF(bits) - done;
        root_require(seL4_Untyped_Retype(untyped.cptr, seL4_ARM_SmallPageObject, 0, path.root, path.dest,
                                         path.destDepth, path.offset + done, step) == seL4_NoError,
                     "make the boot frames");
    }
    return path;
}

static void start_vspace(seL4_BootInfo *info)
{
    int error;

    counted_vka_start(&vmm_vka, &root.vka, &held.vmm_slots, &held.vmm_objects);
    error = sel4utils_bootstrap_vspace_with_bootinfo_leaky(&root.vspace, &vspace_data,
                                                           simple_get_pd(&root.simple), &vmm_vka.vka, info);
    root_require(error == 0, "bring up the address space");
}

void root_start(void)
{
    seL4_BootInfo *info = platsupport_get_bootinfo();
    vka_object_t endpoint;
    seL4_CPtr slot;

    simple_default_init_bootinfo(&root.simple, info);
    slot = simple_last_valid_cap(&root.simple) + 1;
    root.pool_slots = slot + FRAMES_OF(ROOT_DEVICE_BITS) + FRAMES_OF(ROOT_RAM_BITS);
    start_allocator(root.pool_slots + (1ul << ROOT_POOL_SLOT_BITS));
    start_vspace(info);
    root_require(platsupport_serial_setup_simple(&root.vspace, &root.simple, &root.vka) == 0,
                 "bring up the console");
    root_require(is_set_aside(info), "find RAM that is set aside as device untyped");
    root.nowhere = find_nowhere(info);
    root_require(root.nowhere != 0, "find memory that is the kernel's own");
    root.boot_device = make_boot_frames(ROOT_BOOT_DEVICE_PADDR, ROOT_DEVICE_BITS, slot);
    root.boot_ram = make_boot_frames(ROOT_BOOT_RAM_PADDR, ROOT_RAM_BITS, slot + FRAMES_OF(ROOT_DEVICE_BITS));
    root_require(vka_alloc_endpoint(&root.vka, &endpoint) == 0, "make an endpoint");
    root.endpoint = endpoint.cptr;
    root_require(vka_cspace_alloc(&root.vka, &root.scratch) == 0, "take a slot");
}

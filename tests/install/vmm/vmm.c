/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * A small VMM as somebody else would write it, against the installed copies: memory from two
 * helpers, read and written by the VMM, counted, and all of it returned.
 */
#include <guestmem/guestmem.h>
#include <guestmem/host.h>
#include <sel4vm/boot.h>
#include <sel4vm/guest_memory.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vm/guest_ram.h>
#include <sel4vm/guest_vm.h>
#include <sel4vmmplatsupport/guest_memory_util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAM_BASE UINT64_C(0x40000000)
#define RAM_BYTES (UINT64_C(8) << 20)
#define HOLE_BASE UINT64_C(0x10000000)
#define HOLE_BYTES (UINT64_C(2) << 20)

static void require(int held, const char *what)
{
    if (!held) {
        printf("failed: %s\n", what);
        exit(1);
    }
}

static void back_a_reservation(vm_t *vm)
{
    vm_memory_reservation_t *reservation =
        vm_reserve_memory_at(vm, HOLE_BASE, HOLE_BYTES, default_error_fault_callback, NULL);

    require(reservation != NULL, "reserve");
    require(map_frame_alloc_reservation(vm, reservation) == 0, "back the reservation");
    require(map_frame_alloc_reservation(vm, reservation) != 0, "refuse to back it twice");
}

static void write_and_read(vm_t *vm)
{
    static char wrote[] = "bytes on both sides of a page's end";
    char read[sizeof(wrote)] = "";
    uintptr_t gpa = RAM_BASE + 4096 - 10;

    require(vm_ram_touch(vm, gpa, sizeof(wrote), vm_guest_ram_write_callback, wrote) == 0, "write");
    require(vm_ram_touch(vm, gpa, sizeof(read), vm_guest_ram_read_callback, read) == 0, "read");
    require(memcmp(wrote, read, sizeof(wrote)) == 0, "read what was written");
}

static void check_statistics(vm_t *vm)
{
    struct guestmem_stats stats;

    require(guestmem_get_stats(vm, &stats) == GUESTMEM_OK, "statistics");
    require(stats.frames[1] == 5, "five frames of 2 MiB");
    require(stats.frames[0] == 0, "no small frame");
    require(stats.reservations == 2, "two reservations");
}

int main(void)
{
    struct guestmem_host *host;
    struct guestmem_host_counts before, after;
    static vm_t vm;

    require(guestmem_host_create(NULL, &host) == 0, "environment");
    require(vm_init(&vm, guestmem_host_vka(host), guestmem_host_simple(host),
                    *guestmem_host_vspace(host), guestmem_host_io_ops(host),
                    guestmem_host_endpoint(host), "installed") == 0,
            "vm_init");
    guestmem_host_count(host, &before);
    back_a_reservation(&vm);
    require(vm_ram_register_at(&vm, RAM_BASE, RAM_BYTES, false) == 0, "RAM");
    write_and_read(&vm);
    check_statistics(&vm);
    require(guestmem_destroy(&vm) == GUESTMEM_OK, "destroy");
    guestmem_host_count(host, &after);
    require(after.frames_2m == 0 && after.frames_4k == 0 &&
                after.vmm_mappings == before.vmm_mappings,
            "nothing left behind");
    guestmem_host_destroy(host);
    printf("a VMM against the installed copies: good\n");
    return 0;
}

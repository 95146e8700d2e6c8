/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Physical addresses of the environment:
 *
 *   0x09030000  a device's page          device untyped; guest address = physical
 *   0x0c000000  4 MiB, "identity"        device untyped; guest address = physical
 *   0x20000000  8 MiB of device RAM      device untyped that the allocator hands out as memory
 *   0x80000000  normal memory            the window is taken from it by address
 */
#include "bringup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <guestmem/host_vm.h>

enum {
    MIB = 1 << 20,
    DEVICE_PAGE = 0x09030000,
    IDENTITY_BASE = 0x0c000000,
    IDENTITY_BYTES = 4 * MIB,
    DEVICE_RAM_BASE = 0x20000000,
    DEVICE_RAM_BYTES = 8 * MIB,
    WINDOW_OFFSET = 4 * MIB,
    RANGE_BYTES = 2 * MIB + 0x3000, /* of identity and window: one large frame, and small ones */
    COUNTER_HZ = 62500000,
};

static const uint64_t normal_base = 0x80000000;

static uint64_t counter(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * COUNTER_HZ + (uint64_t)now.tv_nsec / (1000000000 / COUNTER_HZ);
}

/* Memory for the guest, what its tables take, and for the largest frames their alignment. */
uint64_t bringup_memory(uint64_t ram_bytes, unsigned frame_bits)
{
    uint64_t unit = frame_bits == 30 ? 1ULL << 30 : 64ULL * MIB;

    return (ram_bytes + ram_bytes / 64 + 64ULL * MIB + unit - 1) / unit * unit +
           (frame_bits == 30 ? unit : 0) + DEVICE_RAM_BYTES;
}

/* Each frame takes a slot, and another where the VMM looks at it. */
static unsigned slot_bits(uint64_t memory_bytes, unsigned frame_bits)
{
    uint64_t slots = 2 * (memory_bytes >> (frame_bits == 12 ? 12 : 21)) + (1 << 17);
    unsigned bits = 18;

    while (1ULL << bits < slots) {
        bits++;
    }
    return bits;
}

int bringup(uint64_t memory_bytes, unsigned frame_bits, struct guestmem_host **host,
            struct uboot_vmm_environment *environment)
{
    static const struct guestmem_host_region regions[] = {
        {.paddr = DEVICE_PAGE, .bytes = 0x1000},
        {.paddr = IDENTITY_BASE, .bytes = IDENTITY_BYTES},
        {.paddr = DEVICE_RAM_BASE, .bytes = DEVICE_RAM_BYTES, .device_ram = true},
    };
    struct guestmem_host_config config = {
        .ram_bytes = memory_bytes - DEVICE_RAM_BYTES,
        .ram_base = normal_base,
        .regions = regions,
        .region_count = sizeof(regions) / sizeof(regions[0]),
        .flavour = GUESTMEM_HOST_OWNS_DEVICES,
        .cnode_bits = slot_bits(memory_bytes, frame_bits),
    };
    int err = guestmem_host_create(&config, host);

    if (err != 0) {
        return err;
    }
    *environment = (struct uboot_vmm_environment){
        .vka = guestmem_host_vka(*host),
        .simple = guestmem_host_simple(*host),
        .vspace = guestmem_host_vspace(*host),
        .io_ops = guestmem_host_io_ops(*host),
        .endpoint = guestmem_host_endpoint(*host),
        .device_page = DEVICE_PAGE,
        .identity = {IDENTITY_BASE, RANGE_BYTES},
        .window = {normal_base + WINDOW_OFFSET, RANGE_BYTES},
        .counter = counter,
        .stop = guestmem_host_vm_stop,
    };
    return 0;
}

/* ------------------------------------------------------------------------- the host's memory */

/* The number behind `name` in /proc/meminfo, in bytes. */
static uint64_t meminfo(const char *name)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    unsigned long long kib = 0;

    if (file == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            kib = strtoull(line + strlen(name) + 1, NULL, 10);
        }
    }
    fclose(file);
    return kib * 1024;
}

/* What a control group's file says, or all there is. */
static uint64_t group_limit(const char *path)
{
    FILE *file = fopen(path, "re");
    char line[32] = "";
    char *end = line;
    unsigned long long value = 0;

    if (file == NULL) {
        return UINT64_MAX;
    }
    if (fgets(line, sizeof(line), file) != NULL) {
        value = strtoull(line, &end, 10);
    }
    fclose(file);
    return end != line ? value : UINT64_MAX; /* it may say "max" */
}

uint64_t bringup_available(void)
{
    uint64_t machine = meminfo("MemAvailable") + meminfo("SwapFree");
    uint64_t group = group_limit("/sys/fs/cgroup/memory.max");

    return machine < group ? machine : group;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Device trees.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#include "device_tree.h"
#include "tool.h"

/* A list of devices is ascending and disjoint, and none of them is empty or wraps. */
static void check_list(const struct uboot_device_tree *info)
{
    uintptr_t above = 0;

    FUZZ_CHECK(info->absent_count <= UBOOT_DEVICE_TREE_ABSENT_MAX);
    for (size_t i = 0; i < info->absent_count; i++) {
        const struct uboot_vmm_range *range = &info->absent[i];

        FUZZ_CHECK(range->size > 0 && range->base + (range->size - 1) >= range->base);
        FUZZ_CHECK(range->base >= above);
        above = range->base + range->size;
    }
}

static int read_tree(struct uboot_device_tree *info, const void *tree, size_t size, size_t ram)
{
    int result = uboot_device_tree_read(info, tree, size, ram);

    FUZZ_CHECK(result == 0 || result == -1);
    if (result == 0) {
        FUZZ_CHECK(info->bytes <= size);
        check_list(info);
    } else {
        FUZZ_CHECK(info->error[0] != '\0' &&
                   memchr(info->error, '\0', sizeof(info->error)) != NULL);
    }
    return result;
}

void fuzz_tree(struct fuzz_input *input)
{
    size_t ram = (size_t)(1 + fuzz_byte(input)) << 20;
    void *tree = malloc(input->left + 1); /* aligned, as a file's bytes are */
    struct uboot_device_tree info;

    FUZZ_CHECK(tree != NULL);
    memcpy(tree, input->at, input->left);
    tree = realloc(tree, input->left > 0 ? input->left : 1);
    FUZZ_CHECK(tree != NULL);
    read_tree(&info, tree, input->left, ram);
    free(tree);
}

/* ----------------------------------------------------------------------------- built trees */

enum { ROOM = 1 << 15, RANGES = 320, NODES = 48, MIB = 1 << 20 };

/* What a tree that is being built should be read as. */
struct expected {
    struct uboot_vmm_range device[RANGES];
    size_t count;
    bool has_memory;
    bool is_refused;
    size_t ram;
};

static char tree[ROOM];
static struct expected expected;

static void need(int err)
{
    FUZZ_CHECK_EQ(err, 0);
}

static uint64_t choose_address(struct fuzz_input *input, unsigned cells)
{
    unsigned choice = fuzz_byte(input);
    uint64_t address = (uint64_t)fuzz_byte(input) << (choice & 4 ? 12 : 4);

    address += (choice & 3) == 1   ? UBOOT_VMM_RAM_BASE
               : (choice & 3) == 2 ? UINT64_MAX - 0x1000
               : (choice & 3) == 3 ? 0x09000000
                                   : 0;
    return cells == 1 ? (uint32_t)address : address;
}

static void expect_range(uint64_t base, uint64_t size, bool memory)
{
    if (size == 0) {
        return;
    }
    if (base + size < base) {
        expected.is_refused = true;
    } else if (memory) {
        expected.is_refused = expected.is_refused || base < UBOOT_VMM_RAM_BASE ||
                              base - UBOOT_VMM_RAM_BASE >= expected.ram ||
                              size > expected.ram - (base - UBOOT_VMM_RAM_BASE);
    } else if (expected.count == UBOOT_DEVICE_TREE_ABSENT_MAX) {
        expected.is_refused = true;
    } else {
        expected.device[expected.count++] = (struct uboot_vmm_range){base, size};
    }
}

struct bus {
    unsigned address_cells;
    unsigned size_cells;
    bool direct; /* its addresses are the guest's */
};

static fdt32_t *put(fdt32_t *at, uint64_t value, unsigned cells)
{
    if (cells > 1) {
        *at++ = cpu_to_fdt32((uint32_t)(value >> 32));
    }
    *at++ = cpu_to_fdt32((uint32_t)value);
    return at;
}

/* A device, or memory, with some ranges; or with a reg that is no list of them. */
static void write_node(struct fuzz_input *input, const struct bus *bus, unsigned number)
{
    unsigned choice = fuzz_byte(input);
    bool memory = (choice & 3) == 3;
    unsigned count = choice >> 2 & 7;
    bool plain = bus->address_cells >= 1 && bus->address_cells <= 2 && bus->size_cells <= 2;
    fdt32_t cells[40];
    fdt32_t *end = cells;
    char name[16];

    snprintf(name, sizeof(name), "n%u", number);
    need(fdt_begin_node(tree, name));
    if (memory) {
        need(fdt_property_string(tree, "device_type", "memory"));
        expected.has_memory = true;
    }
    for (unsigned i = 0; i < count && plain && bus->size_cells > 0; i++) {
        uint64_t base = choose_address(input, bus->address_cells);
        uint64_t size = (uint64_t)fuzz_byte(input) << (choice & 0x40 ? 12 : 2);

        end = put(put(end, base, bus->address_cells), size, bus->size_cells);
        if (bus->direct) {
            expect_range(base, size, memory);
        }
    }
    if (choice & 0x80 && bus->size_cells > 0 && plain) { /* one word too many */
        *end++ = cpu_to_fdt32(7);
        expected.is_refused =
            expected.is_refused || (bus->direct && bus->address_cells + bus->size_cells > 1);
    }
    if (!plain || bus->size_cells == 0) {
        *end++ = cpu_to_fdt32(choice);
        expected.is_refused = expected.is_refused || (bus->direct && bus->size_cells > 0);
    }
    need(fdt_property(tree, "reg", cells, (int)((char *)end - (char *)cells)));
    need(fdt_end_node(tree));
}

static void write_cells(const struct bus *bus)
{
    need(fdt_property_u32(tree, "#address-cells", bus->address_cells));
    need(fdt_property_u32(tree, "#size-cells", bus->size_cells));
}

static struct bus choose_bus(struct fuzz_input *input)
{
    static const unsigned char cells[] = {2, 2, 1, 2, 0, 3, 1, 2};
    unsigned choice = fuzz_byte(input);

    return (struct bus){cells[choice & 7], cells[choice >> 3 & 7], (choice & 0x40) == 0};
}

/* Whether an address is in one of the ranges: what the two lists are compared by. */
static bool is_in(const struct uboot_vmm_range *ranges, size_t count, uintptr_t address)
{
    for (size_t i = 0; i < count; i++) {
        if (address - ranges[i].base < ranges[i].size) {
            return true;
        }
    }
    return false;
}

static void compare(const struct uboot_device_tree *info)
{
    for (size_t i = 0; i < expected.count; i++) {
        const struct uboot_vmm_range *range = &expected.device[i];
        const uintptr_t edges[] = {range->base - 1, range->base, range->base + range->size - 1,
                                   range->base + range->size};

        for (size_t k = 0; k < sizeof(edges) / sizeof(edges[0]); k++) {
            FUZZ_CHECK_EQ(is_in(info->absent, info->absent_count, edges[k]),
                          is_in(expected.device, expected.count, edges[k]));
        }
    }
    for (size_t i = 0; i < info->absent_count; i++) {
        FUZZ_CHECK(is_in(expected.device, expected.count, info->absent[i].base));
    }
}

static void write_bus(struct fuzz_input *input, unsigned *nodes)
{
    struct bus bus = choose_bus(input);
    unsigned inside = fuzz_byte(input) & 7;

    need(fdt_begin_node(tree, "bus"));
    write_cells(&bus);
    if (bus.direct) {
        need(fdt_property(tree, "ranges", "", 0));
    } else if (inside & 1) {
        need(fdt_property(tree, "ranges", "1234", 4));
    }
    for (unsigned i = 0; i < inside && *nodes < NODES; i++) {
        write_node(input, &bus, (*nodes)++);
    }
    need(fdt_end_node(tree));
}

void fuzz_built_tree(struct fuzz_input *input)
{
    struct bus root = choose_bus(input);
    struct uboot_device_tree info;
    unsigned nodes = 0;

    memset(&expected, 0, sizeof(expected));
    expected.ram = (size_t)(1 + fuzz_byte(input)) * MIB;
    root.direct = true;
    need(fdt_create(tree, ROOM));
    need(fdt_finish_reservemap(tree));
    need(fdt_begin_node(tree, ""));
    write_cells(&root);
    while (fuzz_more(input) && nodes < NODES) {
        if (fuzz_byte(input) & 0x0c) {
            write_node(input, &root, nodes++);
        } else {
            write_bus(input, &nodes);
            nodes++;
        }
    }
    need(fdt_end_node(tree));
    need(fdt_finish(tree));
    expected.is_refused = expected.is_refused || !expected.has_memory;
    FUZZ_CHECK_EQ(read_tree(&info, tree, fdt_totalsize(tree), expected.ram),
                  expected.is_refused ? -1 : 0);
    if (!expected.is_refused) {
        compare(&info);
    }
}

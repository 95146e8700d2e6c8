/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libfdt.h>

#include "device_tree.h"

/* ------------------------------------------------------------------------------------ building */

enum {
    PHANDLE_CLOCK = 1,
    CLOCK_HZ = 24000000,
    PPI = 1, /* interrupt cells of the timer: kind, number, flags */
    PPI_FLAGS = 0x104,
};

/* Where a tree is written to; the first error sticks, so that one check at the end is enough. */
struct writer {
    void *tree;
    int err;
};

static void begin(struct writer *writer, const char *name, unsigned long long unit)
{
    char text[64];

    snprintf(text, sizeof(text), "%s@%llx", name, unit);
    if (writer->err == 0) {
        writer->err = fdt_begin_node(writer->tree, unit == ~0ULL ? name : text);
    }
}

static void end(struct writer *writer)
{
    if (writer->err == 0) {
        writer->err = fdt_end_node(writer->tree);
    }
}

static void bytes(struct writer *writer, const char *name, const void *value, int length)
{
    if (writer->err == 0) {
        writer->err = fdt_property(writer->tree, name, value, length);
    }
}

static void text(struct writer *writer, const char *name, const char *value)
{
    bytes(writer, name, value, (int)strlen(value) + 1);
}

static void cell(struct writer *writer, const char *name, uint32_t value)
{
    fdt32_t stored = cpu_to_fdt32(value);

    bytes(writer, name, &stored, sizeof(stored));
}

static void reg(struct writer *writer, uint64_t base, uint64_t size)
{
    fdt64_t stored[2] = {cpu_to_fdt64(base), cpu_to_fdt64(size)};

    bytes(writer, "reg", stored, sizeof(stored));
}

static const unsigned long long NO_UNIT = ~0ULL;

static void write_memory(struct writer *writer, const vm_t *vm)
{
    for (int i = 0; i < vm->mem.num_ram_regions; i++) {
        const struct vm_ram_region *region = &vm->mem.ram_regions[i];
        begin(writer, "memory", region->start);
        text(writer, "device_type", "memory");
        reg(writer, region->start, region->size);
        end(writer);
    }
}

static void write_cpu(struct writer *writer)
{
    begin(writer, "cpus", NO_UNIT);
    cell(writer, "#address-cells", 1);
    cell(writer, "#size-cells", 0);
    begin(writer, "cpu", 0);
    text(writer, "device_type", "cpu");
    text(writer, "compatible", "arm,cortex-a53");
    cell(writer, "reg", 0);
    end(writer);
    end(writer);
}

static void write_firmware_interface(struct writer *writer)
{
    begin(writer, "psci", NO_UNIT);
    text(writer, "compatible", "arm,psci-0.2");
    text(writer, "method", "smc");
    end(writer);
}

static void write_timer(struct writer *writer)
{
    static const uint32_t numbers[4] = {13, 14, 11,
                                        10}; /* secure, non-secure, virtual, hypervisor */
    fdt32_t cells[12];

    for (size_t i = 0; i < 4; i++) {
        cells[3 * i] = cpu_to_fdt32(PPI);
        cells[3 * i + 1] = cpu_to_fdt32(numbers[i]);
        cells[3 * i + 2] = cpu_to_fdt32(PPI_FLAGS);
    }
    begin(writer, "timer", NO_UNIT);
    text(writer, "compatible", "arm,armv8-timer");
    bytes(writer, "interrupts", cells, sizeof(cells));
    bytes(writer, "always-on", "", 0);
    end(writer);
}

static void write_uart(struct writer *writer, const struct uboot_vmm_area *uart)
{
    static const char compatible[] = "arm,pl011\0arm,primecell";
    static const char names[] = "uartclk\0apb_pclk";
    fdt32_t clocks[2] = {cpu_to_fdt32(PHANDLE_CLOCK), cpu_to_fdt32(PHANDLE_CLOCK)};

    begin(writer, "apb-pclk", NO_UNIT);
    text(writer, "compatible", "fixed-clock");
    cell(writer, "#clock-cells", 0);
    cell(writer, "clock-frequency", CLOCK_HZ);
    cell(writer, "phandle", PHANDLE_CLOCK);
    end(writer);

    begin(writer, "pl011", uart->base);
    bytes(writer, "compatible", compatible, sizeof(compatible));
    reg(writer, uart->base, uart->size);
    bytes(writer, "clocks", clocks, sizeof(clocks));
    bytes(writer, "clock-names", names, sizeof(names));
    end(writer);
}

static void write_chosen(struct writer *writer, const struct uboot_vmm_area *uart)
{
    char path[40];

    snprintf(path, sizeof(path), "/pl011@%llx", (unsigned long long)uart->base);
    begin(writer, "chosen", NO_UNIT);
    text(writer, "stdout-path", path);
    end(writer);
}

size_t uboot_device_tree_build(struct uboot_vmm *vmm, void *tree, size_t room)
{
    const struct uboot_vmm_area *uart = uboot_vmm_area_named(vmm, "uart");
    struct writer writer = {.tree = tree};

    writer.err = fdt_create(tree, (int)room);
    if (writer.err == 0) {
        writer.err = fdt_finish_reservemap(tree);
    }
    begin(&writer, "", NO_UNIT);
    cell(&writer, "#address-cells", 2);
    cell(&writer, "#size-cells", 2);
    text(&writer, "compatible", "linux,dummy-virt");
    text(&writer, "model", "guestmem U-Boot VM");
    write_memory(&writer, &vmm->vm);
    write_cpu(&writer);
    write_firmware_interface(&writer);
    write_timer(&writer);
    write_uart(&writer, uart);
    write_chosen(&writer, uart);
    end(&writer);
    if (writer.err != 0 || fdt_finish(tree) != 0) {
        return 0;
    }
    return fdt_totalsize(tree);
}

/* ------------------------------------------------------------------------------------- reading */

__attribute__((format(printf, 2, 3))) static int refuse(struct uboot_device_tree *info,
                                                        const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(info->error, sizeof(info->error), format, args);
    va_end(args);
    return -1;
}

static uint64_t cells_value(const fdt32_t *cells, int count)
{
    uint64_t value = 0;

    for (int i = 0; i < count; i++) {
        value = value << 32 | fdt32_to_cpu(cells[i]);
    }
    return value;
}

static bool is_memory(const void *tree, int node)
{
    const char *type = fdt_getprop(tree, node, "device_type", NULL);

    return type != NULL && strcmp(type, "memory") == 0;
}

/* Whether a node's `reg` holds guest-physical addresses: every bus above hands them on as they are.
 */
static bool is_direct(const void *tree, int node)
{
    int parent = fdt_parent_offset(tree, node);

    while (parent > 0) {
        int length;
        if (fdt_getprop(tree, parent, "ranges", &length) == NULL || length != 0) {
            return false;
        }
        parent = fdt_parent_offset(tree, parent);
    }
    return parent == 0;
}

static int read_range(struct uboot_device_tree *info, const char *name, bool memory,
                      struct uboot_vmm_range range, size_t ram_bytes)
{
    if (range.size == 0 || range.base + range.size < range.base) {
        return range.size == 0 ? 0 : refuse(info, "node %s: its addresses wrap", name);
    }
    if (memory) {
        uint64_t offset = range.base - UBOOT_VMM_RAM_BASE;
        if (offset >= ram_bytes || range.size > ram_bytes - offset) {
            return refuse(info,
                          "node %s: memory of %zu MiB at 0x%llx, but the RAM is %zu MiB at 0x%x",
                          name, range.size >> 20, (unsigned long long)range.base, ram_bytes >> 20,
                          UBOOT_VMM_RAM_BASE);
        }
        return 0;
    }
    if (info->absent_count == UBOOT_DEVICE_TREE_ABSENT_MAX) {
        return refuse(info, "more than %d devices", UBOOT_DEVICE_TREE_ABSENT_MAX);
    }
    info->absent[info->absent_count++] = range;
    return 0;
}

static int read_node(struct uboot_device_tree *info, const void *tree, int node, size_t ram_bytes)
{
    int parent = fdt_parent_offset(tree, node);
    int address_cells = parent < 0 ? -1 : fdt_address_cells(tree, parent);
    int size_cells = parent < 0 ? -1 : fdt_size_cells(tree, parent);
    const char *name = fdt_get_name(tree, node, NULL);
    int length = 0;
    const fdt32_t *cells = fdt_getprop(tree, node, "reg", &length);
    int step = (address_cells + size_cells) * (int)sizeof(*cells);

    if (cells == NULL || size_cells == 0 || !is_direct(tree, node)) {
        return 0;
    }
    if (address_cells < 1 || address_cells > 2 || size_cells < 1 || size_cells > 2 ||
        length % step != 0) {
        return refuse(info, "node %s: its reg isn't a list of addresses and sizes", name);
    }
    for (; length > 0; length -= step, cells += address_cells + size_cells) {
        struct uboot_vmm_range range = {cells_value(cells, address_cells),
                                        cells_value(cells + address_cells, size_cells)};
        if (read_range(info, name, is_memory(tree, node), range, ram_bytes) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Devices may be named twice, or inside one another: make the list ascending and disjoint. */
static void merge_overlaps(struct uboot_device_tree *info)
{
    struct uboot_vmm_range *list = info->absent;
    size_t kept = 0;

    for (size_t i = 1; i < info->absent_count; i++) {
        struct uboot_vmm_range moving = list[i];
        size_t at = i;
        for (; at > 0 && list[at - 1].base > moving.base; at--) {
            list[at] = list[at - 1];
        }
        list[at] = moving;
    }
    for (size_t i = 1; i < info->absent_count; i++) {
        uintptr_t kept_end = list[kept].base + list[kept].size;
        uintptr_t end_here = list[i].base + list[i].size;
        if (list[i].base >= kept_end) {
            list[++kept] = list[i];
        } else if (end_here > kept_end) {
            list[kept].size = end_here - list[kept].base;
        }
    }
    info->absent_count = info->absent_count == 0 ? 0 : kept + 1;
}

int uboot_device_tree_read(struct uboot_device_tree *info, const void *tree, size_t room,
                           size_t ram_bytes)
{
    bool has_memory = false;
    int err = fdt_check_full(tree, room);

    memset(info, 0, sizeof(*info));
    if (err != 0) {
        return refuse(info, "%s", fdt_strerror(err));
    }
    info->bytes = fdt_totalsize(tree);
    for (int node = fdt_next_node(tree, 0, NULL); node >= 0;
         node = fdt_next_node(tree, node, NULL)) {
        if (read_node(info, tree, node, ram_bytes) != 0) {
            return -1;
        }
        has_memory = has_memory || is_memory(tree, node);
    }
    merge_overlaps(info);
    return has_memory ? 0 : refuse(info, "it names no memory");
}

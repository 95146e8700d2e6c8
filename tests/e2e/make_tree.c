/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * make_tree KIND MIB FILE: write a device tree with that much RAM. KIND is `virt`: what QEMU's
 * machine of that name has; `no-memory`: the same without RAM; `bad-reg`: with a malformed address.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

static char tree[1 << 16];

static void need(int err)
{
    if (err != 0) {
        fprintf(stderr, "make_tree: %s\n", fdt_strerror(err));
        exit(2);
    }
}

static void begin(const char *name)
{
    need(fdt_begin_node(tree, name));
}

static void end(void)
{
    need(fdt_end_node(tree));
}

static void cells(const char *name, const uint32_t *values, size_t count)
{
    fdt32_t stored[64];

    for (size_t i = 0; i < count; i++) {
        stored[i] = cpu_to_fdt32(values[i]);
    }
    need(fdt_property(tree, name, stored, (int)(count * sizeof(stored[0]))));
}

#define CELLS(name, ...)                                            \
    do {                                                            \
        static const uint32_t values_[] = {__VA_ARGS__};            \
        cells(name, values_, sizeof(values_) / sizeof(values_[0])); \
    } while (0)

static void text(const char *name, const char *value)
{
    need(fdt_property(tree, name, value, (int)strlen(value) + 1));
}

static void flag(const char *name)
{
    need(fdt_property(tree, name, "", 0));
}

static void write_memory(uint32_t mib)
{
    uint32_t reg[4] = {0, 0x40000000, mib >> 12, mib << 20};

    begin("memory@40000000");
    text("device_type", "memory");
    cells("reg", reg, 4);
    end();
}

static void write_cpu(void)
{
    begin("cpus");
    CELLS("#address-cells", 1);
    CELLS("#size-cells", 0);
    begin("cpu@0");
    text("device_type", "cpu");
    text("compatible", "arm,cortex-a53");
    CELLS("reg", 0);
    end();
    end();
    begin("psci");
    text("compatible", "arm,psci-0.2");
    text("method", "hvc");
    end();
    begin("timer");
    text("compatible", "arm,armv8-timer");
    CELLS("interrupts", 1, 13, 0x104, 1, 14, 0x104, 1, 11, 0x104, 1, 10, 0x104);
    end();
}

static void write_interrupts(void)
{
    begin("intc@8000000");
    text("compatible", "arm,cortex-a15-gic");
    CELLS("phandle", 2);
    CELLS("#interrupt-cells", 3);
    CELLS("#address-cells", 2);
    CELLS("#size-cells", 2);
    flag("interrupt-controller");
    flag("ranges");
    CELLS("reg", 0, 0x08000000, 0, 0x10000, 0, 0x08010000, 0, 0x10000);
    begin("v2m@8020000");
    text("compatible", "arm,gic-v2m-frame");
    flag("msi-controller");
    CELLS("reg", 0, 0x08020000, 0, 0x1000);
    end();
    end();
}

static void write_serial(int bad_reg)
{
    begin("apb-pclk");
    text("compatible", "fixed-clock");
    CELLS("#clock-cells", 0);
    CELLS("clock-frequency", 24000000);
    CELLS("phandle", 1);
    end();
    begin("serial@9000000");
    need(fdt_property(tree, "compatible", "arm,pl011\0arm,primecell", 24));
    if (bad_reg) {
        CELLS("reg", 0, 0x09000000, 0);
    } else {
        CELLS("reg", 0, 0x09000000, 0, 0x1000);
    }
    CELLS("clocks", 1, 1);
    need(fdt_property(tree, "clock-names", "uartclk\0apb_pclk", 17));
    end();
}

static void write_devices(void)
{
    begin("pl031@9010000");
    need(fdt_property(tree, "compatible", "arm,pl031\0arm,primecell", 24));
    CELLS("reg", 0, 0x09010000, 0, 0x1000);
    end();
    begin("fw-cfg@9020000");
    text("compatible", "qemu,fw-cfg-mmio");
    CELLS("reg", 0, 0x09020000, 0, 0x18);
    end();
    begin("pl061@9030000");
    need(fdt_property(tree, "compatible", "arm,pl061\0arm,primecell", 24));
    CELLS("reg", 0, 0x09030000, 0, 0x1000);
    end();
    begin("flash@0");
    text("compatible", "cfi-flash");
    CELLS("bank-width", 4);
    CELLS("reg", 0, 0, 0, 0x04000000, 0, 0x04000000, 0, 0x04000000);
    end();
}

static void write_virtio(void)
{
    for (uint32_t i = 0; i < 32; i++) {
        uint32_t reg[4] = {0, 0x0a000000 + i * 0x200, 0, 0x200};
        char name[32];
        snprintf(name, sizeof(name), "virtio_mmio@%x", (unsigned)reg[1]);
        begin(name);
        text("compatible", "virtio,mmio");
        cells("reg", reg, 4);
        end();
    }
}

static void write_pci(void)
{
    begin("pcie@10000000");
    text("compatible", "pci-host-ecam-generic");
    text("device_type", "pci");
    CELLS("#address-cells", 3);
    CELLS("#size-cells", 2);
    CELLS("bus-range", 0, 255);
    CELLS("reg", 0x40, 0x10000000, 0, 0x10000000);
    CELLS("ranges", 0x01000000, 0, 0, 0, 0x3eff0000, 0, 0x10000, 0x02000000, 0, 0x10000000, 0,
          0x10000000, 0, 0x2eff0000);
    end();
}

static void write_tree(const char *kind, uint32_t mib)
{
    need(fdt_create(tree, sizeof(tree)));
    need(fdt_finish_reservemap(tree));
    begin("");
    CELLS("#address-cells", 2);
    CELLS("#size-cells", 2);
    CELLS("interrupt-parent", 2);
    text("compatible", "linux,dummy-virt");
    if (strcmp(kind, "no-memory") != 0) {
        write_memory(mib);
    }
    write_cpu();
    write_interrupts();
    write_serial(strcmp(kind, "bad-reg") == 0);
    write_devices();
    write_virtio();
    write_pci();
    begin("chosen");
    text("stdout-path", "/serial@9000000");
    end();
    end();
    need(fdt_finish(tree));
}

int main(int argc, char **argv)
{
    FILE *file;
    size_t written;

    if (argc != 4) {
        fprintf(stderr, "usage: make_tree virt|no-memory|bad-reg MIB FILE\n");
        return 2;
    }
    write_tree(argv[1], (uint32_t)strtoul(argv[2], NULL, 10));
    file = fopen(argv[3], "w");
    written = file == NULL ? 0 : fwrite(tree, 1, fdt_totalsize(tree), file);
    if (file == NULL || fclose(file) != 0 || written != fdt_totalsize(tree)) {
        fprintf(stderr, "make_tree: can't write %s\n", argv[3]);
        return 2;
    }
    return 0;
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "uboot.h"

#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PL011_DR = 0x00,
    PL011_FR = 0x18,
    PL011_FR_RX_EMPTY = 1 << 4,
    PL011_FR_TX_EMPTY = 1 << 7,
    DTB_BYTES = 4096,
    CLOCK_PHANDLE = 1,
};

static bool output_ends_with(const struct uboot_console *console, const char *text)
{
    size_t length = strlen(text);

    return console->length >= length &&
           memcmp(console->output + console->length - length, text, length) == 0;
}

uint64_t uboot_pl011_read(struct uboot_console *console, uint64_t offset)
{
    switch (offset) {
    case PL011_DR:
        console->key_waiting = false;
        return '\n';
    case PL011_FR:
        return PL011_FR_TX_EMPTY | (console->key_waiting ? 0 : PL011_FR_RX_EMPTY);
    default:
        return 0;
    }
}

void uboot_pl011_write(struct uboot_console *console, uint64_t offset, uint64_t value)
{
    if (offset != PL011_DR || console->length == sizeof(console->output)) {
        return;
    }
    console->output[console->length++] = (char)value;
    if (!console->key_sent && output_ends_with(console, "autoboot")) {
        console->key_sent = true;
        console->key_waiting = true;
    }
    if (output_ends_with(console, "\n=> ")) {
        console->at_prompt = true;
    }
}

bool uboot_firmware_load(const char *path, struct uboot_image *image)
{
    FILE *file = fopen(path, "rb");
    bool loaded = false;

    if (file == NULL) {
        perror(path);
        return false;
    }
    image->bytes = malloc(UBOOT_FLASH_BYTES);
    if (image->bytes != NULL) {
        image->size = fread(image->bytes, 1, UBOOT_FLASH_BYTES, file);
        loaded = image->size > 0 && !ferror(file);
    }
    fclose(file);
    if (!loaded) {
        fprintf(stderr, "%s: can't be read\n", path);
        free(image->bytes);
        image->bytes = NULL;
    }
    return loaded;
}

static int begin_root(void *fdt)
{
    int err = fdt_create(fdt, DTB_BYTES);

    err = err ? err : fdt_finish_reservemap(fdt);
    err = err ? err : fdt_begin_node(fdt, "");
    err = err ? err : fdt_property_string(fdt, "compatible", "linux,dummy-virt");
    err = err ? err : fdt_property_u32(fdt, "#address-cells", 2);
    return err ? err : fdt_property_u32(fdt, "#size-cells", 2);
}

static int property_range(void *fdt, uint64_t base, uint64_t bytes)
{
    fdt64_t range[2] = {cpu_to_fdt64(base), cpu_to_fdt64(bytes)};

    return fdt_property(fdt, "reg", range, sizeof(range));
}

static int add_memory_and_cpu(void *fdt)
{
    int err = fdt_begin_node(fdt, "memory@40000000");

    err = err ? err : fdt_property_string(fdt, "device_type", "memory");
    err = err ? err : property_range(fdt, UBOOT_RAM_BASE, UBOOT_RAM_BYTES);
    err = err ? err : fdt_end_node(fdt);
    err = err ? err : fdt_begin_node(fdt, "cpus");
    err = err ? err : fdt_property_u32(fdt, "#address-cells", 1);
    err = err ? err : fdt_property_u32(fdt, "#size-cells", 0);
    err = err ? err : fdt_begin_node(fdt, "cpu@0");
    err = err ? err : fdt_property_string(fdt, "device_type", "cpu");
    err = err ? err : fdt_property_string(fdt, "compatible", "arm,cortex-a57");
    err = err ? err : fdt_property_u32(fdt, "reg", 0);
    err = err ? err : fdt_end_node(fdt);
    return err ? err : fdt_end_node(fdt);
}

static int add_firmware_nodes(void *fdt)
{
    static const char psci[] = "arm,psci-0.2";
    fdt32_t interrupts[12];
    int err = fdt_begin_node(fdt, "psci");

    err = err ? err : fdt_property(fdt, "compatible", psci, sizeof(psci));
    err = err ? err : fdt_property_string(fdt, "method", "smc");
    err = err ? err : fdt_end_node(fdt);
    err = err ? err : fdt_begin_node(fdt, "timer");
    err = err ? err : fdt_property_string(fdt, "compatible", "arm,armv8-timer");
    for (int i = 0; i < 4; i++) { /* secure, non-secure, virtual, hypervisor: PPIs 13, 14, 11, 10 */
        static const uint32_t ppi[4] = {13, 14, 11, 10};

        interrupts[3 * i] = cpu_to_fdt32(1);
        interrupts[3 * i + 1] = cpu_to_fdt32(ppi[i]);
        interrupts[3 * i + 2] = cpu_to_fdt32(0x104);
    }
    err = err ? err : fdt_property(fdt, "interrupts", interrupts, sizeof(interrupts));
    return err ? err : fdt_end_node(fdt);
}

static int add_uart(void *fdt)
{
    static const char compatible[] = "arm,pl011\0arm,primecell";
    static const char clock_names[] = "uartclk\0apb_pclk";
    fdt32_t clocks[2] = {cpu_to_fdt32(CLOCK_PHANDLE), cpu_to_fdt32(CLOCK_PHANDLE)};
    int err = fdt_begin_node(fdt, "apb-pclk");

    err = err ? err : fdt_property_string(fdt, "compatible", "fixed-clock");
    err = err ? err : fdt_property_u32(fdt, "#clock-cells", 0);
    err = err ? err : fdt_property_u32(fdt, "clock-frequency", 24000000);
    err = err ? err : fdt_property_u32(fdt, "phandle", CLOCK_PHANDLE);
    err = err ? err : fdt_end_node(fdt);
    err = err ? err : fdt_begin_node(fdt, "pl011@9000000");
    err = err ? err : fdt_property(fdt, "compatible", compatible, sizeof(compatible));
    err = err ? err : property_range(fdt, UBOOT_PL011_BASE, UBOOT_PL011_BYTES);
    err = err ? err : fdt_property(fdt, "clocks", clocks, sizeof(clocks));
    err = err ? err : fdt_property(fdt, "clock-names", clock_names, sizeof(clock_names));
    err = err ? err : fdt_end_node(fdt);
    err = err ? err : fdt_begin_node(fdt, "chosen");
    err = err ? err : fdt_property_string(fdt, "stdout-path", "/pl011@9000000");
    return err ? err : fdt_end_node(fdt);
}

bool uboot_devicetree_build(struct uboot_image *image)
{
    void *fdt = calloc(1, DTB_BYTES);
    int err;

    if (fdt == NULL) {
        perror("device tree");
        return false;
    }
    err = begin_root(fdt);
    err = err ? err : add_memory_and_cpu(fdt);
    err = err ? err : add_firmware_nodes(fdt);
    err = err ? err : add_uart(fdt);
    err = err ? err : fdt_end_node(fdt);
    err = err ? err : fdt_finish(fdt);
    if (err) {
        fprintf(stderr, "device tree: %s\n", fdt_strerror(err));
        free(fdt);
        return false;
    }
    image->bytes = fdt;
    image->size = fdt_totalsize(fdt);
    return true;
}

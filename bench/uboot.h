/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The machine that both sides of the U-Boot bench offer, and its console. What differs between the
 * sides is only who runs the guest and how its memory comes about.
 *
 *     0x00000000  flash, read-only, 128 MiB, the firmware at its start
 *     0x09000000  PL011: DR and FR answer, all else reads 0
 *     0x40000000  RAM, the device tree at its start
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    UBOOT_FLASH_BASE = 0,
    UBOOT_FLASH_BYTES = 0x08000000,
    UBOOT_PL011_BASE = 0x09000000,
    UBOOT_PL011_BYTES = 0x1000,
    UBOOT_RAM_BASE = 0x40000000,
    UBOOT_RAM_BYTES = 0x08000000,
    UBOOT_OUTPUT_BYTES = 1 << 16,
};

/* What the guest has printed, and whether the bench has what it waits for. */
struct uboot_console {
    char output[UBOOT_OUTPUT_BYTES];
    size_t length;
    bool key_waiting; /* the key that stops the automatic boot, not yet read */
    bool key_sent;
    bool at_prompt;
};

struct uboot_image {
    void *bytes;
    size_t size;
};

uint64_t uboot_pl011_read(struct uboot_console *console, uint64_t offset);
void uboot_pl011_write(struct uboot_console *console, uint64_t offset, uint64_t value);

/* Both return false after saying why on stderr. The caller frees `bytes`. */
bool uboot_firmware_load(const char *path, struct uboot_image *image);
bool uboot_devicetree_build(struct uboot_image *image);

/* Bring the machine up, run to the prompt and take it down. Seconds from before the first
 * allocation to the prompt, or a negative number after saying why on stderr. */
double uboot_run_bare(const struct uboot_image *firmware, const struct uboot_image *dtb,
                      struct uboot_console *console);
double uboot_run_vmm(const struct uboot_image *firmware, const struct uboot_image *dtb,
                     struct uboot_console *console);

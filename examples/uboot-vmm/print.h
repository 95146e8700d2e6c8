/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a run tells at its end, the same on both sides.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <guestmem/guestmem.h>

#include "script.h"
#include "uboot_vmm.h"

/* To standard output; `colours` as a terminal has them. */
void uboot_print_heading(const char *text, bool colours);
void uboot_print_checks(const struct uboot_script *script, bool colours);
void uboot_print_map(struct uboot_vmm *vmm, bool colours);

/* The map's heading, and one row of it. */
void uboot_print_map_heading(FILE *out);
void uboot_print_map_entry(FILE *out, struct uboot_vmm *vmm,
                           const struct guestmem_map_entry *entry);

/* "512 x 2M + 3 x 4K", largest first; "-" for none. */
void uboot_say_frames(char *text, size_t room, const size_t frames[GUESTMEM_SIZE_COUNT]);

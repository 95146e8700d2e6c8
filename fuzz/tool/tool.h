/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What users give to guestmem-run.
 */
#pragma once

#include "fuzz.h"
#include "uboot_vmm.h"

void fuzz_tree(struct fuzz_input *input);       /* bytes that may be a device tree */
void fuzz_built_tree(struct fuzz_input *input); /* a device tree that says anything */
void fuzz_options(struct fuzz_input *input);
void fuzz_script(struct fuzz_input *input);
void fuzz_firmware(struct fuzz_input *input);

/* A VMM on the host environment; false: it can't be made, and why is in its `error`. */
bool machine_begin(struct uboot_vmm *vmm, struct uboot_vmm_config *config);
/* Takes it down; the environment must be as it was. */
void machine_end(struct uboot_vmm *vmm);

enum { MACHINE_RAM = 4 << 20 };

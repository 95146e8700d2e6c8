/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a run tells at its end, on standard output; why a guest failed, on standard error.
 */
#pragma once

#include <stdint.h>

#include <guestmem/host.h>

#include "uboot_vmm.h"

void report_stats(struct uboot_vmm *vmm, struct guestmem_host *host, uint64_t run_ns);

/* The guest's last access, and the memory map around it; where that lacked memory, how much there
 * is. */
void report_fault(struct uboot_vmm *vmm, struct guestmem_host *host, uint64_t memory_bytes);

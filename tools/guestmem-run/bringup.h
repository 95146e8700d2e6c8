/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The host's side of the VMM: an environment on Linux, of a size that fits the guest.
 */
#pragma once

#include <stdint.h>

#include <guestmem/host.h>

#include "uboot_vmm.h"

/* Bytes that this machine can still give to a guest. */
uint64_t bringup_available(void);

/* Memory for a guest that uses all of its RAM; and the least that one can start with. */
uint64_t bringup_memory(uint64_t ram_bytes, unsigned frame_bits);
enum { BRINGUP_MEMORY_LEAST = 16 << 20 };

/* With so much memory, device RAM included. Returns 0 or -errno. On success `*host` goes back with
 * guestmem_host_destroy(). */
int bringup(uint64_t memory_bytes, unsigned frame_bits, struct guestmem_host **host,
            struct uboot_vmm_environment *environment);

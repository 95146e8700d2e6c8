/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A stage 2 for the engine's tests, in place of the host environment: a few ranges over a memfd.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <guestmem/host.h>

struct guestmem_host *fake_stage2_create(void);
void fake_stage2_destroy(struct guestmem_host *host);

/* Map [gpa, gpa + size) to fresh, zeroed memory. Where the VMM sees it. */
void *fake_stage2_map(struct guestmem_host *host, uint64_t gpa, uint64_t size, bool write);

/* Take the mapping that starts at `gpa` away, or change its rights. Tells nobody. */
void fake_stage2_unmap(struct guestmem_host *host, uint64_t gpa);
void fake_stage2_protect(struct guestmem_host *host, uint64_t gpa, bool write);

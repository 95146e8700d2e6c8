/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What each side supplies for gm_env.h, beside the functions there that speak of views, counts,
 * snapshots and failures.
 */
#pragma once

#include "gm_env.h"

/* Fill in vka to device_ram_bytes and `port`. NULL, or why it can't be done. */
const char *gm_env_port_open(struct gm_env *env, const struct gm_env_options *options);

/* Release `port`, and the environment with it. */
void gm_env_port_close(struct gm_env *env);

/* Map a frame somewhere in the VMM, and unmap it again. False if it can't be. */
bool gm_env_port_try_map(struct gm_env *env, seL4_CPtr frame, size_t size_bits);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The CRC that U-Boot's crc32 command prints, continued from `crc`; 0 to begin. */
uint32_t crc32_step(uint32_t crc, const void *bytes, size_t size);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * CRC-32 as in IEEE 802.3, bits reversed, a byte at a time.
 */
#include "crc32.h"

static const uint32_t polynomial = 0xedb88320;

static const uint32_t *table(void)
{
    static uint32_t values[256];

    if (values[1] == 0) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++) {
                value = value >> 1 ^ (value & 1 ? polynomial : 0);
            }
            values[i] = value;
        }
    }
    return values;
}

uint32_t crc32_step(uint32_t crc, const void *bytes, size_t size)
{
    const uint32_t *values = table();
    const uint8_t *byte = bytes;

    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc = crc >> 8 ^ values[(crc ^ byte[i]) & 0xff];
    }
    return ~crc;
}

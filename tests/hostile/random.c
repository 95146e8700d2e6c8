/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "hostile.h"

/* SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"). */
uint64_t random_word(void)
{
    uint64_t z = world.state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

unsigned random_below(unsigned limit)
{
    return (unsigned)((random_word() >> 32) * limit >> 32);
}

bool one_in(unsigned n)
{
    return random_below(n) == 0;
}

void random_start(uint64_t seed, uint64_t number)
{
    world.state = seed * UINT64_C(0xd1342543de82ef95) + number;
    (void)random_word();
    world.state ^= number << 32;
}

uint64_t random_data(const struct player *player)
{
    const uint8_t bytes[4] = {fill_byte(player), fill_byte(player), rom_byte(player), 0};
    uint64_t word = 0;

    for (unsigned i = 0; i < 8; i++) {
        word = word << 8 | bytes[random_below(4)];
    }
    return word;
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Free slots of the root CNode, as a bitmap with summaries: finding one looks at a word a level.
 *
 *   level 2  [.......]             bit k: word k of level 1 is not zero
 *   level 1  [.......][.......]    bit k: word k of level 0 is not zero
 *   level 0  [64 slots][64 slots][64 slots] ...
 *
 * The order is allocman's, so that who relies on slots coming in any order finds out here.
 */
#include "env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP = 64, PAIR_TRIES = 1024 };

static void set(struct env_slots *slots, uint64_t bit)
{
    for (unsigned level = 0; level < slots->depth; level++) {
        slots->levels[level][bit / GROUP] |= UINT64_C(1) << bit % GROUP;
        bit /= GROUP;
    }
}

static void clear(struct env_slots *slots, uint64_t bit)
{
    for (unsigned level = 0; level < slots->depth; level++) {
        uint64_t *word = &slots->levels[level][bit / GROUP];

        *word &= ~(UINT64_C(1) << bit % GROUP);
        if (*word != 0) {
            return;
        }
        bit /= GROUP;
    }
}

/* Bits 0 .. count - 1 of a level. */
static void fill(uint64_t *words, uint64_t count)
{
    memset(words, 0xff, count / GROUP * sizeof(*words));
    if (count % GROUP != 0) {
        words[count / GROUP] = (UINT64_C(1) << count % GROUP) - 1;
    }
}

int env_slots_init(struct env_slots *slots, unsigned bits, seL4_CPtr first_free)
{
    uint64_t count = UINT64_C(1) << bits, words;

    *slots = (struct env_slots){0};
    slots->words = count / GROUP;
    do {
        words = (count + GROUP - 1) / GROUP;
        slots->levels[slots->depth] = calloc(words, sizeof(uint64_t));
        if (slots->levels[slots->depth++] == NULL) {
            env_slots_destroy(slots);
            return -ENOMEM;
        }
        fill(slots->levels[slots->depth - 1], count);
        count = words;
    } while (words > 1);
    for (uint64_t slot = 0; slot < first_free; slot++) {
        clear(slots, slot);
    }
    return 0;
}

void env_slots_destroy(struct env_slots *slots)
{
    for (unsigned level = 0; level < slots->depth; level++) {
        free(slots->levels[level]);
    }
    slots->depth = 0;
}

seL4_CPtr env_slot_take(struct env_slots *slots)
{
    uint64_t at = 0, word;

    for (unsigned level = slots->depth; level-- > 1;) {
        word = slots->levels[level][at];
        if (word == 0) {
            return 0;
        }
        at = at * GROUP + (uint64_t)__builtin_ctzll(word);
    }
    word = slots->levels[0][at];
    if (word == 0) {
        return 0;
    }
    at = at * GROUP + GROUP - 1 - (uint64_t)__builtin_clzll(word);
    clear(slots, at);
    slots->used++;
    return at;
}

seL4_CPtr env_slot_take_pair(struct env_slots *slots)
{
    unsigned tries = 0;

    for (uint64_t at = 0; at < slots->words && tries < PAIR_TRIES; at++) {
        uint64_t word = slots->levels[0][at];
        uint64_t pairs = word & word << 1; /* bit k: k and k - 1 are free */

        if (pairs != 0) {
            uint64_t upper = at * GROUP + GROUP - 1 - (uint64_t)__builtin_clzll(pairs);

            clear(slots, upper);
            clear(slots, upper - 1);
            slots->used += 2;
            return upper - 1;
        }
        tries += word != 0;
    }
    return 0;
}

void env_slot_give(struct env_slots *slots, seL4_CPtr slot)
{
    set(slots, slot);
    slots->used--;
}

bool env_slot_is_free(const struct env_slots *slots, seL4_CPtr slot)
{
    return slots->levels[0][slot / GROUP] >> slot % GROUP & 1;
}

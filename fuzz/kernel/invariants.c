/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "invariants.h"

#include "fuzz.h"

enum { POOLS_MAX = 4 };

static struct k_slot *pools[POOLS_MAX];
static unsigned pool_count;
static struct k_counts at_start;

/* The caps below one of the untypeds, in the order of the list; the untyped is the first. */
static const struct k_slot *caps[INVARIANT_CAPS];
static unsigned cap_count;

#define INVARIANT(number, condition)                                        \
    do {                                                                    \
        if (!(condition)) {                                                 \
            FUZZ_FAIL("invariant %d doesn't hold: %s", number, #condition); \
        }                                                                   \
    } while (0)

static uint64_t size_of(const struct k_cap *cap)
{
    return UINT64_C(1) << (cap->type == K_ZOMBIE ? cap->bits : k_cap_size_bits(cap));
}

static uint64_t last_of(const struct k_cap *cap)
{
    return cap->base + (size_of(cap) - 1);
}

static bool overlap(const struct k_cap *a, const struct k_cap *b)
{
    return a->base <= last_of(b) && b->base <= last_of(a);
}

static bool holds(const struct k_cap *a, const struct k_cap *b)
{
    return a->base <= b->base && last_of(a) >= last_of(b);
}

/* ------------------------------------------------------------------------- 1: the list */

static void collect(const struct k_slot *pool)
{
    cap_count = 0;
    for (const struct k_slot *slot = pool; slot != NULL && holds(&pool->cap, &slot->cap);
         slot = slot->next) {
        INVARIANT(1, slot->cap.type != K_NULL);
        INVARIANT(1, slot->next == NULL || slot->next->prev == slot);
        INVARIANT(1, slot->prev == NULL || slot->prev->next == slot);
        INVARIANT(1, cap_count < INVARIANT_CAPS);
        caps[cap_count++] = slot;
    }
}

/* ---------------------------------------------------------------- 2 and 3: untypeds own memory */

/* Index of the first cap behind those inside untyped i. */
static unsigned end_of_inside(unsigned i)
{
    unsigned end = i + 1;

    while (end < cap_count && holds(&caps[i]->cap, &caps[end]->cap)) {
        end++;
    }
    return end;
}

static void check_untyped(unsigned i)
{
    const struct k_cap *untyped = &caps[i]->cap;
    unsigned end = end_of_inside(i);

    INVARIANT(3, untyped->data <= size_of(untyped));
    for (unsigned k = i + 1; k < end; k++) {
        INVARIANT(3, last_of(&caps[k]->cap) - untyped->base < untyped->data);
    }
    for (unsigned k = 0; k < cap_count; k++) {
        const struct k_cap *other = &caps[k]->cap;

        if (k < i) {
            INVARIANT(2, !overlap(untyped, other) ||
                             (other->type == K_UNTYPED && holds(other, untyped)));
        } else if (k >= end) {
            INVARIANT(2, !overlap(untyped, other));
        }
    }
}

/* ---------------------------------------------------------------------- 4: one object a place */

static bool is_same_object(const struct k_cap *a, const struct k_cap *b)
{
    return a->type == b->type && a->base == b->base && a->bits == b->bits && a->device == b->device;
}

static void check_object(unsigned i)
{
    bool ended = false; /* a cap of something else stands in between */

    for (unsigned k = i + 1; k < cap_count; k++) {
        const struct k_cap *other = &caps[k]->cap;

        if (is_same_object(&caps[i]->cap, other)) {
            INVARIANT(4, !ended);
        } else {
            INVARIANT(4, other->type == K_UNTYPED || !overlap(&caps[i]->cap, other));
            ended = true;
        }
    }
}

/* -------------------------------------------------------------------------- 5: objects are counted
 */

static void count(struct k_counts *counts)
{
    for (unsigned i = 0; i < cap_count; i++) {
        const struct k_cap *cap = &caps[i]->cap;

        if (i > 0 && cap->type != K_UNTYPED && is_same_object(cap, &caps[i - 1]->cap)) {
            continue;
        }
        switch (cap->type) {
        case K_UNTYPED:
            break; /* each cap of one counts in the model */
        case K_FRAME:
            counts->frames[cap->bits == 12 ? 0 : cap->bits == 21 ? 1 : 2]++;
            break;
        case K_TABLE:
        case K_VSPACE:
            counts->tables++;
            break;
        case K_ZOMBIE:
            break; /* counted down when the object's last cap became one */
        default:
            counts->others++;
            break;
        }
    }
}

static void check_counts(const struct k_counts *counts)
{
    const struct k_counts *now = &k_current->counts;

    for (unsigned i = 0; i < 3; i++) {
        INVARIANT(5, now->frames[i] - at_start.frames[i] == counts->frames[i]);
    }
    INVARIANT(5, now->tables - at_start.tables == counts->tables);
    INVARIANT(5, now->others - at_start.others == counts->others);
}

/* ---------------------------------------------------------------- 6 and 7: translation tables */

struct place {
    unsigned asid;
    uint64_t vaddr;
    unsigned bits; /* of the entry */
};

enum { LINKS_MAX = 256 };

static uint64_t linked[LINKS_MAX];
static unsigned link_count;

static bool has_frame_cap(const struct place *place, uint64_t entry)
{
    for (unsigned i = 0; i < cap_count; i++) {
        const struct k_cap *cap = &caps[i]->cap;

        if (cap->type == K_FRAME && cap->asid == place->asid && cap->data == place->vaddr &&
            cap->base == (entry & K_PTE_ADDRESS) && cap->bits == place->bits &&
            (!(entry & K_PTE_READ) || (cap->rights & K_READ)) &&
            (!(entry & K_PTE_WRITE) || (cap->rights & K_WRITE))) {
            return true;
        }
    }
    return false;
}

static bool has_table_cap(const struct place *place, uint64_t entry)
{
    for (unsigned i = 0; i < cap_count; i++) {
        const struct k_cap *cap = &caps[i]->cap;

        if (cap->type == K_TABLE && cap->mapped && cap->asid == place->asid &&
            cap->data == place->vaddr && cap->base == (entry & K_PTE_ADDRESS)) {
            return true;
        }
    }
    return false;
}

static void note_link(uint64_t base)
{
    for (unsigned i = 0; i < link_count; i++) {
        INVARIANT(7, linked[i] != base);
    }
    FUZZ_CHECK(link_count < LINKS_MAX);
    linked[link_count++] = base;
}

static void check_table(uint64_t base, unsigned entries, const struct place *place)
{
    const uint64_t *entry = k_table(k_current, base);

    for (unsigned i = 0; i < entries; i++) {
        struct place here = {place->asid, place->vaddr + ((uint64_t)i << place->bits), place->bits};

        if (entry[i] == 0) {
            continue;
        }
        INVARIANT(6, entry[i] & K_PTE_VALID);
        if (entry[i] & K_PTE_TABLE) {
            INVARIANT(6, has_table_cap(&here, entry[i]));
            note_link(entry[i] & K_PTE_ADDRESS);
            here.bits -= 9;
            check_table(entry[i] & K_PTE_ADDRESS, 512, &here);
        } else {
            INVARIANT(6, has_frame_cap(&here, entry[i]));
        }
    }
}

static void check_space(const struct k_cap *space)
{
    struct place place = {space->asid, 0, 12 + 9 * (k_current->levels - 1)};
    uint64_t root;

    if (space->mapped && k_asid_find(k_current, space->asid, &root) && root == space->base) {
        check_table(root, 1u << k_current->root_index_bits, &place);
    }
}

/* ------------------------------------------------------------------------------------- all */

static void check_pool(const struct k_slot *pool)
{
    collect(pool);
    for (unsigned i = 0; i < cap_count; i++) {
        if (caps[i]->cap.type == K_UNTYPED) {
            check_untyped(i);
        } else {
            check_object(i);
        }
    }
}

/* Frames of every pool may be mapped in a space of the first. */
static void collect_all(void)
{
    static const struct k_slot *all[INVARIANT_CAPS];
    unsigned all_count = 0;

    for (unsigned p = 0; p < pool_count; p++) {
        collect(pools[p]);
        for (unsigned i = 0; i < cap_count && all_count < INVARIANT_CAPS; i++) {
            all[all_count++] = caps[i];
        }
    }
    for (unsigned i = 0; i < all_count; i++) {
        caps[i] = all[i];
    }
    cap_count = all_count;
}

void invariants_begin(const seL4_CPtr *untypeds, unsigned untyped_count)
{
    FUZZ_CHECK(untyped_count <= POOLS_MAX);
    for (unsigned i = 0; i < untyped_count; i++) {
        pools[i] = &k_current->root[untypeds[i]];
    }
    pool_count = untyped_count;
    at_start = k_current->counts;
}

void invariants_check(void)
{
    struct k_counts counts = {0};

    for (unsigned p = 0; p < pool_count; p++) {
        check_pool(pools[p]);
    }
    collect_all();
    count(&counts);
    check_counts(&counts);
    link_count = 0;
    for (unsigned i = 0; i < cap_count; i++) {
        const struct k_cap *cap = &caps[i]->cap;

        if (cap->type == K_VSPACE && (i == 0 || !is_same_object(cap, &caps[i - 1]->cap))) {
            check_space(cap);
        }
    }
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "image.h"

#include <string.h>

#include "gm_test.h"

static int note(const struct guestmem_map_entry *entry, void *cookie)
{
    struct image *image = cookie;

    GM_CHECK(image->entry_count < IMAGE_ENTRIES);
    image->entries[image->entry_count++] = *entry;
    return 0;
}

void image_take(struct image *image, vm_t *vm)
{
    memset(image, 0, sizeof(*image));
    if (guestmem_get_stats(vm, &image->stats) != GUESTMEM_OK) {
        return;
    }
    GM_CHECK_EQ(guestmem_get_policy(vm, &image->policy), GUESTMEM_OK);
    GM_CHECK_EQ(guestmem_walk(vm, note, image), 0);
    image->region_count = (size_t)vm->mem.num_ram_regions;
    GM_CHECK(image->region_count <= IMAGE_REGIONS);
    if (image->region_count > 0) {
        memcpy(image->regions, vm->mem.ram_regions, image->region_count * sizeof(image->regions[0]));
    }
}

static bool same_entry(const struct guestmem_map_entry *a, const struct guestmem_map_entry *b)
{
    return a->base == b->base && a->size == b->size && a->kind == b->kind &&
           memcmp(a->frames, b->frames, sizeof(a->frames)) == 0 && a->lazy == b->lazy &&
           a->anonymous == b->anonymous && a->device == b->device && a->can_read == b->can_read &&
           a->can_write == b->can_write && a->vmm_addr == b->vmm_addr &&
           a->fault_callback == b->fault_callback && a->fault_cookie == b->fault_cookie;
}

static bool same_entries(const struct image *a, const struct image *b)
{
    for (size_t i = 0; i < a->entry_count && i < b->entry_count; i++) {
        if (!same_entry(&a->entries[i], &b->entries[i])) {
            return false;
        }
    }
    return a->entry_count == b->entry_count;
}

static bool same_regions(const struct image *a, const struct image *b)
{
    for (size_t i = 0; i < a->region_count && i < b->region_count; i++) {
        if (a->regions[i].start != b->regions[i].start || a->regions[i].size != b->regions[i].size ||
            a->regions[i].allocated != b->regions[i].allocated) {
            return false;
        }
    }
    return a->region_count == b->region_count;
}

static bool same_stats(const struct guestmem_stats *a, const struct guestmem_stats *b)
{
    return memcmp(a->frames, b->frames, sizeof(a->frames)) == 0 &&
           memcmp(a->alias_frames, b->alias_frames, sizeof(a->alias_frames)) == 0 &&
           a->reservations == b->reservations && a->slots == b->slots && a->untypeds == b->untypeds &&
           a->tables == b->tables && a->bytes == b->bytes;
}

static bool same_policy(const struct guestmem_policy *a, const struct guestmem_policy *b)
{
    return a->frame_bits_max == b->frame_bits_max && a->populate == b->populate &&
           a->memory_type == b->memory_type && a->discarded == b->discarded &&
           a->call_bytes_max == b->call_bytes_max && a->untyped_bits_max == b->untyped_bits_max;
}

const char *image_difference(const struct image *before, const struct image *after)
{
    if (!same_entries(before, after)) {
        return "the map differs";
    }
    if (!same_regions(before, after)) {
        return "the RAM regions differ";
    }
    if (!same_stats(&before->stats, &after->stats)) {
        return "the statistics differ";
    }
    if (!same_policy(&before->policy, &after->policy)) {
        return "the policy differs";
    }
    return NULL;
}

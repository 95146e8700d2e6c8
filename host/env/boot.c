/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * What a root task finds when it starts: physical memory cut into untypeds, and, where the
 * allocator doesn't own devices, their frames.
 */
#include "env.h"

#include <errno.h>
#include <string.h>

enum { DEFAULT_CNODE_BITS = 20, DEFAULT_FAN_OUT = 256, DEFAULT_PA_BITS = 40 };

static uint64_t or_default(uint64_t value, uint64_t preset)
{
    return value == 0 ? preset : value;
}

static struct k_region ram_of(const struct guestmem_host_config *config)
{
    return (struct k_region){.base = or_default(config->ram_base, UINT64_C(0x80000000)),
                             .bytes = or_default(config->ram_bytes, UINT64_C(256) << 20)};
}

static bool overlap(const struct k_region *a, const struct k_region *b)
{
    return a->base - b->base < b->bytes || b->base - a->base < a->bytes;
}

static bool is_sound(const struct k_region *region, unsigned pa_bits)
{
    const uint64_t end = UINT64_C(1) << pa_bits, page = (UINT64_C(1) << seL4_PageBits) - 1;

    return region->bytes != 0 && ((region->base | region->bytes) & page) == 0 &&
           region->base < end && region->bytes <= end - region->base;
}

static struct k_region region_of(const struct guestmem_host_config *config, size_t k)
{
    if (k == 0) {
        return ram_of(config);
    }
    return (struct k_region){.base = config->regions[k - 1].paddr,
                             .bytes = config->regions[k - 1].bytes,
                             .device = true};
}

int env_check_config(const struct guestmem_host_config *config)
{
    unsigned cnode_bits = (unsigned)or_default(config->cnode_bits, DEFAULT_CNODE_BITS);
    unsigned pa_bits = (unsigned)or_default(config->pa_bits, DEFAULT_PA_BITS);
    size_t count = config->region_count + 1;

    if (config->region_count > K_REGIONS_MAX - 1 || cnode_bits < 10 || cnode_bits > 28 ||
        (pa_bits != 40 && pa_bits != 44) ||
        (config->flavour != GUESTMEM_HOST_OWNS_DEVICES &&
         config->flavour != GUESTMEM_HOST_BOOT_FRAMES)) {
        return -EINVAL;
    }
    for (size_t k = 0; k < count; k++) {
        struct k_region region = region_of(config, k);

        if (!is_sound(&region, pa_bits)) {
            return -EINVAL;
        }
        for (size_t other = 0; other < k; other++) {
            struct k_region before = region_of(config, other);

            if (overlap(&region, &before)) {
                return -EINVAL;
            }
        }
    }
    return 0;
}

static int start_kernel(struct guestmem_host *host, const struct guestmem_host_config *config)
{
    struct k_region regions[K_REGIONS_MAX];
    struct k_config kernel = {
        .regions = regions,
        .region_count = (unsigned)config->region_count + 1,
        .cnode_bits = (unsigned)or_default(config->cnode_bits, DEFAULT_CNODE_BITS),
        .fan_out = (unsigned)or_default(config->fan_out, DEFAULT_FAN_OUT),
        .pa_bits = (unsigned)or_default(config->pa_bits, DEFAULT_PA_BITS),
        .hooks = {env_refuse_invocation, env_vmm_unmap_hook},
    };

    for (size_t k = 0; k <= config->region_count; k++) {
        regions[k] = region_of(config, k);
    }
    return k_create(&kernel, &host->kernel);
}

/* The largest untyped that starts here: aligned, and within the rest of the region. */
static unsigned untyped_bits(uint64_t base, uint64_t left)
{
    unsigned bits = seL4_MaxUntypedBits;

    while ((base & ((UINT64_C(1) << bits) - 1)) != 0 || UINT64_C(1) << bits > left) {
        bits--;
    }
    return bits;
}

static int boot_untypeds(struct guestmem_host *host, const struct k_region *region,
                         bool device_ram, seL4_CPtr *slot)
{
    uint64_t base = region->base, left = region->bytes;

    while (left != 0) {
        struct k_cap cap = {.type = K_UNTYPED, .base = base, .device = region->device};

        cap.bits = (uint8_t)untyped_bits(base, left);
        if (host->boot_count == ARRAY_SIZE(host->boot)) {
            return -EINVAL;
        }
        host->boot[host->boot_count++] =
            (struct env_boot_untyped){*slot, base, cap.bits, region->device, device_ram};
        k_boot_cap(host->kernel, (*slot)++, cap);
        base += UINT64_C(1) << cap.bits;
        left -= UINT64_C(1) << cap.bits;
    }
    return 0;
}

/* Every page of a device untyped becomes a frame in a slot of its own, once and for all. */
static int boot_frames(struct guestmem_host *host, const struct env_boot_untyped *untyped,
                       seL4_CPtr *slot)
{
    uint64_t count = UINT64_C(1) << (untyped->bits - seL4_PageBits), done = 0;

    if (count > (UINT64_C(1) << host->kernel->root_bits) - *slot) {
        return -EINVAL;
    }
    host->frames[host->frames_count++] =
        (struct env_boot_frames){untyped->paddr, count, *slot};
    while (done < count) {
        uint64_t batch = MIN(count - done, (uint64_t)host->kernel->fan_out);

        if (seL4_Untyped_Retype(untyped->cap, seL4_ARM_SmallPageObject, 0, seL4_CapInitThreadCNode,
                                0, 0, *slot, batch) != seL4_NoError) {
            return -EINVAL;
        }
        *slot += batch;
        done += batch;
    }
    return 0;
}

static int boot_memory(struct guestmem_host *host, const struct guestmem_host_config *config,
                       seL4_CPtr *slot)
{
    for (size_t k = 0; k <= config->region_count; k++) {
        int err = boot_untypeds(host, &host->kernel->regions[k],
                                k > 0 && config->regions[k - 1].device_ram, slot);

        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/* Hand each boot untyped to the vka, or cut it into frames. */
static int share_out(struct guestmem_host *host, seL4_CPtr *slot)
{
    int err = 0;

    for (unsigned k = 0; k < host->boot_count && err == 0; k++) {
        const struct env_boot_untyped *boot = &host->boot[k];

        if (boot->device && host->flavour == GUESTMEM_HOST_BOOT_FRAMES) {
            err = boot_frames(host, boot, slot);
        } else {
            err = env_untypeds_add(&host->untypeds, boot->cap, boot->paddr, boot->bits,
                                   boot->device, boot->device_ram);
        }
    }
    return err;
}

int env_boot(struct guestmem_host *host, const struct guestmem_host_config *config)
{
    struct k_cap endpoint = {.type = K_ENDPOINT,
                             .base = K_BOOT_ENDPOINT,
                             .bits = seL4_EndpointBits,
                             .rights = K_READ | K_WRITE | K_GRANT | K_GRANT_REPLY};
    seL4_CPtr slot = seL4_NumInitialCaps;
    int err = start_kernel(host, config);

    if (err != 0) {
        return err;
    }
    host->flavour = config->flavour;
    host->untypeds.slots = &host->slots;
    host->endpoint = slot++;
    k_boot_cap(host->kernel, host->endpoint, endpoint);
    err = boot_memory(host, config, &slot);
    if (err == 0) {
        err = share_out(host, &slot);
    }
    if (err == 0) {
        err = env_slots_init(&host->slots, host->kernel->root_bits, slot);
    }
    if (err != 0) {
        env_untypeds_destroy(&host->untypeds);
        k_destroy(host->kernel);
    }
    return err;
}

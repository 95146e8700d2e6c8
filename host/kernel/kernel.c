/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Bringing the model up, with the caps that a root task finds, and taking it down.
 */
#include "kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct kernel *k_current;

static size_t root_bytes(const struct kernel *kernel)
{
    return sizeof(struct k_slot) << kernel->root_bits;
}

static void set_layout(struct kernel *kernel, unsigned pa_bits)
{
    kernel->levels = pa_bits == 44 ? 4 : 3;
    kernel->root_index_bits = pa_bits == 44 ? 9 : 10;
    kernel->user_top = (UINT64_C(1) << pa_bits) - 1;
}

static int allocate(struct kernel *kernel)
{
    int err = -ENOMEM;

    kernel->boot_root = calloc((size_t)1 << kernel->root_index_bits, sizeof(uint64_t));
    kernel->boot_pool = calloc((size_t)1 << K_ASID_POOL_BITS, sizeof(uint64_t));
    if (kernel->boot_root == NULL || kernel->boot_pool == NULL) {
        goto free_tables;
    }
    kernel->root = mmap(NULL, root_bytes(kernel), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (kernel->root == MAP_FAILED) {
        goto free_tables;
    }
    err = k_memory_open(kernel);
    if (err == 0) {
        return 0;
    }
    munmap(kernel->root, root_bytes(kernel));

free_tables:
    free(kernel->boot_root);
    free(kernel->boot_pool);
    return err;
}

void k_boot_cap(struct kernel *kernel, seL4_CPtr slot, struct k_cap cap)
{
    kernel->root[slot].cap = cap;
    kernel->root[slot].cap.tree = K_REVOCABLE | K_FIRST_BADGED;
    k_slot_used(kernel, &kernel->root[slot]);
    if (cap.type == K_UNTYPED) {
        k_object_created(kernel, &cap, 1);
    }
}

/* Those of the first caps that memory has to do with. */
static void boot_caps(struct kernel *kernel)
{
    struct k_cap cnode = {.type = K_CNODE,
                          .base = K_BOOT_CNODE,
                          .bits = (uint8_t)kernel->root_bits,
                          .guard_bits = (uint8_t)(seL4_WordBits - kernel->root_bits)};
    struct k_cap space = {.type = K_VSPACE,
                          .base = K_BOOT_VSPACE,
                          .bits = (uint8_t)k_root_bits(kernel),
                          .asid = K_VMM_ASID,
                          .mapped = true};
    struct k_cap pool = {.type = K_ASID_POOL, .base = K_BOOT_POOL, .bits = seL4_ASIDPoolBits};

    kernel->pools[0] = K_BOOT_POOL | 1;
    kernel->boot_pool[K_VMM_ASID] = K_BOOT_VSPACE | 1;
    k_boot_cap(kernel, seL4_CapInitThreadTCB,
               (struct k_cap){.type = K_THREAD, .base = K_BOOT_THREAD, .bits = seL4_TCBBits});
    k_boot_cap(kernel, seL4_CapInitThreadCNode, cnode);
    k_boot_cap(kernel, seL4_CapInitThreadVSpace, space);
    k_boot_cap(kernel, seL4_CapInitThreadASIDPool, pool);
    k_boot_cap(kernel, seL4_CapASIDControl, (struct k_cap){.type = K_ASID_CONTROL});
    k_boot_cap(kernel, seL4_CapIRQControl, (struct k_cap){.type = K_IRQ_CONTROL});
    k_boot_cap(kernel, seL4_CapDomain, (struct k_cap){.type = K_DOMAIN});
}

int k_create(const struct k_config *config, struct kernel **out)
{
    struct kernel *kernel;
    int err;

    if (k_current != NULL) {
        return -EBUSY;
    }
    kernel = calloc(1, sizeof(*kernel));
    if (kernel == NULL) {
        return -ENOMEM;
    }
    memcpy(kernel->regions, config->regions, config->region_count * sizeof(*config->regions));
    kernel->region_count = config->region_count;
    kernel->root_bits = config->cnode_bits;
    kernel->fan_out = config->fan_out;
    kernel->hooks = config->hooks;
    set_layout(kernel, config->pa_bits);
    err = allocate(kernel);
    if (err != 0) {
        free(kernel);
        return err;
    }
    boot_caps(kernel);
    k_current = kernel;
    *out = kernel;
    return 0;
}

/* Its memory goes, and with it all caps: none is deleted, and no watcher hears of it. */
/* Nobody is told of the end: who watched may be gone already. */
static void drop_watches(struct kernel *kernel)
{
    while (kernel->watches != NULL) {
        struct k_watch *watch = kernel->watches;

        kernel->watches = watch->next;
        free(watch);
    }
}

void k_destroy(struct kernel *kernel)
{
    drop_watches(kernel);
    k_cnode_free_all(kernel);
    k_memory_close(kernel);
    munmap(kernel->root, root_bytes(kernel));
    free(kernel->boot_root);
    free(kernel->boot_pool);
    free(kernel);
    k_current = NULL;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "policy.h"

/* the option that defers mappings, where a VM library has it */
#if __has_include(<sel4vm/gen_config.h>)
#include <sel4vm/gen_config.h>
#endif

#include "failure.h"
#include "reservation.h"
#include "window.h"

enum { UNTYPED_BITS_DEFAULT = 30, CALL_BYTES_DEFAULT = 16 << 20, AROUND_BITS_MAX = 30 };

#if defined(CONFIG_LIB_SEL4VM_DEFER_MEMORY_MAP)
static const enum guestmem_populate populate_default = GUESTMEM_POPULATE_LAZY;
#else
static const enum guestmem_populate populate_default = GUESTMEM_POPULATE_EAGER;
#endif

void guestmem_policy_default(struct guestmem_policy *policy)
{
    *policy = (struct guestmem_policy){
        .frame_bits_max = gm_arch_frame_bits[1],
        .populate = populate_default,
        .memory_type = GUESTMEM_MEMORY_AUTO,
        .discarded = GUESTMEM_DISCARDED_POPULATES,
        .call_bytes_max = CALL_BYTES_DEFAULT,
        .untyped_bits_max = UNTYPED_BITS_DEFAULT,
        .views = GUESTMEM_VIEWS_KEPT,
    };
}

static bool is_around_valid(unsigned bits)
{
    return bits == 0 || (bits >= gm_arch_frame_bits[0] && bits <= AROUND_BITS_MAX);
}

static bool is_views_valid(const struct guestmem_policy *policy)
{
    return (unsigned)policy->views <= GUESTMEM_VIEWS_NONE &&
           (policy->views != GUESTMEM_VIEWS_WINDOW || policy->view_bytes_max > 0);
}

static bool is_valid(const struct guestmem_policy *policy)
{
    unsigned size = 0;

    if (policy == NULL) {
        return false;
    }
    while (size < GM_ARCH_SIZE_COUNT && gm_arch_frame_bits[size] != policy->frame_bits_max) {
        size++;
    }
    return size < GM_ARCH_SIZE_COUNT && (unsigned)policy->populate <= GUESTMEM_POPULATE_LAZY &&
           (unsigned)policy->memory_type <= GUESTMEM_MEMORY_DEVICE &&
           (unsigned)policy->discarded <= GUESTMEM_DISCARDED_REFUSES && is_views_valid(policy) &&
           is_around_valid(policy->populate_around_bits) && policy->call_bytes_max > 0 &&
           policy->untyped_bits_max >= seL4_PageBits &&
           policy->untyped_bits_max <= seL4_MaxUntypedBits;
}

static void pack(struct gm_policy *packed, const struct guestmem_policy *policy)
{
    unsigned size = 0;

    while (gm_arch_frame_bits[size] != policy->frame_bits_max) {
        size++;
    }
    *packed = (struct gm_policy){
        .call_bytes_max = policy->call_bytes_max,
        .largest = (uint8_t)size,
        .populate = (uint8_t)policy->populate,
        .memory_type = (uint8_t)policy->memory_type,
        .discarded = (uint8_t)policy->discarded,
        .untyped_bits_max = (uint8_t)policy->untyped_bits_max,
        .populate_around_bits = (uint8_t)policy->populate_around_bits,
    };
}

/* What is kept of views is the VM's, also where a reservation is asked. */
static void unpack(const struct gm_space *space, struct guestmem_policy *policy,
                   const struct gm_policy *packed)
{
    *policy = (struct guestmem_policy){
        .frame_bits_max = gm_arch_frame_bits[packed->largest],
        .populate = (enum guestmem_populate)packed->populate,
        .memory_type = (enum guestmem_memory_type)packed->memory_type,
        .discarded = (enum guestmem_discarded)packed->discarded,
        .call_bytes_max = packed->call_bytes_max,
        .untyped_bits_max = packed->untyped_bits_max,
        .populate_around_bits = packed->populate_around_bits,
        .views = gm_window_views(space),
        .view_bytes_max = space->window == NULL ? 0 : space->window->bytes_max,
    };
}

void gm_policy_start(struct gm_policy *policy)
{
    struct guestmem_policy start;

    guestmem_policy_default(&start);
    pack(policy, &start);
}

int guestmem_set_policy(vm_t *vm, const struct guestmem_policy *policy)
{
    struct gm_space *space = gm_begin(vm);
    int error = GUESTMEM_OK;

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    if (!is_valid(policy)) {
        error = gm_fail(space, GUESTMEM_EINVAL, "check the policy", 0);
    } else {
        error = gm_window_set(space, policy->views, policy->view_bytes_max);
    }
    if (error == GUESTMEM_OK) {
        pack(&space->policy, policy);
    }
    return gm_end(space, error, "guestmem_set_policy", 0, 0);
}

int guestmem_get_policy(vm_t *vm, struct guestmem_policy *policy)
{
    struct gm_space *space = gm_begin(vm);

    if (space == NULL) {
        return GUESTMEM_EINVAL;
    }
    if (policy == NULL) {
        gm_fail(space, GUESTMEM_EINVAL, "there is no place for the policy", 0);
        return gm_end(space, GUESTMEM_EINVAL, "guestmem_get_policy", 0, 0);
    }
    unpack(space, policy, &space->policy);
    return gm_end(space, GUESTMEM_OK, "guestmem_get_policy", 0, 0);
}

int guestmem_reservation_set_policy(vm_t *vm, vm_memory_reservation_t *reservation,
                                    const struct guestmem_policy *policy)
{
    struct gm_space *space = gm_begin(vm);
    int error = space == NULL ? GUESTMEM_EINVAL : gm_reservation_check(space, reservation);

    if (space == NULL) {
        return error;
    }
    if (error != GUESTMEM_OK) {
        return gm_end(space, error, "guestmem_reservation_set_policy", 0, 0);
    }
    if (reservation->backing != NULL || reservation->taking) {
        error = gm_fail(space, GUESTMEM_EMAPPED, "change the policy", 0);
    } else if (!is_valid(policy)) {
        error = gm_fail(space, GUESTMEM_EINVAL, "check the policy", 0);
    } else {
        pack(&reservation->policy, policy);
    }
    return gm_end(space, error, "guestmem_reservation_set_policy", reservation->base,
                  reservation->size);
}

int guestmem_reservation_get_policy(vm_t *vm, vm_memory_reservation_t *reservation,
                                    struct guestmem_policy *policy)
{
    struct gm_space *space = gm_begin(vm);
    int error = space == NULL ? GUESTMEM_EINVAL : gm_reservation_check(space, reservation);

    if (space == NULL) {
        return error;
    }
    if (error == GUESTMEM_OK && policy == NULL) {
        error = gm_fail(space, GUESTMEM_EINVAL, "there is no place for the policy", 0);
    }
    if (error == GUESTMEM_OK) {
        unpack(space, policy, &reservation->policy);
    }
    return gm_end(space, error, "guestmem_reservation_get_policy", 0, 0);
}

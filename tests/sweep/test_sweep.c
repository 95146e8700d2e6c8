/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The sweep's cases, one a starting state.
 */
#include "sweep.h"

#define SWEEP_CASE(name, state)                                                                    \
    static void name(struct gm_env *env, vm_t *vm)                                                 \
    {                                                                                              \
        gm_env_drop_vm(env, vm);                                                                   \
        sweep_run(env, &(state));                                                                  \
    }

SWEEP_CASE(every_failure_in_an_empty_space, sweep_empty)
SWEEP_CASE(every_failure_in_a_space_that_is_half_full, sweep_half_full)
SWEEP_CASE(every_failure_where_memory_is_fragmented, sweep_fragmented)
SWEEP_CASE(every_failure_where_frames_come_lazily, sweep_lazy)
SWEEP_CASE(every_failure_where_pages_are_shared, sweep_shared)
SWEEP_CASE(every_failure_after_much_was_freed, sweep_after_frees)
SWEEP_CASE(every_failure_where_there_is_device_ram, sweep_device_ram)
SWEEP_CASE(every_failure_where_devices_are_boot_frames, sweep_boot_frames)

#define SMALL .ram_bytes = 32 * GM_MIB, .cnode_bits = 12

static const struct gm_case cases[] = {
    GM_CASE_WITH(every_failure_in_an_empty_space, SMALL),
    GM_CASE_WITH(every_failure_in_a_space_that_is_half_full, SMALL),
    GM_CASE_WITH(every_failure_where_memory_is_fragmented, .ram_bytes = GM_MIB, .cnode_bits = 12),
    GM_CASE_WITH(every_failure_where_frames_come_lazily, SMALL),
    GM_CASE_WITH(every_failure_where_pages_are_shared, SMALL),
    GM_CASE_WITH(every_failure_after_much_was_freed, SMALL),
    GM_CASE_WITH(every_failure_where_there_is_device_ram, SMALL, .device_ram = true),
    GM_CASE_WITH(every_failure_where_devices_are_boot_frames, SMALL, .boot_frames = true),
};
const struct gm_suite sweep_suite = GM_SUITE("sweep", cases);

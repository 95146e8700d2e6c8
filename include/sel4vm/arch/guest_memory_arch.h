/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vm vm_t;

/*
 * The physical address behind guest address `ipa_base`, for devices that a guest programs with
 * addresses of its own.
 *   Needs:   size > 0.
 *   Returns: the physical address; 0 unless all of [ipa_base, ipa_base + size) is mapped and
 *            physically contiguous.
 */
uintptr_t vm_arm_ipa_to_pa(vm_t *vm, uintptr_t ipa_base, size_t size);

#ifdef __cplusplus
}
#endif

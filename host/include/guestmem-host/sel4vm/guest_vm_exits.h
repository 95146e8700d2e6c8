/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What `vm->run.exit_reason` says. The host's reasons with address and pc: guestmem/host_vm.h.
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vm_exit_codes {
    VM_GUEST_MMIO_EXIT,
    VM_GUEST_IO_EXIT,
    VM_GUEST_NOTIFICATION_EXIT,
    VM_GUEST_UNKNOWN_EXIT
} vm_exit_codes_t;

#define VM_GUEST_ERROR_EXIT -1

#ifdef __cplusplus
}
#endif

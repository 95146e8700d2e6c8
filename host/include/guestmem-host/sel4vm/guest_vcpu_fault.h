/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The access that a vcpu waits for, as a fault callback sees it.
 *
 * Each fault is one access of 1, 2, 4 or 8 bytes at a multiple of its size: what the guest does in
 * another way (an unaligned access, one that crosses a page, pairs of registers, vectors) arrives
 * as several faults in ascending order, and the guest's instruction sees one result.
 *
 * Data of less than 8 bytes is in lanes, as VMMs for Arm expect: for a read, set_vcpu_fault_data()
 * takes a word in which the accessed bytes stand at bit (address & 3) * 8, and
 * get_vcpu_fault_data_mask() has ones there. A write's data, as get_vcpu_fault_data() gives it, is
 * the register's value, in the lowest bits; the bits above the access's size are 0. Loads fill the
 * rest of the register as the instruction says: with zeroes or with the sign.
 *
 * The calls are meant for a vcpu with a pending fault. Where there is none, the getters give 0,
 * set_vcpu_fault_data() gives -1, and advancing or restarting does nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <sel4/sel4.h>
#include <sel4vm/guest_vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Guest-physical address of the access. */
seL4_Word get_vcpu_fault_address(vm_vcpu_t *vcpu);

/* Guest-virtual address of the instruction. */
seL4_Word get_vcpu_fault_ip(vm_vcpu_t *vcpu);

/* A write: what the guest writes. A read: what was set so far. */
seL4_Word get_vcpu_fault_data(vm_vcpu_t *vcpu);

/* Ones where the accessed bytes stand in the word that is aligned to 4 bytes. */
seL4_Word get_vcpu_fault_data_mask(vm_vcpu_t *vcpu);

/* Bytes of the access. */
size_t get_vcpu_fault_size(vm_vcpu_t *vcpu);

bool is_vcpu_read_fault(vm_vcpu_t *vcpu);

/* What the guest will read, in its lanes. Returns 0 or -1. */
int set_vcpu_fault_data(vm_vcpu_t *vcpu, seL4_Word data);

/*
 * The access done on `data`. A write: `data`, a word with the present contents in its lanes, with
 * the written bytes replaced. A read: `data`, a register's contents, with its lowest bytes replaced
 * by what was set.
 */
seL4_Word emulate_vcpu_fault(vm_vcpu_t *vcpu, seL4_Word data);

/*
 * The access is done: the vcpu goes on behind it. From the callback, or later from any thread: a
 * callback that answered FAULT_HANDLED without this leaves its vcpu waiting. Of a vcpu fault (an
 * SMC, say) it moves the pc behind the instruction.
 */
void advance_vcpu_fault(vm_vcpu_t *vcpu);

/* The access, or the instruction of a vcpu fault, is done again. As above from any thread. */
void restart_vcpu_fault(vm_vcpu_t *vcpu);

#ifdef __cplusplus
}
#endif

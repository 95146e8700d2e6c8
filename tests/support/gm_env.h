/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What a case runs in: a root task's allocator, address space and boot information, and VMs whose
 * memory is managed by guestmem but which have no vcpu. gm_env.c is the same everywhere; what
 * differs between the host and the real kernel stands behind gm_env_port.h.
 *
 * Nothing may stay behind: when a case ends, each VM's memory is destroyed, its root table and the
 * case's own frames are freed, and the environment is compared with what it was before.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sel4vm/guest_vm.h>
#include <sel4vm/guest_memory.h>

struct gm_env_port;
struct gm_env_vm;
struct gm_env_frame;

#define GM_KIB ((size_t)1024)
#define GM_MIB (GM_KIB * 1024)
#define GM_GIB (GM_MIB * 1024)
#define GM_PAGE ((size_t)4096)
enum { GM_BITS_4K = 12, GM_BITS_2M = 21, GM_BITS_1G = 30 };

/* What a case needs. All zero: 256 MiB of memory, no device RAM, an allocator that owns the
 * devices. */
struct gm_env_options {
    size_t ram_bytes; /* normal memory; 0: 256 MiB */
    bool boot_frames; /* devices' frames come from boot information only, not from the allocator */
    bool device_ram;  /* some RAM is set aside as device untyped, and handed out first */
    unsigned cnode_bits; /* slots of the root CNode; 0: plenty */
};

struct gm_env {
    vka_t *vka;
    vspace_t *vmm;
    simple_t *simple;
    ps_io_ops_t *io_ops;
    seL4_CPtr endpoint;
    uintptr_t guest_end;       /* first address behind a guest's address space */
    uintptr_t device_base;     /* a device's memory: 2 MiB aligned, */
    size_t device_bytes;       /* at least 4 MiB */
    uintptr_t device_ram_base; /* 0 without the option `device_ram`: 2 MiB aligned, */
    size_t device_ram_bytes;   /* at least 4 MiB */
    uintptr_t nowhere;         /* the physical address of a MiB that nobody can have: 1 MiB aligned */
    bool vmm_shares;           /* the VMM's vspace can share into spaces of another make */
    vm_t *vm;                  /* the first VM */
    struct gm_env_vm *vms;
    struct gm_env_frame *frames;
    struct gm_env_snapshot *before;
    struct gm_env_port *port;
};

/* --------------------------------------------------------------------- opened by the runner */

/* Bring up an environment with one VM. NULL, and why in `*reason`, if this side can't. */
struct gm_env *gm_env_open(const struct gm_env_options *options, const char **reason);

/* Close all VMs, free the case's frames, and fail the case if anything isn't as before. */
void gm_env_close_checked(struct gm_env *env);

/* Close after a case that failed; nothing is checked. */
void gm_env_close(struct gm_env *env);

/* ----------------------------------------------------------------------------- VMs */

/* Whether every new VM is shared from the start (guestmem/threads.h), with the test as a reader:
 * GUESTMEM_TEST_SHARED=1 in the environment, for running the same cases once more. */
bool gm_env_is_shared(void);

/* One more VM: vm_memory_init() and vm_init_guest_vspace() done, nothing reserved. Never NULL. */
vm_t *gm_env_new_vm(struct gm_env *env);

/* A VM with a root table that has an ASID, and neither of the two calls done. */
vm_t *gm_env_blank_vm(struct gm_env *env);

/* Destroy a VM's memory and free it, as the end of the case would; checks that all goes well. */
void gm_env_drop_vm(struct gm_env *env, vm_t *vm);

/* vm_memory_handle_fault() for a vcpu of no substance. */
memory_fault_result_t gm_env_fault(vm_t *vm, uintptr_t addr, size_t size);

/* ------------------------------------------------- frames that the case brings, as a caller would
 */

/* An unmapped frame of the case's own; 0 if there is none. Freed when the case ends, and before
 * that checked: still there, the same memory, mapped nowhere. */
seL4_CPtr gm_env_frame(struct gm_env *env, size_t size_bits);

/* `count` of them into `caps`; fails the case if there are not as many. */
void gm_env_frames(struct gm_env *env, size_t size_bits, size_t count, seL4_CPtr *caps);

/* Free one before the case ends. */
void gm_env_frame_free(struct gm_env *env, seL4_CPtr cap);

/* Check that a cap is still a frame at its old address, and mapped nowhere. */
void gm_env_check_frame(struct gm_env *env, seL4_CPtr cap);

/* The physical address of a frame cap; fails the case if it isn't one. */
uintptr_t gm_env_frame_paddr(seL4_CPtr cap);

/* Cap slots that the case holds with gm_env_frame(). */
size_t gm_env_frame_count(const struct gm_env *env);

/* The physical address of `bytes` (a power of two) of normal memory that nobody has. */
uintptr_t gm_env_free_paddr(struct gm_env *env, size_t bits);

/* An iterator that gives the case's own frames, all of one size, and notes what it was asked for.
 */
enum { GM_GIVER_NOTED = 32 };
struct gm_giver {
    struct gm_env *env;
    size_t size_bits;
    seL4_CapRights_t rights;
    size_t fail_at; /* the call, from 1, that answers a null cap; 0: none */
    size_t calls;
    uintptr_t addresses[GM_GIVER_NOTED]; /* of the first calls */
    seL4_CPtr caps[GM_GIVER_NOTED];
};
vm_frame_t gm_giver_next(uintptr_t addr, void *giver);

/* --------------------------------------------------------------------------- faults */

/* A fault callback that notes its last call and answers `answer`; the cookie is one of these. */
struct gm_fault_log {
    memory_fault_result_t answer;
    unsigned count;
    vm_t *vm;
    vm_vcpu_t *vcpu;
    uintptr_t addr;
    size_t length;
};
memory_fault_result_t gm_fault_note(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                    void *log);

/* --------------------------------------------------------------- what the guest sees */

struct gm_env_leaf {
    uintptr_t paddr;  /* of the address asked for */
    size_t size_bits; /* of the frame */
    bool read;
    bool write;
    bool device;
    bool blind; /* this side can't tell `device` */
};

enum gm_env_view {
    GM_VIEW_LEAF,
    GM_VIEW_NONE,  /* no frame there */
    GM_VIEW_BLIND, /* this side can't tell */
};

/* See to it that the VMM's vspace hands out addresses at which a frame of this size can be mapped, if
 * it doesn't by itself. */
void gm_env_make_room(struct gm_env *env, size_t size_bits);

/* What translates a guest's address; gm_test.h has checks made of it. */
enum gm_env_view gm_env_guest_view(struct gm_env *env, vm_t *vm, uintptr_t gpa,
                                   struct gm_env_leaf *leaf);

/* The same for an address of the VMM's. */
enum gm_env_view gm_env_vmm_view(struct gm_env *env, const void *vaddr, struct gm_env_leaf *leaf);

/* Copy as the guest would; GM_VIEW_NONE: something isn't mapped there, or not with that right. */
enum gm_env_view gm_env_guest_copy(struct gm_env *env, vm_t *vm, uintptr_t gpa, void *bytes,
                                   size_t size, bool write);

/* Fill the device RAM, which nobody may have now. False if this side can't. */
bool gm_env_fill_device_ram(struct gm_env *env, int value);

/* ------------------------------------------------------------------ counting and comparing */

struct gm_env_counts {
    uint64_t slots;        /* used now */
    uint64_t objects;      /* taken from the vka now */
    uint64_t heap_bytes;   /* of the library, now */
    uint64_t frames[3];    /* frame objects of 4 KiB, 2 MiB, 1 GiB now; host only */
    uint64_t tables;       /* page-table objects now; host only */
    uint64_t vmm_mappings; /* frames in the VMM's space now; host only */
    uint64_t free_bytes;   /* of normal memory, in the vka's hands; host only */
    uint64_t invocations;  /* since the start; host only */
    bool complete;         /* false: the fields that are "host only" are 0 */
};
void gm_env_count(struct gm_env *env, struct gm_env_counts *counts);

/* The state of everything: caps, slots, memory, page tables, bytes. */
struct gm_env_snapshot *gm_env_snapshot(struct gm_env *env);
/* Fail the case unless all is as it was; each difference is printed. Frees the snapshot. */
void gm_env_check_same(struct gm_env *env, struct gm_env_snapshot *before);
/* Fail the case unless each VM's last failure has a cause, and names a range in the way, if and only if
 * its kind of error may. Part of the above, and of dropping a VM. */
void gm_env_check_failures(const struct gm_env *env);
void gm_env_snapshot_free(struct gm_env_snapshot *snapshot);

/* ------------------------------------------------------------------------ failure injection */

enum gm_env_kind {
    GM_FAIL_SLOT = 1,       /* vka's cap slots */
    GM_FAIL_OBJECT = 2,     /* vka's objects */
    GM_FAIL_INVOCATION = 4, /* the kernel's answers; host only */
    GM_FAIL_MALLOC = 8,
    GM_FAIL_VMM_MAP = 16, /* the VMM's vspace */
    GM_FAIL_ANY = 31,
};

/* The kinds that this side can make fail. */
unsigned gm_env_fail_kinds(struct gm_env *env);

/* Let the k-th request (from 1) of these kinds fail, and with `sticky` each later one; k = 0: none.
 */
void gm_env_fail(struct gm_env *env, unsigned kinds, uint64_t k, bool sticky);

/* Whether the failure has struck since, and at what ("Untyped_Retype"); valid until the next
 * arming. */
bool gm_env_failed(struct gm_env *env, const char **step);

/* What the library says of the last failure of each VM, for messages; "" for none. */
void gm_env_failure_text(const struct gm_env *env, char *text, size_t size);

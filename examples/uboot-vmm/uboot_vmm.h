/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A VMM for U-Boot (64-bit Arm), written against the public interfaces only: the same source runs
 * on a Linux host and as a root task on the kernel. What differs is the environment, which one
 * small file a side brings up and hands in.
 *
 * Guest-physical addresses (all of QEMU's `virt` machine that U-Boot needs, and the six helpers):
 *
 *   0x00000000  flash       the firmware, read-only; writes trap and are dropped
 *   0x04000000  environment 256 KiB of erased flash, read-only
 *   0x05000000  shared      a page that the VMM writes and the guest reads; the guest's writes trap
 *   0x05200000  frames      map_frame_alloc_reservation
 *   0x05800000  maybe       map_maybe_device_reservation
 *   0x06000000  window      map_ut_alloc_reservation_with_base_paddr, at the environment's choice
 *   0x09000000  uart        PL011, by fault callback
 *   identity, device        where the environment's memory and device page are
 *   0x40000000  ram         vm_ram_register_at
 *
 * Calls return 0 or -1 and leave a sentence in `error`; from one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sel4vm/guest_memory.h>
#include <sel4vm/guest_vm.h>

enum {
    UBOOT_VMM_RAM_BASE = 0x40000000,
    UBOOT_VMM_FLASH_BYTES = 0x04000000, /* most that the firmware may have */
    UBOOT_VMM_AREA_COUNT = 10,
};

struct uboot_vmm_range {
    uintptr_t base;
    size_t size;
};

/* What the side that we run on supplies. All of it outlives the VMM. */
struct uboot_vmm_environment {
    vka_t *vka;
    simple_t *simple;
    vspace_t *vspace;
    ps_io_ops_t *io_ops;
    seL4_CPtr endpoint;
    uintptr_t device_page;           /* physical = guest address of a device's page */
    struct uboot_vmm_range identity; /* memory at physical = guest address */
    struct uboot_vmm_range window;   /* memory by physical address; its size is the window's */
    uint64_t (*counter)(void);       /* Arm's physical counter, for kernels that trap its reads */
    void (*stop)(vm_t *vm); /* ends vm_run() with 0; NULL where a failing callback must do */
};

/* The other end of the serial line. Called from inside uboot_vmm_run(). */
struct uboot_vmm_console {
    void (*put)(char byte, void *cookie);
    int (*get)(void *cookie); /* the next byte for the guest, or -1 */
    void *cookie;
};

/* One guest access that came to the VMM. */
struct uboot_vmm_event {
    const char *area; /* whose it was, or "nowhere" */
    uintptr_t addr;
    size_t size;
    uintptr_t pc;
    seL4_Word data; /* written, or given */
    bool is_read;
};

struct uboot_vmm_config {
    struct uboot_vmm_environment environment;
    size_t ram_bytes;
    const void *firmware;
    size_t firmware_bytes;
    const void *device_tree; /* placed at the start of RAM; see uboot_vmm_device_tree() */
    size_t device_tree_bytes;
    const struct uboot_vmm_range *absent; /* devices that aren't there: reads answer all-ones */
    size_t absent_count;
    struct uboot_vmm_console console;
    const struct uboot_vmm_tracer *tracer;  /* NULL: none */
    int (*prepare)(vm_t *vm, void *cookie); /* NULL: none; before memory is made */
    void *prepare_cookie;
    void (*progress)(const char *what, void *cookie); /* NULL: none; before each step */
    void *progress_cookie;
    bool (*stop_asked)(void *cookie); /* asked at each exit; NULL: never */
    void *stop_cookie;
};

/* Why the guest ran no further. */
enum uboot_vmm_end {
    UBOOT_VMM_RUNNING,
    UBOOT_VMM_POWEROFF,
    UBOOT_VMM_RESET,
    UBOOT_VMM_STOPPED,   /* `stop_asked` said so */
    UBOOT_VMM_NOWHERE,   /* an access, or a fetch, where nothing is: see `fault` */
    UBOOT_VMM_EXCEPTION, /* a vcpu exit that this VMM doesn't know: see `fault.data` (ESR_EL2) */
    UBOOT_VMM_FAILED,    /* anything else */
};

/* A range of guest memory that the VMM made. */
struct uboot_vmm_area {
    const char *name;
    uintptr_t base;
    size_t size;
    vm_memory_reservation_t *reservation; /* NULL where the library keeps the handle */
    char *view;           /* where the VMM sees it; NULL: asked for at each access */
    uint64_t writes;      /* of the guest that trapped, */
    uintptr_t last_write; /* and the last of them: where, */
    seL4_Word last_data;  /* and what */
};

/* The frames of a flash bank: ours, lent to the guest. */
struct uboot_vmm_flash {
    uintptr_t base;
    vka_object_t *frames;
    size_t frame_count;
};

/* Addresses of ours where frames of one size are looked at, one at a time. */
struct uboot_vmm_window {
    void *base;
    reservation_t reservation;
};

struct uboot_vmm {
    vm_t vm;
    bool initialised;
    vm_vcpu_t *vcpu;
    struct uboot_vmm_config config;
    struct uboot_vmm_area areas[UBOOT_VMM_AREA_COUNT];
    size_t area_count;
    struct uboot_vmm_flash flash[2];
    struct uboot_vmm_window windows[2][2]; /* small and large frames; normal and device memory */
    uint32_t uart[0x1000 / 4];             /* registers that only keep what is written */
    int uart_next;                         /* the byte that the guest was told of, or -1 */
    enum uboot_vmm_end end;
    struct uboot_vmm_event fault;
    const char *look_error; /* why uboot_vmm_look() failed last */
    char error[200];
};

/*
 * Build the VM: memory, devices, vcpu, firmware and device tree in place. `vmm` is zeroed first.
 * After a failure uboot_vmm_destroy() is still to be called.
 */
int uboot_vmm_create(struct uboot_vmm *vmm, const struct uboot_vmm_config *config);

/* Run until the guest ends; the reason is in `end`. 0 after poweroff or reset. */
int uboot_vmm_run(struct uboot_vmm *vmm);

/* Take down what uboot_vmm_create() made, in whatever state it is. The vcpu and the root of the
 * guest's address space, for which the VM's interface has no call, go with the environment. */
void uboot_vmm_destroy(struct uboot_vmm *vmm);

/* The area that holds `gpa`, or NULL. */
struct uboot_vmm_area *uboot_vmm_area_at(struct uboot_vmm *vmm, uintptr_t gpa);
struct uboot_vmm_area *uboot_vmm_area_named(struct uboot_vmm *vmm, const char *name);

/* What a reservation's callback is, for people: "pl011", "flash", … */
const char *uboot_vmm_callback_name(memory_fault_callback_fn callback);

/*
 * The VMM's own view of guest memory: calls `piece` with ascending pieces, at most a frame each.
 * RAM is seen through vm_ram_touch(), created pages through their pointer, all else by sharing the
 * guest's frames. Non-zero from `piece` ends it and is the result; -1 and `look_error` if some of
 * the range isn't ours, or is lazy and can't be populated.
 */
typedef int (*uboot_vmm_piece_fn)(void *bytes, size_t size, void *cookie);
int uboot_vmm_look(struct uboot_vmm *vmm, uintptr_t gpa, size_t size, uboot_vmm_piece_fn piece,
                   void *cookie);
/* guestmem_ram_read() and _write(), and the same of devices' memory, piece by piece. */
int uboot_vmm_read(struct uboot_vmm *vmm, uintptr_t gpa, void *bytes, size_t size);
int uboot_vmm_write(struct uboot_vmm *vmm, uintptr_t gpa, const void *bytes, size_t size);

/* Put a sentence into `error`. Returns -1. */
int uboot_vmm_fail(struct uboot_vmm *vmm, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

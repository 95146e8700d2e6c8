/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the soak works on.
 *
 *      run --> rounds, each with one environment of the next flavour
 *                --> generations, each ending at a quiet point: no VM is left
 *                      --> steps: one call, or a few, on one of the VMs
 *
 * A round's choices depend on the run's seed and the round's number only.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestmem/access.h>
#include <guestmem/guestmem.h>
#include <guestmem/host.h>
#include <guestmem/host_vm.h>
#include <guestmem/runtime.h>
#include <guestmem/threads.h>
#include <sel4vm/arch/guest_arm_context.h>
#include <sel4vm/boot.h>
#include <sel4vm/guest_memory.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vm/guest_ram.h>
#include <sel4vm/guest_vcpu_fault.h>
#include <sel4vm/guest_vm.h>
#include <sel4vmmplatsupport/guest_memory_util.h>
#include <vka/object.h>

#define PAGE ((uintptr_t)4096)
#define MIB ((uintptr_t)1 << 20)

#define DEVICE_BASE ((uintptr_t)0x10000000) /* the same as guest address and physical address */
#define DEVICE_BYTES (2 * MIB)
#define RAM_BASE ((uintptr_t)0x80000000) /* physical */
#define AREA_BASE ((uintptr_t)0x40000000)
#define AREA_STRIDE (16 * MIB)
#define POOL_BASE ((uintptr_t)0x200000000)
#define POOL_BYTES (32 * MIB)
#define ITEM_BYTES_MAX (2 * MIB + 2 * PAGE)

enum { PLAYERS = 3, ITEMS = 14, ITEM_CAPS = 9, VCPUS = 2 };

enum item_kind {
    ITEM_NONE,
    ITEM_RESERVED,
    ITEM_RAM,
    ITEM_BACKED,  /* with memory of the library's */
    ITEM_BROUGHT, /* with the caller's frames */
    ITEM_ADDRESS, /* by physical address */
    ITEM_CREATED,
    ITEM_PAGES, /* vspace_new_pages() and the like: the claim goes with the pages */
    ITEM_CLAIM, /* a range of the vspace's, with pages in it */
};

enum { VALUE_UNKNOWN = -1 };

/* One range of a VM. */
struct item {
    enum item_kind kind;
    bool device;
    bool refuses; /* its memory is discarded for good */
    uintptr_t area;
    uintptr_t base;
    size_t size;
    vm_memory_reservation_t *res;
    reservation_t claim;
    void *view;
    int value; /* all its bytes, or VALUE_UNKNOWN */
    bool marked;
    seL4_CPtr caps[ITEM_CAPS];
    vka_object_t frames[ITEM_CAPS];
    size_t cap_count;
};

struct player {
    vm_t vm;
    bool live;
    bool runs; /* made with vm_init(): it has vcpus */
    bool shared;
    bool has_pool;
    bool has_code;
    bool has_run;
    bool parallel;
    vm_vcpu_t *vcpu[VCPUS];
    unsigned vcpu_count;
    atomic_uint done; /* vcpus that came to the end of their program */
    atomic_uint wrong;
    struct item items[ITEMS];
};

/* Several of these take turns, one environment at a time. */
struct flavour {
    const char *name;
    struct guestmem_host_config config;
    bool roomy; /* nothing is ever short unless a request was made to fail */
    struct guestmem_host_snapshot *first; /* at its very first quiet point */
    struct guestmem_host_counts rest;
};

struct totals {
    uint64_t rounds, quiet, vms, half_built, steps, calls, failed, bursts, read, guest_runs;
};

struct soak {
    uint64_t seed;
    uint64_t random;
    struct guestmem_host *host;
    struct flavour *flavour;
    struct player players[PLAYERS];
    struct player *me;
    bool in_burst;
    bool no_threads;
    struct totals totals;
    uint8_t bytes[ITEM_BYTES_MAX];
};

extern struct soak soak;

/* Numbers below `limit`; true in one of so many cases. */
uint32_t soak_below(uint32_t limit);
bool soak_one_in(uint32_t cases);

/* Ends the run, which has failed: where it stood is printed. main.c */
void soak_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#define SOAK_CHECK(condition)                                       \
    do {                                                            \
        if (!(condition)) {                                         \
            soak_fail("%s:%d: %s", __FILE__, __LINE__, #condition); \
        }                                                           \
    } while (0)

/* ------------------------------------------------------------------------ call.c */

/* Let one of the next requests fail, sometimes. */
void call_arm(void);
/*
 * The call is over: `error` is its answer. It succeeded; or a request of it failed; or memory was
 * short where it may be; else the run has failed. True: it succeeded.
 */
bool call_ended(int error);
bool call_ended_compatible(bool done);
/* The same where somebody else may have what it asked for. */
bool call_may_fail(int error);
bool call_may_fail_compatible(bool done);

/* ------------------------------------------------------------------------- vms.c */

/* One environment of the flavour, up and down. The run has failed if its first quiet point isn't as
 * all others of the flavour. */
void env_up(struct flavour *flavour);
void env_down(void);

/* Bring a VM up. It isn't live afterwards if a request of it failed. */
void vm_up(struct player *player);
void vm_down(struct player *player);

/* All VMs are gone: nothing may be left of them. */
void quiet_check(void);

/* ------------------------------------------------------------- items.c, bring.c, use.c */

struct item *item_free_place(void);
void item_make(struct item *item);
void item_back(struct item *item);
void item_drop(struct item *item);
void item_use(struct item *item);
void policy_choose(struct guestmem_policy *policy);

/* The caller's frames. */
bool bring(struct item *item);
void give_up(struct item *item);
vm_frame_t bring_next(uintptr_t addr, void *item);

memory_fault_result_t soak_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                 void *cookie);

/* ------------------------------------------------------------- guest.c, readers.c */

/* Give the VM vcpus; let them run a program. */
bool guest_up(struct player *player);
void guest_run(struct player *player);

/* Threads that read the VM while the soak changes it, which steps() does. */
void readers_start(void);
void readers_burst(struct player *player, void (*steps)(void));
void readers_stop(void);

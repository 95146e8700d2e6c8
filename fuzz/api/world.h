/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Two VMs, and what a naive model knows of them: every claimed range, every page in it, every byte
 * of every page. Lists without order, searched from end to end.
 *
 *      VM --> areas --> pages   lazy, there (where in physical memory, with which rights), refused,
 * gone |                --> bytes   NULL: all zero
 *         --> pools
 *         --> RAM, cut into regions
 *
 * Which frame sizes the library chooses is its own affair: the model looks them up in the guest's
 * page tables when pages appear, checks what must be so, and holds it against them from then on.
 */
#pragma once

#include <stdio.h>

#include <guestmem/access.h>
#include <guestmem/guestmem.h>
#include <guestmem/host.h>
#include <guestmem/runtime.h>
#include <guestmem/threads.h>
#include <sel4vm/guest_memory.h>
#include <sel4vm/guest_memory_helpers.h>
#include <sel4vm/guest_ram.h>
#include <sel4vm/guest_vm.h>
#include <sel4vmmplatsupport/guest_memory_util.h>

#include "fuzz.h"

#define PAGE ((uintptr_t)4096)
#define MIB ((uintptr_t)1 << 20)
#define GUEST_END ((uintptr_t)1 << 40)
#define DEVICE_BASE ((uintptr_t)0x10000000)
#define DEVICE_BYTES (4 * MIB)
#define RAM_BASE ((uintptr_t)0x80000000)
#define RAM_BYTES (64 * MIB)
#define BACKED_MAX (3 * MIB) /* larger ranges are claimed, but never given memory */

enum { VMS = 2, AREAS = 12, POOLS = 4, REGIONS = 64, GIVEN = 8, STEPS_MAX = 40 };

enum page_state {
    PAGE_LAZY, /* the next use makes it */
    PAGE_THERE,
    PAGE_REFUSED, /* discarded, and not to be made again */
    PAGE_GONE     /* the caller's frame was taken out: nothing makes another one */
};

enum { RIGHT_READ = 1, RIGHT_WRITE = 2 };

struct page {
    unsigned char state;
    unsigned char rights;
    unsigned char size_bits; /* of the frame that it is part of */
    bool unknown;            /* a call that failed may have written to it */
    unsigned char given;     /* of a vspace's page: the number of the caller's frame, from 1 */
    uint64_t paddr;
    uint8_t *bytes;
};

enum source { SOURCE_NONE, SOURCE_ANY, SOURCE_ADDRESS, SOURCE_GIVEN };

struct world;

struct area {
    bool live;
    uintptr_t base;
    size_t size;
    enum guestmem_kind kind; /* EMULATED: claimed, not backed */
    vm_memory_reservation_t *handle;
    struct guestmem_policy policy;
    bool anonymous;
    bool backed;
    bool makes;  /* lazy pages will be made */
    bool device; /* mapped as device memory */
    bool hollow; /* by address, and some was discarded: somebody else may have that by now */
    enum source source;
    uintptr_t paddr; /* SOURCE_ADDRESS: of the first page */
    struct page *page;
    size_t pages;
    void *view;           /* CREATED */
    unsigned char rights; /* with which pages appear */
    vka_object_t given[GIVEN];
    unsigned given_count;
    bool given_cookie[GIVEN]; /* the library knows whose memory it is */
    bool deferred;            /* of the vspace's: rights come with the pages */
    bool automatic;           /* it goes with the last page */
    unsigned fail_at;         /* the iterator's call, from 1, that gives something bad; 0: none */
    unsigned bad;             /* what it gives then */
    unsigned asked;
    unsigned released;
    memory_fault_result_t answer;
    unsigned calls; /* of the fault callback */
};

struct range {
    uintptr_t base;
    size_t size;
};

struct region {
    uintptr_t base;
    size_t size;
    bool allocated;
};

struct player {
    vm_t vm;
    bool live;
    bool shared;
    struct guestmem_policy policy;
    struct area area[AREAS];
    struct range pool[POOLS];
    size_t pool_count;
    struct region region[REGIONS];
    size_t region_count;
    uint64_t faults;
};

/* One call into the library, from choosing whether something fails to judging what it answered. */
struct call {
    bool armed;
    bool may_change; /* a failure may leave views made or given back */
    struct guestmem_host_snapshot *before;
    struct guestmem_host_counts counts;
};

struct world {
    struct guestmem_host *host;
    struct player player[VMS];
    struct player *me; /* whose call it is */
    struct fuzz_input *in;
    struct call call;
    bool boot_frames; /* device memory comes as frames listed at boot, a cap for whoever asks */
    unsigned may;     /* errors of the next call that the model can't tell */
    bool boot_frame;  /* one may have been taken since the allocator failed: see call_end() */
    uint8_t pattern;  /* of the last write: the next one is another */
    const char *said; /* the operation that is under way */
};

extern struct world world;

/* ----------------------------------------------------------------- world.c: bring-up and calls */

/* Once for each kind of environment, as long as the next one is of the same. */
void world_open(bool boot_frames);
void world_begin(struct fuzz_input *input);
void world_end(void);
void player_start(struct player *player);
void player_end(struct player *player);

/* Sets of answers. */
#define ANSWER(error) (1u << -(error))
enum { ANSWER_OK = 1 };
unsigned answer_resources(void);

/* Let a request of what follows fail, sometimes. */
void call_begin(const char *name);
/*
 * Judge the answer. `allowed` holds the errors that the arguments deserve: if there are none it
 * must succeed, unless a request of it failed. A call that failed has changed nothing. True: it
 * succeeded.
 */
bool call_end(int error, unsigned errors);
bool call_end_compatible(bool done, unsigned errors); /* the error is in guestmem_last_failure() */
/* Whether a request failed in the call that ended last. */
bool call_was_struck(void);

/* ----------------------------------------------------------------- areas.c: areas and pages */

struct area *area_new(void); /* NULL: the model is full */
struct area *area_at(uintptr_t gpa);
struct area *area_meeting(uintptr_t base, size_t size);
uintptr_t area_page_base(const struct area *area);
size_t area_page_of(const struct area *area, uintptr_t gpa);
uintptr_t area_last(const struct area *area);
bool area_is_device_page(uintptr_t paddr);
/*
 * Whether these pages can be had by address: what the answer deserves. Who has which page of normal
 * memory isn't the model's to know: world.may then.
 */
unsigned expect_paddr(uintptr_t paddr, size_t pages);
bool area_may_lack(const struct area *area);

/* It is backed now: all its pages are lazy, or there. */
void area_back(struct area *area, enum source source, bool lazy);
/* Look at the guest's tables. `may`: lazy pages may have appeared. */
void area_scan(struct area *area, bool may);
void area_scan_all(bool may);
/* After freeing: nothing of it may be left in the tables. */
void area_drop(struct area *area);

/* All pages of [base, base + size) are there, and so are those that a use made. */
void pages_used(uintptr_t base, size_t size);
struct page *page_at(uintptr_t gpa);

/* The model's bytes of a range, all of whose pages are there. */
void bytes_get(uintptr_t gpa, uint8_t *to, size_t size);
void bytes_set(uintptr_t gpa, const uint8_t *from, size_t size);
void bytes_forget(uintptr_t gpa, size_t size);
/* Compare with what the guest would read. */
void area_check_bytes(const struct area *area);

/* No physical page is in two places. */
void world_check_owners(void);

/* -------------------------------------------------------------- expect.c: what calls should answer
 */

unsigned expect_range(uintptr_t base, size_t size);
unsigned expect_claim(uintptr_t base, size_t size);
unsigned expect_claim_backed(uintptr_t base, size_t size); /* and backed by the same call */
unsigned expect_alone(const struct area *area);
unsigned expect_use(uintptr_t base, size_t size, bool devices);
bool pool_fit(size_t size, size_t align, uintptr_t *base);
bool pool_is_free(uintptr_t base, size_t size);

void regions_add(uintptr_t base, size_t size);
void regions_remove(uintptr_t base, size_t size);
void regions_mark(uintptr_t base, size_t size, bool allocated);
bool regions_cover(uintptr_t base, size_t size);
bool regions_cover_kind(uintptr_t base, size_t size, bool allocated);
void regions_check(void);

/* ---------------------------------------------------------------------------- choices */

struct range choose_range(void);
struct area *choose_area(void);
seL4_CapRights_t choose_rights(unsigned *rights);

/* ------------------------------------------------------------------------- operations, by file */

void op_reserve(void);
void op_reserve_anon(void);
void op_make_anon(void);
void op_free(void);
void op_destroy(void);
void op_region(void);
void op_policy(void);
void op_area_policy(void);
void op_walk(void);
void op_again(void);

void op_back(void);
void op_given(void);
void op_create(void);
void op_create_device(void);
void op_created_destroy(void);
void op_populate(void);
void op_rights(void);
void op_fault(void);

void op_ram(void);
void op_ram_given(void);
void op_touch(void);
void op_mark(void);
void op_allocate(void);
void op_largest(void);
void op_discard(void);

void op_vspace_reserve(void);
void op_vspace_free(void);
void op_vspace_pages(void);
void op_vspace_anywhere(void);
void op_vspace_unmap(void);
void op_vspace_look(void);
void op_vspace_share(void);

void op_read(void);
void op_write(void);
void op_fill(void);
void op_copy(void);
void op_load(void);
void op_store(void);
void op_span(void);
void op_iovec(void);
void op_physical(void);

/* Bring frames for an area, and give them up. */
bool given_take(struct area *area, unsigned count);
void given_drop(struct area *area);
vm_frame_t given_next(uintptr_t addr, void *cookie);
void given_release(vm_t *vm, seL4_CPtr frame, size_t size_bits, void *cookie);
memory_fault_result_t note_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t length,
                                 void *cookie);

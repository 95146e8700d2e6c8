/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Hostile guests: two VMs, whose guests are random programs and whose VMM changes their memory
 * under them. See README.md.
 *
 * What makes a leak certain to be seen: guests only move data, with bytes of their own alphabet,
 * which is closed under all that the programs do (moves of any width, and, or, exclusive or, minima
 * and maxima). Anything else in a data register or in guest memory is somebody else's:
 *
 *             made of the bits   fills its memory   fills its read-only memory
 *      VM 0   80 | 40 | 23            A3                     63
 *      VM 1   80 | 40 | 06            86                     46
 *      what is freed, discarded, hidden or the VMM's: 82, which is in nobody's alphabet
 *
 * No word of such bytes is an instruction, so a guest that runs its data gets an exception.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestmem/access.h>
#include <guestmem/guestmem.h>
#include <guestmem/host.h>
#include <guestmem/host_vm.h>
#include <sel4vm/arch/guest_arm_context.h>
#include <sel4vm/boot.h>
#include <sel4vm/guest_ram.h>
#include <sel4vm/guest_vcpu_fault.h>
#include <vka/object.h>

#include "count.h"

enum {
    PLAYERS = 2,
    VCPUS = 2,
    PAGE = 4096,
    HOME_PAGES = 16,
    SLOT_PAGES = 4,
    SLOT_BYTES = SLOT_PAGES * PAGE,
    SMALL_SLOTS = 20,
    LARGE_SLOTS = 3,
    SLOTS = SMALL_SLOTS + LARGE_SLOTS,
    PROGRAM_MAX = 96, /* instructions of a program's body */
    CODE_MAX = 160,
    POISON = 0x82,
    BLOCKS_MAX = 600, /* of guest code, for each program */
    FAULTS_MAX = 60,  /* that get an answer, of a program */
};

/*
 *   HOME   pages 0: vectors; 1, 2: code of vcpu 0 and 1; 3..12: their tables; 15: their vector
 *          registers, and some data, whose neighbours are the arena and pages 13 and 14
 *   ARENA  slots of 16 KiB, neighbours without gaps: each is something else, and changes
 *   LARGE  slots of 2 MiB
 */
#define HOME UINT64_C(0x40000000)
#define HOME_CODE(v) (HOME + PAGE + (v) * (uint64_t)PAGE)
#define HOME_TABLES(v) (HOME + 3 * PAGE + (v) * (uint64_t)5 * PAGE)
#define HOME_DUMP (HOME + 15 * PAGE)
#define ARENA (HOME + HOME_PAGES * PAGE)
#define ARENA_END (ARENA + (uint64_t)SMALL_SLOTS * SLOT_BYTES)
#define LARGE UINT64_C(0x40200000)
#define LARGE_BYTES UINT64_C(0x200000)
#define LARGE_END (LARGE + LARGE_SLOTS * LARGE_BYTES)
#define POOL UINT64_C(0x41000000)
#define POOL_BYTES UINT64_C(0x20000)
#define DEVICE_PADDR UINT64_C(0x09000000)
#define DEVICE_BYTES UINT64_C(0x40000)
#define DEVICE_RAM_PADDR UINT64_C(0x0a000000)

/* What a slot is. */
enum kind {
    KIND_HOLE,
    KIND_RAM,
    KIND_LAZY,
    KIND_MAPPED,   /* a reservation with frames, not RAM */
    KIND_ROM,      /* read-only frames */
    KIND_HIDDEN,   /* frames without rights */
    KIND_PAGES,    /* create_allocated_reservation_frame() for each page */
    KIND_LENT,     /* the VMM's own frames */
    KIND_ITERATED, /* the same, each asked for at the first access */
    KIND_ANY,      /* map_maybe_device_reservation() */
    KIND_DEVICE,   /* a device's frames */
    KIND_EMULATED, /* several reservations on the same pages, with odd ends, and nothing behind */
    KIND_ANON,     /* RAM in the pool, instead of in the arena */
    KINDS
};

enum { PARTS = 4 };

struct slot {
    struct player *player;
    unsigned number;
    enum kind kind;
    uint64_t base;
    uint64_t size;
    vm_memory_reservation_t *parts[PARTS]; /* one but of KIND_PAGES and KIND_EMULATED */
    unsigned inside;                       /* its callbacks that run */
    unsigned read_only;                    /* pages of KIND_PAGES that are, a bit each */
    bool ram;                              /* registered as such, whatever its rights are now */
};

/* One instruction of a body, as far as faults of it can be foretold. */
struct expectation {
    bool known;
    bool load;
    bool store;
    uint8_t element; /* bytes */
    uint8_t total;
    uint8_t rt[2];
    bool vector;
    uint8_t base; /* register; 31: not foretold; 32: the pc */
    uint8_t index;
    uint8_t shift;
    int32_t offset;
};

struct program {
    uint32_t code[CODE_MAX];
    struct expectation expected[CODE_MAX];
    unsigned count;
    unsigned end; /* index of the instruction that ends it */
    bool plain;   /* each fault is foretold: no instruction that can't be, and the MMU is off */
    bool mmu;
    seL4_UserContext context;
    uint64_t vbar;
};

struct player {
    vm_t vm;
    unsigned number;
    bool alive;
    vm_vcpu_t *vcpu[VCPUS];
    unsigned vcpu_count;
    bool done[VCPUS];
    unsigned pending; /* vcpus whose access is answered later, a bit each */
    struct program program[VCPUS];
    struct slot slots[SLOTS];
    vka_object_t lent[SMALL_SLOTS * SLOT_PAGES];
    vka_object_t foreign; /* the VMM's, full of poison */
    bool has_foreign;
    int blocks_left;
    bool over; /* all its blocks are used */
    unsigned faults;
    bool running;
};

struct world {
    struct guestmem_host *host;
    struct guestmem_host_snapshot *before;
    struct guestmem_host_counts counts;
    unsigned descriptors;
    struct player players[PLAYERS];
    uint64_t seed;
    uint64_t number; /* of the run, in its world */
    uint64_t programs;
    uint64_t state;   /* of the random numbers */
    unsigned depth;   /* VMs that run inside each other's callbacks */
    bool look_always; /* at all memory after each program */
    bool verbose;
};

extern struct world world;

/* ---- main.c */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define CHECK(condition, ...)  \
    do {                       \
        if (!(condition)) {    \
            fail(__VA_ARGS__); \
        }                      \
    } while (0)

/* ---- random.c: all of it comes from world.state */
uint64_t random_word(void);
unsigned random_below(unsigned limit);
bool one_in(unsigned n);
void random_start(uint64_t seed, uint64_t number);
uint64_t random_data(const struct player *player); /* of its alphabet */

/* ---- look.c: who owns which byte */
uint8_t fill_byte(const struct player *player);
uint8_t rom_byte(const struct player *player);
bool is_own(const struct player *player, uint64_t word);
bool all_own(const struct player *player, const void *bytes, size_t size, size_t *at);
bool all_are(const void *bytes, size_t size, uint8_t byte);
void *page_bytes(const struct player *player, uint64_t gpa); /* NULL: not mapped */
void paint(const struct player *player, uint64_t base, uint64_t size, uint8_t byte);
void look_at_registers(struct player *player, unsigned vcpu);
void look_at_memory(struct player *player, bool large);
void look_at_home(struct player *player);

/* ---- world.c */
void world_begin(void);
void world_end(void);

/* ---- slots.c */
extern const char *const kind_names[KINDS];
struct slot *slot_at(struct player *player, uint64_t gpa);
bool slot_make(struct slot *slot, enum kind kind);
bool slot_free(struct slot *slot);
bool slot_page_again(struct slot *slot);
enum kind slot_kind_at(const struct slot *slot, uint64_t gpa);
bool slot_has_frames(const struct slot *slot);
void slot_paint(const struct slot *slot);
bool slot_restrict(struct slot *slot, enum kind kind);
void slots_start(struct player *player);
void *frame_bytes(const vka_object_t *frame);
void slots_give_lent(struct player *player);

/* ---- changes.c: one change by the VMM to the memory of some VM */
void change_something(struct player *player);

/* ---- answers.c: callbacks */
memory_fault_result_t on_fault(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size, void *slot);
memory_fault_result_t on_unhandled(vm_t *vm, vm_vcpu_t *vcpu, uintptr_t addr, size_t size,
                                   void *player);
void on_seen(vm_t *vm, const struct guestmem_host_vm_fault *fault, void *player);
int on_trap(vm_vcpu_t *vcpu, uint32_t hsr, void *player);
int on_smc(vm_vcpu_t *vcpu, seL4_UserContext *regs);
int on_notification(vm_t *vm, seL4_Word badge, seL4_MessageInfo_t tag, void *player);

/* ---- program.c, tables.c */
void program_make(struct player *player, unsigned vcpu);
uint64_t random_address(void);
void tables_make(struct player *player, unsigned vcpu);

/* ---- run.c */
void player_run(struct player *player);
struct player *player_of(const vm_t *vm);

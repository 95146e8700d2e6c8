/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The model of seL4's memory objects: what its files share, and what host/env builds on.
 *
 *   slot [ cap | prev | next ]     a CNode is an array of slots
 *          |      \______\____     the derivation tree, flattened: every cap in one list, a parent
 *          |                       before its children (see tree.c)
 *          v
 *   physical memory (memfd): page tables, roots and ASID pools lie in it at their objects'
 *   addresses, as in the kernel; frames are plain memory; a CNode's first 8 bytes point to its
 *   slots.
 *
 * The rules are those of the kernel's manual and sources (16.0.0-dev, AArch64 with hypervisor
 * support, not MCS). Where this file says "asks", an invocation's caller is meant.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sel4/sel4.h>

enum k_cap_type {
    K_NULL,
    K_UNTYPED,
    K_ENDPOINT,
    K_NOTIFICATION,
    K_CNODE,
    K_THREAD,
    K_IRQ_CONTROL,
    K_DOMAIN,
    K_FRAME,
    K_TABLE,
    K_VSPACE,
    K_ASID_CONTROL,
    K_ASID_POOL,
    K_VCPU,
    K_ZOMBIE /* what is left of a CNode or a thread while it is deleted: see delete.c */
};

/* Rights of a cap, numbered as in seL4_CapRights_t. */
enum { K_WRITE = 1, K_READ = 2, K_GRANT = 4, K_GRANT_REPLY = 8 };

/* A slot's place in the derivation tree. */
enum { K_REVOCABLE = 1, K_FIRST_BADGED = 2 };

struct k_cap {
    uint64_t base; /* the object's physical address */
    uint64_t data; /* untyped: bytes handed out; frame and table: mapped address; endpoint and
                      notification: badge; CNode: guard; ASID pool: its first ASID; zombie: slots
                      that may still hold caps */
    uint16_t asid; /* frame, table, VSpace: the space; a frame is mapped if it is not 0 */
    uint8_t type;
    uint8_t bits; /* size 2^bits bytes; CNode: 2^bits slots */
    uint8_t rights;
    uint8_t guard_bits;
    bool device : 1;
    bool mapped : 1; /* table, VSpace */
    uint8_t tree;    /* the slot's, not the cap's: K_REVOCABLE, K_FIRST_BADGED */
};

struct k_slot {
    struct k_cap cap;
    struct k_slot *prev, *next;
};

struct k_region {
    uint64_t base, bytes;
    uint64_t offset; /* in the memfd */
    bool device;
};

struct k_counts {
    uint64_t frames[3]; /* 4K, 2M, 1G */
    uint64_t tables, untypeds, others;
    uint64_t invocations, maps, unmaps, retypes, copies, deletes;
};

struct k_watch {
    struct k_watch *next;
    uint16_t asid;
    void (*fn)(void *cookie, uint64_t gpa, uint64_t bytes);
    void *cookie;
};

/* What the model asks of the environment around it. */
struct k_hooks {
    bool (*refuse)(const char *step); /* shall this invocation fail? */
    /* a frame leaves the VMM's own space by its cap's doing */
    void (*vmm_unmap)(uint64_t vaddr, unsigned bits);
};

enum {
    K_ASID_POOL_BITS = 9,
    K_ASID_POOLS = 128,
    K_VMM_ASID = 1, /* the root task's own space */
    K_REGIONS_MAX = 64
};

/* Objects that exist from the start have no place in physical memory; these stand for one. */
#define K_BOOT_CNODE (UINT64_C(1) << 62)
#define K_BOOT_VSPACE (UINT64_C(2) << 62)
#define K_BOOT_POOL (UINT64_C(3) << 62)
#define K_BOOT_THREAD (K_BOOT_POOL + 0x10000)
#define K_BOOT_ENDPOINT (K_BOOT_POOL + 0x20000)

struct kernel {
    int memfd;
    uint8_t *linear; /* all of the memfd */
    uint64_t linear_bytes;
    struct k_region regions[K_REGIONS_MAX]; /* the first is normal memory */
    unsigned region_count;
    uint64_t *dirty; /* normal memory: a bit a page that may differ from zero */

    unsigned levels, root_index_bits;
    uint64_t user_top; /* last address of a space */
    unsigned fan_out;

    struct k_slot *root; /* the root CNode's slots */
    unsigned root_bits;
    uint64_t root_high;    /* no slot from here on was ever used */
    struct k_slot *cnodes; /* slots of other CNodes and of threads: all of them, */
    struct k_slot *ended;  /* and those that ended in this invocation (see cnode.c) */
    uint64_t *boot_root;
    uint64_t *boot_pool;
    uint64_t pools[K_ASID_POOLS]; /* base of each ASID pool in use, 0: none */

    struct k_watch *watches;
    struct k_hooks hooks;
    struct k_counts counts;
};

/* The kernel of this process, or NULL. */
extern struct kernel *k_current;

struct k_config {
    const struct k_region *regions; /* base, bytes, device; the first is the normal memory */
    unsigned region_count;
    unsigned cnode_bits, fan_out, pa_bits;
    struct k_hooks hooks;
};

/* ---- alone.c: one thread at a time ---- */

/* From here to the end of the block no other thread is in the model or the environment. They nest.
 * First among a function's declarations. */
#define K_ALONE __attribute__((cleanup(k_leave), unused)) const int alone = k_enter()
int k_enter(void);
void k_leave(const int *unused);

/* ---- kernel.c ---- */
int k_create(const struct k_config *config, struct kernel **kernel); /* 0 or -errno */
void k_destroy(struct kernel *kernel);
void k_boot_cap(struct kernel *kernel, seL4_CPtr slot, struct k_cap cap);

/* ---- memory.c: physical memory ---- */
int k_memory_open(struct kernel *kernel);
void k_memory_close(struct kernel *kernel);
const struct k_region *k_region_of(const struct kernel *kernel, uint64_t paddr, uint64_t bytes);
void *k_phys(const struct kernel *kernel, uint64_t paddr); /* within a region */
void k_memory_touched(struct kernel *kernel, uint64_t paddr, uint64_t bytes);
void k_memory_clear(struct kernel *kernel, uint64_t paddr, uint64_t bytes);

/* ---- answer.c: an invocation's answer, with its extra words ---- */
seL4_Error k_invalid_argument(seL4_Word number);
seL4_Error k_invalid_capability(seL4_Word number);
seL4_Error k_range_error(seL4_Word min, seL4_Word max);
seL4_Error k_not_enough_memory(seL4_Word left);
seL4_Error k_invalid_root(bool source);
seL4_Error k_missing_capability(bool source, seL4_Word bits_left);
seL4_Error k_depth_mismatch(bool source, seL4_Word bits_left, seL4_Word bits_found);
seL4_Error k_guard_mismatch(bool source, seL4_Word bits_left, seL4_Word guard, seL4_Word found);

/* Start of every invocation: the slot of the invoked cap; or NULL, with the answer. `step` is what
 * an injected failure is called; NULL for what never fails. */
struct k_slot *k_invoke(seL4_CPtr service, enum k_cap_type type, const char *step,
                        seL4_Error *answer);
/* A further cap that an invocation takes. */
struct k_slot *k_argument(seL4_CPtr cptr, seL4_Error *answer);

/* ---- cap.c: caps as values ---- */
unsigned k_object_bits(const struct kernel *kernel, seL4_Word type, seL4_Word user_bits);
unsigned k_cap_size_bits(const struct k_cap *cap);
bool k_same_region(const struct k_cap *a, const struct k_cap *b);
bool k_same_object(const struct k_cap *a, const struct k_cap *b);
struct k_cap k_masked(struct k_cap cap, seL4_CapRights_t rights);
unsigned k_frame_rights(unsigned rights, seL4_CapRights_t mask);
struct k_cap k_with_data(struct k_cap cap, bool preserve, seL4_Word data); /* K_NULL: not allowed */
seL4_Error k_derive(const struct k_slot *slot, struct k_cap *cap);

/* ---- tree.c: slots and the derivation tree ---- */
bool k_is_parent(const struct k_slot *a, const struct k_slot *b);
bool k_has_children(const struct k_slot *slot);
bool k_is_final(const struct k_slot *slot);
void k_insert_child(struct k_slot *parent, struct k_slot *slot, struct k_cap cap);
void k_insert_copy(struct k_slot *from, struct k_slot *to, struct k_cap cap);
void k_move(struct k_slot *from, struct k_slot *to, struct k_cap cap);
void k_swap(struct k_slot *a, struct k_cap a_cap, struct k_slot *b, struct k_cap b_cap);
void k_clear(struct k_slot *slot);

/* ---- delete.c ---- */
void k_delete(struct kernel *kernel, struct k_slot *slot);
void k_revoke(struct kernel *kernel, struct k_slot *slot);

/* ---- cnode.c ---- */
/* Of a CNode; of a thread too, which has one slot here: none of its caps matter to memory. */
struct k_slot *k_cnode_slots(const struct kernel *kernel, const struct k_cap *cnode);
bool k_cnode_create(struct kernel *kernel, uint64_t base, unsigned radix);
void k_cnode_end(struct kernel *kernel, uint64_t base); /* its slots are empty */
void k_cnode_free_ended(struct kernel *kernel);         /* at an invocation's end */
void k_cnode_free_all(struct kernel *kernel);           /* at the kernel's */
seL4_Error k_lookup(struct kernel *kernel, const struct k_cap *root, seL4_Word index,
                    seL4_Word depth, bool source, struct k_slot **slot);
void k_slot_used(struct kernel *kernel, const struct k_slot *slot);

/* ---- objects.c: what making and ending an object does ---- */
void k_object_created(struct kernel *kernel, const struct k_cap *cap, int by);
/* What is left of the cap: nothing, or a zombie. */
struct k_cap k_finalise(struct kernel *kernel, const struct k_cap *cap, bool final);

/* ---- table.c: the tables of a space ---- */
enum {
    K_PTE_VALID = 1,
    K_PTE_TABLE = 2,
    K_PTE_READ = 4,
    K_PTE_WRITE = 8,
    K_PTE_CACHED = 16,
    K_PTE_NO_EXECUTE = 32
};
#define K_PTE_ADDRESS (~UINT64_C(0xfff))

struct k_walk {
    uint64_t *entry;
    unsigned bits; /* an entry here covers 2^bits bytes */
};
uint64_t *k_table(const struct kernel *kernel, uint64_t base);
unsigned k_root_bits(const struct kernel *kernel);
struct k_walk k_walk(const struct kernel *kernel, uint64_t root, uint64_t vaddr);
void k_table_unlink(struct kernel *kernel, const struct k_cap *table);

/* ---- frame.c ---- */
void k_frame_unlink(struct kernel *kernel, const struct k_cap *frame);
/* The VMM's own space has no tables here: the environment maps the memory, the cap says so. */
seL4_Error k_frame_map_vmm(struct kernel *kernel, seL4_CPtr frame, uint64_t vaddr, bool write);
void k_frame_unmap_vmm(struct kernel *kernel, seL4_CPtr frame, uint64_t vaddr);

/* ---- asid.c ---- */
bool k_asid_find(const struct kernel *kernel, unsigned asid, uint64_t *root);
void k_asid_delete(struct kernel *kernel, unsigned asid, uint64_t root);
void k_asid_delete_pool(struct kernel *kernel, const struct k_cap *pool);
/* The root that a cap names for a mapping, or the answer (argument number 1). */
seL4_Error k_space(struct kernel *kernel, const struct k_slot *slot, uint64_t *root);
void k_invalidate(struct kernel *kernel, unsigned asid, uint64_t vaddr, uint64_t bytes);
void k_watch_end(struct kernel *kernel, unsigned asid);

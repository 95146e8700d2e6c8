/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Sequences written at random. Most invocations get caps of the kind they want and addresses close
 * together, so that what one step leaves behind matters to the next; one in eight gets anything.
 * No endpoint is made: calling one would block.
 *
 *      s+0 .. s+31     slots of the root CNode        s+10/0:4 .. s+10/15:4    of a CNode in s+10
 */
#include <stdio.h>
#include <string.h>

#include "model.h"

enum kind { NONE, UNTYPED, PAGE, LARGE, HUGE, TABLE, SPACE, CNODE, THREAD };

enum { ROOT_SLOTS = 32, CNODE_SLOT = 10, CNODE_SLOTS = 16, ANY = MODEL_RANDOM_SLOTS };

enum verb {
    RETYPE,
    COPY,
    MINT,
    MOVE,
    MUTATE,
    ROTATE,
    DELETE,
    REVOKE,
    MAP,
    UNMAP,
    ADDRESS,
    TABLE_MAP,
    UNTABLE,
    ASSIGN,
    CACHE,
    VERB_COUNT,
    NO_VERB
};

static unsigned long next_random(struct model_random *random)
{
    unsigned long x;

    random->state += 0x9e3779b97f4a7c15ul;
    x = random->state;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
    return x ^ (x >> 31);
}

/* One draw a statement, never two in one expression: their order would be the compiler's choice. */
static unsigned below(struct model_random *random, unsigned bound)
{
    return (unsigned)((next_random(random) >> 16) % bound);
}

/* A slot below `bound` that holds `kind`; any slot if there is none, and now and then. */
static unsigned pick(struct model_random *random, enum kind kind, unsigned bound)
{
    unsigned start = below(random, bound);

    if (below(random, 8) == 0) {
        return start;
    }
    for (unsigned k = 0; k < bound; k++) {
        unsigned slot = (start + k) % bound;

        if (random->kind[slot] == kind) {
            return slot;
        }
    }
    return start;
}

static enum kind pick_frame(struct model_random *random)
{
    static const unsigned char frames[] = {PAGE, PAGE, PAGE, LARGE, LARGE, HUGE};

    return frames[below(random, sizeof(frames))];
}

/* A slot that isn't empty, of any kind. */
static unsigned pick_full(struct model_random *random, unsigned bound)
{
    unsigned start = below(random, bound);

    for (unsigned k = 0; k < bound; k++) {
        if (random->kind[(start + k) % bound] != NONE) {
            return (start + k) % bound;
        }
    }
    return start;
}

static void put_slot(char *text, size_t bytes, unsigned slot)
{
    if (slot < ROOT_SLOTS) {
        snprintf(text, bytes, "s+%u", slot);
    } else {
        snprintf(text, bytes, "s+%u/%u:4", CNODE_SLOT, slot - ROOT_SLOTS);
    }
}

static unsigned long pick_address(struct model_random *random, enum kind kind)
{
    static const unsigned long bases[] = {0x40000000, 0x40000000, 0x40000000, 0, 0xffc0000000};
    unsigned long address = bases[below(random, 5)];

    if (kind != HUGE) {
        address += below(random, 3) * 0x200000ul;
    }
    if (kind != HUGE && kind != LARGE) {
        address += below(random, 4) * 0x1000ul;
    }
    switch (below(random, 24)) {
    case 0:
        return address + 0x800;
    case 1:
        return address + (1ul << 40);
    case 2:
        return address + 0x3000;
    default:
        return address;
    }
}

static const char *pick_rights(struct model_random *random)
{
    static const char *const rights[] = {"rw", "rw", "rwgp", "r", "w", "-"};

    return rights[below(random, sizeof(rights) / sizeof(rights[0]))];
}

static void write_retype(struct model_random *random, char *line, size_t bytes)
{
    static const struct {
        const char *word;
        unsigned char kind;
        unsigned char bits, spread;
    } types[] = {
        {"untyped", UNTYPED, 4, 20}, {"untyped", UNTYPED, 12, 11}, {"page", PAGE, 0, 1},
        {"page", PAGE, 0, 1},        {"large", LARGE, 0, 1},       {"huge", HUGE, 0, 1},
        {"table", TABLE, 0, 1},      {"table", TABLE, 0, 1},       {"space", SPACE, 0, 1},
        {"cnode", CNODE, 1, 6},      {"cnode", CNODE, 4, 1},       {"tcb", THREAD, 0, 1},
    };
    unsigned type = below(random, sizeof(types) / sizeof(types[0]));
    unsigned source = below(random, 10);
    char from[24];

    random->last.kind = types[type].kind;
    random->last.to = pick(random, NONE, ROOT_SLOTS);
    random->last.count = 1 + below(random, 3);
    if (random->last.to + random->last.count > ROOT_SLOTS) {
        random->last.count = 1;
    }
    if (source < 5) {
        snprintf(from, sizeof(from), "N");
    } else if (source < 7) {
        snprintf(from, sizeof(from), "D");
    } else {
        put_slot(from, sizeof(from), pick(random, UNTYPED, ROOT_SLOTS));
    }
    snprintf(line, bytes, "retype %s %s %u s+%u x%u", from, types[type].word,
             types[type].bits + below(random, types[type].spread), random->last.to,
             random->last.count);
}

static void write_copy(struct model_random *random, char *line, size_t bytes)
{
    char from[24], to[24];

    random->last.from = pick_full(random, ANY);
    random->last.kind = random->kind[random->last.from];
    random->last.to = pick(random, NONE, ANY);
    random->last.count = 1;
    put_slot(from, sizeof(from), random->last.from);
    put_slot(to, sizeof(to), random->last.to);
    if (random->last.verb == COPY) {
        snprintf(line, bytes, "copy %s %s %s", from, to, pick_rights(random));
    } else if (random->last.verb == MINT) {
        snprintf(line, bytes, "mint %s %s %s 0", from, to, pick_rights(random));
    } else {
        snprintf(line, bytes, random->last.verb == MOVE ? "move %s %s" : "mutate %s %s 0", from,
                 to);
    }
}

static void write_rotate(struct model_random *random, char *line, size_t bytes)
{
    char from[24], pivot[24], to[24];

    random->last.from = pick_full(random, ANY);
    random->last.pivot = pick_full(random, ANY);
    random->last.to = below(random, 4) == 0 ? random->last.from : pick(random, NONE, ANY);
    put_slot(from, sizeof(from), random->last.from);
    put_slot(pivot, sizeof(pivot), random->last.pivot);
    put_slot(to, sizeof(to), random->last.to);
    snprintf(line, bytes, "rotate %s %s %s 0 0", from, pivot, to);
}

static void write_delete(struct model_random *random, char *line, size_t bytes)
{
    char slot[24];

    random->last.from = pick_full(random, ANY);
    put_slot(slot, sizeof(slot), random->last.from);
    snprintf(line, bytes, "%s %s", random->last.verb == DELETE ? "delete" : "revoke", slot);
}

static void write_map(struct model_random *random, char *line, size_t bytes)
{
    enum kind kind = pick_frame(random);
    unsigned frame = pick(random, kind, ROOT_SLOTS);
    unsigned space = pick(random, SPACE, ROOT_SLOTS);
    unsigned long address = pick_address(random, kind);
    const char *rights = pick_rights(random);
    const char *device = below(random, 4) == 0 ? " device" : "";

    random->last.from = frame;
    snprintf(line, bytes, "map s+%u s+%u 0x%lx %s%s", frame, space, address, rights, device);
}

static void write_table(struct model_random *random, char *line, size_t bytes)
{
    unsigned table = pick(random, TABLE, ROOT_SLOTS);
    unsigned space = pick(random, SPACE, ROOT_SLOTS);

    random->last.from = table;
    snprintf(line, bytes, "table s+%u s+%u 0x%lx", table, space, pick_address(random, PAGE));
}

static void write_one_cap(struct model_random *random, char *line, size_t bytes)
{
    static const char *const words[VERB_COUNT] = {
        [UNMAP] = "unmap", [ADDRESS] = "address", [UNTABLE] = "untable", [ASSIGN] = "assign A"};
    int verb = random->last.verb;
    enum kind kind = verb == UNTABLE ? TABLE : verb == ASSIGN ? SPACE : pick_frame(random);

    random->last.from = pick(random, kind, ROOT_SLOTS);
    snprintf(line, bytes, "%s s+%u", words[verb], random->last.from);
}

static void write_cache(struct model_random *random, char *line, size_t bytes)
{
    static const char *const words[] = {"clean", "invalidate", "both", "unify"};
    const char *word = words[below(random, 4)];
    unsigned start = below(random, 3) * 0x800;
    unsigned end = below(random, 4) * 0x800;

    random->last.from = pick(random, PAGE, ROOT_SLOTS);
    snprintf(line, bytes, "cache %s s+%u 0x%x 0x%x", word, random->last.from, start, end);
}

static enum verb pick_verb(struct model_random *random)
{
    static const unsigned char weight[VERB_COUNT] = {
        [RETYPE] = 18, [COPY] = 10,      [MINT] = 3,    [MOVE] = 4,   [MUTATE] = 2,
        [ROTATE] = 2,  [DELETE] = 10,    [REVOKE] = 3,  [MAP] = 22,   [UNMAP] = 9,
        [ADDRESS] = 6, [TABLE_MAP] = 12, [UNTABLE] = 6, [ASSIGN] = 3, [CACHE] = 2,
    };
    unsigned total = 0;
    unsigned at;

    for (unsigned k = 0; k < VERB_COUNT; k++) {
        total += weight[k];
    }
    at = below(random, total);
    for (unsigned k = 0;; k++) {
        if (at < weight[k]) {
            return (enum verb)k;
        }
        at -= weight[k];
    }
}

/* What every random sequence begins with: a space and something to put into it. */
static const struct {
    const char *line;
    enum kind kind;
    unsigned to, count;
} prologue[] = {
    {"slots s 32", NONE, 0, 0},
    {"retype N space 0 s", SPACE, 0, 1},
    {"assign A s", NONE, 0, 0},
    {"retype N table 0 s+1 x4", TABLE, 1, 4},
    {"retype N page 0 s+5 x3", PAGE, 5, 3},
    {"retype N large 0 s+8 x2", LARGE, 8, 2},
    {"retype N cnode 4 s+10", CNODE, CNODE_SLOT, 1},
};

enum { PROLOGUE_LINES = sizeof(prologue) / sizeof(prologue[0]) };

void model_random_begin(struct model_random *random, unsigned sequence)
{
    memset(random, 0, sizeof(*random));
    random->state = 0x67756573746d656dul + sequence;
}

static void write_prologue(struct model_random *random, char *line, size_t bytes)
{
    random->last.verb = prologue[random->step].kind == NONE ? NO_VERB : RETYPE;
    random->last.kind = prologue[random->step].kind;
    random->last.to = prologue[random->step].to;
    random->last.count = prologue[random->step].count;
    snprintf(line, bytes, "%s", prologue[random->step].line);
}

bool model_random_line(struct model_random *random, char *line, size_t bytes)
{
    static void (*const write[VERB_COUNT])(struct model_random *, char *, size_t) = {
        [RETYPE] = write_retype,   [COPY] = write_copy,       [MINT] = write_copy,
        [MOVE] = write_copy,       [MUTATE] = write_copy,     [ROTATE] = write_rotate,
        [DELETE] = write_delete,   [REVOKE] = write_delete,   [MAP] = write_map,
        [UNMAP] = write_one_cap,   [ADDRESS] = write_one_cap, [TABLE_MAP] = write_table,
        [UNTABLE] = write_one_cap, [ASSIGN] = write_one_cap,  [CACHE] = write_cache,
    };

    if (random->step == PROLOGUE_LINES + MODEL_RANDOM_STEPS) {
        return false;
    }
    if (random->step < PROLOGUE_LINES) {
        write_prologue(random, line, bytes);
    } else {
        random->last.verb = (int)pick_verb(random);
        write[random->last.verb](random, line, bytes);
    }
    random->step++;
    return true;
}

static void learn_success(struct model_random *random)
{
    unsigned char *kind = random->kind;

    switch (random->last.verb) {
    case ROTATE: {
        unsigned char moved = kind[random->last.from];

        kind[random->last.from] = NONE;
        kind[random->last.to] = kind[random->last.pivot];
        kind[random->last.pivot] = moved;
        break;
    }
    case MUTATE:
    case MOVE:
        kind[random->last.from] = NONE;
        __attribute__((fallthrough));
    case RETYPE:
    case COPY:
    case MINT:
        for (unsigned k = 0; k < random->last.count; k++) {
            kind[random->last.to + k] = (unsigned char)random->last.kind;
        }
        break;
    case DELETE:
        kind[random->last.from] = NONE;
        break;
    default:
        break;
    }
}

void model_random_learn(struct model_random *random, const struct model_answer *answer)
{
    int verb = random->last.verb;

    if (answer->error == 0) {
        learn_success(random);
    } else if (answer->error == seL4_InvalidCapability && answer->words[0] == 0 &&
               (verb == MAP || verb == UNMAP || verb == ADDRESS || verb == UNTABLE)) {
        random->kind[random->last.from] = NONE; /* a revoke took it */
    } else if (answer->error == seL4_FailedLookup && answer->words[0] == 1 &&
               (verb == COPY || verb == MINT || verb == MOVE || verb == MUTATE)) {
        random->kind[random->last.from] = NONE;
    }
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Target (c): sequences of invocations on the model of the kernel, with the invariants checked
 * after each. A sequence is written in the language of tests/model, so that one that fails can be
 * read, and asked of the kernel: the lines are printed.
 *
 * FUZZ_PA_BITS=44 in the environment: on a kernel with 44 bits of physical address, instead of 40.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utils/util.h>

#include "fuzz.h"
#include "invariants.h"
#include "port_host.h"

enum { SLOTS = 24, NODE = 10, STEPS_MAX = 48, LINES_BYTES = (STEPS_MAX + 16) * MODEL_LINE_MAX };

static struct model_world model;
static struct model_port port;
static struct fuzz_input *in;
static char lines[LINES_BYTES];
static size_t lines_length;

static void tell(void)
{
    fprintf(stderr, "= fuzz\n%s", lines);
}

static int ask(const char *line)
{
    struct model_answer answer = {0};

    lines_length +=
        (size_t)snprintf(lines + lines_length, sizeof(lines) - lines_length, "%s\n", line);
    return model_step(&model, line, &answer) ? answer.error : 0;
}

/* --------------------------------------------------------------------------------- words */

static const char *slot_word(char *text, size_t size)
{
    unsigned choice = fuzz_byte(in);

    if (choice < 0xc0) {
        snprintf(text, size, "s+%u", choice % SLOTS);
    } else if (choice < 0xf0) {
        snprintf(text, size, "s+%u/%u:%u", NODE + (choice >> 4 & 1), choice & 15,
                 4 + (choice == 0xef));
    } else {
        snprintf(text, size, "%c", choice & 1 ? 'N' : 'D');
    }
    return text;
}

static const char *cap_word(char *text, size_t size)
{
    snprintf(text, size, "s+%u", fuzz_byte(in) % SLOTS);
    return text;
}

static const char *rights_word(void)
{
    static const char *const words[] = {"rwgp", "rw", "r", "w", "-", "rg", "p", "rw"};

    return words[fuzz_byte(in) & 7];
}

static unsigned long data_word(void)
{
    unsigned choice = fuzz_byte(in);

    return choice < 128 ? 0 : choice < 240 ? (unsigned long)choice * 3 : fuzz_word(in);
}

static unsigned long address_word(void)
{
    unsigned choice = fuzz_byte(in);
    unsigned long page = (unsigned long)(choice & 3) << 12;

    switch (choice >> 2 & 7) {
    case 0:
    case 1:
        return 0x40000000 + page;
    case 2:
        return 0x40000000 + ((unsigned long)(choice & 3) << 21);
    case 3:
        return (unsigned long)(choice & 3) << 30;
    case 4:
        return 0xfffffff000 - page;
    case 5:
        return 0xffffffff000 - page;
    case 6:
        return 0x40000000 + choice;
    default:
        return fuzz_word(in);
    }
}

/* --------------------------------------------------------------------------------- lines */

static void write_retype(char *line)
{
    static const char *const types[] = {
        "page", "page",     "table",        "large", "untyped", "untyped", "cnode", "space",
        "vcpu", "endpoint", "notification", "tcb",   "huge",    "untyped", "page",  "table"};
    static const char *const pools[] = {"N", "N", "N", "N", "D", "F"};
    unsigned from = fuzz_byte(in);
    unsigned type = fuzz_byte(in);
    unsigned to = fuzz_byte(in);
    unsigned count = 1 + (fuzz_byte(in) & 3);
    unsigned bits = type % 16 == 6 ? type >> 4 & 7 : 12 + (type >> 4);
    char source[16];

    if (from < 96) {
        snprintf(source, sizeof(source), "%s", pools[from % 6]);
    } else {
        snprintf(source, sizeof(source), "s+%u", from % SLOTS);
    }
    if (to >= 0xe0) {
        snprintf(line, MODEL_LINE_MAX, "retype %s %s %u s+%u/%u x%u", source, types[type % 16],
                 bits, NODE + (to & 1), to >> 1 & 15, count);
        return;
    }
    to %= SLOTS;
    count = to + count > SLOTS ? 1 : count;
    snprintf(line, MODEL_LINE_MAX, "retype %s %s %u s+%u x%u", source, types[type % 16], bits, to,
             count);
}

static void write_copy(char *line, unsigned verb)
{
    char from[24];
    char to[24];

    slot_word(from, sizeof(from));
    slot_word(to, sizeof(to));
    switch (verb & 3) {
    case 0:
        snprintf(line, MODEL_LINE_MAX, "copy %s %s %s", from, to, rights_word());
        break;
    case 1:
        snprintf(line, MODEL_LINE_MAX, "mint %s %s %s %lu", from, to, rights_word(), data_word());
        break;
    case 2:
        snprintf(line, MODEL_LINE_MAX, "move %s %s", from, to);
        break;
    default:
        snprintf(line, MODEL_LINE_MAX, "mutate %s %s %lu", from, to, data_word());
        break;
    }
}

static void write_rotate(char *line)
{
    char from[24];
    char pivot[24];
    char to[24];

    slot_word(from, sizeof(from));
    slot_word(pivot, sizeof(pivot));
    slot_word(to, sizeof(to));
    snprintf(line, MODEL_LINE_MAX, "rotate %s %s %s %lu %lu", from, pivot, to, data_word(),
             data_word());
}

static void write_slot_verb(char *line, unsigned verb)
{
    static const char *const words[] = {"delete", "delete", "delete",
                                        "revoke", "cancel", "savecaller"};
    char slot[24];

    slot_word(slot, sizeof(slot));
    snprintf(line, MODEL_LINE_MAX, "%s %s", words[verb % 6], slot);
}

static void write_map(char *line, bool table)
{
    char frame[24];
    char space[24];
    const char *device = fuzz_flag(in) ? "" : " device";

    cap_word(frame, sizeof(frame));
    snprintf(space, sizeof(space), "s+%u", fuzz_byte(in) & 0x80 ? fuzz_byte(in) % SLOTS : 0);
    if (table) {
        snprintf(line, MODEL_LINE_MAX, "table %s %s 0x%lx", frame, space, address_word());
    } else {
        snprintf(line, MODEL_LINE_MAX, "map %s %s 0x%lx %s%s", frame, space, address_word(),
                 rights_word(), device);
    }
}

static void write_cap_verb(char *line, unsigned verb)
{
    static const char *const words[] = {"unmap",   "unmap",   "address",
                                        "untable", "untable", "assign A"};
    char cap[24];

    snprintf(line, MODEL_LINE_MAX, "%s %s", words[verb % 6], cap_word(cap, sizeof(cap)));
}

static void write_cache(char *line)
{
    static const char *const ops[] = {"clean", "invalidate", "both", "unify"};
    unsigned choice = fuzz_byte(in);
    char cap[24];

    cap_word(cap, sizeof(cap));
    snprintf(line, MODEL_LINE_MAX, "%s %s %s 0x%lx 0x%lx", choice & 4 ? "spacecache" : "cache",
             ops[choice & 3], cap, choice & 8 ? address_word() : 0,
             choice & 16 ? address_word() : 0x800);
}

static void write_pool(char *line)
{
    char untyped[24];
    char slot[24];

    cap_word(untyped, sizeof(untyped));
    slot_word(slot, sizeof(slot));
    snprintf(line, MODEL_LINE_MAX, "pool K %s %s", untyped, slot);
}

static void write_line(char *line)
{
    unsigned verb = fuzz_byte(in);

    switch (verb & 15) {
    case 0:
    case 1:
    case 2:
        write_retype(line);
        break;
    case 3:
    case 4:
    case 5:
        write_copy(line, verb >> 4);
        break;
    case 6:
        write_rotate(line);
        break;
    case 7:
    case 8:
        write_slot_verb(line, verb >> 4);
        break;
    case 9:
    case 10:
    case 11:
        write_map(line, verb & 0x40);
        break;
    case 12:
    case 13:
        write_cap_verb(line, verb >> 4);
        break;
    case 14:
        write_cache(line);
        break;
    default:
        write_pool(line);
        break;
    }
}

/* ------------------------------------------------------------------------------- contents */

/* Write to every small frame of normal memory that a slot names: nobody may see it later. */
static void scribble(void)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct k_cap *cap = &k_current->root[port.first_slot + i].cap;

        if (cap->type == K_FRAME && !cap->device && cap->bits == 12) {
            memset(guestmem_host_phys(guestmem_host_current(), cap->base, 4096), 0xa5, 4096);
        }
    }
}

/* A retype succeeded: what frames are new are clear. */
static void check_clear(const struct k_slot *before)
{
    static const uint8_t zero[4096];

    for (unsigned i = 0; i < SLOTS; i++) {
        const struct k_cap *cap = &k_current->root[port.first_slot + i].cap;

        if (cap->type == K_FRAME && !cap->device && cap->bits == 12 &&
            before[i].cap.type == K_NULL) {
            FUZZ_CHECK(memcmp(guestmem_host_phys(guestmem_host_current(), cap->base, 4096), zero,
                              4096) == 0);
        }
    }
}

/* A copy succeeded: what is new is mapped nowhere. */
static void check_copy(const struct k_slot *before)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct k_cap *cap = &k_current->root[port.first_slot + i].cap;

        FUZZ_CHECK(cap->type != K_FRAME || before[i].cap.type != K_NULL || cap->asid == 0);
    }
}

/* ----------------------------------------------------------------------------- sequences */

/* Half of the inputs find frames mapped, which takes two tables, or three; one too many is refused.
 */
static void map_some(void)
{
    static const char *const some[] = {
        "table s+1 s 0x40000000", "table s+2 s 0x40000000", "table s+3 s 0x40000000",
        "map s+5 s 0x40000000",   "map s+6 s 0x40001000 r", "map s+8 s 0x40200000",
    };

    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
        ask(some[i]);
    }
}

static void begin(void)
{
    static const char *const prologue[] = {
        "slots s 24",
        "retype N space 0 s",
        "assign A s",
        "retype N table 0 s+1 x4",
        "retype N page 0 s+5 x3",
        "retype N large 0 s+8 x2",
        "retype N cnode 4 s+10",
        "retype N cnode 3 s+11",
    };

    lines_length = 0;
    lines[0] = '\0';
    invariants_begin((const seL4_CPtr[]){port.normal, port.device, port.far}, 3);
    model_world_begin(&model, "fuzz");
    for (size_t i = 0; i < sizeof(prologue) / sizeof(prologue[0]); i++) {
        ask(prologue[i]);
    }
}

static void step(void)
{
    static struct k_slot before[SLOTS];
    char line[MODEL_LINE_MAX];

    write_line(line);
    memcpy(before, &k_current->root[port.first_slot], sizeof(before));
    if (ask(line) == 0) {
        if (strncmp(line, "retype", 6) == 0) {
            check_clear(before);
        } else if (strncmp(line, "copy", 4) == 0 || strncmp(line, "mint", 4) == 0) {
            check_copy(before);
        }
    }
    scribble();
    invariants_check();
}

static void open_once(void)
{
    const char *bits = getenv("FUZZ_PA_BITS");

    if (port.slot_count == 0) {
        zf_log_set_output_level(ZF_LOG_NONE);
        fuzz_tell = tell;
        model_port_create(bits != NULL && strcmp(bits, "44") == 0 ? 44 : 40, &port);
        model_world_init(&model, &port);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};

    open_once();
    in = &input;
    begin();
    if (fuzz_flag(in)) {
        map_some();
    }
    for (unsigned steps = 0; fuzz_more(in) && steps < STEPS_MAX; steps++) {
        step();
    }
    model_world_end(&model);
    lines_length += (size_t)snprintf(lines + lines_length, sizeof(lines) - lines_length,
                                     "# the end: all is taken back\n");
    invariants_check();
    return 0;
}

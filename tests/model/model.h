/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * Sequences of invocations, run as a root task runs them: the same program asks the real kernel
 * once (its answers are the record in record/) and the host's model every time the tests run.
 *
 *      sequences/ *.txt --> script.c --+
 *                                     +--> lines --> step.c --> seL4 --> answer --> the sink
 *            seed ------> random.c ---+
 *
 * The language of the lines is described in README.md.
 */
#ifndef GUESTMEM_TESTS_MODEL_H
#define GUESTMEM_TESTS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sel4/sel4.h>

enum {
    MODEL_NAME_MAX = 64,    /* bytes of a sequence's name */
    MODEL_LINE_MAX = 160,   /* bytes of one line */
    MODEL_TEXT_MAX = 8192,  /* bytes of one sequence */
    MODEL_WORD_MAX = 5,     /* most words that an answer has */
    MODEL_WINDOW_MAX = 256, /* slots that one name can have */
    MODEL_NORMAL_BITS = 24, /* each sequence's own normal untyped, N */
    MODEL_DEVICE_BITS = 32, /* each sequence's own device untyped, D */
    MODEL_FAR_BITS = 30,    /* and the one that the kernel itself can't reach, F */
};

/* Beyond what the kernel maps for itself, with 40 bits of physical address and with 44 */
#define MODEL_FAR_PADDR 0x8000000000ul

/* ---- What each side supplies (port_host.c, sel4/port_sel4.c) ---- */

struct model_port {
    seL4_CPtr root_cnode; /* the root task's own CNode, which resolves all 64 bits */
    seL4_CPtr asid_pool;  /* the root task's, which has one of its numbers */
    seL4_CPtr asid_control;
    seL4_CPtr normal;     /* untyped of at least 2^MODEL_NORMAL_BITS bytes, no children */
    seL4_CPtr device;     /* device untyped of at least 2^MODEL_DEVICE_BITS bytes, no children */
    seL4_CPtr far;        /* device untyped at MODEL_FAR_PADDR, no children */
    seL4_CPtr first_slot; /* consecutive empty slots of the root CNode */
    seL4_Word slot_count;
};

/* One line about a broken script or port, then the end of the program. */
_Noreturn void model_fail(const char *where, const char *what);

/* ---- Answers ---- */

struct model_answer {
    int error;                       /* what the invocation returned */
    unsigned word_count;             /* words that the manual defines for that error */
    seL4_Word words[MODEL_WORD_MAX]; /* or GetAddress's result, from the pool's base */
};

/* Writes "<sequence> <step> <error> <words in hex>", without a newline. */
void model_answer_format(char *line, size_t bytes, const char *sequence, unsigned step,
                         const struct model_answer *answer);

/* ---- Steps ---- */

struct model_name {
    char text[16];
    seL4_CPtr slot; /* first of its slots */
    seL4_Word count;
};

/* What one sequence has: its names, and the slots given to them so far. */
struct model_world {
    const struct model_port *port;
    seL4_Word normal_base; /* physical addresses of the pools, so that answers are relative */
    seL4_Word device_base;
    const char *sequence; /* for messages */
    seL4_Word loop;       /* value of `i` */
    seL4_Word slots_used;
    unsigned name_count;
    struct model_name names[48];
};

/* Measures the pools' base addresses. Once, before all sequences. */
void model_world_init(struct model_world *world, const struct model_port *port);
/* Fresh pools N and D, no names but these, A and @. */
void model_world_begin(struct model_world *world, const char *sequence);
/* Everything that the sequence made is gone after this. */
void model_world_end(struct model_world *world);
/* Finds `text`; if there is none and `create` is set, it gets `count` new slots. NULL if there is
 * none. */
const struct model_name *model_world_name(struct model_world *world, const char *text,
                                          seL4_Word count, bool create);

/* Does what the line says. False if it was a declaration, which has no answer. */
bool model_step(struct model_world *world, const char *line, struct model_answer *answer);

/* ---- Where lines come from ---- */

struct model_sequence {
    char name[MODEL_NAME_MAX];
    unsigned line_count;
    const char *lines[256];
    char text[MODEL_TEXT_MAX]; /* the lines' own bytes */
};

struct model_script {
    unsigned file;     /* of the embedded texts */
    const char *at;    /* next byte of it */
    const char *block; /* header whose variants are being given out, or NULL */
    unsigned variant;
};

/* The next sequence of all embedded texts; false after the last. Start from a zeroed script. */
bool model_script_next(struct model_script *script, struct model_sequence *sequence);

enum { MODEL_RANDOM_SEQUENCES = 380, MODEL_RANDOM_STEPS = 48, MODEL_RANDOM_SLOTS = 48 };

/* A writer of random lines: it remembers which kinds of caps its slots hold. */
struct model_random {
    unsigned long state;
    unsigned step;
    unsigned char kind[MODEL_RANDOM_SLOTS];
    struct {
        int verb;
        unsigned from, pivot, to, count, kind;
    } last;
};

void model_random_begin(struct model_random *random, unsigned sequence);
/* Writes the next line; false when the sequence is over. */
bool model_random_line(struct model_random *random, char *line, size_t bytes);
/* What the last line was answered. */
void model_random_learn(struct model_random *random, const struct model_answer *answer);

/* ---- Running them all ---- */

struct model_sink {
    /* `text` is the line that was asked, `loop` the value of `i` in it. */
    void (*answer)(void *cookie, const struct model_world *world, unsigned step, const char *text,
                   const struct model_answer *answer);
    void *cookie;
};

struct model_totals {
    unsigned scripted; /* sequences */
    unsigned random;
    unsigned long answers;
    unsigned long digest; /* of all lines asked: did two runs ask the same? */
};

/* Writes how the recorder ends its log, without a newline. */
void model_totals_format(char *line, size_t bytes, const struct model_totals *totals);

struct model_totals model_run(const struct model_port *port, const struct model_sink *sink);

#endif

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The words of one line, read from left to right. What can't be read ends the program: a script
 * that says something else than its author meant is worth nothing.
 */
#ifndef GUESTMEM_TESTS_MODEL_PARSE_H
#define GUESTMEM_TESTS_MODEL_PARSE_H

#include "model.h"

struct model_parse {
    struct model_world *world;
    const char *line; /* for messages */
    const char *at;
};

/* A slot, as the invocations on CNodes name it. Of a window of slots, `offset` is the first. */
struct model_path {
    seL4_CPtr root;
    seL4_Word index;
    seL4_Word depth;
    seL4_Word offset;
};

_Noreturn void model_parse_fail(const struct model_parse *parse, const char *what);
void model_parse_end(struct model_parse *parse);
/* Steps over the next word if it is this one. */
bool model_parse_accept(struct model_parse *parse, const char *word);
seL4_Word model_parse_number(struct model_parse *parse);
seL4_Word model_parse_type(struct model_parse *parse);
/* Rights, if the next word is one: letters of r w g p, or "-"; all of them otherwise. */
seL4_CapRights_t model_parse_rights(struct model_parse *parse);
/* clean, invalidate, both or unify */
enum { MODEL_CLEAN, MODEL_INVALIDATE, MODEL_CLEAN_INVALIDATE, MODEL_UNIFY };
int model_parse_cache(struct model_parse *parse);
seL4_CPtr model_parse_cap(struct model_parse *parse);
struct model_path model_parse_path(struct model_parse *parse, bool create);
void model_parse_window(struct model_parse *parse, struct model_path *path, seL4_Word *count);
/* "slots NAME COUNT" */
void model_parse_slots(struct model_parse *parse);
seL4_Word model_parse_relative(const struct model_parse *parse, seL4_Word paddr);

#endif

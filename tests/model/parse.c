/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "parse.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void model_parse_fail(const struct model_parse *parse, const char *what)
{
    char where[MODEL_NAME_MAX + MODEL_LINE_MAX + 8];

    snprintf(where, sizeof(where), "%s: '%s'", parse->world->sequence, parse->line);
    model_fail(where, what);
}

static void skip_spaces(struct model_parse *parse)
{
    while (*parse->at == ' ') {
        parse->at++;
    }
}

void model_parse_end(struct model_parse *parse)
{
    skip_spaces(parse);
    if (*parse->at != '\0') {
        model_parse_fail(parse, "more words than the verb takes");
    }
}

bool model_parse_accept(struct model_parse *parse, const char *word)
{
    size_t length = strlen(word);

    skip_spaces(parse);
    if (strncmp(parse->at, word, length) != 0) {
        return false;
    }
    if (parse->at[length] != ' ' && parse->at[length] != '\0') {
        return false;
    }
    parse->at += length;
    return true;
}

static bool take_char(struct model_parse *parse, char c)
{
    if (*parse->at != c) {
        return false;
    }
    parse->at++;
    return true;
}

/* 12, 0x40, 2^21, or the loop's i */
static seL4_Word parse_factor(struct model_parse *parse)
{
    char *end;
    seL4_Word value;

    if (take_char(parse, 'i')) {
        return parse->world->loop;
    }
    if (!isdigit((unsigned char)*parse->at)) {
        model_parse_fail(parse, "number expected");
    }
    value = strtoul(parse->at, &end, 0);
    parse->at = end;
    if (take_char(parse, '^')) {
        unsigned long bits = strtoul(parse->at, &end, 10);

        if (value != 2 || end == parse->at || bits > 63) {
            model_parse_fail(parse, "2^0 to 2^63 expected");
        }
        parse->at = end;
        return (seL4_Word)1 << bits;
    }
    return value;
}

static seL4_Word parse_product(struct model_parse *parse)
{
    seL4_Word value = parse_factor(parse);

    while (take_char(parse, '*')) {
        value *= parse_factor(parse);
    }
    return value;
}

static seL4_Word parse_sum(struct model_parse *parse)
{
    seL4_Word value = parse_product(parse);

    for (;;) {
        if (take_char(parse, '+')) {
            value += parse_product(parse);
        } else if (take_char(parse, '-')) {
            value -= parse_product(parse);
        } else {
            return value;
        }
    }
}

seL4_Word model_parse_number(struct model_parse *parse)
{
    skip_spaces(parse);
    return parse_sum(parse);
}

seL4_Word model_parse_type(struct model_parse *parse)
{
    static const struct {
        const char *word;
        seL4_Word type;
    } types[] = {
        {"untyped", seL4_UntypedObject},     {"tcb", seL4_TCBObject},
        {"endpoint", seL4_EndpointObject},   {"notification", seL4_NotificationObject},
        {"cnode", seL4_CapTableObject},      {"huge", seL4_ARM_HugePageObject},
        {"space", seL4_ARM_VSpaceObject},    {"page", seL4_ARM_SmallPageObject},
        {"large", seL4_ARM_LargePageObject}, {"table", seL4_ARM_PageTableObject},
        {"vcpu", seL4_ARM_VCPUObject},
    };

    for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++) {
        if (model_parse_accept(parse, types[k].word)) {
            return types[k].type;
        }
    }
    return model_parse_number(parse);
}

seL4_CapRights_t model_parse_rights(struct model_parse *parse)
{
    size_t length;
    bool allowed[4];

    skip_spaces(parse);
    length = strspn(parse->at, "rwgp-");
    if (length == 0 || (parse->at[length] != ' ' && parse->at[length] != '\0')) {
        return seL4_AllRights;
    }
    for (unsigned k = 0; k < 4; k++) {
        allowed[k] = memchr(parse->at, "pgrw"[k], length) != NULL;
    }
    parse->at += length;
    return seL4_CapRights_new(allowed[0], allowed[1], allowed[2], allowed[3]);
}

int model_parse_cache(struct model_parse *parse)
{
    static const char *const words[] = {"clean", "invalidate", "both", "unify"};

    for (int k = MODEL_CLEAN; k <= MODEL_UNIFY; k++) {
        if (model_parse_accept(parse, words[k])) {
            return k;
        }
    }
    model_parse_fail(parse, "clean, invalidate, both or unify expected");
}

/* A name at the cursor, with what follows a '+' added to its slot: `count` slots from there */
static seL4_CPtr parse_name(struct model_parse *parse, seL4_Word count, bool create)
{
    char text[sizeof(parse->world->names[0].text)];
    const struct model_name *name;
    seL4_Word offset = 0;
    size_t length = 0;

    while (isalpha((unsigned char)parse->at[length]) || parse->at[length] == '@') {
        length++;
    }
    if (length == 0 || length >= sizeof(text)) {
        model_parse_fail(parse, "name expected");
    }
    memcpy(text, parse->at, length);
    text[length] = '\0';
    parse->at += length;
    name = model_world_name(parse->world, text, count, create);
    if (name == NULL) {
        model_parse_fail(parse, "no such name");
    }
    if (take_char(parse, '+')) {
        offset = parse_sum(parse);
    }
    if (*parse->at != '/' && (offset >= name->count || count > name->count - offset)) {
        model_parse_fail(parse, "the name has fewer slots");
    }
    return name->slot + offset;
}

seL4_CPtr model_parse_cap(struct model_parse *parse)
{
    skip_spaces(parse);
    return parse_name(parse, 1, false);
}

/* After "ROOT/": a number, or the slot of a name */
static seL4_Word parse_index(struct model_parse *parse)
{
    return isalpha((unsigned char)*parse->at) && *parse->at != 'i' ? parse_name(parse, 1, false)
                                                                   : parse_sum(parse);
}

/* NAME, or ROOT/INDEX:DEPTH */
struct model_path model_parse_path(struct model_parse *parse, bool create)
{
    struct model_path path = {.root = parse->world->port->root_cnode, .depth = seL4_WordBits};
    seL4_CPtr slot;

    skip_spaces(parse);
    slot = parse_name(parse, 1, create);
    if (!take_char(parse, '/')) {
        path.index = slot;
        return path;
    }
    path.root = slot;
    path.index = parse_index(parse);
    if (!take_char(parse, ':')) {
        model_parse_fail(parse, "ROOT/INDEX:DEPTH expected");
    }
    path.depth = parse_sum(parse);
    return path;
}

/* "xCOUNT" at the end of the line, so that a new name gets its slots before the name is read */
static seL4_Word count_at_end(const struct model_parse *parse)
{
    const char *space = strrchr(parse->at, ' ');
    struct model_parse number = *parse;

    if (space == NULL || space[1] != 'x') {
        return 1;
    }
    number.at = space + 2;
    return parse_sum(&number);
}

/* NAME, CNODE/OFFSET, or ROOT/INDEX:DEPTH/OFFSET; then [xCOUNT] */
void model_parse_window(struct model_parse *parse, struct model_path *path, seL4_Word *count)
{
    seL4_Word wanted;
    seL4_CPtr slot;

    skip_spaces(parse);
    *count = count_at_end(parse);
    wanted = *count > MODEL_WINDOW_MAX || *count == 0 ? 1 : *count;
    *path = (struct model_path){.root = parse->world->port->root_cnode};
    slot = parse_name(parse, wanted, true);
    path->offset = slot;
    if (take_char(parse, '/')) {
        path->root = slot;
        path->offset = parse_index(parse);
        if (take_char(parse, ':')) {
            path->index = path->offset;
            path->depth = parse_sum(parse);
            if (!take_char(parse, '/')) {
                model_parse_fail(parse, "ROOT/INDEX:DEPTH/OFFSET expected");
            }
            path->offset = parse_index(parse);
        }
    }
    skip_spaces(parse);
    if (take_char(parse, 'x')) {
        (void)parse_sum(parse);
    }
}

void model_parse_slots(struct model_parse *parse)
{
    struct model_parse name = *parse;

    skip_spaces(&name);
    parse->at = name.at + strcspn(name.at, " ");
    (void)parse_name(&name, model_parse_number(parse), true);
    model_parse_end(parse);
}

seL4_Word model_parse_relative(const struct model_parse *parse, seL4_Word paddr)
{
    if (paddr - parse->world->device_base < ((seL4_Word)1 << MODEL_DEVICE_BITS)) {
        return paddr - parse->world->device_base;
    }
    if (paddr - MODEL_FAR_PADDR < ((seL4_Word)1 << MODEL_FAR_BITS)) {
        return paddr - MODEL_FAR_PADDR;
    }
    return paddr - parse->world->normal_base;
}

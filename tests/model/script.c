/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The texts of sequences/, cut into sequences. They are part of the program, because a root task
 * has no files to read. A block with variables is one sequence for each of their values:
 *
 *      = retype.$type.fits $type=page,table $bits=12,12
 *      retype N $type 0 f
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "model.h"

#define EMBED(symbol, file)                              \
    __asm__(".section .rodata\n"                         \
            ".global " #symbol "\n" #symbol ":\n"        \
            ".incbin \"" MODEL_SEQUENCES "/" file "\"\n" \
            ".byte 0\n"                                  \
            ".previous\n");                              \
    extern const char symbol[]

EMBED(model_text_retype, "retype.txt");
EMBED(model_text_untyped, "untyped.txt");
EMBED(model_text_cnode, "cnode.txt");
EMBED(model_text_caps, "caps.txt");
EMBED(model_text_map, "map.txt");
EMBED(model_text_table, "table.txt");
EMBED(model_text_space, "space.txt");

static const char *const files[] = {
    model_text_retype, model_text_untyped, model_text_cnode, model_text_caps,
    model_text_map,    model_text_table,   model_text_space,
};

static const char *end_of_line(const char *at)
{
    return at + strcspn(at, "\n");
}

static const char *next_line(const char *at)
{
    const char *end = end_of_line(at);

    return *end == '\0' ? end : end + 1;
}

/* The header of the next block, from here; NULL at the end of the text. */
static const char *find_header(const char *at)
{
    while (*at != '\0' && *at != '=') {
        at = next_line(at);
    }
    return *at == '=' ? at : NULL;
}

/* Values of `name` ("$x") in the header: where they begin, or NULL. */
static const char *find_values(const char *header, const char *name, size_t length)
{
    const char *end = end_of_line(header);

    for (const char *at = header; at + length < end; at++) {
        if (at[-1] == ' ' && strncmp(at, name, length) == 0 && at[length] == '=') {
            return at + length + 1;
        }
    }
    return NULL;
}

/* The value number `variant` of a list; length 0 if the list is shorter. */
static const char *nth_value(const char *list, unsigned variant, size_t *length)
{
    for (; variant > 0; variant--) {
        list += strcspn(list, ", \n");
        if (*list != ',') {
            *length = 0;
            return list;
        }
        list++;
    }
    *length = strcspn(list, ", \n");
    return list;
}

struct text {
    char *at;
    char *end;
    const char *where;
};

static void put(struct text *text, const char *from, size_t length)
{
    if ((size_t)(text->end - text->at) <= length) {
        model_fail(text->where, "sequence too long");
    }
    memcpy(text->at, from, length);
    text->at += length;
}

/* Copies [from, end) with variables replaced, and ends it with a zero byte. */
static void put_line(struct text *text, const char *header, unsigned variant, const char *from,
                     const char *end)
{
    while (from < end) {
        size_t length = 1;
        const char *list;

        if (*from != '$') {
            put(text, from++, 1);
            continue;
        }
        while (islower((unsigned char)from[length])) {
            length++;
        }
        list = find_values(header + 1, from, length);
        if (list == NULL) {
            model_fail(text->where, "variable without values");
        }
        from += length;
        list = nth_value(list, variant, &length);
        put(text, list, length);
    }
    put(text, "", 1);
}

static void put_steps(struct text *text, struct model_sequence *sequence, const char *header,
                      unsigned variant)
{
    const char *at = next_line(header);

    for (; *at != '\0' && *at != '='; at = next_line(at)) {
        const char *end = at + strcspn(at, "#\n");

        while (end > at && end[-1] == ' ') {
            end--;
        }
        if (end == at) {
            continue;
        }
        if (sequence->line_count == sizeof(sequence->lines) / sizeof(sequence->lines[0])) {
            model_fail(text->where, "too many lines");
        }
        sequence->lines[sequence->line_count++] = text->at;
        put_line(text, header, variant, at, end);
    }
}

/* Does the header have a value for this variant? A header without variables has variant 0. */
static bool has_variant(const char *header, unsigned variant)
{
    const char *end = end_of_line(header);
    const char *list = memchr(header + 2, ' ', (size_t)(end - header - 2));
    size_t length;

    list = list == NULL ? NULL : memchr(list, '=', (size_t)(end - list));
    if (list == NULL) {
        return variant == 0;
    }
    nth_value(list + 1, variant, &length);
    return length > 0;
}

static void expand(struct model_script *script, struct model_sequence *sequence)
{
    const char *name = script->block + 2;
    struct text text = {sequence->name, sequence->name + sizeof(sequence->name), "sequence's name"};

    sequence->line_count = 0;
    put_line(&text, script->block, script->variant, name, name + strcspn(name, " \n"));
    text = (struct text){sequence->text, sequence->text + sizeof(sequence->text), sequence->name};
    put_steps(&text, sequence, script->block, script->variant);
}

bool model_script_next(struct model_script *script, struct model_sequence *sequence)
{
    while (script->block == NULL || !has_variant(script->block, script->variant)) {
        if (script->at == NULL) {
            if (script->file == sizeof(files) / sizeof(files[0])) {
                return false;
            }
            script->at = files[script->file++];
        }
        script->block = find_header(script->at);
        script->variant = 0;
        script->at = script->block == NULL ? NULL : next_line(script->block);
    }
    expand(script, sequence);
    script->variant++;
    return true;
}

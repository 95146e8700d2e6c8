/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script_internal.h"

bool script_number(const char *word, uint64_t *number)
{
    char *end;

    if (word == NULL || !isxdigit((unsigned char)word[0])) {
        return false;
    }
    errno = 0;
    *number = strtoull(word, &end, 16);
    return *end == '\0' && errno == 0;
}

/* The value of what stands between braces: name[.mid|.end|.size][+hex|-hex]. */
static int name_value(struct uboot_vmm *vmm, char *name, uint64_t *value)
{
    char *sign = strpbrk(name, "+-");
    char sign_kind = sign == NULL ? '\0' : *sign;
    const struct uboot_vmm_area *area;
    const char *part = "";
    uint64_t offset = 0;
    char *dot;

    if (sign != NULL) {
        *sign = '\0';
        if (!script_number(sign + 1, &offset)) {
            return -1;
        }
    }
    dot = strchr(name, '.');
    if (dot != NULL) {
        *dot = '\0';
        part = dot + 1;
    }
    area = uboot_vmm_area_named(vmm, name);
    if (area == NULL) {
        return -1;
    }
    *value = strcmp(part, "size") == 0  ? area->size
             : strcmp(part, "end") == 0 ? area->base + area->size
             : strcmp(part, "mid") == 0 ? area->base + area->size / 2
                                        : area->base;
    *value += sign_kind == '-' ? -offset : offset;
    return part[0] == '\0' || strcmp(part, "size") == 0 || strcmp(part, "end") == 0 ||
                   strcmp(part, "mid") == 0
               ? 0
               : -1;
}

int script_expand(struct uboot_vmm *vmm, const char *line, char *expanded, size_t size)
{
    size_t used = 0;

    while (*line != '\0') {
        char name[64];
        size_t length = strcspn(line + 1, "}");
        uint64_t value;
        int printed;

        if (*line != '{') {
            printed = snprintf(expanded + used, size - used, "%c", *line++);
        } else {
            if (line[1 + length] != '}' || length >= sizeof(name)) {
                return -1;
            }
            memcpy(name, line + 1, length);
            name[length] = '\0';
            if (name_value(vmm, name, &value) != 0) {
                return -1;
            }
            printed = snprintf(expanded + used, size - used, "%llx", (unsigned long long)value);
            line += length + 2;
        }
        used += (size_t)printed;
        if (used >= size) {
            return -1;
        }
    }
    expanded[used] = '\0';
    return 0;
}

static unsigned take_width(char *word)
{
    static const char letters[] = "bwlq";
    size_t length = strlen(word);
    const char *letter;

    if (length < 3 || word[length - 2] != '.') {
        return 0;
    }
    letter = strchr(letters, word[length - 1]);
    if (letter == NULL) {
        return 0;
    }
    word[length - 2] = '\0';
    return 1U << (letter - letters);
}

void script_words_cut(struct script_words *words, const char *line)
{
    char *word;
    char *rest;

    *words = (struct script_words){0};
    snprintf(words->text, sizeof(words->text), "%s", line);
    word = strtok_r(words->text, " \t", &rest);
    if (word != NULL) {
        words->width = take_width(word);
    }
    while (word != NULL && words->count < SCRIPT_WORDS_MAX) {
        words->word[words->count++] = word;
        word = strtok_r(NULL, " \t", &rest);
    }
}

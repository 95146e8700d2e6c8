/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Between the files of the script engine: script.c reads lines and talks to the guest,
 * script_words.c reads words, script_checks.c checks answers, script_directives.c does what the @
 * lines say.
 */
#pragma once

#include "script.h"

enum {
    SCRIPT_LINE_MAX = 256,
    SCRIPT_WORDS_MAX = 8,
    SCRIPT_ANSWER_MAX = 1 << 20,
};

enum script_state {
    SCRIPT_BOOTING,   /* until the firmware says that it boots by itself, or prompts */
    SCRIPT_STOPPING,  /* the autoboot's newline goes out */
    SCRIPT_SENDING,   /* a line goes out */
    SCRIPT_ANSWERING, /* the answer comes in */
    SCRIPT_DONE,
};

struct uboot_script {
    struct uboot_script_config config;
    enum script_state state;
    const char *next; /* of the text */
    unsigned line_number;
    char line[SCRIPT_LINE_MAX + 2]; /* the command that is out, and its newline */
    size_t sent;
    bool unchecked; /* an answer that only the script's own lines look at */
    char until[SCRIPT_LINE_MAX];
    char *answer;
    size_t answer_bytes;
    size_t answer_room;
    struct uboot_check *checks;
    size_t check_count;
    size_t check_room;
    size_t failures;
};

/* A command cut into words; the words point into `text`. */
struct script_words {
    char text[SCRIPT_LINE_MAX];
    const char *word[SCRIPT_WORDS_MAX];
    size_t count;
    unsigned width; /* of a `.b`, `.w`, `.l`, `.q` behind the first word; 0: none */
};

/* Put the addresses for {names} into `line`. Returns 0, or -1: a name that isn't known, or too
 * long. */
int script_expand(struct uboot_vmm *vmm, const char *line, char *expanded, size_t size);
void script_words_cut(struct script_words *words, const char *line);

/* A hexadecimal number that is the whole word. */
bool script_number(const char *word, uint64_t *number);

/* Add a row. Without memory for it, the script fails all the same: `failures` counts it. */
struct uboot_check *script_check_add(struct uboot_script *script, const char *what);
void script_check_result(struct uboot_script *script, struct uboot_check *check, bool passed);

/* Whether a command is one whose answer is checked. */
bool script_is_checked(const char *line);

/* Check the answer to the command in `line`, if it is one that we know. */
void script_check_answer(struct uboot_script *script);

/* Do one @ line. */
void script_directive(struct uboot_script *script, const char *line);
bool script_directive_known(const char *line);

/* Let a command go out; the answer comes in afterwards. */
void script_send(struct uboot_script *script, const char *line, bool unchecked);

/* The numbers of @fill: 32 bits for each offset, the same wherever it is. */
uint32_t script_pattern(uint64_t offset, uint32_t seed);

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The conversation: what goes out, what comes in, and when it is a script line's turn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script_internal.h"

static const char prompt[] = "\n=> ";
static const char autoboot[] = "autoboot";

/* ----------------------------------------------------------------------------------- reading */

/* The next line of the text, without its end and without blanks around it. False: there is none. */
static bool next_line(struct uboot_script *script, char *line, size_t size)
{
    const char *start = script->next;
    size_t length = strcspn(start, "\n");

    if (*start == '\0') {
        return false;
    }
    script->next += length + (start[length] == '\n' ? 1 : 0);
    script->line_number++;
    while (length > 0 && strchr(" \t\r", start[length - 1]) != NULL) {
        length--;
    }
    while (length > 0 && strchr(" \t", *start) != NULL) {
        start++;
        length--;
    }
    snprintf(line, size, "%.*s", (int)length, start);
    return true;
}

static int read_through(struct uboot_script *script, char *error, size_t error_size)
{
    char line[2 * SCRIPT_LINE_MAX];
    char expanded[SCRIPT_LINE_MAX];
    size_t lines = 0;

    while (next_line(script, line, sizeof(line))) {
        const char *wrong = NULL;
        if (line[0] == '\0' || line[0] == '#') {
            continue;
        }
        lines++;
        if (script_expand(script->config.vmm, line, expanded, sizeof(expanded)) != 0) {
            wrong = "too long, or names an area that isn't there";
        } else if (line[0] == '@' && !script_directive_known(expanded)) {
            wrong = "not a directive that is known";
        }
        if (wrong != NULL) {
            snprintf(error, error_size, "line %u: %s: %.60s", script->line_number, wrong, line);
            return -1;
        }
    }
    script->next = script->config.text;
    script->line_number = 0;
    if (lines == 0) {
        snprintf(error, error_size, "no line in it");
        return -1;
    }
    return 0;
}

struct uboot_script *uboot_script_open(const struct uboot_script_config *config, char *error,
                                       size_t error_size)
{
    struct uboot_script *script = calloc(1, sizeof(*script));

    if (script == NULL) {
        snprintf(error, error_size, "no memory");
        return NULL;
    }
    script->config = *config;
    script->next = config->text;
    if (read_through(script, error, error_size) != 0) {
        free(script);
        return NULL;
    }
    return script;
}

void uboot_script_close(struct uboot_script *script)
{
    if (script != NULL) {
        free(script->answer);
        free(script->checks);
        free(script);
    }
}

/* ------------------------------------------------------------------------------------ checks */

struct uboot_check *script_check_add(struct uboot_script *script, const char *what)
{
    static struct uboot_check spare; /* where there is no memory; it counts as failed */
    struct uboot_check *check = &spare;

    if (script->check_count == script->check_room) {
        size_t room = script->check_room == 0 ? 32 : 2 * script->check_room;
        struct uboot_check *grown = realloc(script->checks, room * sizeof(*grown));
        if (grown != NULL) {
            script->checks = grown;
            script->check_room = room;
        }
    }
    if (script->check_count < script->check_room) {
        check = &script->checks[script->check_count++];
    } else {
        script->failures++;
    }
    *check = (struct uboot_check){.line = script->line_number};
    snprintf(check->what, sizeof(check->what), "%s", what);
    return check;
}

void script_check_result(struct uboot_script *script, struct uboot_check *check, bool passed)
{
    check->passed = passed;
    script->failures += passed ? 0 : 1;
}

/* ------------------------------------------------------------------------------ conversation */

static void answer_clear(struct uboot_script *script)
{
    script->answer_bytes = 0;
    if (script->answer != NULL) {
        script->answer[0] = '\0';
    }
}

/* Keep a byte. A guest that never stops talking is heard no longer: its prompt can't be seen then.
 */
static void answer_add(struct uboot_script *script, char byte)
{
    if (script->answer_bytes + 2 > script->answer_room) {
        size_t room = script->answer_room == 0 ? 4096 : 2 * script->answer_room;
        char *grown = room > SCRIPT_ANSWER_MAX ? NULL : realloc(script->answer, room);
        if (grown == NULL) {
            return;
        }
        script->answer = grown;
        script->answer_room = room;
    }
    script->answer[script->answer_bytes++] = byte;
    script->answer[script->answer_bytes] = '\0';
}

static bool answer_ends(const struct uboot_script *script, const char *text)
{
    size_t length = strlen(text);

    return script->answer_bytes >= length &&
           memcmp(script->answer + script->answer_bytes - length, text, length) == 0;
}

void script_send(struct uboot_script *script, const char *line, bool unchecked)
{
    snprintf(script->line, sizeof(script->line), "%s\r", line);
    script->sent = 0;
    script->unchecked = unchecked;
    script->state = SCRIPT_SENDING;
}

/* Go on to the next line that is a command; what lies between is done now. */
static void advance(struct uboot_script *script)
{
    char line[2 * SCRIPT_LINE_MAX];
    char expanded[SCRIPT_LINE_MAX];

    script->state = SCRIPT_DONE;
    while (script->state != SCRIPT_SENDING && next_line(script, line, sizeof(line))) {
        /* read_through() has seen to it that every line is good */
        if (line[0] == '\0' || line[0] == '#' ||
            script_expand(script->config.vmm, line, expanded, sizeof(expanded)) != 0) {
            continue;
        }
        if (expanded[0] == '@') {
            script_directive(script, expanded);
        } else {
            script_send(script, expanded, false);
        }
    }
}

static void prompted(struct uboot_script *script)
{
    if (script->state == SCRIPT_ANSWERING) {
        script->line[strcspn(script->line, "\r")] = '\0';
        script->until[0] = '\0';
        if (!script->unchecked) {
            script_check_answer(script);
        }
    }
    advance(script);
    if (script->state == SCRIPT_SENDING) {
        answer_clear(script);
    }
}

/* An answer begins behind the echo of the command, so it needs a newline to be one. */
static bool answered(const struct uboot_script *script)
{
    if (script->until[0] == '\0') {
        return answer_ends(script, prompt);
    }
    return strchr(script->answer, '\n') != NULL && answer_ends(script, script->until);
}

void uboot_script_put(char byte, void *cookie)
{
    struct uboot_script *script = cookie;

    script->config.put(byte, script->config.console_cookie);
    if (script->state == SCRIPT_DONE) {
        return;
    }
    answer_add(script, byte);
    if (script->state == SCRIPT_BOOTING && answer_ends(script, autoboot)) {
        snprintf(script->line, sizeof(script->line), "\r");
        script->sent = 0;
        script->state = SCRIPT_STOPPING;
    } else if (script->state != SCRIPT_SENDING && script->answer_bytes > 0 && answered(script)) {
        prompted(script);
    }
}

int uboot_script_get(void *cookie)
{
    struct uboot_script *script = cookie;
    int byte;

    if (script->state != SCRIPT_SENDING && script->state != SCRIPT_STOPPING) {
        return -1;
    }
    byte = (unsigned char)script->line[script->sent++];
    if (script->line[script->sent] == '\0') {
        script->state = script->state == SCRIPT_SENDING ? SCRIPT_ANSWERING : SCRIPT_BOOTING;
    }
    return byte;
}

/* ------------------------------------------------------------------------------------ results */

static bool text_is_over(const char *text)
{
    while (*text != '\0') {
        const char *line = text + strspn(text, " \t\r");
        if (*line != '\n' && *line != '#' && *line != '\0') {
            return false;
        }
        text += strcspn(text, "\n");
        text += *text == '\n' ? 1 : 0;
    }
    return true;
}

bool uboot_script_done(const struct uboot_script *script)
{
    return script->state == SCRIPT_DONE;
}

/* The last line may end the guest; not so one whose answer is still to be checked. */
bool uboot_script_over(const struct uboot_script *script)
{
    return script->state == SCRIPT_DONE ||
           (script->state == SCRIPT_ANSWERING && text_is_over(script->next) &&
            !script_is_checked(script->line));
}

void uboot_script_place(const struct uboot_script *script, char *text, size_t size)
{
    if (script->state == SCRIPT_DONE) {
        snprintf(text, size, "the script is done");
    } else if (script->line_number == 0) {
        snprintf(text, size, "the prompt never came");
    } else {
        snprintf(text, size, "no answer to line %u: %.*s", script->line_number,
                 (int)strcspn(script->line, "\r"), script->line);
    }
}

const struct uboot_check *uboot_script_checks(const struct uboot_script *script, size_t *count)
{
    *count = script->check_count;
    return script->checks;
}

size_t uboot_script_failures(const struct uboot_script *script)
{
    return script->failures;
}

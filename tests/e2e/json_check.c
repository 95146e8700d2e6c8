/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * json_check FILE: the file is one valid JSON value with a list `traceEvents` in it, each of whose
 * events has what the trace-event format asks for. Prints how many of them are complete events.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *at;
static size_t complete_events;

static bool value(int depth, bool in_events);

static void blanks(void)
{
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') {
        at++;
    }
}

static bool token(char wanted)
{
    blanks();
    if (*at != wanted) {
        return false;
    }
    at++;
    return true;
}

static bool string(char *text, size_t size)
{
    size_t length = 0;

    if (!token('"')) {
        return false;
    }
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < ' ') {
            return false;
        }
        if (*at == '\\' && (at[1] == '\0' || strchr("\"\\/bfnrtu", *++at) == NULL)) {
            return false;
        }
        if (length + 1 < size) {
            text[length++] = *at;
        }
    }
    text[length] = '\0';
    at++;
    return true;
}

static bool number(void)
{
    const char *start = at;

    at += *at == '-' ? 1 : 0;
    if (!isdigit((unsigned char)*at) || (*at == '0' && isdigit((unsigned char)at[1]))) {
        return false;
    }
    while (*at != '\0' && strchr("0123456789.eE+-", *at) != NULL) {
        at++;
    }
    return at > start;
}

static bool list(int depth, bool of_events)
{
    if (token(']')) {
        return true;
    }
    do {
        if (!value(depth, of_events)) {
            return false;
        }
    } while (token(','));
    return token(']');
}

/* An event has a name, a phase and a process; a complete one has times and a thread as well. */
static bool event_is_whole(const char *keys, bool complete)
{
    static const char *const wanted[] = {" name ", " ph ", " pid ", " ts ", " dur ", " tid "};

    for (size_t i = 0; i < (complete ? 6 : 3); i++) {
        if (strstr(keys, wanted[i]) == NULL) {
            return false;
        }
    }
    complete_events += complete ? 1 : 0;
    return true;
}

static bool object(int depth, bool is_event)
{
    char keys[256] = " ";
    char key[64];
    bool complete = false;

    if (token('}')) {
        return !is_event;
    }
    do {
        if (!string(key, sizeof(key)) || !token(':')) {
            return false;
        }
        snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), "%s ", key);
        blanks();
        complete = complete || (strcmp(key, "ph") == 0 && strncmp(at, "\"X\"", 3) == 0);
        if (!value(depth, strcmp(key, "traceEvents") == 0 && depth == 1)) {
            return false;
        }
    } while (token(','));
    return token('}') && (!is_event || event_is_whole(keys, complete));
}

/* `in_events`: this value is the list of events, or one of them. */
static bool value(int depth, bool in_events)
{
    char text[8];

    blanks();
    if (*at == '{') {
        at++;
        return object(depth + 1, in_events);
    }
    if (*at == '[') {
        at++;
        return list(depth + 1, in_events);
    }
    return *at == '"' ? string(text, sizeof(text)) : number();
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    size_t room = 64 << 20;
    char *text = malloc(room);
    size_t size;
    bool valid;

    if (file == NULL || text == NULL) {
        fprintf(stderr, "json_check: can't read %s\n", argc == 2 ? argv[1] : "a file");
        return 2;
    }
    size = fread(text, 1, room - 1, file);
    if (size == room - 1) {
        fprintf(stderr, "json_check: longer than %zu bytes\n", size);
        return 2;
    }
    text[size] = '\0';
    fclose(file);
    at = text;
    valid = value(0, false);
    blanks();
    valid = valid && at == text + size && strstr(text, "\"traceEvents\"") != NULL;
    if (!valid) {
        fprintf(stderr, "json_check: wrong at byte %td: %.40s\n", at - text, at);
    } else {
        printf("%zu\n", complete_events);
    }
    free(text);
    return valid ? 0 : 1;
}

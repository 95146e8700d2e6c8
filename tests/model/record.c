/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include "record.h"

#include <stdlib.h>
#include <string.h>

#include "port_host.h"

static void *must_have(void *memory)
{
    if (memory == NULL) {
        model_fail("record", "out of memory");
    }
    return memory;
}

static void take_answer(void *cookie, const struct model_world *world, unsigned step,
                        const char *text, const struct model_answer *answer)
{
    struct model_taken *taken = cookie;
    char line[MODEL_LINE_MAX];
    char asked[MODEL_LINE_MAX + 32];

    if (taken->count == taken->room) {
        taken->room = taken->room == 0 ? 4096 : 2 * taken->room;
        taken->answers =
            must_have(realloc(taken->answers, taken->room * sizeof(taken->answers[0])));
    }
    model_answer_format(line, sizeof(line), world->sequence, step, answer);
    if (world->loop > 0) {
        snprintf(asked, sizeof(asked), "%s (i = %lu)", text, (unsigned long)world->loop);
    } else {
        snprintf(asked, sizeof(asked), "%s", text);
    }
    taken->answers[taken->count].answer = must_have(strdup(line));
    taken->answers[taken->count].text = must_have(strdup(asked));
    taken->count++;
}

void model_take(unsigned pa_bits, struct model_taken *taken)
{
    struct model_sink sink = {.answer = take_answer, .cookie = taken};
    struct model_port port;
    struct guestmem_host *host = model_port_create(pa_bits, &port);

    memset(taken, 0, sizeof(*taken));
    taken->totals = model_run(&port, &sink);
    guestmem_host_destroy(host);
}

void model_taken_free(struct model_taken *taken)
{
    for (size_t k = 0; k < taken->count; k++) {
        free(taken->answers[k].answer);
        free(taken->answers[k].text);
    }
    free(taken->answers);
    memset(taken, 0, sizeof(*taken));
}

/* " 8" or " 6 0 2 1e": what an answer's line says after the sequence and the step */
static const char *after_step(const char *line)
{
    const char *space = strchr(line, ' ');

    space = space == NULL ? NULL : strchr(space + 1, ' ');
    return space == NULL ? line : space + 1;
}

static void report_words(FILE *report, const char *who, const char *line)
{
    static const char *const errors[] = {
        "done",        "InvalidArgument", "InvalidCapability", "IllegalOperation",
        "RangeError",  "AlignmentError",  "FailedLookup",      "TruncatedMessage",
        "DeleteFirst", "RevokeFirst",     "NotEnoughMemory",
    };
    char *end;
    unsigned long error = strtoul(after_step(line), &end, 10);

    fprintf(report, "    %s: %s%s\n", who,
            error < sizeof(errors) / sizeof(errors[0]) ? errors[error] : after_step(line), end);
}

static bool same_sequence(const char *a, const char *b)
{
    size_t length = strcspn(a, " ");

    return length == strcspn(b, " ") && strncmp(a, b, length) == 0;
}

static void report_difference(FILE *report, const char *recorded,
                              const struct model_taken_answer *taken)
{
    fprintf(report, "%.*s: %s\n", (int)(after_step(taken->answer) - taken->answer - 1),
            taken->answer, taken->text);
    report_words(report, "kernel", recorded);
    report_words(report, "model ", taken->answer);
}

size_t model_record_compare(const char *record, const struct model_taken *taken, FILE *report)
{
    const char *reported = "";
    size_t differences = 0;
    size_t at = 0;

    for (; *record != '\0' && at < taken->count; at++) {
        const struct model_taken_answer *answer = &taken->answers[at];
        size_t length = strcspn(record, "\n");

        if (strlen(answer->answer) != length || strncmp(record, answer->answer, length) != 0) {
            differences++;
            if (report != NULL && !same_sequence(reported, answer->answer)) {
                char line[MODEL_LINE_MAX];

                snprintf(line, sizeof(line), "%.*s", (int)length, record);
                report_difference(report, line, answer);
                reported = answer->answer;
            }
        }
        record += length + (record[length] == '\n');
    }
    differences += taken->count - at;
    for (; *record != '\0'; record += strcspn(record, "\n") + 1) {
        differences++;
    }
    return differences;
}

char *model_read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t room = 0;
    size_t length = 0;

    if (file == NULL) {
        model_fail(path, "can't be read");
    }
    do {
        room = room == 0 ? 65536 : 2 * room;
        text = must_have(realloc(text, room));
        length += fread(text + length, 1, room - length - 1, file);
    } while (length == room - 1);
    text[length] = '\0';
    if (ferror(file)) {
        model_fail(path, "can't be read");
    }
    fclose(file);
    return text;
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include <stdlib.h>
#include <string.h>

#include "record.h"

static int check(const struct model_taken *taken, const char *path)
{
    char *record = model_read_file(path);
    size_t differences = model_record_compare(record, taken, stdout);

    printf("%u scripted and %u random sequences, %lu answers, %zu differences\n",
           taken->totals.scripted, taken->totals.random, taken->totals.answers, differences);
    free(record);
    return differences == 0 ? 0 : 1;
}

static int show(const struct model_taken *taken, const char *name)
{
    size_t length = strlen(name);
    int status = 1;

    for (size_t k = 0; k < taken->count; k++) {
        const char *answer = taken->answers[k].answer;

        if (strncmp(answer, name, length) == 0 && answer[length] == ' ') {
            printf("%-32s # %s\n", answer, taken->answers[k].text);
            status = 0;
        }
    }
    if (status != 0) {
        fprintf(stderr, "model: no sequence is named %s\n", name);
    }
    return status;
}

static int print(const struct model_taken *taken)
{
    for (size_t k = 0; k < taken->count; k++) {
        puts(taken->answers[k].answer);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct model_taken taken;
    int status;

    if (argc == 3 && (strcmp(argv[1], "check") == 0 || strcmp(argv[1], "show") == 0)) {
        model_take(&taken);
        status = strcmp(argv[1], "check") == 0 ? check(&taken, argv[2]) : show(&taken, argv[2]);
    } else if (argc == 2 && strcmp(argv[1], "print") == 0) {
        model_take(&taken);
        status = print(&taken);
    } else {
        fprintf(stderr, "usage: guestmem-model check RECORD | show SEQUENCE | print\n");
        return 2;
    }
    model_taken_free(&taken);
    return status;
}

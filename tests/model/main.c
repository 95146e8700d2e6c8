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

static int run(const char *verb, const struct model_taken *taken, const char *argument)
{
    if (strcmp(verb, "check") == 0 && argument != NULL) {
        return check(taken, argument);
    }
    if (strcmp(verb, "show") == 0 && argument != NULL) {
        return show(taken, argument);
    }
    if (strcmp(verb, "print") == 0 && argument == NULL) {
        return print(taken);
    }
    return 2;
}

int main(int argc, char **argv)
{
    unsigned pa_bits = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    struct model_taken taken;
    int status = 2;

    if ((pa_bits == 40 || pa_bits == 44) && (argc == 3 || argc == 4)) {
        model_take(pa_bits, &taken);
        status = run(argv[2], &taken, argv[3]);
        model_taken_free(&taken);
    }
    if (status == 2) {
        fprintf(stderr, "usage: guestmem-model 40|44 check RECORD | show SEQUENCE | print\n");
    }
    return status;
}

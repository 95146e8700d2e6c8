/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The model's answers, all of them in memory, and how they are held against the kernel's.
 */
#ifndef GUESTMEM_TESTS_MODEL_RECORD_H
#define GUESTMEM_TESTS_MODEL_RECORD_H

#include <stdio.h>

#include "model.h"

struct model_taken_answer {
    char *answer; /* as the record has it */
    char *text;   /* the line that was asked, with i = where it was repeated */
};

struct model_taken {
    struct model_taken_answer *answers;
    size_t count;
    size_t room;
    struct model_totals totals;
};

/* Brings an environment up, runs every sequence in it, and takes it down again. */
void model_take(unsigned pa_bits, struct model_taken *taken);
void model_taken_free(struct model_taken *taken);

/*
 * The number of differences between the answers and the record's lines, a missing or additional
 * line being one. The first of each sequence is reported in words, unless `report` is NULL.
 */
size_t model_record_compare(const char *record, const struct model_taken *taken, FILE *report);

/* A whole file as a string; the program ends if it can't be read. */
char *model_read_file(const char *path);

#endif

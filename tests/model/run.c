/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#include <stdio.h>
#include <string.h>

#include "parse.h"

void model_answer_format(char *line, size_t bytes, const char *sequence, unsigned step,
                         const struct model_answer *answer)
{
    int at = snprintf(line, bytes, "%s %u %d", sequence, step, answer->error);

    for (unsigned k = 0; k < answer->word_count; k++) {
        at += snprintf(line + at, bytes - (size_t)at, " %lx", (unsigned long)answer->words[k]);
    }
}

void model_totals_format(char *line, size_t bytes, const struct model_totals *totals)
{
    snprintf(line, bytes,
             "model: end, %u scripted and %u random sequences, %lu answers, lines' digest %lx",
             totals->scripted, totals->random, totals->answers, totals->digest);
}

/* FNV-1a over the line and its end */
static unsigned long digest(unsigned long hash, const char *line)
{
    do {
        hash = (hash ^ (unsigned char)*line) * 0x100000001b3ul;
    } while (*line++ != '\0');
    return hash;
}

struct run {
    struct model_world world;
    const struct model_sink *sink;
    struct model_totals totals;
    unsigned step;
};

static bool ask(struct run *run, const char *line, struct model_answer *answer)
{
    if (!model_step(&run->world, line, answer)) {
        return false;
    }
    run->step++;
    run->totals.answers++;
    run->totals.digest = digest(run->totals.digest, line);
    run->sink->answer(run->sink->cookie, &run->world, run->step, line, answer);
    return true;
}

/* "*COUNT " before a line: that often, with i counting from 0. */
static void ask_repeated(struct run *run, const char *line)
{
    struct model_parse parse = {.world = &run->world, .line = line, .at = line + 1};
    struct model_answer answer;
    seL4_Word count = 1;

    run->world.loop = 0;
    if (*line == '*') {
        count = model_parse_number(&parse);
        line = parse.at + strspn(parse.at, " ");
    }
    for (seL4_Word k = 0; k < count; k++) {
        run->world.loop = k;
        ask(run, line, &answer);
    }
}

static void run_scripted(struct run *run)
{
    static struct model_sequence sequence;
    struct model_script script = {0};

    while (model_script_next(&script, &sequence)) {
        model_world_begin(&run->world, sequence.name);
        run->step = 0;
        for (unsigned k = 0; k < sequence.line_count; k++) {
            ask_repeated(run, sequence.lines[k]);
        }
        model_world_end(&run->world);
        run->totals.scripted++;
    }
}

static void run_random(struct run *run)
{
    for (unsigned k = 0; k < MODEL_RANDOM_SEQUENCES; k++) {
        struct model_random random;
        struct model_answer answer;
        char name[MODEL_NAME_MAX];
        char line[MODEL_LINE_MAX];

        snprintf(name, sizeof(name), "random.%u", k);
        model_world_begin(&run->world, name);
        run->step = 0;
        model_random_begin(&random, k);
        while (model_random_line(&random, line, sizeof(line))) {
            if (ask(run, line, &answer)) {
                model_random_learn(&random, &answer);
            }
        }
        model_world_end(&run->world);
        run->totals.random++;
    }
}

struct model_totals model_run(const struct model_port *port, const struct model_sink *sink)
{
    struct run run = {.sink = sink, .totals.digest = 0xcbf29ce484222325ul};

    model_world_init(&run.world, port);
    run_scripted(&run);
    run_random(&run);
    return run.totals;
}

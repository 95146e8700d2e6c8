/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What is measured, over time: at rest, and the highest while at work.
 *
 *      of the process      at rest: between two environments
 *      of the environment  at rest: at quiet points; beyond what it had at its first
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <guestmem/host.h>

enum metric {
    METRIC_RESIDENT,
    METRIC_HEAP,
    METRIC_DESCRIPTORS,
    METRIC_MAPPINGS,
    METRIC_OF_ENVIRONMENT, /* from here on */
    METRIC_SLOTS = METRIC_OF_ENVIRONMENT,
    METRIC_FRAMES,
    METRIC_TABLES,
    METRIC_UNTYPEDS,
    METRIC_TAKEN, /* normal memory */
    METRIC_VMM_MAPPINGS,
    METRIC_MALLOC_BYTES,
    METRIC_MALLOC_BLOCKS,
    METRICS
};

struct metric_info {
    const char *name;
    const char *unit;
    const char *column; /* in the CSV */
    double divisor;     /* of what is kept, for what is shown */
    /* How far the level of the second half may lie above the one after warm-up. */
    uint64_t tolerance;
    unsigned tolerance_percent;
};

extern const struct metric_info metric_info[METRICS];

/* One round; or several, when there are too many. */
struct sample {
    double seconds;
    uint64_t rest[METRICS];
    uint64_t high[METRICS];
};

enum { SAMPLES_MAX = 2048, SAMPLES_MIN = 8 };

struct series {
    size_t count;
    struct sample at[SAMPLES_MAX];
    struct sample now; /* the round that runs */
};

extern struct series series;

/* Touch all of it, so that it doesn't grow meanwhile. */
void series_start(void);

/* At work: note what is higher than before. `rest`: the environment's counts at its first point. */
void series_at_work(struct guestmem_host *host, const struct guestmem_host_counts *rest);
void series_quiet(struct guestmem_host *host, const struct guestmem_host_counts *rest);
/* Between two environments: the round is over. */
void series_round(double seconds);

/* Levels in the second quarter and in the second half. */
struct verdict {
    bool is_flat;
    uint64_t before;
    uint64_t after;
    uint64_t allowed;
};

struct verdict series_judge(enum metric metric);

/* The lowest and the highest. */
void series_range(enum metric metric, bool high, uint64_t *least, uint64_t *most);

/* As columns of a plot: the highest of what falls into each. Returns how many there are. */
size_t series_columns(enum metric metric, bool high, size_t columns, uint64_t *at);

/* How long the run took, "12:34". */
void series_time(double seconds, char text[16]);

/* plot.c, svg.c */
void plot_text(FILE *out);
void plot_svg(FILE *out);
void series_csv(FILE *out);

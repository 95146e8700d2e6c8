/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Each metric as text: `.` up to the highest while at work, `#` up to what it is at rest.
 */
#include "series.h"

enum { COLUMNS = 86, ROWS = 5, LABEL = 11 };

static void value_text(const struct metric_info *info, uint64_t value, char text[24])
{
    if (info->divisor == 1) {
        snprintf(text, 24, "%ju", (uintmax_t)value);
    } else {
        snprintf(text, 24, "%.2f", (double)value / info->divisor);
    }
}

/* What the numbers say. */
static void say(FILE *out, enum metric metric)
{
    const struct metric_info *info = &metric_info[metric];
    struct verdict verdict = series_judge(metric);
    const char *unit = info->unit;
    char before[24];
    char after[24];
    uint64_t least;
    uint64_t most;

    if (metric >= METRIC_OF_ENVIRONMENT) {
        series_range(metric, true, &least, &most);
        value_text(info, most, before);
        value_text(info, verdict.after, after);
        fprintf(out, "%s%s%s: at work up to %s, at quiet points %s%s\n", info->name,
                *unit ? ", " : "", unit, before, after, verdict.is_flat ? "" : ": NOT FLAT");
        return;
    }
    value_text(info, verdict.before, before);
    value_text(info, verdict.after, after);
    fprintf(out, "%s%s%s: at rest %s after warm-up, %s in the last half%s\n", info->name,
            *unit ? ", " : "", unit, before, after, verdict.is_flat ? "" : ": NOT FLAT");
}

static unsigned rows_of(uint64_t value, uint64_t top)
{
    return top == 0 ? 0 : (unsigned)((value * ROWS + top - 1) / top);
}

static void plot(FILE *out, enum metric metric)
{
    uint64_t high[COLUMNS];
    uint64_t rest[COLUMNS];
    size_t columns = series_columns(metric, true, COLUMNS, high);
    uint64_t least;
    uint64_t top;
    char label[24];

    series_columns(metric, false, COLUMNS, rest);
    series_range(metric, true, &least, &top);
    for (unsigned row = ROWS; row > 0; row--) {
        value_text(&metric_info[metric], top, label);
        fprintf(out, "%*s |", LABEL, row == ROWS ? label : "");
        for (size_t c = 0; c < columns; c++) {
            fputc(rows_of(rest[c], top) >= row   ? '#'
                  : rows_of(high[c], top) >= row ? '.'
                                                 : ' ',
                  out);
        }
        fputc('\n', out);
    }
}

static void axis(FILE *out)
{
    char end[16];
    size_t columns = series.count < COLUMNS ? series.count : COLUMNS;

    series_time(series.at[series.count - 1].seconds, end);
    fprintf(out, "%*s +", LABEL, "0");
    for (size_t c = 0; c < columns; c++) {
        fputc('-', out);
    }
    fprintf(out, "\n%*s  0:00%*s min\n\n", LABEL, "", columns > 12 ? (int)columns - 8 : 8, end);
}

void plot_text(FILE *out)
{
    for (unsigned metric = 0; metric < METRICS && series.count > 0; metric++) {
        say(out, metric);
        plot(out, metric);
        axis(out);
    }
}

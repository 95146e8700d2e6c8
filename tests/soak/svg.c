/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * All metrics as one picture: two columns of small plots. The colours are such that they can be
 * read on white and on black; there is no background.
 */
#include "series.h"

enum {
    WIDTH = 920,
    PANEL_WIDTH = 460,
    PANEL_HEIGHT = 150,
    LEFT = 70,
    TOP = 34,
    PLOT_WIDTH = 370,
    PLOT_HEIGHT = 76,
    HEAD = 64,
    COLUMNS = 185,
};

static double shown(enum metric metric, uint64_t value)
{
    return (double)value / metric_info[metric].divisor;
}

/* A step a column: least and highest stay what they are. */
static void line(FILE *out, const uint64_t *at, size_t columns, uint64_t top, const char *class)
{
    long before = -1;

    fprintf(out, "<path class=\"%s\" d=\"", class);
    for (size_t c = 0; c < columns; c++) {
        long x = (long)(c * PLOT_WIDTH / columns);
        long y = PLOT_HEIGHT - (top == 0 ? 0 : (long)(at[c] * PLOT_HEIGHT / top));

        if (c == 0) {
            fprintf(out, "M0 %ld", y);
        } else if (y != before) {
            fprintf(out, "H%ldV%ld", x, y);
        }
        before = y;
    }
    fprintf(out, "H%d\"/>\n", PLOT_WIDTH);
}

static void number(FILE *out, enum metric metric, uint64_t value, int y)
{
    double number = shown(metric, value);

    fprintf(out, "<text class=\"n\" x=\"-6\" y=\"%d\" text-anchor=\"end\">%.*f</text>\n", y,
            metric_info[metric].divisor == 1 || number >= 100 ? 0 : 1, number);
}

static void axes(FILE *out, enum metric metric, uint64_t top)
{
    char end[16];

    series_time(series.at[series.count - 1].seconds, end);
    fprintf(out, "<path class=\"a\" d=\"M0 0V%dH%d\"/>\n", PLOT_HEIGHT, PLOT_WIDTH);
    number(out, metric, top, 8);
    number(out, metric, 0, PLOT_HEIGHT);
    fprintf(out, "<text class=\"n\" x=\"0\" y=\"%d\">0:00</text>\n", PLOT_HEIGHT + 14);
    fprintf(out, "<text class=\"n\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%s min</text>\n",
            PLOT_WIDTH, PLOT_HEIGHT + 14, end);
}

static void title(FILE *out, enum metric metric)
{
    const struct metric_info *info = &metric_info[metric];
    struct verdict verdict = series_judge(metric);

    fprintf(out, "<text class=\"t\" x=\"0\" y=\"-12\">%s%s%s</text>\n", info->name,
            *info->unit ? ", " : "", info->unit);
    fprintf(out, "<text class=\"n\" x=\"%d\" y=\"-12\" text-anchor=\"end\">", PLOT_WIDTH);
    if (metric >= METRIC_OF_ENVIRONMENT) {
        fprintf(out, "at each quiet point %.0f", shown(metric, verdict.after));
    } else {
        fprintf(out, "at rest %.*f, then %.*f", info->divisor == 1 ? 0 : 2,
                shown(metric, verdict.before), info->divisor == 1 ? 0 : 2,
                shown(metric, verdict.after));
    }
    fprintf(out, "%s</text>\n", verdict.is_flat ? "" : " (not flat)");
}

static void panel(FILE *out, enum metric metric)
{
    uint64_t high[COLUMNS];
    uint64_t rest[COLUMNS];
    size_t columns = series_columns(metric, true, COLUMNS, high);
    uint64_t least;
    uint64_t top;

    series_columns(metric, false, COLUMNS, rest);
    series_range(metric, true, &least, &top);
    fprintf(out, "<g transform=\"translate(%d %d)\">\n", (int)(metric % 2) * PANEL_WIDTH + LEFT,
            HEAD + (int)(metric / 2) * PANEL_HEIGHT + TOP);
    title(out, metric);
    axes(out, metric, top);
    line(out, high, columns, top, "h");
    line(out, rest, columns, top, "r");
    fprintf(out, "</g>\n");
}

static void head(FILE *out)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\">\n",
            WIDTH, HEAD + (METRICS + 1) / 2 * PANEL_HEIGHT, WIDTH,
            HEAD + (METRICS + 1) / 2 * PANEL_HEIGHT);
    fprintf(out, "<style>text{font-family:sans-serif;fill:#7a828e}.t{font-size:14px;font-weight:"
                 "bold}.n{font-size:11px}path{fill:none}.a{stroke:#7a828e}.h{stroke:#d29922;"
                 "stroke-width:1.2}.r{stroke:#3b82f6;stroke-width:2.2}</style>\n");
    fprintf(out,
            "<text class=\"t\" x=\"%d\" y=\"24\">VMs come and go, with failing requests: "
            "what is in use, over time in minutes</text>\n",
            LEFT);
    fprintf(out,
            "<path class=\"h\" d=\"M%d 44h24\"/><text class=\"n\" x=\"%d\" y=\"48\">highest "
            "while at work</text>\n",
            LEFT, LEFT + 30);
    fprintf(out,
            "<path class=\"r\" d=\"M%d 44h24\"/><text class=\"n\" x=\"%d\" y=\"48\">at rest, "
            "all VMs gone; from cap slots on: beyond what an unused environment has</text>\n",
            LEFT + 190, LEFT + 220);
}

void plot_svg(FILE *out)
{
    head(out);
    for (unsigned metric = 0; metric < METRICS && series.count > 0; metric++) {
        panel(out, metric);
    }
    fprintf(out, "</svg>\n");
}

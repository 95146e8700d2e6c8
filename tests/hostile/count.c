/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "count.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 512, COLUMNS = 3 };

static struct {
    const char *group;
    const char *name;
    uint64_t count;
} rows[ROWS];

static unsigned row_of(const char *group, const char *name)
{
    unsigned hash = (unsigned)((uintptr_t)group * 31 + (uintptr_t)name) * 2654435761u >> 23;

    for (unsigned i = 0; i < ROWS; i++) {
        unsigned row = (hash + i) % ROWS;

        if (rows[row].group == NULL) {
            rows[row].group = group;
            rows[row].name = name;
        }
        if (rows[row].group == group && rows[row].name == name) {
            return row;
        }
    }
    fprintf(stderr, "hostile: too many counters\n");
    exit(2);
}

void count_many(const char *group, const char *name, uint64_t many)
{
    rows[row_of(group, name)].count += many;
}

void count_one(const char *group, const char *name)
{
    count_many(group, name, 1);
}

void count_expect(const char *group, const char *name)
{
    count_many(group, name, 0);
}

void count_expect_all(const char *group, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        count_expect(group, names[i]);
    }
}

/* The same text at two addresses is one row. */
static int by_text(const void *left, const void *right)
{
    const unsigned a = *(const unsigned *)left;
    const unsigned b = *(const unsigned *)right;
    int order = strcmp(rows[a].group, rows[b].group);

    return order != 0 ? order : strcmp(rows[a].name, rows[b].name);
}

static unsigned sorted(unsigned order[ROWS])
{
    unsigned count = 0;
    unsigned kept = 0;

    for (unsigned i = 0; i < ROWS; i++) {
        if (rows[i].group != NULL) {
            order[count++] = i;
        }
    }
    qsort(order, count, sizeof(*order), by_text);
    for (unsigned i = 0; i < count; i++) {
        if (kept > 0 && by_text(&order[kept - 1], &order[i]) == 0) {
            rows[order[kept - 1]].count += rows[order[i]].count;
        } else {
            order[kept++] = order[i];
        }
    }
    return kept;
}

bool count_print(void)
{
    unsigned order[ROWS];
    unsigned count = sorted(order);
    const char *group = "";
    unsigned column = 0;
    bool all = true;

    for (unsigned i = 0; i < count; i++) {
        if (strcmp(group, rows[order[i]].group) != 0) {
            group = rows[order[i]].group;
            printf("%s%s\n", column % COLUMNS != 0 ? "\n" : "", group);
            column = 0;
        }
        printf("  %-24s%10" PRIu64 "%s", rows[order[i]].name, rows[order[i]].count,
               ++column % COLUMNS == 0 ? "\n" : "");
    }
    printf("%s", column % COLUMNS != 0 ? "\n" : "");
    for (unsigned i = 0; i < count; i++) {
        if (rows[order[i]].count == 0) {
            all = false;
            printf("never happened: %s: %s\n", rows[order[i]].group, rows[order[i]].name);
        }
    }
    return all;
}

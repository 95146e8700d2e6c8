/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "series.h"

#include <dirent.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct metric_info metric_info[METRICS] = {
    [METRIC_RESIDENT] = {"resident memory", "MiB", "resident_bytes", 1 << 20, 1 << 20, 3},
    [METRIC_HEAP] = {"heap in use", "MiB", "heap_bytes", 1 << 20, 64 << 10, 1},
    [METRIC_DESCRIPTORS] = {"file descriptors", "", "descriptors", 1, 0, 0},
    [METRIC_MAPPINGS] = {"mappings of the process", "", "mappings", 1, 4, 0},
    [METRIC_SLOTS] = {"cap slots", "", "slots", 1, 0, 0},
    [METRIC_FRAMES] = {"frames", "", "frames", 1, 0, 0},
    [METRIC_TABLES] = {"page tables", "", "tables", 1, 0, 0},
    [METRIC_UNTYPEDS] = {"untyped objects", "", "untypeds", 1, 0, 0},
    [METRIC_TAKEN] = {"memory taken", "MiB", "taken_bytes", 1 << 20, 0, 0},
    [METRIC_VMM_MAPPINGS] = {"mappings in the VMM", "", "vmm_mappings", 1, 0, 0},
    [METRIC_MALLOC_BYTES] = {"book-keeping", "KiB", "malloc_bytes", 1 << 10, 0, 0},
    [METRIC_MALLOC_BLOCKS] = {"book-keeping", "blocks", "malloc_blocks", 1, 0, 0},
};

struct series series;

/* ----------------------------------------------------------------------------- measuring */

static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long long total;
    unsigned long long resident = 0;

    if (file == NULL || fscanf(file, "%llu %llu", &total, &resident) != 2) {
        resident = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* With AddressSanitizer malloc is another one's, which says itself how much is in use. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* It also keeps what was freed for long, to find whoever still uses it. */
static bool keeps_freed_memory(void)
{
    return __sanitizer_get_current_allocated_bytes != NULL;
}

static uint64_t heap_bytes(void)
{
    struct mallinfo2 info;

    if (keeps_freed_memory()) {
        return __sanitizer_get_current_allocated_bytes();
    }
    info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static uint64_t descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (folder == NULL) {
        return 0;
    }
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count - 3; /* ".", "..", and the folder's own */
}

static uint64_t mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    uint64_t count = 0;
    int c;

    if (file == NULL) {
        return 0;
    }
    while ((c = getc_unlocked(file)) != EOF) {
        count += c == '\n';
    }
    fclose(file);
    return count;
}

static void measure_process(uint64_t at[METRICS])
{
    at[METRIC_RESIDENT] = resident_bytes();
    at[METRIC_HEAP] = heap_bytes();
    at[METRIC_DESCRIPTORS] = descriptors();
    at[METRIC_MAPPINGS] = mappings();
}

static uint64_t beyond(uint64_t now, uint64_t rest)
{
    return now > rest ? now - rest : 0;
}

static void measure_environment(struct guestmem_host *host, const struct guestmem_host_counts *rest,
                                uint64_t at[METRICS])
{
    struct guestmem_host_counts now;

    guestmem_host_count(host, &now);
    at[METRIC_SLOTS] = beyond(now.slots_used, rest->slots_used);
    at[METRIC_FRAMES] = beyond(now.frames_4k + now.frames_2m + now.frames_1g,
                               rest->frames_4k + rest->frames_2m + rest->frames_1g);
    at[METRIC_TABLES] = beyond(now.tables, rest->tables);
    at[METRIC_UNTYPEDS] = beyond(now.untypeds, rest->untypeds);
    at[METRIC_TAKEN] = beyond(rest->free_bytes, now.free_bytes);
    at[METRIC_VMM_MAPPINGS] = beyond(now.vmm_mappings, rest->vmm_mappings);
    at[METRIC_MALLOC_BYTES] = beyond(now.malloc_bytes, rest->malloc_bytes);
    at[METRIC_MALLOC_BLOCKS] = beyond(now.malloc_blocks, rest->malloc_blocks);
}

static void raise_to(uint64_t *at, uint64_t value)
{
    *at = value > *at ? value : *at;
}

void series_start(void)
{
    memset(&series, 0xff, sizeof(series));
    memset(&series, 0, sizeof(series));
}

void series_at_work(struct guestmem_host *host, const struct guestmem_host_counts *rest)
{
    uint64_t at[METRICS];

    measure_process(at);
    measure_environment(host, rest, at);
    for (unsigned m = 0; m < METRICS; m++) {
        raise_to(&series.now.high[m], at[m]);
    }
}

void series_quiet(struct guestmem_host *host, const struct guestmem_host_counts *rest)
{
    uint64_t at[METRICS] = {0};

    measure_environment(host, rest, at);
    for (unsigned m = METRIC_OF_ENVIRONMENT; m < METRICS; m++) {
        raise_to(&series.now.rest[m], at[m]);
    }
}

/* Two of each become one. */
static void halve(void)
{
    for (size_t i = 0; i < SAMPLES_MAX / 2; i++) {
        struct sample both = series.at[2 * i + 1];

        for (unsigned m = 0; m < METRICS; m++) {
            raise_to(&both.rest[m], series.at[2 * i].rest[m]);
            raise_to(&both.high[m], series.at[2 * i].high[m]);
        }
        series.at[i] = both;
    }
    series.count = SAMPLES_MAX / 2;
}

void series_round(double seconds)
{
    malloc_trim(0); /* what malloc keeps for later isn't in use */
    measure_process(series.now.rest);
    series.now.seconds = seconds;
    if (series.count == SAMPLES_MAX) {
        halve();
    }
    series.at[series.count++] = series.now;
    memset(&series.now, 0, sizeof(series.now));
}

/* ------------------------------------------------------------------------------- judging */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static uint64_t median(enum metric metric, size_t from, size_t to)
{
    static uint64_t values[SAMPLES_MAX];
    size_t count = to - from;

    for (size_t i = 0; i < count; i++) {
        values[i] = series.at[from + i].rest[metric];
    }
    qsort(values, count, sizeof(values[0]), by_value);
    return values[count / 2];
}

struct verdict series_judge(enum metric metric)
{
    const struct metric_info *info = &metric_info[metric];
    struct verdict verdict = {.is_flat = true};
    uint64_t least;
    uint64_t most;

    if (metric >= METRIC_OF_ENVIRONMENT) {
        series_range(metric, false, &least, &most);
        verdict.after = most;
        verdict.is_flat = most == 0;
        return verdict;
    }
    if (series.count >= SAMPLES_MIN) {
        verdict.before = median(metric, series.count / 4, series.count / 2);
        verdict.after = median(metric, series.count / 2, series.count);
        verdict.allowed = info->tolerance + verdict.before * info->tolerance_percent / 100;
        if (metric == METRIC_MAPPINGS && keeps_freed_memory()) {
            verdict.allowed *= 8; /* that malloc makes and joins mappings all the time */
        }
    }
    verdict.is_flat = verdict.after <= verdict.before + verdict.allowed ||
                      (metric == METRIC_RESIDENT && keeps_freed_memory());
    return verdict;
}

void series_range(enum metric metric, bool high, uint64_t *least, uint64_t *most)
{
    *least = UINT64_MAX;
    *most = 0;
    for (size_t i = 0; i < series.count; i++) {
        uint64_t value = high ? series.at[i].high[metric] : series.at[i].rest[metric];

        *least = value < *least ? value : *least;
        raise_to(most, value);
    }
}

size_t series_columns(enum metric metric, bool high, size_t columns, uint64_t *at)
{
    size_t used = series.count < columns ? series.count : columns;

    memset(at, 0, used * sizeof(*at));
    for (size_t i = 0; i < series.count; i++) {
        const struct sample *sample = &series.at[i];

        raise_to(&at[i * used / series.count], high ? sample->high[metric] : sample->rest[metric]);
    }
    return used;
}

void series_time(double seconds, char text[16])
{
    unsigned whole = (unsigned)(seconds + 0.5);

    snprintf(text, 16, "%u:%02u", whole / 60 % 10000, whole % 60);
}

void series_csv(FILE *out)
{
    fprintf(out, "seconds");
    for (unsigned m = 0; m < METRICS; m++) {
        fprintf(out, ",%s_at_rest,%s_at_work", metric_info[m].column, metric_info[m].column);
    }
    fputc('\n', out);
    for (size_t i = 0; i < series.count; i++) {
        fprintf(out, "%.2f", series.at[i].seconds);
        for (unsigned m = 0; m < METRICS; m++) {
            fprintf(out, ",%ju,%ju", (uintmax_t)series.at[i].rest[m],
                    (uintmax_t)series.at[i].high[m]);
        }
        fputc('\n', out);
    }
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <inttypes.h>
#include <stdio.h>

#include "bench.h"
#include "counter.h"

void bench_row(const char *name, uint64_t value, const char *unit, uint64_t most, const char *reference)
{
    printf("%-38s %8" PRIu64 " %-15s", name, value, unit);
    if (most > 0) {
        printf(" at most %6" PRIu64 " %-4s", most, value <= most ? "ok" : "OVER");
    } else {
        printf(" %-19s", "");
    }
    printf(" reference / floor %s\n", reference);
}

int main(void)
{
    bench_setup();
    counter_start();
    printf("operation                                 insn\n");
    bench_rows();
    bench_access_rows();
    printf("BENCH DONE\n");
    return 0;
}

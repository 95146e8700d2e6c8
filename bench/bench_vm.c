/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 */
#define _GNU_SOURCE
#include "bench_vm.h"

#include <sel4vm/boot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void bench_require(bool held, const char *what)
{
    if (!held) {
        fprintf(stderr, "bench: failed: %s\n", what);
        exit(1);
    }
}

void bench_vm_create(struct bench_vm *bench, uint64_t ram_bytes, unsigned frame_bits_max)
{
    struct guestmem_host_config config = {.ram_bytes = ram_bytes};
    struct guestmem_policy policy;
    int err;

    memset(bench, 0, sizeof(*bench));
    err = guestmem_host_create(&config, &bench->host);
    bench_require(err == 0, strerror(-err));
    bench_require(vm_init(&bench->vm, guestmem_host_vka(bench->host),
                          guestmem_host_simple(bench->host), *guestmem_host_vspace(bench->host),
                          guestmem_host_io_ops(bench->host), guestmem_host_endpoint(bench->host),
                          "bench") == 0,
                  "vm_init");
    guestmem_policy_default(&policy);
    policy.frame_bits_max = frame_bits_max;
    bench_require(guestmem_set_policy(&bench->vm, &policy) == GUESTMEM_OK, "set the policy");
}

void bench_vm_destroy(struct bench_vm *bench)
{
    bench_require(guestmem_host_vm_destroy(&bench->vm) == 0, "take the VM down");
    guestmem_host_destroy(bench->host);
}

void *bench_share(size_t bytes)
{
    void *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    bench_require(shared != MAP_FAILED, "share memory with the runs");
    return shared;
}

void bench_run_apart(void (*run)(void *shared), void *shared)
{
    int status = 0;
    pid_t child;

    fflush(NULL);
    child = fork();
    bench_require(child >= 0, "fork");
    if (child == 0) {
        run(shared);
        _exit(0);
    }
    bench_require(waitpid(child, &status, 0) == child, "wait for the run");
    bench_require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "end a run well");
}

void bench_result(const char *name, double value, const char *unit)
{
    printf("{\"name\":\"%s\",\"value\":%.10g,\"unit\":\"%s\"}\n", name, value, unit);
    fflush(stdout);
}

double bench_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

double bench_median(double *values, unsigned count)
{
    qsort(values, count, sizeof(*values), compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

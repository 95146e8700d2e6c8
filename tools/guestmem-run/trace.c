/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A regular file is valid JSON after every write, however the program ends: each block is written
 * with the closing brackets behind it, and the next block overwrites those.
 *
 *   head | events … | tail          first write
 *   head | events … | events … | tail
 */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <guestmem/host_vm.h>

static const char head[] =
    "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
    "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"args\":{\"name\":\"guestmem-run\"}},\n"
    "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":1,\"args\":{\"name\":\"vcpu 0\"}}";
static const char tail[] = "\n]}\n";

enum { BLOCK = 1 << 16, EVENT_MAX = 512 };

struct trace {
    int fd;
    bool regular;
    int error;
    off_t end; /* of what is written for good, in a regular file */
    uint64_t start_ns;
    size_t used;
    char block[BLOCK + sizeof(tail)];
    struct uboot_vmm *vmm;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void write_all(struct trace *trace, size_t size)
{
    size_t done = 0;

    while (done < size && trace->error == 0) {
        const char *from = trace->block + done;
        ssize_t put = trace->regular
                          ? pwrite(trace->fd, from, size - done, trace->end + (off_t)done)
                          : write(trace->fd, from, size - done);
        if (put < 0 && errno != EINTR) {
            trace->error = errno;
        }
        done += put > 0 ? (size_t)put : 0;
    }
}

static void write_block(struct trace *trace, bool last)
{
    size_t size = trace->used;

    if (trace->regular || last) {
        memcpy(trace->block + size, tail, sizeof(tail) - 1);
        size += sizeof(tail) - 1;
    }
    write_all(trace, size);
    trace->end += (off_t)trace->used;
    trace->used = 0;
}

static const char *what(const struct guestmem_host_vm_fault *fault, bool in_area)
{
    if (fault->result == FAULT_RESTART && in_area) {
        return "populate";
    }
    return fault->fetch ? "fetch" : fault->write ? "write" : "read";
}

static void add_event(vm_t *vm, const struct guestmem_host_vm_fault *fault, void *cookie)
{
    struct trace *trace = cookie;
    const struct uboot_vmm_area *area = uboot_vmm_area_at(trace->vmm, fault->address);
    int length;

    (void)vm;
    if (trace->used + EVENT_MAX > BLOCK) {
        write_block(trace, false);
    }
    length = snprintf(trace->block + trace->used, EVENT_MAX,
                      ",\n{\"name\":\"%s %s\",\"cat\":\"fault\",\"ph\":\"X\",\"pid\":1,\"tid\":1,"
                      "\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"addr\":\"0x%" PRIx64 "\",\"size\":%u,"
                      "\"data\":\"0x%" PRIx64 "\",\"pc\":\"0x%" PRIx64 "\"}}",
                      area != NULL ? area->name : "other", what(fault, area != NULL),
                      (double)(fault->start_ns - trace->start_ns) / 1000,
                      (double)(fault->end_ns - fault->start_ns) / 1000, fault->address, fault->size,
                      fault->data, fault->pc);
    trace->used += (size_t)length;
}

struct trace *trace_open(const char *path)
{
    struct trace *trace = calloc(1, sizeof(*trace));
    struct stat status;

    if (trace == NULL) {
        return NULL;
    }
    trace->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (trace->fd < 0) {
        free(trace);
        return NULL;
    }
    trace->regular = fstat(trace->fd, &status) == 0 && S_ISREG(status.st_mode);
    trace->start_ns = now_ns();
    memcpy(trace->block, head, sizeof(head) - 1);
    trace->used = sizeof(head) - 1;
    write_block(trace, false);
    return trace;
}

int trace_close(struct trace *trace)
{
    int error;

    if (trace == NULL) {
        return 0;
    }
    write_block(trace, true);
    error = trace->error;
    if (close(trace->fd) != 0 && error == 0) {
        error = errno;
    }
    free(trace);
    return error;
}

void trace_watch(struct trace *trace, struct uboot_vmm *vmm)
{
    if (trace != NULL) {
        trace->vmm = vmm;
        guestmem_host_vm_watch_faults(&vmm->vm, add_event, trace);
    }
}

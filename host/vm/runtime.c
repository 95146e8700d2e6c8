/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the runtime of each VM is found. The list is read without a lock, from signal handlers too;
 * whoever stops a VM that is being destroyed has a bug of their own.
 */
#define _GNU_SOURCE
#include "runtime.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct runtime *_Atomic list;

struct runtime *runtime_of(const vm_t *vm)
{
    struct runtime *runtime = atomic_load(&list);

    while (runtime != NULL && runtime->vm != vm) {
        runtime = runtime->next;
    }
    return runtime;
}

int runtime_add(vm_t *vm, struct guestmem_host *host, struct runtime **result)
{
    struct runtime *runtime = calloc(1, sizeof(*runtime));
    int err;

    if (runtime == NULL) {
        return -ENOMEM;
    }
    err = gang_init(&runtime->gang);
    if (err) {
        free(runtime);
        return err;
    }
    runtime->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (runtime->event < 0) {
        err = -errno;
        gang_destroy(&runtime->gang);
        free(runtime);
        return err;
    }
    pthread_mutex_init(&runtime->watch_lock, NULL);
    runtime->vm = vm;
    runtime->host = host;
    pthread_mutex_lock(&list_lock);
    runtime->next = atomic_load(&list);
    atomic_store(&list, runtime);
    pthread_mutex_unlock(&list_lock);
    *result = runtime;
    return 0;
}

void runtime_remove(struct runtime *runtime)
{
    pthread_mutex_lock(&list_lock);
    if (atomic_load(&list) == runtime) {
        atomic_store(&list, runtime->next);
    } else {
        struct runtime *before = atomic_load(&list);

        while (before->next != runtime) {
            before = before->next;
        }
        before->next = runtime->next;
    }
    pthread_mutex_unlock(&list_lock);
    close(runtime->event);
    pthread_mutex_destroy(&runtime->watch_lock);
    gang_destroy(&runtime->gang);
    free(runtime);
}

void runtime_wake(struct runtime *runtime)
{
    int saved = errno;
    uint64_t one = 1;
    ssize_t written;

    atomic_store(&runtime->woken, true);
    written = write(runtime->event, &one, sizeof(one));
    (void)written; /* full means that it is awake already */
    errno = saved;
    if (atomic_load(&runtime->is_parallel)) {
        return; /* who oversees the vcpus doesn't run one itself */
    }
    for (unsigned i = 0; i < runtime->vm->num_vcpus; i++) {
        engine_cpu_kick(runtime->vm->vcpus[i]->vcpu_arch.fault->cpu);
    }
}

void guestmem_host_vm_stop(vm_t *vm)
{
    struct runtime *runtime = runtime_of(vm);

    if (runtime != NULL) {
        atomic_store(&runtime->stop, true);
        runtime_wake(runtime);
    }
}

void guestmem_host_vm_notify(vm_t *vm, seL4_Word badge)
{
    struct runtime *runtime = runtime_of(vm);

    if (runtime != NULL) {
        atomic_fetch_or(&runtime->badges, badge);
        runtime_wake(runtime);
    }
}

int guestmem_host_vm_set_parallel(vm_t *vm, bool parallel)
{
    struct runtime *runtime = vm == NULL ? NULL : runtime_of(vm);

    if (runtime == NULL) {
        return -EINVAL;
    }
    if (atomic_load(&runtime->running)) {
        return -EBUSY;
    }
    runtime->parallel = parallel;
    return 0;
}

void guestmem_host_vm_code_changed(vm_t *vm, uintptr_t base, size_t size)
{
    struct runtime *runtime = runtime_of(vm);

    if (runtime != NULL) {
        engine_invalidate(runtime->engine, base, size);
    }
}

void guestmem_host_vm_get_exit(vm_t *vm, struct guestmem_host_vm_exit *exit)
{
    struct runtime *runtime = runtime_of(vm);

    *exit = runtime != NULL ? runtime->exit : (struct guestmem_host_vm_exit){0};
}

void guestmem_host_vm_watch_faults(vm_t *vm, guestmem_host_vm_fault_fn seen, void *cookie)
{
    struct runtime *runtime = runtime_of(vm);

    if (runtime != NULL) {
        runtime->watcher = seen;
        runtime->watcher_cookie = cookie;
    }
}

uint64_t runtime_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "failing_system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <unicorn/unicorn.h>

/* Names that only the linker knows. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__real_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
int __real_memfd_create(const char *name, unsigned flags);
int __real_ftruncate(int file, off_t size);
int __real_eventfd(unsigned count, int flags);
uc_err __real_uc_open(uc_arch arch, uc_mode mode, uc_engine **uc);
uc_err __real_uc_context_alloc(uc_engine *uc, uc_context **context);
uc_err __real_uc_mem_map_ptr(uc_engine *uc, uint64_t at, uint64_t size, uint32_t rights, void *ptr);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *block);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_ftruncate(int file, off_t size);
int __wrap_eventfd(unsigned count, int flags);
uc_err __wrap_uc_open(uc_arch arch, uc_mode mode, uc_engine **uc);
uc_err __wrap_uc_context_alloc(uc_engine *uc, uc_context **context);
uc_err __wrap_uc_mem_map_ptr(uc_engine *uc, uint64_t at, uint64_t size, uint32_t rights, void *ptr);

static atomic_uint left;
static atomic_bool failed;
static atomic_long blocks;

void system_fail(unsigned k)
{
    atomic_store(&failed, false);
    atomic_store(&left, k);
}

void system_rest(void)
{
    atomic_store(&left, 0);
}

bool system_failed(void)
{
    return atomic_load(&failed);
}

struct system_use system_use(void)
{
    struct system_use use = {.blocks = atomic_load(&blocks), .file = open("/dev/null", O_RDONLY)};

    close(use.file);
    return use;
}

static bool fails(int error)
{
    if (atomic_load(&left) == 0 || atomic_fetch_sub(&left, 1) != 1) {
        return false;
    }
    atomic_store(&failed, true);
    errno = error;
    return true;
}

static void *counted(void *block)
{
    if (block != NULL) {
        atomic_fetch_add(&blocks, 1);
    }
    return block;
}

void *__wrap_malloc(size_t size)
{
    return fails(ENOMEM) ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(ENOMEM) ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    if (block == NULL) {
        return __wrap_malloc(size);
    }
    return fails(ENOMEM) ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);

    return copy == NULL ? NULL : memcpy(copy, text, size);
}

void __wrap_free(void *block)
{
    if (block != NULL) {
        atomic_fetch_sub(&blocks, 1);
    }
    __real_free(block);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    return fails(ENOMEM) ? (void *)-1 : __real_mmap(at, size, protection, flags, file, offset);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
    return fails(EMFILE) ? -1 : __real_memfd_create(name, flags);
}

int __wrap_ftruncate(int file, off_t size)
{
    return fails(ENOSPC) ? -1 : __real_ftruncate(file, size);
}

int __wrap_eventfd(unsigned count, int flags)
{
    return fails(EMFILE) ? -1 : __real_eventfd(count, flags);
}

uc_err __wrap_uc_open(uc_arch arch, uc_mode mode, uc_engine **uc)
{
    return fails(ENOMEM) ? UC_ERR_NOMEM : __real_uc_open(arch, mode, uc);
}

uc_err __wrap_uc_context_alloc(uc_engine *uc, uc_context **context)
{
    return fails(ENOMEM) ? UC_ERR_NOMEM : __real_uc_context_alloc(uc, context);
}

uc_err __wrap_uc_mem_map_ptr(uc_engine *uc, uint64_t at, uint64_t size, uint32_t rights, void *ptr)
{
    return fails(ENOMEM) ? UC_ERR_NOMEM : __real_uc_mem_map_ptr(uc, at, size, rights, ptr);
}

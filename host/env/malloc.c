/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * The allocator behind ps_malloc_ops: the C library's, with each block's size in front of it, so
 * that bytes are counted and a free of the wrong thing or the wrong size ends the program.
 */
#include "env.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct header {
    alignas(max_align_t) size_t size;
    uint64_t mark;
};

#define LIVE UINT64_C(0x6775657374206d65)

static struct env_malloc_counts counts;

struct env_malloc_counts env_malloc_counts(void)
{
    K_ALONE;

    return counts;
}

static int allocate(const char *step, void *(*get)(size_t), size_t size, void **ptr)
{
    K_ALONE;
    struct header *header;

    if (env_refuse(GUESTMEM_HOST_FAIL_MALLOC, step) || size > SIZE_MAX - sizeof(*header)) {
        return ENOMEM;
    }
    header = get(sizeof(*header) + size);
    if (header == NULL) {
        return ENOMEM;
    }
    header->size = size;
    header->mark = LIVE;
    counts.bytes += size;
    counts.blocks++;
    counts.mallocs++;
    *ptr = header + 1;
    return 0;
}

static void *get_zeroed(size_t size)
{
    return calloc(1, size);
}

/* Not zero, so that nobody comes to rely on zeroes that a target's allocator doesn't give. */
static int take(void *cookie, size_t size, void **ptr)
{
    int err = allocate("malloc", malloc, size, ptr);

    (void)cookie;
    if (err == 0) {
        memset(*ptr, 0xa5, size);
    }
    return err;
}

static int take_zeroed(void *cookie, size_t nmemb, size_t size, void **ptr)
{
    (void)cookie;
    if (nmemb > SIZE_MAX / size) {
        return ENOMEM;
    }
    return allocate("calloc", get_zeroed, nmemb * size, ptr);
}

static int give(void *cookie, size_t size, void *ptr)
{
    K_ALONE;
    struct header *header = (struct header *)ptr - 1;

    (void)cookie;
    if (header->mark != LIVE || header->size != size) {
        ZF_LOGF("ps_free of %zu bytes at %p: no such block was given out", size, ptr);
    }
    header->mark = 0;
    counts.bytes -= size;
    counts.blocks--;
    free(header);
    return 0;
}

int ps_new_stdlib_malloc_ops(ps_malloc_ops_t *ops)
{
    if (ops == NULL) {
        return EINVAL;
    }
    *ops = (ps_malloc_ops_t){.malloc = take, .calloc = take_zeroed, .free = give};
    return 0;
}

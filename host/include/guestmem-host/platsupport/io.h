/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * What a driver, or a VM library, gets from its environment: host memory, device mappings. The
 * host environment sets the allocator and the device mapper; clocks, pin muxes, ports, DMA, device
 * tree and interrupts stay empty (all zero).
 */
#pragma once

#include <autoconf.h>

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <platsupport/irq.h>
#include <utils/util.h>

typedef struct ps_io_ops ps_io_ops_t;

typedef enum ps_mem_flags {
    PS_MEM_NORMAL,
    PS_MEM_HR, /* the host mostly reads */
    PS_MEM_HW  /* the host mostly writes */
} ps_mem_flags_t;

/* Address at which size bytes from paddr on can be accessed, or NULL. */
typedef void *(*ps_io_map_fn_t)(void *cookie, uintptr_t paddr, size_t size, int cached,
                                ps_mem_flags_t flags);
typedef void (*ps_io_unmap_fn_t)(void *cookie, void *vaddr, size_t size);

typedef struct ps_io_mapper {
    void *cookie;
    ps_io_map_fn_t io_map_fn;
    ps_io_unmap_fn_t io_unmap_fn;
} ps_io_mapper_t;

static inline void *ps_io_map(const ps_io_mapper_t *io_mapper, uintptr_t paddr, size_t size,
                              int cached, ps_mem_flags_t flags)
{
    assert(io_mapper != NULL && io_mapper->io_map_fn != NULL);
    return io_mapper->io_map_fn(io_mapper->cookie, paddr, size, cached, flags);
}

static inline void ps_io_unmap(const ps_io_mapper_t *io_mapper, void *vaddr, size_t size)
{
    assert(io_mapper != NULL && io_mapper->io_unmap_fn != NULL);
    io_mapper->io_unmap_fn(io_mapper->cookie, vaddr, size);
}

typedef int (*ps_io_port_in_fn_t)(void *cookie, uint32_t port, int io_size, uint32_t *result);
typedef int (*ps_io_port_out_fn_t)(void *cookie, uint32_t port, int io_size, uint32_t val);

typedef struct ps_io_port_ops {
    void *cookie;
    ps_io_port_in_fn_t io_port_in_fn;
    ps_io_port_out_fn_t io_port_out_fn;
} ps_io_port_ops_t;

typedef enum dma_cache_op {
    DMA_CACHE_OP_CLEAN,
    DMA_CACHE_OP_INVALIDATE,
    DMA_CACHE_OP_CLEAN_INVALIDATE
} dma_cache_op_t;

typedef void *(*ps_dma_alloc_fn_t)(void *cookie, size_t size, int align, int cached,
                                   ps_mem_flags_t flags);
typedef void (*ps_dma_free_fn_t)(void *cookie, void *addr, size_t size);
typedef uintptr_t (*ps_dma_pin_fn_t)(void *cookie, void *addr, size_t size);
typedef void (*ps_dma_unpin_fn_t)(void *cookie, void *addr, size_t size);
typedef void (*ps_dma_cache_op_fn_t)(void *cookie, void *addr, size_t size, dma_cache_op_t op);

typedef struct ps_dma_man {
    void *cookie;
    ps_dma_alloc_fn_t dma_alloc_fn;
    ps_dma_free_fn_t dma_free_fn;
    ps_dma_pin_fn_t dma_pin_fn;
    ps_dma_unpin_fn_t dma_unpin_fn;
    ps_dma_cache_op_fn_t dma_cache_op_fn;
} ps_dma_man_t;

/* Host memory. 0, or an errno value with *ptr untouched; free wants the size that was asked for. */
typedef int (*ps_malloc_fn_t)(void *cookie, size_t size, void **ptr);
typedef int (*ps_calloc_fn_t)(void *cookie, size_t nmemb, size_t size, void **ptr);
typedef int (*ps_free_fn_t)(void *cookie, size_t size, void *ptr);

typedef struct {
    ps_malloc_fn_t malloc;
    ps_calloc_fn_t calloc;
    ps_free_fn_t free;
    void *cookie;
} ps_malloc_ops_t;

/* A size of zero is nothing to do: 0, with *ptr untouched. */
static inline int ps_malloc(const ps_malloc_ops_t *ops, size_t size, void **ptr)
{
    if (ops == NULL || ops->malloc == NULL) {
        return ops == NULL ? EINVAL : ENOSYS;
    }
    if (size == 0) {
        return 0;
    }
    return ptr == NULL ? EINVAL : ops->malloc(ops->cookie, size, ptr);
}

static inline int ps_calloc(const ps_malloc_ops_t *ops, size_t nmemb, size_t size, void **ptr)
{
    if (ops == NULL || ops->calloc == NULL) {
        return ops == NULL ? EINVAL : ENOSYS;
    }
    if (size == 0 || nmemb == 0) {
        return 0;
    }
    return ptr == NULL ? EINVAL : ops->calloc(ops->cookie, nmemb, size, ptr);
}

static inline int ps_free(const ps_malloc_ops_t *ops, size_t size, void *ptr)
{
    if (ops == NULL || ops->free == NULL) {
        return ops == NULL ? EINVAL : ENOSYS;
    }
    return ptr == NULL ? EINVAL : ops->free(ops->cookie, size, ptr);
}

typedef char *(*ps_io_fdt_get_fn_t)(void *cookie);

typedef struct ps_fdt {
    void *cookie;
    ps_io_fdt_get_fn_t get_fn;
} ps_io_fdt_t;

typedef struct clock_sys {
    void *priv;
} clock_sys_t;

typedef struct mux_sys {
    void *priv;
} mux_sys_t;

typedef struct {
    void *cookie;
} ps_interface_registration_ops_t;

struct ps_io_ops {
    ps_io_mapper_t io_mapper;
    ps_io_port_ops_t io_port_ops;
    ps_dma_man_t dma_manager;
    ps_io_fdt_t io_fdt;
    clock_sys_t clock_sys;
    mux_sys_t mux_sys;
    ps_interface_registration_ops_t interface_registration_ops;
    ps_malloc_ops_t malloc_ops;
    ps_irq_ops_t irq_ops;
};

#ifdef __cplusplus
extern "C" {
#endif

/* The C library's allocator, counted and failing on demand as guestmem/host.h says. */
int ps_new_stdlib_malloc_ops(ps_malloc_ops_t *ops);

#ifdef __cplusplus
}
#endif

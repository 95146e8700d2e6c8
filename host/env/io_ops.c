/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * io ops: host memory, and device registers at the host address of their physical memory.
 */
#include "env.h"

static void *io_map(void *cookie, uintptr_t paddr, size_t size, int cached, ps_mem_flags_t flags)
{
    (void)cached;
    (void)flags;
    return guestmem_host_phys(cookie, paddr, size);
}

static void io_unmap(void *cookie, void *vaddr, size_t size)
{
    (void)cookie;
    (void)vaddr;
    (void)size;
}

void env_io_ops_init(struct guestmem_host *host)
{
    host->io_ops = (ps_io_ops_t){.io_mapper = {host, io_map, io_unmap}};
    ps_new_stdlib_malloc_ops(&host->io_ops.malloc_ops);
}

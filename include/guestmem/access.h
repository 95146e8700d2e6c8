/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest memory as the VMM's devices use it: reading, writing, single loads and stores, direct
 * pointers, buffer lists.
 *
 * All of it works on memory that the library mapped for the guest and that isn't device memory: RAM,
 * ROM, pages from create_*, the caller's frames; across reservations, regions and frame sizes. Lazy
 * memory is populated as by a guest's access. Read-only guest memory can be written. Each call checks
 * its whole range before the first byte moves, and is all or nothing in that sense. The VMM's view of
 * a frame is made at the first use and kept (guestmem_policy.views), so that a range seen once costs
 * no invocation, no system call and no allocation. The guest and other vcpus may change the bytes
 * meanwhile; only guestmem_ram_load/store are single accesses.
 *
 * Errors, of all of them: GUESTMEM_EINVAL (empty, or no VM), GUESTMEM_ERANGE, GUESTMEM_EUNMAPPED
 * (some byte isn't backed), GUESTMEM_ENOSUP (some byte is device memory), and what populating and
 * showing frames give: GUESTMEM_ENOFRAME, GUESTMEM_ENOSLOT, GUESTMEM_ENOTABLE, GUESTMEM_ENOMEM,
 * GUESTMEM_EVMM. guestmem_last_failure() names the range. Threads: readers, see
 * guestmem/threads.h; the first access to something changes the VM's memory and takes its turn.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestmem/guestmem.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------- many bytes */

int guestmem_ram_read(vm_t *vm, uintptr_t gpa, void *to, size_t size);
int guestmem_ram_write(vm_t *vm, uintptr_t gpa, const void *from, size_t size);
int guestmem_ram_fill(vm_t *vm, uintptr_t gpa, uint8_t byte, size_t size);

/* Within the guest's memory; the ranges may overlap, as with memmove(). */
int guestmem_ram_copy(vm_t *vm, uintptr_t to, uintptr_t from, size_t size);

/* After the VMM wrote code that the guest is to run: clean data caches and drop stale instructions
 * there. guestmem_ram_write(), _fill() and _copy() do it by themselves where vm->mem.clean_cache is
 * set. */
int guestmem_ram_sync_code(vm_t *vm, uintptr_t gpa, size_t size);

/* ------------------------------------------------------------------------- one load or store */

/* One access of 1, 2, 4 or 8 bytes at a multiple of that (GUESTMEM_EINVAL), in the byte order of the
 * VMM's machine. The acquire and release variants order it with accesses of the guest that do
 * the same. */
int guestmem_ram_load(vm_t *vm, uintptr_t gpa, size_t size, uint64_t *value);
int guestmem_ram_load_acquire(vm_t *vm, uintptr_t gpa, size_t size, uint64_t *value);
int guestmem_ram_store(vm_t *vm, uintptr_t gpa, size_t size, uint64_t value);
int guestmem_ram_store_release(vm_t *vm, uintptr_t gpa, size_t size, uint64_t value);

/* Between the machine's byte order and a device's: the value of a load, or for a store. */
static inline uint64_t guestmem_swap(uint64_t value, size_t size)
{
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

static inline uint64_t guestmem_le(uint64_t value, size_t size)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? value : guestmem_swap(value, size);
}

static inline uint64_t guestmem_be(uint64_t value, size_t size)
{
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? value : guestmem_swap(value, size);
}

/* ------------------------------------------------------------------------------- pointers */

/* A contiguous piece of guest memory as the VMM sees it. */
struct guestmem_span {
    void *address;
    size_t size;         /* usable bytes, at least 1 and at most what was asked for */
    uint64_t generation; /* of the VM's memory when it was looked up */
};

/*
 * The piece that starts at `gpa`, of at most `size` bytes. Usable until what backs it changes: in a
 * read section (guestmem/threads.h) until its end or the thread's own next change; without one
 * while guestmem_span_is_valid().
 */
int guestmem_ram_span(vm_t *vm, uintptr_t gpa, size_t size, struct guestmem_span *span);
bool guestmem_span_is_valid(vm_t *vm, const struct guestmem_span *span);

/* A guest buffer, as in a virtio descriptor; and a piece of the VMM's memory, laid out as struct
 * iovec of POSIX. */
struct guestmem_buffer {
    uintptr_t base;
    size_t size;
};

struct guestmem_iovec {
    void *iov_base;
    size_t iov_len;
};

/*
 * Turn a guest's buffer list into pieces, in order, `*count` of them. Only RAM: whatever else the guest
 * names is refused (GUESTMEM_EUNMAPPED), and so is an empty buffer (GUESTMEM_EINVAL).
 * GUESTMEM_ENOMEM: more than `most` pieces; nothing is cut off silently. Usable as a span is.
 */
int guestmem_ram_iovec(vm_t *vm, const struct guestmem_buffer *buffers, size_t buffer_count,
                       struct guestmem_iovec *pieces, size_t most, size_t *count);

#ifdef __cplusplus
}
#endif

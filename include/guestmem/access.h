/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest memory as the VMM's devices use it: reading, writing, single loads and stores, direct
 * pointers, buffer lists.
 *
 * All of it works on memory that the library mapped for the guest and that isn't device memory:
 * RAM, ROM, pages from create_* and from the guest's vspace_t, the caller's frames (whose caps need
 * all rights); across reservations, regions and frame sizes. Lazy memory is populated as by a
 * guest's access. Memory that the guest may only read can be written: an address that the guest
 * chose goes through guestmem_ram_iovec(), which takes RAM only. The guest and other vcpus may change
 * the bytes meanwhile; only guestmem_ram_load/store are single accesses.
 *
 * All or nothing: each call checks its whole range, populates it and makes it visible before the
 * first byte moves; if that fails, nothing has moved, and nothing has changed. (Where views are not
 * kept, guestmem_policy.views, a range that doesn't fit goes piece by piece.)
 *
 * Cost: what is accessed for the first time takes the VM's turn, and the invocations and slots that
 * populating it and mapping it in the VMM take, once; the mapping is kept. From then on an access
 * costs no invocation, no system call, no allocation and no lock: finding the place takes about as
 * long as copying 4 bytes where the calling thread used the same 2 MiB last, and a look-up in an
 * index elsewhere, once for each stretch that goes on in the VMM's addresses; then memcpy() does
 * the rest. In a VM that is shared (guestmem/threads.h) that holds inside a read section; outside
 * of one each call opens its own. `make bench` measures it (access_*).
 *
 * Errors, of all of them: GUESTMEM_EINVAL (empty, a NULL pointer, or no VM), GUESTMEM_ERANGE,
 * GUESTMEM_EUNMAPPED (some byte isn't backed), GUESTMEM_ENOSUP (some byte is device memory), and
 * what populating and showing frames give: GUESTMEM_ENOFRAME, GUESTMEM_ENOSLOT, GUESTMEM_ENOTABLE,
 * GUESTMEM_ENOMEM, GUESTMEM_EVMM, GUESTMEM_EKERNEL. guestmem_last_failure() names the range, and of
 * device memory the part in the way. Threads: readers, see guestmem/threads.h; the first access to
 * something changes the VM's memory and takes its turn.
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

/*
 * After the VMM wrote code that the guest is to run: data caches are written back to memory, since
 * a guest whose caches are off fetches from there, and stale instructions are dropped. Takes the
 * VM's turn, and two invocations for each frame, on the VMM's mapping of it. guestmem_ram_write(),
 * _fill() and _copy() do it by themselves, in the same call, where vm->mem.clean_cache is set.
 *   Returns: GUESTMEM_EKERNEL: the kernel can't clean there; of a call that writes: the bytes have
 *            moved.
 */
int guestmem_ram_sync_code(vm_t *vm, uintptr_t gpa, size_t size);

/* ------------------------------------------------------------------------- one load or store */

/*
 * One access of 1, 2, 4 or 8 bytes at a multiple of that (GUESTMEM_EINVAL), never torn, in the byte
 * order of the VMM's machine; the value's upper bytes are 0. The acquire and release variants
 * order it with accesses of the guest that do the same, as rings need: the index with acquire, then
 * what it stands for; what an index stands for, then the index with release.
 */
int guestmem_ram_load(vm_t *vm, uintptr_t gpa, size_t size, uint64_t *value);
int guestmem_ram_load_acquire(vm_t *vm, uintptr_t gpa, size_t size, uint64_t *value);
int guestmem_ram_store(vm_t *vm, uintptr_t gpa, size_t size, uint64_t value);
int guestmem_ram_store_release(vm_t *vm, uintptr_t gpa, size_t size, uint64_t value);

/* Between the machine's byte order and a device's: the value of a load, or for a store, of 1, 2, 4
 * or 8 bytes. */
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
 * The piece that starts at `gpa`, of at most `size` bytes; all of [gpa, gpa + size) must be there,
 * and the rest is had by asking again behind the piece. Usable until what backs it changes: in a
 * read section (guestmem/threads.h) until its end or the thread's own next change; without one, in
 * a VM that isn't shared, while guestmem_span_is_valid(). Returns: GUESTMEM_ENOSUP also where the
 * policy keeps no views.
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
 * Turn a guest's buffer list into pieces, in order, `*count` of them: one for each buffer where
 * that goes on in the VMM's addresses, else as few as make it up. Usable as spans are, by the
 * guestmem_generation() of before the call. Only RAM:
 * whatever else the guest names is refused (GUESTMEM_EUNMAPPED), and so are an empty buffer and an
 * empty list (GUESTMEM_EINVAL); the failure names the buffer. Returns: GUESTMEM_ENOMEM also if
 * there are more than `most` pieces, nothing is cut off silently; GUESTMEM_ENOSUP where the policy
 * keeps no views; GUESTMEM_EVMM also where they don't all fit into its window. `pieces` may be
 * written to the end even so, never behind it.
 */
int guestmem_ram_iovec(vm_t *vm, const struct guestmem_buffer *buffers, size_t buffer_count,
                       struct guestmem_iovec *pieces, size_t most, size_t *count);

#ifdef __cplusplus
}
#endif

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A request, however the driver cut it into buffers:
 *
 *     header: what, sector | data written | data read | status
 *     16 bytes             | n * 512      | n * 512   | 1 byte
 *     `--------- the device reads -------' `-- it writes ------'
 */
#include "disk.h"

#include <string.h>

enum { HEADER_BYTES = 16, STATUS_BYTES = 1, ID_BYTES = 20 };

struct header {
    uint32_t what;
    uint32_t reserved;
    uint64_t sector;
};

/* All of a chain's buffers as one row of bytes, as the VMM sees them. */
struct row {
    struct guestmem_iovec pieces[DISK_PIECES_MAX];
    size_t count;
};

/* Copy bytes of the row from `at` on, out of it or into it. They are there. */
static void row_copy(const struct row *row, uint64_t at, void *bytes, size_t size, bool into_row)
{
    char *mine = bytes;

    for (size_t i = 0; i < row->count && size > 0; i++) {
        const struct guestmem_iovec *piece = &row->pieces[i];
        size_t part;

        if (at >= piece->iov_len) {
            at -= piece->iov_len;
            continue;
        }
        part = size < piece->iov_len - at ? size : piece->iov_len - at;
        if (into_row) {
            memcpy((char *)piece->iov_base + at, mine, part);
        } else {
            memcpy(mine, (char *)piece->iov_base + at, part);
        }
        mine += part;
        size -= part;
        at = 0;
    }
}

/* The buffers can't be reached, or are too many. The one for the status alone may be to be had. */
static bool refuse(struct disk *disk, const struct chain *chain, uint32_t *written)
{
    const struct guestmem_buffer *last = &chain->buffers[chain->count - 1];
    struct guestmem_iovec piece;
    size_t count;

    if (chain->writable == 0 || last->size != STATUS_BYTES ||
        guestmem_ram_iovec(disk->vm, last, 1, &piece, 1, &count) != GUESTMEM_OK) {
        return false;
    }
    *(char *)piece.iov_base = DISK_ERROR;
    *written = chain->writable == STATUS_BYTES;
    disk->failed++;
    return true;
}

/* What became of a request: its status, and how many bytes the guest got, from the first on. */
struct answer {
    char status;
    uint64_t bytes;
};

/* Where the request's data is on the disk; NULL: not all of it. */
static uint8_t *sectors_at(struct disk *disk, uint64_t sector, uint64_t bytes)
{
    const uint64_t room = sizeof(disk->sectors);

    if (bytes % DISK_SECTOR != 0 || sector >= DISK_SECTORS || bytes > room - sector * DISK_SECTOR) {
        return NULL;
    }
    return disk->sectors + sector * DISK_SECTOR;
}

static struct answer transfer(struct disk *disk, const struct row *row, uint64_t at, uint64_t bytes,
                              uint64_t sector, bool read)
{
    uint8_t *data = sectors_at(disk, sector, bytes);

    if (data == NULL) {
        return (struct answer){.status = DISK_ERROR};
    }
    row_copy(row, at, data, bytes, read);
    *(read ? &disk->reads : &disk->writes) += 1;
    return (struct answer){.bytes = read ? bytes : 0};
}

static struct answer tell_id(const struct row *row, uint64_t at, uint64_t room)
{
    char id[ID_BYTES] = "guestmem-example";

    if (room < sizeof(id)) {
        return (struct answer){.status = DISK_ERROR};
    }
    row_copy(row, at, id, sizeof(id), true);
    return (struct answer){.bytes = sizeof(id)};
}

/* `in` and `out`: bytes of data that the guest gives, and that it has room for. */
static struct answer perform(struct disk *disk, const struct row *row, uint64_t in, uint64_t out)
{
    const uint64_t out_at = HEADER_BYTES + in;
    struct header header = {0};

    row_copy(row, 0, &header, sizeof(header), false);
    header.sector = guestmem_le(header.sector, 8);
    switch (guestmem_le(header.what, 4)) {
    case DISK_READ:
        return transfer(disk, row, out_at, out, header.sector, true);
    case DISK_WRITE:
        return transfer(disk, row, HEADER_BYTES, in, header.sector, false);
    case DISK_FLUSH:
        return (struct answer){.status = DISK_DONE};
    case DISK_GET_ID:
        return tell_id(row, out_at, out);
    default:
        return (struct answer){.status = DISK_UNKNOWN};
    }
}

/* The guest may run what it read. Pointers and pieces of before are not used after this. */
static void sync_code(struct disk *disk, const struct chain *chain)
{
    for (size_t i = chain->readable_count; disk->vm->mem.clean_cache && i < chain->count; i++) {
        guestmem_ram_sync_code(disk->vm, chain->buffers[i].base, chain->buffers[i].size);
    }
}

bool disk_request(struct disk *disk, const struct chain *chain, uint32_t *written)
{
    struct row row;
    struct answer answer;
    uint64_t out;

    if (chain->readable < HEADER_BYTES || chain->writable < STATUS_BYTES ||
        guestmem_ram_iovec(disk->vm, chain->buffers, chain->count, row.pieces, DISK_PIECES_MAX,
                           &row.count) != GUESTMEM_OK) {
        return refuse(disk, chain, written);
    }
    out = chain->writable - STATUS_BYTES;
    answer = perform(disk, &row, chain->readable - HEADER_BYTES, out);
    row_copy(&row, chain->readable + out, &answer.status, STATUS_BYTES, true);
    disk->failed += answer.status != DISK_DONE;
    /* The status is the last byte, and counts if all before it was written. */
    *written = (uint32_t)(answer.bytes + (answer.bytes == out));
    sync_code(disk, chain);
    return true;
}

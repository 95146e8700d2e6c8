/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"

/* Files are read to their end, whatever stat says: pipes are welcome, and may be longer than
 * allowed. */
static int read_all(struct file *file, int fd, size_t most)
{
    size_t room = 0;

    for (;;) {
        ssize_t got;

        if (room - file->size <= 1) {
            char *grown = realloc(file->bytes, room = room == 0 ? 1 << 16 : 2 * room);
            if (grown == NULL) {
                return ENOMEM;
            }
            file->bytes = grown;
        }
        got = read(fd, file->bytes + file->size, room - file->size - 1);
        if (got < 0 && errno != EINTR) {
            return errno;
        }
        if (got == 0) {
            file->bytes[file->size] = '\0';
            return 0;
        }
        file->size += got > 0 ? (size_t)got : 0;
        if (file->size > most) {
            return EFBIG;
        }
    }
}

int file_read(struct file *file, const char *path, const char *what, size_t most)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int err = errno;

    *file = (struct file){0};
    if (fd >= 0) {
        err = read_all(file, fd, most);
        close(fd);
        if (err == 0 && file->size > 0) {
            return STATUS_OK;
        }
    }
    file_drop(file);
    if (err == EFBIG && most >= 1 << 20) {
        return complain("%s %s: larger than %zu MiB", what, path, most >> 20);
    }
    return complain("%s %s: %s", what, path, err == 0 ? "empty" : strerror(err));
}

void file_drop(struct file *file)
{
    free(file->bytes);
    *file = (struct file){0};
}

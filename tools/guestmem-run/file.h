/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#pragma once

#include <stddef.h>

/* A file's bytes, and a zero behind them. */
struct file {
    char *bytes;
    size_t size;
};

/* Read a file whole. `what` is for the message. Returns 0, or a status after saying what is wrong.
 */
int file_read(struct file *file, const char *path, const char *what, size_t most);
void file_drop(struct file *file);

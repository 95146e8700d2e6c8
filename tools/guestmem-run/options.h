/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The command line.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What a run ends with; the man page lists them. */
enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1,    /* the guest failed, or a check did */
    STATUS_USAGE = 2,     /* an option or a file that can't be used; the guest wasn't started */
    STATUS_TIMEOUT = 124, /* as timeout(1) */
    STATUS_SIGNAL = 128,  /* plus the signal's number */
};

struct options {
    const char *firmware;
    const char *device_tree; /* NULL: built */
    const char *script;      /* NULL: none */
    const char *trace;       /* NULL: none */
    uint64_t ram_bytes;
    uint64_t memory_bytes; /* 0: what the RAM takes */
    unsigned frame_bits;   /* largest frame */
    unsigned around_bits;  /* of what comes with a lazy frame; 0: nothing */
    unsigned timeout_s;    /* 0: none */
    bool lazy;
    bool console;
    bool map;
    bool stats;
};

/* Returns true to go on; false and the status to end with. */
bool options_parse(struct options *options, int argc, char **argv, int *status);

/* One line to stderr, "guestmem-run: …". Returns STATUS_USAGE. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

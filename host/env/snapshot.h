/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * A snapshot is a sorted array of records, each a fact with the key under which to find it again.
 */
#pragma once

#include "env.h"

enum env_record_kind {
    ENV_RECORD_CAP,    /* key: CNode, slot; a cap and its parent */
    ENV_RECORD_SLOT,   /* key: slot; taken from the vka, without a cap */
    ENV_RECORD_MEMORY, /* key: paddr; untyped memory taken from the vka */
    ENV_RECORD_ENTRY,  /* key: ASID and level, address; an entry of a space's tables */
    ENV_RECORD_SPAN,   /* key: address; a reservation of the VMM's, or what stays of one */
    ENV_RECORD_PAGE,   /* key: address; a frame mapped in the VMM */
    ENV_RECORD_TOTALS
};

struct env_record {
    enum env_record_kind kind;
    uint64_t key[2];
    uint64_t value[7];
};

struct guestmem_host_snapshot {
    struct env_record *records;
    size_t count, room;
    bool failed; /* host memory was short while it was made */
};

void env_record_add(struct guestmem_host_snapshot *snapshot, const struct env_record *record);
void env_record_print(FILE *file, const struct env_record *record);

/* snapshot_caps.c */
void env_snapshot_caps(struct guestmem_host *host, struct guestmem_host_snapshot *snapshot);

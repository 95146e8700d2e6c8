/*
 * SPDX-License-Identifier: BSD-2-Clause
 * Copyright 2026 the guestmem authors
 *
 * A record of a snapshot in words.
 */
#include "snapshot.h"

#include <inttypes.h>

static const char *const type_names[] = {
    [K_NULL] = "nothing",
    [K_UNTYPED] = "untyped",
    [K_ENDPOINT] = "endpoint",
    [K_NOTIFICATION] = "notification",
    [K_CNODE] = "CNode",
    [K_THREAD] = "TCB",
    [K_IRQ_CONTROL] = "IRQ control",
    [K_DOMAIN] = "domain",
    [K_FRAME] = "frame",
    [K_TABLE] = "page table",
    [K_VSPACE] = "VSpace",
    [K_ASID_CONTROL] = "ASID control",
    [K_ASID_POOL] = "ASID pool",
    [K_VCPU] = "vcpu",
    [K_ZOMBIE] = "zombie",
};

static void print_place(FILE *file, const uint64_t place[2])
{
    if (place[0] == 0) {
        fprintf(file, "slot %" PRIu64, place[1]);
    } else if (place[0] == UINT64_MAX) {
        fprintf(file, "no slot known");
    } else {
        fprintf(file, "slot %" PRIu64 " of the CNode at %#" PRIx64, place[1], place[0]);
    }
}

static void print_data(FILE *file, unsigned type, const uint64_t value[])
{
    switch (type) {
    case K_UNTYPED:
        fprintf(file, ", %#" PRIx64 " bytes handed out", value[2]);
        break;
    case K_FRAME:
        if (value[3] != 0) {
            fprintf(file, ", mapped at %#" PRIx64 " in ASID %" PRIu64, value[2], value[3]);
        }
        break;
    case K_TABLE:
    case K_VSPACE:
        fprintf(file, ", %smapped at %#" PRIx64 " in ASID %" PRIu64, value[0] & 1 ? "" : "not ",
                value[2], value[3]);
        break;
    default:
        fprintf(file, ", badge or guard %#" PRIx64, value[2]);
        break;
    }
}

static void print_cap(FILE *file, const struct env_record *record)
{
    const uint64_t *value = record->value;
    unsigned type = (unsigned)(value[0] >> 32);

    print_place(file, record->key);
    fprintf(file, ": %s%s at %#" PRIx64 ", 2^%u, rights %#x", value[0] & 2 ? "device " : "",
            type_names[type], value[1], (unsigned)(value[0] >> 24 & 0xff),
            (unsigned)(value[0] >> 16 & 0xff));
    print_data(file, type, value);
    fprintf(file, "%s", value[4] ? ", in a slot that counts as free" : "");
    if (value[5] != UINT64_MAX) {
        fprintf(file, ", child of ");
        print_place(file, &value[5]);
    }
}

static void print_entry(FILE *file, const struct env_record *record)
{
    uint64_t entry = record->value[0];

    fprintf(file, "ASID %" PRIu64 ", address %#" PRIx64 ", 2^%u: %s at %#" PRIx64 "%s%s%s%s",
            record->key[0] >> 8, record->key[1], (unsigned)(record->key[0] & 0xff),
            entry & K_PTE_TABLE ? "table" : "frame", entry & K_PTE_ADDRESS,
            entry & K_PTE_READ ? " read" : "", entry & K_PTE_WRITE ? " write" : "",
            entry & K_PTE_CACHED ? " cached" : "", entry & K_PTE_NO_EXECUTE ? " no-execute" : "");
}

void env_record_print(FILE *file, const struct env_record *record)
{
    const uint64_t *value = record->value;

    switch (record->kind) {
    case ENV_RECORD_CAP:
        print_cap(file, record);
        break;
    case ENV_RECORD_SLOT:
        fprintf(file, "slot %" PRIu64 ": taken, without a cap", record->key[1]);
        break;
    case ENV_RECORD_MEMORY:
        fprintf(file, "memory at %#" PRIx64 ", 2^%" PRIu64 ": taken, untyped in slot %" PRIu64,
                record->key[1], value[0], value[1]);
        break;
    case ENV_RECORD_ENTRY:
        print_entry(file, record);
        break;
    case ENV_RECORD_SPAN:
        fprintf(file, "VMM range %#" PRIx64 ", %#" PRIx64 " bytes, %#" PRIx64
                      " mapped%s%s, rights %" PRIu64 "%s",
                record->key[1], value[0], value[1], value[2] ? ", reserved" : "",
                value[3] ? ", deferred" : "", value[4], value[5] ? ", cacheable" : "");
        break;
    case ENV_RECORD_PAGE:
        fprintf(file, "VMM page %#" PRIx64 ", 2^%" PRIu64 ": cap in slot %" PRIu64
                      ", rights %" PRIu64 "%s",
                record->key[1], value[1], value[0], value[2], value[3] ? ", cacheable" : "");
        break;
    case ENV_RECORD_TOTALS:
        fprintf(file, "malloc'd: %" PRIu64 " bytes in %" PRIu64 " blocks; free memory: %" PRIu64,
                value[0], value[1], value[2]);
        break;
    }
}

/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "print.h"

#include <inttypes.h>
#include <string.h>

static const char *const frame_names[GUESTMEM_SIZE_COUNT] = {"4K", "2M", "1G"};

static const char *bold(bool colours)
{
    return colours ? "\033[1m" : "";
}

static const char *plain(bool colours)
{
    return colours ? "\033[0m" : "";
}

void uboot_print_heading(const char *text, bool colours)
{
    printf("\n%s%s%s\n", bold(colours), text, plain(colours));
}

/* Bytes in the largest unit that keeps them a whole number. */
static void say_size(char *text, size_t room, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;

    while (unit < 4 && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, room, "%" PRIu64 " %s", bytes, units[unit]);
}

void uboot_say_frames(char *text, size_t room, const size_t frames[GUESTMEM_SIZE_COUNT])
{
    size_t used = 0;

    snprintf(text, room, "-");
    for (int i = GUESTMEM_SIZE_COUNT - 1; i >= 0; i--) {
        if (frames[i] != 0 && used < room) {
            used += (size_t)snprintf(text + used, room - used, "%s%zu x %s", used == 0 ? "" : " + ",
                                     frames[i], frame_names[i]);
        }
    }
}

/* ------------------------------------------------------------------------------------- checks */

static void print_result(bool passed, bool colours)
{
    const char *colour = !colours ? "" : passed ? "\033[32m" : "\033[1;31m";

    printf("  %s%-6s%s", colour, passed ? "ok" : "FAILED", plain(colours));
}

/* The wider of what a column has, and what comes into it. */
static int wider(int width, const char *text)
{
    int length = (int)strlen(text);

    return length > width ? length : width;
}

static void print_rows(const struct uboot_check *checks, size_t count, bool colours)
{
    static const char *const headings[] = {"command", "the guest says", "the VMM sees"};
    int command = wider(0, headings[0]);
    int guest = wider(0, headings[1]);

    for (size_t i = 0; i < count; i++) {
        if (!checks[i].is_title) {
            command = wider(command, checks[i].what);
            guest = wider(guest, checks[i].guest);
        }
    }
    printf("  %-6s  %-*s  %-*s  %s\n", "", command, headings[0], guest, headings[1], headings[2]);
    for (size_t i = 0; i < count; i++) {
        if (checks[i].is_title) {
            printf("  %s%s%s\n", bold(colours), checks[i].what, plain(colours));
            continue;
        }
        print_result(checks[i].passed, colours);
        printf("  %-*s  %-*s  %s\n", command, checks[i].what, guest, checks[i].guest,
               checks[i].vmm);
    }
}

void uboot_print_checks(const struct uboot_script *script, bool colours)
{
    size_t count;
    size_t titles = 0;
    size_t failures = uboot_script_failures(script);
    const struct uboot_check *checks = uboot_script_checks(script, &count);

    for (size_t i = 0; i < count; i++) {
        titles += checks[i].is_title ? 1 : 0;
    }
    if (count == 0) {
        return;
    }
    uboot_print_heading("Checked", colours);
    print_rows(checks, count, colours);
    if (failures != 0) {
        printf("  %zu of %zu checks failed\n", failures, count - titles);
    } else {
        printf("  %zu checks, %s\n", count - titles,
               uboot_script_over(script) ? "all passed" : "all passed so far");
    }
}

/* ---------------------------------------------------------------------------------------- map */

static const char *kind_name(enum guestmem_kind kind)
{
    static const char *const names[] = {
        [GUESTMEM_KIND_EMULATED] = "emulated", [GUESTMEM_KIND_RAM] = "ram",
        [GUESTMEM_KIND_MAPPED] = "mapped",     [GUESTMEM_KIND_CREATED] = "created",
        [GUESTMEM_KIND_VSPACE] = "vspace",     [GUESTMEM_KIND_POOL] = "pool",
    };

    return names[kind];
}

void uboot_print_map_heading(FILE *out)
{
    fprintf(out, "  %-12s  %9s  %-11s  %-8s  %-5s  %-6s  %-20s  %s\n", "address", "size", "name",
            "kind", "guest", "memory", "frames", "callback");
}

/* What a range has in it; of a lazy one perhaps not all yet. */
static void say_backing(char *text, size_t room, const struct guestmem_map_entry *entry)
{
    static const unsigned bits[GUESTMEM_SIZE_COUNT] = {12, 21, 30};
    uint64_t mapped = 0;

    for (int i = 0; i < GUESTMEM_SIZE_COUNT; i++) {
        mapped += (uint64_t)entry->frames[i] << bits[i];
    }
    uboot_say_frames(text, room, entry->frames);
    if (entry->lazy && mapped < entry->size) {
        snprintf(text + strlen(text), room - strlen(text), ", rest lazy");
    }
}

static bool is_mapped(const struct guestmem_map_entry *entry)
{
    return entry->frames[0] + entry->frames[1] + entry->frames[2] != 0;
}

void uboot_print_map_entry(FILE *out, struct uboot_vmm *vmm, const struct guestmem_map_entry *entry)
{
    const struct uboot_vmm_area *area = uboot_vmm_area_at(vmm, entry->base);
    const char *callback = uboot_vmm_callback_name(entry->fault_callback);
    bool mapped = is_mapped(entry);
    const char *rights = !mapped ? "-" : entry->can_write ? "rw" : entry->can_read ? "r" : "none";
    char size[24];
    char frames[64];

    say_size(size, sizeof(size), entry->size);
    say_backing(frames, sizeof(frames), entry);
    fprintf(out, "  0x%010" PRIxPTR "  %9s  %-11s  %-8s  %-5s  %-6s  %-20s  %s\n", entry->base,
            size, area != NULL ? area->name : "(absent)", kind_name(entry->kind), rights,
            !mapped         ? "-"
            : entry->device ? "device"
                            : "normal",
            frames, callback);
}

static int visit_all(const struct guestmem_map_entry *entry, void *cookie)
{
    uboot_print_map_entry(stdout, cookie, entry);
    return 0;
}

void uboot_print_map(struct uboot_vmm *vmm, bool colours)
{
    uboot_print_heading("Memory map", colours);
    uboot_print_map_heading(stdout);
    guestmem_walk(&vmm->vm, visit_all, vmm);
}

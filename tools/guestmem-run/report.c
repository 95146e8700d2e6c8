/*
 * Copyright 2026 the guestmem authors
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <guestmem/guestmem.h>
#include <guestmem/host_vm.h>

#include "terminal.h"

static const char *const frame_names[GUESTMEM_SIZE_COUNT] = {"4K", "2M", "1G"};

static const char *bold(void)
{
    return terminal_colours() ? "\033[1m" : "";
}

static const char *plain(void)
{
    return terminal_colours() ? "\033[0m" : "";
}

static void heading(const char *text)
{
    printf("\n%s%s%s\n", bold(), text, plain());
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

/* "512 x 2M + 3 x 4K", largest first; "-" for none. */
static void say_frames(char *text, size_t room, const size_t frames[GUESTMEM_SIZE_COUNT])
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

static void print_result(bool passed)
{
    const char *colour = !terminal_colours() ? "" : passed ? "\033[32m" : "\033[1;31m";

    printf("  %s%-6s%s", colour, passed ? "ok" : "FAILED", plain());
}

/* The wider of what a column has, and what comes into it. */
static int wider(int width, const char *text)
{
    int length = (int)strlen(text);

    return length > width ? length : width;
}

static void print_checks(const struct uboot_check *checks, size_t count)
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
            printf("  %s%s%s\n", bold(), checks[i].what, plain());
            continue;
        }
        print_result(checks[i].passed);
        printf("  %-*s  %-*s  %s\n", command, checks[i].what, guest, checks[i].guest,
               checks[i].vmm);
    }
}

void report_checks(const struct uboot_script *script)
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
    heading("Checked");
    print_checks(checks, count);
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

static void print_map_heading(FILE *out)
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
    say_frames(text, room, entry->frames);
    if (entry->lazy && mapped < entry->size) {
        snprintf(text + strlen(text), room - strlen(text), ", rest lazy");
    }
}

static bool is_mapped(const struct guestmem_map_entry *entry)
{
    return entry->frames[0] + entry->frames[1] + entry->frames[2] != 0;
}

static void print_entry(FILE *out, struct uboot_vmm *vmm, const struct guestmem_map_entry *entry)
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
    print_entry(stdout, cookie, entry);
    return 0;
}

void report_map(struct uboot_vmm *vmm)
{
    heading("Memory map");
    print_map_heading(stdout);
    guestmem_walk(&vmm->vm, visit_all, vmm);
}

/* --------------------------------------------------------------------------------- statistics */

static void row(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void row(const char *name, const char *format, ...)
{
    va_list args;

    printf("  %-26s  ", name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void report_stats(struct uboot_vmm *vmm, struct guestmem_host *host, uint64_t run_ns)
{
    struct guestmem_host_counts counts;
    struct guestmem_stats stats;
    char frames[64];

    heading("Statistics");
    if (guestmem_get_stats(&vmm->vm, &stats) != GUESTMEM_OK) {
        return;
    }
    guestmem_host_count(host, &counts);
    say_frames(frames, sizeof(frames), stats.frames);
    row("frames in the guest", "%s", frames);
    say_frames(frames, sizeof(frames), stats.alias_frames);
    row("of them seen by the VMM", "%s", frames);
    say_frames(frames, sizeof(frames), stats.fallbacks);
    row("fallbacks to smaller", "%s", frames);
    row("reservations", "%zu", stats.reservations);
    row("cap slots", "%zu", stats.slots);
    row("untypeds", "%zu", stats.untypeds);
    row("stage-2 tables", "%zu", stats.tables);
    row("book-keeping", "%zu bytes", stats.bytes);
    row("guest faults", "%" PRIu64 " (%" PRIu64 " populated, %" PRIu64 " unhandled)", stats.faults,
        stats.faults_populated, stats.faults_unhandled);
    row("kernel invocations",
        "%" PRIu64 " (%" PRIu64 " maps, %" PRIu64 " retypes, %" PRIu64 " copies)",
        counts.invocations, counts.maps, counts.retypes, counts.copies);
    row("guest ran", "%.2f s", (double)run_ns / 1e9);
}

/* -------------------------------------------------------------------------------------- fault */

struct around {
    struct uboot_vmm *vmm;
    uintptr_t addr;
    struct guestmem_map_entry below;
    struct guestmem_map_entry above;
    bool has_below;
    bool has_above;
};

static int visit_around(const struct guestmem_map_entry *entry, void *cookie)
{
    struct around *around = cookie;

    if (entry->base > around->addr) {
        around->above = *entry;
        around->has_above = true;
        return 1;
    }
    around->below = *entry;
    around->has_below = true;
    return 0;
}

static void report_around(struct uboot_vmm *vmm, uintptr_t addr)
{
    struct around around = {.vmm = vmm, .addr = addr};

    guestmem_walk(&vmm->vm, visit_around, &around);
    print_map_heading(stderr);
    if (around.has_below) {
        print_entry(stderr, vmm, &around.below);
    }
    if (!around.has_below || addr - around.below.base >= around.below.size) {
        fprintf(stderr, "  0x%010" PRIxPTR "  <- nothing here\n", addr);
    }
    if (around.has_above) {
        print_entry(stderr, vmm, &around.above);
    }
}

static void report_nowhere(const struct uboot_vmm_event *fault)
{
    if (fault->pc == fault->addr) {
        fprintf(stderr, "guestmem-run: the guest jumped to nowhere: pc 0x%" PRIxPTR "\n",
                fault->pc);
    } else {
        fprintf(stderr,
                "guestmem-run: the guest %s nowhere: pc 0x%" PRIxPTR ", address 0x%" PRIxPTR
                ", %zu bytes\n",
                fault->is_read ? "read" : "wrote", fault->pc, fault->addr, fault->size);
    }
}

void report_fault(struct uboot_vmm *vmm)
{
    const struct uboot_vmm_event *fault = &vmm->fault;
    struct guestmem_host_vm_exit end;
    char text[200];

    if (vmm->end == UBOOT_VMM_NOWHERE) {
        report_nowhere(fault);
        report_around(vmm, fault->addr);
    } else if (vmm->end == UBOOT_VMM_EXCEPTION) {
        fprintf(stderr,
                "guestmem-run: the guest did what this VM doesn't have: pc 0x%" PRIxPTR
                ", syndrome 0x%" PRIx64 "\n",
                fault->pc, (uint64_t)fault->data);
        report_around(vmm, fault->pc);
    } else {
        guestmem_host_vm_get_exit(&vmm->vm, &end);
        guestmem_host_vm_exit_text(&end, text, sizeof(text));
        fprintf(stderr, "guestmem-run: %s\n", text);
        report_around(vmm, end.reason == GUESTMEM_HOST_VM_ACCESS ? end.address : end.pc);
    }
}
